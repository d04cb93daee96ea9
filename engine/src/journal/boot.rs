//! Which boot of the machine this is.

use crate::core::record::BootId;

const PATH: &str = "/proc/sys/kernel/random/boot_id";

/// Why the boot cannot be named; the journal cannot tell then whether power was lost.
#[derive(Debug, thiserror::Error)]
pub enum BootIdError {
    /// The kernel's file cannot be read: mount `/proc`.
    #[error("cannot read {PATH}; mount /proc for this process")]
    Unreadable(#[source] std::io::Error),
    /// The file holds something else than a UUID.
    #[error("{PATH} holds `{0}`, which is no boot id")]
    NotABootId(String),
}

/// Reads the kernel's boot id.
///
/// # Errors
/// [`BootIdError`] where the kernel does not tell.
pub fn boot_id() -> Result<BootId, BootIdError> {
    parse(&std::fs::read_to_string(PATH).map_err(BootIdError::Unreadable)?)
}

fn parse(text: &str) -> Result<BootId, BootIdError> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    let mut id = [0; 16];
    hex::decode_to_slice(&digits, &mut id).map_err(|_| BootIdError::NotABootId(text.trim().to_owned()))?;
    Ok(BootId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_sixteen_bytes_and_nothing_else_is_a_boot_id() {
        let id = parse("00112233-4455-6677-8899-aabbccddeeff\n").unwrap();
        assert_eq!(id.0[..3], [0x00, 0x11, 0x22]);
        assert!(matches!(parse("soon"), Err(BootIdError::NotABootId(_))));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn it_does_not_change_while_the_machine_runs() {
        assert_eq!(boot_id().unwrap(), boot_id().unwrap());
    }
}
