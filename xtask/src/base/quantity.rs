//! Sizes, counts and times in words.

use std::time::Duration;

pub use speaches_format::size::human_size;

/// The suffix about cached inputs: empty, or `; 12 more were in the store`.
pub fn cached_suffix(there: usize) -> String {
    match there {
        0 => String::new(),
        1 => "; 1 more was in the store".to_owned(),
        _ => format!("; {there} more were in the store"),
    }
}

/// `1 file`, `2 files`.
pub fn pluralize(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}

/// A duration: `40 ms`, `12.1 s`, `2 min 5 s`.
pub fn format_duration(time: Duration) -> String {
    if time.as_millis() < 1000 {
        return format!("{} ms", time.as_millis());
    }
    let seconds = time.as_secs_f64();
    // 59.95 s would be written as 60.0 s, which is a minute.
    if seconds < 59.95 {
        return format!("{seconds:.1} s");
    }
    let seconds = seconds.round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours} h {minutes} min") } else { format!("{minutes} min {seconds} s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        let told = |milliseconds| format_duration(Duration::from_millis(milliseconds));
        assert_eq!([told(40), told(12_140), told(59_949)], ["40 ms", "12.1 s", "59.9 s"]);
        assert_eq!([told(59_951), told(125_000), told(3_726_000)], ["1 min 0 s", "2 min 5 s", "1 h 2 min"]);
    }
}
