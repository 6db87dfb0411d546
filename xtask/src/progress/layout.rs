//! The text of a bar, for terminals of any width: what does not fit is left out, the least important first.

use std::time::Duration;

use console::measure_text_width;

use super::{Unit, lines};
use crate::quantity::human_size;

/// How wide a bar is, in cells.
const BAR: std::ops::RangeInclusive<usize> = 10..=30;
/// How wide the amount of a part is, in columns: `999.9 kB of 999.9 MB`.
const PART_AMOUNT: usize = 20;
/// How wide the bar of a part is, in cells.
const PART_BAR: usize = 16;
/// A terminal that is narrower, in columns, has no room for the bars of parts.
const ROOM_FOR_PART_BARS: usize = 72;
/// What is left of a name, in columns, that has to be cut.
const WORTH_READING: usize = 8;
/// Before this, nobody knows how fast it is.
const KNOWN_AFTER: Duration = Duration::from_secs(1);

/// A step as it is at a moment.
pub struct Moment<'a> {
    pub doing: &'a str,
    pub what: &'a str,
    pub unit: Unit,
    pub done: u64,
    pub total: Option<u64>,
    pub elapsed: Duration,
    /// How much is done in a second.
    pub rate: f64,
}

impl Moment<'_> {
    /// `45.1 of 116.3 MB`; nothing for a step that counts nothing.
    pub fn amount(&self) -> Option<String> {
        match (self.unit, self.total) {
            (Unit::Nothing, _) => None,
            (Unit::Bytes, Some(total)) => Some(part_of(self.done.min(total), total)),
            (Unit::Bytes, None) => Some(human_size(self.done)),
            (Unit::Things, Some(total)) => Some(format!("{} of {total}", self.done.min(total))),
            (Unit::Things, None) => Some(self.done.to_string()),
        }
    }

    /// The same, as wide as it will ever be, so that nothing jumps to and fro.
    fn padded_amount(&self) -> Option<String> {
        let amount = self.amount()?;
        let widest = match (self.unit, self.total) {
            (Unit::Bytes, Some(total)) => "999.9 kB of ".len() + human_size(total).len(),
            (Unit::Bytes, None) => "999.9 MB".len(),
            (_, Some(total)) => format!("{total} of {total}").len(),
            (_, None) => 0,
        };
        Some(format!("{amount:>widest$}"))
    }

    fn speed(&self) -> Option<String> {
        if self.unit != Unit::Bytes {
            return None;
        }
        let speed = if self.is_known() { format!("{}/s", human_size(self.rate as u64)) } else { String::new() };
        Some(format!("{speed:>10}"))
    }

    fn left(&self) -> Option<String> {
        // Things are of different sizes, so that nobody knows.
        if self.unit != Unit::Bytes {
            return None;
        }
        let rest = self.total?.saturating_sub(self.done);
        let left = if self.is_known() && rest > 0 {
            format!("{} left", roughly((rest as f64 / self.rate) as u64))
        } else {
            String::new()
        };
        Some(format!("{left:>11}"))
    }

    fn is_known(&self) -> bool {
        self.elapsed >= KNOWN_AFTER && self.rate > 0.0
    }

    fn bar(&self, cells: usize) -> String {
        let total = self.total.unwrap_or(0).max(1);
        let filled = (u128::from(self.done.min(total)) * cells as u128 / u128::from(total)) as usize;
        let head = if filled < cells { ">" } else { "" };
        format!("[{}{head}{}]", "=".repeat(filled), " ".repeat((cells - filled).saturating_sub(1)))
    }

    /// The line of a step.
    pub fn line(&self, width: usize, coloured: bool) -> String {
        let mut room = width.saturating_sub(self.doing.len().max(lines::VERB));
        let room = &mut room;
        // The most important first.
        let amount = take(room, self.padded_amount()).or_else(|| take(room, self.amount()));
        let since = (self.unit == Unit::Nothing && self.elapsed >= KNOWN_AFTER)
            .then(|| take(room, Some(format!("({} s)", self.elapsed.as_secs()))))
            .flatten();
        let what = take(room, Some(self.what.to_owned()).filter(|what| !what.is_empty()));
        let is_whole = what.is_some();
        let left = take(room, self.left());
        // A part of the name only where there is no more to say.
        let what = what.or_else(|| {
            let cut = cut(self.what, room.saturating_sub(1));
            take(room, cut)
        });
        let has_bar = is_whole && self.total.is_some() && *room > *BAR.start() + 2;
        let least = if has_bar { *BAR.start() + 3 } else { 0 };
        let speed = self.speed().filter(|text| is_whole && text.len() + least < *room);
        *room -= speed.as_ref().map_or(0, |text| text.len() + 1);
        let bar = has_bar.then(|| self.bar((*room - 3).min(*BAR.end())));
        let mut line = lines::doing(self.doing, coloured);
        for piece in [what, since, bar, amount, speed, left].into_iter().flatten() {
            line.push(' ');
            line.push_str(&piece);
        }
        // What is not known yet has room all the same.
        line.truncate(line.trim_end().len());
        line
    }

    /// The line of a part: its name is what is cut when there is no room.
    pub fn part_line(&self, width: usize) -> String {
        let mut pieces = vec![" ".repeat(lines::VERB)];
        if width >= ROOM_FOR_PART_BARS && self.total.is_some() {
            pieces.push(self.bar(PART_BAR));
        }
        pieces.extend(self.amount().map(|amount| format!("{amount:>PART_AMOUNT$}")));
        let mut line = pieces.join(" ");
        let room = width.saturating_sub(measure_text_width(&line) + 2);
        if room > 0 {
            line.push_str("  ");
            line.push_str(&console::truncate_str(self.what, room, "…"));
        }
        console::truncate_str(&line, width, "").into_owned()
    }
}

/// A text, if it and the space before it fit.
fn take(room: &mut usize, text: Option<String>) -> Option<String> {
    let text = text.filter(|text| measure_text_width(text) < *room)?;
    *room -= measure_text_width(&text) + 1;
    Some(text)
}

/// The words of a text that fit, with a mark that there are more; nothing when they would say nothing.
fn cut(text: &str, width: usize) -> Option<String> {
    let mut fits = String::new();
    for word in text.split(' ') {
        if measure_text_width(&fits) + measure_text_width(word) + 2 > width {
            break;
        }
        if !fits.is_empty() {
            fits.push(' ');
        }
        fits.push_str(word);
    }
    (fits.len() >= WORTH_READING).then(|| format!("{fits}…"))
}

/// `45.1 of 116.3 MB`, `900.0 kB of 1.2 GB`.
fn part_of(done: u64, total: u64) -> String {
    let (done, total) = (human_size(done), human_size(total));
    match (done.split_once(' '), total.split_once(' ')) {
        (Some((number, one)), Some((_, other))) if one == other => format!("{number} of {total}"),
        _ => format!("{done} of {total}"),
    }
}

/// How long something took: `40 ms`, `12.1 s`, `2 min 5 s`.
pub fn took(time: Duration) -> String {
    if time.as_millis() < 1000 {
        return format!("{} ms", time.as_millis());
    }
    let seconds = time.as_secs_f64();
    // What would be written as 60.0 s is a minute.
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours} h {minutes} min") } else { format!("{minutes} min {seconds} s") }
}

fn roughly(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds} s"),
        100..6000 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", (seconds / 3600).min(999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(what: &str, unit: Unit, total: Option<u64>) -> Moment<'_> {
        Moment {
            doing: "Fetching",
            what,
            unit,
            done: 45_100_000,
            total,
            elapsed: Duration::from_secs(14),
            rate: 3_200_000.0,
        }
    }

    #[test]
    fn a_line_says_as_much_as_the_terminal_has_room_for() {
        let fetching = moment("26 wheels and unpacking them", Unit::Bytes, Some(116_300_000));
        let at = |width| fetching.line(width, false);
        assert_eq!(
            at(120),
            "    Fetching 26 wheels and unpacking them [===========>                  ]     45.1 of 116.3 MB   3.2 MB/s   22 s left"
        );
        assert_eq!(at(87), "    Fetching 26 wheels and unpacking them [===>      ]     45.1 of 116.3 MB   22 s left");
        assert_eq!(at(80), "    Fetching 26 wheels and unpacking them     45.1 of 116.3 MB   22 s left");
        assert_eq!(at(62), "    Fetching 26 wheels and unpacking them     45.1 of 116.3 MB");
        assert_eq!(at(60), "    Fetching 26 wheels and…     45.1 of 116.3 MB   22 s left");
        assert_eq!(at(40), "    Fetching     45.1 of 116.3 MB");
        assert_eq!(at(32), "    Fetching 45.1 of 116.3 MB");
        assert_eq!(at(20), "    Fetching");
        let building = Moment { doing: "Building", ..moment("the launcher", Unit::Nothing, None) };
        assert_eq!(building.line(80, false), "    Building the launcher (14 s)");
        assert_eq!(building.line(26, false), "    Building (14 s)");
    }

    #[test]
    fn no_bar_is_wider_than_the_terminal() {
        let totals = [None, Some(0), Some(7), Some(45_100_000), Some(116_300_000), Some(8_000_000_000_000)];
        for unit in [Unit::Nothing, Unit::Bytes, Unit::Things] {
            for total in totals {
                for rate in [0.0, 1.0, 3_200_000.0, 1e12] {
                    for what in ["", "26 wheels", "and unpacking a rather long list of many wheels, all of them large"]
                    {
                        let moment = Moment { rate, ..moment(what, unit, total) };
                        for width in 13..220 {
                            let line = moment.line(width, false);
                            assert!(measure_text_width(&line) <= width, "{width}: {line}");
                            assert_eq!(measure_text_width(&moment.line(width, true)), measure_text_width(&line));
                            let line = moment.part_line(width);
                            assert!(measure_text_width(&line) <= width, "{width}: {line}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_jumps_while_numbers_grow() {
        let whole = moment("26 wheels", Unit::Bytes, Some(116_300_000));
        let widths = [9_000, 999_999, 45_100_000, 116_200_000].map(|done| {
            let rate = done as f64 / 14.0;
            measure_text_width(&Moment { done, rate, ..moment(whole.what, whole.unit, whole.total) }.line(100, false))
        });
        assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        let told = |milliseconds| took(Duration::from_millis(milliseconds));
        assert_eq!([told(40), told(12_140), told(59_949)], ["40 ms", "12.1 s", "59.9 s"]);
        assert_eq!([told(59_951), told(125_000), told(3_726_000)], ["1 min 0 s", "2 min 5 s", "1 h 2 min"]);
        assert_eq!([roughly(0), roughly(99), roughly(100), roughly(7300)], ["0 s", "99 s", "2 min", "2 h"]);
    }

    #[test]
    fn amounts_share_their_unit() {
        assert_eq!(part_of(45_100_000, 116_300_000), "45.1 of 116.3 MB");
        assert_eq!(part_of(900_000, 1_200_000_000), "900.0 kB of 1.2 GB");
        assert_eq!(part_of(0, 12), "0 of 12 B");
    }
}
