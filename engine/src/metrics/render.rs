//! Prometheus text, version 0.0.4.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use super::core_mirror::{CoreMirror, DROPS};
use super::{Metrics, RunningContract, Stage};
use crate::core::counters::REASON_WORDS;

/// The `Content-Type` of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Quantiles given per stage; the longest duration is a gauge beside them.
const QUANTILES: [(&str, f64); 4] = [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("0.999", 0.999)];

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, text: impl Display) {
        writeln!(self.0, "{text}").expect("writing into a String cannot fail");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.line(format_args!("{name} {value}"));
    }

    fn labelled(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (impl Display, u64)>,
    ) {
        self.head(name, kind, help);
        for (word, value) in values {
            self.line(format_args!("{name}{{{label}=\"{word}\"}} {value}"));
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

pub(super) fn render(metrics: &Metrics, running: &RunningContract) -> String {
    let mut page = Page(String::with_capacity(16 << 10));
    cores(&mut page, metrics);
    let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
    page.labelled(
        "engine_feed_ignored_total",
        "counter",
        "What the feed sent that led to no bar, by reason.",
        "reason",
        metrics.feed_refusals.iter(),
    );
    for (name, kind, help, cell) in [
        (
            "engine_feed_connections_total",
            "counter",
            "Connections made to the feed.",
            &metrics.feed_connections,
        ),
        (
            "engine_feed_connected",
            "gauge",
            "1 while the feed is connected.",
            &metrics.feed_connected,
        ),
        (
            "engine_next_seq",
            "gauge",
            "Seq of the next published message.",
            &metrics.next_seq,
        ),
        (
            "engine_journal_bytes_total",
            "counter",
            "Bytes appended to the journal.",
            &metrics.journal_bytes,
        ),
        (
            "engine_journal_torn_bytes",
            "gauge",
            "Bytes cut from a torn tail when this run began.",
            &metrics.journal_torn_bytes,
        ),
        (
            "engine_signal_clients",
            "gauge",
            "Signal clients connected.",
            &metrics.clients,
        ),
        (
            "engine_signal_gaps_total",
            "counter",
            "Times a client fell out of the ring.",
            &metrics.client_gaps,
        ),
        (
            "engine_auth_refused_total",
            "counter",
            "Requests refused for their token.",
            &metrics.auth_refused,
        ),
        (
            "engine_token_reload_failures_total",
            "counter",
            "Times the token list could not be read again.",
            &metrics.token_reload_failures,
        ),
        (
            "engine_macro_file_values_total",
            "counter",
            "Daily values taken from the macro file while running.",
            &metrics.macro_file_values,
        ),
        (
            "engine_macro_file_faults_total",
            "counter",
            "Faults of the macro file, each once; it is tried again until it can be read.",
            &metrics.macro_file_faults,
        ),
    ] {
        page.single(name, kind, help, read(cell));
    }
    page.labelled(
        "engine_queue_depth",
        "gauge",
        "Entries waiting in a ring between threads.",
        "queue",
        metrics.queue_depth.iter(),
    );
    page.labelled(
        "engine_swap_attempts_total",
        "counter",
        "Bundles loaded, by outcome.",
        "outcome",
        metrics.swaps.iter(),
    );
    let latches = read(&metrics.latches);
    page.labelled(
        "engine_halted",
        "gauge",
        "1 while the latch is set.",
        "latch",
        [("control", latches & 1), ("local", latches >> 1 & 1)].into_iter(),
    );
    page.labelled(
        "engine_signal_client_ends_total",
        "counter",
        "Streams that ended, by reason.",
        "reason",
        metrics.client_ends.iter(),
    );
    control(&mut page, metrics);
    stages(&mut page, metrics);
    page.head(
        "engine_contract_info",
        "gauge",
        "What runs; empty labels before the first contract.",
    );
    page.line(format_args!(
        "engine_contract_info{{contract=\"{}\",model_id=\"{}\",generation=\"{}\",origin=\"{}\",executor=\"{}\"}} 1",
        escaped(&running.contract),
        escaped(&running.model_id),
        running.generation,
        escaped(&running.origin),
        escaped(&running.executor),
    ));
    page.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds since 1970 in seconds: exact for 285,000 years"
)]
fn control(page: &mut Page, metrics: &Metrics) {
    let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
    page.single(
        "engine_control_connected",
        "gauge",
        "1 while the control plane's stream of events stands; 0 also where none is followed.",
        read(&metrics.control_connected),
    );
    page.single(
        "engine_control_contact_timestamp_seconds",
        "gauge",
        "When the control plane last answered; 0 before that.",
        read(&metrics.control_contact_ms) as f64 / 1e3,
    );
    page.labelled(
        "engine_control_failures_total",
        "counter",
        "Requests to the control plane without a good answer, by reason.",
        "reason",
        metrics.control_failures.iter(),
    );
    page.single(
        "engine_control_receipts_waiting",
        "gauge",
        "Receipts the control plane has not taken yet.",
        read(&metrics.control_receipts_waiting),
    );
    page.head(
        "engine_contract_refused_timestamp_seconds",
        "gauge",
        "When a contract was last refused, and why; absent before the first.",
    );
    if let Some(refused) = metrics.refused() {
        page.line(format_args!(
            "engine_contract_refused_timestamp_seconds{{code=\"{}\"}} {}",
            escaped(&refused.code),
            refused.at_ms as f64 / 1e3,
        ));
    }
}

fn cores(page: &mut Page, metrics: &Metrics) {
    let sum = |cell: &dyn Fn(&CoreMirror) -> &AtomicU64| {
        metrics
            .cores
            .iter()
            .map(|core| cell(core).load(Ordering::Relaxed))
            .sum::<u64>()
    };
    for (name, help, value) in [
        (
            "engine_bars_total",
            "Bars that reached a core.",
            sum(&|core| &core.bars),
        ),
        (
            "engine_bars_accepted_total",
            "Accepted bars: each gave one signal or withheld.",
            sum(&|core| &core.accepted),
        ),
        ("engine_signals_total", "Decisions.", sum(&|core| &core.signals)),
        (
            "engine_bars_missing_total",
            "Bars missing inside sessions.",
            sum(&|core| &core.missing_bars),
        ),
        (
            "engine_macro_refused_total",
            "Daily values that were refused.",
            sum(&|core| &core.macro_refused),
        ),
        (
            "engine_positions_refused_total",
            "Position reports the core refused.",
            sum(&|core| &core.positions_refused),
        ),
        (
            "engine_swaps_adopted_total",
            "Models adopted, summed over cores.",
            sum(&|core| &core.swaps),
        ),
    ] {
        page.single(name, "counter", help, value);
    }
    page.labelled(
        "engine_withheld_total",
        "counter",
        "Accepted bars without a decision, by reason.",
        "reason",
        REASON_WORDS
            .iter()
            .enumerate()
            .map(|(k, word)| (*word, sum(&|core| &core.withheld[k]))),
    );
    page.labelled(
        "engine_bars_dropped_total",
        "counter",
        "Bars that were not accepted, by reason.",
        "reason",
        DROPS
            .iter()
            .enumerate()
            .map(|(k, word)| (*word, sum(&|core| &core.drops[k]))),
    );
    // Only sizes that occurred: a family of 129 zeros helps nobody.
    let sizes = (0..crate::limits::BATCH_SIZES_COUNTED)
        .map(|rows| (rows, sum(&|core| &core.batch_sizes[rows])))
        .filter(|(_, count)| *count > 0);
    page.labelled(
        "engine_batches_total",
        "counter",
        "Inferred batches by rows.",
        "rows",
        sizes,
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds for a dashboard: 53 bits of nanoseconds are 104 days"
)]
fn stages(page: &mut Page, metrics: &Metrics) {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let name = "engine_latency_seconds";
    page.head(name, "summary", "Duration of each stage of a bar's way.");
    for stage in Stage::ALL {
        let histogram = metrics.stage(stage);
        let (copy, word) = (histogram.snapshot(), stage.word());
        for (label, quantile) in QUANTILES {
            let value = seconds(copy.value_at_quantile(quantile));
            page.line(format_args!(
                "{name}{{stage=\"{word}\",quantile=\"{label}\"}} {value}"
            ));
        }
        page.line(format_args!(
            "{name}_sum{{stage=\"{word}\"}} {}",
            seconds(histogram.sum_ns())
        ));
        page.line(format_args!("{name}_count{{stage=\"{word}\"}} {}", copy.len()));
    }
    page.head(
        "engine_latency_max_seconds",
        "gauge",
        "Longest duration of each stage since start.",
    );
    for stage in Stage::ALL {
        let (word, longest) = (stage.word(), seconds(metrics.stage(stage).max_ns()));
        page.line(format_args!(
            "engine_latency_max_seconds{{stage=\"{word}\"}} {longest}"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use crate::core::counters::Counters;

    #[test]
    fn every_line_is_a_comment_or_a_sample_of_a_declared_metric() {
        let metrics = Metrics::new(2);
        let mut counters = Counters {
            bars: 5,
            ..Counters::default()
        };
        counters.withheld[6] = 3;
        counters.batch(7);
        metrics.cores[0].store(&counters);
        metrics.cores[1].store(&counters);
        metrics.stage(Stage::Step).record_ns(2_000);
        metrics.latches.store(2, Ordering::Relaxed);
        metrics.swaps.add("refused", 4);
        metrics.control_contact_ms.store(1_500, Ordering::Relaxed);
        metrics.control_failures.add("timeout", 2);
        metrics.set_refused(LastRefusal {
            code: "bad_signature".into(),
            at_ms: 2_000,
        });
        metrics.set_running(RunningContract {
            model_id: "a\"b".into(),
            generation: 3,
            ..RunningContract::default()
        });
        let page = metrics.render();
        for wanted in [
            "engine_bars_total 10\n",
            "engine_withheld_total{reason=\"warming\"} 6\n",
            "engine_batches_total{rows=\"7\"} 2\n",
            "engine_latency_seconds{stage=\"step\",quantile=\"0.5\"} 0.000002",
            "engine_latency_seconds_count{stage=\"step\"} 1\n",
            "engine_halted{latch=\"local\"} 1\n",
            "engine_halted{latch=\"control\"} 0\n",
            "engine_swap_attempts_total{outcome=\"refused\"} 4\n",
            "engine_control_contact_timestamp_seconds 1.5\n",
            "engine_control_failures_total{reason=\"timeout\"} 2\n",
            "engine_contract_refused_timestamp_seconds{code=\"bad_signature\"} 2\n",
            "model_id=\"a\\\"b\",generation=\"3\"",
        ] {
            assert!(page.contains(wanted), "{wanted} is missing in\n{page}");
        }
        let mut declared = Vec::new();
        for line in page.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                declared.push(rest.split(' ').next().unwrap().to_owned());
            } else if !line.starts_with("# HELP ") {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = sample.split('{').next().unwrap();
                let base = name.trim_end_matches("_sum").trim_end_matches("_count");
                assert!(
                    declared.iter().any(|known| known == name || known == base),
                    "{line}"
                );
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }

    #[test]
    fn alert_rules_name_metrics_and_labels_that_exist() {
        let rules = include_str!("../../../deploy/prometheus-alerts.yml");
        let metrics = Metrics::new(1);
        metrics.set_running(RunningContract {
            origin: "local".into(),
            ..RunningContract::default()
        });
        let page = metrics.render();
        let mut named = 0;
        for expr in rules
            .lines()
            .filter_map(|line| line.trim().strip_prefix("expr: "))
        {
            for word in expr
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .filter(|w| w.starts_with("engine_"))
            {
                named += 1;
                let known = page.contains(&format!("\n{word} ")) || page.contains(&format!("\n{word}{{"));
                assert!(known, "{word} in `{expr}` is no metric");
            }
            for pair in expr.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                for (label, value) in pair.split(',').filter_map(|label| label.split_once('=')) {
                    for value in value.trim_start_matches('~').trim_matches('"').split('|') {
                        let known = label == "job" || page.contains(&format!("{label}=\"{value}\""));
                        assert!(known, "{label}={value} in `{expr}` never occurs");
                    }
                }
            }
        }
        assert!(named >= 15, "only {named} metrics have rules");
    }
}
