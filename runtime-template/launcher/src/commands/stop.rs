//! `speaches stop`: ends a service, and waits until it has ended.

use std::time::{Duration, Instant};

use speaches_format::failure::{Exit, Failure};

use super::status::Selection;
use crate::instance::Instance;
use crate::process::{self, Request};

/// How long a service may take; it needs at most 8 seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a killed process may take.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);

/// Stop a service and wait until it has ended
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Kill it if it does not end within 10 seconds
    #[arg(long)]
    force: bool,
}

/// Runs the subcommand. That nothing runs is a success.
///
/// # Errors
/// [`Exit::Usage`] when several run and none was named, [`Exit::Temporary`] when it does not end in time.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let running = arguments.selection.find()?.into_iter().filter(|instance| instance.alive).collect::<Vec<_>>();
    let instance = match running.as_slice() {
        [] => {
            eprintln!("no service runs");
            return Ok(Exit::Success);
        }
        [instance] => instance,
        several => {
            let ports = several.iter().map(|instance| instance.status.port.to_string()).collect::<Vec<_>>();
            let said = format!("{} services run, on the ports {}", several.len(), ports.join(", "));
            return Err(Failure::new(Exit::Usage, said).hint("name one with `--port` or `--state-dir`"));
        }
    };
    stop(instance, arguments.force)?;
    println!("stopped the service on port {} (pid {})", instance.status.port, instance.status.pid);
    Ok(Exit::Success)
}

/// Asks a service to stop and waits until it has ended; with `force` it is killed when it does not.
///
/// # Errors
/// [`Exit::Temporary`] when it does not end in time.
pub fn stop(instance: &Instance, force: bool) -> Result<(), Failure> {
    let pid = instance.status.pid;
    process::ask(pid, Request::Stop)?;
    if has_ended(pid, TIMEOUT) {
        return Ok(());
    }
    if force {
        process::ask(pid, Request::Kill)?;
        if has_ended(pid, KILL_TIMEOUT) {
            return Ok(());
        }
    }
    let seconds = TIMEOUT.as_secs();
    Err(Failure::new(Exit::Temporary, format!("the service (pid {pid}) did not stop within {seconds} s"))
        .hint("`bin/speaches stop --force` kills it, and open requests are lost"))
}

fn has_ended(pid: u32, within: Duration) -> bool {
    let started = Instant::now();
    while process::is_service(pid) {
        if started.elapsed() > within {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}
