//! The first vote about a model: waited for until there is a proposal, or a reason why there is none.

use std::time::Duration;

use contracts::ids::ModelId;
use serde_json::Value;

use crate::cli::remote::{Call, Remote};
use crate::cli::{CliError, Exit};
use crate::limits::VERDICT_LOOK_MS;

/// Waits for the end of the newest first vote about a model, telling how far it is; what came of it.
///
/// # Errors
/// As [`Remote::send`]; [`Exit::Data`] for a job that failed for good.
pub async fn wait(
    remote: &mut Remote<'_>,
    model: &ModelId,
    told: &mut dyn FnMut(&Value),
) -> Result<Value, CliError> {
    let job = newest(remote, model).await?;
    loop {
        let path = ["api", "jobs", job.as_str()];
        let row = remote.send(Call::get(&path)).await?.json()?;
        told(&row);
        match row["state"].as_str() {
            Some("done") => return Ok(row["result"].clone()),
            Some("failed") => {
                let why = row["error"].as_str().unwrap_or("it does not say why");
                return Err(CliError::new(
                    Exit::Data,
                    format!("the first vote about {model} failed: {why}"),
                    format!("mend what it names, then `control propose {model}`"),
                ));
            }
            _ => tokio::time::sleep(Duration::from_millis(VERDICT_LOOK_MS)).await,
        }
    }
}

async fn newest(remote: &mut Remote<'_>, model: &ModelId) -> Result<String, CliError> {
    let mut cursor = None;
    loop {
        let call = Call::get(&["api", "jobs"])
            .with("kind", Some("first_vote"))
            .with("cursor", cursor);
        let page = remote.send(call).await?.json()?;
        let mut jobs = page["jobs"].as_array().into_iter().flatten();
        if let Some(job) = jobs.find(|job| job["subject"] == model.as_str()) {
            return Ok(job["job_id"].to_string());
        }
        cursor = page["next_cursor"].as_u64();
        if cursor.is_none() {
            return Err(CliError::new(
                Exit::NoInput,
                format!("there is no first vote about {model}"),
                format!("start one: `control propose {model}`"),
            ));
        }
    }
}
