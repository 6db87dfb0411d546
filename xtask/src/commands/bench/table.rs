//! The table of a report: one row for each peer in each comparison, for a terminal and as Markdown.

use super::report::{Report, show_ratio};
use crate::quantity::counted;

/// How many columns there are.
const COLUMNS: usize = 7;

/// What is in the columns.
fn head(report: &Report, title: &str) -> [String; COLUMNS] {
    [title, &report.ours, "beside", "theirs", "ratio", "single rounds", "limit"].map(str::to_owned)
}

fn rows(report: &Report) -> Vec<[String; COLUMNS]> {
    let mut rows = Vec::new();
    for comparison in &report.comparisons {
        let ours = comparison.unit.show(comparison.figure());
        if comparison.peers.is_empty() {
            let rounds = counted(comparison.ours.len(), "round");
            let nothing = String::new;
            rows.push([comparison.title.clone(), ours.clone(), nothing(), nothing(), nothing(), rounds, nothing()]);
        }
        for peer in &comparison.peers {
            let ratios = comparison.ratios(peer);
            let least = ratios.iter().copied().reduce(f64::min);
            let most = ratios.iter().copied().reduce(f64::max);
            let rounds = match (least, most) {
                (Some(least), Some(most)) if ratios.len() > 1 => {
                    format!("{} to {} in {}", show_ratio(least), show_ratio(most), ratios.len())
                }
                _ => counted(ratios.len(), "round"),
            };
            let limit = match comparison.verdict(peer) {
                Some((limit, true)) => format!("within {limit}"),
                Some((limit, false)) => format!("beyond {limit}"),
                None => String::new(),
            };
            rows.push([
                comparison.title.clone(),
                ours.clone(),
                peer.name.clone(),
                comparison.unit.show(comparison.figure_of(peer)),
                comparison.ratio(peer).map_or_else(|| "too short".to_owned(), show_ratio),
                rounds,
                limit,
            ]);
        }
    }
    rows
}

/// Whether a column has figures, which stand below each other at their right end.
fn is_figures(column: usize) -> bool {
    matches!(column, 1 | 3 | 4)
}

/// The table and what else there is to say, for a terminal.
pub fn text(report: &Report, title: &str) -> String {
    let mut rows = rows(report);
    if rows.is_empty() {
        // There is nothing that columns would be called.
        rows.push(std::array::from_fn(|column| if column == 0 { title.to_owned() } else { String::new() }));
    } else {
        rows.insert(0, head(report, title));
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = std::array::from_fn::<_, COLUMNS, _>(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widths[column];
            if is_figures(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    for absent in &report.absent {
        text.push_str(&format!("not run: {}: {}\n", absent.name, absent.why));
    }
    for note in &report.notes {
        text.push_str(&format!("{note}\n"));
    }
    text
}

/// The same as Markdown.
pub fn markdown(report: &Report) -> String {
    let line = |cells: [String; COLUMNS]| format!("| {} |\n", cells.map(|cell| escaped(&cell)).join(" | "));
    let mut text = String::new();
    if !report.comparisons.is_empty() {
        text.push_str(&line(head(report, "")));
        let kinds = std::array::from_fn::<_, COLUMNS, _>(|column| if is_figures(column) { "--:" } else { "---" });
        text.push_str(&format!("|{}|\n", kinds.join("|")));
        rows(report).into_iter().for_each(|row| text.push_str(&line(row)));
        text.push('\n');
    }
    for absent in &report.absent {
        text.push_str(&format!("- not run: {}: {}\n", escaped(&absent.name), escaped(&absent.why)));
    }
    for note in &report.notes {
        text.push_str(&format!("- {}\n", escaped(note)));
    }
    text
}

/// Text in which nothing means anything to Markdown.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '&' | '~') {
            escaped.push('\\');
        }
        escaped.push(if letter.is_control() { ' ' } else { letter });
    }
    escaped
}
