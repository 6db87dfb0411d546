//! The output on terminals of any width, and in logs.
#![cfg(unix)]

use std::time::Duration;

use crate::support::faults::{Faults, Reply};
use crate::support::fetch::Fetch;
use crate::support::terminal::Terminal;
use crate::support::world::World;
use crate::support::*;
use serde_json::{Value, json};

/// The column of verbs and words, line by line. Notes have none.
fn verbs(text: &str) -> Vec<&str> {
    let verb = |line: &str| line.split_at_checked(12).filter(|(_, rest)| rest.starts_with(' ')).is_some();
    let lines = text.lines().filter(|line| verb(line) && !line.starts_with("note: "));
    lines.map(|line| line[..12].trim()).collect()
}

#[test]
fn a_log_has_a_line_for_each_step_and_a_warm_run_is_short() {
    let scratch = scratch();
    let world = World::new(&scratch.path);
    let store = scratch.path.join("store");
    let out = |name: &str| scratch.path.join(name);
    let cold = run(&mut world.provision(&store, &out("cold"))).expect(0);
    assert_eq!(cold.stdout.trim_end(), out("cold").as_str());
    assert!(!cold.stderr.contains(['\x1b', '\r']), "{:?}", cold.stderr);
    let expected = [
        "Provisioning",
        "Fetched",
        "Unpacked",
        "Located",
        "Fetched",
        "Unpacked",
        "Fetched",
        "Installed",
        "Fetched",
        "Laid out",
        "Compiled",
        "Built",
        "Finished",
        "Start",
        "Try",
        "Pack",
    ];
    // A slow machine reports long steps meanwhile.
    let told =
        verbs(&cold.stderr).into_iter().filter(|verb| !["Asking", "Building", "Compiling", "Unpacking"].contains(verb));
    assert_eq!(told.collect::<Vec<_>>(), expected, "{}", cold.stderr);
    let wheels = world.files.iter().filter(|file| file.path.ends_with(".whl")).count();
    let cold = cold.says(&format!("Fetched {wheels} wheels (")).says(" to fetch (");
    // As short as it can be from where the command was given.
    let place = out("cold").strip_prefix(root()).unwrap().to_owned();
    cold.says(&format!("       Start {place}/bin/speaches serve\n"))
        .says(&format!("         Try cargo xtask smoke {place}\n"))
        .says("Fetched 5 files of 2 models (");

    let warm = run(&mut world.provision(&store, &out("warm"))).expect(0).says(" inputs, all at hand\n");
    assert_eq!(verbs(&warm.stderr), ["Provisioning", "Finished", "Start", "Try", "Pack"], "{}", warm.stderr);
    let again = run(&mut world.provision(&store, &out("warm"))).expect(0).says("nothing to do");
    assert_eq!(verbs(&again.stderr), ["Fresh", "Start"], "{}", again.stderr);
}

#[test]
fn an_error_has_lines_of_its_own() {
    if let Some(why) = terminal::missing() {
        return not_run("terminal", "an error on a terminal", &why);
    }
    let server = Faults::start([("/file", vec![Reply::status(404)])]);
    let fetch = Fetch::from(&[format!("{}/file", server.url)]);
    let ended = run(&mut fetch.command()).expect(69);
    let lines = ended.stderr.lines().collect::<Vec<_>>();
    assert!(lines.iter().any(|line| line.starts_with("error: cannot fetch file 1")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("hint: ")), "{lines:?}");

    let left = Terminal::start(&mut fetch.command(), 60).end();
    let text = left.screen().contents();
    assert!(text.starts_with("error: cannot fetch file 1"), "{text}");
    assert!(text.contains("\nhint: "), "{text}");
    assert!(left.written().contains("\x1b[1m\x1b[31merror:\x1b[0m "), "{:?}", left.written());
}

fn trickling(reply: Reply) -> Reply {
    reply.trickle(20_000, Duration::from_millis(50))
}

/// Files that come as `slowed` says, and how to fetch them.
fn slow_files(fetch: &Fetch, server: &Faults, slowed: fn(Reply) -> Reply) -> std::process::Command {
    let wanted = (0..3)
        .map(|number| {
            let body = vec![number; 400_000];
            let path = format!("/{number}");
            server.set(&path, vec![slowed(Reply::data(&body))]);
            json!({"urls": [format!("{}{path}", server.url)], "size": body.len(), "sha256": sha256(&body)})
        })
        .collect::<Value>();
    fetch.command_for(&wanted)
}

#[test]
fn bars_fit_into_the_terminal_and_leave_one_line() {
    if let Some(why) = terminal::missing() {
        return not_run("terminal", "bars on a terminal", &why);
    }
    let server = Faults::start([]);
    for columns in [20, 40, 60, 80, 200] {
        let fetch = Fetch::from(&[]);
        let left = Terminal::start(&mut slow_files(&fetch, &server, trickling), columns).end();
        assert!(left.status.success());
        let written = left.written();
        assert!(written.contains("Fetching"), "{columns}: no bar was drawn: {written:?}");
        assert_eq!(written.contains("[=="), columns >= 80, "{columns}: {written:?}");
        assert_eq!(written.contains("  file 2"), columns >= 60, "{columns}: parts have room, or none: {written:?}");
        // The paths of the files, which nothing breaks.
        let broken = left.broken_lines();
        assert!(broken.iter().all(|line| line.starts_with('/')), "{columns}: {broken:?}");
        let text = left.screen().contents().replace("\n             ", " ");
        let fetched = if columns < 36 { "Fetched 3 files" } else { "Fetched 3 files (1.2 MB) in " };
        assert!(text.trim_start().starts_with(fetched), "{columns}: {text}");
        assert!(!text.contains("Fetching") && !text.contains("[="), "{columns}: {text}");
    }
}

#[test]
fn an_interrupted_step_leaves_a_clean_terminal() {
    if let Some(why) = terminal::missing() {
        return not_run("terminal", "Ctrl-C on a terminal", &why);
    }
    let server = Faults::start([]);
    let fetch = Fetch::from(&[]);
    // They never end, however long it takes until it is interrupted.
    let mut command = slow_files(&fetch, &server, |reply| reply.held(100_000));
    let mut terminal = Terminal::start(command.env_remove("SPEACHES_FETCH_SECOND_MS"), 80);
    terminal.wait_for("[==");
    terminal.interrupt();
    let left = terminal.end();
    assert_eq!(left.status.code(), Some(130));
    let screen = left.screen();
    let text = screen.contents();
    assert!(text.starts_with("interrupted: incomplete output was removed"), "{text}");
    assert!(!text.contains("Fetching") && !text.contains("[="), "{text}");
    assert!(!screen.hide_cursor());
    assert_eq!(screen.cursor_position().1, 0, "the prompt begins a line");
}

#[test]
fn a_provision_and_a_quickstart_are_broken_between_words() {
    if let Some(why) = terminal::missing() {
        return not_run("terminal", "long lines on a terminal", &why);
    }
    let scratch = scratch();
    let out = scratch.path.join("runtime");
    let _filled = sample_runtime();
    for (columns, name) in [(40, "provision"), (60, "quickstart"), (100, "provision")] {
        let left = Terminal::start(&mut xtask(&[name, TONES, "--out", out.as_str()]), columns).end();
        let text = left.screen().contents();
        assert!(left.status.success(), "{text}");
        for line in left.broken_lines() {
            // Commands stay in one piece, and so do paths, which have lines of their own.
            let (word, _) = line.split_at(line.len().min(12));
            let is_command = ["Start", "Try", "Pack", "Listen", "Ask"].contains(&word.trim());
            let is_path = line.trim_start().starts_with(['/', '`']) && !line.trim().contains(' ');
            assert!(is_command || is_path, "{columns}: `{line}`");
        }
        assert!(text.contains("Finished"), "{columns}: {text}");
        fs_err::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn colours_are_where_they_are_wanted() {
    if let Some(why) = terminal::missing() {
        return not_run("terminal", "colours on a terminal", &why);
    }
    let scratch = scratch();
    let out = scratch.path.join("runtime");
    let _filled = sample_runtime();
    let mut command = xtask(&["provision", TONES, "--out", provision_sample(&out, &[]).as_str()]);
    for name in ["CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(name);
    }
    let fresh = "\x1b[1m\x1b[32m       Fresh\x1b[0m ";
    assert!(!run(&mut command).expect(0).stderr.contains('\x1b'));
    run(command.env("CLICOLOR_FORCE", "1")).expect(0).says(fresh);
    assert!(!run(command.env("NO_COLOR", "1")).expect(0).stderr.contains('\x1b'));

    let on_terminal = |name: &str, value: &str| {
        let mut command = xtask(&["provision", TONES, "--out", out.as_str()]);
        command.env(name, value);
        let left = Terminal::start(&mut command, 80).end();
        assert!(left.status.success());
        left.written()
    };
    assert!(on_terminal("TERM", "xterm").contains(fresh));
    let dumb = on_terminal("TERM", "dumb");
    assert!(!dumb.contains('\x1b') && !dumb.contains("Planning"), "{dumb:?}");
}

#[test]
fn what_programs_read_is_all_objects() {
    let scratch = scratch();
    let out = scratch.path.join("runtime");
    let _filled = sample_runtime();
    let ended = run(&mut xtask(&["provision", TONES, "--json", "--out", out.as_str()])).expect(0);
    assert_eq!(ended.stdout.trim_end(), out.as_str());
    let events = ended.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let begun = events.iter().filter(|event| event["event"] == "begin" && event["part"].is_null()).count();
    let ends = events.iter().filter(|event| event["event"] == "end" && event["part"].is_null()).count();
    assert!(begun > 3 && begun == ends, "{}", ended.stderr);
    let notes = events.iter().filter(|event| event["event"] == "note").filter_map(|event| event["text"].as_str());
    let notes = notes.collect::<Vec<_>>();
    for text in ["Provisioning the TONES", "note: this is for tests", "Finished the TONES runtime", "Start: "] {
        assert!(notes.iter().any(|note| note.starts_with(text)), "`{text}` is not in {notes:?}");
    }

    let server = Faults::start([("/file", vec![fetch::good()])]);
    let fetched = run(Fetch::from(&[format!("{}/file", server.url)]).command().arg("--json")).expect(0);
    assert!(fetched.stderr.contains("\"summary\":\"Fetched 1 file ("), "{}", fetched.stderr);
}

/// Whether a line is there because of `--verbose`: seconds and a level.
fn is_told_of(line: &str) -> bool {
    let mut words = line.split_whitespace();
    words.next().is_some_and(|word| word.parse::<f64>().is_ok())
        && words.next().is_some_and(|word| ["DEBUG", "INFO"].contains(&word))
}

#[test]
fn who_wants_to_know_is_told_of_requests_programs_caches_and_steps_but_no_secret() {
    let scratch = scratch();
    let world = World::new(&scratch.path);
    let store = scratch.path.join("store");
    let out = |name: &str| scratch.path.join(name);
    let url = &world.server.url;
    let mut command = world.provision(&store, &out("cold"));
    let hub = format!("{}/files/hub", url.replace("http://", "http://somebody:HIDDEN@"));
    command.args(["--verbose"]).env("HF_TOKEN", "hf_HIDDEN").env("HF_ENDPOINT", hub);
    let cold = run(&mut command).expect(0);
    let model = world.files.iter().find(|file| file.path.ends_with("model.onnx")).unwrap();
    let cold = cold
        .says(&format!("DEBUG xtask::net::http: GET {url}{}", model.path))
        .says(", with credentials: HTTP/1.1 200 OK after ")
        .says(&format!("INFO xtask::store::fetch::attempt: {url}{}: ", model.path))
        .says(&format!("new in the store: `files/{}` in ", model.sha256))
        .says(" pip compile --quiet ")
        .says(" -vV`: exit status: 0 in ")
        .says("INFO xtask::report::trace: Planning the runtime: over after ");
    assert!(!cold.stderr.contains("HIDDEN"), "{}", cold.stderr);
    assert_eq!(cold.stdout.trim_end(), out("cold").as_str());

    let warm = run(world.provision(&store, &out("warm")).arg("-v")).expect(0).says("found in the store: `trees/wheel/");
    let rest = warm.stderr.lines().filter(|line| !is_told_of(line)).collect::<Vec<_>>().join("\n");
    assert_eq!(verbs(&rest), ["Provisioning", "Finished", "Start", "Try", "Pack"], "{}", warm.stderr);
    let plain = run(&mut world.provision(&store, &out("plain"))).expect(0);
    assert!(!plain.stderr.lines().any(is_told_of), "{}", plain.stderr);

    let some = run(world.provision(&store, &out("plain")).env("RUST_LOG", "hyper=trace,xtask::report=info")).expect(0);
    let told = some.stderr.lines().filter(|line| is_told_of(line)).collect::<Vec<_>>();
    assert!(!told.is_empty() && told.iter().all(|line| line.contains(" INFO xtask::report::")), "{told:?}");
    let events = run(world.provision(&store, &out("plain")).args(["-v", "--json"])).expect(0);
    let events = events.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert!(events.iter().any(|event| event["event"] == "note" && is_told_of(event["text"].as_str().unwrap())));
    run(world.provision(&store, &out("plain")).env("RUST_LOG", "a=b=c"))
        .expect(0)
        .says("warning: `RUST_LOG` is not understood");
}

#[test]
fn a_redirect_is_told_of_without_its_signature() {
    let server = Faults::start([("/file?signature=HIDDEN", vec![fetch::good()])]);
    server.set("/moved", vec![Reply::redirect(&format!("{}/file?signature=HIDDEN", server.url))]);
    let fetched = run(Fetch::from(&[format!("{}/moved", server.url)]).command().arg("--verbose")).expect(0);
    let fetched = fetched.says(&format!("{0}/moved redirects to {0}/file?…\n", server.url));
    assert!(!fetched.stderr.contains("HIDDEN"), "{}", fetched.stderr);
}
