//! Models from a hub on this machine that speaks the protocol of the real one, and from caches.
#![cfg(unix)]

use crate::support::faults::Reply;
use crate::support::hub::{COMMIT, Repository, refusal};
use crate::support::scene::{Scene, of_kind, sample_models};
use crate::support::*;
use serde_json::Value;

const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

#[test]
fn the_default_models_come_from_the_hub_once_and_what_was_not_pinned_is_recorded() {
    let scene = Scene::with_defaults().set("HF_TOKEN", "hf_secret");
    scene.take_wheels_from_the_shared_store();
    scene.provision(&[]).expect(0).says("not pinned, but recorded");
    let out = scene.scratch.path.join("out/runtime");
    let description = json(&out.join("runtime.json"));
    for model in description["models"].as_array().unwrap() {
        assert_eq!(model["revision"], COMMIT);
        let id = model["id"].as_str().unwrap().replace('/', "--");
        let main = fs_err::read_to_string(out.join(format!("models/hub/models--{id}/refs/main"))).unwrap();
        assert_eq!(main, COMMIT, "without a newline");
    }
    let unpinned = description["inputs"].as_array().unwrap().iter().filter(|input| input["pinned"] == false);
    assert_eq!(unpinned.filter(|input| input["kind"] == "model").count(), 2);
    run(&mut xtask(&["smoke", out.as_str()])).expect(0);

    for request in scene.hub.api.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer hf_secret"), "{request:?}");
        assert_eq!(request.header("accept-encoding"), Some("identity"), "{request:?}");
    }
    let cdn = scene.hub.cdn.requests();
    assert!(!cdn.is_empty());
    assert!(cdn.iter().all(|request| request.header("authorization").is_none()), "{cdn:?}");

    let asked = scene.hub.requests();
    fs_err::remove_dir_all(&out).unwrap();
    scene.provision(&["--offline"]).expect(0);
    assert_eq!(scene.hub.requests(), asked, "what was resolved and fetched once is not asked for again");
    // Now they are asked for at the commits that they have, and are what the manifest says of them all the same.
    run(&mut scene.tool(&["reproduce", out.as_str(), "--python-from", &python()])).expect(0);
}

#[test]
fn a_hub_that_serves_other_bytes_than_it_says_is_not_believed() {
    let scene = Scene::with_defaults();
    let whole = scene.plan("default", &[]).expect(0);
    assert_eq!(of_kind(&serde_json::from_str(&whole.stdout).unwrap()).len(), 2);
    let card = hub::file("sample/tone-speech", COMMIT, "README.md");
    scene.hub.api.set(&card, vec![Reply::data(b"another card")]);
    scene.plan("default", &[]).expect(65).says("does not match the hub").says("the git id");
}

#[test]
fn a_hub_that_is_busy_for_a_moment_is_asked_again() {
    let scene = Scene::with(&[]);
    let repository = Repository::whisper("org/whisper");
    scene.hub.serve(&repository);
    let path = format!("{}?blobs=true", hub::api("org/whisper", "main"));
    let good = scene.hub.api.scripted(&path);
    let busy = Reply::status(503).header("Retry-After", "1");
    scene.hub.api.set(&path, vec![busy.clone(), Reply::hangs_up(), good.clone().cut(20), good]);
    let card = hub::file("org/whisper", COMMIT, "README.md");
    let readme = scene.hub.api.scripted(&card);
    scene.hub.api.set(&card, vec![Reply::status(429).header("Retry-After", "1"), readme.clone().reset(10), readme]);
    assert_eq!(scene.planned("org/whisper", &[]).len(), 1);

    scene.hub.api.set(&path, vec![busy]);
    let down = scene.plan("org/whisper", &[]).expect(69);
    down.says("cannot be reached for the model `org/whisper`").says("given up after 5 attempts").says("HF_ENDPOINT");
    let nobody = Scene::with(&[]).set("HF_ENDPOINT", "http://127.0.0.1:9");
    nobody.plan("default", &[]).expect(69).says("cannot be reached").says("`--models-from` takes models from a cache");
    let odd = Scene::with(&[]);
    odd.hub.api.set(&path, vec![Reply::data(b"<html>log in first</html>")]);
    odd.plan("org/whisper", &[]).expect(69).says("does not answer like the Hugging Face hub").says("HF_ENDPOINT");
    odd.hub.api.set(&path, vec![Reply::data(b"{}").claiming(1 << 40)]);
    odd.plan("org/whisper", &[]).expect(69).says("it is larger than the limit of 67.1 MB");
}

#[test]
fn every_refusal_is_explained_in_a_sentence() {
    let scene = Scene::with(&[]);
    let main = format!("{}?blobs=true", hub::api("org/model", "main"));
    let missing = refusal(401, Some("RepoNotFound"), "Repository not found");
    let credentials = refusal(401, None, "Invalid credentials in Authorization header");
    let disabled = refusal(403, None, "Access to this resource is disabled.");
    let revision = refusal(404, Some("RevisionNotFound"), "Invalid rev id: main");
    let forbidden = refusal(403, Some("GatedRepo"), "Access to model org/model is restricted.");
    let teapot = refusal(418, None, "I am a teapot");
    for (reply, token, says) in [
        (Reply::status(404), None, &["`org/model` does not exist, or is private", "check the spelling"][..]),
        (missing.clone(), None, &["`org/model` does not exist, or is private", "`hf auth login`"]),
        (missing, Some("hf_mine"), &["does not exist, or is private and not for the token from `HF_TOKEN`"]),
        (credentials, Some("hf_old"), &["rejects the token from `HF_TOKEN`", "settings/tokens"]),
        (disabled, None, &["has disabled the repository `org/model`", "choose another model"]),
        (revision, None, &["`org/model` has no branch, tag or commit `main`", "commits/main"]),
        (forbidden.clone(), None, &["`org/model` is gated", "there is no token", "accept them at"]),
        (
            forbidden,
            Some("hf_mine"),
            &["the account of the token from `HF_TOKEN` has no access", "accept its terms at"],
        ),
        (teapot, None, &["answers 418", "I am a teapot"]),
    ] {
        scene.hub.api.set(&main, vec![reply]);
        let ended = match token {
            None => scene.plan("org/model", &[]),
            Some(token) => {
                let python = python();
                let mut command = scene.tool(&["provision", "--python", &scene.minor, "--python-from", &python]);
                run(command.args(["--dry-run", "--models", "org/model"]).env("HF_TOKEN", token))
            }
        };
        let mut ended = ended.expect(69).says("\nhint: ");
        for text in says {
            ended = ended.says(text);
        }
        assert!(!ended.stderr.contains("hf_"), "a token in a message: {}", ended.stderr);
    }
    // A model of the manifest may lack a file.
    let scene = Scene::with(&[]);
    let [speech, listener] = sample_models();
    scene.hub.serve(&speech.without("voices.bin"));
    scene.hub.serve(&listener);
    scene.plan("default", &[]).expect(65).says("has no file `voices.bin`").says("/tree/");
    let scene = Scene::with(&[Repository::whisper("org/whisper")]);
    let card = hub::file("org/whisper", COMMIT, "README.md");
    scene.hub.api.set(&card, vec![refusal(404, Some("EntryNotFound"), "Entry not found")]);
    scene.plan("org/whisper", &[]).expect(69).says("has no file `README.md`");
}

#[test]
fn a_gated_model_needs_a_token_of_an_account_that_accepted_its_terms() {
    let scene = Scene::with(&[Repository::whisper("org/gated").gated_for("hf_member")]);
    scene.plan("org/gated", &[]).expect(69).says("`org/gated` is gated").says("there is no token");
    assert_eq!(scene.hub.requests(), 1, "nothing was fetched before");
    let stranger = Scene { hub: scene.hub, ..Scene::with(&[]) }.set("HF_TOKEN", "hf_stranger");
    stranger.plan("org/gated", &[]).expect(69).says("the account of the token from `HF_TOKEN` has no access to it");

    // `hf auth login` writes the token there.
    let member = Scene { hub: stranger.hub, ..Scene::with(&[]) };
    fs_err::create_dir(member.scratch.path.join("hf")).unwrap();
    fs_err::write(member.scratch.path.join("hf/token"), "hf_member\n").unwrap();
    assert_eq!(member.planned("org/gated", &[]).len(), 1);
    let token = member.scratch.path.join("elsewhere");
    fs_err::write(&token, "hf_other").unwrap();
    let other = member.set("HF_TOKEN_PATH", token.as_str());
    other.plan("org/gated", &[]).expect(69).says(&format!("the token from `{token}` has no access"));

    // Access may be taken back between the plan and the download.
    let scene = Scene::with(&[Repository::whisper("org/whisper")]);
    let model = hub::file("org/whisper", COMMIT, "model.bin");
    let message = "Access to model org/whisper is restricted.";
    scene.hub.api.set(&model, vec![refusal(403, Some("GatedRepo"), message)]);
    let list = scene.scratch.path.join("list.json");
    let wanted = serde_json::json!([{
        "urls": [format!("{}{model}", scene.hub.api.url)], "sha256": sha256(b"x"), "size": 1
    }]);
    fs_err::write(&list, wanted.to_string()).unwrap();
    let ended = run(&mut scene.tool(&["fetch", list.as_str()])).expect(69);
    ended.says(&format!("403 Forbidden: {message}")).says("hint: a gated model needs its terms accepted");
}

#[test]
fn a_renamed_repository_is_followed_and_keeps_the_name_that_was_asked_for() {
    let scene = Scene::with(&[]);
    scene.hub.rename("old/whisper", &Repository::whisper("new/whisper"));
    scene.hub.rename("new/Whisper", &Repository::whisper("new/whisper"));
    for asked in ["old/whisper", "new/Whisper"] {
        let ended = scene.plan(asked, &[]).expect(0);
        let note = format!("note: the hub has renamed `{asked}` to `new/whisper`");
        assert_eq!(ended.stderr.matches(&note).count(), 1, "{}", ended.stderr);
        let [model] = &of_kind(&serde_json::from_str(&ended.stdout).unwrap())[..] else { panic!("one model") };
        assert_eq!(model["name"], asked);
    }
}

#[test]
fn any_model_that_speaches_serves_can_be_bundled_and_nothing_else() {
    let piper = "org/piper-en_GB-alan-medium";
    let parakeet = "istupakov/parakeet-tdt-0.6b-v3-onnx";
    let (whisper, kokoro) = (Repository::whisper("org/whisper"), Repository::kokoro("org/kokoro"));
    let (alan, tdt) = (Repository::piper(piper, "en"), Repository::parakeet(parakeet));
    let scene = Scene::with(&[
        whisper.clone(),
        kokoro.clone(),
        alan.clone(),
        tdt.clone(),
        Repository::language_model("org/text"),
        Repository::piper("org/piper-voice", "en"),
        Repository::piper("org/piper-xx-two-low", "[en, de]"),
        Repository::whisper("org/without").without("tokenizer.json"),
        Repository::whisper("org/cardless").without("README.md"),
        Repository::new("org/broken", &[("README.md", "---\nlanguage: no\n---\n"), ("model.bin", "x")]),
    ]);
    let list = format!("org/whisper,org/kokoro,{piper},{parakeet}");
    let models = scene.planned(&list, &[]);
    assert_eq!(models.len(), 4);
    assert!(models.iter().all(|model| model["pinned"] == false && model["cached"] == false), "{models:?}");
    let size = |repository: &Repository, left_out: &[&str]| repository.size() - repository.size_of(left_out);
    for (model, expected) in models.iter().zip([
        size(&whisper, &["model.safetensors", ".gitattributes"]),
        size(&kokoro, &["x/model.onnx"]),
        size(&alan, &["MODEL_CARD"]),
        size(&tdt, &["encoder-model.int8.onnx"]),
    ]) {
        assert_eq!(model["size"], expected, "{model}");
    }
    assert!(scene.hub.requests() < 30, "only small files are read for a plan");
    assert!(scene.hub.cdn.requests().is_empty(), "large files are not");
    scene.plan("org/kokoro", &["--locked"]).expect(78).says("`--locked` refuses unpinned inputs").says("org/kokoro (");

    for (id, says) in [
        (
            "org/text",
            &["`library_name: transformers` and `pipeline_tag: text-generation`", "Whisper in CTranslate2"][..],
        ),
        ("org/piper-voice", &["named `piper-LANGUAGE-VOICE-QUALITY`"]),
        ("org/piper-xx-two-low", &["one `language`"]),
        ("org/without", &["it has no `tokenizer.json`"]),
        ("org/cardless", &["it has no `README.md`", "metadata"]),
        ("org/broken", &["its card has a `language`"]),
    ] {
        let mut ended = scene.plan(id, &[]).expect(78).says(&format!("speaches cannot serve `{id}`")).says("\nhint: ");
        for text in says {
            ended = ended.says(text);
        }
    }
}

#[test]
fn names_are_checked_before_anything_is_asked() {
    let scene = Scene::with(&[]);
    let long = format!("org/{}", "x".repeat(100));
    for (wanted, says) in [
        ("whisper", "`whisper` is not a repository of the hub"),
        ("a/b,", "`` is not a repository of the hub"),
        ("a/../b", "`a/../b` is not a repository"),
        ("a/b--c", "`a/b--c` is not a repository"),
        (long.as_str(), "is not a repository"),
        ("a/b@", "`` is not a branch, tag or commit of `a/b`"),
        ("a/b@../c", "`../c` is not a branch"),
        ("a/b,a/b", "names a model twice: `a/b` and `a/b`"),
        ("a/b,A/B@v1", "names a model twice: `a/b` and `A/B`"),
        ("sample/tone-speech@v2,sample/tone-speech", "names a model twice"),
    ] {
        scene.plan(wanted, &[]).expect(64).says(says).says("\nhint: ");
    }
    assert_eq!(scene.hub.requests(), 0);
}

#[test]
fn a_branch_tag_or_commit_can_be_asked_for() {
    let scene = Scene::with(&[
        Repository::kokoro("org/kokoro"),
        Repository::kokoro("org/kokoro").at("refs/pr/1", OTHER),
        Repository::whisper("org/other").at("v2", OTHER),
    ]);
    let digest = |wanted: &str| scene.planned(wanted, &[])[0]["sha256"].clone();
    let main = digest("org/kokoro");
    assert_eq!(digest("org/kokoro@main"), main);
    assert_eq!(digest(&format!("org/kokoro@{COMMIT}")), main, "the same content has the same identity");
    let other = digest("org/kokoro@refs/pr/1");
    assert_ne!(other, main);
    assert_eq!(digest(&format!("org/kokoro@{OTHER}")), other);
    scene.plan("org/kokoro@v3", &[]).expect(69).says("does not exist");
    assert_eq!(scene.planned("org/other@v2", &[]).len(), 1);
}

#[test]
fn the_commit_of_a_branch_is_remembered_per_revision() {
    let scene = Scene::with(&[]);
    let memory = scene.scratch.path.join("store/resolutions.json");
    let digest = "0".repeat(64);
    let files = format!("{{\"README.md\": [1, \"{digest}\"], \"model.onnx\": [2, \"{digest}\"]}}");
    let about = "{\"task\": \"text-to-speech\", \"voice\": null, \"license\": \"MIT\"}";
    let text = format!(
        "{{\"org/kokoro@v1\": {{\"commit\": \"{COMMIT}\", \"files\": {files}, \"about\": {about}}},
          \"org/kokoro\": {{\"commit\": \"{COMMIT}\", \"files\": {files}}}}}"
    );
    fs_err::write(&memory, text).unwrap();
    assert_eq!(scene.planned("org/kokoro@v1", &["--offline"])[0]["size"], 3);
    // Records of earlier versions of the tool do not contain the kind of a model.
    scene.plan("org/kokoro", &["--offline"]).expect(69).says("`--offline` forbids contacting the hub");
    fs_err::write(&memory, "damaged").unwrap();
    let forbidden = scene.set("HF_HUB_OFFLINE", "1");
    forbidden
        .plan("org/kokoro@v1", &[])
        .expect(69)
        .says("`HF_HUB_OFFLINE` forbids contacting the hub")
        .says("without `HF_HUB_");
    assert_eq!(forbidden.hub.requests(), 0);
}

#[test]
fn a_cache_says_itself_what_it_has() {
    let scene = Scene::with(&[]);
    let hub = scene.scratch.path.join("cache/hub");
    Repository::kokoro("org/kokoro").cache(&hub);
    Repository::kokoro("org/kokoro").without("voices.bin").at("v2", OTHER).cache(&hub);
    Repository::language_model("org/text").cache(&hub);
    let from = ["--models-from", scene.scratch.path.join("cache").as_str()].map(str::to_owned);
    let from = from.iter().map(String::as_str).collect::<Vec<_>>();
    let [model] = &scene.planned("org/kokoro", &from)[..] else { panic!("one model") };
    assert_eq!((&model["pinned"], &model["cached"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!(scene.planned(&format!("org/kokoro@{COMMIT}"), &from)[0]["sha256"], model["sha256"]);
    scene.plan("org/kokoro@v2", &from).expect(78).says("it has no `voices.bin`");
    scene.plan("org/kokoro@v3", &from).expect(66).says("does not have `org/kokoro`");
    scene.plan(&format!("org/kokoro@{}", "0".repeat(40)), &from).expect(66).says("there is no `");
    scene.plan("org/text", &from).expect(78).says("speaches cannot serve `org/text`");
    assert_eq!(scene.hub.requests(), 0);

    // The hub would say the same of the same files.
    scene.hub.serve(&Repository::kokoro("org/kokoro"));
    assert_eq!(scene.planned("org/kokoro", &[])[0]["sha256"], model["sha256"]);
}

#[test]
fn lock_fills_in_what_is_open_and_says_what() {
    let scene = Scene::with_defaults();
    let path = scene.manifests.join("models.toml");
    edit(&path, "[[model]]", "# A comment.\n[[model]]");
    let before = fs_err::read_to_string(&path).unwrap();
    let ended = scene.lock().expect(0);
    assert!(ended.stdout.contains(&format!("sample/tone-speech: revision → {COMMIT}")), "{}", ended.stdout);
    assert!(ended.stdout.contains("sample/tone-transcription: README.md: sha256 "), "{}", ended.stdout);
    let after = fs_err::read_to_string(&path).unwrap();
    let mut rest = after.lines();
    for line in before.lines() {
        assert!(rest.any(|other| other == line), "`{line}` is gone, or not in its place:\n{after}");
    }
    let asked = scene.hub.requests();
    assert!(scene.lock().expect(0).stdout.contains("unchanged"));
    assert_eq!(fs_err::read_to_string(&path).unwrap(), after);
    assert_eq!(scene.hub.requests(), asked, "there was nothing left to ask");
    assert!(scene.planned("default", &["--offline"]).iter().all(|model| model["pinned"] == true));

    // Completely pinned models must be downloaded too.
    scene.take_wheels_from_the_shared_store();
    let offline = scene.set("HF_HUB_OFFLINE", "1");
    offline.provision(&[]).expect(69).says("is not in the store").says("`HF_HUB_OFFLINE` forbids downloading it");
    assert_nothing_half_made(&offline.scratch.path.join("out"));
    assert_eq!(offline.hub.requests(), asked);
}

#[test]
fn lock_confirms_or_corrects_what_was_only_predicted() {
    let scene = Scene::with_defaults();
    let path = scene.manifests.join("models.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    let wrong = "0".repeat(64);
    let predicted = format!("path = \"README.md\"\nsize = 1\nsha256 = \"{wrong}\"\npredicted = true");
    fs_err::write(&path, text.replacen("path = \"README.md\"", &predicted, 1)).unwrap();
    let ended = scene.lock().expect(0);
    assert!(ended.stdout.contains(&format!("README.md: sha256 {wrong} → ")), "{}", ended.stdout);
    let after = fs_err::read_to_string(&path).unwrap();
    assert!(!after.contains("predicted"), "{after}");
    fs_err::write(&path, after.replacen("size = 509\n", "size = 509\npredicted = true\n", 1)).unwrap();
    assert!(scene.lock().expect(0).stdout.contains("the hub confirms the predicted sha256"));
    assert_eq!(fs_err::read_to_string(&path).unwrap(), after);
}

#[test]
fn lock_writes_nothing_when_the_hub_contradicts_a_pin_or_does_not_answer() {
    let scene = Scene::with_defaults();
    let path = scene.manifests.join("models.toml");
    let text = fs_err::read_to_string(&path).unwrap();
    let digest = text.lines().rfind(|line| line.starts_with("sha256")).unwrap();
    let contradicted = text.replace(digest, &format!("sha256 = \"{}\"", "0".repeat(64)));
    fs_err::write(&path, &contradicted).unwrap();
    scene.lock().expect(65).says("does not match its pin").says("tone-transcription");
    assert_eq!(fs_err::read_to_string(&path).unwrap(), contradicted);

    let card = hub::file("sample/tone-speech", COMMIT, "README.md");
    scene.hub.api.set(&card, vec![Reply::status(503)]);
    scene.lock().expect(0).says("note: ").says("was not changed").says("the server answers 503");
    let nobody = scene.set("HF_ENDPOINT", "http://127.0.0.1:9");
    nobody.lock().expect(0).says("note: ").says("was not changed").says("cannot be reached");
    assert_eq!(fs_err::read_to_string(&path).unwrap(), contradicted);
}
