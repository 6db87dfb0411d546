//! What of a plan need not be fetched.

use super::Plan;
use super::show::Shown;
use crate::inputs::Inputs;
use crate::inputs::model::FileSource;
use crate::inputs::python::PythonInput;
use crate::store::Store;
use crate::store::fetch::is_local;

impl Plan {
    /// The plan beside what a store has of it.
    pub fn shown(&self, store: &Store) -> Shown<'_> {
        let Inputs { python, compiler: _, speaches, wheels, models, linker, launcher: _, template: _ } = &self.inputs;
        let family = self.target.family();
        let archive = |python: &PythonInput| match python {
            PythonInput::Pinned { archive, urls, .. } => store.has_file(archive.sha256, None) || all_local(urls),
            PythonInput::Archive { .. } | PythonInput::Interpreter(_) | PythonInput::Copied { .. } => true,
        };
        let mut at_hand = vec![store.has_tree("python", python.source.key()) || archive(&python.source)];
        at_hand.extend(self.inputs.fetched_compiler().map(|compiler| archive(&compiler.source)));
        at_hand.push(speaches.source.source.is_some() || store.has_tree("speaches", speaches.source.key()));
        at_hand.extend(wheels.iter().map(|wheel| &wheel.source).map(|wheel| {
            let local = wheel.url.as_deref().is_some_and(is_local);
            local || store.has_file(wheel.sha256, wheel.size) || wheel.has_tree(store, family)
        }));
        at_hand.extend(models.iter().map(|model| {
            store.has_tree("model", model.facts.sha256)
                || model.source.files.iter().all(|file| match &file.source {
                    FileSource::Local(_) => true,
                    FileSource::Remote(urls) => all_local(urls) || store.has_file(file.sha256, Some(file.size)),
                })
        }));
        at_hand.extend(linker.iter().map(|linker| linker.source.are_installed(store)));
        // Launcher and template are made here.
        at_hand.extend([true, true]);
        Shown::new(self, at_hand)
    }
}

fn all_local(urls: &[String]) -> bool {
    urls.iter().all(|url| is_local(url))
}
