//! `GET /health` of a service, with a limit on how long it may take.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long connecting, and the answer, may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How many bytes of the status line are read.
const LONGEST_LINE: u64 = 256;

/// Whether the service at an address answers.
pub fn ask(address: SocketAddr) -> Result<(), String> {
    let line = first_line(address).map_err(|error| match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        // A read that takes too long would block.
        ErrorKind::TimedOut | ErrorKind::WouldBlock => format!("no answer within {} s", TIMEOUT.as_secs()),
        _ => error.to_string(),
    })?;
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some(protocol), Some("200")) if protocol.starts_with("HTTP/") => Ok(()),
        (Some(protocol), Some(status)) if protocol.starts_with("HTTP/") => {
            Err(format!("it answers with status {status}"))
        }
        _ => Err("the program that answers there does not speak HTTP".to_owned()),
    }
}

fn first_line(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // In one write: a server of another protocol may hang up after the first.
    stream.write_all(format!("GET /health HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST_LINE)).read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Asks a server that answers with a text.
    fn answered_with(text: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            let read = stream.read(&mut request).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let result = ask(address);
        assert!(answering.join().unwrap().starts_with("GET /health HTTP/1.0\r\n"));
        result
    }

    #[test]
    fn only_a_200_is_well_and_every_other_answer_is_said() {
        assert_eq!(answered_with("HTTP/1.1 200 OK\r\n\r\nOK"), Ok(()));
        assert_eq!(answered_with("HTTP/1.1 503 No\r\n\r\n"), Err("it answers with status 503".to_owned()));
        assert_eq!(answered_with("SSH-2.0\r\n"), Err("the program that answers there does not speak HTTP".to_owned()));
        assert_eq!(answered_with(""), Err("the program that answers there does not speak HTTP".to_owned()));
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(ask(nobody), Err("nothing listens there".to_owned()));
    }
}
