//! Files by their hash, to a server and from it.

use contracts::hash::{ArtifactHash, Digest};

use super::{Call, Remote};
use crate::cli::{CliError, Exit};

/// Where artifacts lie.
const PATH: [&str; 2] = ["api", "artifacts"];

impl Remote<'_> {
    /// Hands a file in, unless the server has it already with its bytes; its hash.
    ///
    /// # Errors
    /// As [`Remote::send`].
    pub async fn keep(&mut self, bytes: &[u8]) -> Result<ArtifactHash, CliError> {
        let hash: ArtifactHash = Digest::of(bytes);
        let name = hash.to_hex();
        let path = [PATH[0], PATH[1], name.as_str()];
        // What is missing or was altered there is sent.
        if self.client.send(Call::head(&path)).await?.status != 200 {
            self.send(Call::put_bytes(&path, bytes.to_vec())).await?;
        }
        Ok(hash)
    }

    /// The bytes of that hash.
    ///
    /// # Errors
    /// As [`Remote::send`]; [`Exit::Differs`] for bytes that are not those of the hash.
    pub async fn artifact(&mut self, hash: ArtifactHash) -> Result<Vec<u8>, CliError> {
        let name = hash.to_hex();
        let reply = self.send(Call::get(&[PATH[0], PATH[1], name.as_str()])).await?;
        if Digest::of(&reply.body) == hash {
            return Ok(reply.body);
        }
        Err(CliError::new(
            Exit::Differs,
            format!("{} gave other bytes than those of {hash}", self.url()),
            "something between here and the server changes what it sends",
        ))
    }
}
