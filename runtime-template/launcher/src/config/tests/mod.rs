//! Every pair of layers for every setting, and the layers one by one.

mod documentation;
mod refusals;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use speaches_format::description::{Model, Python, RuntimeInfo, SCHEMA};
use speaches_format::failure::{Exit, Failure};
use speaches_format::name::Name;
use speaches_format::system::System;

use super::kind::Place;
use super::setting_table::{Definition, Flag, OPTIONS};
use super::*;

/// A runtime with one bundled model that speaks.
pub fn info() -> RuntimeInfo {
    let model = Model {
        id: "org/voice-model".into(),
        task: setting_table::TEXT_TO_SPEECH.into(),
        license: "MIT".into(),
        revision: "0".repeat(40),
        voice: Some("bella".into()),
        serves: Vec::new(),
        file: None,
    };
    RuntimeInfo {
        schema: SCHEMA,
        version: "1".into(),
        name: Name::SPEACHES,
        target: "x86_64-unknown-linux-gnu".into(),
        accelerator: "cpu".into(),
        python: Python { version: "3.12.1".into(), minor: "3.12".into(), copied: false },
        bytecode: true,
        groups: Vec::new(),
        models: vec![model],
        plan: String::new(),
        tool: String::new(),
        inputs: Vec::new(),
    }
}

/// An environment, a YAML file and Harbor's override.env, in a directory that disappears.
pub struct World {
    directory: tempfile::TempDir,
    environment: BTreeMap<String, String>,
}

impl World {
    pub fn new(environment: &[(&str, &str)], yaml: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs_err::write(directory.path().join("speaches_native.yml"), yaml).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { directory, environment }
    }

    fn with_override(mut self, text: &str) -> Self {
        let harbor = self.directory.path().join("harbor/services/speaches");
        fs_err::create_dir_all(&harbor).unwrap();
        fs_err::write(harbor.join("override.env"), text).unwrap();
        let home = self.directory.path().join("harbor").display().to_string();
        self.environment.insert("HARBOR_HOME".into(), home);
        self
    }

    pub fn with<T>(&self, flags: &Flags, info: &RuntimeInfo, look: impl FnOnce(&Config, &Sources<'_>) -> T) -> T {
        let variable = |name: &str| self.environment.get(name).cloned();
        let contract = self.directory.path().join("speaches_native.yml");
        let sources = Sources { variable: &variable, contract, directory: "/work".into(), system: System::HERE };
        look(&Config::resolve(flags, &sources, info).unwrap_or_else(|failure| panic!("{failure}")), &sources)
    }

    fn failure(&self, flags: &Flags) -> Failure {
        let variable = |name: &str| self.environment.get(name).cloned();
        let contract = self.directory.path().join("speaches_native.yml");
        let sources = Sources { variable: &variable, contract, directory: "/work".into(), system: System::HERE };
        Config::resolve(flags, &sources, &info()).err().expect("it is refused")
    }

    /// The value of a setting and the layer that it is from.
    fn get(&self, flags: &Flags, key: &str) -> (Value, &'static str) {
        self.with(flags, &info(), |config, _| {
            let setting = config.setting(key).unwrap();
            (setting.value.clone(), setting.origin.layer())
        })
    }
}

/// A text for a setting that differs from its default and from that of every other layer.
fn sample(definition: &Definition, layer: usize, world: &World) -> String {
    match definition.kind {
        kind::Kind::Addresses => format!("10.0.0.{}", layer + 1),
        kind::Kind::Port | kind::Kind::Idle | kind::Kind::Mebibytes => (layer + 1000).to_string(),
        kind::Kind::Text => format!("text-{layer}"),
        kind::Kind::Choice(words) | kind::Kind::Provider(words) => words[(layer + 1) % words.len()].to_owned(),
        kind::Kind::Switch => ["true", "false"][layer % 2].to_owned(),
        kind::Kind::Path | kind::Kind::HubDirectory => {
            // A key is read from its file.
            let path = world.directory.path().join(format!("path-{layer}"));
            fs_err::write(&path, "a key\n").unwrap();
            path.display().to_string()
        }
    }
}

/// Parses a text as all layers do; `name` matters for the cache only.
fn parsed(definition: &Definition, text: &str, name: &str) -> Value {
    definition.kind.parse(text, name, Place { home: None, directory: Path::new("/work") }).unwrap()
}

#[test]
fn in_every_pair_of_layers_the_stronger_one_wins_for_every_setting() {
    // Weakest first, as `Origin::strength` says.
    let layers = ["default", "file", "override.env", "environment", "command line"];
    let mut pairs = 0;
    for definition in OPTIONS {
        for strong in 1..layers.len() {
            for weak in 0..strong {
                let mut world = World::new(&[], "");
                let mut flags = Flags::default();
                let mut expected = None;
                for layer in [weak, strong] {
                    let text = sample(definition, layer, &world);
                    let variable = definition.variables.first().copied();
                    let name = match (layers[layer], variable) {
                        ("default", _) => continue,
                        ("file", _) if definition.in_file => {
                            let yaml = format!("x-speaches:\n  {}: {text}\n", definition.key);
                            fs_err::write(world.directory.path().join("speaches_native.yml"), yaml).unwrap();
                            definition.key
                        }
                        ("override.env", Some(name)) => {
                            world = world.with_override(&format!("{name}={text}\n"));
                            name
                        }
                        ("environment", Some(name)) => {
                            world.environment.insert(name.into(), text.clone());
                            name
                        }
                        ("command line", _) if definition.flag != Flag::None => {
                            flags.values.insert(definition.key, text.clone());
                            definition.key
                        }
                        _ => continue,
                    };
                    expected = Some((parsed(definition, &text, name), layers[layer]));
                }
                let Some(expected) = expected else { continue };
                let found = world.get(&flags, definition.key);
                assert_eq!(found, expected, "{}: {} over {}", definition.key, layers[strong], layers[weak]);
                pairs += 1;
            }
        }
    }
    assert!(pairs >= 10 * (OPTIONS.len() - 3), "{pairs} pairs");
}

#[test]
fn an_earlier_variable_is_stronger_and_an_empty_one_is_unset() {
    for definition in OPTIONS {
        let world = World::new(&[], "");
        let texts = (0..2).map(|layer| sample(definition, layer, &world)).collect::<Vec<_>>();
        if let [first, second, ..] = definition.variables {
            for (value, winner, text) in [(texts[0].as_str(), *first, &texts[0]), ("", *second, &texts[1])] {
                let world = World::new(&[(first, value), (second, &texts[1])], "");
                assert_eq!(world.get(&Flags::default(), definition.key).0, parsed(definition, text, winner));
            }
        }
        for name in definition.variables {
            let empty = World::new(&[(name, "")], "").with_override(&format!("{name}=\n"));
            assert_eq!(empty.get(&Flags::default(), definition.key).1, "default", "{name}");
        }
    }
}

#[test]
fn defaults_are_those_of_the_bundled_models_and_of_the_contract() {
    let home = tempfile::tempdir().unwrap();
    let world =
        World::new(&[("HOME", home.path().to_str().unwrap())], include_str!("../../../../../speaches_native.yml"));
    world.with(&Flags::default(), &info(), |config, _| {
        let values = &config.values;
        assert_eq!((values.service.tts_model.as_str(), values.service.voice.as_str()), ("org/voice-model", "bella"));
        assert_eq!(values.service.stt_model, "Systran/faster-distil-whisper-small.en");
        assert_eq!(values.hf_cache, home.path().join(".cache/huggingface/hub"));
        assert_eq!((values.port, values.service.preload, values.stt_idle), (34331, true, 300));
        assert!(values.service.state_dir.ends_with("speaches/34331"), "{}", values.service.state_dir.display());
        assert!(config.warnings.is_empty());
    });
    let native = World::new(&[], "services: {speaches: {x-harbor-native: {port: 4}}}");
    assert_eq!(native.get(&Flags::default(), "port"), (json!(4), "file"));
}

#[test]
fn services_side_by_side_have_directories_of_their_own() {
    let directory = |port: &str| {
        World::new(&[("XDG_STATE_HOME", "/state"), ("UVICORN_PORT", port)], "").get(&Flags::default(), "state_dir").0
    };
    assert_eq!(directory("1"), json!(Path::new("/state").join("speaches").join("1")));
    assert_eq!(directory("0"), json!(Path::new("/state").join("speaches").join(format!("pid-{}", std::process::id()))));
    let own = World::new(&[("SPEACHES_STATE_DIR", "/own"), ("UVICORN_PORT", "1")], "");
    assert_eq!(own.get(&Flags::default(), "state_dir").0, json!("/own"), "one that is named is taken as it is");
}

#[cfg(unix)]
#[test]
fn a_home_that_cannot_be_written_leaves_state_and_caches_to_the_directory_for_temporary_files() {
    // No user can make a directory below a file, not even root.
    let home = tempfile::NamedTempFile::new().unwrap();
    let world = World::new(&[("HOME", home.path().to_str().unwrap())], "");
    let temporary = std::env::temp_dir();
    let own = temporary.join(format!("speaches-{}", nix::unistd::Uid::effective()));
    assert_eq!(world.get(&Flags::default(), "state_dir").0, json!(own.join("34331")));
    assert_eq!(world.get(&Flags::default(), "hf_cache").0, json!(own.join("cache/huggingface/hub")));
    world.with(&Flags::default(), &info(), |config, sources| {
        assert_eq!(service_directories::cache(config, sources), own.join("cache"));
        assert_eq!(service_directories::machine(config, sources), own.join("machine"));
        assert!(service_directories::warning(config, sources).unwrap().contains("is not writable"));
    });
}

#[test]
fn localhost_is_the_loopback_address() {
    let world = World::new(&[("UVICORN_HOST", "localhost, 10.0.0.1")], "");
    assert_eq!(world.get(&Flags::default(), "host").0, serde_json::json!(["127.0.0.1", "10.0.0.1"]));
}

#[test]
fn a_provider_may_have_the_name_that_onnxruntime_gives_it() {
    for (text, word) in [("CUDAExecutionProvider", "cuda"), ("CoreMLExecutionProvider", "coreml"), ("Cpu", "cpu")] {
        assert_eq!(World::new(&[("ONNX_PROVIDER", text)], "").get(&Flags::default(), "tts_provider").0, json!(word));
    }
    let failure = World::new(&[("ONNX_PROVIDER", "TensorrtExecutionProvider")], "").failure(&Flags::default());
    assert!(failure.to_string().contains("not one of auto, cpu, coreml, cuda"), "{failure}");
}

#[test]
fn the_home_is_put_for_a_tilde_in_every_layer() {
    let expected = json!(Path::new("/home/a").join("x"));
    let home = ("HOME", "/home/a");
    let flags = Flags { values: BTreeMap::from([("state_dir", "~/x".to_owned())]), ..Flags::default() };
    assert_eq!(World::new(&[home], "").get(&flags, "state_dir").0, expected);
    let none = Flags::default();
    assert_eq!(World::new(&[home, ("SPEACHES_STATE_DIR", "~/x")], "").get(&none, "state_dir").0, expected);
    let world = World::new(&[home], "").with_override("SPEACHES_STATE_DIR=~/x\n");
    assert_eq!(world.get(&none, "state_dir").0, expected);
    assert_eq!(World::new(&[home], "x-speaches: {state_dir: ~/x}").get(&none, "state_dir").0, expected);
    let failure = World::new(&[("SPEACHES_STATE_DIR", "~/x")], "").failure(&none);
    assert!(failure.to_string().contains("HOME, which is not set"), "{failure}");
}

#[test]
fn the_cache_is_the_hub_of_the_directory_and_hf_hub_cache_is_the_hub_itself() {
    let hub = |name: &str| World::new(&[(name, "/c")], "").get(&Flags::default(), "hf_cache").0;
    assert_eq!(hub("HF_HUB_CACHE"), json!("/c"));
    assert_eq!(hub("HF_HOME"), json!(Path::new("/c").join("hub")));
    assert_eq!(hub("HARBOR_HF_CACHE"), json!(Path::new("/c").join("hub")));
    let yaml = World::new(&[], "x-speaches: {hf_cache: cache}");
    let beside = yaml.directory.path().join("cache").join("hub");
    assert_eq!(yaml.get(&Flags::default(), "hf_cache").0, json!(beside), "relative to the file");
}

#[test]
fn override_env_may_have_comments_quotes_and_export() {
    let text = "# a comment\n\nexport UVICORN_PORT=\"7\"\nSPEACHES_TTS_VOICE='v w' # why\nLOG_LEVEL=error # loud\n\
                WHISPER__COMPUTE_TYPE=int8\n";
    World::new(&[], "").with_override(text).with(&Flags::default(), &info(), |config, _| {
        let values = &config.values;
        assert_eq!((values.port, values.service.voice.as_str(), values.service.log_level.word()), (7, "v w", "error"));
        assert_eq!(config.environment["WHISPER__COMPUTE_TYPE"], "int8", "what is upstream's is passed on");
    });
    let failure = World::new(&[], "").with_override("A=1\nno variable\n").failure(&Flags::default());
    assert!(failure.to_string().contains("override.env`, line 2"), "{failure}");
    assert!(!failure.to_string().contains("no variable"), "it may be a secret");
}

#[test]
fn a_key_may_be_in_a_file_and_the_stronger_layer_counts() {
    let world = World::new(&[], "x-speaches: {api_key: from-yaml, api_key_file: key}");
    let file = world.directory.path().join("key");
    fs_err::write(&file, "from file\r\n").unwrap();
    let key = |world: &World, flags: &Flags| world.get(flags, "api_key");
    assert_eq!(key(&world, &Flags::default()), (json!("from-yaml"), "file"), "in one layer the key itself");
    let path = file.display().to_string();
    let flags = Flags { values: BTreeMap::from([("api_key_file", path.clone())]), ..Flags::default() };
    assert_eq!(key(&world, &flags), (json!("from file"), "command line"));
    let both = World::new(&[("API_KEY", "from-variable"), ("API_KEY_FILE", &path)], "");
    assert_eq!(key(&both, &Flags::default()), (json!("from-variable"), "environment"));
    let by_file = World::new(&[("API_KEY_FILE", &path)], "x-speaches: {api_key: from-yaml}");
    assert_eq!(key(&by_file, &Flags::default()), (json!("from file"), "environment"));

    fs_err::write(&file, "\n").unwrap();
    let failure = by_file.failure(&Flags::default());
    assert_eq!(failure.exit, Exit::Config, "{failure}");
    fs_err::remove_file(&file).unwrap();
    assert_eq!(by_file.failure(&Flags::default()).exit, Exit::NoInput);
}

#[cfg(unix)]
#[test]
fn a_key_that_others_may_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new(&[], "x-speaches: {api_key_file: key}");
    let file = world.directory.path().join("key");
    fs_err::write(&file, "key").unwrap();
    for (mode, warnings) in [(0o644, 1), (0o600, 0)] {
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let found = world.with(&Flags::default(), &info(), |config, _| config.warnings.len());
        assert_eq!(found, warnings, "{mode:o}");
    }
}
