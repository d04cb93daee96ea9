//! The demo's `engine.toml`.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::bars::Bars;

/// The demo's token: not secret, it opens a port of this machine for as long as the demo runs.
pub const TOKEN: &str = "demo";

/// What the file says.
pub struct Settings<'a> {
    pub folder: &'a Path,
    pub instrument: &'a str,
    pub listen: &'a str,
    pub feed: &'a str,
    pub bars: &'a Bars,
    pub history: &'a Path,
    pub public_key: &'a PublicKey,
}

impl Settings<'_> {
    /// As TOML.
    pub fn to_toml(&self) -> String {
        let path = |name: &str| quoted(&self.folder.join(name).to_string_lossy());
        let macros = self.bars.macros.as_ref().map_or_else(String::new, |file| {
            format!("macro = {}\n", quoted(&file.to_string_lossy()))
        });
        format!(
            "engine_id = \"demo\"\nslot = \"demo\"\nenvironment = \"local\"\ncontract_source = {source}\n\
             listen = \"{listen}\"\nclock = \"feed\"\nallow_local_contracts = true\n\n\
             [journal]\ndir = {journal}\n\n\
             [feed]\nurl = \"ws://{feed}\"\ncodec = \"native\"\n\n\
             [feed.instruments]\n{instrument} = \"{instrument}\"\n\n\
             [halt]\nsocket = {socket}\nfile = {file}\n\n\
             [history]\nbars = {history}\n{macros}stamp = \"{stamp}\"\n\n\
             [[trusted_keys]]\nid = \"{key_id}\"\npublic_key = \"{public_key}\"\nuses = [\"contract\"]\n\n\
             [[tokens]]\nname = \"demo\"\nsha256 = \"{token}\"\nscopes = [\"signals:read\", \"metrics:read\"]\n\
             expires = \"2100-01-01T00:00:00Z\"\n",
            source = path("contract"),
            listen = self.listen,
            journal = path("journal"),
            feed = self.feed,
            instrument = self.instrument,
            socket = path("halt.sock"),
            file = path("HALT"),
            history = quoted(&self.history.to_string_lossy()),
            stamp = self.bars.stamp.word(),
            key_id = self.public_key.id,
            public_key = self.public_key.key,
            token = hex::encode(Sha256::digest(TOKEN)),
        )
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The public half of a key that `engine contract make` wrote: the file's `key_id` and `public_key`.
pub fn public_key(key: &Path) -> Result<PublicKey, String> {
    let mut path = key.as_os_str().to_owned();
    path.push(".pub");
    let path = Path::new(&path);
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let field =
        |name: &str| value_of(&text, name).ok_or_else(|| format!("{} has no `{name}`", path.display()));
    Ok(PublicKey {
        id: field("key_id")?,
        key: field("public_key")?,
    })
}

/// What a trusted key is told by.
pub struct PublicKey {
    pub id: String,
    pub key: String,
}

/// The string under `name` in a flat JSON object written by the engine: no escapes occur in ids and hex.
fn value_of(json: &str, name: &str) -> Option<String> {
    let after = json.split_once(&format!("\"{name}\""))?.1;
    let mut parts = after.split('"');
    parts.next().filter(|between| between.trim() == ":")?;
    parts.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_flat_object_is_found() {
        let json = "{\"key_id\": \"k1\",\n \"public_key\":\"ab\"}";
        assert_eq!(value_of(json, "key_id").as_deref(), Some("k1"));
        assert_eq!(value_of(json, "public_key").as_deref(), Some("ab"));
        assert_eq!(value_of(json, "other"), None);
    }

    #[test]
    fn a_path_is_quoted_for_toml() {
        assert_eq!(quoted("a\"b\\c"), "\"a\\\"b\\\\c\"");
    }
}
