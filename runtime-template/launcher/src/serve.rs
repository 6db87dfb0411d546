//! `speaches serve`: decide, prepare, become the service manager.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::{Config, Flags, Sources};
use crate::environment;
use crate::failure::{Exit, Failure};
use crate::layout::{self, Family};
use crate::runtime::{Head, SCHEMA};

/// The variable in which the service manager finds what was decided.
const SETTINGS: &str = "SPEACHES_SERVICE_SETTINGS";

/// The runtime that this executable lies in.
///
/// # Errors
/// When the executable was taken out of its runtime.
pub fn own_runtime() -> Result<PathBuf, Failure> {
    let executable = std::env::current_exe()
        .and_then(fs_err::canonicalize)
        .map_err(|error| Failure::new(Exit::Internal, format!("cannot find out where this program is: {error}")))?;
    // bin/speaches
    let root = executable.parent().and_then(Path::parent).map(Path::to_owned);
    root.filter(|root| root.join(layout::DESCRIPTION).is_file()).ok_or_else(|| {
        Failure::new(
            Exit::Unavailable,
            format!("`{}` is not in a runtime: there is no `{}` above it", executable.display(), layout::DESCRIPTION),
        )
        .hint("start `bin/speaches` where it was provisioned, or through a symbolic link; a copy does not work")
    })
}

/// Reads what the launcher needs of `runtime.json`.
///
/// # Errors
/// When it is damaged or of another version.
pub fn read_head(runtime: &Path) -> Result<Head, Failure> {
    let path = runtime.join(layout::DESCRIPTION);
    let damaged = |what: String| {
        Failure::new(Exit::Unavailable, format!("`{}` cannot be used: {what}", path.display()))
            .hint("the runtime is damaged; provision or unpack it again")
    };
    let text = fs_err::read(&path).map_err(|error| damaged(error.to_string()))?;
    let head: Head = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if head.schema != SCHEMA {
        return Err(damaged(format!("its format is {}, and this launcher knows {SCHEMA}", head.schema)));
    }
    Ok(head)
}

/// Starts the service. On Unix this process becomes it, so that the pid stays; success never returns there.
///
/// # Errors
/// When the configuration cannot work or a part of the runtime is missing.
pub fn run(flags: &Flags) -> Result<Exit, Failure> {
    let runtime = own_runtime()?;
    let head = read_head(&runtime)?;
    let variable = |name: &str| std::env::var(name).ok();
    let sources = Sources { variable: &variable, contract: runtime.join(layout::CONTRACT) };
    let config = Config::resolve(flags, &sources)?;

    let family = Family::of(&head.target);
    let python = runtime.join(layout::PYTHON).join(family.interpreter(&head.python.minor));
    let manager = runtime.join(layout::SERVICE_MANAGER);
    let app = runtime.join(layout::APP);
    for part in [&python, &manager, &app] {
        if !part.exists() {
            return Err(Failure::new(Exit::Unavailable, format!("`{}` is missing from the runtime", part.display()))
                .hint("the runtime is damaged; provision or unpack it again"));
        }
    }
    let mut command = Command::new(&python);
    command
        // Isolated: what the user has set up for their own Python has no business here.
        .args(["-I", "-X", "utf8"])
        .args(bytecode(&head, &config))
        .arg(&manager)
        .arg("serve")
        .current_dir(&app)
        .env(SETTINGS, settings(&runtime, &head, &config).to_string());
    for (name, value) in environment::changes(&runtime, &head, &config, &variable) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    become_(command)
}

/// Nothing is ever written into a runtime. One without bytecode has it compiled beside the state of the service, at
/// its first start.
fn bytecode(head: &Head, config: &Config) -> Vec<OsString> {
    if head.bytecode {
        return vec!["-B".into()];
    }
    let mut prefix = OsString::from("pycache_prefix=");
    prefix.push(config.state_directory.value.join("bytecode").join(head.plan.get(..16).unwrap_or("runtime")));
    vec!["-X".into(), prefix]
}

fn settings(runtime: &Path, head: &Head, config: &Config) -> serde_json::Value {
    let models =
        head.models.iter().map(|model| serde_json::json!({ "id": model.id, "task": model.task })).collect::<Vec<_>>();
    serde_json::json!({
        "runtime": runtime,
        "addresses": config.hosts.value,
        "port": config.port.value,
        "state_directory": config.state_directory.value,
        "log_level": config.log_level.value,
        "user_interface": config.user_interface.value,
        "bundled_models": models,
        "sample": head.sample,
    })
}

#[cfg(unix)]
fn become_(mut command: Command) -> Result<Exit, Failure> {
    use std::os::unix::process::CommandExt as _;
    let error = command.exec();
    Err(Failure::new(Exit::Unavailable, format!("cannot start `{}`: {error}", command.get_program().to_string_lossy()))
        .hint("is this runtime for this system? `runtime.json` names its target"))
}

#[cfg(not(unix))]
fn become_(mut command: Command) -> Result<Exit, Failure> {
    let status = command.status().map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot start `{}`: {error}", command.get_program().to_string_lossy()))
    })?;
    // A code that is none of ours is a crash.
    let exit = Exit::ALL.into_iter().find(|exit| Some(i32::from(exit.code())) == status.code());
    Ok(exit.unwrap_or(Exit::Internal))
}
