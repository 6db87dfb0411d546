//! `speaches harbor start` and `stop`: the service beside a Harbor that knows containers only.

use super::require_stock;
use crate::commands::stop;
use crate::failure::{Exit, Failure};
use crate::harbor::background::Background;
use crate::harbor::bridge::{self, Bridge};
use crate::harbor::home::Home;
use crate::instance::Instance;
use crate::system::System;

/// Starts it, unless it runs.
pub fn start(home: &Home, background: &Background<'_>) -> Result<Exit, Failure> {
    require_stock(home)?;
    let instance = ensure(background)?;
    describe_listening(&instance, background);
    println!("http://127.0.0.1:{}", background.port);
    Ok(Exit::Success)
}

/// Stops it.
pub fn stop(home: &Home, background: &Background<'_>) -> Result<Exit, Failure> {
    require_stock(home)?;
    end(background)?;
    Ok(Exit::Success)
}

/// The service that runs, started if need be; says which of the two it was.
///
/// # Errors
/// When it does not start.
pub fn ensure(background: &Background<'_>) -> Result<Instance, Failure> {
    if let Some(instance) = background.running() {
        eprintln!("the service runs already, as pid {}", instance.status.pid);
        return Ok(instance);
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
///
/// # Errors
/// When it does not end.
pub fn end(background: &Background<'_>) -> Result<(), Failure> {
    match background.running() {
        Some(instance) => {
            stop::stop(&instance, false)?;
            eprintln!("stopped the service (pid {})", instance.status.pid);
        }
        None => eprintln!("no service runs on port {}", background.port),
    }
    background.forget();
    Ok(())
}
