//! Rounds in which every contestant runs once, so that what else the machine does hits all of them alike.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Who takes part, and how long each round took.
pub struct Contestant<'a> {
    /// What the table calls it.
    pub name: String,
    run: Box<dyn FnMut() -> Result<Duration> + 'a>,
    times: Vec<Duration>,
}

impl<'a> Contestant<'a> {
    /// `run` does the work once and returns how long the part took that counts.
    pub fn new(name: impl Into<String>, run: impl FnMut() -> Result<Duration> + 'a) -> Self {
        Self { name: name.into(), run: Box::new(run), times: Vec::new() }
    }

    /// The same one with no rounds counted, for what comes before the measurement.
    pub fn again<'b>(&'b mut self) -> Contestant<'b>
    where
        'a: 'b,
    {
        Contestant::new(self.name.clone(), &mut self.run)
    }

    /// The middle one of all rounds.
    pub fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort();
        times[times.len() / 2]
    }

    fn best(&self) -> Duration {
        self.times.iter().min().copied().unwrap_or_default()
    }
}

/// How long something takes.
pub fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let started = Instant::now();
    work()?;
    Ok(started.elapsed())
}

/// Runs every contestant once a round. Who is first changes, since the first one finds the colder machine.
pub fn alternate(contestants: &mut [Contestant<'_>], rounds: usize) -> Result<()> {
    for round in 0..rounds {
        let count = contestants.len();
        for turn in 0..count {
            let contestant = &mut contestants[(round + turn) % count];
            eprint!("round {} of {rounds}: {} … ", round + 1, contestant.name);
            let time = (contestant.run)()?;
            eprintln!("{:.2} s", time.as_secs_f64());
            contestant.times.push(time);
        }
    }
    Ok(())
}

/// A table in which the first contestant is compared with each of the others.
pub fn table(title: &str, contestants: &[Contestant<'_>]) -> String {
    let mut text = format!("{title:<34} {:>9} {:>9}   {}\n", "median", "best", "ours / this");
    let ours = contestants[0].median().as_secs_f64();
    for contestant in contestants {
        let (median, best) = (contestant.median().as_secs_f64(), contestant.best().as_secs_f64());
        text.push_str(&format!("{:<34} {median:>7.2} s {best:>7.2} s   {:.2}\n", contestant.name, ours / median));
    }
    text
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
        let mut both = [contestant("ours", 1), contestant("theirs", 4)];
        alternate(&mut both, 2).unwrap();
        assert_eq!(*calls.borrow(), ["ours", "theirs", "theirs", "ours"]);
        let table = table("fill", &both);
        assert!(table.lines().nth(2).unwrap().ends_with("0.25"), "{table}");
    }
}
