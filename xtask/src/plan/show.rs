//! Shows a plan to people and to programs. It shows every input: a new kind needs no change here.

use std::fmt::Write as _;

use anyhow::Result;
use camino::Utf8Path;
use serde::Serialize;

use super::Plan;
use crate::base::digest::Sha256;
use crate::base::quantity::{human_size, pluralize};
use crate::inputs::Facts;
use crate::pins::target::Accelerator;

/// A plan, and which of its inputs need not be fetched.
pub struct Shown<'a> {
    plan: &'a Plan,
    inputs: Vec<(&'a Facts, bool)>,
}

/// One input, as `--dry-run --json` shows it.
#[derive(Serialize)]
struct Line<'a> {
    kind: String,
    name: &'a str,
    origin: &'a str,
    size: Option<u64>,
    sha256: Sha256,
    available: bool,
    cached: bool,
    pinned: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    target: &'a str,
    accelerator: Accelerator,
    python: &'a str,
    groups: &'a [String],
    sample: bool,
    version: &'a str,
    plan: Sha256,
    output: &'a Utf8Path,
    fetch_bytes: u64,
    inputs: Vec<Line<'a>>,
}

impl<'a> Shown<'a> {
    /// `inputs` has the facts about each input, and whether the tool can use the input without a download.
    pub fn new(plan: &'a Plan, inputs: Vec<(&'a Facts, bool)>) -> Self {
        Self { plan, inputs }
    }

    pub fn json(&self) -> Result<String> {
        let plan = self.plan;
        let line = |&(facts, cached): &(&'a Facts, bool)| Line {
            kind: facts.kind.to_string(),
            name: &facts.title,
            origin: &facts.place,
            size: facts.size,
            sha256: facts.sha256,
            available: facts.available,
            cached,
            pinned: facts.pinned,
        };
        Ok(serde_json::to_string_pretty(&Document {
            target: &plan.target.triple,
            accelerator: plan.accelerator,
            python: plan.inputs.python.source.version(),
            groups: &plan.groups,
            sample: plan.name.is_sample(),
            version: &plan.version,
            plan: plan.identity(),
            output: &plan.output,
            fetch_bytes: self.missing().filter_map(|facts| facts.size).sum(),
            inputs: self.inputs.iter().map(line).collect(),
        })?)
    }

    /// The plan in one line for people.
    pub fn summary(&self) -> String {
        let plan = self.plan;
        let parts = plan.groups.iter().map(|part| format!(" with {part}")).collect::<Vec<_>>().join(" and");
        let missing = match self.to_fetch() {
            (0, _) => "all at hand".to_owned(),
            (count, sizes) => format!("{count} of them to fetch ({sizes})"),
        };
        format!(
            "{}{parts} for {}, {}, Python {}: {}, {missing}",
            self.subject(),
            plan.target.triple,
            plan.accelerator,
            plan.inputs.python.source.version(),
            pluralize(self.inputs.len(), "input"),
        )
    }

    pub fn text(&self) -> String {
        let plan = self.plan;
        let mut text = format!(
            "{} for {} ({}), {}, Python {}\n",
            self.subject(),
            plan.target.triple,
            plan.target.entry.description,
            plan.accelerator,
            plan.inputs.python.source.version()
        );
        let _ = writeln!(
            text,
            "with {}",
            if plan.groups.is_empty() { "no optional parts".to_owned() } else { plan.groups.join(" and ") }
        );
        let width = self.inputs.iter().map(|(facts, _)| facts.title.len()).max().unwrap_or(0).min(60);
        for (facts, cached) in &self.inputs {
            let size = facts.size.map_or_else(|| "-".to_owned(), human_size);
            let state = match (cached, facts.pinned) {
                _ if !facts.available => "missing",
                (true, true) => "at hand",
                (true, false) => "at hand, unpinned",
                (false, true) => "to fetch",
                (false, false) => "to fetch, unpinned",
            };
            let Facts { kind, title, place, .. } = facts;
            let _ = writeln!(text, "  {kind:9} {title:width$}  {size:>9}  {state:18}  {place}");
        }
        let (count, sizes) = self.to_fetch();
        let _ = writeln!(text, "to fetch: {sizes} in {}", pluralize(count, "input"));
        let _ = writeln!(text, "goes to:  {}", plan.output);
        let _ = write!(text, "plan:     {}", plan.identity());
        text
    }

    fn subject(&self) -> String {
        format!("{} {}", self.plan.name.title(), self.plan.version)
    }

    fn missing(&self) -> impl Iterator<Item = &'a Facts> {
        self.inputs.iter().filter(|(_, at_hand)| !at_hand).map(|(facts, _)| *facts)
    }

    /// How many inputs have to be fetched, and how large they are: `116.3 MB, and 2 of unknown size`.
    fn to_fetch(&self) -> (usize, String) {
        let missing = self.missing().collect::<Vec<_>>();
        let bytes = human_size(missing.iter().filter_map(|facts| facts.size).sum());
        let sizes = match missing.iter().filter(|facts| facts.size.is_none()).count() {
            0 => bytes,
            unknown if unknown == missing.len() => "of unknown size".to_owned(),
            unknown => format!("{bytes}, and {unknown} of unknown size"),
        };
        (missing.len(), sizes)
    }
}
