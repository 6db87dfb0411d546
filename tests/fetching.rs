//! The downloader through the real binary, against servers on this machine that misbehave in every way we know of.
//!
//! Each scenario ends in the right bytes or in one clear message, and no more is fetched than was missing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "support/faults.rs"]
mod faults;
mod support;

#[cfg(target_os = "linux")]
#[path = "support/tls.rs"]
mod tls;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use faults::{Faults, Reply};
use serde_json::{Value, json};
use sha2::Digest as _;
use support::{Ended, Scratch, run, scratch, xtask};

/// Long enough that nothing arrives in one piece.
const SIZE: u64 = 300_000;
/// How long a second is to the tool: it takes 0.6 s of silence for a stall.
const SECOND: u64 = 20;
const AGES: Duration = Duration::from_secs(20);

/// Bytes that are different everywhere, so that a part in the wrong place is noticed.
fn data() -> Vec<u8> {
    (0..SIZE / 4).flat_map(|number| (number as u32).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn good() -> Reply {
    Reply::data(&data())
}

fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A store, and what is to be fetched into it.
struct Fetch {
    scratch: Scratch,
    urls: Vec<String>,
    size: Option<u64>,
    sha256: String,
    environment: Vec<(&'static str, String)>,
}

impl Fetch {
    fn from(urls: &[String]) -> Self {
        let scratch = scratch();
        Self { scratch, urls: urls.to_vec(), size: Some(SIZE), sha256: sha256(&data()), environment: Vec::new() }
    }

    fn without_size(self) -> Self {
        Self { size: None, ..self }
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn store(&self) -> Utf8PathBuf {
        self.scratch.path.join("store")
    }

    fn file(&self) -> Utf8PathBuf {
        self.store().join("files").join(&self.sha256)
    }

    fn partial(&self) -> Utf8PathBuf {
        self.store().join("partial").join(&self.sha256)
    }

    fn quarantined(&self) -> Vec<Utf8PathBuf> {
        let entries = self.store().join("quarantine").read_dir_utf8().into_iter().flatten();
        entries.map(|entry| entry.unwrap().path().to_owned()).collect()
    }

    /// The beginning of the file as an earlier run may have left it.
    fn left(&self, bytes: &[u8], about: &Value) {
        fs_err::create_dir_all(self.partial().parent().unwrap()).unwrap();
        fs_err::write(self.partial(), bytes).unwrap();
        fs_err::write(self.partial().with_extension("json"), about.to_string()).unwrap();
    }

    fn command(&self) -> Command {
        let wanted = json!([{"urls": self.urls, "size": self.size, "sha256": self.sha256}]);
        self.command_for(&wanted)
    }

    fn command_for(&self, wanted: &Value) -> Command {
        let list = self.scratch.path.join("list.json");
        if !list.exists() {
            fs_err::write(&list, wanted.to_string()).unwrap();
        }
        let mut command = xtask(&["fetch", list.as_str()]);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env("SPEACHES_STORE", self.store()).env("SPEACHES_FETCH_SECOND_MS", SECOND.to_string());
        command.env_remove("HF_TOKEN").env_remove("HF_ENDPOINT");
        command.envs(self.environment.iter().cloned());
        command
    }

    fn run(&self) -> Ended {
        run(&mut self.command())
    }

    /// Ends in the right bytes, with nothing else left.
    #[track_caller]
    fn succeeds(&self) -> Ended {
        let ended = self.run().expect(0);
        self.is_there();
        assert_eq!(ended.stdout.trim_end(), self.file().as_str());
        ended
    }

    #[track_caller]
    fn is_there(&self) {
        assert!(fs_err::read(self.file()).unwrap() == data(), "other bytes");
        let left = self.store().join("partial").read_dir_utf8().unwrap().count();
        assert_eq!(left, 0, "partial files");
    }

    /// Ends with this code and one message that has these texts, and nothing that could be taken for the file.
    #[track_caller]
    fn fails(&self, name: &str, code: i32, says: &[&str]) -> Ended {
        let ended = self.run();
        let text = &ended.stderr;
        assert_eq!(ended.code, Some(code), "{name}: {text}");
        assert!(!self.file().exists(), "{name}");
        assert!(text.starts_with("error: ") && text.contains("\nhint: "), "{name}: {text}");
        for wanted in says {
            assert!(text.contains(wanted), "{name}: `{wanted}` is not in: {text}");
        }
        for unwanted in ["panicked", "secret", "\u{1b}"] {
            assert!(!text.contains(unwanted), "{name}: `{unwanted}` is in: {text}");
        }
        ended
    }
}

/// One path that answers so, and a fetch of it.
fn scenario(replies: Vec<Reply>) -> (Faults, Fetch) {
    let server = Faults::start([("/data", replies)]);
    let fetch = Fetch::from(&[format!("{}/data", server.url)]);
    (server, fetch)
}

#[test]
fn whatever_passes_ends_in_the_right_bytes() {
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
            "another part than was asked for",
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
    assert!(scenarios.len() >= 30, "{}", scenarios.len());
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

/// Runs scenarios a few at a time: most of them wait. A failure names the scenario.
fn in_parallel<T: Send>(scenarios: Vec<T>, one: impl Fn(T) + Sync) {
    let queue = std::sync::Mutex::new(scenarios.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(next) = next else { break };
                    one(next);
                }
            });
        }
    });
}

#[test]
fn whatever_stays_ends_in_one_message() {
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
        ("wrong bytes", true, wrong(), 65, &["is not what its pin says", "kept for inspection"], 1),
        ("wrong length announced", true, Reply::data(&data()[1..]), 65, &["offered: 299999 bytes"], 1),
        ("too long without a length", true, longer().without_length(), 65, &["is not what its pin says"], 1),
        ("too long in chunks", true, longer().chunked(), 65, &["is not what its pin says"], 1),
        ("wrong length, no size pinned", false, Reply::data(&data()[1..]), 65, &["found:  299999 bytes"], 1),
        ("a page to log in", true, page(), 65, &["text/html", "it begins: <html><title>Please \\u{1b}", "log in"], 1),
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
        ("always silent", true, Reply::silent(AGES), 69, &["no answer for 0.6 s"], 5),
        ("always stalled", true, good().stall(0, AGES), 69, &["nothing came for 0.6 s"], 5),
        ("always 503", true, Reply::status(503), 69, &["503", "given up after 5 attempts"], 5),
        ("404", true, Reply::status(404), 69, &["the server answers 404"], 1),
        ("403", true, Reply::status(403), 69, &["the server answers 403"], 1),
        ("204", true, Reply::status(204), 69, &["the server answers 204"], 1),
        ("304", true, Reply::status(304), 69, &["the server answers 304"], 1),
        ("206 unasked", true, good().status_of(206), 69, &["the server answers 206"], 1),
        ("416 unasked", true, Reply::status(416), 69, &["the server answers 416"], 1),
        ("429 for hours", true, Reply::status(429).header("Retry-After", "7200"), 69, &["come back in 7200 s"], 1),
        ("redirect to itself", true, Reply::redirect("/data"), 69, &["round in a circle"], 1),
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
    // What was on its way is lost with the connection, so the server may have sent more than arrived.
    let range = server.requests()[1].header("range").map(str::to_owned);
    let start = range.map_or(0, |range| range["bytes=".len()..].trim_end_matches('-').parse::<u64>().unwrap());
    assert_eq!(server.sent(), 100_000 + SIZE - start);
}

#[test]
fn a_killed_download_goes_on_where_it_was() {
    let (server, fetch) = scenario(vec![good().stall(200_000, AGES), good()]);
    let mut child = fetch.command().env("SPEACHES_FETCH_SECOND_MS", "1000").stderr(Stdio::null()).spawn().unwrap();
    wait_until(|| fs_err::metadata(fetch.partial()).is_ok_and(|partial| partial.len() == 200_000));
    // SIGKILL: it cannot prepare for it.
    child.kill().unwrap();
    child.wait().unwrap();
    fetch.succeeds();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("range"), Some("bytes=200000-"));
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
    assert_eq!(server.sent(), SIZE);
    fetch.succeeds();
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
    assert!(text.contains("what was fetched is kept"), "{text}");
    assert_eq!(fetch.store().join("work").read_dir_utf8().unwrap().count(), 0);
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
fn many_files_come_over_a_bounded_number_of_connections() {
    let server = Faults::start([]);
    let fetch = Fetch::from(&[]);
    let wanted = (0..24)
        .map(|number| {
            let body = format!("file {number}, which is short").into_bytes();
            let path = format!("/{number}");
            server.set(&path, vec![Reply::data(&body).trickle(6, Duration::from_millis(10))]);
            json!({"urls": [format!("{}{path}", server.url)], "size": body.len(), "sha256": sha256(&body)})
        })
        .collect::<Value>();
    let ended = run(&mut fetch.command_for(&wanted)).expect(0);
    assert_eq!(ended.stdout.lines().count(), 24);
    assert_eq!(server.requests().len(), 24);
    assert!((2..=8).contains(&server.most_open()), "{} connections", server.most_open());
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
fn credentials_stay_with_the_host_they_are_for() {
    let other = Faults::start([("/signed", vec![good()])]);
    let elsewhere = format!("{}/signed?signature=secret", other.url);
    let by_name = format!("http://localhost:{}/signed?signature=secret", other.port);
    other.set("/signed?signature=secret", vec![good()]);
    let hub = Faults::start([("/data", vec![Reply::redirect(&elsewhere)])]);
    hub.set("/name", vec![Reply::redirect(&by_name)]);
    hub.set("/near", vec![Reply::redirect("/data")]);
    for path in ["/data", "/name", "/near"] {
        let fetch =
            Fetch::from(&[format!("{}{path}", hub.url)]).with("HF_ENDPOINT", &hub.url).with("HF_TOKEN", "hf_secret");
        fetch.succeeds();
    }
    assert!(hub.requests().iter().all(|request| request.header("authorization") == Some("Bearer hf_secret")));
    assert_eq!(hub.requests().len(), 4);

    let with_password = format!("http://me:secret@127.0.0.1:{}/data", hub.port);
    Fetch::from(std::slice::from_ref(&with_password)).succeeds();
    assert_eq!(hub.requests().last().unwrap().header("authorization"), Some("Basic bWU6c2VjcmV0"));
    // The hub's token is for the hub.
    Fetch::from(&[elsewhere]).with("HF_ENDPOINT", &hub.url).with("HF_TOKEN", "hf_secret").succeeds();
    assert_eq!(other.requests().len(), 5);
    for request in other.requests() {
        assert_eq!(request.header("authorization"), None, "{request:?}");
        assert_eq!(request.header("referer"), None, "{request:?}");
    }

    // Nor do messages tell them.
    other.set("/signed?signature=secret", vec![Reply::status(404)]);
    let fetch = Fetch::from(&[with_password, format!("{}/signed?signature=secret", other.url)]);
    fetch.fails("secrets", 69, &["/data: the server answers 404", "/signed?…: the server answers 404"]);
}

#[test]
fn an_expired_signature_is_made_anew() {
    let cdn = Faults::start([("/1", vec![good().cut(100_000), Reply::status(403)]), ("/2", vec![good()])]);
    let (first, second) = (format!("{}/1", cdn.url), format!("{}/2", cdn.url));
    let (hub, fetch) = scenario(vec![Reply::redirect(&first), Reply::redirect(&first), Reply::redirect(&second)]);
    fetch.succeeds();
    assert_eq!(hub.requests().len(), 3, "every attempt begins where signatures are made");
    assert_eq!(cdn.requests()[2].header("range"), Some("bytes=100000-"));
    assert_eq!(cdn.requests()[2].header("if-range"), Some("\"v1\""));
    assert_eq!(cdn.sent(), SIZE);
}

#[test]
fn redirects_have_an_end() {
    let server = Faults::start([]);
    for number in 0..20 {
        server.set(&format!("/{number}"), vec![Reply::redirect(&format!("/{}", number + 1))]);
    }
    server.set("/20", vec![good()]);
    Fetch::from(&[format!("{}/10", server.url)]).succeeds();
    let fetch = Fetch::from(&[format!("{}/0", server.url)]);
    fetch.fails("many redirects", 69, &["more than 10 redirects", "/11"]);
    server.set("/20", vec![Reply::redirect("/18")]);
    Fetch::from(&[format!("{}/18", server.url)]).fails("a loop of three", 69, &["round in a circle", "/18"]);
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
    ended.says("/wrong` is not what its pin says").says("kept for inspection");
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
    fetch.fails("wrong and gone", 65, &["is not what its pin says", "other sources do not help", "404"]);
}

#[test]
fn what_an_earlier_run_left_is_used_only_as_far_as_it_is_right() {
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
    Fetch::from(&[path.to_string()]).fails("another file", 65, &["is not what its pin says"]);
    fs_err::write(&path, b"short").unwrap();
    Fetch::from(&[path.to_string()]).fails("a shorter file", 65, &["found:  5 bytes"]);
}

#[test]
fn servers_that_are_not_there_are_explained() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Fetch::from(&[format!("http://127.0.0.1:{closed}/data")]).fails("refused", 69, &["Connection refused"]);
    let fetch = Fetch::from(&["http://nowhere.invalid/data".to_owned()]);
    fetch.fails("no such name", 69, &["dns error", "given up after 5 attempts"]);
    Fetch::from(&["http://[nonsense/data".to_owned()]).fails("no URL", 69, &["cannot fetch"]);
    Fetch::from(&["ftp://127.0.0.1/data".to_owned()]).fails("no HTTP", 69, &["cannot fetch"]);
}

#[test]
fn what_does_not_fit_is_not_begun() {
    let (server, fetch) = scenario(vec![good()]);
    let fetch = Fetch { size: Some(1 << 60), ..fetch };
    fetch.fails("known before", 74, &["there is no room for 1 file", "are missing", fetch.store().as_str()]);
    assert_eq!(server.requests().len(), 0);
    let (server, fetch) = scenario(vec![good().claiming(1 << 60).cut(0)]);
    fetch.without_size().fails("known from the server", 74, &["there is no room for file 1"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn proxies_of_the_system_are_used() {
    let proxy = Faults::start([("http://files.invalid/data", vec![good().cut(1000), good()])]);
    let address = format!("http://me:secret@127.0.0.1:{}", proxy.port);
    Fetch::from(&["http://files.invalid/data".to_owned()]).with("http_proxy", &address).succeeds();
    assert_eq!(proxy.requests()[1].header("proxy-authorization"), Some("Basic bWU6c2VjcmV0"));
    assert_eq!(proxy.sent(), SIZE);

    let (server, fetch) = scenario(vec![good()]);
    fetch.with("http_proxy", &address).with("no_proxy", "127.0.0.1").succeeds();
    assert_eq!((server.requests().len(), proxy.requests().len()), (1, 2));

    proxy.set("files.invalid:443", vec![Reply::status(407)]);
    let fetch = Fetch::from(&["https://files.invalid/data".to_owned()]).with("https_proxy", &address);
    fetch.fails("a proxy that refuses", 69, &["proxy"]);
    assert_eq!(proxy.requests().last().unwrap().method, "CONNECT");
}

/// Most memory that a child of this test had so far, in bytes.
fn peak_of_children() -> i64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap();
    usage.max_rss() * if cfg!(target_vendor = "apple") { 1 } else { 1024 }
}

#[test]
fn memory_does_not_grow_with_the_file() {
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

/// A listener that does this with every connection.
fn listener(each: impl Fn(std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(each));
    port
}

#[test]
fn servers_that_do_not_speak_tls_are_explained() {
    let plain = listener(|mut stream| {
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
    });
    let fetch = Fetch::from(&[format!("https://127.0.0.1:{plain}/data")]);
    fetch.fails("plain text", 69, &["cannot fetch", "SSL_CERT_FILE"]);
    let closes = listener(drop);
    let fetch = Fetch::from(&[format!("https://127.0.0.1:{closes}/data")]);
    fetch.fails("closes", 69, &["cannot fetch", "given up after 5 attempts"]);
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

/// Only Linux takes authorities from a file; elsewhere they are in the system's store, which tests leave alone.
#[cfg(target_os = "linux")]
mod secure {
    use super::tls::{Answer, SecureServer};
    use super::*;

    fn good() -> Answer {
        Answer { status: 200, body: data().into(), times: 1, ..Answer::default() }
    }

    /// A fetch that trusts the authority of this server.
    fn trusting(server: &SecureServer, path: &str) -> Fetch {
        let fetch = Fetch::from(&[format!("{}{path}", server.url)]);
        let file = fetch.scratch.path.join("authority.pem");
        fs_err::write(&file, &server.authority).unwrap();
        fetch.with("SSL_CERT_FILE", file.as_str()).with("SSL_CERT_DIR", "")
    }

    #[test]
    fn an_authority_of_a_company_is_trusted_when_the_system_does_and_only_then() {
        let server = SecureServer::start([("/data", good())]);
        trusting(&server, "/data").succeeds();
        let fetch = Fetch::from(&[format!("{}/data", server.url)]);
        fetch.fails("unknown authority", 69, &["invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"]);
        let mut fetch = trusting(&server, "/data");
        fetch.urls = vec![fetch.urls[0].replace("127.0.0.1", "localhost")];
        fetch.fails("another name", 69, &["not valid for name", "SSL_CERT_FILE"]);
        assert_eq!(server.requests().len(), 1);
    }

    #[test]
    fn http_2_is_spoken_and_a_broken_stream_is_taken_up() {
        let server = SecureServer::start([("/data", Answer { reset_after: Some(100_000), ..good() })]);
        trusting(&server, "/data").succeeds();
        let requests = server.requests();
        assert!(requests.iter().all(|(version, _)| *version == http::Version::HTTP_2));
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[1].1.as_deref(), Some("bytes=100000-"));
        assert_eq!(server.sent() as u64, SIZE);
        assert_eq!(server.connections(), 1);
    }

    #[test]
    fn a_dead_connection_of_http_2_is_not_used_again() {
        let server = SecureServer::start([("/data", Answer { freezes: true, ..good() })]);
        trusting(&server, "/data").succeeds();
        assert_eq!((server.connections(), server.requests().len()), (2, 1));
    }

    #[test]
    fn memory_does_not_grow_with_the_file_in_http_2() {
        let times = 300;
        let mut digest = sha2::Sha256::new();
        (0..times).for_each(|_| digest.update(data()));
        let sha256 = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let server = SecureServer::start([("/data", Answer { times, ..good() })]);
        let fetch = Fetch { size: Some(times as u64 * SIZE), sha256, ..trusting(&server, "/data") };
        fetch.run().expect(0);
        assert!(peak_of_children() < 64 << 20, "{} bytes", peak_of_children());
    }

    #[test]
    fn nobody_is_sent_on_from_https_to_plain_http() {
        let plain = Faults::start([("/data", vec![super::good()])]);
        let to = |location: String| Answer { status: 302, location: Some(location), ..Answer::default() };
        let server = SecureServer::start([
            ("/away", to("http://files.invalid/data".to_owned())),
            ("/here", to(format!("{}/data", plain.url))),
        ]);
        let fetch = trusting(&server, "/away");
        fetch.fails("downgrade", 69, &["sends us on to http://files.invalid/data, where anybody"]);
        // Nobody is between a machine and itself.
        trusting(&server, "/here").succeeds();
    }
}
