//! A server on loopback with scripted faults. It records its requests and counts the bytes that it sent.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How one request is answered. It begins as a faultless answer, to which faults are added.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Arc<Vec<u8>>,
    /// How often the body is repeated, so that large ones need no memory here.
    times: u64,
    ranges: bool,
    if_range: bool,
    etag: Option<String>,
    length: Length,
    fault: Fault,
    /// The token it takes, and what others get.
    guard: Option<(String, Box<Reply>)>,
}

#[derive(Clone)]
enum Length {
    Right,
    Claimed(u64),
    Untold,
    Chunked,
}

#[derive(Clone)]
enum Fault {
    None,
    /// The connection ends in order after so many bytes of the body.
    Cut(u64),
    /// The connection is reset after so many bytes of the body.
    Reset(u64),
    /// Nothing comes any more after so many bytes of the body, for this long.
    Stall(u64, Duration),
    /// So many bytes at a time, with a pause after each.
    Trickle(usize, Duration),
    /// Nothing more comes after so many bytes of the body until [`Faults::let_go`].
    Held(u64),
    /// Not even a status line.
    Silence(Duration),
    /// The connection ends before the status line.
    Nothing,
}

impl Reply {
    /// Serves bytes as a good server does, parts of them included.
    pub fn data(body: &[u8]) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Arc::new(body.to_vec()),
            times: 1,
            ranges: true,
            if_range: true,
            etag: Some("\"v1\"".to_owned()),
            length: Length::Right,
            fault: Fault::None,
            guard: None,
        }
    }

    /// Only for requests with this token.
    pub fn only_for(self, token: &str, otherwise: Self) -> Self {
        self.only_with(&format!("Bearer {token}"), otherwise)
    }

    /// Only for requests with this `Authorization`.
    pub fn only_with(self, authorization: &str, otherwise: Self) -> Self {
        Self { guard: Some((authorization.to_owned(), Box::new(otherwise))), ..self }
    }

    /// An answer without the data.
    pub fn status(status: u16) -> Self {
        Self { status, ranges: false, etag: None, ..Self::data(b"") }
    }

    pub fn redirect(to: &str) -> Self {
        Self::status(302).header("Location", to)
    }

    pub fn status_of(self, status: u16) -> Self {
        Self { status, ranges: false, ..self }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    pub fn etag(self, etag: &str) -> Self {
        Self { etag: Some(etag.to_owned()), ..self }
    }

    pub fn without_etag(self) -> Self {
        Self { etag: None, ..self }
    }

    /// Always the whole.
    pub fn without_ranges(self) -> Self {
        Self { ranges: false, ..self }
    }

    /// Parts even when `If-Range` names another version.
    pub fn ignoring_if_range(self) -> Self {
        Self { if_range: false, ..self }
    }

    pub fn claiming(self, length: u64) -> Self {
        Self { length: Length::Claimed(length), ..self }
    }

    pub fn without_length(self) -> Self {
        Self { length: Length::Untold, ..self }
    }

    pub fn chunked(self) -> Self {
        Self { length: Length::Chunked, ..self }
    }

    pub fn cut(self, after: u64) -> Self {
        Self { fault: Fault::Cut(after), ..self }
    }

    pub fn reset(self, after: u64) -> Self {
        Self { fault: Fault::Reset(after), ..self }
    }

    pub fn stall(self, after: u64, time: Duration) -> Self {
        Self { fault: Fault::Stall(after, time), ..self }
    }

    pub fn trickle(self, bytes: usize, pause: Duration) -> Self {
        Self { fault: Fault::Trickle(bytes, pause), ..self }
    }

    pub fn held(self, after: u64) -> Self {
        Self { fault: Fault::Held(after), ..self }
    }

    pub fn silent(time: Duration) -> Self {
        Self { fault: Fault::Silence(time), ..Self::status(200) }
    }

    pub fn hangs_up() -> Self {
        Self { fault: Fault::Nothing, ..Self::status(200) }
    }
}

/// The requests.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub at: Instant,
    headers: BTreeMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_lowercase()).map(String::as_str)
    }
}

/// The server. It serves until the test ends.
pub struct Faults {
    pub url: String,
    pub port: u16,
    state: Arc<State>,
}

struct State {
    /// The answers to the requests for each path, in order; the last one stays.
    script: Mutex<BTreeMap<String, Vec<Reply>>>,
    requests: Mutex<Vec<Request>>,
    /// Bytes of bodies, by path.
    sent: Mutex<BTreeMap<String, u64>>,
    open: AtomicUsize,
    most_open: AtomicUsize,
    is_let_go: Mutex<bool>,
    let_go: Condvar,
}

impl Faults {
    pub fn start(script: impl IntoIterator<Item = (&'static str, Vec<Reply>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = script.into_iter().map(|(path, replies)| (path.to_owned(), replies)).collect();
        let state = Arc::new(State {
            script: Mutex::new(script),
            requests: Mutex::default(),
            sent: Mutex::default(),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            is_let_go: Mutex::new(false),
            let_go: Condvar::new(),
        });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || {
                    let _ = answer(&stream, &state);
                });
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), port, state }
    }

    pub fn set(&self, path: &str, replies: Vec<Reply>) {
        self.state.script.lock().unwrap().insert(path.to_owned(), replies);
    }

    /// Answers that are held go on.
    pub fn let_go(&self) {
        *self.state.is_let_go.lock().unwrap() = true;
        self.state.let_go.notify_all();
    }

    /// The next answer for a path.
    pub fn scripted(&self, path: &str) -> Reply {
        self.state.script.lock().unwrap()[path][0].clone()
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The paths that were asked for, in order.
    pub fn paths(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.path).collect()
    }

    pub fn sent(&self) -> u64 {
        self.state.sent.lock().unwrap().values().sum()
    }

    /// Bytes of bodies that were sent of one path.
    pub fn sent_of(&self, path: &str) -> u64 {
        self.state.sent.lock().unwrap().get(path).copied().unwrap_or_default()
    }

    /// How many requests were being answered at once, at most.
    pub fn most_open(&self) -> usize {
        self.state.most_open.load(Ordering::SeqCst)
    }
}

/// Reads the head of a request but leaves it in the socket: the system resets connections that are closed with
/// something unread.
fn peek(stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 1 << 14];
    loop {
        let length = stream.peek(&mut buffer)?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(end) = buffer[..length].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            buffer.truncate(end + 4);
            return Ok(buffer);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn answer(mut stream: &TcpStream, state: &State) -> std::io::Result<()> {
    let head = peek(stream)?;
    let mut lines = BufReader::new(head.as_slice()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let headers = lines
        .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())))
        .collect();
    let request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        at: Instant::now(),
        headers,
    };
    let reply = {
        let mut script = state.script.lock().unwrap();
        match script.get_mut(&request.path) {
            Some(replies) if replies.len() > 1 => replies.remove(0),
            Some(replies) => replies[0].clone(),
            None => Reply::status(404),
        }
    };
    let reply = match reply.guard {
        Some((authorization, otherwise)) if request.header("authorization") != Some(&authorization) => *otherwise,
        _ => reply,
    };
    state.requests.lock().unwrap().push(request.clone());
    if !matches!(reply.fault, Fault::Reset(_)) {
        stream.read_exact(&mut vec![0; head.len()])?;
    }
    send(stream, state, &request, &reply)?;
    if !matches!(reply.fault, Fault::Reset(_)) {
        stream.shutdown(Shutdown::Write)?;
        // Sent bytes are lost if the connection is closed before the client has read them all.
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let _ = stream.read(&mut [0; 1]);
    }
    Ok(())
}

fn send(mut stream: &TcpStream, state: &State, request: &Request, reply: &Reply) -> std::io::Result<()> {
    match reply.fault {
        Fault::Silence(time) => {
            std::thread::sleep(time);
            return Ok(());
        }
        Fault::Nothing => return Ok(()),
        _ => {}
    }
    let total = reply.body.len() as u64 * reply.times;
    let same_version =
        !reply.if_range || request.header("if-range").is_none_or(|tag| Some(tag) == reply.etag.as_deref());
    let start = request
        .header("range")
        .filter(|_| reply.ranges && same_version)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<u64>().ok());
    let (status, start) = match start {
        Some(start) if start >= total => {
            write!(stream, "HTTP/1.1 416 Range\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(());
        }
        Some(start) => (206, start),
        None => (reply.status, 0),
    };
    let mut head = format!("HTTP/1.1 {status} Scripted\r\nConnection: close\r\n");
    match reply.length {
        Length::Right if reply.headers.iter().any(|(name, _)| name == "Content-Length") => {}
        Length::Right => head.push_str(&format!("Content-Length: {}\r\n", total - start)),
        Length::Claimed(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
        Length::Untold => {}
        Length::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
    }
    let overridden = |name: &str| reply.headers.iter().any(|(header, _)| header == name);
    if status == 206 && !overridden("Content-Range") {
        head.push_str(&format!("Content-Range: bytes {start}-{}/{total}\r\n", total - 1));
    }
    if let Some(etag) = &reply.etag {
        head.push_str(&format!("ETag: {etag}\r\n"));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    write!(stream, "{head}\r\n")?;
    let end = match reply.fault {
        Fault::Cut(after) | Fault::Reset(after) | Fault::Stall(after, _) => total.min(start + after),
        _ => total,
    };
    let size = if let Fault::Trickle(bytes, _) = reply.fault { bytes } else { 1 << 16 };
    let mut at = start;
    if at < end {
        let open = state.open.fetch_add(1, Ordering::SeqCst) + 1;
        state.most_open.fetch_max(open, Ordering::SeqCst);
    }
    while at < end {
        let mut next_stop = end;
        if let Fault::Held(after) = reply.fault {
            if at < start + after {
                next_stop = end.min(start + after);
            } else {
                let is_let_go = state.is_let_go.lock().unwrap();
                drop(state.let_go.wait_while(is_let_go, |is_let_go| !*is_let_go).unwrap());
            }
        }
        let within = (at % reply.body.len() as u64) as usize;
        let piece = &reply.body[within..];
        let piece = &piece[..piece.len().min(size).min((next_stop - at) as usize)];
        if matches!(reply.length, Length::Chunked) {
            write!(stream, "{:x}\r\n", piece.len())?;
        }
        if at + piece.len() as u64 == end {
            // With the last byte the other side may come with its next request.
            state.open.fetch_sub(1, Ordering::SeqCst);
        }
        stream.write_all(piece)?;
        if matches!(reply.length, Length::Chunked) {
            write!(stream, "\r\n")?;
        }
        *state.sent.lock().unwrap().entry(request.path.clone()).or_default() += piece.len() as u64;
        at += piece.len() as u64;
        if let Fault::Trickle(_, pause) = reply.fault {
            std::thread::sleep(pause);
        }
    }
    match reply.fault {
        Fault::Stall(_, time) => std::thread::sleep(time),
        // Until what was sent has arrived: a reset overtakes it.
        Fault::Reset(_) => std::thread::sleep(Duration::from_millis(30)),
        Fault::Cut(_) => {}
        _ if matches!(reply.length, Length::Chunked) => write!(stream, "0\r\n\r\n")?,
        _ => {}
    }
    Ok(())
}
