//! The downloader through the real binary, against servers on this machine with every known fault.
//!
//! Each scenario ends in the right bytes or in one clear message, and fetches no more than was missing. Scenarios about
//! connections rather than about one file are in `connections.rs`.
#![cfg(unix)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::faults::{Faults, Reply};
use crate::support::fetch::*;
use crate::support::{Ended, in_parallel, run, scratch, sha256};
use serde_json::{Value, json};
use sha2::Digest as _;

#[test]
fn a_passing_fault_ends_in_the_right_bytes() {
    let page = || Reply::data(b"<html>please log in</html>").header("Content-Type", "text/html");
    let date = "Tue, 01 Sep 2026 10:00:00 GMT";
    // Name, answers in order, requests, bytes sent beyond those of the file.
    let scenarios: Vec<(&str, Vec<Reply>, usize, u64)> = vec![
        ("a faultless server", vec![good()], 1, 0),
        ("chunks", vec![good().chunked()], 1, 0),
        ("no length", vec![good().without_length()], 1, 0),
        ("truncated", vec![good().cut(100_000), good()], 2, 0),
        ("truncated before the first byte", vec![good().cut(0), good()], 2, 0),
        ("truncated in chunks", vec![good().chunked().cut(100_000), good()], 2, 0),
        ("truncated without a length", vec![good().without_length().cut(100_000), good()], 2, 0),
        ("truncated at every step", (0..=10).map(|_| good().cut(29_999)).collect(), 11, 0),
        ("hangs up without an answer", vec![Reply::hangs_up(), good()], 2, 0),
        ("no answer for long", vec![Reply::silent(AGES), good()], 2, 0),
        ("stalled", vec![good().stall(100_000, AGES), good()], 2, 0),
        ("a slow trickle", vec![good().trickle(60_000, Duration::from_millis(250))], 1, 0),
        ("408", vec![Reply::status(408), good()], 2, 0),
        ("429", vec![Reply::status(429), good()], 2, 0),
        ("500", vec![Reply::status(500), good()], 2, 0),
        ("502", vec![Reply::status(502), good()], 2, 0),
        ("503 four times", [503; 4].map(Reply::status).into_iter().chain([good()]).collect(), 5, 0),
        ("504 in the middle", vec![good().cut(100_000), Reply::status(504), good()], 3, 0),
        ("503 with Retry-After", vec![Reply::status(503).header("Retry-After", "1"), good()], 2, 0),
        ("odd Retry-After", vec![Reply::status(503).header("Retry-After", "soon"), good()], 2, 0),
        ("200 instead of 206", vec![good().cut(100_000), good().without_ranges()], 2, 100_000),
        ("changed content", vec![Reply::data(&[7; 200_000]).etag("\"v0\"").claiming(SIZE), good()], 2, 200_000),
        (
            "changed content, If-Range ignored",
            vec![good().etag("\"v0\"").cut(100_000), good().ignoring_if_range().cut(0), good()],
            3,
            100_000,
        ),
        ("no validator", vec![good().without_etag().cut(100_000), good()], 2, 0),
        ("a weak validator", vec![good().etag("W/\"v1\"").cut(100_000), good()], 2, 0),
        ("Last-Modified", vec![good().without_etag().header("Last-Modified", date).cut(1000), good().etag(date)], 2, 0),
        (
            "another part than requested",
            vec![good().cut(100_000), good().header("Content-Range", "bytes 5-9/10").cut(0), good()],
            3,
            100_000,
        ),
        (
            "206 without saying which part",
            vec![good().cut(1000), good().header("Content-Range", "").cut(0), good()],
            3,
            1000,
        ),
        ("416 in the middle", vec![good().cut(100_000), Reply::status(416), good()], 3, 100_000),
        ("a page about a bad gateway", vec![page().cut(0).status_of(502), good()], 2, 0),
    ];
    in_parallel(scenarios, |(name, replies, requests, more)| {
        let (server, fetch) = scenario(replies);
        let ended = fetch.run();
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        fetch.is_there();
        assert_eq!(server.requests().len(), requests, "{name}: requests");
        assert_eq!(server.sent(), SIZE + more, "{name}: bytes sent");
        assert!(
            server.requests().iter().all(|request| request.header("accept-encoding") == Some("identity")),
            "{name}"
        );
    });
}

#[test]
fn a_lasting_fault_ends_in_one_message() {
    let html = b"\n<html><title>Please \x1b[31mlog in</title>".as_slice();
    let page = || Reply::data(html).header("Content-Type", "text/html; charset=utf-8");
    let mut other = data();
    other[5] ^= 1;
    let wrong = || Reply::data(&other);
    let longer = || Reply::data(&[data(), vec![1]].concat());
    let gzip = || Reply::data(b"\x1f\x8b\x08short").header("Content-Encoding", "gzip");
    // Name, whether the size is pinned, the answer to every request, exit code, what the message says, requests.
    type Scenario = (&'static str, bool, Reply, i32, &'static [&'static str], usize);
    let scenarios: Vec<Scenario> = vec![
        ("wrong bytes", true, wrong(), 65, &["does not match its pin", "kept for inspection"], 1),
        ("wrong length announced", true, Reply::data(&data()[1..]), 65, &["offered: 299999 bytes"], 1),
        ("too long without a length", true, longer().without_length(), 65, &["does not match its pin"], 1),
        ("too long in chunks", true, longer().chunked(), 65, &["does not match its pin"], 1),
        ("wrong length, no size pinned", false, Reply::data(&data()[1..]), 65, &["found:  299999 bytes"], 1),
        (
            "a page to log in",
            true,
            page(),
            65,
            &["text/html", "it begins: <html><title>Please \\u{1b}", "login page"],
            1,
        ),
        ("a page to log in, no size pinned", false, page(), 65, &["text/html", "it begins: <html>"], 1),
        ("an empty body", true, Reply::data(b""), 65, &["offered: 0 bytes, an empty answer"], 1),
        ("an empty body, no size pinned", false, Reply::data(b""), 65, &["the answer was empty"], 1),
        ("a compressed body", true, gzip(), 65, &["it came compressed (gzip)"], 1),
        ("a compressed body, no size pinned", false, gzip(), 65, &["it came compressed (gzip)"], 1),
        (
            "always truncated",
            true,
            good().cut(1000).without_ranges(),
            69,
            &["given up after 5 attempts", "the connection broke"],
            5,
        ),
        ("always reset", true, good().reset(0), 69, &["given up after 5 attempts"], 5),
        ("always silent", true, Reply::silent(AGES), 69, &["no answer for 1.5 s"], 5),
        ("always stalled", true, good().stall(0, AGES), 69, &["no data came for 1.5 s"], 5),
        ("always 503", true, Reply::status(503), 69, &["503", "given up after 5 attempts"], 5),
        ("404", true, Reply::status(404), 69, &["the server answers 404"], 1),
        ("403", true, Reply::status(403), 69, &["the server answers 403"], 1),
        ("204", true, Reply::status(204), 69, &["the server answers 204"], 1),
        ("304", true, Reply::status(304), 69, &["the server answers 304"], 1),
        ("206 unasked", true, good().status_of(206), 69, &["the server answers 206"], 1),
        ("416 unasked", true, Reply::status(416), 69, &["the server answers 416"], 1),
        ("429 for hours", true, Reply::status(429).header("Retry-After", "7200"), 69, &["asks to wait 7200 s"], 1),
        ("redirect to itself", true, Reply::redirect("/data"), 69, &["form a loop"], 1),
        ("redirect to nowhere", true, Reply::status(302), 69, &["the server answers 302"], 1),
        ("redirect to a file", true, Reply::redirect("file:///etc/hostname"), 69, &["cannot fetch"], 1),
        ("nonsense instead of a number", true, good().header("Content-Length", "x"), 69, &["cannot fetch"], 5),
    ];
    in_parallel(scenarios, |(name, sized, reply, code, says, requests)| {
        let (server, fetch) = scenario(vec![reply]);
        let fetch = if sized { fetch } else { fetch.without_size() };
        let ended = fetch.fails(name, code, says);
        assert_eq!(server.requests().len(), requests, "{name}: requests: {}", ended.stderr);
    });
}

#[test]
fn a_reset_connection_is_taken_up_where_it_broke() {
    let (server, fetch) = scenario(vec![good().reset(100_000), good()]);
    fetch.succeeds();
    // Bytes in transit are lost with the connection, so the server may have sent more than arrived.
    let range = server.requests()[1].header("range").map(str::to_owned);
    let start = range.map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse::<u64>().unwrap());
    assert_eq!(server.sent(), 100_000 + SIZE - start);
}

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let whole = data().repeat(8);
    let good = || Reply::data(&whole);
    let (server, mut fetch) = scenario(vec![good().stall(2_000_000, AGES), good()]);
    (fetch.size, fetch.sha256) = (Some(whole.len() as u64), sha256(&whole));
    let mut child = fetch.command().env("SPEACHES_FETCH_SECOND_MS", "1000").stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| fs_err::metadata(fetch.partial()).is_ok_and(|partial| partial.len() == 2_000_000));
    // SIGKILL: it cannot prepare for it.
    child.kill().unwrap();
    child.wait().unwrap();
    fetch.run().expect(0);
    assert!(fs_err::read(fetch.file()).unwrap() == whole);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("range"), Some("bytes=2000000-"));
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
    assert_eq!(server.sent(), whole.len() as u64);
    fetch.run().expect(0);
    assert_eq!(server.requests().len(), 2, "what is there is not asked for");
}

#[test]
fn ctrl_c_keeps_what_has_arrived() {
    let (server, fetch) = scenario(vec![good().stall(200_000, AGES), good()]);
    let mut child = fetch.command().env("SPEACHES_FETCH_SECOND_MS", "1000").stderr(Stdio::piped()).spawn().unwrap();
    wait_until(|| fs_err::metadata(fetch.partial()).is_ok_and(|partial| partial.len() == 200_000));
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains("downloads are kept"), "{text}");
    let work = fetch.store().join("work");
    assert!(!work.exists() || work.read_dir_utf8().unwrap().count() == 0);
    fetch.succeeds();
    assert_eq!(server.sent(), SIZE);
}

#[track_caller]
fn wait_until(there: impl Fn() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < AGES, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn eight_processes_at_once_fetch_each_byte_once() {
    for count in [2, 8] {
        let (server, fetch) = scenario(vec![good().trickle(30_000, Duration::from_millis(20))]);
        let children = (0..count)
            .map(|_| fetch.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
            .collect::<Vec<_>>();
        for child in children {
            Ended::of(child.wait_with_output().unwrap()).expect(0);
        }
        fetch.is_there();
        assert_eq!((server.requests().len(), server.sent()), (1, SIZE), "{count} processes");
    }
}

#[test]
fn a_process_that_is_killed_hands_its_part_over_to_the_one_that_waits() {
    let (server, fetch) = scenario(vec![good().stall(200_000, AGES), good()]);
    let mut first = fetch.command().env("SPEACHES_FETCH_SECOND_MS", "1000").stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| fs_err::metadata(fetch.partial()).is_ok_and(|partial| partial.len() == 200_000));
    let second = fetch.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    first.kill().unwrap();
    first.wait().unwrap();
    Ended::of(second.wait_with_output().unwrap()).expect(0);
    fetch.is_there();
    assert_eq!(server.sent(), SIZE);
}

#[test]
fn the_wait_that_a_server_asks_for_is_kept() {
    let date = |second: u64| format!("Sun, 22 Nov 2026 10:00:{second:02} GMT");
    let busy = || Reply::status(429);
    for (name, reply) in [
        ("seconds", busy().header("Retry-After", "20")),
        ("a date", busy().header("Retry-After", &date(30)).header("Date", &date(10))),
    ] {
        let (server, fetch) = scenario(vec![reply, good()]);
        fetch.succeeds();
        let requests = server.requests();
        let waited = requests[1].at - requests[0].at;
        let asked = Duration::from_millis(20 * SECOND);
        assert!((asked..asked * 3).contains(&waited), "{name}: {waited:?}");
    }
}

#[test]
fn waits_grow() {
    let (server, fetch) = scenario(vec![Reply::status(503)]);
    let mut command = fetch.command();
    run(command.env("SPEACHES_FETCH_SECOND_MS", "100")).expect(69);
    let at = server.requests().iter().map(|request| request.at).collect::<Vec<_>>();
    let waits = at.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    for (wait, least) in waits.iter().zip([25, 50, 100, 200]) {
        assert!(*wait >= Duration::from_millis(least), "{waits:?}");
    }
}

#[test]
fn several_sources_are_tried_in_order_and_share_what_has_arrived() {
    let server = Faults::start([("/b", vec![good()])]);
    server.set("/dies", vec![good().cut(100_000), Reply::hangs_up()]);
    server.set("/other-tag", vec![good().etag("\"mirror\"")]);
    let urls = |paths: &[&str]| paths.iter().map(|path| format!("{}{path}", server.url)).collect::<Vec<_>>();
    Fetch::from(&urls(&["/gone", "/b", "/never"])).succeeds();
    assert!(server.requests().iter().all(|request| request.path != "/never"));
    assert_eq!(server.sent(), SIZE);

    Fetch::from(&urls(&["/dies", "/other-tag"])).succeeds();
    assert_eq!(server.sent(), 2 * SIZE, "the mirror sends only the rest");
    let last = server.requests().pop().unwrap();
    assert_eq!((last.header("range"), last.header("if-range")), (Some("bytes=100000-"), None));

    let fetch = Fetch::from(&urls(&["/gone", "/away"]));
    fetch.fails("none", 69, &["/gone: the server answers 404", "/away: the server answers 404"]);
}

#[test]
fn a_source_with_wrong_bytes_is_passed_over_but_not_in_silence() {
    let mut other = data();
    other[SIZE as usize - 1] ^= 1;
    let server = Faults::start([("/wrong", vec![Reply::data(&other)]), ("/right", vec![good()])]);
    let fetch = Fetch::from(&[format!("{}/wrong", server.url), format!("{}/right", server.url)]);
    let ended = fetch.succeeds();
    assert!(ended.stderr.starts_with("warning: "), "{}", ended.stderr);
    ended.says("/wrong` does not match its pin").says("kept for inspection");
    let kept = fetch.quarantined();
    assert_eq!(kept.len(), 1);
    assert!(fs_err::read(&kept[0]).unwrap() == other);

    // It dies in the middle of wrong bytes, and what goes on with the right ones cannot be right.
    other[5] ^= 1;
    server.set("/wrong", vec![Reply::data(&other).cut(100_000), Reply::hangs_up()]);
    let fetch = Fetch::from(&[format!("{}/wrong", server.url), format!("{}/right", server.url)]);
    fetch.succeeds();

    let fetch = Fetch::from(&[format!("{}/wrong", server.url), format!("{}/gone", server.url)]);
    server.set("/wrong", vec![Reply::data(&other)]);
    fetch.fails("wrong and gone", 65, &["does not match its pin", "other sources failed", "404"]);
}

#[test]
fn a_partial_download_is_reused_only_as_far_as_it_is_right() {
    let about = |url: &str, tag: &str| json!({"url": url, "validator": tag, "total": SIZE});
    let part = data()[..100_000].to_vec();
    let cases: Vec<(&str, Vec<u8>, &str, u64, usize)> = vec![
        ("a good part", part.clone(), "\"v1\"", SIZE - 100_000, 1),
        ("all of it, but not published", data(), "\"v1\"", 0, 0),
        ("another version", part.clone(), "\"v0\"", SIZE, 1),
        ("nothing", Vec::new(), "\"v1\"", SIZE, 1),
        // After a power cut a file may have the right length and zeros in it.
        ("a damaged part", vec![0; 100_000], "\"v1\"", 2 * SIZE - 100_000, 2),
        ("all of it, damaged", vec![0; SIZE as usize], "\"v1\"", SIZE, 1),
        ("more than all of it", vec![0; SIZE as usize + 1], "\"v1\"", SIZE, 1),
    ];
    for (name, bytes, tag, sent, requests) in cases {
        let (server, fetch) = scenario(vec![good()]);
        fetch.left(&bytes, &about(&fetch.urls[0], tag));
        fetch.succeeds();
        assert_eq!((server.sent(), server.requests().len()), (sent, requests), "{name}");
    }
    let (server, fetch) = scenario(vec![good()]);
    fetch.left(&part, &json!("nonsense"));
    fetch.succeeds();
    assert_eq!(server.sent(), SIZE - 100_000, "a part that nothing is known about");
    let (server, fetch) = scenario(vec![Reply::data(b"<html>").without_ranges().header("Content-Type", "text/html")]);
    fetch.left(&part, &about(&fetch.urls[0], "\"v1\""));
    fetch.fails("a page to log in, in the middle", 65, &["it begins: <html>"]);
    assert!(fs_err::read(fetch.partial()).unwrap() == part, "a page is no reason to give up what is here");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn files_of_this_machine_are_sources_too() {
    let scratch = scratch();
    let path = scratch.path.join("a b+c.bin");
    fs_err::write(&path, data()).unwrap();
    Fetch::from(&[path.to_string()]).succeeds();
    Fetch::from(&[format!("file://{}", path.as_str().replace(' ', "%20"))]).succeeds();
    let fetch = Fetch::from(&[scratch.path.join("gone").to_string()]);
    fetch.fails("no such file", 69, &["gone", "No such file"]);
    fs_err::write(&path, vec![1; SIZE as usize]).unwrap();
    Fetch::from(&[path.to_string()]).fails("another file", 65, &["does not match its pin"]);
    fs_err::write(&path, b"short").unwrap();
    Fetch::from(&[path.to_string()]).fails("a shorter file", 65, &["found:  5 bytes"]);
}

#[test]
fn a_download_that_does_not_fit_is_not_started() {
    let (server, fetch) = scenario(vec![good()]);
    let fetch = Fetch { size: Some(1 << 60), ..fetch };
    fetch.fails("known before", 74, &["not enough space for 1 file", " missing", fetch.store().as_str()]);
    assert_eq!(server.requests().len(), 0);
    let (server, fetch) = scenario(vec![good().claiming(1 << 60).cut(0)]);
    fetch.without_size().fails("known from the server", 74, &["not enough space for file 1"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn memory_does_not_grow_with_the_file() {
    if !is_alone("fetching::memory_does_not_grow_with_the_file") {
        return;
    }
    let block = data();
    let times = 500;
    let mut digest = sha2::Sha256::new();
    (0..times).for_each(|_| digest.update(&block));
    let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (server, fetch) = scenario(vec![good().times(times).cut(100 * SIZE), good().times(times)]);
    let fetch = Fetch { size: Some(times * SIZE), sha256, ..fetch };
    fetch.run().expect(0);
    assert_eq!(server.sent(), times * SIZE);
    assert!(peak_of_children() < 64 << 20, "{} bytes", peak_of_children());
}

#[test]
fn programs_can_follow_the_progress() {
    let slow = good().trickle(60_000, Duration::from_millis(250));
    let (_server, fetch) = scenario(vec![good().cut(100_000), good().without_ranges().cut(200_000), slow]);
    let ended = run(fetch.command().arg("--json")).expect(0);
    let events = ended.stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let of = |event: &str, part: Value| {
        events.iter().filter(|one| one["event"] == event && one["part"] == part).cloned().collect::<Vec<_>>()
    };
    for part in [Value::Null, json!("file 1")] {
        assert_eq!(of("begin", part.clone()).len(), 1, "{}", ended.stderr);
        let end = of("end", part.clone()).pop().unwrap();
        assert_eq!((&end["done"], &end["total"]), (&json!(SIZE), &json!(SIZE)), "{end}");
        assert_eq!(end["step"], "Fetching 1 file");
        let on_the_way = of("progress", part);
        assert!(on_the_way.iter().all(|one| one["done"].as_u64().unwrap() <= SIZE), "{on_the_way:?}");
    }
}
