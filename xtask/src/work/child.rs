//! Child processes, which must not outlive this one.

use std::io::{self, Write as _};
use std::process::{Child, Command, Output, Stdio};
#[cfg(unix)]
use std::time::Duration;

use super::open::open;
use crate::base::program;

/// Runs a command to its end with this on its standard input. On Ctrl-C it is ended, too.
pub fn output(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    program::logged(command, |command| fed(command, input))
}

fn fed(command: &mut Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = {
        let mut open = open();
        let child = command.spawn()?;
        open.children.push(child.id());
        child
    };
    let id = child.id();
    let result = feed(&mut child, input).and_then(|()| child.wait_with_output());
    open().children.retain(|known| *known != id);
    result
}

fn feed(child: &mut Child, input: &[u8]) -> io::Result<()> {
    let Some(mut stdin) = child.stdin.take() else { return Ok(()) };
    match stdin.write_all(input) {
        // It ended before it had read all; how it ended says more than this.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Ends all children, because nothing needs their results any more.
pub fn end_children() {
    let children = open().children.clone();
    children.into_iter().for_each(kill);
}

/// Ends a child that is on the list.
#[cfg(unix)]
pub fn kill(child: u32) {
    use rustix::process::{Pid, Signal, kill_process, test_kill_process};
    let Some(pid) = i32::try_from(child).ok().and_then(Pid::from_raw) else { return };
    let _ = kill_process(pid, Signal::KILL);
    // Until it is really gone it may make a directory again. The thread that waits for it will see its end.
    for _ in 0..200 {
        if test_kill_process(pid).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(not(unix))]
pub fn kill(_child: u32) {
    // The console sends Ctrl-C to all of its processes.
}
