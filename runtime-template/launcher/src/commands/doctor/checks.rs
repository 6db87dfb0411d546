//! The checks, in the order in which they are shown.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use speaches_format::description::{Description, File};
#[cfg(not(unix))]
use speaches_format::failure::Exit;
use speaches_format::failure::Failure;
use speaches_format::layout;
use speaches_format::system::System;
use speaches_format::verification::{self, Depth};

use super::check::{Check, Context, Verdict};
use crate::accelerators::Accelerators;
use crate::config::{Config, directories};
use crate::instance::Instance;
#[cfg(unix)]
use crate::listeners::Listeners;
use crate::own_runtime::{DAMAGED, OwnRuntime};
use crate::policy::Decision;
use crate::{child, environment, hub, machine};

/// How long the interpreter may take to start, on a machine that does something else.
const INTERPRETER_TIMEOUT: Duration = Duration::from_secs(20);
/// Characters of the longest path, as Windows counts them: UTF-16 units, without the zero at the end.
const LONGEST_PATH: usize = 259;
/// Below this much free space a download of a model fails.
#[cfg(unix)]
const LITTLE_SPACE: u64 = 2_000_000_000;

pub fn all(context: &Context<'_>) -> Vec<Check> {
    let runtime = match context.runtime {
        Ok(runtime) => runtime,
        Err(failure) => return vec![Check::failed("runtime", failure)],
    };
    let description = runtime.description();
    let mut checks = vec![files(runtime, description.as_ref()), interpreter(runtime, context), models(runtime)];
    if !machine::system::allows_long_paths() {
        checks.extend(description.iter().filter_map(|description| long_paths(&runtime.root, &description.files)));
    }
    checks.extend(quarantine(runtime));
    match context.config {
        Some(Ok(config)) => {
            checks.push(Check::new("settings", Verdict::Ok, "valid; `bin/speaches config` shows them"));
            checks.extend(context.accelerators.map(accelerators));
            checks.extend(port(config, context));
            checks.extend(exposure(config));
            checks.push(writable("cache", "the Hugging Face cache", &config.values.hf_cache, Verdict::Warn));
            checks.push(writable("state", "the state directory", &config.values.service.state_dir, Verdict::Fail));
            checks.extend(space(&config.values.hf_cache));
        }
        Some(Err(failure)) => checks.push(Check::failed("settings", failure)),
        None => {}
    }
    checks
}

fn files(runtime: &OwnRuntime, description: Result<&Description, &Failure>) -> Check {
    let compared = description.map_err(ToString::to_string).and_then(|description| {
        let differences = verification::compare(&runtime.root, &description.files, Depth::Metadata);
        differences.map(|found| (found, description.files.len())).map_err(|error| error.to_string())
    });
    match compared {
        Ok((found, count)) if found.changed.is_empty() && found.missing.is_empty() => {
            Check::new("runtime", Verdict::Ok, format!("{count} files exist, with the right sizes"))
        }
        Ok((found, _)) => {
            let lines = found.lines().take(3).collect::<Vec<_>>().join(", ");
            let count = found.changed.len() + found.missing.len();
            Check::new("runtime", Verdict::Fail, format!("{count} files differ from `runtime.json`: {lines}"))
                .advice(DAMAGED)
        }
        Err(error) => Check::new("runtime", Verdict::Fail, error).advice(DAMAGED),
    }
}

/// Python opens no file with a longer path than Windows allows.
fn long_paths(root: &Path, files: &[File]) -> Option<Check> {
    let length = |text: &str| text.encode_utf16().count();
    let root = length(&root.to_string_lossy());
    let inside = files.iter().map(|file| 1 + length(&file.path)).max()?;
    (root + inside > LONGEST_PATH).then(|| {
        let said =
            format!("paths in the runtime have up to {} characters; Windows opens up to {LONGEST_PATH}", root + inside);
        let room = LONGEST_PATH.saturating_sub(inside);
        Check::new("paths", Verdict::Warn, said).advice(format!(
            "move the runtime to a directory whose path has at most {room} characters, or let an administrator set \
             LongPathsEnabled (https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation)"
        ))
    })
}

fn interpreter(runtime: &OwnRuntime, context: &Context<'_>) -> Check {
    let mut command = Command::new(runtime.python());
    command
        .args(["-I", "-B", "-c", "import ssl, ctypes"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some((name, Some(value))) = environment::library_path(&runtime.root, &runtime.info, context.sources, false) {
        command.env(name, value);
    }
    match wait(&mut command) {
        Ok(taken) => {
            let version = &runtime.info.python.version;
            Check::new("python", Verdict::Ok, format!("Python {version} starts in {} ms", taken.as_millis()))
        }
        Err(reason) => Check::new("python", Verdict::Fail, format!("the interpreter does not start: {reason}"))
            .advice(format!("this runtime is for {}; check that this machine is one", runtime.info.target)),
    }
}

fn wait(command: &mut Command) -> Result<Duration, String> {
    let started = Instant::now();
    match child::run(command, INTERPRETER_TIMEOUT).map_err(|error| error.to_string())? {
        Some(output) if output.status.success() => Ok(started.elapsed()),
        Some(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{}: {}", output.status, said.trim().lines().last().unwrap_or("no output")))
        }
        None => Err(format!("no answer within {} s", INTERPRETER_TIMEOUT.as_secs())),
    }
}

fn models(runtime: &OwnRuntime) -> Check {
    let there = hub::list(&runtime.hub());
    let missing = runtime.info.models.iter().filter(|model| !there.iter().any(|known| known.id == model.id));
    let missing = missing.map(|model| model.id.as_str()).collect::<Vec<_>>();
    if !missing.is_empty() {
        let said = format!("missing from `{}`: {}", layout::MODELS_HUB, missing.join(", "));
        return Check::new("models", Verdict::Fail, said).advice(DAMAGED);
    }
    if there.is_empty() {
        return Check::new("models", Verdict::Ok, "none are bundled; they are downloaded on request");
    }
    let names = there.iter().map(|model| model.id.as_str()).collect::<Vec<_>>();
    Check::new("models", Verdict::Ok, format!("bundled: {}", names.join(", ")))
}

fn accelerators(accelerators: &Accelerators) -> Check {
    let said = match accelerators.decided() {
        Err(failure) => return Check::failed("accelerator", &failure),
        Ok(decision) => decision,
    };
    let Decision { transcription, synthesis, notes } = said;
    let chosen = format!(
        "transcription with {} on {}, speech on {} (precision {})",
        transcription.backend, transcription.device, synthesis.provider, synthesis.precision
    );
    let crash = accelerators.findings.crash.is_some();
    let notes = notes.iter().chain(&accelerators.findings.notes).map(|note| note.trim_start_matches("warning: "));
    let notes = notes.collect::<Vec<_>>().join("; ");
    match (crash, notes.is_empty()) {
        (true, _) => Check::new("accelerator", Verdict::Warn, format!("{chosen}; a service crashed in the GPU"))
            .advice("`bin/speaches tune` enables the GPU again"),
        (false, false) => Check::new("accelerator", Verdict::Warn, format!("{chosen}; {notes}")),
        (false, true) => Check::new("accelerator", Verdict::Ok, chosen),
    }
}

fn port(config: &Config, context: &Context<'_>) -> Vec<Check> {
    let values = &config.values;
    let own = Instance::find_all(&directories::state_root(context.sources))
        .into_iter()
        .chain(Instance::read(&values.service.state_dir))
        .find(|instance| instance.alive && instance.status.port == values.port);
    if let Some(own) = own {
        let said = format!("{} is in use by the running service (pid {})", values.port, own.status.pid);
        return vec![Check::new("port", Verdict::Ok, said)];
    }
    match probe(config) {
        Ok(warnings) => {
            let hosts = values.host.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let mut checks = vec![Check::new("port", Verdict::Ok, format!("{} is free on {hosts}", values.port))];
            checks.extend(warnings.into_iter().map(|warning| Check::new("address", Verdict::Warn, warning)));
            checks.extend(docker(context.sources.system, config));
            checks
        }
        Err(failure) => vec![Check::failed("port", &failure)],
    }
}

/// Listens for a moment.
#[cfg(unix)]
fn probe(config: &Config) -> Result<Vec<String>, Failure> {
    let values = &config.values;
    let listeners = Listeners::open(&values.host, values.port, !config.is_default("host"))?;
    Ok(listeners.warnings)
}

#[cfg(not(unix))]
fn probe(config: &Config) -> Result<Vec<String>, Failure> {
    let values = &config.values;
    for host in &values.host {
        std::net::TcpListener::bind((*host, values.port)).map_err(|error| {
            let said = format!("cannot listen on port {} of {host}: {error}", values.port);
            Failure::new(Exit::Temporary, said).hint("choose another port with `--port`")
        })?;
    }
    Ok(Vec::new())
}

/// Containers reach the service through the bridge, on Linux.
fn docker(system: System, config: &Config) -> Option<Check> {
    if system != System::Linux || !config.is_default("host") {
        return None;
    }
    let said = match config.values.host.iter().find(|host| !host.is_loopback()) {
        Some(bridge) => format!("containers reach the service at {bridge}"),
        None => "there is no `docker0`; start Docker before the service, so that containers can reach it".to_owned(),
    };
    Some(Check::new("docker", Verdict::Ok, said))
}

fn exposure(config: &Config) -> Option<Check> {
    let warning = crate::commands::serve::exposure(config)?;
    Some(Check::new("exposure", Verdict::Warn, warning).advice("set a key with `--api-key-file`, or narrow `--host`"))
}

/// Whether files can be made in a directory, or in the nearest one above it that is there.
fn writable(name: &'static str, what: &str, directory: &Path, otherwise: Verdict) -> Check {
    let nearest = nearest(directory);
    let scratch = nearest.join(format!(".speaches-doctor-{}", std::process::id()));
    match fs_err::write(&scratch, "").and_then(|()| fs_err::remove_file(&scratch)) {
        Ok(()) => Check::new(name, Verdict::Ok, format!("{what} `{}` is writable", directory.display())),
        Err(error) => {
            let flag = if name == "cache" { "--hf-cache" } else { "--state-dir" };
            Check::new(name, otherwise, format!("{what} `{}` is not writable: {error}", directory.display()))
                .advice(format!("change its owner or permissions, or choose another directory with `{flag}`"))
        }
    }
}

fn nearest(directory: &Path) -> PathBuf {
    directory.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

#[cfg(unix)]
fn space(directory: &Path) -> Option<Check> {
    let there = nix::sys::statvfs::statvfs(&nearest(directory)).ok()?;
    // The types differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "u32 on macOS, u64 on Linux")]
    let free = u64::from(there.blocks_available()) * there.fragment_size() as u64;
    let said = format!("{} free for models", speaches_format::size::human_size(free));
    Some(if free < LITTLE_SPACE {
        Check::new("disk", Verdict::Warn, said)
            .advice("free some space, or choose a cache on another disk with `--hf-cache`")
    } else {
        Check::new("disk", Verdict::Ok, said)
    })
}

#[cfg(not(unix))]
fn space(_directory: &Path) -> Option<Check> {
    None
}

/// macOS marks what a browser has fetched, and refuses to start it.
fn quarantine(runtime: &OwnRuntime) -> Option<Check> {
    if runtime.info.system() != System::MacOs {
        return None;
    }
    let attribute = "com.apple.quarantine";
    let output = Command::new("/usr/bin/xattr").args(["-p", attribute]).arg(runtime.python()).output().ok()?;
    Some(if output.status.success() {
        Check::new("quarantine", Verdict::Fail, "macOS has quarantined the runtime")
            .advice(format!("`xattr -dr {attribute} '{}'`, if you trust its source", runtime.root.display()))
    } else {
        Check::new("quarantine", Verdict::Ok, "the runtime is not quarantined")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_windows_does_not_open_are_told() {
        let root = Path::new("C:\\runtime");
        let file =
            |length: usize| File { path: "ä".repeat(length), size: 0, sha256: String::new(), mode: String::new() };
        assert!(long_paths(root, &[file(248), file(1)]).is_none());
        let check = long_paths(root, &[file(249)]).unwrap();
        assert_eq!(check.verdict, Verdict::Warn);
        assert_eq!(check.message, "paths in the runtime have up to 260 characters; Windows opens up to 259");
        assert!(check.advice.unwrap().contains("at most 9 characters"));
    }
}
