//! A model comes as a form: fields are read one by one, each with its limit, and nothing is kept of a form that is refused.

use axum::extract::multipart::{Field, Multipart, MultipartError, MultipartRejection};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use contracts::limits::{MODEL_BYTES_MAX, NORM_STATS_BYTES_MAX};
use serde_json::{Value, json};

use super::access::{Caller, RESEARCH_WRITE};
use super::models::view;
use super::problem::Problem;
use super::{Api, Route};
use crate::inspect::InspectionError;
use crate::limits::{FORM_TEXT_BYTES_MAX, MODEL_FORM_BYTES_MAX};
use crate::market::StoredMarketError;
use crate::markets::MarketError;
use crate::registry::bundle::BundleError;
use crate::registry::{self, RegisterModelError, Registration};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/api/models",
            RESEARCH_WRITE,
            "Registers a model; the same bundle again changes nothing",
            post(register).layer(DefaultBodyLimit::max(MODEL_FORM_BYTES_MAX)),
        )
        .takes_form::<ModelForm>()
        .gives(&[201, 200])
        .refuses_all(&[
            (
                409,
                &[
                    "bundle_registered_elsewhere",
                    "registered_differently",
                    "no_market",
                    "market_unusable",
                    "too_few_bars",
                ],
            ),
            (413, &["norm_stats_too_large"]),
            // The inspection has a word for everything a model can be refused for.
            (422, &[]),
            (503, &["runtime_missing", "inspection_not_started"]),
        ]),
    ]
}

/// The form's fields, for the description.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "only its schema is used: fields are read as they come")]
struct ModelForm {
    /// The experiment.
    contract_id: String,
    /// The ONNX file.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    model: String,
    /// `norm_stats.json`.
    #[schema(format = Binary, content_media_type = "application/json")]
    norm_stats: String,
    /// What it was trained on.
    dataset_hash: Option<String>,
    /// Which run trained it.
    training_run: Option<String>,
    /// Trials made elsewhere.
    trials: Option<u32>,
    /// The output to act on.
    action_output: Option<String>,
}

async fn register(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<(StatusCode, axum::Json<Value>), Problem> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    // Before the first byte of it is read.
    if announced.is_some_and(|bytes| bytes > MODEL_FORM_BYTES_MAX as u64) {
        return Err(too_large("the form", MODEL_FORM_BYTES_MAX));
    }
    let form = form.map_err(|error| Problem::new(415, "not_a_form", error.body_text()))?;
    let registration = read(form).await?;
    let done = Box::pin(registry::register(&api.app, &caller.actor, registration)).await?;
    let status = if done.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let mut answer = view(&done.model);
    answer["created"] = json!(done.created);
    Ok((status, axum::Json(answer)))
}

/// Fields as they came, each at most once.
#[derive(Default)]
struct Form {
    contract_id: Option<String>,
    model: Option<Vec<u8>>,
    norm_stats: Option<Vec<u8>>,
    dataset_hash: Option<String>,
    training_run: Option<String>,
    trials: Option<String>,
    action_output: Option<String>,
}

async fn read(mut form: Multipart) -> Result<Registration, Problem> {
    let mut fields = Form::default();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "model" => once(
                &mut fields.model,
                &name,
                bytes(field, &name, MODEL_BYTES_MAX).await?,
            )?,
            "norm_stats" => {
                let file = bytes(field, &name, NORM_STATS_BYTES_MAX).await?;
                once(&mut fields.norm_stats, &name, file)?;
            }
            "contract_id" => once(&mut fields.contract_id, &name, text(field, &name).await?)?,
            "dataset_hash" => once(&mut fields.dataset_hash, &name, text(field, &name).await?)?,
            "training_run" => once(&mut fields.training_run, &name, text(field, &name).await?)?,
            "trials" => once(&mut fields.trials, &name, text(field, &name).await?)?,
            "action_output" => once(&mut fields.action_output, &name, text(field, &name).await?)?,
            _ => {
                let shown: String = name.chars().take(64).collect();
                return Err(malformed(format!("`{shown}` is no field of this form")));
            }
        }
    }
    let missing = |name: &'static str| move || malformed(format!("the field `{name}` is missing"));
    Ok(Registration {
        contract_id: parsed(
            "contract_id",
            &fields.contract_id.ok_or_else(missing("contract_id"))?,
        )?,
        model: fields.model.ok_or_else(missing("model"))?,
        norm_stats: fields.norm_stats.ok_or_else(missing("norm_stats"))?,
        dataset_hash: optional("dataset_hash", fields.dataset_hash)?,
        training_run: optional("training_run", fields.training_run)?,
        declared_trials: optional("trials", fields.trials)?.unwrap_or(0),
        action_output: fields.action_output,
    })
}

fn once<T>(slot: &mut Option<T>, name: &str, value: T) -> Result<(), Problem> {
    if slot.replace(value).is_some() {
        return Err(malformed(format!("the field `{name}` comes twice")));
    }
    Ok(())
}

async fn bytes(mut field: Field<'_>, name: &str, most: usize) -> Result<Vec<u8>, Problem> {
    let mut all = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(broken)? {
        if all.len() + chunk.len() > most {
            return Err(too_large(&format!("the field `{name}`"), most));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

async fn text(field: Field<'_>, name: &str) -> Result<String, Problem> {
    let bytes = bytes(field, name, FORM_TEXT_BYTES_MAX).await?;
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| malformed(format!("the field `{name}` is no text")))
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error| malformed(format!("the field `{name}`: {error}")))
}

fn optional<T: std::str::FromStr<Err: std::fmt::Display>>(
    name: &str,
    text: Option<String>,
) -> Result<Option<T>, Problem> {
    text.map(|text| parsed(name, &text)).transpose()
}

fn malformed(detail: String) -> Problem {
    Problem::new(400, "malformed_form", detail)
}

fn too_large(what: &str, most: usize) -> Problem {
    Problem::new(
        413,
        "body_too_large",
        format!("{what} has more than {most} bytes"),
    )
}

fn broken(error: MultipartError) -> Problem {
    match error.status().as_u16() {
        413 => Problem::new(413, "body_too_large", error.body_text()),
        _ => malformed(error.body_text()),
    }
}

impl From<RegisterModelError> for Problem {
    fn from(error: RegisterModelError) -> Self {
        let code = error.code().to_owned();
        let status = match &error {
            RegisterModelError::Forbidden => 403,
            RegisterModelError::NoExperiment(_)
            | RegisterModelError::NoDataset(_)
            | RegisterModelError::NoTraining(_)
            | RegisterModelError::Origin(_) => 422,
            RegisterModelError::Elsewhere { .. } | RegisterModelError::Differs { .. } => 409,
            RegisterModelError::Bundle(error) => match bundle_status(error) {
                Some(status) => status,
                None => return Self::internal(error),
            },
            RegisterModelError::Artifacts(_)
            | RegisterModelError::Audit(_)
            | RegisterModelError::Store(_) => return Self::internal(&error),
        };
        if status >= 409 && status != 422 {
            tracing::warn!(
                causes = crate::causes::causes(&error),
                "a model was not registered"
            );
        }
        Self::new(status, code, &error)
    }
}

/// None for what is wrong inside.
fn bundle_status(error: &BundleError) -> Option<u16> {
    Some(match error {
        BundleError::NormStatsTooLarge { .. } => 413,
        BundleError::NormStats(_) | BundleError::ActionOutput { .. } | BundleError::Golden(_) => 422,
        // The operator's to mend, not the caller's and no fault of the program.
        BundleError::Market(MarketError::Stored(StoredMarketError::Store(_))) => return None,
        BundleError::Market(_) | BundleError::Observations(_) => 409,
        BundleError::Inspection(InspectionError::Runtime(_) | InspectionError::Start(_)) => 503,
        BundleError::Inspection(_) => 422,
        BundleError::Runtime(_) | BundleError::Jcs(_) | BundleError::ModelId => return None,
    })
}
