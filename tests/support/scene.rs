//! A provision with models from a hub of its own.

use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::hub::{Hub, Repository};
use super::*;

/// A store, manifests and a hub of its own for one test.
pub struct Scene {
    pub scratch: Scratch,
    pub manifests: Utf8PathBuf,
    pub minor: String,
    pub hub: Hub,
    pub environment: Vec<(&'static str, String)>,
}

impl Scene {
    pub fn with(repositories: &[Repository]) -> Self {
        let scratch = scratch();
        let manifests = loosely_pinned(&scratch.path);
        let minor = json(&sample_runtime().join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
        edit(&manifests.join("python.toml"), "version = \"3.12.16\"", &format!("version = \"{minor}.16\""));
        fs_err::create_dir(scratch.path.join("store")).unwrap();
        Self { scratch, manifests, minor, hub: Hub::start(repositories), environment: Vec::new() }
    }

    /// The hub has the models of the miniature of the tests.
    pub fn with_defaults() -> Self {
        Self::with(&sample_models())
    }

    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    pub fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = xtask(arguments);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        for name in ["HF_TOKEN", "HF_TOKEN_PATH", "HF_HUB_OFFLINE", "HF_HUB_DISABLE_IMPLICIT_TOKEN"] {
            command.env_remove(name);
        }
        command.args(["--manifests", self.manifests.as_str()]).env("HF_ENDPOINT", &self.hub.api.url);
        command.env("SPEACHES_STORE", self.scratch.path.join("store")).env("HF_HOME", self.scratch.path.join("hf"));
        command.env("SPEACHES_FETCH_SECOND_MS", "20").envs(self.environment.iter().cloned());
        command
    }

    pub fn provision(&self, more: &[&str]) -> Ended {
        let python = python();
        let out = self.scratch.path.join("out/runtime");
        let mut command = self.tool(&["provision", "--python", &self.minor, "--python-from", &python]);
        run(command.args(["--out", out.as_str()]).args(more))
    }

    pub fn plan(&self, models: &str, more: &[&str]) -> Ended {
        self.provision(&[&["--dry-run", "--json", "--models", models], more].concat())
    }

    #[track_caller]
    pub fn planned(&self, models: &str, more: &[&str]) -> Vec<Value> {
        of_kind(&serde_json::from_str(&self.plan(models, more).expect(0).stdout).unwrap())
    }

    /// Wheels are not what this is about.
    pub fn take_wheels_from_the_shared_store(&self) {
        let trees = self.scratch.path.join("store/trees");
        fs_err::create_dir(&trees).unwrap();
        for kind in ["wheel", "python", "tool", "bytecode"] {
            let _ = fs_err::os::unix::fs::symlink(shared_store().join("trees").join(kind), trees.join(kind));
        }
    }

    pub fn lock(&self) -> Ended {
        run(&mut self.tool(&["lock", "--only", "models"]))
    }
}

pub fn of_kind(plan: &Value) -> Vec<Value> {
    plan["inputs"].as_array().unwrap().iter().filter(|input| input["kind"] == "model").cloned().collect()
}

pub fn sample_models() -> [Repository; 2] {
    ["sample/tone-speech", "sample/tone-transcription"].map(|id| {
        let repository = root().join("tests/sample/hub").join(format!("models--{}", id.replace('/', "--")));
        let snapshot = repository.join("snapshots").read_dir_utf8().unwrap().next().unwrap().unwrap();
        Repository::of_directory(id, snapshot.path())
    })
}

/// Manifests in which the models are pinned as little as some of the real ones are: no commit, and of one file nothing.
pub fn loosely_pinned(scratch: &Utf8Path) -> Utf8PathBuf {
    let manifests = own_manifests(scratch);
    let path = manifests.join("models.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    let blocks = text.split("\n\n").map(|block| {
        let unknown = block.contains("path = \"README.md\"");
        let kept = |line: &&str| {
            let left_out = line.starts_with("revision") || line.starts_with("directory");
            !left_out && (!unknown || !line.starts_with('s'))
        };
        block.lines().filter(kept).collect::<Vec<_>>().join("\n")
    });
    fs_err::write(&path, blocks.collect::<Vec<_>>().join("\n\n") + "\n").unwrap();
    manifests
}
