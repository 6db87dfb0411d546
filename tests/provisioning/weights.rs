//! GGML weights in runtimes: other models use them, and clients do not request them by name.
#![cfg(unix)]

use crate::support::hub::{COMMIT, Repository};
use crate::support::scene::{Scene, of_kind};
use crate::support::*;
use serde_json::Value;

const SMALL: &str = "org/weights/ggml-small.bin";
const TINY: &str = "org/weights/ggml-tiny.bin";

/// A hub with two files in one repository, of which the first is a default on Macs.
fn scene() -> Scene {
    let scene = Scene::with_defaults();
    let weights =
        [("README.md", "---\nlicense: mit\n---\n"), ("ggml-small.bin", "weights"), ("ggml-tiny.bin", "others")];
    scene.hub.serve(&Repository::new("org/weights", &weights));
    let path = scene.manifests.join("models.toml");
    let entry = |file: &str, more: &str| {
        format!(
            "\n[[model]]\nid = \"org/weights\"\ntask = \"automatic-speech-recognition\"\nlicense = \"MIT\"\n\
             default = false\n{more}\n[[model.file]]\npath = \"{file}\"\n"
        )
    };
    let small =
        entry("ggml-small.bin", "default_for = [\"aarch64-apple-darwin\"]\nserves = [\"sample/tone-transcription\"]\n");
    let tiny = entry("ggml-tiny.bin", "serves = [\"org/one\", \"org/other\"]\n");
    fs_err::write(&path, fs_err::read_to_string(&path).unwrap() + &small + &tiny).unwrap();
    scene
}

fn names(models: &[Value]) -> Vec<&str> {
    models.iter().map(|model| model["name"].as_str().unwrap()).collect()
}

#[test]
fn macs_with_apple_silicon_get_the_weights_of_the_default_model_and_others_on_request() {
    let scene = scene();
    let defaults = ["sample/tone-speech", "sample/tone-transcription"];
    assert_eq!(names(&scene.planned("default", &[])), defaults);
    assert_eq!(names(&scene.planned(SMALL, &[])), [SMALL]);

    let archive = python_archive(&scene.scratch.path);
    for (target, expected) in
        [("aarch64-apple-darwin", [&defaults[..], &[SMALL]].concat()), ("x86_64-apple-darwin", defaults.to_vec())]
    {
        let mut command = scene.tool(&["provision", "--dry-run", "--json", "--allow-unpinned", "--target", target]);
        command.args(["--python", &scene.minor, "--python-from", archive.as_str(), "--launcher", "/bin/sh"]);
        let plan = serde_json::from_str(&run(&mut command).expect(0).stdout).unwrap();
        assert_eq!(names(&of_kind(&plan)), expected, "{target}");
    }

    scene.plan("org/weights", &[]).expect(64).says("each file is named alone").says(SMALL);
    scene.plan("org/weights/ggml-large.bin", &[]).expect(64).says("is not a repository of the hub").says(TINY);
    scene.plan(&format!("{SMALL},{SMALL}"), &[]).expect(64).says("names a model twice");
}

#[test]
fn weights_are_in_the_cache_of_a_runtime_without_a_card_and_its_description_says_what_they_serve() {
    let scene = scene();
    scene.take_wheels_from_the_shared_store();
    let wanted = format!("sample/tone-transcription,{SMALL},{TINY}");
    scene.provision(&["--models", &wanted]).expect(0).says("not pinned, but recorded");
    let out = scene.scratch.path.join("out/runtime");
    run(&mut xtask(&["verify", out.as_str()])).expect(0);
    let description = json(&out.join("runtime.json"));
    let models = description["models"].as_array().unwrap();
    let told = |index: usize| (models[index]["serves"].clone(), models[index]["file"].clone());
    assert_eq!(told(0), (Value::Null, Value::Null));
    assert_eq!(told(1), (serde_json::json!(["sample/tone-transcription"]), serde_json::json!("ggml-small.bin")));
    assert_eq!(told(2), (serde_json::json!(["org/one", "org/other"]), serde_json::json!("ggml-tiny.bin")));
    let repository = out.join("models/hub/models--org--weights");
    assert_eq!(fs_err::read_to_string(repository.join("refs/main")).unwrap(), COMMIT);
    let mut files = files(&repository.join("snapshots").join(COMMIT));
    files.sort();
    assert_eq!(files, ["ggml-small.bin", "ggml-tiny.bin"]);

    // No file of the runtime has the license of the weights, and the manifest states it.
    let bundles = scene.scratch.path.join("bundles");
    run(&mut xtask(&["bundle", out.as_str(), "--out", bundles.as_str()])).expect(0);
    let bill = bundles.read_dir_utf8().unwrap().map(|entry| entry.unwrap().path().to_owned());
    let bill = bill.into_iter().find(|path| path.as_str().ends_with(".cdx.json")).unwrap();
    let bill = json(&bill);
    let parts = bill["components"].as_array().unwrap();
    for name in [SMALL, TINY] {
        let part = parts.iter().find(|part| part["name"] == name).unwrap();
        let file = name.rsplit_once('/').unwrap().1;
        assert_eq!(part["purl"], format!("pkg:huggingface/org/weights@{COMMIT}#{file}"));
        assert_eq!(part["licenses"][0]["expression"], "MIT");
    }
    run(&mut scene.tool(&["reproduce", out.as_str(), "--python-from", &python()])).expect(0);

    // Clients request the model, so the smoke test uses the model too.
    run(&mut xtask(&["smoke", out.as_str()])).expect(0);
    let shown = run(std::process::Command::new(out.join("bin/speaches")).args(["config", "--json"])).expect(0).stdout;
    let config: Value = serde_json::from_str(&shown).unwrap();
    assert!(shown.contains("sample/tone-transcription") && !shown.contains("org/weights"), "{config}");
}

#[test]
fn weights_come_from_a_cache_and_from_a_vendor_directory_too() {
    let scene = scene();
    scene.take_wheels_from_the_shared_store();
    let from = scene.scratch.path.join("cache");
    Repository::new("org/weights", &[("ggml-small.bin", "weights"), ("ggml-tiny.bin", "others")]).cache(&from);
    let [cached] = &scene.planned(TINY, &["--models-from", from.as_str()])[..] else { panic!("one model") };
    let [fetched] = &scene.planned(TINY, &[])[..] else { panic!("one model") };
    assert_eq!(cached["sha256"], fetched["sha256"]);
    fs_err::remove_file(from.join(format!("models--org--weights/snapshots/{COMMIT}/ggml-tiny.bin"))).unwrap();
    scene.plan(TINY, &["--models-from", from.as_str()]).expect(66).says("does not have `org/weights`");

    // Both files of the repository, and then the same without the hub.
    let both = format!("{SMALL},{TINY}");
    let vendor = scene.scratch.path.join("vendor");
    let python = python();
    let mut command = scene.tool(&["vendor", vendor.as_str(), "--python", &scene.minor, "--python-from", &python]);
    run(command.args(["--models", &both])).expect(0);
    let asked = scene.hub.requests();
    let out = scene.scratch.path.join("vendored");
    let mut command = scene.tool(&["provision", "--vendor", vendor.as_str(), "--offline", "--out", out.as_str()]);
    run(&mut command).expect(0);
    assert_eq!(scene.hub.requests(), asked);
    let snapshot = out.join("models/hub/models--org--weights/snapshots").join(COMMIT);
    assert_eq!(fs_err::read_to_string(snapshot.join("ggml-small.bin")).unwrap(), "weights");
    assert_eq!(fs_err::read_to_string(snapshot.join("ggml-tiny.bin")).unwrap(), "others");
}

#[test]
fn lock_fills_in_each_file_of_a_repository_in_its_own_place() {
    let scene = scene();
    let ended = scene.lock().expect(0);
    assert!(ended.stdout.contains("org/weights: ggml-tiny.bin: sha256 "), "{}", ended.stdout);
    let text = fs_err::read_to_string(scene.manifests.join("models.toml")).unwrap();
    let tail = &text[text.find("path = \"ggml-small.bin\"").unwrap()..];
    let (small, tiny) = tail.split_once("[[model]]").unwrap();
    assert!(small.contains(&sha256(b"weights")), "{small}");
    assert!(tiny.contains(&sha256(b"others")) && tiny.contains(COMMIT), "{tiny}");
    assert!(scene.lock().expect(0).stdout.contains("unchanged"));
    assert!(scene.planned(&format!("{SMALL},{TINY}"), &["--offline"]).iter().all(|model| model["pinned"] == true));
}
