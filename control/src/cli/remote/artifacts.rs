//! Files by their hash, to a server and from it; of many several at a time, for each of them waits for a disk.

use contracts::hash::{ArtifactHash, Digest};
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};

use super::client::Client;
use super::{Call, Remote, Reply};
use crate::cli::{CliError, Exit};
use crate::limits::CLIENT_FILES_AT_ONCE;

/// Where artifacts lie.
const PATH: [&str; 2] = ["api", "artifacts"];

impl Remote<'_> {
    /// Hands a file in, unless the server has it already with its bytes; its hash.
    ///
    /// # Errors
    /// As [`Remote::send`].
    pub async fn keep(&mut self, bytes: &[u8]) -> Result<ArtifactHash, CliError> {
        self.keep_all(&[bytes]).await?;
        Ok(Digest::of(bytes))
    }

    /// Hands files in, in no order.
    ///
    /// # Errors
    /// As [`Remote::send`]; some of them may be there then, which does no harm.
    pub async fn keep_all(&mut self, files: &[&[u8]]) -> Result<(), CliError> {
        let client = &self.client;
        let sent: Vec<_> = files.iter().map(|bytes| keep(client, bytes)).collect();
        let replies: Vec<Reply> = iter(sent)
            .buffer_unordered(CLIENT_FILES_AT_ONCE)
            .try_collect()
            .await?;
        for reply in replies {
            self.settle(reply)?;
        }
        Ok(())
    }

    /// The bytes of these hashes, in their order.
    ///
    /// # Errors
    /// As [`Remote::send`]; [`Exit::Differs`] for bytes that are not those of their hash.
    pub async fn artifacts(&mut self, hashes: &[ArtifactHash]) -> Result<Vec<Vec<u8>>, CliError> {
        let client = &self.client;
        let sent: Vec<_> = hashes.iter().map(|hash| fetch(client, *hash)).collect();
        let replies: Vec<Reply> = iter(sent).buffered(CLIENT_FILES_AT_ONCE).try_collect().await?;
        let mut all = Vec::with_capacity(replies.len());
        for (reply, hash) in replies.into_iter().zip(hashes) {
            let bytes = self.settle(reply)?.body;
            if Digest::of(&bytes) != *hash {
                return Err(CliError::new(
                    Exit::Differs,
                    format!("{} gave other bytes than those of {hash}", self.url()),
                    "something between here and the server changes what it sends",
                ));
            }
            all.push(bytes);
        }
        Ok(all)
    }
}

async fn keep(client: &Client, bytes: &[u8]) -> Result<Reply, CliError> {
    let hash: ArtifactHash = Digest::of(bytes);
    let name = hash.to_hex();
    let path = [PATH[0], PATH[1], name.as_str()];
    let there = client.send(Call::head(&path)).await?;
    if there.status == 200 {
        return Ok(there);
    }
    // What is missing or was altered there is sent.
    client.send(Call::put_bytes(&path, bytes.to_vec())).await
}

async fn fetch(client: &Client, hash: ArtifactHash) -> Result<Reply, CliError> {
    let name = hash.to_hex();
    client.send(Call::get(&[PATH[0], PATH[1], name.as_str()])).await
}
