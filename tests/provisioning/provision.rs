//! The whole way from pinned inputs to a runtime that works anywhere.

use crate::support::*;

#[test]
fn a_runtime_works_after_it_was_moved_and_its_store_is_gone() {
    let scratch = scratch();
    sample_runtime();
    let store = scratch.path.join("store");
    store_with(&store, &["wheel", "bytecode", "tool", "launcher"]);
    let out = scratch.path.join("made here/runtime");
    let made = run(xtask(&["provision", TONES, "--out", out.as_str()]).env("SPEACHES_STORE", &store)).expect(0);
    assert_eq!(made.stdout.trim_end(), out.as_str());
    let moved = scratch.path.join("moved there, with ünlaute and spaces");
    fs_err::rename(&out, &moved).unwrap();
    fs_err::rename(&store, scratch.path.join("gone")).unwrap();

    // `smoke` starts the service without any environment.
    let smoke = run(&mut xtask(&["smoke", moved.as_str()])).expect(0);
    for step in ["(TONES)", "all 2 bundled ones", "of pcm", "of mp3", "of wav", "exit code 0"] {
        assert!(smoke.stdout.contains(step), "`{step}` is not in:\n{}", smoke.stdout);
    }
    assert!(smoke.stdout.contains("Hears \"The quick brown fox jumps over the lazy dog.\""), "{}", smoke.stdout);
    run(&mut xtask(&["verify", moved.as_str()])).expect(0);
}

#[test]
fn the_same_plan_twice_is_nothing_to_do_and_gives_the_same_bytes() {
    let scratch = scratch();
    let first = provision_sample(&scratch.path.join("first"), &[]);
    let before = fs_err::metadata(first.join("runtime.json")).unwrap().modified().unwrap();
    let again = run(&mut xtask(&["provision", TONES, "--out", first.as_str()])).expect(0).says("is up to date");
    assert_eq!(again.stdout.trim_end(), first.as_str());
    assert_eq!(fs_err::metadata(first.join("runtime.json")).unwrap().modified().unwrap(), before);

    let mut elsewhere = xtask(&["provision", TONES, "--out", scratch.path.join("second").as_str()]);
    run(elsewhere.env("TZ", "Pacific/Kiritimati").env("LC_ALL", "C").env("PYTHONHASHSEED", "7")).expect(0);
    let description = |name: &str| fs_err::read(scratch.path.join(name).join("runtime.json")).unwrap();
    assert!(description("first") == description("second"), "the descriptions differ");
}

#[test]
fn another_plan_replaces_the_runtime_that_was_there() {
    let scratch = scratch();
    let out = provision_sample(&scratch.path.join("runtime"), &[]);
    let with_models = json(&out.join("runtime.json"));
    provision_sample(&out, &["--models", "none"]);
    let without = json(&out.join("runtime.json"));
    assert_ne!(with_models["plan"], without["plan"]);
    assert_eq!(without["models"].as_array().unwrap().len(), 0);
    assert!(!out.join("models").exists());
    assert_eq!(scratch.path.read_dir_utf8().unwrap().count(), 1, "the old one is gone");
}

#[test]
fn nothing_in_a_runtime_names_the_machine_it_was_made_on() {
    let runtime = sample_runtime();
    let home = std::env::var("HOME").unwrap();
    let cargo_home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let store = shared_store();
    let inputs = json(&runtime.join("runtime.json"));
    assert_eq!(inputs["python"]["harvested"], true, "the sample takes the CPython of this machine");
    let places = [root().as_str(), store.as_str(), &format!("{home}/.rustup"), &cargo_home];
    for file in files(runtime) {
        // Wheels are published bytes, checked against their pins. Some were built under a home directory that is
        // named like one here, such as `/root`.
        let from_a_wheel =
            file.as_str().contains("site-packages/") && !file.as_str().contains("site-packages/speaches");
        let content = fs_err::read(runtime.join(&file)).unwrap();
        for place in places {
            let found = content.windows(place.len()).any(|window| window == place.as_bytes());
            assert!(!found || (from_a_wheel && place == cargo_home), "`{place}` is in `{file}`");
        }
    }
}

#[test]
fn the_copied_cpython_names_its_old_place_in_its_binaries_only() {
    let runtime = sample_runtime();
    let minor = json(&runtime.join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
    let asked = std::process::Command::new("python3")
        .args(["-I", "-c", "import sys; print(sys.base_prefix)"])
        .output()
        .unwrap();
    let prefix = String::from_utf8(asked.stdout).unwrap().trim().to_owned();
    if prefix.matches('/').count() < 2 {
        return not_run(
            "python-of-its-own",
            "the old place of CPython",
            &format!("`{prefix}` says nothing about this machine"),
        );
    }
    for file in files(runtime) {
        let content = fs_err::read(runtime.join(&file)).unwrap();
        if content.windows(prefix.len()).any(|window| window == prefix.as_bytes()) {
            // The C compiler put it there. The launcher has the loader look into the runtime first, and CPython
            // finds its library beside its executable.
            let harmless = ["python", "python3", &format!("python{minor}")]
                .contains(&file.file_name().unwrap_or_default())
                || file.as_str().starts_with("python/lib/libpython")
                || file.as_str().contains("/lib-dynload/");
            assert!(harmless, "`{prefix}` is in `{file}`");
        }
    }
}

#[test]
#[cfg(unix)]
fn the_programs_of_a_runtime_share_no_permissions_with_the_store() {
    use std::os::unix::fs::MetadataExt as _;
    let runtime = sample_runtime();
    for directory in ["bin", "python/bin"] {
        for file in files(&runtime.join(directory)) {
            let metadata = fs_err::metadata(runtime.join(directory).join(&file)).unwrap();
            assert_eq!(metadata.nlink(), 1, "{directory}/{file}");
            assert_eq!(metadata.mode() & 0o777, 0o755, "{directory}/{file}");
        }
    }
}

#[test]
#[cfg(unix)]
fn no_link_leaves_a_runtime() {
    let runtime = sample_runtime();
    for file in files(runtime) {
        let path = runtime.join(&file);
        if path.is_symlink() {
            let target = path.canonicalize_utf8().unwrap();
            assert!(target.starts_with(runtime.canonicalize_utf8().unwrap()), "`{file}` leads to `{target}`");
        }
    }
}

#[test]
fn speaches_is_installed_with_metadata_and_data_files() {
    let runtime = sample_runtime();
    let site_packages = files(runtime)
        .into_iter()
        .find(|file| file.as_str().contains(".dist-info/METADATA") && file.as_str().contains("/speaches-"))
        .expect("there is a dist-info of speaches");
    let own = runtime.join(&site_packages);
    let metadata = fs_err::read_to_string(&own).unwrap();
    assert!(metadata.contains("Name: speaches\nVersion: 0.0.0+g"), "{metadata}");
    assert!(metadata.contains("Requires-Dist: numpy>=2.2.6\n"), "{metadata}");
    assert!(metadata.contains("Requires-Dist: gradio>=5.49.1 ; extra == 'ui'\n"), "{metadata}");
    let record = fs_err::read_to_string(own.with_file_name("RECORD")).unwrap();
    assert!(record.contains("speaches/main.py,sha256="), "{record}");
    assert!(runtime.join("app/realtime-console/dist/index.html").is_file());
    let aliases = json(&runtime.join("app/model_aliases.json"));
    assert_eq!(aliases["whisper-1"], "sample/tone-transcription", "the aliases lead to the bundled models");
}

#[test]
fn verify_names_what_was_changed_removed_and_added() {
    let scratch = scratch();
    let runtime = provision_sample(&scratch.path.join("runtime"), &[]);
    let manager = runtime.join("service/speaches_service_manager.py");
    // The runtime shares its bytes with the store, so a change has to be made to a copy.
    let text = fs_err::read_to_string(&manager).unwrap();
    fs_err::remove_file(&manager).unwrap();
    fs_err::write(&manager, text.replacen('s', "z", 1)).unwrap();
    fs_err::remove_file(runtime.join("app/model_aliases.json")).unwrap();
    fs_err::write(runtime.join("app/extra.txt"), "").unwrap();
    run(&mut xtask(&["verify", runtime.as_str()]))
        .expect(65)
        .says("changed: service/speaches_service_manager.py")
        .says("missing: app/model_aliases.json")
        .says("extra: app/extra.txt");
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let scratch = scratch();
    let store = scratch.path.join("store");
    let out = scratch.path.join("runtime");
    let plan_of = |which: &[&str], more: &[&str]| {
        let mut command = xtask(&["provision", "--dry-run", "--out", out.as_str()]);
        run(command.args(which).args(more).env("SPEACHES_STORE", &store)).expect(0)
    };
    let plan = |more: &[&str]| plan_of(&[TONES], more);
    let text = plan(&[]).stdout;
    let directory = root().join("manifests/tones");
    assert_eq!(plan_of(&["--manifests", directory.as_str()], &[]).stdout, text, "the flag is short for the directory");
    for part in ["the TONES of speaches", "CPython 3.", "onnxruntime-", "to fetch", "sample/tone-speech", out.as_str()]
    {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    let plan: serde_json::Value = serde_json::from_str(&plan(&["--json"]).stdout).unwrap();
    assert_eq!(plan["sample"], true);
    let inputs = plan["inputs"].as_array().unwrap();
    let wheels = inputs.iter().filter(|input| input["kind"] == "wheel").collect::<Vec<_>>();
    assert!(wheels.len() > 10 && wheels.iter().all(|wheel| wheel["cached"] == false && wheel["pinned"] == true));
    assert!(plan["fetch_bytes"].as_u64().unwrap() > 10_000_000);
    assert_nothing_half_made(&scratch.path);
}

#[test]
fn quickstart_speaks_listens_and_says_what_to_do_next() {
    let scratch = scratch();
    let out = scratch.path.join("runtime");
    let ended = run(&mut xtask(&["quickstart", TONES, "--out", out.as_str()])).expect(0);
    for part in
        ["TONES", "Heard The quick brown fox", "/bin/speaches serve", "curl http://127.0.0.1:34331", "provision"]
    {
        assert!(ended.stdout.contains(part), "`{part}` is not in:\n{}", ended.stdout);
    }
    let spoken = fs_err::read(scratch.path.join("quickstart.wav")).unwrap();
    assert!(spoken.starts_with(b"RIFF"));
}
