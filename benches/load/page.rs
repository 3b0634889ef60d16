//! A page with the table and the latency curves.

use std::fmt::Write as _;

use super::report::{Row, table};

pub fn html(rows: &[Row]) -> String {
    const COLOURS: [&str; 8] = [
        "#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#16a085", "#7f8c8d", "#2c3e50",
    ];
    let (width, height) = (860.0, 420.0);
    // Nines on the way right, powers of ten of milliseconds on the way up, from 10 µs to 100 s.
    let x = |share: f64| 60.0 - (1.0 - share).max(1e-4).log10() / 4.0 * (width - 200.0);
    let y = |ms: f64| height - 40.0 - (ms.max(0.01).log10() + 2.0) / 7.0 * (height - 60.0);
    let mut svg = String::new();
    for (share, name) in [
        (0.0, "0"),
        (0.9, "90 %"),
        (0.99, "99 %"),
        (0.999, "99.9 %"),
        (0.9999, "99.99 %"),
    ] {
        let _ = write!(
            svg,
            "<text x='{:.0}' y='{:.0}'>{name}</text>",
            x(share),
            height - 20.0
        );
    }
    for ms in [0.01, 0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0] {
        let _ = write!(
            svg,
            "<line x1='60' x2='{:.0}' y1='{1:.1}' y2='{1:.1}' stroke='#ddd'/><text x='4' y='{1:.1}'>{ms} ms</text>",
            width - 140.0,
            y(ms)
        );
    }
    for (row, colour) in rows.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<_> = row
            .curve
            .iter()
            .map(|(share, ms)| format!("{:.1},{:.1}", x(*share), y(*ms)))
            .collect();
        let _ = write!(
            svg,
            "<polyline fill='none' stroke='{colour}' stroke-width='2' points='{}'/>",
            points.join(" ")
        );
        let last = row.curve.last().map_or(height, |(_, ms)| y(*ms));
        let _ = write!(
            svg,
            "<text x='{:.0}' y='{last:.1}' fill='{colour}'>{} ({})</text>",
            width - 136.0,
            row.scenario,
            row.clients
        );
    }
    let table = escaped(&table(rows));
    format!(
        "<!doctype html><meta charset='utf-8'><title>Antiphon under load</title>\
         <style>body{{font-family:sans-serif;margin:2em}}text{{font-size:11px}}</style>\
         <h1>Antiphon under load</h1><pre>{table}</pre><h2>Latency by percentile</h2>\
         <svg viewBox='0 0 {width} {height}' width='{width}' height='{height}'>{svg}</svg>\n"
    )
}

/// What a server said is text, not markup.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

pub fn test() {
    let row = Row {
        first_error: Some("502 <script>a && b</script>".to_owned()),
        ..Row::default()
    };
    let page = html(&[row]);
    assert!(
        page.contains("502 &lt;script&gt;a &amp;&amp; b&lt;/script&gt;"),
        "{page}"
    );
    assert!(!page.contains("<script"), "{page}");
}
