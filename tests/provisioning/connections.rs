//! The connections of the downloader: how many, to whom, through which proxies, and whom it trusts.
#![cfg(unix)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::faults::{Faults, Reply};
use crate::support::fetch::*;
use crate::support::{Ended, sha256};
use serde_json::{Value, json};

#[test]
fn many_files_come_over_a_bounded_number_of_connections() {
    let server = Faults::start([]);
    let fetch = Fetch::from(&[]);
    let wanted = (0..24)
        .map(|number| {
            let body = format!("file {number}, which is short").into_bytes();
            let path = format!("/{number}");
            server.set(&path, vec![Reply::data(&body).held(6)]);
            json!({"urls": [format!("{}{path}", server.url)], "size": body.len(), "sha256": sha256(&body)})
        })
        .collect::<Value>();
    let child =
        fetch.command_for(&wanted).env_remove("SPEACHES_FETCH_SECOND_MS").stdout(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while server.most_open() < 8 {
        assert!(started.elapsed() < AGES, "{} connections", server.most_open());
        std::thread::sleep(Duration::from_millis(5));
    }
    server.let_go();
    let ended = Ended::of(child.wait_with_output().unwrap()).expect(0);
    assert_eq!(ended.stdout.lines().count(), 24);
    assert_eq!(server.requests().len(), 24);
    assert_eq!(server.most_open(), 8);
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
fn servers_that_are_not_there_are_explained() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Fetch::from(&[format!("http://127.0.0.1:{closed}/data")]).fails("refused", 69, &["Connection refused"]);
    let fetch = Fetch::from(&["http://nowhere.invalid/data".to_owned()]);
    fetch.fails("no such name", 69, &["dns error", "given up after 5 attempts"]);
    Fetch::from(&["http://[nonsense/data".to_owned()]).fails("no URL", 69, &["cannot fetch"]);
    Fetch::from(&["ftp://127.0.0.1/data".to_owned()]).fails("no HTTP", 69, &["cannot fetch"]);
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

/// Only Linux takes authorities from a file; elsewhere they are in the system's store, which tests leave alone.
#[cfg(target_os = "linux")]
mod secure {
    use sha2::Digest as _;

    use super::*;
    use crate::support::tls::{Answer, SecureServer};

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
        if !is_alone("connections::secure::memory_does_not_grow_with_the_file_in_http_2") {
            return;
        }
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
    fn a_redirect_from_https_to_plain_http_is_refused() {
        let plain = Faults::start([("/data", vec![super::good()])]);
        let to = |location: String| Answer { status: 302, location: Some(location), ..Answer::default() };
        let server = SecureServer::start([
            ("/away", to("http://files.invalid/data".to_owned())),
            ("/here", to(format!("{}/data", plain.url))),
        ]);
        let fetch = trusting(&server, "/away");
        fetch.fails("downgrade", 69, &["sends us on to http://files.invalid/data, where anybody"]);
        // No proxy stands between a machine and itself.
        trusting(&server, "/here").succeeds();
    }
}
