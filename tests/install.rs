//! `install.sh` of a release, against a server on loopback that serves one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "support/faults.rs"]
mod faults;
#[path = "support/release.rs"]
mod release;
#[path = "support/service.rs"]
mod service;
mod support;

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use faults::*;
use release::*;
use service::get;
use support::*;

/// Waits for something that happens soon.
#[track_caller]
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Nothing of a run that is at work, and what is there is whole.
#[track_caller]
fn assert_tidy(home: &Home, versions: usize) {
    let entries = home.entries();
    let left = entries.iter().filter(|name| name.starts_with('.') && *name != ".history").collect::<Vec<_>>();
    assert!(left.is_empty(), "left behind: {left:?}");
    let there = entries.iter().filter(|name| !name.starts_with('.') && *name != "current").collect::<Vec<_>>();
    assert_eq!(there.len(), versions, "{there:?}");
}

fn linked(home: &Home) -> Utf8PathBuf {
    home.root().join("current").read_link_utf8().unwrap()
}

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
        assert_eq!(ended.stdout.trim_end(), home.root().join(linked(&home)), "the path is all on standard output");
        assert_tidy(&home, 1);

        // Twice: nothing is fetched again.
        let sent = servers[0].sent_of(&format!("/{}", one.taken("1.0")));
        install(&servers[0], &[]).says("is installed already");
        assert_eq!(servers[0].sent_of(&format!("/{}", one.taken("1.0"))), sent);

        install(&servers[1], &[]);
        assert_eq!(home.installed(), "speaches 2.0");
        assert_tidy(&home, 2);
        install(&servers[2], &[]).says("removing 1.0-py3.10-");
        assert_tidy(&home, 2);

        run(&mut home.command(&["--rollback"])).expect(0).says("back at 2.0-py3.10-");
        assert_eq!(home.installed(), "speaches 2.0");
        run(&mut home.command(&["--rollback"])).expect(69).says("there is no older version");
        // Forward again, from what is there.
        install(&servers[2], &["--keep", "0"]).says("is installed already").says("removing 2.0-py3.10-");
        assert_tidy(&home, 1);
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
    assert_tidy(&other, 0);
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
    // As the workflow does it; `tests/workflows.rs` holds it to that.
    fs_err::write(&rendered, text.replacen("\nrelease=''\n", &format!("\nrelease='{}'\n", server.url), 1)).unwrap();
    run(&mut home.command_of(&rendered, &[])).expect(0);
    assert_eq!(home.installed(), "speaches 1.0");
}

#[test]
fn a_script_that_did_not_arrive_whole_does_nothing() {
    let home = Home::new();
    let server = Release::of("1.0").serve();
    let text = fs_err::read_to_string(root().join("install.sh")).unwrap();
    let part = home.scratch.path.join("part.sh");
    for tenth in 1..10 {
        fs_err::write(&part, &text[..text.len() * tenth / 10]).unwrap();
        run(&mut home.command_of(&part, &["--from", &server.url]));
        assert!(home.entries().is_empty() && !home.program().is_symlink(), "{tenth} tenths did something");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn what_was_fetched_before_is_not_fetched_again() {
    let release = Release::of("1.0");
    let path = format!("/{}", release.taken("1.0"));
    let bytes = &release.files[&release.taken("1.0")];
    for (downloader, gone) in [("curl", "wget"), ("wget", "curl")] {
        let mut home = Home::new();
        if !is_here(downloader) {
            not_run(&format!("a download with {downloader}"), "it is not installed");
            continue;
        }
        let tools = TOOLS.iter().copied().chain(["wget"]).filter(|tool| *tool != gone).collect::<Vec<_>>();
        home.only(&tools);
        let server = release.serve();
        server.set(&path, vec![Reply::data(bytes).cut(50_000), Reply::data(bytes).cut(30_000), Reply::data(bytes)]);
        // The size is asked for as well, and takes an answer.
        server.set("/SHA256SUMS", vec![Reply::data(release.sums().as_bytes())]);
        run(&mut home.command(&["--from", &server.url])).expect(0).says("again: ");
        assert_eq!(home.installed(), "speaches 1.0");
        let ranges = server.requests().iter().filter(|it| it.path == path && it.header("range").is_some()).count();
        assert!(ranges >= 1, "{downloader} began from the start each time");

        // A server that gives no parts makes it longer, not wrong.
        let mut home = Home::new();
        home.only(&tools);
        server.set(
            &path,
            vec![
                Reply::data(bytes).without_ranges(),
                Reply::data(bytes).without_ranges().cut(50_000),
                Reply::data(bytes).without_ranges(),
            ],
        );
        run(&mut home.command(&["--from", &server.url])).expect(0);
        assert_eq!(home.installed(), "speaches 1.0", "{downloader}");
    }
}

#[test]
fn what_is_not_what_its_checksum_says_is_refused_and_removed() {
    let home = Home::new();
    run(&mut home.command(&["--from", &Release::of("1.0").serve().url])).expect(0);
    let release = Release::of("2.0");
    let (path, mut bytes) = (format!("/{}", release.taken("2.0")), release.files[&release.taken("2.0")].clone());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let server = release.serve();
    server.set(&path, vec![Reply::data(&bytes)]);
    run(&mut home.command(&["--from", &server.url])).expect(65).says("is not what its checksum says, and was removed");
    assert_eq!(home.installed(), "speaches 1.0");
    assert!(files(&home.root().join(".downloads")).is_empty());
    // What is wrong already, though on disk, is not what the rest is put behind.
    let sum = hexadecimal(&release.files[&release.taken("2.0")]);
    fs_err::write(home.root().join(".downloads").join(sum), b"something else").unwrap();
    let server = release.serve();
    run(&mut home.command(&["--from", &server.url])).expect(0);
    assert_eq!(home.installed(), "speaches 2.0");
    assert_tidy(&home, 2);
}

#[test]
fn a_list_of_checksums_that_is_none_or_has_no_bundle_for_this_machine_is_said() {
    let home = Home::new();
    let release = Release::of("1.0");
    let server = release.serve();
    let refuse = |sums: &str, code: i32, text: &str| {
        server.set("/SHA256SUMS", vec![Reply::data(sums.as_bytes())]);
        run(&mut home.command(&["--from", &server.url])).expect(code).says(text);
        assert_tidy_but_downloads(&home);
    };
    refuse("<html>please log in</html>\n", 65, "is not a list of checksums");
    refuse("", 65, "is not a list of checksums");
    refuse(&format!("{}  ../../evil.tar.gz\n", "0".repeat(64)), 65, "is not a list of checksums");
    let name = release.taken("1.0");
    let sums = release.sums();
    refuse(&sums.replace(&here(), "riscv64-unknown-linux-gnu-cpu"), 69, "there is no bundle for");
    // That of another bundle.
    refuse(&sums.replace(&hexadecimal(&release.files[&name]), &"0".repeat(64)), 65, "is not what its checksum says");

    server.set("/SHA256SUMS", vec![Reply::status(404)]);
    run(&mut home.command(&["--from", &server.url])).expect(69).says("SHA256SUMS cannot be had: HTTP status 404");
}

#[track_caller]
fn assert_tidy_but_downloads(home: &Home) {
    let entries = home.entries();
    assert!(entries.iter().all(|name| name == ".downloads"), "{entries:?}");
}

#[test]
fn a_bundle_that_is_no_runtime_or_does_not_start_changes_nothing() {
    let home = Home::new();
    run(&mut home.command(&["--from", &Release::of("1.0").serve().url])).expect(0);
    let mut other = Release::default();
    // The right name outside, another inside.
    let tar = small_runtime("something-else", "2.0");
    let name = bundle_name("2.0");
    other.files.insert(format!("{name}.tar.gz"), gzip(&tar));
    zstd(&tar).map(|bytes| other.files.insert(format!("{name}.tar.zst"), bytes));
    run(&mut home.command(&["--from", &other.serve().url])).expect(65).says("a runtime in a directory named");

    for (from, to, text) in [
        ("\necho", "\nnope", "does not start on this machine"),
        ("ok    python", "FAIL  python", "the Python of the bundle does not start on this machine"),
    ] {
        let mut broken = Release::default();
        let mut tar = small_runtime(&name, "2.0");
        let place = tar.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        tar[place..place + to.len()].copy_from_slice(to.as_bytes());
        broken.files.insert(format!("{name}.tar.gz"), gzip(&tar));
        zstd(&tar).map(|bytes| broken.files.insert(format!("{name}.tar.zst"), bytes));
        run(&mut home.command(&["--from", &broken.serve().url])).expect(69).says(text);
    }
    assert_eq!(home.installed(), "speaches 1.0");
    assert_eq!(home.entries().iter().filter(|entry| entry.contains("py3.10")).count(), 1);
}

/// Programs that change something, in whose place a shim kills the whole run before or after the `COUNT`th use.
const CHANGING: &[&str] = &["cp", "curl", "ln", "mkdir", "mv", "rm", "tar"];

#[test]
fn whoever_kills_it_at_any_moment_has_a_working_version_and_the_next_run_finishes() {
    if !is_here("curl") {
        return not_run("killing install.sh at every step", "there is no curl");
    }
    let (one, two) = (Release::of("1.0").serve(), Release::of("2.0").serve());
    let mut killed = 0;
    for when in ["before", "after"] {
        for count in 1.. {
            let mut home = Home::new();
            run(&mut home.command(&["--from", &one.url])).expect(0);
            let plain = home.search.clone();
            let counter = home.scratch.path.join("counter");
            fs_err::write(&counter, "").unwrap();
            for program in CHANGING {
                let kill = "kill -9 0";
                let (before, after) = if when == "before" { (kill, ":") } else { (":", kill) };
                home.shadow(
                    program,
                    &format!(
                        "printf x >>'{counter}'; PATH='{plain}'; n=$(wc -c <'{counter}'); \
                         [ $n -ne {count} ] || {before}; {program} \"$@\"; code=$?; [ $n -ne {count} ] || {after}; exit $code"
                    ),
                );
            }
            let mut command = home.command(&["--from", &two.url, "--keep", "0"]);
            let output = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
            home.search = plain;
            if let Some(code) = output.status.code() {
                assert_eq!(code, 0, "{}", String::from_utf8_lossy(&output.stderr));
                break;
            }
            killed += 1;
            let there = home.installed();
            assert!(["speaches 1.0", "speaches 2.0"].contains(&there.as_str()), "{when} {count}: `{there}` is there");
            run(&mut home.command(&["--from", &two.url, "--keep", "0"])).expect(0);
            assert_eq!(home.installed(), "speaches 2.0", "{when} {count}");
            assert_tidy(&home, 1);
            assert!(count < 200, "it never ends");
        }
    }
    println!("killed at {killed} moments");
    assert!(killed > 20, "{killed}");
}

#[test]
fn a_run_whose_download_goes_on_without_it_does_no_harm_to_the_next() {
    let release = Release::of("1.0");
    let path = format!("/{}", release.taken("1.0"));
    let bytes = &release.files[&release.taken("1.0")];
    let server = release.serve();
    server.set(&path, vec![Reply::data(bytes).trickle(4096, Duration::from_millis(30))]);
    let home = Home::new();
    let mut first = home.command(&["--from", &server.url]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    until("a part of the bundle is there", || {
        files_if_any(&home.root().join(".downloads")).iter().any(|file| file.metadata().is_ok_and(|it| it.len() > 8192))
    });
    // The shell alone: its curl goes on writing.
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(home.installed(), "");
    server.set(&path, vec![Reply::data(bytes)]);
    run(&mut home.command(&["--from", &server.url])).expect(0).says("going on with");
    assert_eq!(home.installed(), "speaches 1.0");
}

fn files_if_any(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    directory
        .read_dir_utf8()
        .map_or_else(|_| Vec::new(), |entries| entries.flatten().map(|it| it.into_path()).collect())
}

#[test]
fn interrupting_it_leaves_what_was_fetched_and_nothing_else() {
    let release = Release::of("1.0");
    let path = format!("/{}", release.taken("1.0"));
    let bytes = &release.files[&release.taken("1.0")];
    let server = release.serve();
    server.set(&path, vec![Reply::data(bytes).trickle(4096, Duration::from_millis(30))]);
    let home = Home::new();
    let mut command = home.command(&["--from", &server.url]);
    let mut child = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("a part of the bundle is there", || {
        files_if_any(&home.root().join(".downloads")).iter().any(|file| file.metadata().is_ok_and(|it| it.len() > 8192))
    });
    // As Ctrl-C in a terminal does.
    let group = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process_group(group, rustix::process::Signal::TERM).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(143), "{status}");
    assert_eq!(home.entries(), [".downloads"]);
}

#[test]
fn two_at_once_are_one_after_the_other_and_fetch_once() {
    let release = Release::of("1.0");
    let path = format!("/{}", release.taken("1.0"));
    let server = release.serve();
    let bytes = &release.files[&release.taken("1.0")];
    server.set(&path, vec![Reply::data(bytes).trickle(8192, Duration::from_millis(20))]);
    let home = Home::new();
    let start =
        || home.command(&["--from", &server.url]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let children = [start(), start(), start()];
    let said = children.map(|child| Ended::of(child.wait_with_output().unwrap()).expect(0).stderr);
    assert_eq!(said.iter().filter(|text| text.contains("waiting for another install.sh")).count(), 2, "{said:?}");
    assert_eq!(said.iter().filter(|text| text.contains("is installed already")).count(), 2, "{said:?}");
    assert_eq!(home.installed(), "speaches 1.0");
    assert_tidy(&home, 1);
    let gets = server.requests().iter().filter(|it| it.path == path && it.method == "GET").count();
    assert_eq!(gets, 1);
}

#[test]
fn a_lock_of_a_run_that_is_gone_is_taken_and_one_of_another_machine_is_not() {
    let server = Release::of("1.0").serve();
    let home = Home::new();
    fs_err::create_dir_all(home.root()).unwrap();
    let mut ended = Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let host = String::from_utf8(Command::new("uname").arg("-n").output().unwrap().stdout).unwrap();
    let lock = home.root().join(".lock");
    fs_err::os::unix::fs::symlink(format!("{}:{}", host.trim(), ended.id()), &lock).unwrap();
    run(&mut home.command(&["--from", &server.url])).expect(0);
    assert_tidy(&home, 1);

    fs_err::os::unix::fs::symlink(format!("elsewhere:{}", ended.id()), &lock).unwrap();
    let mut waiting =
        home.command(&["--from", &server.url]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(waiting.try_wait().unwrap().is_none(), "it did not wait");
    fs_err::remove_file(&lock).unwrap();
    Ended::of(waiting.wait_with_output().unwrap()).expect(0).says("on elsewhere").says("remove");
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
        assert_tidy(&home, versions);
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
    run(&mut Home::new().command(&["--from", &server.url])).expect(69).says(".part01 cannot be had");
}

#[test]
fn where_there_is_no_zstd_it_takes_the_other_format_or_says_what_to_install() {
    let mut home = Home::new();
    home.only(&TOOLS.iter().copied().filter(|tool| *tool != "zstd").collect::<Vec<_>>());
    if !cfg!(target_os = "linux") {
        return not_run("installing without zstd", "the tar of this system may know it by itself");
    }
    let mut release = Release::of("1.0");
    run(&mut home.command(&["--from", &release.serve().url])).expect(0);
    assert_eq!(home.installed(), "speaches 1.0");
    release.files.retain(|name, _| !name.ends_with(".gz"));
    if release.files.is_empty() {
        return not_run("a release with nothing but zstd", "there is no zstd to make one with");
    }
    let other = Home { search: home.search.clone(), ..Home::new() };
    run(&mut other.command(&["--from", &release.serve().url])).expect(69).says("apt install zstd");
}

#[test]
fn what_cannot_be_written_is_said_and_what_others_put_there_stays() {
    let server = Release::of("1.0").serve();
    let home = Home::new();
    // N.B. not by permissions, which do not stop an administrator.
    fs_err::write(home.path.join("file"), "").unwrap();
    for place in [Some(home.path.join("file")), cfg!(target_os = "linux").then(|| "/proc/self".into())] {
        let Some(place) = place else { continue };
        let mut command = home.command(&["--from", &server.url]);
        run(command.env("XDG_DATA_HOME", &place)).expect(73).says("XDG_DATA_HOME");
    }
    // A program of that name that is not ours.
    fs_err::create_dir_all(home.path.join(".local/bin")).unwrap();
    fs_err::write(home.program(), "mine").unwrap();
    run(&mut home.command(&["--from", &server.url])).expect(0).says("is not of this installation");
    assert_eq!(fs_err::read_to_string(home.program()).unwrap(), "mine");
    fs_err::write(home.root().join("notes.txt"), "mine").unwrap();
    run(&mut home.command(&["--uninstall"])).expect(0).says("has other files, which stay");
    assert_eq!(home.entries(), ["notes.txt"]);
    assert_eq!(fs_err::read_to_string(home.program()).unwrap(), "mine");
}

#[test]
fn a_disk_that_is_too_small_is_said_before_anything_is_fetched() {
    let release = Release::of("1.0");
    let path = format!("/{}", release.taken("1.0"));
    let server = release.serve();
    let bytes = &release.files[&release.taken("1.0")];
    server.set(&path, vec![Reply::data(bytes).claiming(1_000_000_000_000_000)]);
    let home = Home::new();
    run(&mut home.command(&["--from", &server.url])).expect(73).says("about 5000.0 TB are needed").says("are free");
    assert!(server.requests().iter().all(|it| it.path != path || it.method == "HEAD"));
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

/// The sample as a bundle of this machine.
fn sample_bundle(version: &str) -> (String, Vec<u8>) {
    let name = bundle_name(version);
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    tar.follow_symlinks(false);
    tar.append_dir_all(&name, sample_runtime()).unwrap();
    (name, tar.into_inner().unwrap().finish().unwrap())
}

#[test]
fn a_service_that_runs_during_an_update_keeps_its_files() {
    let (name, bytes) = sample_bundle("1.0");
    let mut old = Release::default();
    old.files.insert(format!("{name}.tar.gz"), bytes);
    let mut home = Home::new();
    home.only(&TOOLS.iter().copied().filter(|tool| *tool != "zstd").collect::<Vec<_>>());
    let directory = home.scratch.path.join("release");
    old.write(&directory);
    run(&mut home.command(&["--from", directory.as_str()])).expect(0);

    let state = home.path.join("state");
    let mut command = Command::new(home.program());
    command.args(["serve", "--host", "127.0.0.1", "--port", "0", "--state-dir", state.as_str()]);
    command.args(["--hf-cache", home.path.join("cache").as_str()]);
    command.env_clear().env("HOME", &home.path).stdin(Stdio::null()).stderr(Stdio::null());
    let mut service = Ending(command.spawn().unwrap());
    let port = || {
        let text = fs_err::read(state.join("status.json")).ok()?;
        let state: serde_json::Value = serde_json::from_slice(&text).ok()?;
        ["ready", "degraded"].iter().any(|phase| state["phase"] == *phase).then(|| state["port"].as_u64())?
    };
    until("the service is ready", || port().is_some());
    let url = format!("http://127.0.0.1:{}", port().unwrap());

    // It stays although no older version is to be kept, and goes on working.
    let newer = Release::of("2.0");
    let running = format!("(pid {})", service.0.id());
    let server = newer.serve();
    run(&mut home.command(&["--from", &server.url, "--keep", "0"])).expect(0).says(&running).says("speaches stop");
    assert_eq!(home.installed(), "speaches 2.0");
    assert_tidy(&home, 2);
    assert_eq!(get(&format!("{url}/health/ready")).0, 200);
    assert_eq!(get(&format!("{url}/v1/models")).0, 200);
    let list = run(&mut home.command(&["--list"])).expect(0).stdout;
    assert!(list.contains(&format!("(runs: pid {})", service.0.id())), "{list}");
    run(&mut home.command(&["--uninstall"])).expect(75).says("speaches stop");
    assert_eq!(home.installed(), "speaches 2.0", "who is refused keeps everything");

    // Back to it, forward again, and gone as soon as it has ended.
    run(&mut home.command(&["--rollback"])).expect(0).says("back at 1.0-py3.10-");
    assert!(run(Command::new(home.program()).arg("verify")).expect(0).stderr.len() < 10_000);
    run(&mut home.command(&["--from", &server.url])).expect(0);
    service.end();
    run(&mut home.command(&["--from", &server.url, "--keep", "0"])).expect(0).says("removing 1.0-py3.10-");
    assert_tidy(&home, 1);
    run(&mut home.command(&["--purge"])).expect(0);
    assert!(!home.root().exists());
}

/// A child that ends with its test.
struct Ending(std::process::Child);

impl Ending {
    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.end();
    }
}
