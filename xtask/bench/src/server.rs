//! A server of files on loopback: HTTP/1.1, as fast as the system copies from a file to a socket.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use camino::Utf8Path;

/// Serves the files of one directory until the process ends, each connection in a thread of its own.
pub struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
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

    pub fn url(&self, file: &str) -> String {
        format!("{}/{file}", self.url)
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Answers every request of a connection. The clients here send no body and no `Range`.
fn serve(mut stream: &TcpStream, directory: &Utf8Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(request) = lines.next() {
        let request = request?;
        let mut words = request.split(' ');
        let (method, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let name = name.trim_start_matches('/').to_owned();
        let mut closes = false;
        for line in lines.by_ref() {
            let line = line?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            closes |= line.starts_with("connection:") && line.ends_with("close");
        }
        let is_name = !name.contains(['/', '\\', '%']) && !name.starts_with('.');
        let file = if is_name { fs_err::File::open(directory.join(&name)).ok() } else { None };
        let status = if file.is_some() { "200 OK" } else { "404 Not Found" };
        let size = file.as_ref().map_or(Ok(0), |file| file.metadata().map(|metadata| metadata.len()))?;
        let head = format!("HTTP/1.1 {status}\r\nETag: \"{name}-{size}\"\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        if let Some(file) = file.filter(|_| method != "HEAD") {
            // The standard library has the system copy from one to the other, but knows only its own type of file.
            io::copy(&mut file.file(), &mut stream)?;
        }
        if closes {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn one_connection_brings_several_files() {
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(directory.path()).unwrap();
        fs_err::write(directory.join("a"), "0123456789").unwrap();
        let server = Server::start(directory).unwrap();
        let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
        let requests =
            ["/a HTTP/1.1\r\n", "/../a HTTP/1.1\r\n", "/gone HTTP/1.1\r\n", "/a HTTP/1.1\r\nConnection: close\r\n"];
        stream.write_all(requests.map(|request| format!("GET {request}\r\n")).concat().as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let bodies = answer.split("HTTP/1.1 ").map(|answer| answer.rsplit("\r\n").next().unwrap()).collect::<Vec<_>>();
        assert_eq!(bodies, ["", "0123456789", "", "", "0123456789"], "{answer}");
        assert_eq!(answer.matches("404 Not Found").count(), 2, "{answer}");
        assert_eq!(server.connections(), 1);
    }
}
