//! Curves on logarithmic axes, as SVG by hand.

use std::fmt::Write as _;

/// A line through points.
pub struct Curve {
    pub name: String,
    pub colour: &'static str,
    pub is_dashed: bool,
    pub points: Vec<(f64, f64)>,
}

pub struct Chart {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub curves: Vec<Curve>,
}

/// One chart's place, and the frame of its curves within it.
const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 66.0;
const BOTTOM: f64 = HEIGHT - 52.0;
/// Above all of them.
const HEAD: f64 = 64.0;

const STYLE: &str = "text{font:12px sans-serif;fill:#222}.big{font-size:20px}\
                     .title{font-size:14px;font-weight:bold}.note{fill:#555}";

/// Two charts a row, below a title and a line that says how it was measured.
pub fn picture(title: &str, note: &str, charts: &[Chart]) -> String {
    let (width, rows) = (2.0 * WIDTH, charts.len().div_ceil(2) as f64);
    let height = HEAD + rows * HEIGHT;
    // White behind it: where the page is dark, the letters are not.
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' \
         height='{height}' role='img'>\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect width='100%' height='100%' fill='white'/>\n\
         <text x='24' y='30' class='big'>{title}</text>\n\
         <text x='24' y='52' class='note'>{note}</text>\n"
    );
    for (number, chart) in charts.iter().enumerate() {
        let (column, row) = ((number % 2) as f64, (number / 2) as f64);
        let (x, y) = (column * WIDTH, HEAD + row * HEIGHT);
        let _ = writeln!(svg, "<g transform='translate({x} {y})'>");
        draw(chart, &mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// What is at which place along an axis.
struct Axis {
    from: f64,
    until: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// With a tick at each value.
    fn through(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        values.dedup();
        let from = values.first().copied().unwrap_or(1.0);
        let until = values.last().copied().unwrap_or(10.0).max(from * 1.01);
        Self {
            from,
            until,
            ticks: values,
        }
    }

    /// With ticks at round numbers, the fewer the further they reach.
    fn around(values: &[f64]) -> Self {
        let least = values.iter().copied().reduce(f64::min).unwrap_or(1.0);
        let most = values.iter().copied().reduce(f64::max).unwrap_or(10.0);
        let exponents = least.log10().floor() as i32..=most.log10().ceil() as i32;
        let steps: &[f64] = match most / least {
            1_000.0.. => &[1.0],
            20.0.. => &[1.0, 2.0, 5.0],
            _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0],
        };
        let ticks = exponents.flat_map(|ten| steps.iter().map(move |step| step * 10_f64.powi(ten)));
        let ticks: Vec<f64> = ticks.collect();
        let below = ticks.iter().rposition(|tick| *tick <= least).unwrap_or(0);
        let above = ticks.iter().position(|tick| *tick >= most * 1.02);
        let above = above.unwrap_or(ticks.len() - 1).max(below + 1);
        let ticks = ticks[below..=above.min(ticks.len() - 1)].to_vec();
        Self {
            from: ticks[0],
            until: ticks[ticks.len() - 1],
            ticks,
        }
    }

    /// From 0 to 1.
    fn share(&self, value: f64) -> f64 {
        (value / self.from).ln() / (self.until / self.from).ln()
    }
}

fn draw(chart: &Chart, svg: &mut String) {
    let points = || chart.curves.iter().flat_map(|curve| &curve.points);
    let across = Axis::through(points().map(|point| point.0).collect());
    let up = Axis::around(&points().map(|point| point.1).collect::<Vec<_>>());
    let x = |value: f64| LEFT + across.share(value) * (RIGHT - 24.0 - LEFT) + 12.0;
    let y = |value: f64| BOTTOM - up.share(value) * (BOTTOM - TOP);
    let middle = f64::midpoint(LEFT, RIGHT);
    let _ = writeln!(
        svg,
        "<text x='{LEFT}' y='20' class='title'>{}</text>\n\
         <text x='{middle}' y='{:.0}' text-anchor='middle'>{}</text>\n\
         <text transform='translate(16 {:.0}) rotate(-90)' text-anchor='middle'>{}</text>\n\
         <rect x='{LEFT}' y='{TOP}' width='{:.0}' height='{:.0}' fill='none' stroke='#888'/>",
        chart.title,
        BOTTOM + 38.0,
        chart.x_label,
        f64::midpoint(TOP, BOTTOM),
        chart.y_label,
        RIGHT - LEFT,
        BOTTOM - TOP,
    );
    for tick in &across.ticks {
        let _ = writeln!(
            svg,
            "<line x1='{0:.1}' x2='{0:.1}' y1='{TOP}' y2='{BOTTOM}' stroke='#eee'/>\
             <text x='{0:.1}' y='{1:.0}' text-anchor='middle'>{2}</text>",
            x(*tick),
            BOTTOM + 18.0,
            short(*tick)
        );
    }
    for tick in &up.ticks {
        let _ = writeln!(
            svg,
            "<line x1='{LEFT}' x2='{RIGHT}' y1='{0:.1}' y2='{0:.1}' stroke='#eee'/>\
             <text x='{1:.0}' y='{2:.1}' text-anchor='end'>{3}</text>",
            y(*tick),
            LEFT - 6.0,
            y(*tick) + 4.0,
            short(*tick)
        );
    }
    let mut legend = LEFT;
    for curve in &chart.curves {
        let dashes = if curve.is_dashed { "6 4" } else { "none" };
        let line = format!(
            "stroke='{}' stroke-width='2' stroke-dasharray='{dashes}'",
            curve.colour
        );
        let _ = writeln!(
            svg,
            "<line x1='{legend:.0}' x2='{:.0}' y1='44' y2='44' {line}/><text x='{:.0}' y='48'>{}</text>",
            legend + 24.0,
            legend + 30.0,
            curve.name
        );
        legend += 48.0 + 6.4 * curve.name.chars().count() as f64;
        let mut path = String::new();
        for (across, up) in &curve.points {
            let (x, y) = (x(*across), y(*up));
            let _ = write!(path, "{x:.1},{y:.1} ");
            let _ = writeln!(
                svg,
                "<circle cx='{x:.1}' cy='{y:.1}' r='3' fill='{}'/>",
                curve.colour
            );
        }
        let path = path.trim_end();
        let _ = writeln!(svg, "<polyline fill='none' {line} points='{path}'/>");
    }
}

/// 1024, 10k, 2M, 0.05.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, "M"),
        1e4.. => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // Ticks are round; what powers of ten leave behind is not for showing.
    let value = (value * 1e6).round() / 1e6;
    format!("{value}{unit}")
}
