//! The OpenAPI document, made from the routes themselves; `control/openapi.json` is its committed copy.

use std::collections::BTreeMap;

use utoipa::PartialSchema as _;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApiBuilder, PathsBuilder, Ref, Required, Response,
    ResponseBuilder,
};

use super::access::Access;
use super::problem::Problem;
use super::{Route, rows};

/// The document as JSON text.
///
/// # Panics
/// Never: it is plain data.
#[must_use]
pub fn document() -> String {
    let mut paths = PathsBuilder::new();
    let mut refusals = BTreeMap::new();
    for row in rows() {
        let method = match row.method {
            axum::http::Method::POST => HttpMethod::Post,
            axum::http::Method::PUT => HttpMethod::Put,
            _ => HttpMethod::Get,
        };
        let path = row.path;
        paths = paths.path(
            path,
            utoipa::openapi::PathItem::new(method, operation(row, &mut refusals)),
        );
    }
    let components = ComponentsBuilder::new()
        .schema("Problem", Problem::schema())
        .responses_from_iter(refusals)
        .build();
    let info = InfoBuilder::new()
        .title("Twovote control plane")
        .version("1")
        .build();
    let document = OpenApiBuilder::new()
        .info(info)
        .paths(paths.build())
        .components(Some(components))
        .build();
    let mut text = document.to_pretty_json().expect("it is plain data");
    text.push('\n');
    text
}

/// What a row does; refusals, which many rows share, are named here and described once, in `refusals`.
fn operation(row: Route, refusals: &mut BTreeMap<String, Response>) -> utoipa::openapi::path::Operation {
    let mut operation = OperationBuilder::new()
        .summary(Some(row.summary))
        .description(Some(who(row.access)));
    for (status, media) in &row.done {
        let mut done = ResponseBuilder::new().description(words(*status));
        if let Some(media) = media {
            done = done.content(*media, ContentBuilder::new().build());
        }
        operation = operation.response(status.to_string(), done);
    }
    for (status, codes) in row.refusals() {
        let name = match codes.as_slice() {
            [] => format!("{status}-any"),
            codes => format!("{status}-{}", codes.join("-")),
        };
        operation = operation.response(status.to_string(), Ref::from_response_name(&name));
        refusals.entry(name).or_insert_with(|| refused(status, &codes));
    }
    for name in row
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True);
        operation = operation.parameter(parameter.schema(Some(String::schema())));
    }
    for name in asked(row.summary) {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False);
        operation = operation.parameter(parameter.schema(Some(String::schema())));
    }
    if let Some(body) = row.body {
        let content = ContentBuilder::new().schema(Some(body.schema)).build();
        let body = RequestBodyBuilder::new()
            .content(body.media, content)
            .required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    operation.build()
}

/// A refusal: a problem document (RFC 9457) with one of these codes; with any where none is listed.
fn refused(status: u16, codes: &[&str]) -> Response {
    let problem = Ref::from_schema_name("Problem");
    let content = if codes.is_empty() {
        ContentBuilder::new().schema(Some(problem))
    } else {
        let code = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(codes.iter().copied()));
        let narrowed = ObjectBuilder::new().property("code", code);
        ContentBuilder::new().schema(Some(AllOfBuilder::new().item(problem).item(narrowed)))
    };
    ResponseBuilder::new()
        .description(words(status))
        .content("application/problem+json", content.build())
        .build()
}

/// HTTP's words for a status.
fn words(status: u16) -> &'static str {
    let known = axum::http::StatusCode::from_u16(status).ok();
    known
        .and_then(|known| known.canonical_reason())
        .unwrap_or("Other")
}

/// Parameters of the query, as a summary names them: `?first&second`, each perhaps with `=`.
pub(super) fn asked(summary: &str) -> Vec<&str> {
    let names = summary.split('?').skip(1).flat_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || "_&=".contains(c)));
        rest[..end.unwrap_or(rest.len())].split('&')
    });
    names
        .map(|name| name.trim_end_matches('='))
        .filter(|name| !name.is_empty())
        .collect()
}

fn who(access: Access) -> String {
    match access {
        Access::Open => "Everybody.".to_owned(),
        Access::Anybody => "Whoever is logged in; the operation itself decides.".to_owned(),
        Access::Only { roles, scopes } => {
            let roles: Vec<&str> = roles.iter().map(|role| role.word()).collect();
            let scopes: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
            let scopes = if scopes.is_empty() {
                "none".to_owned()
            } else {
                scopes.join(" or ")
            };
            format!("Roles: {}. Token scope: {scopes}.", roles.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_the_parameters_of_its_query() {
        assert_eq!(
            asked("Proposals, newest first: ?status&limit&cursor"),
            ["status", "limit", "cursor"]
        );
        assert_eq!(asked("What ran; ?as_of= what ran then"), ["as_of"]);
        assert_eq!(asked("Production contracts; with ?slot= that slot's"), ["slot"]);
        assert!(asked("The slots").is_empty() && asked("Is it there?").is_empty());
    }
}
