//! Rounds in which every candidate runs once, so that other work of the machine slows all of them alike.

use std::time::Instant;

use anyhow::Result;

use crate::report::{Baseline, Report, Unit};

/// A candidate, with N figures of each round. The first figure is a time.
pub struct Candidate<'a, const N: usize = 1> {
    name: String,
    run: Box<dyn FnMut() -> Result<[f64; N]> + 'a>,
    rounds: Vec<[f64; N]>,
}

/// One figure of a round: its name, its unit, and the promised ratio to a baseline.
#[derive(Clone, Copy)]
pub struct Figure(pub &'static str, pub Unit, pub Option<f64>);

impl<'a, const N: usize> Candidate<'a, N> {
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<[f64; N]> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run), rounds: Vec::new() }
    }

    pub fn samples(&self, figure: usize) -> Vec<f64> {
        // Nothing here is measured more exactly, and files with all digits of a fraction are hard to read.
        self.rounds.iter().map(|round| (round[figure] * 1e6).round() / 1e6).collect()
    }
}

/// How many seconds something takes.
pub fn timed(work: impl FnOnce() -> Result<()>) -> Result<[f64; 1]> {
    let started = Instant::now();
    work()?;
    Ok([started.elapsed().as_secs_f64()])
}

/// Runs every candidate once, and counts nothing.
pub fn warm_up<const N: usize>(candidates: &mut [Candidate<'_, N>]) -> Result<()> {
    eprintln!("one round of each, to warm up");
    candidates.iter_mut().try_for_each(|candidate| (candidate.run)().map(drop))
}

/// Runs every candidate once a round, each time with another first one, since the first finds the colder machine.
pub fn alternate<const N: usize>(candidates: &mut [Candidate<'_, N>], rounds: usize) -> Result<()> {
    for round in 0..rounds {
        let count = candidates.len();
        for turn in 0..count {
            let candidate = &mut candidates[(round + turn) % count];
            eprint!("round {} of {rounds}: {} … ", round + 1, candidate.name);
            let measured = (candidate.run)()?;
            eprintln!("{}", Unit::Seconds.show(measured[0]));
            candidate.rounds.push(measured);
        }
    }
    Ok(())
}

/// Adds rows that compare one candidate with others.
pub fn compare<const N: usize>(
    report: &mut Report,
    what: &str,
    figures: [Figure; N],
    ours: &Candidate<'_, N>,
    others: &[Candidate<'_, N>],
) {
    for (index, Figure(figure, unit, limit)) in figures.into_iter().enumerate() {
        let what = [what, figure].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        if others.is_empty() {
            report.add(&what, unit, ours.samples(index), None);
        }
        for other in others {
            let baseline = Baseline { name: other.name.clone(), limit, samples: other.samples(index) };
            report.add(&what, unit, ours.samples(index), Some(baseline));
        }
    }
}

/// Adds a row for each baseline of the first candidate, about times only.
pub fn compare_times(report: &mut Report, what: &str, limit: Option<f64>, candidates: &[Candidate<'_>]) {
    let (ours, others) = candidates.split_first().expect("this project takes part in its own benchmarks");
    compare(report, what, [Figure("", Unit::Seconds, limit)], ours, others);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_run_in_every_round_and_are_compared_with_the_first() {
        let calls = std::cell::RefCell::new(Vec::new());
        let candidate = |name: &'static str, seconds| {
            let calls = &calls;
            Candidate::new(name, move || {
                calls.borrow_mut().push(name);
                Ok([seconds])
            })
        };
        let mut both = [candidate("ours", 1.0), candidate("theirs", 4.0)];
        warm_up(&mut both).unwrap();
        alternate(&mut both, 2).unwrap();
        assert_eq!(*calls.borrow(), ["ours", "theirs", "ours", "theirs", "theirs", "ours"]);
        let mut report = Report::new("ours");
        compare_times(&mut report, "fill", Some(0.3), &both);
        let row = &report.json()["rows"][0];
        assert_eq!(row["what"], "fill");
        assert_eq!(row["ours"].as_array().unwrap().len(), 2, "what was to warm up does not count");
        assert_eq!((&row["beside"]["ratio"], &row["beside"]["limit"]), (&0.25.into(), &0.3.into()));
    }
}
