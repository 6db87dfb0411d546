//! Finds and runs uv, which knows the user's package index: its address, mirrors, credentials and proxies.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};

use crate::base::failure::{Exit, Failure};
use crate::base::host;
use crate::base::program;
use crate::pins::manifest::shared;
use crate::pins::requirements::Requirements;
use crate::store::Store;
use crate::work;

/// The first version of uv with the output format that this tool reads.
const OLDEST: (u32, u32) = (0, 7);
/// The variables that choose uv's index, or forbid one.
const INDEX: [&str; 3] = ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_NO_INDEX"];

#[derive(Clone, Debug)]
pub struct Uv {
    executable: Utf8PathBuf,
    /// An interpreter for uv to ask, which it wants even where it does not matter.
    python: Utf8PathBuf,
    /// The index of pip's configuration, for a machine with pip and without uv.
    index: Option<String>,
}

impl Uv {
    /// `UV`, else uv on PATH if it is recent enough, else one that the pip of one of these Pythons installs into
    /// the store.
    pub fn locate(store: &Store, manifests: &Utf8Path, pythons: &[Utf8PathBuf]) -> Result<Self> {
        let Some(python) = pythons.first().cloned() else {
            bail!(
                Failure::new(Exit::Unavailable, "uv needs a Python to find wheels, and there is none on this machine")
                    .hint("install any Python 3")
            );
        };
        if let Some(named) = host::variable("UV") {
            let executable = Utf8PathBuf::from(named);
            let Some(version) = version(&executable) else {
                bail!(
                    Failure::new(Exit::Unavailable, format!("`UV={executable}` does not answer like uv"))
                        .hint("unset it, or name a working uv")
                );
            };
            if version < OLDEST {
                bail!(Failure::new(
                    Exit::Unavailable,
                    format!(
                        "`UV={executable}` is version {}.{}; {}.{} or newer is needed",
                        version.0, version.1, OLDEST.0, OLDEST.1
                    )
                ));
            }
            tracing::debug!("uses the uv that `UV` names: `{executable}`");
            return Ok(Self { executable, python, index: None });
        }
        let on_path = Utf8PathBuf::from("uv");
        if version(&on_path).is_some_and(|version| version >= OLDEST) {
            tracing::debug!("uses the uv on PATH");
            return Ok(Self { executable: on_path, python, index: None });
        }
        let executable = install(store, manifests, pythons)?;
        tracing::debug!("uses the uv of the store: `{executable}`");
        // A machine without uv has no configuration of uv.
        let index = pips_index(pythons).filter(|_| INDEX.iter().all(|name| host::variable(name).is_none()));
        Ok(Self { executable, python, index })
    }

    /// The interpreter that uv may ask.
    pub fn python(&self) -> &Utf8Path {
        &self.python
    }

    /// The package index, if uv is to ask another one than it would by itself. It may have credentials in it.
    pub fn index(&self) -> Option<&str> {
        self.index.as_deref()
    }

    /// A uv command that asks the user's index and changes nothing else.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        // uv brings certificates of its own; the machine's may include those of a company's proxy.
        command.env("UV_SYSTEM_CERTS", "1").env("UV_PYTHON_DOWNLOADS", "never").env("UV_NO_PROGRESS", "1");
        command.env("UV_PYTHON", &self.python).envs(self.index.iter().map(|index| ("UV_DEFAULT_INDEX", index)));
        command
    }

    /// Runs a command and returns nothing but its failure.
    pub fn run(&self, command: &mut Command, what: &str) -> Result<()> {
        let output = work::output(command, b"").with_context(|| format!("cannot run `{}`", self.executable))?;
        if output.status.success() {
            return Ok(());
        }
        bail!(
            Failure::new(
                Exit::Unavailable,
                format!("uv cannot {what}:\n{}", String::from_utf8_lossy(&output.stderr).trim_end())
            )
            .hint("it asks the package index of uv (`UV_DEFAULT_INDEX`, `uv.toml`) or, if you have no uv, of pip (`pip config list`)")
        );
    }
}

/// The index that the first of these pips is configured for, if any is.
fn pips_index(pythons: &[Utf8PathBuf]) -> Option<String> {
    host::variable("PIP_INDEX_URL").or_else(|| {
        pythons.iter().find_map(|python| {
            let mut pip = Command::new(python);
            // N.B. `config get` does not read the file that `PIP_CONFIG_FILE` names.
            pip.args(["-m", "pip", "config", "list"]).stdin(std::process::Stdio::null());
            let output = program::output(&mut pip).ok().filter(|output| output.status.success())?;
            configured_index(&String::from_utf8_lossy(&output.stdout)).map(str::to_owned)
        })
    })
}

/// The index in what `pip config list` prints: `global.index-url='https://…'`. A section of a command goes before `global`.
fn configured_index(listed: &str) -> Option<&str> {
    ["install.index-url=", "global.index-url="].iter().find_map(|key| {
        let value = listed.lines().find_map(|line| line.strip_prefix(key))?;
        Some(value.trim().trim_matches('\'')).filter(|value| !value.is_empty())
    })
}

fn version(executable: &Utf8Path) -> Option<(u32, u32)> {
    let mut command = Command::new(executable);
    command.arg("--version").stdin(std::process::Stdio::null());
    let output = program::output(&mut command).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.strip_prefix("uv ")?.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn install(store: &Store, manifests: &Utf8Path, pythons: &[Utf8PathBuf]) -> Result<Utf8PathBuf> {
    let need = "uv is needed to find wheels on your package index. There is none on PATH";
    let hint = "install uv, or pip for one of these Pythons (on Debian and Ubuntu `apt install python3-pip`), or name a uv with `UV=/path/to/uv`";
    let directory = Requirements::read(&shared(manifests, "uv.txt"))?.install(store, pythons, need, hint)?;
    Ok(directory.join("bin/uv").with_extension(std::env::consts::EXE_EXTENSION))
}

#[cfg(test)]
mod tests {
    use super::configured_index;

    #[test]
    fn the_index_of_pip_is_read_as_pip_lists_it() {
        let listed = ":env:.timeout='9'\nglobal.cert='/ca.pem'\nglobal.index-url='https://u:p@index.example/simple'\n";
        assert_eq!(configured_index(listed), Some("https://u:p@index.example/simple"));
        let with_command = format!("{listed}install.index-url='https://other.example/simple'\n");
        assert_eq!(configured_index(&with_command), Some("https://other.example/simple"));
        assert_eq!(configured_index("global.cert='/ca.pem'\n"), None);
    }
}
