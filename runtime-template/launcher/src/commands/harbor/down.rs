//! `speaches harbor down`: Harbor, then the service that it used.

use speaches_format::failure::{Exit, Failure};

use super::harbor_args::HarborArgs;
use super::service;
use crate::harbor::background::Background;
use crate::harbor::home::Flavor;
use crate::harbor::script;

/// The words of `up` that mean the service. The second one is of a compose file, and no container has that name.
const SPEACHES: [&str; 2] = ["speaches", "speaches-native"];

/// Stops Harbor, or the services that are named, and the service unless it is not among them.
///
/// # Errors
/// [`Exit::Unavailable`] when Harbor fails; the service is stopped all the same.
pub fn down(background: &Background<'_>, args: &HarborArgs) -> Result<Exit, Failure> {
    let ended = script::run(background.home, &command_line(args));
    let is_meant = args.services.is_empty() || args.services.iter().any(|name| SPEACHES.contains(&name.as_str()));
    if is_meant {
        // Harbor has ended it already, if it has a native mode.
        if background.home.flavor == Flavor::Stock || background.running().is_some() {
            service::end(background)?;
        }
    } else if let Some(instance) = background.running() {
        eprintln!(
            "the service keeps running (pid {}): `speaches` is not one of the services to stop",
            instance.status.pid
        );
    }
    let ended = ended?;
    if ended.success() {
        return Ok(Exit::Success);
    }
    let script = background.home.path.join("harbor.sh");
    let service = if is_meant { "; the service is stopped" } else { "" };
    Err(Failure::new(Exit::Unavailable, format!("`{} down` failed ({ended}){service}", script.display()))
        .hint("Harbor's output above has the reason; `docker ps` shows the running containers"))
}

fn command_line(args: &HarborArgs) -> Vec<String> {
    let mut line = vec!["down".to_owned()];
    for name in &args.services {
        let name = if SPEACHES.contains(&name.as_str()) { SPEACHES[0] } else { name };
        if !line.iter().any(|known| known == name) {
            line.push(name.to_owned());
        }
    }
    line.extend(args.flags.iter().cloned());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_up_stop_what_it_has_started() {
        let line = |services: &[&str], flags: &[&str]| {
            let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            command_line(&HarborArgs { services: owned(services), flags: owned(flags) }).join(" ")
        };
        assert_eq!(line(&[], &["--volumes"]), "down --volumes");
        assert_eq!(line(&["webui", "speaches", "speaches-native"], &[]), "down webui speaches");
        assert_eq!(line(&["speaches-native"], &[]), "down speaches");
    }
}
