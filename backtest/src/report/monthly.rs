//! Returns per month, a row per year.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::outcome::Outcome;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Compounded session returns of each month and year, in percent.
pub fn table(outcome: &Outcome) -> String {
    let mut years: BTreeMap<String, BTreeMap<u8, f64>> = BTreeMap::new();
    for session in &outcome.sessions {
        // Written YYYY-MM-DD.
        let date = session.session.to_string();
        let mut parts = date.split('-');
        let (Some(year), Some(month)) = (parts.next(), parts.next().and_then(|month| month.parse().ok()))
        else {
            continue;
        };
        let growth = years
            .entry(year.to_owned())
            .or_default()
            .entry(month)
            .or_insert(1.0);
        *growth *= 1.0 + session.value;
    }
    let mut out = "<h2>Returns by month, %</h2><table><tr><th>year</th>".to_owned();
    for month in MONTHS {
        write!(out, "<th>{month}</th>").expect("writing to a string never fails");
    }
    out.push_str("<th>year</th></tr>");
    let percent = |growth: f64| {
        let class = if growth < 1.0 { " class=\"lost\"" } else { "" };
        format!("<td{class}>{:.2}</td>", (growth - 1.0) * 100.0)
    };
    for (year, months) in years {
        out.push_str(&format!("<tr><td>{year}</td>"));
        for month in 1..=12 {
            out.push_str(
                &months
                    .get(&month)
                    .map_or_else(|| "<td></td>".to_owned(), |growth| percent(*growth)),
            );
        }
        out.push_str(&percent(months.values().product()));
        out.push_str("</tr>");
    }
    out.push_str("</table>");
    out
}

#[cfg(test)]
mod tests {
    use contracts::time::DayNumber;

    use super::*;
    use crate::samples::noise;

    #[test]
    fn months_compound_and_years_too() {
        let mut run = noise(&[10.0, 10.0, 50.0, 1.0]);
        for (session, date) in
            run.sessions
                .iter_mut()
                .zip(["2025-01-30", "2025-01-31", "2025-03-03", "2026-12-01"])
        {
            session.session = DayNumber::parse(date).unwrap();
        }
        let table = table(&run);
        assert!(
            table.contains("<tr><td>2025</td><td>21.00</td><td></td><td>50.00</td>"),
            "{table}"
        );
        assert!(table.contains("<td>81.50</td></tr><tr><td>2026</td>"), "{table}");
        assert!(
            table.ends_with("<td>1.00</td><td>1.00</td></tr></table>"),
            "{table}"
        );
    }
}
