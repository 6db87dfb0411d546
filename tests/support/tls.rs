//! A server that speaks HTTP/2 over TLS, with a certificate of an unknown authority.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};

/// How a path is answered.
#[derive(Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: Bytes,
    /// How often the body is repeated.
    pub times: usize,
    /// The stream is reset after so many bytes, the first time.
    pub reset_after: Option<usize>,
    /// Nothing is said on this connection any more, not even to a ping, the first time.
    pub freezes: bool,
}

/// The server. It serves until the test ends.
pub struct SecureServer {
    pub url: String,
    /// The certificate of its authority, PEM.
    pub authority: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: Mutex<BTreeMap<String, Answer>>,
    requests: Mutex<Vec<(http::Version, Option<String>)>>,
    connections: Mutex<usize>,
    sent: Mutex<usize>,
}

impl SecureServer {
    pub fn start(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let (authority, config) = certificates();
        let answers = answers.into_iter().map(|(path, answer)| (path.to_owned(), answer)).collect();
        let state = Arc::new(State { answers: Mutex::new(answers), ..State::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(acceptor.clone(), stream, shared.clone()));
                }
            });
        });
        Self { url, authority, state }
    }

    /// The protocol and range of each request.
    pub fn requests(&self) -> Vec<(http::Version, Option<String>)> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many connections came through the handshake.
    pub fn connections(&self) -> usize {
        *self.state.connections.lock().unwrap()
    }

    pub fn sent(&self) -> usize {
        *self.state.sent.lock().unwrap()
    }
}

fn certificates() -> (String, rustls::ServerConfig) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, key);
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (authority.pem(), config)
}

async fn serve(acceptor: tokio_rustls::TlsAcceptor, stream: TcpStream, state: Arc<State>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    *state.connections.lock().unwrap() += 1;
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let freezes = state
            .answers
            .lock()
            .unwrap()
            .get_mut(request.uri().path())
            .is_some_and(|answer| std::mem::take(&mut answer.freezes));
        if freezes {
            tokio::time::sleep(std::time::Duration::from_secs(60)).await;
            return;
        }
        tokio::spawn(answer(request, respond, state.clone()));
    }
}

async fn answer(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>, state: Arc<State>) {
    let range = request.headers().get("range").map(|range| range.to_str().unwrap().to_owned());
    state.requests.lock().unwrap().push((request.version(), range.clone()));
    let answer = {
        let mut answers = state.answers.lock().unwrap();
        let answer = answers.get_mut(request.uri().path()).unwrap();
        let now = answer.clone();
        answer.reset_after = None;
        now
    };
    let total = answer.body.len() * answer.times;
    let mut response = Response::builder().status(answer.status).header("etag", "\"v1\"");
    if let Some(location) = &answer.location {
        response = response.header("location", location);
    }
    let mut start = 0;
    if let Some(range) = range {
        start = range["bytes=".len()..].trim_end_matches('-').parse().unwrap();
        response = response.status(206).header("content-range", format!("bytes {start}-{}/{total}", total - 1));
    }
    let response = response.header("content-length", total - start).body(()).unwrap();
    let mut stream = respond.send_response(response, total == start).unwrap();
    let end = answer.reset_after.map_or(total, |after| total.min(start + after));
    let mut at = start;
    while at < end {
        let within = at % answer.body.len();
        let wanted = (answer.body.len() - within).min(end - at).min(1 << 16);
        stream.reserve_capacity(wanted);
        let Some(Ok(granted)) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else { return };
        let length = granted.min(wanted);
        if stream.send_data(answer.body.slice(within..within + length), at + length == total).is_err() {
            return;
        }
        *state.sent.lock().unwrap() += length;
        at += length;
    }
    if end < total {
        // Not before what was sent has arrived: a reset takes what waits with it.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        stream.send_reset(h2::Reason::INTERNAL_ERROR);
    }
}
