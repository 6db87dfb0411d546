//! `cargo xtask quickstart`: from a fresh clone to a server that has spoken and listened.

use std::time::{Duration, Instant};

use anyhow::Result;
use camino::Utf8Path;
use clap::Args;

use super::manifests::ManifestChoice;
use super::provision;
use super::smoke;
use crate::base::quantity::took;
use crate::inputs::choices::Choices;
use crate::net::http;
use crate::pins::manifest::Manifests;
use crate::report;
use crate::runtime::verify;

/// How long a server may take to answer before it counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(5);

/// Provision a runtime for this machine, let it speak and listen, and say what to do next
#[derive(Args, Debug)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    provision: provision::Arguments,
}

/// Runs the subcommand.
pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let started = Instant::now();
    let mut wanted = arguments.provision.clone();
    let urls = match wanted.choices.offline || wanted.vendor.is_some() {
        true => Vec::new(),
        false => needed(&wanted.choices, &Manifests::load(&wanted.manifests.directory(manifests)?)?),
    };
    if !urls.is_empty() {
        let step = report::for_stderr().step("Looking", "for what this machine can reach");
        let missing = out_of_reach(urls);
        step.finish();
        if !missing.is_empty() {
            report::say(&format!(
                "note: this machine cannot reach {}, where speaches and its models are. Showing the whole way with the \
                 SAMPLE instead: it is made of the same parts, but it speaks in tones and understands only those.",
                enumerated(&missing)
            ));
            wanted.choices = Choices { python_from: wanted.choices.python_from.take(), ..Choices::default() };
            wanted.manifests = ManifestChoice::of_sample();
        }
    }
    let provisioned = provision::provision(&wanted, root, manifests)?;
    let runtime = &provisioned.output;
    let head = verify::read(runtime)?.head;
    let what = head.name.of_runtime();
    super::print("")?;
    let outcome = smoke::smoke(runtime, smoke::SENTENCE)?;
    if !outcome.speech.is_empty() {
        let file = runtime.with_file_name("quickstart.wav");
        fs_err::write(&file, &outcome.speech)?;
        super::print("")?;
        report::result("Said", smoke::SENTENCE)?;
        report::result("Heard", outcome.heard.as_deref().unwrap_or("nothing: there is no model to listen with"))?;
        report::next("Listen", super::nearby(&file).as_str())?;
    }
    super::print("")?;
    report::result("Finished", &format!("in {}: {what} `{}`", took(started.elapsed()), super::nearby(runtime)))?;
    report::next("Start", &provisioned.start())?;
    report::result("Stop", "it with Ctrl-C; until then, ask it from another terminal:")?;
    report::next("Ask", "curl http://127.0.0.1:34331/v1/models")?;
    let more = if head.name.is_sample() {
        "where GitHub and Hugging Face can be reached, `cargo xtask provision` makes the real one"
    } else {
        "the directory can be moved anywhere; `cargo xtask provision --help` has the choices"
    };
    report::result("Then", more)?;
    Ok(())
}

/// `a`, `a and b`, `a, b and c`
fn enumerated(names: &[String]) -> String {
    match names {
        [before, last] => format!("{before} and {last}"),
        [rest @ .., before, last] => format!("{}, {before} and {last}", rest.join(", ")),
        _ => names.join(""),
    }
}

/// The hosts that are needed, each by any of its addresses. Inputs that the user brought, that this machine has or that are
/// in this repository need none.
fn needed(wanted: &Choices, manifests: &Manifests) -> Vec<(&'static str, Vec<String>)> {
    let mut urls = Vec::new();
    if wanted.python_from.is_none()
        && manifests.speaches.pythons_of_this_machine.is_empty()
        && let Some(archive) = manifests.python.release.first().and_then(|release| release.archives.values().next())
    {
        // Any of them will do.
        urls.push(("the CPython archives", manifests.python.urls(archive)));
    }
    if wanted.speaches_from.is_none() && manifests.speaches.directory.is_none() {
        urls.push(("GitHub", vec![manifests.speaches.repository.clone()]));
    }
    let has_models = wanted.models_from.is_some() || manifests.models.directory.is_some();
    if !has_models && wanted.models.as_deref() != Some("none") {
        urls.push(("Hugging Face", vec![crate::net::huggingface::endpoint()]));
    }
    urls
}

/// The hosts that do not answer.
fn out_of_reach(urls: Vec<(&str, Vec<String>)>) -> Vec<String> {
    std::thread::scope(|scope| {
        let probes = urls
            .into_iter()
            .map(|(name, urls)| (name, scope.spawn(move || urls.iter().any(|url| answers(url)))))
            .collect::<Vec<_>>();
        probes
            .into_iter()
            .filter_map(|(name, probe)| (!probe.join().unwrap_or(false)).then(|| name.to_owned()))
            .collect()
    })
}

/// Whether a server answers at all; what it answers does not matter here.
fn answers(url: &str) -> bool {
    http::client().is_ok_and(|client| http::send(client.head(url).timeout(PATIENCE)).is_ok())
}
