//! The results of a benchmark: rows with a sample of every round, as a table and as JSON.
//!
//! All that is measured here is better when there is less of it, time and memory alike. So a ratio below 1 is good.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use xtask::bench_api::{human_size, pluralize};

pub struct Report {
    pub ours: String,
    pub rows: Vec<Row>,
    /// Other observations, and skipped candidates.
    pub notes: Vec<String>,
    pub versions: BTreeMap<String, String>,
}

/// One thing that was measured of this project and of one that it is compared with.
pub struct Row {
    pub what: String,
    pub unit: Unit,
    pub ours: Vec<f64>,
    pub beside: Option<Baseline>,
}

pub struct Baseline {
    pub name: String,
    /// The project has promised that ours divided by this one is at most so much.
    pub limit: Option<f64>,
    pub samples: Vec<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Bytes,
}

impl Report {
    pub fn new(ours: impl Into<String>) -> Self {
        Self { ours: ours.into(), rows: Vec::new(), notes: Vec::new(), versions: BTreeMap::new() }
    }

    pub fn skip(&mut self, who: &str, why: &str) {
        eprintln!("without {who}: {why}");
        self.notes.push(format!("not run: {who}: {why}"));
    }

    pub fn add(&mut self, what: impl Into<String>, unit: Unit, ours: Vec<f64>, beside: Option<Baseline>) {
        self.rows.push(Row { what: what.into(), unit, ours, beside });
    }

    pub fn table(&self, title: &str) -> String {
        let head = [title, &self.ours, "beside", "theirs", "ratio", "single rounds", "limit"].map(str::to_owned);
        let rows = std::iter::once(head).chain(self.rows.iter().map(Row::cells)).collect::<Vec<_>>();
        let widths: [usize; 7] =
            std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
        let mut text = String::new();
        for row in &rows {
            let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
                // Figures stand below each other at their right end.
                if matches!(column, 1 | 3 | 4) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        let versions = self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>();
        if !versions.is_empty() {
            let _ = writeln!(text, "versions: {}", versions.join(", "));
        }
        text
    }

    /// All samples, in seconds and bytes.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|row| {
            let baseline = row.beside.as_ref().map(
                |baseline| json!({ "name": baseline.name, "samples": baseline.samples, "ratio": row.ratio(), "limit": baseline.limit }),
            );
            json!({ "what": row.what, "unit": row.unit.name(), "ours": row.ours, "beside": baseline })
        });
        let rows = rows.collect::<Vec<_>>();
        json!({ "ours": self.ours, "rows": rows, "notes": self.notes, "versions": self.versions })
    }
}

impl Row {
    /// Our median divided by theirs; nothing when that is zero.
    fn ratio(&self) -> Option<f64> {
        quotient(median(&self.ours), median(&self.beside.as_ref()?.samples))
    }

    fn cells(&self) -> [String; 7] {
        let shown = |samples| self.unit.show(median(samples));
        let (what, ours) = (self.what.clone(), shown(&self.ours));
        let Some(baseline) = &self.beside else {
            let rounds = pluralize(self.ours.len(), "round");
            return [what, ours, String::new(), String::new(), String::new(), rounds, String::new()];
        };
        let each = self.ours.iter().zip(&baseline.samples).filter_map(|(ours, theirs)| quotient(*ours, *theirs));
        let mut each = each.collect::<Vec<_>>();
        each.sort_by(f64::total_cmp);
        let rounds = match each.as_slice() {
            [least, .., most] => format!("{} to {} in {}", show_ratio(*least), show_ratio(*most), each.len()),
            _ => pluralize(each.len(), "round"),
        };
        let limit = baseline.limit.zip(self.ratio()).map(|(limit, ratio)| {
            let verdict = if ratio <= limit { "within" } else { "beyond" };
            format!("{verdict} {limit}")
        });
        let ratio = self.ratio().map_or_else(|| "too short".to_owned(), show_ratio);
        [what, ours, baseline.name.clone(), shown(&baseline.samples), ratio, rounds, limit.unwrap_or_default()]
    }
}

impl Unit {
    pub fn show(self, quantity: f64) -> String {
        match self {
            Self::Bytes => human_size(quantity as u64),
            Self::Seconds if quantity >= 9.95 => format!("{quantity:.1} s"),
            Self::Seconds if quantity >= 0.9995 => format!("{quantity:.2} s"),
            Self::Seconds if quantity >= 0.00995 => format!("{:.0} ms", quantity * 1e3),
            Self::Seconds => format!("{:.1} ms", quantity * 1e3),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
        }
    }
}

fn quotient(ours: f64, theirs: f64) -> Option<f64> {
    (theirs > 0.0).then(|| ours / theirs)
}

pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        length => f64::midpoint(sorted[(length - 1) / 2], sorted[length / 2]),
    }
}

/// Two digits after the point, and at least two that say something.
fn show_ratio(ratio: f64) -> String {
    let digits = if ratio > 0.0 && ratio < 0.1 { (1.0 - ratio.log10().floor()) as usize } else { 2 };
    format!("{ratio:.0$}", digits.min(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: &[f64], limit: f64, samples: &[f64]) -> Row {
        let baseline = Baseline { name: "theirs".to_owned(), limit: Some(limit), samples: samples.to_vec() };
        Row { what: "a race".to_owned(), unit: Unit::Seconds, ours: ours.to_vec(), beside: Some(baseline) }
    }

    #[test]
    fn ours_is_divided_by_theirs_and_held_to_the_limit() {
        let close = row(&[1.0, 3.0, 2.0], 0.5, &[4.0, 4.0, 16.0]);
        assert_eq!(close.ratio(), Some(0.5));
        let cells = ["a race", "2.00 s", "theirs", "4.00 s", "0.50", "0.12 to 0.75 in 3", "within 0.5"];
        assert_eq!(close.cells(), cells);
        assert_eq!(row(&[2.0], 0.4, &[4.0]).cells()[4..], ["0.50", "1 round", "beyond 0.4"]);
        assert_eq!(row(&[1.0], 1.0, &[0.0]).cells()[4..], ["too short", "0 rounds", ""]);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0, "of an even number it lies between two");
    }

    #[test]
    fn figures_have_as_many_digits_as_say_something() {
        let seconds = [75.04, 1.824, 0.9999, 0.3164, 0.0082].map(|seconds| Unit::Seconds.show(seconds));
        assert_eq!(seconds, ["75.0 s", "1.82 s", "1.00 s", "316 ms", "8.2 ms"]);
        let ratios = [12.0, 1.823, 0.394, 0.0519, 0.000_226, 0.0].map(show_ratio);
        assert_eq!(ratios, ["12.00", "1.82", "0.39", "0.052", "0.00023", "0.00"]);
    }
}
