//! A problem document of the server, as an error with an exit code.

use serde_json::{Map, Value, json};

use super::client::Reply;
use crate::cli::{CliError, Exit};

/// What the server said no with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    status: u16,
    code: String,
    detail: String,
    /// Where the fault lies, as far as the server names it.
    places: Map<String, Value>,
}

/// What a problem document says of a fault's place.
const PLACES: [&str; 3] = ["path", "line", "changes"];

impl Refusal {
    /// The refusal in an answer; none where it is none.
    pub fn of(reply: &Reply) -> Option<Self> {
        if (200..300).contains(&reply.status) {
            return None;
        }
        let document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let text = |name: &str| {
            document[name]
                .as_str()
                .filter(|_| reply.problem)
                .map(str::to_owned)
        };
        let places = PLACES
            .iter()
            .filter(|_| reply.problem)
            .filter_map(|&name| Some((name.to_owned(), document.get(name)?.clone())))
            .collect();
        Some(Self {
            places,
            status: reply.status,
            code: text("code").unwrap_or_else(|| "no_problem_document".to_owned()),
            detail: text("detail")
                .unwrap_or_else(|| "something else than `control serve` answers there".to_owned()),
        })
    }

    /// For programs.
    pub fn document(&self) -> Value {
        let mut document =
            json!({"ok": false, "status": self.status, "code": self.code, "detail": self.detail});
        for (name, value) in &self.places {
            document[name.as_str()] = value.clone();
        }
        document
    }

    fn exit(&self) -> Exit {
        match self.status {
            401 | 403 | 409 => Exit::Refused,
            404 => Exit::NoInput,
            412 => Exit::Differs,
            400 | 413 | 415 | 422 | 428 => Exit::Data,
            _ => Exit::Unavailable,
        }
    }

    fn remedy(&self) -> &'static str {
        match (self.code.as_str(), self.status) {
            ("login_required" | "not_logged_in" | "csrf" | "person_required", _) => "run `control login`",
            ("login_too_old", _) => "run `control login`: this needs a password given in the last 15 minutes",
            ("wrong_login", _) => "check name and password",
            ("setup_link", _) => "check that the whole link was copied",
            ("second_person_required", _) => "another operator has to confirm it",
            ("too_many_logins", _) => "wait a quarter of an hour",
            ("no_problem_document", _) => "check --url",
            (_, 412) => "look at the proposal again, and vote on what it says now",
            (_, 404) => "check the name; the verb's `list` shows what there is",
            (_, 403) => "somebody with the right role has to do it",
            (_, 409) => "look at how it stands now: the message says what is in the way",
            (_, 500..) => "try again; the server's log says more",
            _ => "mend what the message names",
        }
    }

    /// For people, and for the shell.
    pub fn into_error(self, url: &str) -> CliError {
        let (exit, remedy) = (self.exit(), self.remedy());
        let Self {
            status, code, detail, ..
        } = self;
        CliError::new(exit, format!("{detail} ({code}, {status} from {url})"), remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, problem: bool, body: &str) -> Reply {
        Reply {
            status,
            problem,
            etag: None,
            cookie: None,
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn every_kind_of_refusal_has_its_exit_code() {
        for (status, exit) in [
            (400, Exit::Data),
            (401, Exit::Refused),
            (403, Exit::Refused),
            (404, Exit::NoInput),
            (409, Exit::Refused),
            (412, Exit::Differs),
            (422, Exit::Data),
            (428, Exit::Data),
            (429, Exit::Unavailable),
            (500, Exit::Unavailable),
            (503, Exit::Unavailable),
            (301, Exit::Unavailable),
        ] {
            let body = r#"{"code": "some_code", "detail": "because"}"#;
            let error = Refusal::of(&reply(status, true, body))
                .unwrap()
                .into_error("http://x");
            assert_eq!(error.exit(), exit, "{status}");
            let said = error.to_string();
            assert_eq!(said, format!("because (some_code, {status} from http://x)"));
        }
        assert_eq!(Refusal::of(&reply(204, false, "")), None);
    }

    #[test]
    fn the_document_of_exit_codes_has_every_status_the_api_refuses_with() {
        let refused = |status: &u16| Refusal::of(&reply(*status, true, "{}")).unwrap().exit().code();
        let rows: String = crate::api::refusing()
            .iter()
            .map(|status| format!("| {status} | {} |\n", refused(status)))
            .collect();
        let table = format!("| HTTP | code |\n| ---: | ---: |\n{rows}\n");
        let document = include_str!("../../../../docs/EXIT_CODES.md");
        assert!(
            document.contains(&table),
            "docs/EXIT_CODES.md lacks this table:\n{table}"
        );
    }

    #[test]
    fn what_is_no_problem_document_is_not_taken_for_one() {
        let body = r#"{"code": "forged", "detail": "page of a proxy"}"#;
        let refusal = Refusal::of(&reply(502, false, body)).unwrap();
        assert_eq!(refusal.document()["code"], "no_problem_document");
    }
}
