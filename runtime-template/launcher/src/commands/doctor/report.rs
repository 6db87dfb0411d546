//! One text to paste into a bug report. It has no secrets in it, and not the name of the user's home.

use std::fmt::Write as _;

use super::check::{Check, Context};
use super::text::as_text;
use crate::commands::{config, status, version};
use crate::config::directories;
use crate::instance::Instance;

pub fn text(context: &Context<'_>, checks: &[Check]) -> String {
    let mut text = "# speaches: doctor's report\n".to_owned();
    let mut section = |title: &str, body: &str| {
        let _ = write!(text, "\n## {title}\n{}\n", body.trim_end());
    };
    match context.runtime {
        Ok(runtime) => section("runtime", &format!("{}\nplan {}", version::describe(runtime), runtime.info.plan)),
        Err(failure) => section("runtime", &failure.to_string()),
    }
    section("machine", &machine());
    section("checks", &as_text(context, checks));
    match context.config {
        Some(Ok(found)) => section("settings", &config::as_text(found)),
        Some(Err(failure)) => section("settings", &failure.to_string()),
        None => {}
    }
    let instances = Instance::find_all(&directories::state_root(context.sources));
    let services = instances.iter().map(status::as_text).collect::<Vec<_>>().join("\n");
    section("services", if services.is_empty() { "none" } else { &services });
    match context.sources.home() {
        Some(home) if home.components().count() > 1 => text.replace(&home.display().to_string(), "~"),
        _ => text,
    }
}

fn machine() -> String {
    let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{} {}, {processors} processors{}", std::env::consts::OS, std::env::consts::ARCH, kernel())
}

/// In a line of its own, and not the name of the machine.
#[cfg(unix)]
fn kernel() -> String {
    let line = |system: nix::sys::utsname::UtsName| {
        format!("\n{} {}", system.sysname().to_string_lossy(), system.release().to_string_lossy())
    };
    nix::sys::utsname::uname().map(line).unwrap_or_default()
}

#[cfg(not(unix))]
fn kernel() -> String {
    String::new()
}
