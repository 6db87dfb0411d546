//! The page about a run: what was promised, a plot and a table for each benchmark, the machine and the versions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::catalog::Benchmark;
use super::report::{Comparison, Peer, show_ratio};
use super::results::{Outcome, Results, picture};
use super::table::{self, escaped};
use crate::quantity::counted;
use crate::quantity::human_size;

/// Writes it, as Markdown.
pub fn write(results: &Results) -> String {
    let mut page = format!(
        "# Benchmarks\n\n\
         <!-- Made of results.json by `cargo xtask bench RUNTIME`, and again by `cargo xtask bench plot`. Do not edit. -->\n\n\
         All benchmarks of this project in one run, which ended on {}. In every round each one runs once, and who is first \
         changes, so that what else the machine does hits all of them alike. Everything is better when there is less of it: \
         a **ratio** is ours divided by that of the other one, and below 1 it is in our favour. Figures are medians of all \
         rounds (of processor time, which is counted in coarse steps, means); *single rounds* are the least and the \
         greatest ratio in one round. [results.json](results.json) has every round of everybody.\n",
        results.date
    );
    promises(&mut page, results);
    missing(&mut page, results);
    for entry in &results.benchmarks {
        let Outcome::Measured(report) = &entry.outcome else { continue };
        let _ = write!(page, "\n## {}\n\n{}\n\n", entry.name.title(), entry.name.about());
        if plot_of(results, entry.name) {
            let _ = write!(page, "![{}: ratios]({})\n\n", entry.name.title(), picture(entry.name));
        }
        page.push_str(&table::markdown(report));
        let load = entry.load.map_or_else(|| "unknown".to_owned(), |load| load.map(|load| load.to_string()).join(", "));
        let _ = writeln!(page, "- took {} s; load of the machine in 1, 5 and 15 minutes before: {load}", entry.seconds);
    }
    machine(&mut page, results);
    page
}

fn plot_of(results: &Results, benchmark: Benchmark) -> bool {
    results.benchmarks.iter().filter(|entry| entry.name == benchmark).any(|entry| match &entry.outcome {
        Outcome::Measured(report) => report.comparisons.iter().any(|comparison| !comparison.peers.is_empty()),
        Outcome::Failed(_) | Outcome::NotRun(_) => false,
    })
}

/// Everything with a limit.
fn promises(page: &mut String, results: &Results) {
    let mut rows = String::new();
    for entry in &results.benchmarks {
        let Outcome::Measured(report) = &entry.outcome else { continue };
        let pairs = report.comparisons.iter().flat_map(|comparison| {
            comparison.peers.iter().map(move |peer: &Peer| -> (&Comparison, &Peer) { (comparison, peer) })
        });
        for (comparison, peer) in pairs {
            let Some((limit, within)) = comparison.verdict(peer) else { continue };
            let ratio = comparison.ratio(peer).map(show_ratio).unwrap_or_default();
            let verdict = if within { "within" } else { "**beyond**" };
            let (title, beside) = (escaped(&comparison.title), escaped(&peer.name));
            let _ = writeln!(rows, "| {title} | {beside} | {limit} | {ratio} | {verdict} |");
        }
    }
    if !rows.is_empty() {
        let _ = write!(
            page,
            "\n## What is promised\n\n| | beside | ratio at most | ratio | |\n|---|---|--:|--:|---|\n{rows}"
        );
    }
}

/// Benchmarks without a result.
fn missing(page: &mut String, results: &Results) {
    let mut rows = String::new();
    for entry in &results.benchmarks {
        let (what, why) = match &entry.outcome {
            Outcome::Measured(_) => continue,
            Outcome::Failed(why) => ("**failed**", why),
            Outcome::NotRun(why) => ("not run", why),
        };
        let _ = writeln!(rows, "| {} (`{}`) | {what} | {} |", entry.name.title(), entry.name, escaped(why));
    }
    if !rows.is_empty() {
        let _ = write!(page, "\n## What is missing\n\n| | | why |\n|---|---|---|\n{rows}");
    }
}

fn machine(page: &mut String, results: &Results) {
    let (machine, runtime, tool) = (&results.machine, &results.runtime, &results.tool);
    let commit = tool.commit.as_deref().map_or_else(
        || "source without a commit".to_owned(),
        |commit| format!("commit {commit}{}", if tool.changed { " with changes" } else { "" }),
    );
    let models = runtime.models.iter().map(|model| format!("{} ({})", model.id, human_size(model.size)));
    let models = models.collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        ("processor", format!("{}, {}, {} at once", machine.processor, machine.architecture, machine.processors)),
        ("memory", human_size(machine.memory)),
        ("system", format!("{}, kernel {}", machine.system, machine.kernel)),
        (
            "this tool",
            format!(
                "{}, {commit}, {}",
                tool.version,
                if tool.debug { "built for development" } else { "built for release" }
            ),
        ),
        (
            "runtime",
            format!(
                "{}speaches {}, Python {}, {}, {}; {}, {}",
                if runtime.sample { "SAMPLE of " } else { "" },
                runtime.speaches,
                runtime.python,
                runtime.target,
                runtime.accelerator,
                counted(runtime.files, "file"),
                human_size(runtime.size)
            ),
        ),
        ("its models", if models.is_empty() { "none".to_owned() } else { models }),
    ];
    let mut versions = BTreeMap::new();
    for entry in &results.benchmarks {
        if let Outcome::Measured(report) = &entry.outcome {
            versions.extend(report.versions.iter().map(|(name, version)| (name.as_str(), version.clone())));
        }
    }
    rows.extend(versions);
    page.push_str("\n## Machine and versions\n\n| | |\n|---|---|\n");
    for (name, value) in rows {
        let _ = writeln!(page, "| {} | {} |", escaped(name), escaped(&value));
    }
}
