//! `engine tail URL`: a client of the signal stream that prints every message as it came.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header::AUTHORIZATION};
use tokio_tungstenite::tungstenite::{Error as WsError, Message};

use super::out::Stdout;
use super::place::{Place, PlaceFile};
use super::{CliError, Exit, OrExit};

/// Print the messages of a running engine's signal stream, one JSON object per line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  engine tail ws://127.0.0.1:9300/v1/signals
  engine tail ws://127.0.0.1:9300/v1/signals --instruments USDCOP --count 10
  engine tail ws://127.0.0.1:9300/v1/signals --state signals.state >> signals.jsonl
  engine tail ws://127.0.0.1:9300/v1/signals --resume-from 1234 --epoch 1 | jq -c 'select(.type==\"signal\")'")]
pub struct Args {
    /// The stream, such as ws://127.0.0.1:9300/v1/signals.
    pub url: String,
    /// Bearer token with the scope `signals:read`.
    #[arg(long, env = "ENGINE_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Only these instruments; all without it.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub instruments: Vec<String>,
    /// First sequence number not yet seen; without it the stream begins now.
    #[arg(long, value_name = "SEQ")]
    pub resume_from: Option<u64>,
    /// Epoch of that sequence number.
    #[arg(long, value_name = "EPOCH", requires = "resume_from")]
    pub epoch: Option<u64>,
    /// File that keeps the place in the stream: printed from where the last run ended.
    #[arg(long, value_name = "FILE", conflicts_with = "resume_from")]
    pub state: Option<std::path::PathBuf>,
    /// End after this many `signal` messages.
    #[arg(long, value_name = "N")]
    pub count: Option<u64>,
}

/// Runs the verb.
///
/// # Errors
/// [`Exit::Usage`] for a URL that is none, [`Exit::Refused`] for a missing or wrong token, [`Exit::Unavailable`] when the
/// engine cannot be reached or goes away.
pub fn run(args: Args) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .or_exit(Exit::Software, "cannot start a runtime", "")?;
    runtime.block_on(tail(&args))
}

fn subscription(args: &Args, place: Place) -> String {
    let mut subscribe = serde_json::json!({"op": "subscribe"});
    subscribe["instruments"] = if args.instruments.is_empty() {
        "*".into()
    } else {
        args.instruments.clone().into()
    };
    if let Some(seq) = args.resume_from.or(place.next_seq) {
        subscribe["resume_from"] = seq.into();
    }
    if let Some(epoch) = args
        .epoch
        .or_else(|| place.epoch.filter(|_| place.next_seq.is_some()))
    {
        subscribe["epoch"] = epoch.into();
    }
    subscribe.to_string()
}

async fn tail(args: &Args) -> Result<(), CliError> {
    let mut place = PlaceFile::open(args.state.as_deref())?;
    let mut request = args.url.as_str().into_client_request().or_exit(
        Exit::Usage,
        format!("`{}` is no WebSocket URL", args.url),
        "write it as ws://HOST:PORT/v1/signals",
    )?;
    if let Some(token) = &args.token {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).or_exit(
            Exit::Usage,
            "the token holds characters that no header may carry",
            "copy it again",
        )?;
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(request)
        .await
        .map_err(|error| unreachable_stream(&args.url, error))?;
    let lost = |error| {
        CliError::new(
            Exit::Unavailable,
            format!("the stream {} broke", args.url),
            "connect again with --resume-from",
        )
        .caused_by(error)
    };
    socket
        .send(Message::text(subscription(args, place.place())))
        .await
        .map_err(lost)?;
    let mut out = Stdout::per_line();
    let mut signals_left = args.count;
    while let Some(message) = socket.next().await {
        match message.map_err(lost)? {
            Message::Text(text) => {
                out.line(text.as_str())?;
                place.printed(&text)?;
                if text.contains("\"type\":\"signal\"")
                    && let Some(left) = &mut signals_left
                {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        return out.finish();
                    }
                }
            }
            Message::Close(frame) => {
                let reason = frame.map_or_else(
                    || "without a reason".into(),
                    |f| format!("{} {}", f.code, f.reason),
                );
                tracing::info!(url = %args.url, reason, "stream closed by the engine");
                return out.finish();
            }
            _ => {}
        }
    }
    out.finish()
}

fn unreachable_stream(url: &str, error: WsError) -> CliError {
    match &error {
        WsError::Http(response) if matches!(response.status().as_u16(), 401 | 403) => CliError::new(
            Exit::Refused,
            format!("{url} refused the token ({})", response.status()),
            "pass --token or set ENGINE_TOKEN to a token with the scope signals:read",
        ),
        _ => CliError::new(
            Exit::Unavailable,
            format!("cannot open {url}"),
            "check that `engine run` is up and listens there",
        )
        .caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args() -> Args {
        Args {
            url: "ws://127.0.0.1:1/v1/signals".into(),
            token: None,
            instruments: Vec::new(),
            resume_from: None,
            state: None,
            epoch: None,
            count: None,
        }
    }

    #[test]
    fn the_subscription_carries_what_was_asked() {
        assert_eq!(
            subscription(&args(), Place::default()),
            r#"{"instruments":"*","op":"subscribe"}"#
        );
        let asked = Args {
            instruments: vec!["USDCOP".into()],
            resume_from: Some(7),
            epoch: Some(1),
            ..args()
        };
        assert_eq!(
            subscription(&asked, Place::default()),
            r#"{"epoch":1,"instruments":["USDCOP"],"op":"subscribe","resume_from":7}"#
        );
    }

    #[test]
    fn nobody_listening_is_said_with_the_address() {
        let error = run(args()).unwrap_err();
        assert_eq!(error.exit(), Exit::Unavailable);
        assert!(
            error.report().contains("ws://127.0.0.1:1/v1/signals"),
            "{}",
            error.report()
        );
    }
}
