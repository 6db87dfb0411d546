//! uv, which knows the user's package index: its address, mirrors, credentials and proxies.

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

/// What uv gained the output format with that this tool reads.
const OLDEST: (u32, u32) = (0, 7);

/// A uv that works.
#[derive(Clone, Debug)]
pub struct Uv {
    executable: Utf8PathBuf,
    /// An interpreter for uv to ask, which it wants even where it does not matter.
    python: Utf8PathBuf,
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
                    Failure::new(Exit::Unavailable, format!("`UV={executable}` does not answer as uv does"))
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
            return Ok(Self { executable, python });
        }
        let on_path = Utf8PathBuf::from("uv");
        if version(&on_path).is_some_and(|version| version >= OLDEST) {
            tracing::debug!("uses the uv on PATH");
            return Ok(Self { executable: on_path, python });
        }
        let executable = install(store, manifests, pythons)?;
        tracing::debug!("uses the uv of the store: `{executable}`");
        Ok(Self { executable, python })
    }

    /// The interpreter that uv may ask.
    pub fn python(&self) -> &Utf8Path {
        &self.python
    }

    /// A uv command that asks the user's index and changes nothing else.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        // uv brings certificates of its own; the machine's may include those of a company's proxy.
        command.env("UV_SYSTEM_CERTS", "1").env("UV_PYTHON_DOWNLOADS", "never").env("UV_NO_PROGRESS", "1");
        command.env("UV_PYTHON", &self.python);
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
            .hint("it asks the package index that uv is configured for (`UV_DEFAULT_INDEX`, `uv.toml`)")
        );
    }
}

fn version(executable: &Utf8Path) -> Option<(u32, u32)> {
    let mut command = Command::new(executable);
    command.arg("--version").stdin(std::process::Stdio::null());
    let output = program::output(&mut command).ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.strip_prefix("uv ")?.split(['.', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Installs the pinned uv.
fn install(store: &Store, manifests: &Utf8Path, pythons: &[Utf8PathBuf]) -> Result<Utf8PathBuf> {
    let need = "uv is needed to find wheels on your package index. There is none on PATH";
    let hint = "install uv, or pip for one of these Pythons (on Debian and Ubuntu `apt install python3-pip`), or name a uv with `UV=/path/to/uv`";
    let directory = Requirements::read(&shared(manifests, "uv.txt"))?.install(store, pythons, need, hint)?;
    Ok(directory.join("bin/uv").with_extension(std::env::consts::EXE_EXTENSION))
}
