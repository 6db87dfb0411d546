//! Bad input ends with one clear message, a hint and a documented exit code, and leaves no incomplete output.

use std::process::Command;

use crate::support::faults::{Faults, Reply};
use crate::support::*;
use camino::Utf8Path;

/// Runs a provision that has to fail and leave nothing behind.
#[track_caller]
fn refused(arguments: &[&str], code: i32, says: &[&str]) {
    let scratch = scratch();
    let out = scratch.path.join("runtime");
    let mut ended = run(xtask(&["provision", "--out", out.as_str()]).args(arguments)).expect(code);
    for text in says {
        ended = ended.says(text);
    }
    assert!(ended.stdout.is_empty(), "standard output is for results: {}", ended.stdout);
    assert!(
        code == 64 && ended.stderr.contains("Usage") || ended.stderr.contains("\nhint: "),
        "no hint:\n{}",
        ended.stderr
    );
    assert_nothing_half_made(&scratch.path);
}

#[test]
fn unknown_words_on_the_command_line() {
    refused(
        &["--target", "riscv64-unknown-linux-gnu"],
        64,
        &["there is no target `riscv64-unknown-linux-gnu`", "x86_64-apple-darwin"],
    );
    refused(&["--accelerator", "rocm"], 64, &["there is no accelerator `rocm`"]);
    refused(&["--python", "3.9"], 64, &["no CPython `3.9` is pinned", "3.12"]);
    refused(&["--without", "everything"], 64, &["there is no optional part `everything`", "diarization"]);
    refused(
        &["--models", "nobody"],
        64,
        &["`nobody` is not a repository of the hub", "OWNER/NAME@REVISION", "Systran/"],
    );
    refused(&["--no-such-flag"], 64, &["unexpected argument"]);
}

#[test]
fn benchmarks_cannot_be_built_without_cargo() {
    let mut bench = xtask(&["bench", "wheels", "--rounds", "1"]);
    run(bench.env("CARGO", "/var/empty/cargo"))
        .expect(69)
        .says("cannot start `/var/empty/cargo`, which builds the benchmarks")
        .says("\nhint: install Rust");
}

#[test]
fn a_combination_that_does_not_exist_says_why() {
    refused(&["--target", "aarch64-apple-darwin", "--accelerator", "cuda"], 78, &["Macs have no NVIDIA GPU"]);
    refused(&["--python", "3.12.15", "--target", "x86_64-pc-windows-msvc", TONES], 69, &["it has wheels for"]);
}

#[test]
fn a_launcher_that_cannot_be_built_is_a_line_of_the_plan_and_ends_a_run_before_anything_is_fetched() {
    let without_rust = |arguments: &[&str]| run(xtask(arguments).env("RUSTC", "/nowhere/rustc"));
    let planned = without_rust(&["provision", TONES, "--dry-run"]).expect(0).stdout;
    let line = planned.lines().find(|line| line.trim_start().starts_with("launcher")).unwrap();
    assert!(line.contains("missing") && line.contains("cannot run `/nowhere/rustc`"), "{planned}");
    assert!(planned.contains("goes to:"), "the plan is not whole:\n{planned}");
    let told = without_rust(&["provision", TONES, "--dry-run", "--json"]).expect(0).stdout;
    let document = serde_json::from_str::<serde_json::Value>(&told).unwrap();
    let launcher = document["inputs"].as_array().unwrap().iter().find(|input| input["kind"] == "launcher").unwrap();
    assert_eq!(launcher["available"], false);

    let scratch = scratch();
    let out = scratch.path.join("runtime");
    let store = scratch.path.join("store");
    let mut command = xtask(&["provision", TONES, "--out", out.as_str()]);
    run(command.env("RUSTC", "/nowhere/rustc").env("SPEACHES_STORE", &store))
        .expect(69)
        .says("the launcher cannot be built: cannot run `/nowhere/rustc`")
        .says("hint: install Rust");
    assert!(!out.exists() && !store.join("files").exists());
}

#[test]
fn a_target_without_a_lock() {
    let scratch = scratch();
    let manifests = own_manifests(&scratch.path);
    for entry in manifests.join("locks").read_dir_utf8().unwrap().map(Result::unwrap) {
        fs_err::remove_file(entry.path()).unwrap();
    }
    let says = ["there is no lock for", "cargo xtask lock"];
    let arguments = ["--manifests", manifests.as_str(), "--python", "3.12", "--target", "x86_64-unknown-linux-gnu"];
    refused(&arguments, 78, &says);

    // Why it is not there is stated for one Python and one accelerator, and said for no other.
    let table = "[target.x86_64-unknown-linux-gnu.unavailable]\n";
    let reason = "nobody has built a wheel of the sample for it";
    edit(&manifests.join("targets.toml"), table, &format!("{table}\"3.12-cpu\" = \"{reason}\"\n"));
    refused(&arguments, 78, &["with cpu on Python 3.12: nobody has built a wheel of the sample for it\nhint: "]);
    let ended = run(xtask(&["provision", "--dry-run", "--accelerator", "cuda"]).args(arguments)).expect(78);
    assert!(!ended.says("with cuda on Python 3.12\nhint: ").stderr.contains(reason));
}

#[test]
fn a_python_of_another_minor_version() {
    let ask = "import sys; print(sys.executable, '{}.{}'.format(*sys.version_info), sep='\\n')";
    let answer = Command::new("python3").args(["-c", ask]).output().unwrap();
    let answer = String::from_utf8(answer.stdout).unwrap();
    let (python, minor) = answer.trim().split_once('\n').unwrap();
    let other = if minor == "3.12" { "3.10" } else { "3.12" };
    refused(
        &[TONES, "--python", other, "--python-from", python],
        78,
        &[&format!("but the runtime needs Python {other}"), &format!("--python {minor}")],
    );
}

#[test]
fn a_python_that_is_none() {
    refused(&[TONES, "--python-from", "/nowhere/python3"], 66, &["this path does not exist"]);
    let scratch = scratch();
    let not_python = scratch.path.join("python3");
    fs_err::write(&not_python, "hello").unwrap();
    refused(&[TONES, "--python-from", not_python.as_str()], 65, &["cannot be run as a Python interpreter"]);
    refused(&[TONES, "--python-from", scratch.path.as_str()], 64, &["is a directory"]);
}

#[test]
fn what_is_not_a_speaches_tree() {
    let scratch = scratch();
    let arguments = |path: &Utf8Path| vec![TONES.to_owned(), "--speaches-from".to_owned(), path.to_string()];
    let check = |path: &Utf8Path, code, says: &[&str]| {
        let arguments = arguments(path);
        refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), code, says);
    };
    check(&scratch.path.join("nowhere"), 66, &["this path does not exist"]);
    check(&scratch.path, 65, &["is not a speaches tree"]);
    let archive = scratch.path.join("archive.tar.gz");
    fs_err::write(&archive, "not gzip").unwrap();
    check(&archive, 65, &["is not a source archive of speaches"]);
}

/// A copy of the miniature's source that a test may change.
fn copied_source(to: &Utf8Path) -> camino::Utf8PathBuf {
    let source = root().join("tests/sample/speaches");
    let copy = to.join("speaches");
    for file in files(&source) {
        let target = copy.join(&file);
        fs_err::create_dir_all(target.parent().unwrap()).unwrap();
        fs_err::copy(source.join(&file), target).unwrap();
    }
    copy
}

#[test]
fn a_dirty_speaches_tree_names_the_paths_that_differ() {
    let scratch = scratch();
    let source = copied_source(&scratch.path);
    fs_err::write(source.join("LICENSE"), "changed").unwrap();
    fs_err::write(source.join("src/speaches/new_module.py"), "").unwrap();
    fs_err::remove_file(source.join("model_aliases.json")).unwrap();
    refused(
        &[TONES, "--speaches-from", source.as_str()],
        65,
        &[
            "modified: LICENSE",
            "missing:  model_aliases.json",
            "unknown:  src/speaches/new_module.py",
            "--allow-unpinned",
        ],
    );
}

#[test]
fn a_dirty_tree_is_taken_and_recorded_when_the_user_says_so() {
    let scratch = scratch();
    let source = copied_source(&scratch.path);
    fs_err::write(source.join("src/speaches/new_module.py"), "type New = int\n").unwrap();
    let out = scratch.path.join("runtime");
    provision_sample(&out, &["--speaches-from", source.as_str(), "--allow-unpinned"]);
    let description = json(&out.join("runtime.json"));
    let input = description["inputs"].as_array().unwrap().iter().find(|input| input["kind"] == "speaches").unwrap();
    assert_eq!(input["pinned"], false);
    assert!(description["version"].as_str().unwrap().starts_with("unpinned-"), "{}", description["version"]);
    assert!(files(&out).iter().any(|file| file.as_str().ends_with("speaches/new_module.py")));
    run(&mut xtask(&["smoke", out.as_str()])).expect(0);
}

#[test]
fn a_runtime_that_hears_something_else_than_it_said_fails_its_smoke_test() {
    let scratch = scratch();
    let source = copied_source(&scratch.path);
    let ears = source.join("src/speaches/executors/tones.py");
    let right = fs_err::read_to_string(&ears).unwrap();
    let wrong = right.replace("spelled.decode(", "spelled[::-1].decode(");
    assert_ne!(right, wrong);
    fs_err::write(ears, wrong).unwrap();
    let out = scratch.path.join("runtime");
    provision_sample(&out, &["--speaches-from", source.as_str(), "--allow-unpinned"]);
    run(&mut xtask(&["smoke", out.as_str()]))
        .expect(69)
        .says("the service said \"The quick brown fox jumps over the lazy dog.\", but heard \".god yzal eht");
}

#[test]
fn source_that_cannot_be_ported_names_file_line_and_construct() {
    let minor = json(&sample_runtime().join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
    if !["3.10", "3.11"].contains(&minor.as_str()) {
        return not_run("old-python", "refused constructs", &format!("Python {minor} takes the source as it is"));
    }
    let scratch = scratch();
    let source = copied_source(&scratch.path);
    fs_err::write(
        source.join("src/speaches/new_module.py"),
        "import itertools\n\nprint(list(itertools.batched('abc', 2)))\n",
    )
    .unwrap();
    let says = ["src/speaches/new_module.py:3", "itertools.batched"];
    refused(&[TONES, "--speaches-from", source.as_str(), "--allow-unpinned"], 65, &says);
}

#[test]
fn an_archive_with_another_sha256_than_its_pin() {
    let scratch = scratch();
    let archive = python_archive(&scratch.path);
    let manifests = own_manifests(&scratch.path);
    // This archive is not pinned, in any version.
    let minor = json(&sample_runtime().join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
    edit(&manifests.join("python.toml"), "version = \"3.12.16\"", &format!("version = \"{minor}.99\""));
    let says = ["is not the pinned CPython", "pinned: sha256", "found:  sha256", "--allow-unpinned"];
    refused(&["--manifests", manifests.as_str(), "--python", &minor, "--python-from", archive.as_str()], 65, &says);
}

#[test]
fn a_model_file_that_is_not_what_its_pin_says() {
    let scratch = scratch();
    let hub = scratch.path.join("hub");
    for file in files(&root().join("tests/sample/hub")) {
        fs_err::create_dir_all(hub.join(&file).parent().unwrap()).unwrap();
        fs_err::copy(root().join("tests/sample/hub").join(&file), hub.join(&file)).unwrap();
    }
    let model = files(&hub).into_iter().find(|file| file.as_str().ends_with("model.onnx")).unwrap();
    fs_err::write(hub.join(model), "broken").unwrap();
    refused(&[TONES, "--models-from", hub.as_str()], 65, &["does not match its pin", "model.onnx"]);
    refused(&[TONES, "--models-from", scratch.path.join("none").as_str()], 66, &["does not have `sample/tone-speech`"]);
}

#[test]
fn locked_refuses_what_is_not_pinned() {
    refused(&[TONES, "--locked"], 78, &["`--locked` refuses unpinned inputs: CPython"]);
}

#[test]
fn an_output_that_is_not_a_runtime_is_kept() {
    let scratch = scratch();
    let precious = scratch.path.join("precious");
    fs_err::create_dir(&precious).unwrap();
    fs_err::write(precious.join("thesis.txt"), "years of work").unwrap();
    run(&mut xtask(&["provision", TONES, "--out", precious.as_str()]))
        .expect(73)
        .says("exists and is not a runtime")
        .says("hint: ");
    assert_eq!(fs_err::read_to_string(precious.join("thesis.txt")).unwrap(), "years of work");
    let file = precious.join("thesis.txt");
    run(&mut xtask(&["provision", TONES, "--out", file.as_str()])).expect(73);
}

#[test]
fn offline_with_an_empty_store_says_what_is_missing() {
    let scratch = scratch();
    let store = scratch.path.join("store");
    let out = scratch.path.join("out/runtime");
    let mut command = xtask(&["provision", TONES, "--offline", "--out", out.as_str()]);
    run(command.env("SPEACHES_STORE", &store)).expect(69).says("`--offline` forbids downloading it").says("hint: ");
    assert_nothing_half_made(&scratch.path.join("out"));
    assert_nothing_half_made(&store.join("work"));
}

#[test]
fn a_package_index_without_the_pinned_wheels() {
    let scratch = scratch();
    let empty = Faults::start([("/simple/", vec![Reply::data(b"<html></html>")])]);
    let out = scratch.path.join("out/runtime");
    let mut command = xtask(&["provision", TONES, "--out", out.as_str()]);
    command.env("SPEACHES_STORE", scratch.path.join("store"));
    // Finding uv itself must not depend on that index.
    let uv = run(&mut xtask(&["cache", "dir"])).expect(0).stdout;
    let tools = Utf8Path::new(uv.trim()).join("trees/tool");
    let tool = if tools.is_dir() { files(&tools) } else { Vec::new() }
        .into_iter()
        .find(|file| file.as_str().ends_with("bin/uv") || file.as_str().ends_with("bin/uv.exe"));
    match tool {
        Some(tool) => drop(command.env("UV", tools.join(tool))),
        None => drop(provision_sample(&scratch.path.join("warm"), &[])),
    }
    command.env("UV_DEFAULT_INDEX", format!("{}/simple/", empty.url)).env("UV_NO_CACHE", "1");
    run(&mut command).expect(69).says("uv cannot find the wheels on your package index").says("hint: ");
    assert_nothing_half_made(&scratch.path.join("out"));
}

/// Runs a shell script in a mount namespace of its own, where it may mount what it likes.
#[cfg(target_os = "linux")]
fn in_mount_namespace(script: &str) -> Option<Command> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-euc", script]);
        command.env("SPEACHES_STORE", shared_store());
        command
    };
    let possible = unshare("mount -t tmpfs tmpfs /mnt").output().is_ok_and(|output| output.status.success());
    possible.then(|| unshare(script))
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk() {
    sample_runtime();
    let scratch = scratch();
    let tool = env!("CARGO_BIN_EXE_xtask");
    let script = format!(
        "mount -t tmpfs -o size=20m tmpfs '{0}'; '{tool}' provision --sample --out '{0}/runtime' && exit 1; code=$?; \
         ls -A '{0}' >&2; exit $code",
        scratch.path
    );
    let Some(mut command) = in_mount_namespace(&script) else {
        return not_run("unshare", "a full disk", "this machine does not let users mount");
    };
    let ended = run(&mut command).expect(74).says("No space left on device").says("the disk is full");
    assert!(!ended.stderr.lines().any(|line| line == "runtime" || line.starts_with(".work")), "{}", ended.stderr);
}

#[test]
#[cfg(target_os = "linux")]
fn a_read_only_output() {
    sample_runtime();
    let scratch = scratch();
    let tool = env!("CARGO_BIN_EXE_xtask");
    let script =
        format!("mount -t tmpfs -o ro tmpfs '{0}'; exec '{tool}' provision --sample --out '{0}/runtime'", scratch.path);
    let Some(mut command) = in_mount_namespace(&script) else {
        return not_run("unshare", "a read-only output", "this machine does not let users mount");
    };
    run(&mut command).expect(73).says("cannot be written to").says("--out");
}

#[test]
#[cfg(unix)]
fn ctrl_c_at_any_moment_leaves_nothing_half_made() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;
    let scratch = scratch();
    let store = scratch.path.join("store");
    let start = |out: &Utf8Path| {
        let mut command = xtask(&["provision", TONES, "--json", "--out", out.as_str()]);
        command.env("SPEACHES_STORE", &store).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut interrupted = 0;
    for moment in 0_usize.. {
        let out = scratch.path.join(format!("out-{moment}/runtime"));
        let mut child = start(&out);
        // The test takes the reported progress as its clock, because a busy machine does not change that.
        let mut events = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let mut told = events.by_ref().take(moment * moment).collect::<Vec<_>>();
        let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        told.extend(events);
        let code = child.wait().unwrap().code();
        if code == Some(0) {
            run(&mut xtask(&["verify", out.as_str()])).expect(0);
            break;
        }
        // Before the handler is installed the signal itself ends the program, with nothing made yet.
        assert!(matches!(code, Some(130) | None), "{code:?}\n{}", told.join("\n"));
        interrupted += usize::from(code == Some(130));
        if out.exists() {
            // It was pressed after all was done.
            run(&mut xtask(&["verify", out.as_str()])).expect(0);
        } else if out.parent().unwrap().exists() {
            assert_nothing_half_made(out.parent().unwrap());
        }
        if store.join("work").exists() {
            assert_nothing_half_made(&store.join("work"));
        }
        assert!(moment < 200, "it never gets to its end");
    }
    assert!(interrupted > 3, "only {interrupted} of the moments were within the work");
}
