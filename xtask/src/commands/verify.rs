//! `cargo xtask verify`: compares a runtime or a bundle with its `runtime.json`, and scans the binaries of a runtime.

use anyhow::{Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use speaches_format::description::Description;

use crate::base::failure::{Exit, Failure};
use crate::base::quantity::human_size;
use crate::bundle::check;
use crate::pins::manifest::Manifests;
use crate::report;
use crate::runtime::scan::{self, Accepted, Platform, Report};
use crate::runtime::verify;

/// How many differences or findings are printed.
const SHOWN: usize = 20;
const NOTES_SHOWN: usize = 3;

/// Compare every file of a runtime or a bundle with its runtime.json; look at the binaries of a runtime as the target's
/// loader will
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of a runtime, or a bundle
    #[arg(value_name = "RUNTIME|BUNDLE")]
    path: Utf8PathBuf,
}

pub fn run(arguments: &Arguments, manifests: &Utf8Path) -> Result<()> {
    if arguments.path.is_file() { report_bundle(&arguments.path) } else { report(&arguments.path, manifests) }
}

fn report_bundle(bundle: &Utf8Path) -> Result<()> {
    let step = report::for_stderr().step("Verifying", bundle.as_str());
    let checked = check::check(bundle)?;
    step.finish();
    if !checked.differences.is_empty() {
        let lines = checked.differences.lines().collect::<Vec<_>>();
        bail!(
            Failure::new(Exit::Data, format!("`{bundle}` was modified after it was made:{}", list(&lines, SHOWN)))
                .hint("fetch it again, or make it again with `cargo xtask bundle`")
        );
    }
    let files = &checked.description.files;
    let size = files.iter().map(|file| file.size).sum::<u64>();
    let listed = if checked.listed { "as in SHA256SUMS beside it" } else { "not listed in a SHA256SUMS beside it" };
    report::print(&format!(
        "{bundle}: {} files, {}, all as described\nsha256 {}, {listed}",
        files.len(),
        human_size(size),
        checked.sha256
    ))?;
    Ok(())
}

pub fn report(runtime: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let description = verify::read(runtime)?;
    let step = report::for_stderr().step("Verifying", runtime.as_str());
    let differences = verify::verify(runtime, &description)?;
    step.finish();
    if !differences.is_empty() {
        let lines = differences.lines().collect::<Vec<_>>();
        bail!(
            Failure::new(Exit::Data, format!("`{runtime}` was modified after it was made:{}", list(&lines, SHOWN)))
                .hint("make it again with `cargo xtask provision`; the store has all of its inputs")
        );
    }
    let size = description.files.iter().map(|file| file.size).sum::<u64>();
    report::print(&format!("{runtime}: {} files, {}, all as described", description.files.len(), human_size(size)))?;
    let (platform, report) = scan_binaries(runtime, &description, manifests)?;
    report::print(summary(&platform, &report).trim_end())?;
    Ok(())
}

/// Looks at the binaries of a runtime as the loader of its target will. One that is not fit for it is an error.
fn scan_binaries(runtime: &Utf8Path, description: &Description, manifests: &Utf8Path) -> Result<(Platform, Report)> {
    let info = &description.info;
    let targets = Manifests::load(manifests)?.targets;
    let platform = Platform::of(&targets.target(&info.target)?, &info.python.minor)?;
    let step = report::for_stderr().step("Looking", "at the binaries");
    let report = scan::scan(runtime, description, &platform, &Accepted::read(manifests)?)?;
    step.finish();
    if !report.findings.is_empty() {
        let lines = report.findings.iter().map(ToString::to_string).collect::<Vec<_>>();
        bail!(
            Failure::new(
                Exit::Data,
                format!("`{runtime}` has binaries that cannot run on {}:{}", info.target, list(&lines, SHOWN))
            )
            .hint("`manifests/binaries.toml` lists known and harmless findings")
        );
    }
    Ok((platform, report))
}

/// The result line of a scan without findings.
fn summary(platform: &Platform, report: &Report) -> String {
    let newest = match report.newest {
        Some(newest) => format!(", {} at most {newest}", platform.system()),
        None => String::new(),
    };
    // A copied CPython may load from directories of its machine, which the notes report.
    let of = if report.notes.is_empty() { "" } else { " in what is pinned" };
    let exceptions =
        if report.accepted == 0 { String::new() } else { format!(" ({} known exceptions)", report.accepted) };
    let mut text = format!(
        "{} binaries: {}{newest}, no load path outside{of}{exceptions}\n",
        report.binaries, platform.architecture
    );
    for limit in &report.limits {
        text += &format!("    limit: {limit}\n");
    }
    if !report.notes.is_empty() {
        let lines = report.notes.iter().map(ToString::to_string).collect::<Vec<_>>();
        let list = list(&lines, NOTES_SHOWN);
        text += &format!(
            "note: the CPython or the launcher is not pinned, so the runtime may not run on other machines:{list}\n"
        );
    }
    text
}

/// One line each, and how many there are beyond those that are shown.
fn list(lines: &[String], shown: usize) -> String {
    let more = lines.len().saturating_sub(shown);
    let more = if more > 0 { format!("\n    and {more} more") } else { String::new() };
    lines.iter().take(shown).map(|line| format!("\n    {line}")).collect::<String>() + &more
}
