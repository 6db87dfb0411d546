//! A server of files on loopback: HTTP/1.1, as fast as the system copies from a file to a socket.

use std::io::{self, BufRead, BufReader, Seek as _, SeekFrom, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err::File;

/// Serves the files of one directory until the process ends, each connection in a thread of its own.
pub struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Starts it on a port that is free.
    pub fn start(directory: &Utf8Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on 127.0.0.1")?;
        let url = format!("http://{}", listener.local_addr()?);
        let connections = Arc::new(AtomicUsize::new(0));
        let (directory, counter) = (directory.to_owned(), connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counter.fetch_add(1, Ordering::Relaxed);
                let directory = directory.clone();
                // A client that goes away in the middle tells its own story.
                std::thread::spawn(move || drop(serve(&stream, &directory)));
            }
        });
        Ok(Self { url, connections })
    }

    /// Where a file of its directory is.
    pub fn url(&self, file: &str) -> String {
        format!("{}/{file}", self.url)
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// What of a request matters here.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    method: String,
    file: String,
    range: Option<String>,
    if_range: Option<String>,
    closes: bool,
}

/// Reads the head of the next request; nothing when the client has no more. (None of those it answers has a body.)
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = Request { method, file: path.trim_start_matches('/').to_owned(), ..Request::default() };
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let Some((name, value)) = line.split_once(':') else { return Ok(Some(request)) };
        let value = value.trim().to_owned();
        match name.to_ascii_lowercase().as_str() {
            "range" => request.range = Some(value),
            "if-range" => request.if_range = Some(value),
            "connection" => request.closes = value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
}

/// The first byte that is asked for and the one after the last. Any other form of range is ignored, as RFC 9110 (14.2)
/// allows.
fn span(request: &Request, etag: &str, size: u64) -> Option<(u64, u64)> {
    if request.if_range.as_deref().is_some_and(|known| known != etag) {
        return None;
    }
    let (start, last) = request.range.as_ref()?.strip_prefix("bytes=")?.split_once('-')?;
    let end = if last.is_empty() { size } else { last.parse::<u64>().ok()?.saturating_add(1).min(size) };
    Some((start.parse().ok().filter(|start| *start < end)?, end))
}

fn serve(stream: &TcpStream, directory: &Utf8Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        answer(stream, &request, &directory.join(&request.file))?;
        if request.closes {
            break;
        }
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, request: &Request, path: &Utf8PathBuf) -> io::Result<()> {
    let is_name = !request.file.contains(['/', '\\', '%']) && !request.file.starts_with('.');
    let file = if is_name { File::open(path).ok() } else { None };
    let Some(mut file) = file else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let size = file.metadata()?.len();
    let etag = format!("\"{}-{size}\"", request.file);
    let (status, (start, end)) = match span(request, &etag, size) {
        Some(span) => ("206 Partial Content", span),
        None => ("200 OK", (0, size)),
    };
    let mut head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\nETag: {etag}\r\n\
         Content-Length: {}\r\n",
        end - start
    );
    if status.starts_with("206") {
        head.push_str(&format!("Content-Range: bytes {start}-{}/{size}\r\n", end - 1));
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    if request.method != "HEAD" {
        file.seek(SeekFrom::Start(start))?;
        // The standard library has the system copy from one to the other, but knows only its own type of file.
        io::copy(&mut io::Read::take(file.file(), end - start), &mut stream)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn one_connection_brings_several_files_and_parts_of_them() {
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(directory.path()).unwrap();
        fs_err::write(directory.join("a"), "0123456789").unwrap();
        let server = Server::start(directory).unwrap();
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
        for (path, headers, ends) in [
            ("/a", "", "\r\n\r\n0123456789"),
            ("/a", "Range: bytes=7-\r\n", "Content-Range: bytes 7-9/10\r\n\r\n789"),
            ("/a", "Range: bytes=2-4\r\nIf-Range: \"a-10\"\r\n", "Content-Range: bytes 2-4/10\r\n\r\n234"),
            ("/a", "Range: bytes=7-\r\nIf-Range: \"older\"\r\n", "\r\n\r\n0123456789"),
            ("/../a", "", "Content-Length: 0\r\n\r\n"),
            ("/gone", "", "Content-Length: 0\r\n\r\n"),
            ("/a", "Connection: close\r\n", "\r\n\r\n0123456789"),
        ] {
            stream.write_all(format!("GET {path} HTTP/1.1\r\n{headers}\r\n").as_bytes()).unwrap();
            let mut answer = String::new();
            while !answer.ends_with(ends) {
                let mut buffer = [0; 1024];
                let read = stream.read(&mut buffer).unwrap();
                assert!(read > 0, "{path} {headers}: {answer}");
                answer.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
        }
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        assert_eq!(server.connections(), 1);
    }
}
