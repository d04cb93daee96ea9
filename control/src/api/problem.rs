//! Errors on the wire: RFC 9457, with a stable `code`. What went wrong inside stays in the log.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::artifacts::{ArtifactError, NamedError};
use crate::auth::{LoginError, PresentError, SetupError, TokenError, UserError};
use crate::causes::{causes, chain};
use crate::store::StoreError;
use crate::votes::{ApproveError, RejectError, RequestError, VoteRefused};

/// A problem document.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// HTTP's.
    pub status: u16,
    /// HTTP's words.
    pub title: &'static str,
    /// Stable, for programs.
    pub code: Cow<'static, str>,
    /// For people.
    pub detail: String,
    /// Of a fault in a document: where, such as `reward.weights`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub path: Option<Box<str>>,
    /// Of a fault in a document: its line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// What differs from what is registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub changes: Option<Box<[serde_json::Value]>>,
}

impl Problem {
    /// A problem.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, detail: impl std::fmt::Display) -> Self {
        let title = StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason());
        Self {
            status,
            title: title.unwrap_or("Error"),
            code: code.into(),
            detail: detail.to_string(),
            path: None,
            line: None,
            changes: None,
        }
    }

    /// What was edited behind the program's back, told with its causes; else a failure inside.
    pub fn of_edited(error: &(dyn std::error::Error + 'static), code: Option<&'static str>) -> Self {
        let Some(code) = code else {
            return Self::internal(error);
        };
        tracing::error!(
            causes = causes(error),
            "the database or the artifact store was edited"
        );
        Self::new(409, code, causes(error))
    }

    /// A failure inside: logged with its causes, told without.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        if chain(error).any(|cause| matches!(cause.downcast_ref(), Some(StoreError::Unavailable(_)))) {
            tracing::warn!(%error, "the database is not available");
            return Self::new(
                503,
                "store_unavailable",
                "the database does not answer: try again later",
            );
        }
        tracing::error!(causes = causes(error), "a request failed");
        Self::new(500, "internal", "something is wrong inside: the log says what")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(&self)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

impl From<&VoteRefused> for Problem {
    fn from(refused: &VoteRefused) -> Self {
        let status = match refused {
            VoteRefused::NotFound(_) => 404,
            VoteRefused::NotApprover(_) | VoteRefused::NotFresh(_) | VoteRefused::Author(_) => 403,
            VoteRefused::NotPending(_)
            | VoteRefused::Expired(_)
            | VoteRefused::BaselineChanged(_)
            | VoteRefused::TestDone(_)
            | VoteRefused::NotOverridable(_) => 409,
            VoteRefused::EvidenceChanged { .. } => 412,
            VoteRefused::NotesRequired | VoteRefused::NotesTooLong(_) | VoteRefused::UnknownTest(_) => 422,
        };
        Self::new(status, refused.code(), refused)
    }
}

impl From<ApproveError> for Problem {
    fn from(error: ApproveError) -> Self {
        match &error {
            ApproveError::Refused(refused) => refused.into(),
            other => Self::of_edited(other, other.code()),
        }
    }
}

impl From<RejectError> for Problem {
    fn from(error: RejectError) -> Self {
        match &error {
            RejectError::Refused(refused) => refused.into(),
            other => Self::of_edited(other, other.code()),
        }
    }
}

impl From<RequestError> for Problem {
    fn from(error: RequestError) -> Self {
        match &error {
            RequestError::Refused(refused) => refused.into(),
            other => Self::of_edited(other, other.code()),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match &error {
            LoginError::Wrong => Self::new(401, "wrong_login", &error),
            LoginError::Limited => Self::new(429, "too_many_logins", &error),
            LoginError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<PresentError> for Problem {
    fn from(error: PresentError) -> Self {
        match &error {
            PresentError::Invalid => Self::new(401, "not_logged_in", &error),
            PresentError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<SetupError> for Problem {
    fn from(error: SetupError) -> Self {
        match &error {
            SetupError::Link => Self::new(403, "setup_link", &error),
            SetupError::Password(_) => Self::new(422, "password_length", &error),
            SetupError::Audit(_) | SetupError::Store(_) => Self::internal(&error),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        let status = match &error {
            UserError::NotFound(_) => 404,
            UserError::Taken(_) | UserError::LastAdmin => 409,
            UserError::Password(_) => 422,
            UserError::Wrong => 403,
            UserError::Limited => 429,
            UserError::Audit(_) | UserError::Store(_) => return Self::internal(&error),
        };
        Self::new(status, error.code(), &error)
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let status = match &error {
            TokenError::NotFound(_) => 404,
            TokenError::NoOwner(_) | TokenError::Role(_) | TokenError::Slot | TokenError::Shape => 422,
            TokenError::Audit(_) | TokenError::Store(_) => return Self::internal(&error),
        };
        Self::new(status, error.code(), &error)
    }
}

impl From<&NamedError> for Problem {
    fn from(error: &NamedError) -> Self {
        match error {
            NamedError::NotThere { .. } => Self::new(422, "artifact_not_found", error),
            NamedError::Store(_) => Self::internal(error),
        }
    }
}

impl From<ArtifactError> for Problem {
    fn from(error: ArtifactError) -> Self {
        match &error {
            ArtifactError::Missing(_) => Self::new(404, "no_such_artifact", &error),
            ArtifactError::Altered { .. } => {
                tracing::error!(%error, "an artifact was altered");
                Self::new(
                    500,
                    "artifact_altered",
                    "its bytes are not what its name says: it is not handed out",
                )
            }
            ArtifactError::TooLarge { .. } | ArtifactError::Io(_) => Self::internal(&error),
        }
    }
}
