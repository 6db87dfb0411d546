//! A child process that has only so much time.

use std::io::{self, Read};
use std::process::{Child, Command, Output};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(2);
/// The time for a killed child to end.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a command, or kills it: then there is no output.
pub fn run(command: &mut Command, timeout: Duration) -> io::Result<Option<Output>> {
    let mut child = command.spawn()?;
    // A child that fills a pipe which nothing reads would never end.
    let (output, errors) = (read(child.stdout.take()), read(child.stderr.take()));
    if has_ended(&mut child, timeout)? {
        return Ok(Some(Output { status: child.wait()?, stdout: content(output)?, stderr: content(errors)? }));
    }
    // It may have ended just now.
    let _ = child.kill();
    // N.B. one that hangs inside a driver cannot be killed, and waiting for it would hang as well.
    has_ended(&mut child, LAST_TIMEOUT)?;
    Ok(None)
}

type Reader = JoinHandle<io::Result<Vec<u8>>>;

fn read(pipe: Option<impl Read + Send + 'static>) -> Option<Reader> {
    let mut pipe = pipe?;
    Some(std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).map(|_| bytes)
    }))
}

fn content(reader: Option<Reader>) -> io::Result<Vec<u8>> {
    let read = reader.map_or_else(|| Ok(Ok(Vec::new())), JoinHandle::join);
    read.unwrap_or_else(|_| Err(io::Error::other("the thread that reads the output panicked")))
}

fn has_ended(child: &mut Child, timeout: Duration) -> io::Result<bool> {
    let started = Instant::now();
    while child.try_wait()?.is_none() {
        if started.elapsed() > timeout {
            return Ok(false);
        }
        std::thread::sleep(PAUSE);
    }
    Ok(true)
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn output_larger_than_a_pipe_is_read_while_the_child_runs() {
        let mut command = Command::new("sh");
        command.args(["-c", "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"]);
        let output =
            run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), Duration::from_secs(30)).unwrap().unwrap();
        assert!(output.status.success());
        assert_eq!((output.stdout.len(), output.stderr.len()), (1_000_000, 1_000_000));
    }
}
