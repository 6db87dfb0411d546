//! The environment in which the service manager runs.

use std::path::{Path, PathBuf};

use speaches_format::description::RuntimeInfo;
use speaches_format::layout::{self, Family};
use speaches_format::system::System;

use crate::config::words::Device;
use crate::config::{Config, Sources};
use crate::policy::Decision;

/// Telemetry is off, as in upstream's own container.
const QUIET: [(&str, &str); 5] = [
    ("DO_NOT_TRACK", "1"),
    ("GRADIO_ANALYTICS_ENABLED", "False"),
    ("DISABLE_TELEMETRY", "1"),
    ("HF_HUB_DISABLE_TELEMETRY", "1"),
    ("PYANNOTE_METRICS_ENABLED", "0"),
];

/// How many heaps glibc has.
const ARENAS: &str = "MALLOC_ARENA_MAX";

/// A variable to set, or with `None` to remove.
pub type Change = (String, Option<String>);

/// The addresses and the model cache of the service, after all fallbacks.
pub struct Prepared<'a> {
    /// TCP port; 0 if it is not known yet.
    pub port: u16,
    /// The directory in which huggingface_hub keeps models.
    pub hub: &'a Path,
    pub decision: Option<&'a Decision>,
}

/// The changes of the environment, in their order.
#[must_use]
pub fn changes(
    runtime: &Path,
    info: &RuntimeInfo,
    config: &Config,
    prepared: &Prepared<'_>,
    sources: &Sources<'_>,
) -> Vec<Change> {
    let (values, system) = (&config.values, info.system());
    let mut changes: Vec<Change> = Vec::new();
    let mut set = |name: &str, value: Option<String>| changes.push((name.to_owned(), value));
    // The real environment is stronger than what only the files say.
    for (name, value) in &config.environment {
        if sources.variable(name).is_none() {
            set(name, Some(value.clone()));
        }
    }
    for (name, value) in QUIET {
        if sources.variable(name).is_none() && !config.environment.contains_key(name) {
            set(name, Some(value.to_owned()));
        }
    }
    // Upstream reads these to say where its page is and to reach itself.
    set("UVICORN_HOST", values.host.first().map(ToString::to_string));
    set("UVICORN_PORT", Some(prepared.port.to_string()));
    set("LOG_LEVEL", Some(values.service.log_level.to_string()));
    set("ENABLE_UI", Some(values.service.ui.to_string()));
    set("API_KEY", values.api_key.clone());
    set("STT_MODEL_TTL", Some(values.stt_idle.to_string()));
    set("TTS_MODEL_TTL", Some(values.tts_idle.to_string()));
    // The device of faster-whisper, alone or behind whisper.cpp.
    let on_cuda = prepared.decision.is_some_and(|decision| decision.transcription.device == Device::Cuda);
    set("WHISPER__INFERENCE_DEVICE", Some(if on_cuda { "cuda" } else { "cpu" }.to_owned()));
    set("HF_HUB_CACHE", Some(prepared.hub.display().to_string()));
    set("HF_TOKEN", values.hf_token.clone());
    set("HF_HUB_OFFLINE", values.service.offline.then(|| "1".to_owned()));
    if system == System::Linux && sources.variable(ARENAS).is_none() && !config.environment.contains_key(ARENAS) {
        // glibc gives each of the forty threads for requests a heap of its own, which keeps what its largest request took.
        set(ARENAS, Some("2".to_owned()));
    }
    if system != System::Windows && sources.variable("PATH").is_none() {
        // Started with no environment at all, say by a service manager. gradio does not start without one.
        set("PATH", Some("/usr/local/bin:/usr/bin:/bin".to_owned()));
    }
    changes.extend(no_proxy_for_itself(sources));
    let uses_cuda = prepared.decision.is_some_and(Decision::uses_cuda);
    changes.extend(library_path(runtime, info, sources, uses_cuda));
    changes
}

/// Speaches calls itself, which no proxy can do for it.
fn no_proxy_for_itself(sources: &Sources<'_>) -> Vec<Change> {
    const LOOPBACK: &str = "127.0.0.1,localhost,::1";
    let is_set = |name: &&str| sources.variable(name).is_some();
    if !["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"].iter().any(is_set) {
        return Vec::new();
    }
    let names = ["no_proxy", "NO_PROXY"];
    let mut excepted = names.iter().filter_map(|name| Some((*name, sources.variable(name)?))).peekable();
    if excepted.peek().is_none() {
        return vec![("NO_PROXY".to_owned(), Some(LOOPBACK.to_owned()))];
    }
    excepted.map(|(name, hosts)| (name.to_owned(), Some(format!("{hosts},{LOOPBACK}")))).collect()
}

/// The library path of the loader, which reads it when a program starts, so Python cannot set it for itself.
#[must_use]
pub fn library_path(runtime: &Path, info: &RuntimeInfo, sources: &Sources<'_>, uses_cuda: bool) -> Option<Change> {
    let system = info.system();
    let mut directories = Vec::new();
    if info.python.copied {
        // A copied interpreter has the path of the building machine's libpython in it; the loader looks here first.
        directories.push(runtime.join(layout::PYTHON).join("lib"));
    }
    if uses_cuda {
        directories.extend(cuda_libraries(runtime, info, Family::of_system(system)));
    }
    if directories.is_empty() {
        return None;
    }
    let (name, separator) = match system {
        System::Linux => ("LD_LIBRARY_PATH", ":"),
        System::MacOs => ("DYLD_LIBRARY_PATH", ":"),
        System::Windows => ("PATH", ";"),
    };
    let own = directories.into_iter().map(|directory| directory.display().to_string());
    let path = own.chain(sources.variable(name)).collect::<Vec<_>>().join(separator);
    Some((name.to_owned(), Some(path)))
}

/// NVIDIA's wheels, each with a directory of libraries that neither onnxruntime nor CTranslate2 would find.
fn cuda_libraries(runtime: &Path, info: &RuntimeInfo, family: Family) -> Vec<PathBuf> {
    let wheels = runtime.join(layout::PYTHON).join(family.site_packages(&info.python.minor)).join("nvidia");
    let libraries = match family {
        Family::Unix => "lib",
        Family::Windows => "bin",
    };
    let entries = fs_err::read_dir(wheels).into_iter().flatten().flatten();
    let mut found = entries.map(|entry| entry.path().join(libraries)).filter(|path| path.is_dir()).collect::<Vec<_>>();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;
    use crate::config::tests::{World, info};
    use crate::config::words::{Backend, Precision, Provider};
    use crate::policy::{Synthesis, Transcription};

    /// The last change of a variable: `None` if it stays, `Some(None)` if it is removed.
    fn changed(copied: bool, environment: &[(&str, &str)], yaml: &str, name: &str) -> Option<Option<String>> {
        let mut info = info();
        info.python.copied = copied;
        let world = World::new(environment, yaml);
        world.with(&Flags::default(), &info, |config, sources| {
            let prepared = Prepared { port: 4711, hub: Path::new("/hub"), decision: None };
            let changes = changes(Path::new("/runtime"), &info, config, &prepared, sources);
            changes.into_iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
        })
    }

    fn set_to(text: &str) -> Option<Option<String>> {
        Some(Some(text.to_owned()))
    }

    #[test]
    fn telemetry_is_off_unless_the_user_sets_a_variable_of_it() {
        assert_eq!(changed(false, &[], "", "DO_NOT_TRACK"), set_to("1"));
        assert_eq!(changed(false, &[("DO_NOT_TRACK", "0")], "", "DO_NOT_TRACK"), None);
        let yaml = "x-speaches:\n  environment: {DO_NOT_TRACK: 0}\n";
        assert_eq!(changed(false, &[], yaml, "DO_NOT_TRACK"), set_to("0"));
    }

    #[test]
    fn upstreams_own_settings_come_from_the_file_unless_the_environment_has_them() {
        let yaml = "x-speaches:\n  environment: {WHISPER__COMPUTE_TYPE: int8}\n";
        assert_eq!(changed(false, &[], yaml, "WHISPER__COMPUTE_TYPE"), set_to("int8"));
        assert_eq!(changed(false, &[("WHISPER__COMPUTE_TYPE", "")], yaml, "WHISPER__COMPUTE_TYPE"), set_to("int8"));
        assert_eq!(changed(false, &[("WHISPER__COMPUTE_TYPE", "float16")], yaml, "WHISPER__COMPUTE_TYPE"), None);
    }

    #[test]
    fn what_was_decided_is_what_upstream_finds() {
        for (environment, yaml, name, value) in [
            (&[][..], "", "UVICORN_PORT", Some("4711")),
            (&[], "", "HF_HUB_CACHE", Some("/hub")),
            (&[], "", "STT_MODEL_TTL", Some("300")),
            (&[("TTS_MODEL_TTL", "-1")], "", "TTS_MODEL_TTL", Some("-1")),
            (&[("LOG_LEVEL", "DEBUG")], "", "LOG_LEVEL", Some("debug")),
            (&[("API_KEY", "")], "", "API_KEY", None),
            (&[], "x-speaches: {api_key: secret}", "API_KEY", Some("secret")),
            (&[("HARBOR_HF_TOKEN", "hf_1")], "", "HF_TOKEN", Some("hf_1")),
            (&[("HF_HUB_OFFLINE", "0")], "", "HF_HUB_OFFLINE", None),
            (&[], "x-speaches: {offline: true}", "HF_HUB_OFFLINE", Some("1")),
            (&[], "x-speaches: {ui: false}", "ENABLE_UI", Some("false")),
        ] {
            assert_eq!(changed(false, environment, yaml, name), Some(value.map(str::to_owned)), "{name}");
        }
    }

    #[test]
    fn glibc_has_two_heaps_unless_the_user_sets_another_number() {
        let yaml = "x-speaches:\n  environment: {MALLOC_ARENA_MAX: 8}\n";
        assert_eq!(changed(false, &[], "", "MALLOC_ARENA_MAX"), set_to("2"));
        assert_eq!(changed(false, &[], yaml, "MALLOC_ARENA_MAX"), set_to("8"));
        assert_eq!(changed(false, &[("MALLOC_ARENA_MAX", "4")], yaml, "MALLOC_ARENA_MAX"), None);
    }

    #[test]
    fn a_proxy_is_not_asked_for_the_service_itself() {
        assert_eq!(changed(false, &[], "", "NO_PROXY"), None);
        let proxy = ("HTTP_PROXY", "http://proxy:3128");
        assert_eq!(changed(false, &[proxy], "", "NO_PROXY"), set_to("127.0.0.1,localhost,::1"));
        let with_exceptions = [proxy, ("no_proxy", "intern")];
        assert_eq!(changed(false, &with_exceptions, "", "no_proxy"), set_to("intern,127.0.0.1,localhost,::1"));
        assert_eq!(changed(false, &with_exceptions, "", "NO_PROXY"), None);
    }

    #[test]
    fn a_copied_cpython_finds_its_own_library_first() {
        let path = |environment: &[(&str, &str)]| changed(true, environment, "", "LD_LIBRARY_PATH");
        let own = Path::new("/runtime").join("python").join("lib").display().to_string();
        assert_eq!(path(&[]), set_to(&own));
        assert_eq!(path(&[("LD_LIBRARY_PATH", "/x")]), set_to(&format!("{own}:/x")));
        assert_eq!(changed(false, &[], "", "LD_LIBRARY_PATH"), None);
        let mut info = info();
        (info.python.copied, info.target) = (true, "aarch64-apple-darwin".into());
        let world = World::new(&[], "");
        let found = world
            .with(&Flags::default(), &info, |_, sources| library_path(Path::new("/runtime"), &info, sources, false));
        assert_eq!(found, Some(("DYLD_LIBRARY_PATH".to_owned(), Some(own))), "what the loader of macOS reads");
    }

    fn decision(device: Device, provider: Provider) -> Decision {
        let why = String::new();
        let backend = if device == Device::Metal { Backend::WhisperCpp } else { Backend::FasterWhisper };
        let transcription = Transcription { backend, device, forced: false, why: why.clone() };
        let synthesis = Synthesis { provider, forced: false, precision: Precision::Auto, why, candidates: &[] };
        Decision { transcription, synthesis, notes: Vec::new() }
    }

    #[test]
    fn faster_whisper_computes_where_it_can_be_it_in_front_or_behind() {
        for (device, word) in [(Device::Cpu, "cpu"), (Device::Cuda, "cuda"), (Device::Metal, "cpu")] {
            let decision = decision(device, Provider::Cpu);
            // The decision has taken every value of the variable into account.
            let world = World::new(&[("WHISPER__INFERENCE_DEVICE", "auto")], "");
            let found = world.with(&Flags::default(), &info(), |config, sources| {
                let prepared = Prepared { port: 1, hub: Path::new("/hub"), decision: Some(&decision) };
                let changes = changes(Path::new("/runtime"), &info(), config, &prepared, sources);
                changes.into_iter().rfind(|(name, _)| name == "WHISPER__INFERENCE_DEVICE").unwrap().1
            });
            assert_eq!(found.as_deref(), Some(word));
        }
    }

    #[test]
    fn the_cuda_libraries_of_the_runtime_are_found_when_something_uses_them() {
        let runtime = tempfile::tempdir().unwrap();
        for (target, packages, libraries, name, separator) in [
            ("x86_64-unknown-linux-gnu", "python/lib/python3.12/site-packages", "lib", "LD_LIBRARY_PATH", ":"),
            ("x86_64-pc-windows-msvc", "python/Lib/site-packages", "bin", "PATH", ";"),
        ] {
            let nvidia = runtime.path().join(packages).join("nvidia");
            for wheel in ["cudnn", "cublas"] {
                fs_err::create_dir_all(nvidia.join(wheel).join(libraries)).unwrap();
            }
            fs_err::create_dir_all(nvidia.join("only-headers/include")).unwrap();
            let mut info = info();
            info.target = target.into();
            let path = |uses_cuda: bool| {
                let world = World::new(&[(name, "theirs")], "");
                world.with(&Flags::default(), &info, |_, sources| {
                    library_path(runtime.path(), &info, sources, uses_cuda)
                })
            };
            let own = ["cublas", "cudnn"].map(|wheel| nvidia.join(wheel).join(libraries).display().to_string());
            let expected = [&own[..], &["theirs".to_owned()]].concat().join(separator);
            // Windows takes both kinds of separators.
            let found = path(true).map(|(name, value)| (name, value.map(|value| value.replace('\\', "/"))));
            assert_eq!(found, Some((name.to_owned(), Some(expected.replace('\\', "/")))));
            assert_eq!(path(false), None);
        }
        assert!(decision(Device::Cpu, Provider::Cuda).uses_cuda() && decision(Device::Cuda, Provider::Cpu).uses_cuda());
        assert!(!decision(Device::Metal, Provider::CoreMl).uses_cuda());
    }
}
