//! The workflows of GitHub: what somebody who reads them with suspicion would look for, and what can be run of them here.

use std::collections::BTreeSet;

use crate::commands::*;
use crate::support::*;
use serde_json::Value;

/// Jobs that may write, and what.
const WRITERS: &[(&str, &str, &[&str])] =
    &[("release.yml", "publish", &["attestations: write", "contents: write", "id-token: write"])];

struct Workflow {
    name: String,
    text: String,
    value: Value,
}

fn workflows() -> Vec<Workflow> {
    let directory = root().join(".github/workflows");
    let found = files(&directory)
        .into_iter()
        .map(|file| {
            let text = fs_err::read_to_string(directory.join(&file)).unwrap();
            let value = serde_saphyr::from_str(&text).unwrap();
            Workflow { name: file.into_string(), text, value }
        })
        .collect::<Vec<_>>();
    assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["ci.yml", "release.yml"]);
    found
}

impl Workflow {
    fn jobs(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.value["jobs"].as_object().unwrap().iter()
    }

    fn steps(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.jobs().flat_map(|(job, it)| it["steps"].as_array().unwrap().iter().map(move |step| (job, step)))
    }
}

#[test]
fn every_action_is_pinned_by_commit_and_says_its_version() {
    let mut pins = BTreeSet::new();
    for workflow in workflows() {
        let named = workflow.steps().filter(|(_, step)| step.get("uses").is_some()).count();
        let lines =
            workflow.text.lines().filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "));
        let lines = lines.collect::<Vec<_>>();
        assert_eq!(lines.len(), named, "{}: each on a line of its own", workflow.name);
        for line in lines {
            let (action, version) = line.split_once(" # ").unwrap_or_else(|| panic!("`{line}` says no version"));
            let (name, commit) = action.split_once('@').unwrap();
            let is_known = name.starts_with("actions/") || name == "Swatinem/rust-cache";
            assert!(is_known, "`{name}` is of somebody whom nothing is known about");
            assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{line}");
            assert!(version.starts_with('v') && version.matches('.').count() == 2, "{line}");
            pins.insert((name.to_owned(), commit.to_owned(), version.to_owned()));
        }
    }
    let names = pins.iter().map(|(name, ..)| name).collect::<BTreeSet<_>>();
    assert_eq!(names.len(), pins.len(), "one action has several versions: {pins:?}");
}

#[test]
fn jobs_may_do_no_more_than_they_have_to_and_end() {
    for workflow in workflows() {
        let name = &workflow.name;
        assert_eq!(workflow.value["permissions"], serde_json::json!({}), "{name}: nobody may do anything by default");
        assert!(workflow.value["concurrency"]["group"].is_string(), "{name}: no two at once");
        for trigger in ["pull_request_target", "workflow_run", "issue_comment"] {
            assert!(
                !workflow.text.contains(trigger),
                "{name}: `{trigger}` runs with more rights than who starts it has"
            );
        }
        for (job, it) in workflow.jobs() {
            let minutes = it["timeout-minutes"].as_u64().unwrap_or_else(|| panic!("{name} {job}: no timeout"));
            assert!(minutes <= 120, "{name} {job}: {minutes} minutes");
            let allowed = it["permissions"].as_object().unwrap_or_else(|| panic!("{name} {job}: no permissions"));
            let mut written = allowed
                .iter()
                .filter(|(_, right)| *right != "read")
                .map(|(scope, right)| format!("{scope}: {}", right.as_str().unwrap()))
                .collect::<Vec<_>>();
            written.sort();
            let expected = WRITERS.iter().find(|(file, of, _)| file == name && of == job).map_or(&[][..], |it| it.2);
            assert_eq!(written, expected, "{name} {job}");
        }
        for (job, step) in workflow.steps() {
            if step["uses"].as_str().is_some_and(|action| action.starts_with("actions/checkout@")) {
                assert_eq!(
                    step["with"]["persist-credentials"], false,
                    "{name} {job}: the token would stay in the clone"
                );
            }
        }
    }
}

#[test]
fn nothing_that_others_chose_gets_into_a_script_and_no_secret_into_a_log() {
    for workflow in workflows() {
        assert!(!workflow.text.contains("secrets."), "{}: there are no secrets", workflow.name);
        for (job, step) in workflow.steps() {
            let Some(script) = step["run"].as_str() else {
                assert!(step["env"].is_null(), "{job}: {step}");
                continue;
            };
            assert!(!script.contains("${{"), "{job}: the text of an expression becomes a part of the script: {script}");
            for word in ["set -x", "printenv", "env |", "GH_TOKEN", "GITHUB_TOKEN", "ACTIONS_ID_TOKEN"] {
                assert!(!script.contains(word), "{job}: `{word}` in: {script}");
            }
            let secrets =
                step["env"].as_object().into_iter().flatten().filter(|(_, it)| it.to_string().contains("token"));
            for (name, value) in secrets {
                assert_eq!((name.as_str(), value.as_str()), ("GH_TOKEN", Some("${{ github.token }}")));
                assert!(script.starts_with("gh release create ") && script.lines().count() == 1, "{job}: {script}");
            }
        }
        for (job, it) in workflow.jobs() {
            let all = it["env"].to_string() + &workflow.value["env"].to_string();
            assert!(!all.contains("token"), "{}: {job}: every step would have it", workflow.name);
        }
    }
}

#[test]
fn a_release_has_a_bundle_for_each_target_accelerator_and_python() {
    let workflows = workflows();
    let release = workflows.iter().find(|it| it.name == "release.yml").unwrap();
    let matrix = release.value["jobs"]["bundle"]["strategy"]["matrix"]["include"].as_array().unwrap();
    let of = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    let made = matrix
        .iter()
        .map(|entry| (of(entry, "target"), of(entry, "accelerator"), of(entry, "python")))
        .collect::<BTreeSet<_>>();
    assert_eq!(made.len(), matrix.len(), "one is made twice");

    let targets = fs_err::read_to_string(root().join("manifests/targets.toml")).unwrap();
    let targets = targets.parse::<toml::Table>().unwrap();
    let mut expected = BTreeSet::new();
    for (triple, target) in targets["target"].as_table().unwrap() {
        for accelerator in target["accelerators"].as_array().unwrap() {
            for python in ["3.10", "3.12"] {
                expected.insert((triple.clone(), accelerator.as_str().unwrap().to_owned(), python.to_owned()));
            }
        }
    }
    assert_eq!(made, expected);
    for entry in matrix {
        let (target, runner, formats) = (of(entry, "target"), of(entry, "runner"), of(entry, "formats"));
        let system = ["linux", "apple", "windows"].iter().find(|system| target.contains(**system)).unwrap();
        let native = match (*system, target.starts_with("aarch64")) {
            ("linux", true) => runner.starts_with("ubuntu-") && runner.ends_with("-arm"),
            ("linux", false) => runner.starts_with("ubuntu-") && !runner.ends_with("-arm"),
            ("apple", true) => runner.starts_with("macos-") && !runner.ends_with("-intel"),
            ("apple", false) => runner.starts_with("macos-") && runner.ends_with("-intel"),
            _ => runner.starts_with("windows-"),
        };
        assert!(native, "{target} is made on {runner}");
        assert!(!runner.ends_with("-latest"), "{runner} is another system one day");
        assert_eq!(formats == "zip", *system == "windows", "{entry}");
        let missing = &targets["target"][&target]["unavailable"];
        let without = entry["without"].as_str();
        let is_cuda = entry["accelerator"] == "cuda";
        assert_eq!(without, is_cuda.then_some("diarization"), "{entry} {missing}");
    }
}

#[test]
fn every_command_of_a_workflow_exists() {
    let mut seen = 0;
    for workflow in workflows() {
        for (job, step) in workflow.steps() {
            let Some(script) = step["run"].as_str() else { continue };
            for command in lines(script).iter().flat_map(|line| words(line)) {
                let Some((program, arguments)) = Program::of(&command) else { continue };
                if let Some(why) = program.refuses(arguments) {
                    panic!("{} {job}: {why}: {}", workflow.name, command.join(" "));
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 8, "{seen}");
}

#[cfg(unix)]
#[test]
fn every_script_of_a_workflow_is_one() {
    let scratch = scratch();
    let has_shellcheck = std::process::Command::new("shellcheck").arg("--version").output().is_ok();
    if !has_shellcheck {
        not_run("shellcheck", "shellcheck over the scripts of the workflows and install.sh", "it is not installed");
    }
    let mut scripts = vec![root().join("install.sh")];
    for workflow in workflows() {
        for (number, (_, step)) in workflow.steps().enumerate() {
            let Some(script) = step["run"].as_str() else { continue };
            let file = scratch.path.join(format!("{}-{number}.sh", workflow.name));
            fs_err::write(&file, format!("#!/bin/bash\nset -eo pipefail\n{script}")).unwrap();
            run(std::process::Command::new("bash").arg("-n").arg(&file)).expect(0);
            scripts.push(file);
        }
    }
    for script in scripts.iter().filter(|_| has_shellcheck) {
        run(std::process::Command::new("shellcheck").arg(script)).expect(0);
    }
}

#[cfg(target_os = "linux")]
mod release_of_the_workflow {
    use std::process::Command;

    use super::*;

    impl Workflow {
        fn run_of(&self, name: &str) -> String {
            let step = self.steps().find(|(_, step)| step["name"] == name);
            step.unwrap_or_else(|| panic!("there is no step `{name}`")).1["run"].as_str().unwrap().to_owned()
        }
    }

    /// Bundles as the jobs before it leave them.
    fn artifacts(directory: &camino::Utf8Path) -> (String, Vec<u8>) {
        use std::io::Write as _;
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let name = format!("speaches-1.0-py3.10-{triple}-cpu");
        let mut tar = tar::Builder::new(Vec::new());
        let program = b"#!/bin/sh\necho speaches 1.0\n".to_vec();
        let noise = (0..100_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect::<Vec<_>>();
        for (path, mode, bytes) in
            [("bin/speaches", 0o755, program), ("runtime.json", 0o644, b"{}".to_vec()), ("noise", 0o644, noise)]
        {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(mode);
            header.set_cksum();
            tar.append_data(&mut header, format!("{name}/{path}"), bytes.as_slice()).unwrap();
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar.into_inner().unwrap()).unwrap();
        let bundle = gzip.finish().unwrap();
        for (job, files) in [
            (
                "one",
                vec![(format!("{name}.tar.gz"), bundle.clone()), (format!("{name}.tar.gz.cdx.json"), b"{}".to_vec())],
            ),
            ("two", vec![("speaches-1.0-py3.10-x86_64-pc-windows-msvc-cpu.zip".to_owned(), b"PK".to_vec())]),
        ] {
            let directory = directory.join("artifacts").join(job);
            fs_err::create_dir_all(&directory).unwrap();
            for (file, bytes) in files {
                fs_err::write(directory.join(file), bytes).unwrap();
            }
            let sums = "sha256sum -- * > ../sums && mv ../sums SHA256SUMS";
            run(Command::new("sh").args(["-c", sums]).current_dir(&directory)).expect(0);
        }
        (name, bundle)
    }

    #[test]
    fn what_it_collects_is_a_release_that_its_installer_installs() {
        let scratch = scratch();
        let workflows = workflows();
        let release = workflows.iter().find(|it| it.name == "release.yml").unwrap();
        let (name, bundle) = artifacts(&scratch.path);
        fs_err::copy(root().join("install.sh"), scratch.path.join("install.sh")).unwrap();
        fs_err::write(scratch.path.join("CHANGELOG.md"), "# C\n\n## [1.0.0] - 2026\n\n- one\n\n## [0.9.0]\n\n- old\n")
            .unwrap();

        let server = faults::Faults::start([]);
        let step = |name: &str| {
            let mut command = Command::new("bash");
            command.args(["-e", "-o", "pipefail", "-c", &release.run_of(name)]).current_dir(&scratch.path);
            command.env("TAG", "v1.0.0").env("RELEASE", &server.url).env("LARGEST", "100k");
            run(&mut command).expect(0)
        };
        for name in ["Collect", "Installer", "Checksums", "Notes"] {
            step(name);
        }
        assert_eq!(fs_err::read_to_string(scratch.path.join("notes.md")).unwrap().trim(), "- one");
        let made = files(&scratch.path.join("release"));
        let parts = made.iter().filter(|file| file.as_str().starts_with(&format!("{name}.tar.gz.part"))).count();
        assert_eq!(parts, bundle.len().div_ceil(100 * 1024), "{made:?}");
        let sums = fs_err::read_to_string(scratch.path.join("release/SHA256SUMS")).unwrap();
        assert_eq!(sums.lines().count() + 1, made.len(), "{sums}");
        for file in made {
            let bytes = fs_err::read(scratch.path.join("release").join(&file)).unwrap();
            server.set(&format!("/{file}"), vec![faults::Reply::data(&bytes)]);
        }
        let home = scratch.path.join("home");
        fs_err::create_dir_all(&home).unwrap();
        let mut command = Command::new("sh");
        command.arg(scratch.path.join("release/install.sh")).env_clear().env("HOME", &home);
        run(command.env("PATH", std::env::var("PATH").unwrap())).expect(0);
        let said = run(Command::new(home.join(".local/bin/speaches")).arg("version")).expect(0);
        assert_eq!(said.stdout.trim(), "speaches 1.0");
    }

    #[test]
    fn what_was_damaged_between_two_jobs_stops_the_release() {
        let scratch = scratch();
        let workflows = workflows();
        let release = workflows.iter().find(|it| it.name == "release.yml").unwrap();
        let (name, mut bundle) = artifacts(&scratch.path);
        bundle[1000] ^= 1;
        fs_err::write(scratch.path.join("artifacts/one").join(format!("{name}.tar.gz")), bundle).unwrap();
        let mut command = Command::new("bash");
        command.args(["-e", "-o", "pipefail", "-c", &release.run_of("Collect")]).current_dir(&scratch.path);
        assert_ne!(run(command.env("LARGEST", "100k")).code, Some(0));
    }
}
