//! The directory of manifests that a command uses.

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use speaches_format::name::Name;

use crate::base::failure::{Exit, Failure};
use crate::pins::manifest::SpeachesManifest;

/// The sample's directory in that of the manifests.
const SAMPLE: &str = "sample";

/// The flag that chooses among the directories of manifests, and what a file says where the flag is not given.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub struct ManifestChoice {
    /// Make a runtime of the sample in this repository: a miniature of speaches with small models
    #[arg(long = "sample")]
    is_sample: bool,
    #[arg(skip)]
    recorded: Option<Name>,
}

impl ManifestChoice {
    /// As with `--sample`.
    pub fn of_sample() -> Self {
        Self { is_sample: true, recorded: None }
    }

    /// The same, and if it leaves open which manifests, those of this name.
    #[must_use]
    pub fn or_recorded(mut self, name: &Name) -> Self {
        self.recorded.get_or_insert_with(|| name.clone());
        self
    }

    /// The directory, given the one that `--manifests` names.
    pub fn directory(&self, manifests: &Utf8Path) -> Result<Utf8PathBuf> {
        if self.is_sample {
            return Ok(manifests.join(SAMPLE));
        }
        let Some(name) = &self.recorded else { return Ok(manifests.to_owned()) };
        let mut directories = vec![manifests.to_owned()];
        if let Ok(entries) = manifests.read_dir_utf8() {
            directories.extend(entries.filter_map(|entry| Some(entry.ok()?.into_path())));
        }
        directories.sort();
        for directory in directories {
            if directory.join("speaches.toml").is_file() && SpeachesManifest::read(&directory)?.name == *name {
                return Ok(directory);
            }
        }
        bail!(
            Failure::new(Exit::Data, format!("`{manifests}` has no manifests of `{name}`"))
                .hint("`--manifests` names the directory that has them")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_found_by_the_name_of_what_is_made_of_them() {
        let manifests = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("manifests");
        let sample = manifests.join("sample");
        let named = |name: &str| Name::try_from(name.to_owned()).unwrap();
        let found = |name: &str, from: &Utf8Path| ManifestChoice::default().or_recorded(&named(name)).directory(from);
        assert_eq!(found("speaches", &manifests).unwrap(), manifests);
        assert_eq!(found("speaches-sample", &manifests).unwrap(), sample);
        assert_eq!(found("speaches-tones", &manifests).unwrap(), manifests.join("tones"));
        assert_eq!(found("speaches-sample", &sample).unwrap(), sample);
        let refused = found("speaches-other", &manifests).unwrap_err().to_string();
        assert!(refused.contains("has no manifests of `speaches-other`"), "{refused}");
        // The command line is stronger than a file. The default is the directory itself.
        let flag = ManifestChoice::of_sample().or_recorded(&named("speaches"));
        assert_eq!(flag.directory(&manifests).unwrap(), sample);
        assert_eq!(ManifestChoice::default().directory(&manifests).unwrap(), manifests);
    }
}
