//! `install.sh` of a release, against a server on loopback that serves one.
#![cfg(unix)]

use std::process::Command;

use crate::support::faults::*;
use crate::support::release::*;
use crate::support::service::{Service, get};
use crate::support::*;

#[test]
fn under_every_shell_it_installs_updates_rolls_back_and_uninstalls() {
    let (one, two, three) = (Release::of("1.0"), Release::of("2.0"), Release::of("3.0"));
    let servers = [one.serve(), two.serve(), three.serve()];
    let mut tried = 0;
    for home in shells() {
        println!("{:?}", home.shell);
        let install = |server: &Faults, more: &[&str]| run(home.command(&["--from", &server.url]).args(more)).expect(0);
        let ended = install(&servers[0], &[]).says("installed 1.0-py3.10-").says("is not in your PATH");
        assert_eq!(home.installed(), "speaches 1.0");
        assert_eq!(ended.stdout.trim_end(), home.root().join(home.linked()), "the path is all on standard output");
        home.assert_tidy(1);

        // Twice: nothing is fetched again.
        let sent = servers[0].sent_of(&format!("/{}", one.taken("1.0")));
        install(&servers[0], &[]).says("is installed already");
        assert_eq!(servers[0].sent_of(&format!("/{}", one.taken("1.0"))), sent);

        install(&servers[1], &[]);
        assert_eq!(home.installed(), "speaches 2.0");
        home.assert_tidy(2);
        install(&servers[2], &[]).says("removing 1.0-py3.10-");
        home.assert_tidy(2);

        run(&mut home.command(&["--rollback"])).expect(0).says("back at 2.0-py3.10-");
        assert_eq!(home.installed(), "speaches 2.0");
        run(&mut home.command(&["--rollback"])).expect(69).says("there is no older version");
        // Forward again, from what is there.
        install(&servers[2], &["--keep", "0"]).says("is installed already").says("removing 2.0-py3.10-");
        home.assert_tidy(1);
        let list = run(&mut home.command(&["--list"])).expect(0).stdout;
        assert!(list.starts_with("* 3.0-py3.10-") && list.lines().count() == 1, "{list}");

        run(&mut home.command(&["--uninstall"])).expect(0).says("removed all versions");
        assert!(!home.root().exists() && !home.program().is_symlink());
        run(&mut home.command(&["--uninstall"])).expect(0).says("nothing is installed");
        tried += 1;
    }
    assert!(tried >= 2, "no two shells are here");
}

#[test]
fn a_directory_is_as_good_as_a_server_and_stays_as_it_is() {
    let home = Home::new();
    let release = Release::of("1.0");
    let directory = home.scratch.path.join("the release");
    release.write(&directory);
    let before = files(&directory);
    run(&mut home.command(&["--from", directory.as_str()])).expect(0);
    assert_eq!(home.installed(), "speaches 1.0");
    assert_eq!(files(&directory), before);

    let taken = directory.join(release.taken("1.0"));
    let other = Home::new();
    let mut bytes = fs_err::read(&taken).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&taken, bytes).unwrap();
    run(&mut other.command(&["--from", directory.as_str()])).expect(65).says("is not what its checksum says");
    other.assert_tidy(0);
    fs_err::remove_file(&taken).unwrap();
    run(&mut other.command(&["--from", directory.as_str()])).expect(66);
    run(&mut other.command(&["--from", home.path.as_str()])).expect(66).says("SHA256SUMS");
    run(&mut other.command(&["--from", "/nowhere"])).expect(66);
}

#[test]
fn the_script_of_a_release_knows_where_it_belongs() {
    let home = Home::new();
    run(&mut home.command(&[])).expect(64).says("belongs to no release").says("--from");
    assert!(home.entries().is_empty());

    let server = Release::of("1.0").serve();
    let text = fs_err::read_to_string(root().join("install.sh")).unwrap();
    let rendered = home.scratch.path.join("install.sh");
    // As the workflow does it; `tests/repository/workflows.rs` holds it to that.
    fs_err::write(&rendered, text.replacen("\nrelease=''\n", &format!("\nrelease='{}'\n", server.url), 1)).unwrap();
    run(&mut home.command_of(&rendered, &[])).expect(0);
    assert_eq!(home.installed(), "speaches 1.0");
}

#[test]
fn bundles_of_the_same_name_but_other_contents_are_two_versions() {
    let home = Home::new();
    let name = bundle_name("1.0");
    for (says, versions) in [("first", 1), ("second", 2)] {
        let mut release = Release::default();
        release.add(&name, says);
        run(&mut home.command(&["--from", &release.serve().url])).expect(0);
        assert_eq!(home.installed(), format!("speaches {says}"));
        home.assert_tidy(versions);
    }
    run(&mut home.command(&["--rollback"])).expect(0);
    assert_eq!(home.installed(), "speaches first");
}

#[test]
fn a_bundle_in_parts_is_put_together() {
    let whole = Release::of("1.0");
    let taken = whole.taken("1.0");
    let mut parts = Release::default();
    for (number, part) in whole.files[&taken].chunks(40_000).enumerate() {
        parts.files.insert(format!("{taken}.part{number:02}"), part.to_vec());
    }
    assert!(parts.files.len() > 2);
    let server = parts.serve();
    let home = Home::new();
    run(&mut home.command(&["--from", &server.url])).expect(0);
    assert_eq!(home.installed(), "speaches 1.0");
    run(&mut home.command(&["--from", &server.url])).expect(0).says("is installed already");
    // One that is missing is missed.
    let lost = format!("/{taken}.part01");
    server.set(&lost, vec![Reply::status(404)]);
    run(&mut Home::new().command(&["--from", &server.url])).expect(69).says("cannot download").says(".part01");
}

#[test]
fn where_there_is_no_zstd_it_takes_the_other_format_or_says_what_to_install() {
    let mut home = Home::new();
    home.only(&TOOLS.iter().copied().filter(|tool| *tool != "zstd").collect::<Vec<_>>());
    if !cfg!(target_os = "linux") {
        return not_run("tar-without-zstd", "installing without zstd", "the tar of this system may know it by itself");
    }
    let mut release = Release::of("1.0");
    run(&mut home.command(&["--from", &release.serve().url])).expect(0);
    assert_eq!(home.installed(), "speaches 1.0");
    release.files.retain(|name, _| !name.ends_with(".gz"));
    if release.files.is_empty() {
        return not_run("zstd", "a release with nothing but zstd", "there is no zstd to make one with");
    }
    let other = Home { search: home.search.clone(), ..Home::new() };
    run(&mut other.command(&["--from", &release.serve().url])).expect(69).says("apt install zstd");
}

#[test]
fn a_dry_run_says_what_it_would_do_and_does_nothing() {
    let release = Release::of("1.0");
    let server = release.serve();
    let home = Home::new();
    let ended = run(&mut home.command(&["--from", &server.url, "--dry-run"])).expect(0).says(&bundle_name("1.0"));
    assert!(ended.stdout.starts_with(home.root().as_str()), "{}", ended.stdout);
    assert!(files(&home.path).is_empty() && !home.root().exists());
    assert!(server.requests().iter().all(|it| it.method == "HEAD" || it.path == "/SHA256SUMS"));
}

#[test]
fn the_bundle_is_that_of_the_machine() {
    let mut release = Release::default();
    for name in [
        "1.0-py3.10-x86_64-unknown-linux-gnu-cpu",
        "1.0-py3.12-x86_64-unknown-linux-gnu-cpu",
        "1.0-py3.10-x86_64-unknown-linux-gnu-cuda",
        "1.0-py3.12-aarch64-unknown-linux-gnu-cpu",
        "1.0-py3.10-aarch64-apple-darwin-coreml",
        "1.0-py3.12-aarch64-apple-darwin-coreml",
        "1.0-py3.10-x86_64-apple-darwin-cpu",
    ] {
        release.files.insert(format!("speaches-{name}.tar.gz"), name.as_bytes().to_vec());
        release.files.insert(format!("speaches-{name}.tar.zst"), name.as_bytes().to_vec());
    }
    let server = release.serve();
    let ask = |system: &str, processor: &str, version: &str, translated: &str, more: &[&str]| {
        let mut home = Home::new();
        home.shadow("uname", &format!("case $1 in -s) echo {system} ;; -m) echo {processor} ;; *) echo here ;; esac"));
        home.shadow("getconf", &format!("case $1 in LONG_BIT) echo 64 ;; *) echo {version} ;; esac"));
        home.shadow("ldd", "echo 'musl libc (x86_64)' >&2; exit 1");
        home.shadow("sw_vers", &format!("echo {version}"));
        home.shadow("sysctl", &format!("echo {translated}"));
        run(home.command(&["--from", &server.url, "--dry-run"]).args(more))
    };
    let chosen = |ended: Ended, name: &str| ended.expect(0).says(&format!("bundle:  speaches-1.0-{name} "));
    let linux = |processor: &str, more: &[&str]| ask("Linux", processor, "glibc 2.28", "", more);
    let mac = |processor: &str, version: &str, translated: &str, more: &[&str]| {
        ask("Darwin", processor, version, translated, more)
    };
    chosen(linux("x86_64", &[]), "py3.10-x86_64-unknown-linux-gnu-cpu");
    chosen(linux("x86_64", &["--python", "3.12"]), "py3.12-x86_64-unknown-linux-gnu-cpu");
    chosen(linux("x86_64", &["--accelerator=cuda"]), "py3.10-x86_64-unknown-linux-gnu-cuda");
    chosen(linux("aarch64", &[]), "py3.12-aarch64-unknown-linux-gnu-cpu");
    linux("aarch64", &["--accelerator", "cuda"]).expect(69).says("with cuda");
    linux("x86_64", &["--python", "3.11"]).expect(69).says("there is no bundle with Python 3.11");
    linux("riscv64", &[]).expect(69).says("riscv64");
    ask("Linux", "x86_64", "glibc 2.17", "", &[]).expect(69).says("glibc 2.28 or newer is needed, and here is 2.17");
    ask("Linux", "x86_64", "", "", &[]).expect(69).says("musl");
    chosen(mac("arm64", "15.1", "", &[]), "py3.10-aarch64-apple-darwin-coreml");
    chosen(mac("arm64", "14.0", "", &["--python", "3.12"]), "py3.12-aarch64-apple-darwin-coreml");
    mac("arm64", "13.6", "", &["--python", "3.12"]).expect(69).says("macOS 14").says("--python 3.10");
    chosen(mac("x86_64", "15.1", "1", &[]), "py3.10-aarch64-apple-darwin-coreml");
    chosen(mac("x86_64", "13.0", "0", &[]), "py3.10-x86_64-apple-darwin-cpu");
    mac("arm64", "12.7", "", &[]).expect(69).says("macOS 13 or newer");
    ask("MINGW64_NT-10.0", "x86_64", "", "", &[]).expect(69).says(".zip");
}

#[test]
fn a_wrong_command_line_is_refused_with_64() {
    let home = Home::new();
    for arguments in [
        &["--nonsense"][..],
        &["--from"],
        &["--from="],
        &["--keep", "many", "--list"],
        &["--accelerator", "quantum"],
        &["--python", "x;y"],
        &["--from", "ftp://somewhere"],
        &["positional"],
    ] {
        run(&mut home.command(arguments)).expect(64);
    }
    run(home.command(&["--list"]).env_remove("HOME")).expect(78);
    let help = run(&mut home.command(&["--help"])).expect(0).stdout;
    assert!(help.contains("--rollback") && help.contains("--purge"), "{help}");
}

#[test]
fn what_the_script_says_of_pythons_and_systems_is_what_the_manifests_say() {
    let script = fs_err::read_to_string(root().join("install.sh")).unwrap();
    let python = fs_err::read_to_string(root().join("manifests/python.toml")).unwrap();
    let default = python.parse::<toml::Table>().unwrap()["default"].as_str().unwrap().to_owned();
    assert!(script.contains(&format!("\ndefault_python={default}\n")));
    let targets = fs_err::read_to_string(root().join("manifests/targets.toml")).unwrap();
    for (triple, target) in targets.parse::<toml::Table>().unwrap()["target"].as_table().unwrap() {
        if triple.contains("linux") {
            let tag = target["platform_tags"][0].as_str().unwrap();
            let floor = tag.split('_').skip(1).take(2).collect::<Vec<_>>().join(".");
            assert!(script.contains(&format!("at_least \"$glibc\" {floor} ")), "{triple}");
        }
        if !triple.contains("windows") {
            let first = target["accelerators"][0].as_str().unwrap();
            assert_eq!(first == "coreml", triple == "aarch64-apple-darwin", "the default of {triple}");
        }
    }
}

#[test]
fn a_service_that_runs_during_an_update_keeps_its_files() {
    // The installer takes the bundles of the tool.
    let home = Home::new();
    let place = home.scratch.path.join("dist").join(bundle_name("1.0"));
    let directory = home.scratch.path.join("release");
    provision_sample(&place, &[]);
    let bundle = ["bundle", place.as_str(), "--out", directory.as_str(), "--level", "1"];
    run(xtask(&bundle).args(["--format", if is_here("zstd") { "tar.zst" } else { "tar.gz" }])).expect(0);
    run(&mut home.command(&["--from", directory.as_str()])).expect(0);

    let mut service = Service::start(&home.root().join("current"), |command| {
        command.env("HOME", &home.path);
    });
    let url = format!("http://127.0.0.1:{}", service.wait_for("serving")["port"]);

    // It stays although no older version is to be kept, and goes on working.
    let newer = Release::of("2.0");
    let running = format!("(pid {})", service.child.id());
    let server = newer.serve();
    run(&mut home.command(&["--from", &server.url, "--keep", "0"])).expect(0).says(&running).says("speaches stop");
    assert_eq!(home.installed(), "speaches 2.0");
    home.assert_tidy(2);
    assert_eq!(get(&format!("{url}/health/ready")).0, 200);
    assert_eq!(get(&format!("{url}/v1/models")).0, 200);
    let list = run(&mut home.command(&["--list"])).expect(0).stdout;
    assert!(list.contains(&format!("(runs: pid {})", service.child.id())), "{list}");
    run(&mut home.command(&["--uninstall"])).expect(75).says("speaches stop");
    assert_eq!(home.installed(), "speaches 2.0", "who is refused keeps everything");

    // Back to it, forward again, and gone as soon as it has ended.
    run(&mut home.command(&["--rollback"])).expect(0).says("back at 1.0-py3.10-");
    assert!(run(Command::new(home.program()).arg("verify")).expect(0).stderr.len() < 10_000);
    run(&mut home.command(&["--from", &server.url])).expect(0);
    service.child.kill().unwrap();
    service.child.wait().unwrap();
    run(&mut home.command(&["--from", &server.url, "--keep", "0"])).expect(0).says("removing 1.0-py3.10-");
    home.assert_tidy(1);
    run(&mut home.command(&["--purge"])).expect(0);
    assert!(!home.root().exists());
}
