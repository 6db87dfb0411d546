//! The traits that receive the progress of long steps.

use crate::base::quantity::human_size;

/// The receiver of progress.
///
/// A step has a verb, such as `Fetching`, and an object, such as `26 wheels`.
pub trait Progress: Sync {
    /// A step whose length is not known.
    fn step(&self, _doing: &str, _what: &str) -> Box<dyn Bar> {
        Box::new(Silent)
    }

    /// A step that goes through a number of bytes, if it is known.
    fn bytes(&self, doing: &str, what: &str, _total: Option<u64>) -> Box<dyn Bar> {
        self.step(doing, what)
    }

    /// A step that goes through a number of things.
    fn items(&self, doing: &str, what: &str, _total: usize) -> Box<dyn Bar> {
        self.step(doing, what)
    }
}

pub trait Bar: Sync {
    fn advance(&self, _amount: u64) {}
    /// So much turns out to have been done before.
    fn found(&self, amount: u64) {
        self.advance(amount);
    }
    /// So much has to be done again.
    fn set_back(&self, _amount: u64) {}
    /// A file that this step goes through among others.
    fn part(&self, _name: &str, _total: Option<u64>) -> Box<dyn Bar> {
        Box::new(Silent)
    }
    /// Ends the step without a line.
    fn finish(&self) {}
    /// Ends the step with a line: a verb such as `Fetched`, the object, and the duration.
    fn done(&self, _did: &str, _what: &str) {}
}

/// Progress without output.
pub struct Silent;

impl Progress for Silent {}
impl Bar for Silent {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nothing,
    Bytes,
    Items,
}

impl Unit {
    /// How much is done: `45.1 of 116.3 MB`, `3 of 26`; nothing for a step that counts nothing.
    pub fn amount(self, done: u64, total: Option<u64>) -> Option<String> {
        let done = total.map_or(done, |total| done.min(total));
        let number = |number: u64| if self == Self::Bytes { human_size(number) } else { number.to_string() };
        match total {
            _ if self == Self::Nothing => None,
            None => Some(number(done)),
            Some(total) => {
                let (done, total) = (number(done), number(total));
                match (done.split_once(' '), total.split_once(' ')) {
                    (Some((number, one)), Some((_, other))) if one == other => Some(format!("{number} of {total}")),
                    _ => Some(format!("{done} of {total}")),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn amounts_share_their_unit() {
        let amount = |unit: Unit, done, total| unit.amount(done, total).unwrap();
        assert_eq!(amount(Unit::Bytes, 45_100_000, Some(116_300_000)), "45.1 of 116.3 MB");
        assert_eq!(amount(Unit::Bytes, 900_000, Some(1_200_000_000)), "900.0 kB of 1.2 GB");
        assert_eq!(amount(Unit::Bytes, 0, Some(12)), "0 of 12 B");
        assert_eq!(amount(Unit::Items, 30, Some(26)), "26 of 26");
        assert_eq!(amount(Unit::Bytes, 45_100_000, None), "45.1 MB");
    }
}
