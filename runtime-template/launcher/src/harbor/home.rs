//! Finds Harbor, and tells its flavor.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use speaches_format::failure::{Exit, Failure};

use crate::child;
use crate::config::Sources;

/// How long `harbor home` may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How a Harbor starts services on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Flavor {
    /// It reads `speaches_native.yml` and starts the service itself.
    Native,
    /// It knows containers only; a compose file turns speaches' into a proxy.
    Stock,
}

impl Flavor {
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Native => "native: it starts services on this machine itself",
            Self::Stock => "stock: it knows containers only",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Absolute path.
    pub path: PathBuf,
    pub flavor: Flavor,
}

impl Home {
    /// The Harbor that is named, else that of `HARBOR_HOME`, else what `harbor home` says, else the usual place.
    ///
    /// # Errors
    /// [`Exit::NoInput`] when there is none, [`Exit::Config`] when the directory is something else.
    pub fn find(named: Option<&Path>, flavor: Option<Flavor>, sources: &Sources<'_>) -> Result<Self, Failure> {
        let of_flag = || Some((sources.directory.join(named?), "`--home`"));
        let of_environment = || Some((sources.path("HARBOR_HOME")?, "the environment variable HARBOR_HOME"));
        let path = match of_flag().or_else(of_environment) {
            Some((path, origin)) if !path.is_dir() => {
                let said = format!("`{}`, which {origin} names, is not a directory", path.display());
                return Err(Failure::new(Exit::NoInput, said).hint("`harbor home` prints the right one"));
            }
            Some((path, _)) => path,
            None => said_by_harbor().or_else(|| usual_place(sources)).ok_or_else(|| {
                Failure::new(Exit::NoInput, "found no Harbor: there is no `harbor` on PATH, and none in `~/.harbor`")
                    .hint("name its directory with `--home`")
            })?,
        };
        Self::read(&path, flavor)
    }

    /// Looks at a directory.
    ///
    /// # Errors
    /// [`Exit::NoInput`] when it is not there, [`Exit::Config`] when it is no Harbor's.
    pub fn read(path: &Path, flavor: Option<Flavor>) -> Result<Self, Failure> {
        if !path.is_dir() {
            return Err(Failure::new(Exit::NoInput, format!("`{}` is not a directory", path.display())));
        }
        if !path.join("harbor.sh").is_file() {
            let said = format!("`{}` is not the home of a Harbor: there is no `harbor.sh` in it", path.display());
            return Err(Failure::new(Exit::Config, said).hint("`harbor home` prints the right one"));
        }
        let loads_contracts = ["js", "ts"].map(|kind| path.join("routines/loadNativeConfig").with_extension(kind));
        let found = if loads_contracts.iter().any(|file| file.is_file()) { Flavor::Native } else { Flavor::Stock };
        Ok(Self { path: path.to_owned(), flavor: flavor.unwrap_or(found) })
    }

    /// The directory with Harbor's compose files and a directory for each service; old versions keep them at the top.
    #[must_use]
    pub fn services(&self) -> PathBuf {
        let services = self.path.join("services");
        if services.is_dir() { services } else { self.path.clone() }
    }
}

fn said_by_harbor() -> Option<PathBuf> {
    let mut command = Command::new("harbor");
    command.arg("home").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Some(output) = child::run(&mut command, TIMEOUT).ok()? else {
        eprintln!("warning: `harbor home` did not answer within {} s; trying `~/.harbor`", TIMEOUT.as_secs());
        return None;
    };
    let text = String::from_utf8(output.stdout).ok()?;
    let path = PathBuf::from(text.trim());
    (output.status.success() && path.is_dir()).then_some(path)
}

fn usual_place(sources: &Sources<'_>) -> Option<PathBuf> {
    let home = sources.home()?;
    [".harbor", "harbor"].iter().map(|name| home.join(name)).find(|path| path.join("harbor.sh").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use speaches_format::system::System;

    fn harbor(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, "").unwrap();
        }
        directory
    }

    fn find(variables: &[(&str, &Path)], named: Option<&Path>) -> Result<Home, Failure> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.display().to_string())
        };
        let sources =
            Sources { variable: &variable, contract: PathBuf::new(), directory: "/".into(), system: System::HERE };
        Home::find(named, None, &sources)
    }

    #[test]
    fn a_harbor_that_loads_contracts_is_native_and_every_other_one_is_stock() {
        let stock = harbor(&["harbor.sh", "services/compose.speaches.yml", "routines/docker.ts"]);
        let home = Home::read(stock.path(), None).unwrap();
        assert_eq!((home.flavor, home.services()), (Flavor::Stock, stock.path().join("services")));
        let native = harbor(&["harbor.sh", "routines/loadNativeConfig.js"]);
        let home = Home::read(native.path(), None).unwrap();
        assert_eq!((home.flavor, home.services()), (Flavor::Native, native.path().to_owned()));
        assert_eq!(
            Home::read(native.path(), Some(Flavor::Stock)).unwrap().flavor,
            Flavor::Stock,
            "who says so decides"
        );
    }

    #[test]
    fn a_directory_that_is_not_a_harbor_is_refused() {
        let other = harbor(&["README.md"]);
        assert_eq!(Home::read(other.path(), None).unwrap_err().exit, Exit::Config);
        assert_eq!(Home::read(Path::new("/nowhere"), None).unwrap_err().exit, Exit::NoInput);
    }

    #[test]
    fn a_path_that_is_no_directory_is_said_with_who_named_it() {
        let nowhere = Path::new("/nowhere");
        let said = find(&[], Some(nowhere)).unwrap_err();
        assert_eq!(said.to_string(), "`/nowhere`, which `--home` names, is not a directory");
        let said = find(&[("HARBOR_HOME", nowhere)], None).unwrap_err();
        assert_eq!(
            said.to_string(),
            "`/nowhere`, which the environment variable HARBOR_HOME names, is not a directory"
        );
        assert_eq!(said.exit, Exit::NoInput);
    }

    #[test]
    fn what_is_named_is_stronger_than_the_environment_and_that_than_the_usual_place() {
        let (named, of_environment) = (harbor(&["harbor.sh"]), harbor(&["harbor.sh"]));
        let user = harbor(&[".harbor/harbor.sh"]);
        let both = [("HARBOR_HOME", of_environment.path()), ("HOME", user.path())];
        assert_eq!(find(&both, Some(named.path())).unwrap().path, named.path());
        assert_eq!(find(&both, None).unwrap().path, of_environment.path());
        assert_eq!(find(&both[1..], None).unwrap().path, user.path().join(".harbor"));
    }
}
