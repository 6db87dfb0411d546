//! `install.sh` when something goes wrong: killed, interrupted, several at once, damaged downloads, full disks.
#![cfg(unix)]

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::faults::*;
use crate::support::release::*;
use crate::support::*;
use camino::Utf8PathBuf;

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
fn an_interrupted_download_is_resumed() {
    let release = Release::of("1.0");
    let path = format!("/{}", release.taken("1.0"));
    let bytes = &release.files[&release.taken("1.0")];
    for (downloader, gone) in [("curl", "wget"), ("wget", "curl")] {
        let mut home = Home::new();
        if !is_here(downloader) {
            not_run(downloader, &format!("a download with {downloader}"), "it is not installed");
            continue;
        }
        let tools = TOOLS.iter().copied().chain(["wget"]).filter(|tool| *tool != gone).collect::<Vec<_>>();
        home.only(&tools);
        let server = release.serve();
        server.set(&path, vec![Reply::data(bytes).cut(50_000), Reply::data(bytes).cut(30_000), Reply::data(bytes)]);
        // The size is asked for as well, and takes an answer.
        server.set("/SHA256SUMS", vec![Reply::data(release.sums().as_bytes())]);
        run(&mut home.command(&["--from", &server.url])).expect(0).says("retrying ");
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
fn a_download_that_does_not_match_its_checksum_is_refused_and_removed() {
    let home = Home::new();
    run(&mut home.command(&["--from", &Release::of("1.0").serve().url])).expect(0);
    let release = Release::of("2.0");
    let (path, mut bytes) = (format!("/{}", release.taken("2.0")), release.files[&release.taken("2.0")].clone());
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let server = release.serve();
    server.set(&path, vec![Reply::data(&bytes)]);
    run(&mut home.command(&["--from", &server.url])).expect(65).says("does not match its checksum and was removed");
    assert_eq!(home.installed(), "speaches 1.0");
    assert!(files(&home.root().join(".downloads")).is_empty());
    // A damaged partial download is not completed.
    let sum = sha256(&release.files[&release.taken("2.0")]);
    fs_err::write(home.root().join(".downloads").join(sum), b"something else").unwrap();
    let server = release.serve();
    run(&mut home.command(&["--from", &server.url])).expect(0);
    assert_eq!(home.installed(), "speaches 2.0");
    home.assert_tidy(2);
}

#[test]
fn a_malformed_list_of_checksums_or_one_without_a_fitting_bundle_is_refused() {
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
    refuse(&sums.replace(&here(), "riscv64-unknown-linux-gnu-cpu"), 69, "has no bundle for");
    // The checksum of another bundle.
    refuse(&sums.replace(&sha256(&release.files[&name]), &"0".repeat(64)), 65, "does not match its checksum");

    server.set("/SHA256SUMS", vec![Reply::status(404)]);
    run(&mut home.command(&["--from", &server.url])).expect(69).says("SHA256SUMS: HTTP 404");
}

#[track_caller]
fn assert_tidy_but_downloads(home: &Home) {
    let entries = home.entries();
    assert!(entries.iter().all(|name| name == ".downloads"), "{entries:?}");
}

#[test]
fn a_bundle_without_a_runtime_or_one_that_does_not_start_changes_nothing() {
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
        ("\necho", "\nnope", "program does not start on this machine"),
        ("ok    python", "FAIL  python", "the bundle's Python does not start on this machine"),
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
fn killed_at_any_moment_it_leaves_a_working_version_and_the_next_run_finishes() {
    if !is_here("curl") {
        return not_run("curl", "killing install.sh at every step", "there is no curl");
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
            home.assert_tidy(1);
            assert!(count < 200, "it never ends");
        }
    }
    println!("killed at {killed} moments");
    assert!(killed > 20, "{killed}");
}

#[track_caller]
fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A run that is in the middle of a download which does not go on.
struct InterruptedInstall {
    home: Home,
    release: Release,
    server: Faults,
    child: Child,
}

impl InterruptedInstall {
    fn start() -> Self {
        let release = Release::of("1.0");
        let server = release.serve();
        let (path, bytes) = Self::bundle(&release);
        server.set(&path, vec![Reply::data(bytes).held(9000)]);
        let home = Home::new();
        let mut command = home.command(&["--from", &server.url]);
        let child = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let downloads = home.root().join(".downloads");
        until("a part of the bundle is there", || {
            let mut entries = downloads.read_dir_utf8().into_iter().flatten().flatten();
            entries.any(|file| file.metadata().is_ok_and(|it| it.len() == 9000))
        });
        Self { home, release, server, child }
    }

    fn bundle(release: &Release) -> (String, &[u8]) {
        let name = release.taken("1.0");
        (format!("/{name}"), &release.files[&name])
    }
}

#[test]
fn a_run_whose_download_goes_on_without_it_does_no_harm_to_the_next() {
    let InterruptedInstall { home, release, server, mut child } = InterruptedInstall::start();
    // The shell alone: its curl goes on writing.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(home.installed(), "");
    let (path, bytes) = InterruptedInstall::bundle(&release);
    server.set(&path, vec![Reply::data(bytes)]);
    run(&mut home.command(&["--from", &server.url])).expect(0).says("resuming");
    assert_eq!(home.installed(), "speaches 1.0");
}

#[test]
fn interrupting_it_leaves_what_was_fetched_and_nothing_else() {
    let InterruptedInstall { home, mut child, .. } = InterruptedInstall::start();
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
    server.set(&path, vec![Reply::data(bytes).held(9000)]);
    let home = Home::new();
    let start = || {
        let log = home.scratch.path.join(format!("log {}", fastrand::u32(..)));
        let mut command = home.command(&["--from", &server.url]);
        let child = command.stdout(Stdio::null()).stderr(fs_err::File::create(&log).unwrap().into_file()).spawn();
        (child.unwrap(), log)
    };
    let mut children = [start(), start(), start()];
    let said = |children: &[(Child, Utf8PathBuf)], text: &str| {
        let logs = children.iter().map(|(_, log)| fs_err::read_to_string(log).unwrap());
        logs.filter(|log| log.contains(text)).count()
    };
    until("two of them wait", || said(&children, "waiting for another install.sh") == 2);
    server.let_go();
    for (child, _) in &mut children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(said(&children, "is already installed"), 2);
    assert_eq!(home.installed(), "speaches 1.0");
    home.assert_tidy(1);
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
    home.assert_tidy(1);

    fs_err::os::unix::fs::symlink(format!("elsewhere:{}", ended.id()), &lock).unwrap();
    let mut waiting =
        home.command(&["--from", &server.url]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(waiting.try_wait().unwrap().is_none(), "it did not wait");
    fs_err::remove_file(&lock).unwrap();
    Ended::of(waiting.wait_with_output().unwrap()).expect(0).says("on elsewhere").says("remove");
}

#[test]
fn unwritable_places_are_reported_and_files_of_others_are_kept() {
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
    run(&mut home.command(&["--from", &server.url])).expect(0).says("does not belong to this installation");
    assert_eq!(fs_err::read_to_string(home.program()).unwrap(), "mine");
    fs_err::write(home.root().join("notes.txt"), "mine").unwrap();
    run(&mut home.command(&["--uninstall"])).expect(0).says("because it has other files");
    assert_eq!(home.entries(), ["notes.txt"]);
    assert_eq!(fs_err::read_to_string(home.program()).unwrap(), "mine");
}

#[test]
fn a_disk_that_is_too_small_is_reported_before_any_download() {
    let release = Release::of("1.0");
    let path = format!("/{}", release.taken("1.0"));
    let server = release.serve();
    let bytes = &release.files[&release.taken("1.0")];
    server.set(&path, vec![Reply::data(bytes).claiming(1_000_000_000_000_000)]);
    let home = Home::new();
    run(&mut home.command(&["--from", &server.url])).expect(73).says("about 5000.0 TB needed").says(" free");
    assert!(server.requests().iter().all(|it| it.path != path || it.method == "HEAD"));
}
