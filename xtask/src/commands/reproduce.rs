//! `cargo xtask reproduce`: makes a runtime once more, and compares the two.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use speaches_format::description::{Description, RuntimeInfo};
use speaches_format::layout::{self, Family};

use super::manifests::ManifestChoice;
use super::provision;
use crate::base::failure::{Exit, Failure};
use crate::inputs::provision_args::ProvisionArgs;
use crate::pins::lock;
use crate::report;
use crate::runtime::verify;
use crate::store::Store;
use crate::work::WorkDirectory;

const SHOWN: usize = 20;

/// Provision a runtime again from its runtime.json, and compare both
///
/// The choices come from the runtime, but it does not record the paths of local inputs: name these with the flags of
/// `provision`.
#[derive(Args, Debug)]
pub struct Arguments {
    /// The directory of the runtime
    runtime: Utf8PathBuf,
    #[command(flatten)]
    args: ProvisionArgs,
    #[command(flatten)]
    manifests: ManifestChoice,
    /// Take inputs from a directory that `vendor` made
    #[arg(long, value_name = "DIR")]
    vendor: Option<Utf8PathBuf>,
}

pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let runtime = &arguments.runtime;
    let there = verify::read(runtime)?;
    let step = report::for_stderr().step("Verifying", runtime.as_str());
    let differences = verify::verify(runtime, &there)?;
    step.finish();
    if let Some(difference) = differences.lines().next() {
        bail!(
            Failure::new(Exit::Data, format!("`{runtime}` was modified after it was made: {difference}"))
                .hint("`cargo xtask verify` lists all differences")
        );
    }
    let work = WorkDirectory::new_in(&Store::locate()?.work())?;
    let out = work.path().join("runtime");
    let args = complete(&arguments.args, &there.info);
    let made = provision::Arguments {
        args,
        manifests: arguments.manifests.clone().or_recorded(&there.info.name),
        out: Some(out.clone()),
        vendor: arguments.vendor.clone(),
        ..provision::Arguments::default()
    };
    provision::provision(&made, root, manifests)?;
    let step = report::for_stderr().step("Comparing", "the two runtimes");
    let again = verify::read(&out)?;
    let lines = compare(runtime, &there, &out, &again)?;
    step.finish();
    if !lines.is_empty() {
        let shown = lines.iter().take(SHOWN).map(|line| format!("\n    {line}")).collect::<String>();
        let more = lines.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!("\n    and {more} more") } else { String::new() };
        bail!(Failure::new(Exit::Data, format!("`{runtime}` could not be reproduced:{shown}{more}")).hint(
            "other inputs give another runtime; name the original inputs with `--python-from`, `--speaches-from`, \
             `--models-from` and `--launcher`"
        ));
    }
    super::print(&format!("{runtime}: reproduced, byte for byte: {} files", again.files.len()))?;
    Ok(())
}

/// The choices of the runtime, overridden by flags.
fn complete(flags: &ProvisionArgs, info: &RuntimeInfo) -> ProvisionArgs {
    let without = lock::GROUPS.iter().filter(|group| !info.groups.iter().any(|one| one == *group));
    let models = info.models.iter().map(|model| format!("{}@{}", model.name(), model.revision)).collect::<Vec<_>>();
    let models = if models.is_empty() { "none".to_owned() } else { models.join(",") };
    // The tool finds a copied interpreter by its minor version. `--python-from` must have the same minor version.
    let by_minor = info.python.copied || flags.python_from.is_some();
    let python = if by_minor { &info.python.minor } else { &info.python.version };
    ProvisionArgs {
        target: flags.target.clone().or_else(|| Some(info.target.clone())),
        accelerator: flags.accelerator.clone().or_else(|| Some(info.accelerator.clone())),
        python: flags.python.clone().or_else(|| Some(python.clone())),
        without: flags.without.clone().or_else(|| Some(without.map(|group| (*group).to_owned()).collect())),
        models: flags.models.clone().or(Some(models)),
        ..flags.clone()
    }
}

/// The first differences, with what they come from: inputs first, since all else follows from them.
fn compare(one: &Utf8Path, there: &Description, other: &Utf8Path, again: &Description) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let inputs = |description: &Description| {
        let inputs = description.info.inputs.iter();
        inputs.map(|input| ((input.kind, input.name.clone()), input.clone())).collect::<BTreeMap<_, _>>()
    };
    let (then, now) = (inputs(there), inputs(again));
    for (key, input) in &then {
        match now.get(key) {
            None => lines.push(format!("input {} {}: is no longer used", input.kind, input.name)),
            Some(found) if found.sha256 != input.sha256 => lines.push(format!(
                "input {} {}: has sha256 {}, but had {}",
                input.kind, input.name, found.sha256, input.sha256
            )),
            Some(_) => {}
        }
    }
    let additions = now.keys().filter(|key| !then.contains_key(*key));
    lines.extend(additions.map(|(kind, name)| format!("input {kind} {name}: is new")));

    let files = |description: &Description| {
        let files = description.files.iter();
        files.map(|file| (file.path.clone(), file.clone())).collect::<BTreeMap<_, _>>()
    };
    let (then, now) = (files(there), files(again));
    let owners = [owners(one, there)?, owners(other, again)?];
    let owner = |path: &str| {
        let found = owners.iter().find_map(|owners| owners.get(path));
        found.cloned().unwrap_or_else(|| by_place(path).to_owned())
    };
    for (path, file) in &then {
        match now.get(path) {
            None => lines.push(format!("missing: {path} (from {})", owner(path))),
            Some(found) if found != file => lines.push(format!("changed: {path} (from {})", owner(path))),
            Some(_) => {}
        }
    }
    let additions = now.keys().filter(|path| !then.contains_key(*path));
    lines.extend(additions.map(|path| format!("extra: {path} (from {})", owner(path))));
    // All other fields of the description.
    if lines.is_empty() && there.to_text()? != again.to_text()? {
        let text = |description: &Description| -> Result<String> { Ok(String::from_utf8(description.to_text()?)?) };
        let (then, now) = (text(there)?, text(again)?);
        let line = then.lines().zip(now.lines()).find(|(then, now)| then != now);
        let (then, now) = line.context("two texts that differ have a line that differs")?;
        lines.push(format!("runtime.json: `{}`, but it was `{}`", now.trim(), then.trim()));
    }
    Ok(lines)
}

/// Which distribution brought a file, as the `RECORD`s say.
fn owners(runtime: &Utf8Path, description: &Description) -> Result<BTreeMap<String, String>> {
    let info = &description.info;
    let place = format!("{}/{}", layout::PYTHON, Family::of(&info.target).site_packages(&info.python.minor));
    let mut owners = BTreeMap::new();
    for file in &description.files {
        let Some(stem) = file.path.strip_prefix(&place).and_then(|rest| rest.strip_suffix(".dist-info/RECORD")) else {
            continue;
        };
        let stem = stem.trim_start_matches('/');
        for row in fs_err::read_to_string(runtime.join(&file.path))?.lines() {
            let path = row.rsplitn(3, ',').last().unwrap_or_default().trim_matches('"');
            owners.insert(format!("{place}/{path}"), format!("the wheel {stem}"));
        }
    }
    Ok(owners)
}

/// The owner of a file that no distribution names.
fn by_place(path: &str) -> &'static str {
    match path.split('/').next().unwrap_or_default() {
        "bin" => "the launcher",
        "models" => "a model",
        "app" => "speaches",
        _ if path.contains("/__pycache__/") => "bytecode that the CPython compiled",
        layout::PYTHON => "CPython",
        layout::LICENSES => "the licenses of the inputs",
        _ => "the template of this repository",
    }
}
