//! The plot of a report, as SVG: ours divided by each of the others, a dot for each round, on a logarithmic scale.
//!
//! It is written by hand because it has to be read in light and in dark: that takes classes and a media query, and the
//! plotting crates that draw SVG (plotters, charming's renderer) give every element its own colour. What is drawn here is
//! dots and lines; what is left to get right is escaping, which a test holds against an XML parser.

use std::fmt::Write as _;

use super::report::{Comparison, Middle, Peer, Report, show_ratio};

/// Of the picture, in pixels.
const WIDTH: f64 = 840.0;
/// The part in which dots are, from left to right.
const LEFT: f64 = 300.0;
const RIGHT: f64 = 690.0;
/// Of a row.
const ROW: f64 = 22.0;
/// Of what is above the first row.
const TOP: f64 = 96.0;
/// Of an average letter, in pixels; the letters of the fonts that may be there differ.
const LETTER: f64 = 6.4;

/// Okabe and Ito's blue and vermilion, which nobody confuses, and their lighter ones for the dark.
const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;fill:#1f2328}\
.t{font-size:16px;font-weight:600}.h{font-weight:600}.m{fill:#59636e}.e{text-anchor:end}.c{text-anchor:middle}\
.b{fill:#fff;stroke:#d1d9e0}.s{fill:#f4f6f8}.g{stroke:#d1d9e0}.o{stroke:#59636e;stroke-width:1.5}\
.d{fill:#0072b2;fill-opacity:.5}.k{stroke:#1f2328;stroke-width:3}.l{stroke:#d55e00;stroke-width:2;stroke-dasharray:3 2}\
.w{fill:#d55e00;font-weight:600}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.m{fill:#9198a1}.b{fill:#0d1117;stroke:#3d444d}.s{fill:#161b22}\
.g{stroke:#30363d}.o{stroke:#9198a1}.d{fill:#56b4e9;fill-opacity:.6}.k{stroke:#f0f6fc}.l{stroke:#e69f00}.w{fill:#e69f00}}";

/// One line of the picture.
enum Line<'a> {
    Heading(&'a str),
    Row(&'a str, &'a Comparison, &'a Peer),
}

/// Draws a report; there is nothing to draw when nobody was compared with anybody.
pub fn draw(report: &Report, title: &str) -> Option<String> {
    let names = report.comparisons.iter().flat_map(|comparison| &comparison.peers).map(|peer| peer.name.as_str());
    let mut names = names.collect::<Vec<_>>();
    names.dedup();
    // With a single other one it is enough to name it once.
    let only = match names.as_slice() {
        [] => return None,
        [only] => Some(*only),
        _ => None,
    };
    let lines = lines(report, only.is_some());
    let scale = Scale::of(report);
    let bottom = TOP + ROW * lines.len() as f64;
    let height = bottom + 82.0 + ROW * report.absent.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"b\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
        escaped(title),
        WIDTH - 1.0,
        height - 1.0
    );
    text(&mut svg, "t", 20.0, 32.0, title);
    let others = only.unwrap_or("each of the others");
    text(&mut svg, "m", 20.0, 54.0, &fitting(&format!("{} divided by {others}", report.ours), WIDTH - 40.0));

    for number in (0..lines.len()).step_by(2) {
        let (y, width) = (TOP + ROW * number as f64, WIDTH - 24.0);
        let _ = writeln!(svg, "<rect class=\"s\" x=\"12\" y=\"{y}\" width=\"{width}\" height=\"{ROW}\"/>");
    }
    axis(&mut svg, &scale, bottom);
    let mut y = TOP + ROW / 2.0;
    for line in &lines {
        match line {
            Line::Heading(heading) => text(&mut svg, "h", 20.0, y + 4.0, heading),
            Line::Row(label, comparison, peer) => row(&mut svg, &scale, y, label, comparison, peer),
        }
        y += ROW;
    }
    for (number, absent) in report.absent.iter().enumerate() {
        let note = fitting(&format!("not run: {}: {}", absent.name, absent.why), WIDTH - 40.0);
        text(&mut svg, "m", 20.0, bottom + 66.0 + ROW * number as f64, &note);
    }
    legend(&mut svg, report, height - 20.0);
    svg.push_str("</svg>\n");
    Some(svg)
}

fn lines(report: &Report, single: bool) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    for comparison in &report.comparisons {
        if !single {
            lines.push(Line::Heading(&comparison.title));
        }
        for peer in &comparison.peers {
            lines.push(Line::Row(if single { &comparison.title } else { &peer.name }, comparison, peer));
        }
    }
    lines
}

/// Where ratios are.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    /// One with room for everything in a report, and for 1.
    fn of(report: &Report) -> Self {
        let mut ratios = vec![0.8, 1.25];
        for comparison in &report.comparisons {
            for peer in &comparison.peers {
                ratios.extend(comparison.ratios(peer).into_iter().filter(|ratio| *ratio > 0.0));
                ratios.extend(peer.limit);
            }
        }
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        Self { least: least / 1.1, most: most * 1.1 }
    }

    /// In pixels from the left.
    fn place(&self, ratio: f64) -> f64 {
        let part = (ratio.ln() - self.least.ln()) / (self.most.ln() - self.least.ln());
        ((LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)) * 10.0).round() / 10.0
    }

    /// Ratios that have a label: as many as there is room for.
    fn ticks(&self) -> Vec<f64> {
        let steps: [&[f64]; 4] = [
            &[1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
            &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            &[1.0, 2.0, 5.0],
            &[1.0],
        ];
        let ticks = |steps: &[f64]| {
            let tens = (-6..6).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
            // Not `1e-1 * 8`, which is a little more than what it is meant to be.
            let tens = tens.map(|tick| format!("{tick:.8}").parse().unwrap_or(tick));
            tens.filter(|tick| (self.least..=self.most).contains(tick)).collect::<Vec<f64>>()
        };
        let fits = |ticks: &Vec<f64>| ticks.windows(2).all(|pair| self.place(pair[1]) - self.place(pair[0]) > 38.0);
        steps.map(ticks).into_iter().find(fits).unwrap_or_else(|| vec![1.0])
    }
}

fn axis(svg: &mut String, scale: &Scale, bottom: f64) {
    for tick in scale.ticks() {
        let x = scale.place(tick);
        let class = if tick == 1.0 { "o" } else { "g" };
        line(svg, class, x, TOP - 4.0, bottom + 4.0);
        text(svg, "m c", x, bottom + 20.0, &tick.to_string());
    }
    let one = scale.place(1.0);
    text(svg, "m c", one, TOP - 10.0, "equal");
    if one - LEFT > 90.0 {
        text(svg, "m", LEFT, TOP - 10.0, "← less, better");
    }
    if RIGHT - one > 80.0 {
        text(svg, "m e", RIGHT, TOP - 10.0, "more →");
    }
    text(svg, "m c", f64::midpoint(LEFT, RIGHT), bottom + 38.0, "ratio (no unit, logarithmic)");
    text(svg, "m e", WIDTH - 20.0, TOP - 10.0, "ratio");
}

fn row(svg: &mut String, scale: &Scale, y: f64, label: &str, comparison: &Comparison, peer: &Peer) {
    text(svg, "", 20.0, y + 4.0, &fitting(label, LEFT - 30.0));
    let half = ROW / 2.0;
    for ratio in comparison.ratios(peer) {
        let _ = writeln!(svg, "<circle class=\"d\" cx=\"{}\" cy=\"{y}\" r=\"4\"/>", scale.place(ratio));
    }
    if let Some(limit) = peer.limit {
        line(svg, "l", scale.place(limit), y - half, y + half);
    }
    let Some(ratio) = comparison.ratio(peer) else {
        return text(svg, "m e", WIDTH - 20.0, y + 4.0, "too short");
    };
    line(svg, "k", scale.place(ratio), y - 8.0, y + 8.0);
    let (class, shown) = match comparison.verdict(peer) {
        Some((limit, false)) => ("w e", format!("{}, beyond {limit}", show_ratio(ratio))),
        Some((limit, true)) => ("h e", format!("{}, within {limit}", show_ratio(ratio))),
        None => ("h e", show_ratio(ratio)),
    };
    text(svg, class, WIDTH - 20.0, y + 4.0, &shown);
}

fn legend(svg: &mut String, report: &Report, y: f64) {
    let has_mean = report.comparisons.iter().any(|comparison| comparison.middle == Middle::Mean);
    let middle = if has_mean { "all rounds: medians, of processor time means" } else { "medians of all rounds" };
    let _ = writeln!(svg, "<circle class=\"d\" cx=\"24\" cy=\"{y}\" r=\"4\"/>");
    text(svg, "m", 36.0, y + 4.0, "one round");
    line(svg, "k", 120.0, y - 8.0, y + 8.0);
    text(svg, "m", 130.0, y + 4.0, middle);
    let has_limit = report.comparisons.iter().flat_map(|comparison| &comparison.peers).any(|peer| peer.limit.is_some());
    if has_limit {
        line(svg, "l", 440.0, y - 8.0, y + 8.0);
        text(svg, "m", 450.0, y + 4.0, "what is promised: not to the right of it");
    }
}

fn line(svg: &mut String, class: &str, x: f64, top: f64, bottom: f64) {
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{x} {top}V{bottom}\"/>");
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, content: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(svg, "<text{class} x=\"{x}\" y=\"{y}\">{}</text>", escaped(content));
}

/// So much of a text as there is room for.
fn fitting(text: &str, width: f64) -> String {
    let room = (width / LETTER) as usize;
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

/// XML 1.0, 2.4: "The ampersand character (&) and the left angle bracket (<) MUST NOT appear in their literal form", and
/// 2.2: characters below a blank are none but tab and line ends.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
