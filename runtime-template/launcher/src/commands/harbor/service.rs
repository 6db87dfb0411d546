//! `speaches harbor start` and `stop`: the service beside a Harbor that knows containers only.

use speaches_format::failure::{Exit, Failure};
use speaches_format::system::System;

use crate::commands::stop;
use crate::harbor::background::Background;
use crate::harbor::bridge::{self, Bridge};
use crate::harbor::home::{Flavor, Home};
use crate::harbor::hops;
use crate::instance::Instance;

/// Starts it, unless it runs.
pub fn start(home: &Home, background: &Background<'_>) -> Result<Exit, Failure> {
    require_stock(home)?;
    let instance = ensure(background)?;
    describe_listening(&instance, background);
    println!("http://{}", hops::address(&instance));
    Ok(Exit::Success)
}

pub fn stop(home: &Home, background: &Background<'_>) -> Result<Exit, Failure> {
    require_stock(home)?;
    end(background)?;
    Ok(Exit::Success)
}

/// The service that runs where the settings have it, started if need be; says which of the two it was.
pub fn ensure(background: &Background<'_>) -> Result<Instance, Failure> {
    match background.running() {
        Some(instance) if background.has_moved(&instance) => {
            let (old, new) = (instance.status.port, background.port);
            eprintln!("the service runs on port {old}, but the settings say {new}: restarting it there");
            end(background)?;
        }
        Some(instance) => {
            eprintln!("the service is already running (pid {})", instance.status.pid);
            return Ok(instance);
        }
        None => {}
    }
    let instance = background.start()?;
    eprintln!("started the service as pid {}; its log is `{}`", instance.status.pid, background.log().display());
    Ok(instance)
}

/// Says on which addresses it listens, and warns when containers do not reach it there.
pub fn describe_listening(instance: &Instance, background: &Background<'_>) {
    // Elsewhere containers reach the host's loopback.
    if System::HERE != System::Linux {
        return;
    }
    let addresses = instance.addresses();
    let bridge = Bridge::find_for(&addresses);
    match bridge::obstacle(&addresses, bridge, background) {
        Some((cause, advice)) => eprintln!("warning: {cause}\nhint: {advice}"),
        None => eprintln!("the service {}", bridge::listening(&addresses, bridge)),
    }
}

/// Ends the service if it runs, and says so.
pub fn end(background: &Background<'_>) -> Result<(), Failure> {
    match background.running() {
        Some(instance) => {
            stop::stop(&instance, false)?;
            let port = if background.has_moved(&instance) {
                format!(" on port {}", instance.status.port)
            } else {
                String::new()
            };
            eprintln!("stopped the service (pid {}){port}", instance.status.pid);
        }
        None => eprintln!("no service runs on port {}{}", background.port, others(background)),
    }
    background.forget();
    Ok(())
}

/// The services that run and are none of Harbor's, as the end of a sentence.
fn others(background: &Background<'_>) -> String {
    let ports = background.all_running().iter().map(|instance| instance.status.port.to_string()).collect::<Vec<_>>();
    match ports.as_slice() {
        [] => String::new(),
        [port] => format!("; one runs on port {port}, and `speaches stop --port {port}` stops it"),
        _ => format!("; others run on the ports {}, and `speaches stop --port PORT` stops one", ports.join(", ")),
    }
}

/// Removes the service's log, unless the service runs, so that Harbor's directory is as it was.
///
/// # Errors
/// [`Exit::CannotCreate`] when it cannot be removed.
pub fn remove_log(background: &Background<'_>) -> Result<(), Failure> {
    if let Some(instance) = background.running() {
        let (pid, log) = (instance.status.pid, background.log());
        eprintln!("the service is still running (pid {pid}), so its log `{}` was kept", log.display());
        eprintln!("hint: run `speaches harbor stop`, then `speaches harbor uninstall` again");
        return Ok(());
    }
    if background.remove_log()? {
        eprintln!("removed `{}`", background.log().display());
    }
    Ok(())
}

fn require_stock(home: &Home) -> Result<(), Failure> {
    if home.flavor == Flavor::Stock {
        return Ok(());
    }
    Err(Failure::new(Exit::Config, "this Harbor starts and stops native services itself")
        .hint("use `speaches harbor up` and `speaches harbor down`; or use `--flavor stock` to prevent that"))
}
