//! The plan: everything that a provision will fetch and do, complete before anything is written.

mod planner;
mod show;

pub use planner::Planner;

use camino::Utf8PathBuf;
use speaches_format::name::Name;

use crate::base::digest::Sha256;
use crate::inputs::{Facts, Inputs};
use crate::pins::target::{Accelerator, Target};
use crate::store::Store;
use show::Shown;

/// Raise this when your change makes another runtime from the same inputs.
const VERSION: u32 = 5;

/// The complete list of what a provision will fetch and make.
pub struct Plan {
    pub target: Target,
    pub accelerator: Accelerator,
    pub groups: Vec<String>,
    pub name: Name,
    pub version: String,
    pub inputs: Inputs,
    /// The vendor directory, for messages.
    pub vendor: Option<Utf8PathBuf>,
    pub output: Utf8PathBuf,
}

impl Plan {
    /// The identity of the runtime that this plan makes. The output path is no part of it.
    ///
    /// `provision` calls a runtime with the same identity up to date.
    pub fn identity(&self) -> Sha256 {
        // Without `..`, so that no kind of input is forgotten here. The compiler and the linker leave nothing of themselves.
        let Inputs { python, compiler: _, speaches, wheels, models, linker: _, launcher, template } = &self.inputs;
        let wheels = wheels.iter().map(|wheel| (&wheel.source.name.file, wheel.source.sha256)).collect::<Vec<_>>();
        let models = models.iter().map(|model| model.facts.sha256).collect::<Vec<_>>();
        Sha256::of_json(&(
            VERSION,
            (&self.target.triple, self.accelerator, &self.groups, &self.name, &self.version),
            (python.source.version(), python.source.key(), self.compiles()),
            speaches.source.key(),
            wheels,
            models,
            (launcher.source.key(), template.source.sha256()),
        ))
    }

    /// The plan beside what a store has of it.
    pub fn shown(&self, store: &Store) -> Shown<'_> {
        Shown::new(self, self.inputs.at_hand(store, &self.target))
    }

    /// Minor version of the runtime's Python, such as `3.12`.
    pub fn minor(&self) -> &str {
        self.inputs.python.source.minor()
    }

    pub fn compiles(&self) -> bool {
        self.target.is_host() || self.inputs.compiler.is_some()
    }

    /// Inputs that nothing committed pins.
    pub fn unpinned(&self) -> Vec<String> {
        let unpinned = self.inputs.facts().filter(|facts| !facts.pinned);
        unpinned.map(|facts: &Facts| format!("{} ({})", facts.title, facts.place)).collect()
    }
}

pub fn directory_name(name: &Name, version: &str, minor: &str, target: &str, accelerator: Accelerator) -> String {
    format!("{name}-{version}-py{minor}-{target}-{accelerator}")
}
