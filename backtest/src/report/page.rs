//! The frame of a report page: one style for light and dark, no script, nothing fetched.

use super::escape::escape;

/// Colours are named once and changed for dark screens.
const STYLE: &str = ":root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--rule:#d8dee4;--grid:#eaeef2;--line:#0969da;\
--up:#1a7f37;--down:#cf222e;--still:#6e7781;--note:#fff8c5}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--paper:#0d1117;--rule:#3d444d;--grid:#262c36;--line:#4493f8;\
--up:#3fb950;--down:#f85149;--still:#9198a1;--note:#3a2f0b}}\
body{font:15px/1.45 system-ui,sans-serif;max-width:1040px;margin:2em auto;padding:0 1em;color:var(--ink);background:var(--paper)}\
h1{font-size:1.5em;overflow-wrap:anywhere}h2{font-size:1.1em;margin:1.6em 0 .4em}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
td,th{padding:.2em .7em;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top;white-space:nowrap}\
td:first-child,th:first-child,td.text,th.text{text-align:left}td.text{overflow-wrap:anywhere;white-space:normal}.wide{overflow-x:auto}\
svg{width:100%;height:auto;overflow:visible}svg text{font-size:11px;fill:var(--soft)}polyline{fill:none;stroke:var(--line);stroke-width:1.2}rect{fill:var(--line)}\
.grid{stroke:var(--grid)}circle{fill-opacity:.7}.lost{color:var(--down)}code{overflow-wrap:anywhere}\
.long{fill:var(--up)}.short{fill:var(--down)}.exit{fill:var(--still)}.missed{color:var(--down);font-weight:600}\
.note{margin:.4em 0;background:var(--note);padding:.6em .9em}";

/// The end of a page.
pub const END: &str = "</body></html>\n";

/// The beginning of a page, its heading included.
#[must_use]
pub fn begin(title: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    )
}
