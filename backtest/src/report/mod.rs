//! One self-contained HTML page about a run: charts as inline SVG, no script, nothing fetched. All text in it is escaped.

mod axis;
pub mod chart;
pub mod escape;
mod monthly;

use std::fmt::Write as _;

use contracts::evidence::{CriterionResult, Metrics};

use self::chart::{Mark, histogram, line, number};
use self::escape::escape;
use crate::outcome::Outcome;

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:1040px;margin:2em auto;padding:0 1em;color:#1b1f24;background:#fff}\
h1{font-size:1.5em}h2{font-size:1.1em;margin:1.6em 0 .4em}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
td,th{padding:.2em .7em;border-bottom:1px solid #d8dee4;text-align:right}td:first-child,th:first-child{text-align:left}\
svg{width:100%;height:auto}svg text{font-size:11px;fill:#57606a}polyline{fill:none;stroke:#0969da;stroke-width:1.2}rect{fill:#0969da}\
.grid{stroke:#eaeef2}circle{fill-opacity:.7}.lost{color:#cf222e}.note{margin:.4em 0}h1{overflow-wrap:anywhere}code{overflow-wrap:anywhere}.long{fill:#1a7f37}.short{fill:#cf222e}.exit{fill:#6e7781}.missed{color:#cf222e;font-weight:600}\
.note{background:#fff8c5;padding:.6em .9em}";

/// What a page is about.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// Heading: which model, which experiment.
    pub title: &'a str,
    /// The run.
    pub outcome: &'a Outcome,
    /// Its figures.
    pub metrics: &'a Metrics,
    /// The gates; empty where there are none.
    pub criteria: &'a [CriterionResult],
    /// What the figures leave out, and stamps such as `unregistered`.
    pub caveats: &'a [String],
}

/// The page.
#[must_use]
pub fn html(report: &Report<'_>) -> String {
    let outcome = report.outcome;
    let mut body = format!(
        "<p>{} · {} to {} · {} sessions · {} bars · fingerprint <code>{}</code></p>",
        escape(outcome.instrument.as_str()),
        report.metrics.test_period_start,
        report.metrics.test_period_end,
        report.metrics.sessions,
        outcome.bars.len(),
        outcome.fingerprint.to_hex()
    );
    if let Some(at) = outcome.ruined {
        push(
            &mut body,
            format_args!("<p class=\"note missed\">Ruined at {at}: the run ended there.</p>"),
        );
    }
    for caveat in report.caveats {
        push(
            &mut body,
            format_args!("<p class=\"note\">{}</p>", escape(caveat)),
        );
    }
    body.push_str(&withheld(outcome));
    body.push_str(&criteria(report.criteria));
    body.push_str(&charts(outcome));
    body.push_str(&monthly::table(outcome));
    body.push_str(&figures(report.metrics));
    page(report.title, &body)
}

/// A self-contained page under the house's style: no script, nothing fetched. `body` is markup; the title is text.
#[must_use]
pub fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>{body}</body></html>\n"
    )
}

/// Bars at which nothing was decided, by reason.
fn withheld(outcome: &Outcome) -> String {
    let counts: Vec<String> = outcome
        .counts
        .withheld
        .iter()
        .map(|(reason, bars)| format!("{} {bars}", escape(reason)))
        .collect();
    if counts.is_empty() {
        return String::new();
    }
    format!("<p>Bars without a decision: {}</p>", counts.join(", "))
}

fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("writing to a string never fails");
}

fn charts(outcome: &Outcome) -> String {
    let equity: Vec<f64> = outcome.bars.iter().map(|row| row.equity).collect();
    let mut peak = outcome.settings.initial_capital;
    let drawdown: Vec<f64> = equity
        .iter()
        .map(|equity| {
            peak = peak.max(*equity);
            (equity / peak - 1.0) * 100.0
        })
        .collect();
    let price: Vec<f64> = outcome.bars.iter().map(|row| row.bar.close).collect();
    let returns: Vec<f64> = outcome
        .sessions
        .iter()
        .map(|session| session.value * 100.0)
        .collect();
    let months = axis::months(&outcome.bars);
    [
        line("Equity, net of costs", &equity, &[], &months),
        line("Drawdown from the peak, %", &drawdown, &[], &months),
        line(
            "Price with entries (green long, red short) and exits (grey)",
            &price,
            &marks(outcome),
            &months,
        ),
        histogram("Returns of the sessions, %", &returns, 30),
    ]
    .concat()
}

fn marks(outcome: &Outcome) -> Vec<Mark> {
    let place = |time| outcome.bars.partition_point(|row| row.bar.close_time < time);
    let mut marks = Vec::with_capacity(2 * outcome.trades.len());
    for trade in &outcome.trades {
        marks.push(Mark {
            at: place(trade.exit_time),
            value: trade.exit_price,
            class: "exit",
        });
        marks.push(Mark {
            at: place(trade.entry_time),
            value: trade.entry_price,
            class: if trade.position > 0 { "long" } else { "short" },
        });
    }
    marks
}

fn criteria(rows: &[CriterionResult]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut out =
        "<h2>Criteria</h2><table><tr><th>criterion</th><th>asked</th><th>found</th><th>95 % interval</th><th>if missed</th><th>met</th></tr>"
            .to_owned();
    for row in rows {
        let interval = row.ci95.map_or_else(String::new, |ci| {
            format!("{} to {}", number(ci.low), number(ci.high))
        });
        let met = if row.passed {
            "<td>yes"
        } else {
            "<td class=\"missed\">no"
        };
        push(
            &mut out,
            format_args!(
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{interval}</td><td>{}</td>{met}</td></tr>",
                word(&row.name),
                number(row.threshold),
                row.actual.map_or_else(|| "undefined".to_owned(), number),
                word(&row.severity)
            ),
        );
    }
    out.push_str("</table>");
    out
}

/// Figures that are looked at first; the rest follows by name.
const FIRST: [&str; 10] = [
    "sharpe_ratio",
    "total_return",
    "max_drawdown",
    "max_drawdown_upper95",
    "win_rate",
    "profit_factor",
    "total_trades",
    "avg_trade_pnl",
    "psr",
    "dsr",
];

/// Every figure under its name in the evidence; shares and rates as fractions, money in quote currency.
fn figures(metrics: &Metrics) -> String {
    let mut out =
        "<h2>Figures</h2><p>Shares and rates are fractions, money is in quote currency.</p><table><tr><th>figure</th><th>value</th><th>95 % interval</th></tr>".to_owned();
    let all = serde_json::to_value(metrics).expect("figures are plain data with text keys");
    let all = all.as_object().into_iter().flatten();
    // The window stands in the heading.
    let mut all: Vec<_> = all.filter(|(name, _)| !name.starts_with("test_period")).collect();
    all.sort_by_key(|(name, _)| {
        FIRST
            .iter()
            .position(|first| first == name)
            .unwrap_or(FIRST.len())
    });
    for (name, figure) in all {
        let shown = |value: &serde_json::Value| match value {
            serde_json::Value::Number(n) if n.is_f64() => n.as_f64().map_or_else(String::new, number),
            serde_json::Value::String(text) => escape(text),
            other => other.to_string(),
        };
        let (value, interval) = match figure.get("value") {
            Some(serde_json::Value::Null) => (
                format!("undefined: {}", shown(&figure["undefined"])),
                String::new(),
            ),
            Some(value) => {
                let ci = figure.get("ci95");
                let interval = ci.map_or_else(String::new, |ci| {
                    format!("{} to {}", shown(&ci["low"]), shown(&ci["high"]))
                });
                (shown(value), interval)
            }
            None => (shown(figure), String::new()),
        };
        push(
            &mut out,
            format_args!(
                "<tr><td>{}</td><td>{value}</td><td>{interval}</td></tr>",
                escape(name)
            ),
        );
    }
    out.push_str("</table>");
    out
}

/// The word a value has in the evidence.
fn word(value: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(value).ok();
    escape(
        word.as_ref()
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
