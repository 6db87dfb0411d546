//! Rounds in which every contestant runs once, so that what else the machine does hits all of them alike.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::report::{Comparison, Middle, Peer, Unit};

/// Who takes part, and what was measured in each round.
pub struct Contestant<'a, M = Duration> {
    name: String,
    limit: Option<f64>,
    run: Box<dyn FnMut() -> Result<M> + 'a>,
    measured: Vec<M>,
}

/// What a round measures.
pub trait Measured {
    /// Whether a round takes so long that somebody wants to know what goes on.
    const IS_LONG: bool = true;

    /// What is told of it then.
    fn told(&self) -> String;
}

impl Measured for Duration {
    fn told(&self) -> String {
        Unit::Seconds.show(self.as_secs_f64())
    }
}

impl<'a, M> Contestant<'a, M> {
    /// `run` does the work once and returns what is measured of it.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<M> + 'a) -> Self {
        Self { name: name.into(), limit: None, run: Box::new(run), measured: Vec::new() }
    }

    /// Ours divided by this one may be at most so much: a promise of the project.
    pub fn limit(self, limit: f64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// A figure of each round.
    pub fn samples(&self, figure: impl Fn(&M) -> f64) -> Vec<f64> {
        // Nothing here is measured more exactly, and files with all digits of a fraction are hard to read.
        self.measured.iter().map(|measured| (figure(measured) * 1e6).round() / 1e6).collect()
    }
}

/// How long something takes.
pub fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

/// Runs every contestant once, and counts nothing.
pub fn warm_up<M>(contestants: &mut [Contestant<'_, M>]) -> Result<()> {
    eprintln!("one round of everything, to warm up");
    for contestant in contestants {
        (contestant.run)()?;
    }
    Ok(())
}

/// Runs every contestant once a round. Who is first changes, since the first one finds the colder machine.
pub fn alternate<M: Measured>(contestants: &mut [Contestant<'_, M>], rounds: usize) -> Result<()> {
    for round in 0..rounds {
        let count = contestants.len();
        for turn in 0..count {
            let contestant = &mut contestants[(round + turn) % count];
            if M::IS_LONG {
                eprint!("round {} of {rounds}: {} … ", round + 1, contestant.name);
            }
            let measured = (contestant.run)()?;
            if M::IS_LONG {
                eprintln!("{}", measured.told());
            }
            contestant.measured.push(measured);
        }
    }
    Ok(())
}

/// One figure of all that was measured, of the first contestant beside the others.
pub fn compare<M>(
    title: impl Into<String>,
    unit: Unit,
    contestants: &[Contestant<'_, M>],
    figure: impl Fn(&M) -> f64,
) -> Comparison {
    let (ours, others) = contestants.split_first().expect("this project takes part in its own benchmarks");
    compare_with(title, unit, ours, others, figure)
}

/// One figure of a contestant beside the same of some others.
pub fn compare_with<M>(
    title: impl Into<String>,
    unit: Unit,
    ours: &Contestant<'_, M>,
    others: &[Contestant<'_, M>],
    figure: impl Fn(&M) -> f64,
) -> Comparison {
    let peers =
        others.iter().map(|peer| Peer { name: peer.name.clone(), limit: peer.limit, samples: peer.samples(&figure) });
    Comparison {
        title: title.into(),
        unit,
        middle: Middle::Median,
        ours: ours.samples(&figure),
        peers: peers.collect(),
    }
}

/// The times of the first contestant beside those of the others.
pub fn compare_times(title: impl Into<String>, contestants: &[Contestant<'_>]) -> Comparison {
    compare(title, Unit::Seconds, contestants, Duration::as_secs_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_runs_in_every_round_and_is_compared_with_the_first() {
        let calls = std::cell::RefCell::new(Vec::new());
        let contestant = |name: &'static str, seconds| {
            let calls = &calls;
            Contestant::new(name, move || {
                calls.borrow_mut().push(name);
                Ok(Duration::from_secs(seconds))
            })
        };
        let mut both = [contestant("ours", 1), contestant("theirs", 4).limit(0.3)];
        warm_up(&mut both).unwrap();
        alternate(&mut both, 2).unwrap();
        assert_eq!(*calls.borrow(), ["ours", "theirs", "ours", "theirs", "theirs", "ours"]);
        let comparison = compare_times("fill", &both);
        assert_eq!(comparison.ours, [1.0, 1.0], "what was to warm up does not count");
        assert_eq!(comparison.verdict(&comparison.peers[0]), Some((0.3, true)));
        assert_eq!(comparison.ratio(&comparison.peers[0]), Some(0.25));
    }
}
