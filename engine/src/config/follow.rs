//! Where contracts come from: `contract_source` and `[control]`.

use std::path::PathBuf;

use serde::Deserialize;

/// The word that is no directory.
const CONTROL: &str = "control";

/// `contract_source`: `control`, or a directory (one of that name is written `./control`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum ContractFrom {
    /// The control plane under `[control]`.
    Control,
    /// A directory with `contract.json`, `directive.json` and `artifacts/`.
    Directory(PathBuf),
}

impl From<String> for ContractFrom {
    fn from(text: String) -> Self {
        if text == CONTROL {
            Self::Control
        } else {
            Self::Directory(text.into())
        }
    }
}

/// `[control]`: where the control plane is, and what this engine shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlConfig {
    /// `https://HOST[:PORT]`, or `http://` to this machine.
    pub url: String,
    /// File of mode 0600 with a token of scope `engine:sync` for the slot; read again at every request, so that it can be replaced.
    pub token_file: PathBuf,
    /// PEM file of authorities trusted beside the public ones, for `https://`.
    pub ca_file: Option<PathBuf>,
}

/// The setting that cannot be as it is, and what is wrong with it.
pub(super) fn check(
    from: &ContractFrom,
    control: Option<&ControlConfig>,
) -> Result<(), (&'static str, String)> {
    match (from, control) {
        (ContractFrom::Control, None) => Err((
            "contract_source",
            "\"control\" needs a section [control] with url and token_file; a directory of that name is written \"./control\""
                .into(),
        )),
        (ContractFrom::Directory(_), Some(_)) => Err((
            "control",
            "this section concerns contract_source = \"control\" only: take it out, or follow the control plane".into(),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_control_is_the_control_plane_and_a_path_is_a_directory() {
        let control = ControlConfig {
            url: "http://127.0.0.1:9200".into(),
            token_file: "token".into(),
            ca_file: None,
        };
        assert_eq!(ContractFrom::from("control".to_owned()), ContractFrom::Control);
        let directory = ContractFrom::from("./control".to_owned());
        assert_eq!(directory, ContractFrom::Directory("./control".into()));
        assert!(check(&ContractFrom::Control, Some(&control)).is_ok());
        assert!(check(&directory, None).is_ok());
        assert_eq!(
            check(&ContractFrom::Control, None).unwrap_err().0,
            "contract_source"
        );
        assert_eq!(check(&directory, Some(&control)).unwrap_err().0, "control");
    }
}
