//! What the demo writes for the two programs to read: `control.toml` and `engine.toml`.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::INSTRUMENT;
use super::bars::Bars;
use crate::runner;

/// The token of the demo's signal client: not secret, it opens a port of this machine for as long as the demo runs.
pub const TOKEN: &str = "demo";
/// Where the model runs.
pub const SLOT: &str = "demo";
/// The slot's environment.
const ENVIRONMENT: &str = "paper";

/// `control.toml`: everything in one folder, bars out of the market store.
pub fn control(folder: &Path, address: &str) -> String {
    let path = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let features = runner::root().join("config").join("features");
    format!(
        "listen = {address}\ndatabase = {database}\nartifacts = {artifacts}\nkeys = {keys}\naudit_heads = {heads}\n\
         features = {features}\n\n\
         [slots.{SLOT}]\nenvironment = {environment}\ninstruments = [{instrument}]\n\n\
         [markets.{INSTRUMENT}]\nstore = true\n",
        address = quoted(address),
        database = quoted(&format!("sqlite:{}", folder.join("control.db").display())),
        artifacts = path("artifacts"),
        keys = path("keys"),
        heads = path("audit-heads.jsonl"),
        features = quoted(&features.to_string_lossy()),
        environment = quoted(ENVIRONMENT),
        instrument = quoted(INSTRUMENT),
    )
}

/// What `engine.toml` says.
pub struct Engine<'a> {
    pub folder: &'a Path,
    pub listen: &'a str,
    pub feed: &'a str,
    pub bars: &'a Bars,
    /// The bars before the live ones.
    pub history: &'a Path,
    /// Where the control plane answers.
    pub control: &'a str,
    /// The file of the token it is shown.
    pub token_file: &'a Path,
    /// As [`super::plane::trusted_keys`] writes them.
    pub trusted_keys: &'a str,
}

impl Engine<'_> {
    /// As TOML.
    pub fn to_toml(&self) -> String {
        let path = |name: &str| quoted(&self.folder.join(name).to_string_lossy());
        let macros = self.bars.macros.as_ref().map_or_else(String::new, |file| {
            format!("macro = {}\n", quoted(&file.to_string_lossy()))
        });
        format!(
            "engine_id = \"demo\"\nslot = \"{SLOT}\"\nenvironment = \"{ENVIRONMENT}\"\ncontract_source = \"control\"\n\
             listen = \"{listen}\"\nclock = \"feed\"\n\n\
             [control]\nurl = {control}\ntoken_file = {token_file}\n\n\
             [journal]\ndir = {journal}\n\n\
             [feed]\nurl = \"ws://{feed}\"\ncodec = \"native\"\n\n\
             [feed.instruments]\n{INSTRUMENT} = \"{INSTRUMENT}\"\n\n\
             [halt]\nsocket = {socket}\nfile = {file}\n\n\
             [history]\nbars = {history}\n{macros}stamp = \"{stamp}\"\n{trusted_keys}\n\
             [[tokens]]\nname = \"demo\"\nsha256 = \"{token}\"\nscopes = [\"signals:read\", \"metrics:read\"]\n\
             expires = \"2100-01-01T00:00:00Z\"\n",
            listen = self.listen,
            control = quoted(self.control),
            token_file = quoted(&self.token_file.to_string_lossy()),
            journal = path("journal"),
            feed = self.feed,
            socket = path("halt.sock"),
            file = path("HALT"),
            history = quoted(&self.history.to_string_lossy()),
            stamp = self.bars.stamp.word(),
            trusted_keys = self.trusted_keys,
            token = hex::encode(Sha256::digest(TOKEN)),
        )
    }
}

/// A TOML string.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_for_toml() {
        assert_eq!(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
    }
}
