//! The files of this repository that every runtime contains: the service manager, the Harbor contract
//! (`speaches_native.yml`), the files for Harbor, and the licenses of this repository. The launcher is an input of its
//! own.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use speaches_format::layout;
use walkdir::WalkDir;

use crate::base::digest::Sha256;
use crate::store::Store;
use crate::store::tree::{RelativePath, Tree};

#[derive(Clone, Debug, Serialize)]
struct File {
    place: RelativePath,
    #[serde(skip)]
    path: Utf8PathBuf,
    sha256: Sha256,
    executable: bool,
}

/// The files of the template, by their place in a runtime.
#[derive(Clone, Debug)]
pub struct Template {
    files: Vec<File>,
}

impl Template {
    /// Reads them from the root of this repository.
    pub fn load(root: &Utf8Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut add = |path: &Utf8Path, place: String| -> Result<()> {
            // Whether Git has kept its permissions depends on the system.
            let executable = place.ends_with(".sh");
            files.push(File {
                place: RelativePath::new(place)?,
                path: path.to_owned(),
                sha256: Sha256::of_file(path)?,
                executable,
            });
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
        let contract = root.join(layout::CONTRACT);
        add(&contract, layout::CONTRACT.to_owned())?;
        add(&contract, format!("{}/speaches/{}", layout::HARBOR, layout::CONTRACT))?;
        for file in ["speaches/speaches_native.sh", "services/compose.x.speaches.speaches-native.yml"] {
            add(&root.join("runtime-template/harbor").join(file), format!("{}/{file}", layout::HARBOR))?;
        }
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            add(&root.join(license), format!("{}/speaches-native/{license}", layout::LICENSES))?;
        }
        Ok(Self { files })
    }

    pub fn sha256(&self) -> Sha256 {
        Sha256::of_json(&self.files)
    }

    /// The template as a tree of the store.
    pub fn tree(&self, store: &Store) -> Result<Tree> {
        store.make_tree("template", self.sha256(), |writer| {
            for file in &self.files {
                writer.add(file.place.clone(), &mut fs_err::File::open(&file.path)?, file.executable)?;
            }
            Ok(())
        })
    }
}
