//! Sizes and counts in words.

/// `12 B`, `3.4 MB`: decimal, as package indexes and file managers count.
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

/// How many more there were in the store: nothing, or `; 12 more were in the store`.
pub fn besides(there: usize) -> String {
    match there {
        0 => String::new(),
        1 => "; 1 more was in the store".to_owned(),
        _ => format!("; {there} more were in the store"),
    }
}

/// `1 file`, `2 files`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("{count} {noun}") } else { format!("{count} {noun}s") }
}
