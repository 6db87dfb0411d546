//! The workflows of GitHub: their agreement with other files, and the scripts that can run here. zizmor checks the rest.

use std::collections::BTreeSet;

use crate::commands::*;
use crate::support::*;
use serde_json::Value;

struct Workflow {
    name: String,
    value: Value,
}

fn workflows() -> Vec<Workflow> {
    let directory = root().join(".github/workflows");
    files(&directory)
        .into_iter()
        .map(|file| {
            let text = fs_err::read_to_string(directory.join(&file)).unwrap();
            let value = serde_saphyr::from_str(&text).unwrap();
            Workflow { name: file.into_string(), value }
        })
        .collect()
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
fn the_draft_and_the_site_are_all_that_jobs_may_write() {
    let mut writers = Vec::new();
    for workflow in workflows() {
        for (job, it) in workflow.jobs() {
            let rights =
                it["permissions"].as_object().unwrap_or_else(|| panic!("{} {job}: no permissions", workflow.name));
            if rights.values().any(|right| right != "read") {
                writers.push(format!("{} {job}", workflow.name));
            }
        }
    }
    assert_eq!(writers, ["release.yml publish", "site.yml deploy"]);
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
}

#[test]
fn every_command_of_a_workflow_exists() {
    for workflow in workflows() {
        for (job, step) in workflow.steps() {
            let Some(script) = step["run"].as_str() else { continue };
            for command in lines(script).iter().flat_map(|line| words(line)) {
                let Some((program, arguments)) = Program::of(&command) else { continue };
                if let Some(why) = program.refuses(arguments) {
                    panic!("{} {job}: {why}: {}", workflow.name, command.join(" "));
                }
            }
        }
    }
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
    fn its_installer_installs_the_collected_release() {
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
    fn damage_between_two_jobs_stops_the_release() {
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
