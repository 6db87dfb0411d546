//! Sizes as people read them.

/// `12 B`, `3.4 MB`: decimal, as package indexes and file managers count.
#[must_use]
pub fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::human_size;

    #[test]
    fn sizes_have_one_decimal_and_never_four_digits() {
        let told = [0, 999, 1_000, 116_300_000, 999_960_000, 4_200_000_000_000].map(human_size);
        assert_eq!(told, ["0 B", "999 B", "1.0 kB", "116.3 MB", "1.0 GB", "4.2 TB"]);
    }
}
