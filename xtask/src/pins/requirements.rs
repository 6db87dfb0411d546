//! A file of requirements in `manifests/`: programs of the package index, with all hashes.

use anyhow::Result;
use camino::Utf8Path;

use crate::base::digest::Sha256;

#[derive(Clone, Debug)]
pub struct Requirements(pub String);

impl Requirements {
    pub fn read(path: &Utf8Path) -> Result<Self> {
        Ok(Self(fs_err::read_to_string(path)?))
    }

    /// The installed programs, for people: `cargo-zigbuild 0.24.1 and ziglang 0.17.1`.
    pub fn name(&self) -> String {
        let packages = self.0.lines().filter_map(|line| line.split_whitespace().next()?.split_once("=="));
        packages.map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>().join(" and ")
    }

    pub fn key(&self) -> Sha256 {
        Sha256::of(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_with_their_versions() {
        let requirements =
            Requirements("# Why\none==1.2 \\\n    --hash=sha256:00\ntwo-b==3 \\\n    --hash=sha256:01\n".to_owned());
        assert_eq!(requirements.name(), "one 1.2 and two-b 3");
    }
}
