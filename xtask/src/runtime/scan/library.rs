//! The libraries of a runtime by name, and paths that stay inside it.

use std::collections::BTreeSet;

/// The libraries that loaders can find in a runtime.
#[derive(Default)]
pub struct Libraries<'a> {
    files: BTreeSet<&'a str>,
    /// Names of files, and names that libraries give themselves.
    names: BTreeSet<String>,
    /// Paths and names of files in lower case, for loaders that ignore case.
    folded: BTreeSet<String>,
}

impl<'a> Libraries<'a> {
    /// Of all files and links of a runtime.
    pub fn new(files: impl Iterator<Item = &'a str>) -> Self {
        let files = files.collect::<BTreeSet<_>>();
        let names = files.iter().map(|path| name(path).to_owned()).collect();
        let folded = files.iter().flat_map(|path| [path.to_lowercase(), name(path).to_lowercase()]).collect();
        Self { files, names, folded }
    }

    /// Adds the name that a library gives itself, which a loader compares when the library is loaded already.
    pub fn add_name(&mut self, name: String) {
        self.names.insert(name);
    }

    /// Whether this file is in the runtime.
    pub fn has(&self, path: &str) -> bool {
        self.files.contains(path)
    }

    /// Whether a library of this name is anywhere in the runtime.
    pub fn knows(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether this file is in the runtime, on a system that ignores case.
    pub fn has_folded(&self, path: &str) -> bool {
        self.folded.contains(&path.to_lowercase())
    }

    /// Whether a file of this name is anywhere below a directory with `/` at its end, on a system that ignores case.
    pub fn has_folded_below(&self, directory: &str, wanted: &str) -> bool {
        let directory = directory.to_lowercase();
        let below = self.folded.range(directory.clone()..).take_while(|path| path.starts_with(&directory));
        below.into_iter().any(|path| name(path) == wanted)
    }

    /// Whether a library of this name is anywhere in the runtime, on a system that ignores case.
    pub fn knows_folded(&self, name: &str) -> bool {
        self.folded.contains(&name.to_lowercase())
    }
}

/// The last part of a path.
pub fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// The directory that a path lies in.
pub fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// Follows a relative path from a directory of the runtime; `None` when it leaves the runtime.
///
/// The answer is about names. Links in a runtime lie in `python/bin` alone, and point to their neighbours.
pub fn inside(from: &str, relative: &str) -> Option<String> {
    let mut parts = from.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
