//! `speaches harbor up`: the service, then Harbor, which takes it in the place of its container.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use speaches_format::failure::{Exit, Failure};

use super::harbor_args::HarborArgs;
use super::{install, service};
use crate::harbor::background::Background;
use crate::harbor::home::Flavor;
use crate::harbor::hops::{self, Hop, State};
use crate::harbor::settings::Settings;
use crate::harbor::{docker, readiness, script};
use crate::own_runtime::OwnRuntime;

const SPEACHES: &str = "speaches";
/// The word with which a Harbor without a native mode takes the compose file that makes the container a proxy.
const OVERLAY: &str = "speaches-native";
/// Whether a Harbor with a native mode uses it by default: the contract asks for the GPU, and only here no container
/// has one.
const IS_APPLE_SILICON: bool = cfg!(all(target_os = "macos", target_arch = "aarch64"));
/// How long it may take after Harbor's start until everything answers.
const TIMEOUT: Duration = Duration::from_secs(90);
/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(500);

pub fn up(background: &Background<'_>, args: &HarborArgs, runtime: &OwnRuntime) -> Result<Exit, Failure> {
    let home = background.home;
    let settings = Settings::read(home)?;
    let is_native = home.flavor == Flavor::Native;
    if is_native && !settings.prefers_native(IS_APPLE_SILICON) {
        let said = "this Harbor would start the container of speaches, because its execution preference is not native";
        return Err(Failure::new(Exit::Config, said)
            .hint("`harbor config set speaches.execution_preference native`, then this command again"));
    }
    require_docker(background)?;
    install::complete(home, runtime)?;
    if is_native { native(background, args, &settings) } else { stock(background, args) }
}

/// Docker, without a container of another Harbor in the place of the proxy.
fn require_docker(background: &Background<'_>) -> Result<(), Failure> {
    let name = format!("{}.{SPEACHES}", background.container_prefix);
    let found = docker::containers(std::slice::from_ref(&name)).map_err(|why| {
        Failure::new(Exit::Unavailable, format!("Docker does not answer ({why}); nothing was started"))
            .hint(why.remedy())
    })?;
    match found.first().and_then(|it| Some((it, it.other_harbor(&background.home.path)?))) {
        Some((container, other)) => {
            let said = format!("{}; nothing was started", container.belongs_to(other));
            Err(Failure::new(Exit::Config, said).hint(hops::OWN_PREFIX))
        }
        None => Ok(()),
    }
}

/// Harbor waits for the health of the proxy, so the service has to be there before.
fn stock(background: &Background<'_>, args: &HarborArgs) -> Result<Exit, Failure> {
    service::ensure(background)?;
    let instance = readiness::wait(background)?;
    eprintln!("the service is {}", instance.phase());
    service::describe_listening(&instance, background);
    let ended = script::run(background.home, &command_line(&args.services, &[SPEACHES, OVERLAY], &args.flags))?;
    if !ended.success() {
        let failure = explain(background, ended, &look_and_show(background));
        eprintln!("the service keeps running (pid {}) for the next `speaches harbor up`", instance.status.pid);
        return Err(failure);
    }
    done()
}

/// Harbor starts the service itself. It goes on when something fails, and leaves out the proxy unless a container depends
/// on it.
fn native(background: &Background<'_>, args: &HarborArgs, settings: &Settings) -> Result<Exit, Failure> {
    // It adds its default services only when nothing is named.
    let defaults = settings.default_services();
    let is_plain = args.services.is_empty() && !args.flags.iter().any(|flag| flag == "--no-defaults");
    let services = if is_plain { &defaults } else { &args.services };
    let ended = script::run(background.home, &command_line(services, &[SPEACHES], &args.flags))?;
    if ended.success() {
        start_proxy(background)?;
    }
    let started = Instant::now();
    let mut found = hops::look(background);
    while ended.success() && !works(&found) && started.elapsed() < TIMEOUT {
        std::thread::sleep(PAUSE);
        found = hops::look(background);
    }
    if ended.success() && works(&found) {
        return done();
    }
    show(&found);
    Err(explain(background, ended, &found))
}

fn works(hops: &[Hop]) -> bool {
    hops::missing(hops).is_empty() && !hops.iter().any(Hop::is_broken)
}

fn done() -> Result<Exit, Failure> {
    eprintln!("`speaches harbor status` shows every part; `speaches harbor down` stops Harbor and the service");
    Ok(Exit::Success)
}

/// The words for Harbor, none of ours twice.
fn command_line(services: &[String], ours: &[&str], flags: &[String]) -> Vec<String> {
    let missing = ours.iter().map(|word| (*word).to_owned()).filter(|word| !services.contains(word));
    let words = services.iter().cloned().chain(missing).chain(flags.iter().cloned());
    std::iter::once("up".to_owned()).chain(words).collect()
}

/// The proxy of a Harbor that has merged it into its compose file, and not started it.
fn start_proxy(background: &Background<'_>) -> Result<(), Failure> {
    let name = format!("{}.{SPEACHES}", background.container_prefix);
    match docker::containers(std::slice::from_ref(&name)) {
        Ok(found) if found.iter().any(docker::Container::runs) => return Ok(()),
        // The hops tell.
        Err(_) => return Ok(()),
        Ok(_) => eprintln!("Harbor has not started `{name}`, which connects containers with the service: starting it"),
    }
    let file = background.home.path.join("__harbor.yml");
    if !file.is_file() {
        let said = format!("Harbor has not written `{}`, so `{name}` cannot be started", file.display());
        return Err(
            Failure::new(Exit::Unavailable, said).hint("name a service that uses it, as in `speaches harbor up webui`")
        );
    }
    docker::compose_up(&file, SPEACHES, background.port).map_err(|why| {
        Failure::new(Exit::Unavailable, format!("`{name}` cannot be started: {why}"))
            .hint(format!("`docker compose -f {} up -d {SPEACHES}` shows the error again", file.display()))
    })
}

fn look_and_show(background: &Background<'_>) -> Vec<Hop> {
    let found = hops::look(background);
    show(&found);
    found
}

fn show(hops: &[Hop]) {
    for hop in hops {
        eprintln!("{hop}");
    }
}

/// Why nothing gets through, as far as it can be seen from here.
fn explain(background: &Background<'_>, ended: ExitStatus, hops: &[Hop]) -> Failure {
    let what = if ended.success() {
        "Harbor has started".to_owned()
    } else {
        format!("`{} up` failed ({ended})", background.home.path.join("harbor.sh").display())
    };
    let failed = |why: String| Failure::new(Exit::Unavailable, format!("{what}{why}"));
    let failure = |why: String, hint: &str| failed(why).hint(hint);
    match hops::culprit(hops) {
        Some(Hop { name, state: State::Broken { cause, advice } }) => {
            let failed = failed(format!(", but the {name} does not work: {cause}"));
            match advice {
                Some(advice) => failed.hint(advice),
                None => failed,
            }
        }
        Some(Hop { state: State::NoAnswer(why), .. }) => {
            failure(format!(", but Docker does not answer ({why})"), why.remedy())
        }
        _ if ended.success() => {
            let missing = hops::missing(hops).join(" and the ");
            failure(format!(" without the {missing}"), &format!("read its log `{}`", background.log().display()))
        }
        _ => failure(
            "; the connection between Open WebUI and the service works".to_owned(),
            "Harbor's output above has the reason",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harbor_gets_no_word_twice_and_flags_last() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let line =
            |services: &str, flags: &str| command_line(&words(services), &[SPEACHES, OVERLAY], &words(flags)).join(" ");
        assert_eq!(line("", ""), "up speaches speaches-native");
        assert_eq!(line("webui", "--open"), "up webui speaches speaches-native --open");
        assert_eq!(line("speaches webui", ""), "up speaches webui speaches-native");
        assert_eq!(line("speaches-native speaches", ""), "up speaches-native speaches");
    }
}
