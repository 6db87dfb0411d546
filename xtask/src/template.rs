//! What every runtime contains before it is filled: the service manager and the Harbor contract.

use anyhow::{Context as _, Result};
use camino::Utf8Path;
use fs_err::File;
use speaches_launcher::layout;
use walkdir::WalkDir;

use crate::digest::Sha256;
use crate::store::Store;
use crate::store::tree::{RelativePath, Tree};

/// The files of the template, by their place in a runtime.
#[derive(Clone, Debug)]
pub struct Template {
    files: Vec<(RelativePath, camino::Utf8PathBuf, Sha256)>,
}

impl Template {
    /// Reads them from the root of this repository.
    pub fn load(root: &Utf8Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut add = |path: &Utf8Path, place: String| -> Result<()> {
            files.push((RelativePath::new(place)?, path.to_owned(), Sha256::of_file(path)?));
            Ok(())
        };
        let service = root.join("runtime-template/service");
        for entry in WalkDir::new(&service).sort_by_file_name() {
            let entry = entry?;
            let path = Utf8Path::from_path(entry.path()).context("a path that is not UTF-8")?;
            let below = path.strip_prefix(&service)?.as_str().replace('\\', "/");
            let shipped = below.ends_with(".py") && !below.starts_with("tests/") && !below.contains("__pycache__");
            if entry.file_type().is_file() && shipped {
                add(path, format!("{}/{below}", layout::SERVICE))?;
            }
        }
        add(&root.join(layout::CONTRACT), layout::CONTRACT.to_owned())?;
        for licence in ["LICENSE-MIT", "LICENSE-APACHE"] {
            add(&root.join(licence), format!("{}/speaches-native/{licence}", layout::LICENSES))?;
        }
        Ok(Self { files })
    }

    /// Identity of the content.
    pub fn sha256(&self) -> Sha256 {
        Sha256::of_json(&self.files.iter().map(|(place, _, sha256)| (place, sha256)).collect::<Vec<_>>())
    }

    /// The template as a tree of the store.
    pub fn tree(&self, store: &Store) -> Result<Tree> {
        store.make_tree("template", self.sha256(), |writer| {
            for (place, path, _) in &self.files {
                writer.add(place.clone(), &mut File::open(path)?, false)?;
            }
            Ok(())
        })
    }
}
