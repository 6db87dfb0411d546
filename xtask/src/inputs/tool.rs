//! Programs that pip installs into the store: uv, and zig with cargo-zigbuild.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;

use crate::base::failure::{Exit, Failure};
use crate::pins::requirements::Requirements;
use crate::store::Store;
use crate::store::tree::TOOL;
use crate::work;

impl Requirements {
    pub fn are_installed(&self, store: &Store) -> bool {
        store.has_tree(TOOL, self.key())
    }

    /// The directory in the store that they are installed in, by the pip of the first of these Pythons that has one.
    ///
    /// `need` says in a failure why they are needed, and `hint` what else helps.
    pub fn install(&self, store: &Store, pythons: &[Utf8PathBuf], need: &str, hint: &str) -> Result<Utf8PathBuf> {
        store.make_tool(self.key(), |work| {
            let list = work.join("requirements.txt");
            fs_err::write(&list, &self.0)?;
            let mut failures = Vec::new();
            for (index, python) in pythons.iter().enumerate() {
                let made = work.join(format!("made-{index}"));
                let mut pip = Command::new(python);
                pip.args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-deps",
                    "--only-binary",
                    ":all:",
                    "--require-hashes",
                ])
                .args([
                    "--disable-pip-version-check",
                    "--target",
                    made.as_str(),
                    "--requirement",
                    list.as_str(),
                ]);
                let output = work::output(&mut pip, b"").with_context(|| format!("cannot run `{python}`"))?;
                if output.status.success() {
                    return Ok(made);
                }
                let said = String::from_utf8_lossy(&output.stderr);
                failures.push(format!("`{python} -m pip`: {}", said.trim_end().lines().last().unwrap_or_default()));
            }
            if failures.is_empty() {
                failures.push("there is no Python on this machine".to_owned());
            }
            let failures = failures.join("\n    ");
            bail!(
                Failure::new(
                    Exit::Unavailable,
                    format!("{need}, and {} cannot be installed:\n    {failures}", self.name())
                )
                .hint(hint)
            );
        })
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    #[test]
    fn without_a_python_the_failure_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::at(Utf8Path::from_path(directory.path()).unwrap().to_owned());
        let failure = Requirements("one==1".to_owned()).install(&store, &[], "one is needed", "do").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "one is needed, and one 1 cannot be installed:\n    there is no Python on this machine"
        );
    }
}
