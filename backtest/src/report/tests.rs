//! The report page: what stands in it, and that nothing in it can run or be fetched.

use contracts::evidence::CriterionName;
use contracts::experiment::Severity;

use super::*;
use crate::metrics::measure;
use crate::samples::noise;

fn page(title: &str, caveat: &str) -> String {
    let run = noise(&[1.0, -2.0, 0.5, 0.7]);
    html(&Report {
        title,
        outcome: &run,
        metrics: &measure(&run, None),
        criteria: &[CriterionResult {
            name: CriterionName::MinSharpe,
            threshold: 0.5,
            actual: None,
            ci95: None,
            p_pass: None,
            passed: false,
            severity: Severity::Block,
        }],
        caveats: &[caveat.to_owned()],
    })
}

#[test]
fn the_page_stands_alone() {
    let page = page("a model", "carry is ignored");
    for forbidden in [
        "<script", "http://", "https://", "src=", "href=", "url(", "@import", "NaN",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for part in [
        "Equity, net of costs",
        "Drawdown from the peak",
        "Price with entries",
        "Returns of the sessions",
        "Returns by month",
        "min_sharpe",
        "undefined",
        "sharpe_ratio",
        "carry is ignored",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<svg").count(), 4);
    assert_eq!(page.matches("class=\"long\"").count(), 4, "an entry per trade");
}

#[test]
fn text_stays_text() {
    let page = page("</title><script>x</script>", "<img src=x>");
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert!(page.contains("&lt;img src=x&gt;"));
}
