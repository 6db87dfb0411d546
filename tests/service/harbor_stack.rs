//! `speaches harbor start`, `status` and `stop` with a simulated Harbor.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use crate::support::harbor::*;
use crate::support::service::*;
use crate::support::*;
use camino::Utf8PathBuf;

/// A stock Harbor with a played `docker`, and a service that ends with the test.
pub struct Stack {
    pub scratch: Scratch,
    pub home: Utf8PathBuf,
    pub docker: FakeDocker,
    pub port: u16,
}

impl Stack {
    pub fn stock() -> Self {
        let scratch = scratch();
        let home = stock_harbor(&scratch.path);
        Self::of(scratch, home, "")
    }

    pub fn native(preference: &str) -> Self {
        let scratch = scratch();
        let home = native_harbor(&scratch.path);
        Self::of(scratch, home, preference)
    }

    pub fn of(scratch: Scratch, home: Utf8PathBuf, settings: &str) -> Self {
        let (docker, port) = (FakeDocker::install(&scratch.path), free_port());
        fs_err::write(home.join(".env"), format!("HARBOR_SPEACHES_NATIVE_PORT={port}\n{settings}")).unwrap();
        fake_harbor(&home, ":", 0);
        Self { scratch, home, docker, port }
    }

    /// A command in the scratch directory; on Linux the service listens at 127.0.0.2 as well, where containers may look.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // Arguments after `--` are for Harbor.
        let (ours, harbors) =
            arguments.split_at(arguments.iter().position(|it| *it == "--").unwrap_or(arguments.len()));
        let mut command = harbor(&self.home, ours);
        command.args(harbors).env("PATH", self.docker.path()).env("HOME", &self.scratch.path);
        let hosts = if cfg!(target_os = "linux") { "127.0.0.1,127.0.0.2" } else { "127.0.0.1" };
        command.env("UVICORN_HOST", hosts).current_dir(&self.scratch.path);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        run(&mut self.command(arguments))
    }

    /// The line of `harbor status` about something.
    #[track_caller]
    pub fn hop(&self, name: &str, exit: i32) -> String {
        let said = self.run(&["status"]).expect(exit).stdout;
        let line = said.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("nothing about {name}:\n{said}")).to_owned()
    }

    pub fn told(&self) -> Vec<String> {
        let before = format!("{}|{}|", self.home, self.scratch.path);
        told(&self.home).iter().map(|line| line.strip_prefix(&before).unwrap_or(line).to_owned()).collect()
    }

    pub fn is_answered(&self) -> bool {
        get(&format!("http://127.0.0.1:{}/health", self.port)).0 == 200
    }

    pub fn wait_for_answer(&self) {
        let started = std::time::Instant::now();
        while !self.is_answered() {
            assert!(started.elapsed() < Duration::from_secs(60), "nobody answers on port {}", self.port);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // It may not run, and a test that failed has more to say than this.
        let mut command = speaches(sample_runtime(), &["stop", "--force", "--port", &self.port.to_string()]);
        let _ = command.env("XDG_STATE_HOME", self.home.join("state")).output();
    }
}

#[test]
fn one_command_starts_the_service_and_harbor_and_one_stops_both() {
    let stack = Stack::stock();
    let ended =
        stack.run(&["up", "webui", "--", "--open"]).expect(0).says("wrote `").says("started the service as pid");
    let ready = ended.stderr.find("the service is ready").expect("it waits for its models");
    assert!(ready > ended.stderr.find("started the service").unwrap(), "{}", ended.stderr);
    assert!(stack.is_answered());
    assert_eq!(stack.told(), ["up webui speaches speaches-native --open"]);
    // Once more: nothing is written or started.
    let ended = stack.run(&["up", "speaches", "speaches-native"]).expect(0).says("is already running (pid");
    assert!(!ended.stderr.contains("wrote") && !ended.stderr.contains("started the service"), "{}", ended.stderr);
    assert_eq!(stack.told()[1..], ["up speaches speaches-native"], "no word twice");
    stack.run(&["up"]).expect(0);
    assert_eq!(stack.told()[2..], ["up speaches speaches-native"], "Harbor adds its default services");

    stack.run(&["down", "webui"]).expect(0).says("the service keeps running");
    assert!(stack.is_answered());
    stack
        .run(&["down", "webui", "speaches", "speaches-native", "--", "--volumes"])
        .expect(0)
        .says("stopped the service");
    assert!(!stack.is_answered());
    stack.run(&["down"]).expect(0).says("no service runs");
    assert_eq!(stack.told()[3..], ["down webui", "down webui speaches --volumes", "down"]);
}

#[test]
fn a_changed_file_is_kept_and_nothing_is_started() {
    let stack = Stack::stock();
    fs_err::write(stack.home.join(OVERLAY), "services: {}\n").unwrap();
    stack.run(&["up"]).expect(73).says(OVERLAY).says("speaches harbor install --replace");
    assert!(stack.told().is_empty() && !stack.is_answered());
}

#[test]
fn a_service_without_its_models_is_reported_before_harbor_starts() {
    let stack = Stack::stock();
    let absent = |name: &str, command: &mut Command| {
        command.env(name, "nobody/nothing").env("HF_HUB_OFFLINE", "1");
    };
    // Without one of them it goes on.
    let mut command = stack.command(&["up"]);
    absent("HARBOR_SPEACHES_STT_MODEL", &mut command);
    run(&mut command).expect(0).says("warning: transcription does not work: `nobody/nothing`").says("is degraded");
    assert!(stack.hop("service", 0).contains("transcription does not work"), "and `status` says it as well");
    stack.run(&["down"]).expect(0);
    let told = stack.told();
    let mut command = stack.command(&["up"]);
    absent("HARBOR_SPEACHES_STT_MODEL", &mut command);
    absent("HARBOR_SPEACHES_TTS_MODEL", &mut command);
    run(&mut command).expect(69).says("cannot use any of its models").says("speech does not work").says("models list");
    assert!(stack.hop("service", 69).starts_with("degraded at http://127.0.0.1:"));
    assert_eq!(stack.told(), told);
}

#[test]
fn harbor_that_fails_is_explained_by_what_is_not_well() {
    let stack = Stack::stock();
    fake_harbor(&stack.home, "echo 'container harbor.speaches is unhealthy' >&2", 1);
    stack.docker.answers("ps", &proxy_to(stack.port));
    stack.docker.fails("proxy", "wget: error getting response: Connection reset by peer");
    stack
        .run(&["up", "webui"])
        .expect(69)
        .says("is unhealthy")
        .says("harbor.sh up` failed (exit status: 1), but the proxy does not work: `harbor.speaches` cannot reach")
        .says("Connection reset by peer")
        .says("service: ok, ready")
        .says("the service keeps running (pid");
    assert!(stack.is_answered());
    // The address is looked at first: nothing behind it can be well.
    if cfg!(target_os = "linux") {
        stack.docker.answers("network", "127.0.0.3 \n");
        stack
            .run(&["up"])
            .expect(69)
            .says("the bridge does not work: the service listens on 127.0.0.1 and 127.0.0.2, but containers connect to 127.0.0.3")
            .says("UVICORN_HOST sets this: set it to 127.0.0.1,127.0.0.3");
        stack.docker.answers("network", "127.0.0.2 \n");
    }
    stack.docker.answers("proxy", "");
    stack
        .run(&["up"])
        .expect(69)
        .says("between Open WebUI and the service works")
        .says("Harbor's output above has the reason");
    // Docker that was there before, and is gone when Harbor has ended.
    let ps = stack.scratch.path.join("docker/ps.sh");
    fake_harbor(&stack.home, &format!("echo 'echo permission denied >&2; exit 1' > '{ps}'"), 1);
    stack.run(&["up"]).expect(69).says("but Docker does not answer (permission denied").says("the group `docker`");
    // A Harbor that cannot be stopped keeps nothing from being stopped.
    let ended = stack.run(&["down"]).expect(69).says("harbor.sh down` failed (exit status: 1)");
    assert!(ended.stderr.contains("stopped the service") && !stack.is_answered(), "{}", ended.stderr);
    fs_err::set_permissions(stack.home.join("harbor.sh"), std::fs::Permissions::from_mode(0o644)).unwrap();
    stack.run(&["down"]).expect(69).says("harbor.sh` cannot be started");
}

#[test]
fn every_part_between_open_webui_and_the_service_has_a_line() {
    let stack = Stack::stock();
    let port = stack.port;
    stack.run(&["install"]).expect(0);
    assert!(stack.hop("service", 69).starts_with("does not run; `speaches harbor start` starts it on port"));
    stack.run(&["start"]).expect(0);
    assert!(stack.hop("service", 0).contains(&format!(" at http://127.0.0.1:{port} (pid ")));
    assert_eq!(stack.hop("proxy", 0), "no container; `speaches harbor up` starts it");
    assert_eq!(stack.hop("webui", 0), "no container; `speaches harbor up webui` starts it");
    stack.docker.answers("ps", OPEN_WEBUI);
    assert_eq!(stack.hop("webui", 0), "`harbor.webui` runs, but there is no container of speaches");

    let all = proxy_to(port) + OPEN_WEBUI;
    stack.docker.answers("ps", &all);
    assert_eq!(stack.hop("proxy", 0), "ok, `harbor.speaches` forwards requests");
    assert_eq!(stack.hop("webui", 0), "ok, `harbor.webui` reaches http://speaches:8000");
    assert!(
        stack.docker.asked().contains("exec harbor.speaches wget -q -T 5 -O /dev/null http://127.0.0.1:8000/health")
    );
    stack.docker.fails("webui", "curl: (6) Could not resolve host: speaches");
    assert!(stack.hop("webui", 69).contains("does not reach http://speaches:8000: curl: (6) Could not resolve host"));
    stack.docker.fails("proxy", "wget: download timed out");
    assert!(stack.hop("proxy", 69).contains("cannot reach the service: wget: download timed out"));
    stack.docker.answers("ps", &all.replace("running", "exited"));
    assert_eq!(stack.hop("proxy", 69), "`harbor.speaches` is exited; `speaches harbor up` starts it");
    assert_eq!(stack.hop("webui", 69), "`harbor.webui` is exited; `speaches harbor up webui` starts it");
    stack.docker.answers("ps", &proxy_to(1));
    assert!(stack.hop("proxy", 69).starts_with("`harbor.speaches` connects to port 1, and the service has port"));
    stack.docker.answers("ps", STOCK_CONTAINER);
    assert!(
        stack
            .hop("proxy", 69)
            .contains("is the stock container (`ghcr.io/speaches-ai/speaches:latest-cpu`), not the proxy")
    );
    stack.docker.answers("ps", "");

    // The names of the containers begin as Harbor's settings say.
    let settings = fs_err::read_to_string(stack.home.join(".env")).unwrap();
    fs_err::write(stack.home.join(".env"), format!("{settings}HARBOR_CONTAINER_PREFIX=\"mine\"\n")).unwrap();
    stack.docker.answers("ps", &proxy_to(port).replace("harbor.", "mine."));
    stack.docker.does("exec", "true");
    assert_eq!(stack.hop("proxy", 0), "ok, `mine.speaches` forwards requests");

    // Docker that is not there, does not run or hangs says nothing about the service.
    stack.docker.fails("ps", "\nCannot connect to the Docker daemon at unix:///var/run/docker.sock.");
    let said = "does not answer (Cannot connect to the Docker daemon at unix:///var/run/docker.sock.)";
    assert_eq!(stack.hop("docker", 0), said);
    stack.docker.does("ps", "sleep 60");
    let began = std::time::Instant::now();
    assert_eq!(stack.hop("docker", 0), "does not answer (nothing within 10 s)");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    let said = run(stack.command(&["status"]).env("PATH", "/nowhere")).expect(0).stdout;
    assert!(said.contains("docker: does not answer (`docker` is not on PATH)"), "{said}");
    stack.run(&["stop"]).expect(0);
    assert!(stack.hop("service", 69).starts_with("stopped (pid "));
}

#[cfg(target_os = "linux")]
#[test]
fn on_linux_the_service_has_to_listen_where_containers_look_for_it() {
    let stack = Stack::stock();
    let port = stack.port;
    stack.run(&["install"]).expect(0);
    stack.docker.answers("network", "fd00::1 127.0.0.2 \n");
    let said = "127.0.0.1 and 127.0.0.2 (Docker's bridge, which containers reach as host.docker.internal)";
    stack.run(&["start"]).expect(0).says(said);
    assert_eq!(stack.hop("bridge", 0), format!("ok, containers reach the service at 127.0.0.2:{port}"));

    stack.docker.answers("network", "127.0.0.3 \n");
    let said = "the service listens on 127.0.0.1 and 127.0.0.2, but containers connect to 127.0.0.3; the \
                environment variable UVICORN_HOST sets this: set it to 127.0.0.1,127.0.0.3, and run `speaches harbor stop`";
    assert!(stack.hop("bridge", 69).starts_with(said), "{}", stack.hop("bridge", 69));
    stack
        .run(&["start"])
        .expect(0)
        .says("warning: the service listens on")
        .says("hint: the environment variable UVICORN_HOST");
    let now = run(stack.command(&["status"]).env("UVICORN_HOST", "0.0.0.0")).expect(69).stdout;
    assert!(
        now.contains(
            "containers connect to 127.0.0.3; after a restart it listens there too: run `speaches harbor stop` and"
        ),
        "{now}"
    );
    let now = run(stack.command(&["status"]).env_remove("UVICORN_HOST")).expect(69).stdout;
    assert!(now.contains("; `harbor env speaches HARBOR_SPEACHES_HOST 127.0.0.1,127.0.0.3`, then run"), "{now}");
    // A variable that Harbor's own container would take as well is left as it is: the other one is stronger.
    let env = stack.home.join("services/speaches/override.env");
    for (text, advice) in [
        ("UVICORN_HOST=127.0.0.1\n", "`harbor env speaches HARBOR_SPEACHES_HOST 127.0.0.1,127.0.0.3`, then run"),
        (
            "UVICORN_HOST=127.0.0.1\nHARBOR_SPEACHES_HOST=127.0.0.1,127.0.0.3\n",
            "after a restart it listens there too: run",
        ),
    ] {
        fs_err::write(&env, text).unwrap();
        let now = run(stack.command(&["status"]).env_remove("UVICORN_HOST")).expect(69).stdout;
        assert!(now.contains(advice), "{now}");
    }
    fs_err::remove_file(&env).unwrap();
    // A Docker with a kernel of its own, and one with a network that says nothing.
    stack.docker.answers("network", "192.0.2.1 \n");
    assert!(stack.hop("bridge", 0).contains(
        "containers look for the service at 192.0.2.1, which is not an address of this machine, so Docker runs in"
    ));
    stack.docker.answers("network", "\n");
    assert!(stack.hop("bridge", 0).starts_with("Docker has no network `bridge`, and this machine no `docker0`"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_firewall_is_blamed_only_when_the_service_answers_where_containers_look_for_it() {
    let stack = Stack::stock();
    let port = stack.port;
    stack.run(&["install"]).expect(0);
    stack.run(&["start"]).expect(0);
    stack.docker.answers("ps", &proxy_to(port));
    stack.docker.fails("proxy", "wget: download timed out");
    // The address of Docker is unknown, so nothing is known about a firewall.
    assert_eq!(stack.hop("proxy", 69), "`harbor.speaches` cannot reach the service: wget: download timed out");
    stack.docker.answers("network", "127.0.0.2 \n");
    let said = stack.hop("proxy", 69);
    let advice = format!(
        "the service answers at 127.0.0.2:{port} from this machine but not from the container: a firewall blocks it; \
         allow port {port} from Docker's networks"
    );
    assert!(said.ends_with(&advice), "{said}");
}

#[test]
fn a_service_on_the_port_of_before_is_found_moved_and_stopped() {
    let mut stack = Stack::stock();
    let old = stack.port;
    let settings = |stack: &Stack, port: u16| {
        fs_err::write(stack.home.join(".env"), format!("HARBOR_SPEACHES_NATIVE_PORT={port}\n")).unwrap();
    };
    let answers = |port: u16| get(&format!("http://127.0.0.1:{port}/health")).0 == 200;
    stack.run(&["install"]).expect(0);
    stack.run(&["start"]).expect(0);
    let new = free_port();
    settings(&stack, new);
    let said = stack.hop("service", 69);
    let moves = format!("; it runs on port {old}, but the settings say {new}; `speaches harbor up` moves it");
    assert!(said.ends_with(&moves), "{said}");
    let moved = format!("the service runs on port {old}, but the settings say {new}: restarting it there");
    stack.run(&["up"]).expect(0).says(&moved).says("started the service as pid").says("the service is ready");
    stack.port = new;
    assert!(answers(new) && !answers(old));
    // `stop` and `down` find it as well.
    for command in ["stop", "down"] {
        let before = stack.port;
        stack.port = free_port();
        settings(&stack, stack.port);
        stack.run(&[command]).expect(0).says("stopped the service (pid").says(&format!("on port {before}"));
        assert!(!answers(before));
        stack.run(&["start"]).expect(0);
    }
    // A service that Harbor did not start is named, and keeps running.
    fs_err::remove_file(stack.home.join("services/speaches/logs/speaches-native.pid")).unwrap();
    let others = stack.port;
    let new = free_port();
    settings(&stack, new);
    stack.run(&["stop"]).expect(0).says(&format!(
        "no service runs on port {new}; one runs on port {others}, and `speaches stop --port {others}` stops it"
    ));
    assert!(answers(others));
}

#[test]
fn odd_lines_in_harbors_settings_are_skipped_and_an_odd_port_is_named() {
    let stack = Stack::stock();
    stack.run(&["install"]).expect(0);
    let write = |text: &str| fs_err::write(stack.home.join(".env"), text).unwrap();
    write(&format!("a line of somebody's\nHARBOR_SPEACHES_NATIVE_PORT={}\n", stack.port));
    assert!(stack.hop("service", 69).contains(&format!("on port {}", stack.port)));
    write("HARBOR_SPEACHES_NATIVE_PORT=70000\n");
    for command in ["up", "down", "status", "start", "stop"] {
        stack
            .run(&[command])
            .expect(78)
            .says(&format!("HARBOR_SPEACHES_NATIVE_PORT in `{}/.env` is `70000`, which is not a port", stack.home));
    }
    run(stack.command(&["status"]).env("HARBOR_SPEACHES_NATIVE_PORT", "x"))
        .expect(78)
        .says("the environment variable HARBOR_SPEACHES_NATIVE_PORT is `x`, which is not a port");
    assert!(stack.told().is_empty());
}

#[test]
fn start_says_where_the_service_is_and_what_keeps_its_log_from_being_written() {
    let stack = Stack::stock();
    let logs = stack.home.join("services/speaches/logs");
    fs_err::write(&logs, "").unwrap();
    stack
        .run(&["start"])
        .expect(73)
        .says("cannot write the log")
        .says(&format!("hint: make `{logs}` writable for you"));
    fs_err::remove_file(&logs).unwrap();
    if cfg!(target_os = "linux") {
        let started = run(stack.command(&["start"]).env("UVICORN_HOST", "127.0.0.2")).expect(0);
        assert_eq!(started.stdout.trim_end(), format!("http://127.0.0.2:{}", stack.port));
    }
}

#[test]
fn without_docker_nothing_is_started() {
    let stack = Stack::stock();
    for (complaint, hint) in [
        ("Cannot connect to the Docker daemon. Is it running?", "hint: start Docker"),
        (
            "permission denied while trying to connect to the Docker daemon socket",
            "hint: add yourself to the group `docker`",
        ),
    ] {
        stack.docker.fails("ps", complaint);
        stack.run(&["up"]).expect(69).says(&format!("Docker does not answer ({complaint})")).says(hint);
    }
    run(stack.command(&["up"]).env("PATH", "/nowhere"))
        .expect(69)
        .says("`docker` is not on PATH")
        .says("hint: install Docker");
    assert!(stack.told().is_empty() && !stack.is_answered() && !stack.home.join(OVERLAY).exists());
}

#[test]
fn a_container_of_another_harbor_is_left_to_it() {
    let stack = Stack::stock();
    stack.run(&["install"]).expect(0);
    let other = stack.scratch.path.join("other");
    fs_err::create_dir(&other).unwrap();
    stack.docker.answers("ps", &(proxy_to(stack.port) + OPEN_WEBUI));
    stack.docker.answers("inspect", &(made_in("harbor.speaches", &other) + &made_in("harbor.webui", &other)));
    let said = format!("`harbor.speaches` belongs to the Harbor in `{other}`");
    let advice = "`harbor config set container.prefix NAME` gives this one its own";
    stack.run(&["up"]).expect(78).says(&said).says(advice);
    assert!(stack.told().is_empty() && !stack.is_answered());
    assert_eq!(stack.hop("proxy", 69), format!("{said}; {advice}"));
    assert_eq!(stack.hop("webui", 69), said.replace("harbor.speaches", "harbor.webui"));
    // A proxy of this Harbor, and a proxy of an unknown one.
    for made in [made_in("harbor.speaches", &stack.home), String::new()] {
        stack.docker.answers("inspect", &made);
        stack.run(&["up"]).expect(0);
    }
    stack.docker.fails("inspect", "no such thing");
    stack.run(&["up"]).expect(0);
}

#[test]
fn a_harbor_on_path_that_hangs_is_not_waited_for() {
    let stack = Stack::stock();
    let program = stack.scratch.path.join("docker/harbor");
    fs_err::write(&program, "#!/bin/bash\nexec sleep 60\n").unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    fs_err::os::unix::fs::symlink(&stack.home, stack.scratch.path.join(".harbor")).unwrap();
    let mut command = speaches(sample_runtime(), &["harbor", "install", "--dry-run"]);
    command.env("PATH", stack.docker.path()).env("HOME", &stack.scratch.path).env_remove("HARBOR_HOME");
    let began = std::time::Instant::now();
    run(&mut command).expect(0).says("`harbor home` did not answer within 5 s").says(".harbor");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
