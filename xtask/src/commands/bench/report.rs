//! What a benchmark has found out, as data: every round of everybody, from which tables, plots and files are made.
//!
//! All that is measured here is better when there is less of it, time and memory alike. So a ratio below 1 is good.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::quantity::human_size;

/// What one benchmark found out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// What of this project took part.
    pub ours: String,
    /// One for each thing that was measured.
    pub comparisons: Vec<Comparison>,
    /// What else was seen, each in a few words.
    pub notes: Vec<String>,
    /// Who or what is missing in the comparisons.
    pub absent: Vec<Absent>,
    /// Of the programs that took part, by their names.
    pub versions: BTreeMap<String, String>,
}

/// One thing that was measured of everybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// What was measured.
    pub title: String,
    /// Of all samples.
    pub unit: Unit,
    /// How one figure is made of the rounds.
    pub middle: Middle,
    /// One sample for each round.
    pub ours: Vec<f64>,
    /// The others, in the same rounds.
    pub peers: Vec<Peer>,
}

/// Somebody whom this project is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// What tables call it.
    pub name: String,
    /// The project has promised that ours divided by this one is at most so much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// One sample for each round.
    pub samples: Vec<f64>,
}

/// Somebody who could not take part, or something that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Absent {
    /// Who or what.
    pub name: String,
    /// Why.
    pub why: String,
}

/// What samples are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// How one figure is made of the samples of all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Middle {
    /// The one in the middle.
    Median,
    /// The mean, for what is counted in coarse steps, as processor time is.
    Mean,
}

impl Report {
    /// One in which nothing is measured yet.
    pub fn new(ours: impl Into<String>) -> Self {
        Self { ours: ours.into(), ..Self::default() }
    }

    /// Says that somebody could not take part.
    pub fn lacks(&mut self, name: impl Into<String>, why: impl Into<String>) {
        self.absent.push(Absent { name: name.into(), why: why.into() });
    }
}

impl Comparison {
    /// With a limit for each peer, if there is one.
    pub fn limited(mut self, limit: impl Into<Option<f64>>) -> Self {
        let limit = limit.into();
        self.peers.iter_mut().for_each(|peer| peer.limit = limit);
        self
    }

    /// Our figure, in the unit of the comparison.
    pub fn figure(&self) -> f64 {
        self.middle.of(&self.ours)
    }

    /// The figure of a peer, in the unit of the comparison.
    pub fn figure_of(&self, peer: &Peer) -> f64 {
        self.middle.of(&peer.samples)
    }

    /// Our figure divided by that of a peer; nothing when that is zero.
    pub fn ratio(&self, peer: &Peer) -> Option<f64> {
        quotient(self.figure(), self.figure_of(peer))
    }

    /// Ours divided by a peer's in each round.
    pub fn ratios(&self, peer: &Peer) -> Vec<f64> {
        self.ours.iter().zip(&peer.samples).filter_map(|(ours, theirs)| quotient(*ours, *theirs)).collect()
    }

    /// The limit of a comparison with a peer, and whether we are within it.
    pub fn verdict(&self, peer: &Peer) -> Option<(f64, bool)> {
        Some((peer.limit?, self.ratio(peer)? <= peer.limit?))
    }
}

fn quotient(ours: f64, theirs: f64) -> Option<f64> {
    (theirs > 0.0).then(|| ours / theirs)
}

impl Unit {
    /// A quantity for people.
    pub fn show(self, quantity: f64) -> String {
        match self {
            Self::Bytes => human_size(quantity as u64),
            Self::Seconds if quantity >= 9.95 => format!("{quantity:.1} s"),
            Self::Seconds if quantity >= 0.9995 => format!("{quantity:.2} s"),
            Self::Seconds if quantity >= 0.00995 => format!("{:.0} ms", quantity * 1e3),
            Self::Seconds => format!("{:.1} ms", quantity * 1e3),
        }
    }
}

impl Middle {
    fn of(self, samples: &[f64]) -> f64 {
        if samples.is_empty() {
            return 0.0;
        }
        match self {
            Self::Mean => samples.iter().sum::<f64>() / samples.len() as f64,
            Self::Median => {
                let mut sorted = samples.to_vec();
                sorted.sort_by(f64::total_cmp);
                f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
            }
        }
    }
}

/// A ratio for people: two digits after the point, and at least two that say something.
pub fn show_ratio(ratio: f64) -> String {
    let digits = if ratio > 0.0 && ratio < 0.1 { (1.0 - ratio.log10().floor()) as usize } else { 2 };
    format!("{ratio:.0$}", digits.min(6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_divided_by_theirs_and_held_to_the_limit() {
        let peer = |limit, samples: &[f64]| Peer { name: "theirs".to_owned(), limit, samples: samples.to_vec() };
        let mut comparison = Comparison {
            title: "a race".to_owned(),
            unit: Unit::Seconds,
            middle: Middle::Median,
            ours: vec![1.0, 3.0, 2.0],
            peers: Vec::new(),
        };
        let close = peer(Some(0.5), &[4.0, 4.0, 16.0]);
        assert_eq!(comparison.ratio(&close), Some(0.5));
        assert_eq!(comparison.ratios(&close), [0.25, 0.75, 0.125]);
        assert_eq!(comparison.verdict(&close), Some((0.5, true)));
        assert_eq!(comparison.verdict(&peer(Some(0.49), &close.samples)), Some((0.49, false)));
        assert_eq!(comparison.verdict(&peer(None, &close.samples)), None);
        assert_eq!(Middle::Median.of(&[4.0, 1.0, 2.0, 9.0]), 3.0, "of an even number it lies between two");
        comparison.middle = Middle::Mean;
        assert_eq!(comparison.ratio(&close), Some(0.25));
        // What is too short for the clock has no ratio.
        assert_eq!(comparison.ratio(&peer(Some(1.0), &[0.0; 3])), None);
        assert_eq!(comparison.ratios(&peer(None, &[0.0, 1.0, 0.0])), [3.0]);
    }

    #[test]
    fn figures_have_as_many_digits_as_say_something() {
        let seconds = [75.04, 1.824, 0.9999, 0.3164, 0.0082].map(|seconds| Unit::Seconds.show(seconds));
        assert_eq!(seconds, ["75.0 s", "1.82 s", "1.00 s", "316 ms", "8.2 ms"]);
        assert_eq!(Unit::Bytes.show(163_600_000.0), "163.6 MB");
        let ratios = [12.0, 1.823, 0.394, 0.0519, 0.000_226, 0.0].map(show_ratio);
        assert_eq!(ratios, ["12.00", "1.82", "0.39", "0.052", "0.00023", "0.00"]);
    }
}
