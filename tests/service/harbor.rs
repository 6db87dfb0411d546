//! Harbor: the contract that its loaders read, the files in its home, and the result of its merging.
#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harbor_stack::Stack;
use crate::support::harbor::*;
use crate::support::service::*;
use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Value, json};

fn yaml(path: &Utf8Path) -> Value {
    serde_saphyr::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

/// Every rule that one of Harbor's loaders depends on.
fn check_contract(path: &Utf8Path) {
    let contract = yaml(path);
    let service = &contract["services"]["speaches"];
    let native = &service["x-harbor-native"];
    assert!(native.is_object(), "the block is inside the service, where every loader looks");
    assert_eq!(contract["x-harbor-native"], *native, "and once more at the top, for the layout of the guide");
    assert!(service.get("ports").is_none(), "the native process owns the port");
    assert!(native["port"].is_u64(), "it is never expanded: a literal number");
    assert_eq!(native["port"], 34331, "Harbor's own port");
    let words = native["daemon_args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let executable = native["executable"].as_str().unwrap();
    let joined = std::iter::once(executable).chain(words).collect::<Vec<_>>().join(" ");
    assert_eq!(native["daemon_command"], joined, "old loaders read one form, new ones the other");
    assert_eq!(executable, "speaches", "Harbor looks for it in the command line before it stops a process");
    assert_eq!(native["requires_gpu_passthrough"], true, "so that it is native by default on Apple Silicon");
    let passed_on = native["env_vars"].as_array().unwrap();
    assert!(!passed_on.contains(&json!("HARBOR_SPEACHES_HOST_PORT")), "it would override the port that Harbor chose");
    each_text(native, &mut |text| {
        assert!(!text.contains('$') && !text.contains('`') && !text.contains("{{"), "bash evaluates lists: {text}");
    });
    // The consumed values become one line of shell each.
    for value in [&service["image"], &service["command"], &service["healthcheck"], &service["networks"], native] {
        each_text(value, &mut |text| assert!(!text.contains('\n'), "{text}"));
    }
    assert_eq!(
        service["extra_hosts"],
        json!(["host.docker.internal:host-gateway"]),
        "Linux has no such name otherwise"
    );
    let script = path.with_file_name("speaches_native.sh");
    if script.exists() {
        assert_ne!(script.metadata().unwrap().permissions().mode() & 0o111, 0, "Harbor refuses a script it cannot run");
    }
}

fn each_text(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, look)),
        Value::Object(entries) => entries.iter().for_each(|(key, item)| {
            look(key);
            each_text(item, look);
        }),
        _ => {}
    }
}

#[test]
fn every_contract_keeps_the_rules_of_every_loader() {
    check_contract(&root().join("speaches_native.yml"));
    check_contract(&sample_runtime().join("speaches_native.yml"));
    check_contract(&sample_runtime().join("harbor/speaches/speaches_native.yml"));
    let scratch = scratch();
    let home = native_harbor(&scratch.path);
    run(&mut harbor(&home, &["install"])).expect(0);
    let installed = home.join("speaches/speaches_native.yml");
    assert!(installed.with_file_name("speaches_native.sh").is_file());
    check_contract(&installed);
}

#[test]
fn a_harbor_without_a_native_mode_gets_one_file_and_its_merge_is_a_proxy() {
    let scratch = scratch();
    let home = stock_harbor(&scratch.path);
    let before = files(&home);
    run(&mut harbor(&home, &["install"])).expect(0).says("wrote").says("harbor up webui speaches speaches-native");
    let new = files(&home).into_iter().filter(|file| !before.contains(file)).collect::<Vec<_>>();
    assert_eq!(new, [Utf8PathBuf::from(OVERLAY)], "this file and nothing else");

    let stock = yaml(&home.join("services/compose.speaches.yml"));
    let gpu = yaml(&home.join("services/compose.x.speaches.nvidia.yml"));
    let taken = |words: &[&str]| {
        let names = taken_files(&home.join("services"), words);
        merged(&names.iter().map(|name| yaml(&home.join("services").join(name))).collect::<Vec<_>>())
    };
    // Without the word, Harbor's container is what it was.
    assert_eq!(taken(&["webui", "speaches"]), stock);
    assert_eq!(taken(&["webui", "speaches", "nvidia"]), merged(&[stock.clone(), gpu]));
    for words in [&["webui", "speaches", "speaches-native"][..], &["webui", "speaches", "nvidia", "speaches-native"]] {
        let service = taken(words)["services"]["speaches"].clone();
        let original = &stock["services"]["speaches"];
        assert_eq!(service["image"], "alpine/socat:latest", "{words:?}: the proxy wins over the image for a GPU");
        assert_eq!(service["entrypoint"], json!(["sh", "-c"]));
        let command = service["command"][0].as_str().unwrap();
        let proxy = "exec socat tcp-listen:8000,fork,reuseaddr tcp-connect:host.docker.internal:${HARBOR_SPEACHES_NATIVE_PORT:-34332}";
        assert_eq!(command.lines().last(), Some(proxy));
        assert!(command.contains("speaches-native.log"), "`harbor logs` says where the log is: {command}");
        assert_eq!(service["ports"], original["ports"], "what Harbor publishes leads to the proxy");
        assert_eq!(service["container_name"], original["container_name"]);
        let check = &service["healthcheck"];
        let test = check["test"].as_str().expect("a list would be appended");
        assert!(test.starts_with("wget -q -O /dev/null http://127.0.0.1:8000/health || {"), "{test}");
        // `harbor up` without the service fails within 20 seconds.
        let seconds = |name: &str| check[name].as_str().unwrap().trim_end_matches('s').parse::<u64>().unwrap();
        let retries = check["retries"].as_u64().unwrap();
        assert!(seconds("start_period") + retries * (seconds("interval") + seconds("timeout")) <= 20, "{check}");
        assert_eq!(service["deploy"], Value::Null, "{words:?}: a proxy needs no GPU");
        let init = &taken(words)["services"]["speaches-init"];
        assert_eq!(init["entrypoint"], "sleep infinity", "it neither fetches models nor ends");
        assert!(init.get("profiles").is_none(), "`harbor down` would not see what `harbor up` has started without us");
    }
    let overlay = yaml(&home.join(OVERLAY));
    assert!(overlay["services"]["speaches"].get("ports").is_none(), "a list cannot be taken back, only added to");
}

#[test]
fn installing_twice_is_as_once_and_uninstalling_leaves_what_was_there() {
    let scratch = scratch();
    let (stock, native) = (stock_harbor(&scratch.path.join("stock")), native_harbor(&scratch.path.join("native")));
    // Only the service of the first is ours to look after.
    for (home, status) in [(stock, 69), (native, 0)] {
        let before = contents(&home);
        run(&mut harbor(&home, &["status"])).expect(69).says("speaches harbor install");
        run(&mut harbor(&home, &["install", "--dry-run"])).expect(0).says("would be written");
        assert_eq!(contents(&home), before, "nothing is written by a look");
        run(&mut harbor(&home, &["install"])).expect(0);
        let installed = contents(&home);
        run(&mut harbor(&home, &["install"])).expect(0).says("is already up to date");
        assert_eq!(contents(&home), installed);
        run(&mut harbor(&home, &["status"])).expect(status);
        run(&mut harbor(&home, &["uninstall"])).expect(0).says("removed");
        assert_eq!(contents(&home), before);
        run(&mut harbor(&home, &["uninstall"])).expect(0).says("does not exist");
    }
}

#[test]
fn a_changed_file_is_kept_and_the_new_one_is_written_beside_it() {
    let scratch = scratch();
    let home = stock_harbor(&scratch.path);
    let (file, beside) = (home.join(OVERLAY), home.join(format!("{OVERLAY}.new")));
    run(&mut harbor(&home, &["install"])).expect(0);
    edit(&file, "34332", "40000");
    run(&mut harbor(&home, &["install"])).expect(0).says("kept `").says("--replace");
    assert!(fs_err::read_to_string(&file).unwrap().contains("40000"));
    assert!(fs_err::read_to_string(&beside).unwrap().contains("34332"));
    let status = run(&mut harbor(&home, &["status"])).expect(69).says("install --replace` writes this runtime's file");
    assert!(status.stdout.contains("changed since it was installed"), "{}", status.stdout);
    assert!(!status.stderr.contains("missing and outdated"), "there is nothing missing: {}", status.stderr);
    run(&mut harbor(&home, &["uninstall"])).expect(0).says("kept `");
    assert!(file.exists() && !beside.exists());
    // `--replace` installs the new file, and `uninstall` restores the old one.
    run(&mut harbor(&home, &["install", "--replace"])).expect(0).says(".orig");
    assert!(fs_err::read_to_string(&file).unwrap().contains("34332"));
    edit(&file, "34332", "50000");
    run(&mut harbor(&home, &["install", "--replace"])).expect(73).says(".orig");
    edit(&file, "50000", "34332");
    run(&mut harbor(&home, &["uninstall"])).expect(0).says("restored `");
    assert!(fs_err::read_to_string(&file).unwrap().contains("40000"));
    // `uninstall` also restores the old file after a user has removed the new one.
    run(&mut harbor(&home, &["install", "--replace"])).expect(0);
    fs_err::remove_file(&file).unwrap();
    run(&mut harbor(&home, &["uninstall"])).expect(0).says("restored `");
    assert!(fs_err::read_to_string(&file).unwrap().contains("40000"));
    assert!(!file.with_file_name(format!("{}.orig", file.file_name().unwrap())).exists());
}

#[test]
fn a_file_of_another_version_is_replaced_and_half_a_run_is_finished() {
    let scratch = scratch();
    let home = native_harbor(&scratch.path);
    run(&mut harbor(&home, &["install"])).expect(0);
    let script = home.join("speaches/speaches_native.sh");
    let contract = home.join("speaches/speaches_native.yml");
    let right = contents(&home);
    // Another runtime has written it: the mark fits, the launcher is another one.
    let other = scratch.path.join("other");
    fs_err::create_dir(&other).unwrap();
    let copied = Command::new("cp").args(["-al", sample_runtime().as_str(), other.join("runtime").as_str()]).status();
    assert!(copied.unwrap().success());
    let of_other = run(speaches(&other.join("runtime"), &["harbor", "install", "--home", home.as_str()]).env("A", "b"));
    of_other.expect(0).says("wrote");
    assert_ne!(contents(&home), right);
    // A run that was killed left one file, and a scratch file of its own.
    fs_err::remove_file(&contract).unwrap();
    run(&mut harbor(&home, &["install"])).expect(0);
    assert_eq!(contents(&home), right);
    assert!(fs_err::read_to_string(script).unwrap().contains(sample_runtime().as_str()));
}

#[test]
fn an_unwritable_home_is_reported_and_not_changed() {
    let scratch = scratch();
    let home = stock_harbor(&scratch.path);
    let services = home.join("services");
    fs_err::set_permissions(&services, std::fs::Permissions::from_mode(0o555)).unwrap();
    if fs_err::write(services.join("scratch"), "").is_ok() {
        fs_err::remove_file(services.join("scratch")).unwrap();
        // Root may write everywhere, so for root the place is taken by something that is no file.
        fs_err::set_permissions(&services, std::fs::Permissions::from_mode(0o755)).unwrap();
        fs_err::create_dir(home.join(OVERLAY)).unwrap();
        run(&mut harbor(&home, &["install"])).expect(66).says("cannot look at Harbor's files");
        return;
    }
    run(&mut harbor(&home, &["install"])).expect(73).says("change the owner or the permissions");
    fs_err::set_permissions(&services, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(!home.join(OVERLAY).exists());
}

#[test]
fn a_directory_that_is_not_a_harbor_is_refused() {
    let scratch = scratch();
    run(&mut harbor(&scratch.path, &["install"])).expect(78).says("harbor.sh");
    run(&mut harbor(&scratch.path.join("nowhere"), &["install"]))
        .expect(66)
        .says("nowhere`, which `--home` names, is not a directory");
    let home = native_harbor(&scratch.path.join("native"));
    run(&mut harbor(&home, &["start"])).expect(78).says("starts and stops native services itself");
}

#[test]
fn beside_a_harbor_that_knows_containers_only_the_service_runs_in_the_background() {
    let scratch = scratch();
    let home = stock_harbor(&scratch.path);
    let port = free_port();
    fs_err::write(home.join(".env"), format!("HARBOR_SPEACHES_NATIVE_PORT={port}\nHARBOR_HF_TOKEN=\"\"\n")).unwrap();
    let started = run(harbor(&home, &["start"]).env("UVICORN_HOST", "127.0.0.1")).expect(0).says("started the service");
    assert_eq!(started.stdout.trim_end(), format!("http://127.0.0.1:{port}"));
    assert_eq!(get(&format!("http://127.0.0.1:{port}/health")).0, 200);
    let logs = home.join("services/speaches/logs");
    let pid = fs_err::read_to_string(logs.join("speaches-native.pid")).unwrap().trim().to_owned();
    run(harbor(&home, &["start"]).env("UVICORN_HOST", "127.0.0.1"))
        .expect(0)
        .says(&format!("is already running (pid {pid})"));
    let assert_status = |exit: i32, text: &str| {
        let said = run(harbor(&home, &["status"]).env("UVICORN_HOST", "127.0.0.1")).expect(exit).stdout;
        assert!(said.contains(text), "{said}");
    };
    run(harbor(&home, &["uninstall"]).env("UVICORN_HOST", "127.0.0.1")).expect(0).says("is still running");
    run(&mut harbor(&home, &["install"])).expect(0);
    assert_status(0, &format!("(pid {pid})"));
    run(harbor(&home, &["stop"]).env("UVICORN_HOST", "127.0.0.1"))
        .expect(0)
        .says(&format!("stopped the service (pid {pid})"));
    assert_eq!(get(&format!("http://127.0.0.1:{port}/health")).0, 0);
    assert!(!logs.join("speaches-native.pid").exists());
    assert_status(69, "service: stopped");
    let log = fs_err::read_to_string(logs.join("speaches-native.log")).unwrap();
    assert!(log.contains("listening on") && log.trim_end().ends_with("stopped"), "{log}");
    assert!(
        log.starts_with(&format!(
            "speaches harbor: starts the service on port {port} (HARBOR_SPEACHES_NATIVE_PORT in `"
        ))
    );
    run(harbor(&home, &["stop"]).env("UVICORN_HOST", "127.0.0.1")).expect(0).says("no service runs");
    run(harbor(&home, &["uninstall"]).env("UVICORN_HOST", "127.0.0.1")).expect(0).says("speaches-native.log`");
    assert!(!logs.exists(), "Harbor's directory is as it was");

    // If the service does not start, its message and its exit code are passed on.
    let taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let refused = run(harbor(&home, &["start"]).env("UVICORN_HOST", "127.0.0.1"))
        .expect(75)
        .says(&format!("port {port}"))
        .says(".log")
        .says("set HARBOR_SPEACHES_NATIVE_PORT in");
    assert!(!refused.stderr.contains("--port"), "`harbor start` has no such option: {}", refused.stderr);
    drop(taken);

    // A service that was killed has died, here as for `speaches status`.
    let started = run(harbor(&home, &["start"]).env("UVICORN_HOST", "127.0.0.1")).expect(0);
    assert!(started.stdout.contains(&port.to_string()));
    let pid = fs_err::read_to_string(logs.join("speaches-native.pid")).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    while get(&format!("http://127.0.0.1:{port}/health")).0 != 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_status(69, "service: died");
}

/// A played native Harbor starts the service as the real one does.
const STARTS_NATIVELY: &str = "if [ \"$1\" = up ]; then\n  HARBOR_SPEACHES_HOST_PORT=$(sed -n s/HARBOR_SPEACHES_NATIVE_PORT=//p .env) \
                               HARBOR_SPEACHES_HOST=127.0.0.1 nohup speaches/speaches_native.sh speaches serve </dev/null \
                               >app/backend/data/logs/harbor-speaches-native.log 2>&1 &\nfi";

#[test]
fn a_harbor_with_a_native_mode_is_helped_to_its_proxy() {
    let settings = "HARBOR_SPEACHES_EXECUTION_PREFERENCE=\"native\"\nHARBOR_SERVICES_DEFAULT=\"ollama;webui\"\n";
    let stack = Stack::native(settings);
    fake_harbor(&stack.home, STARTS_NATIVELY, 0);
    let containers = proxy_to(stack.port);
    let ps = stack.scratch.path.join("docker/ps.out");
    stack.docker.does("compose", &format!("printf '{}' > '{ps}'", containers.replace('"', "")));
    // Without containers Harbor writes no compose file.
    stack.run(&["up", "speaches"]).expect(69).says("__harbor.yml`, so `harbor.speaches` cannot be started");
    stack.wait_for_answer();
    stack.run(&["down"]).expect(0).says("stopped the service");
    fs_err::write(stack.home.join("__harbor.yml"), "services: {}\n").unwrap();
    stack.run(&["up"]).expect(0).says("Harbor has not started `harbor.speaches`");
    assert!(stack.is_answered());
    let started = format!("{}|compose -f {}/__harbor.yml up -d speaches\n", stack.port, stack.home);
    assert!(stack.docker.asked().contains(&started), "{}", stack.docker.asked());
    assert!(stack.hop("service", 0).contains(&format!("at http://127.0.0.1:{}", stack.port)));
    assert_eq!(stack.hop("proxy", 0), "ok, `harbor.speaches` forwards requests");
    // A running proxy is not started again.
    fake_harbor(&stack.home, ":", 0);
    let asked = stack.docker.asked().matches("|compose ").count();
    stack.run(&["up", "webui"]).expect(0);
    assert_eq!(stack.docker.asked().matches("|compose ").count(), asked);
    // A Harbor that has left it running is helped with that as well.
    stack.run(&["down", "webui"]).expect(0).says("the service keeps running");
    stack.run(&["down"]).expect(0).says("stopped the service");
    stack.run(&["down"]).expect(0);
    assert!(stack.hop("service", 69).starts_with("stopped (pid "), "there is a proxy without a service");
    let told = stack.told();
    assert_eq!(told[..3], ["up speaches", "down", "up ollama webui speaches"]);
    assert_eq!(told[3..], ["up webui speaches", "down webui", "down", "down"]);
}

#[test]
fn a_harbor_with_a_native_mode_that_prefers_the_container_is_not_changed() {
    let stack = Stack::native("HARBOR_EXECUTION_PREFERENCE=container\n");
    let before = contents(&stack.home);
    stack.run(&["up"]).expect(78).says("`harbor config set speaches.execution_preference native`");
    assert_eq!(contents(&stack.home), before);
}

#[test]
fn a_native_start_that_comes_to_nothing_is_explained() {
    let stack = Stack::native("HARBOR_SPEACHES_EXECUTION_PREFERENCE=native\n");
    stack.docker.answers("ps", &proxy_to(stack.port));
    fake_harbor(&stack.home, ":", 3);
    stack
        .run(&["up", "webui"])
        .expect(69)
        .says("harbor.sh up` failed (exit status: 3), but the service does not work: does not run");
}

#[test]
fn harbor_starts_it_asks_it_through_its_proxy_and_stops_it() {
    let scratch = scratch();
    let home = native_harbor(&scratch.path);
    run(&mut harbor(&home, &["install"])).expect(0);
    let port = free_port();
    let mut harbor = FakeHarbor::start(&home, port);
    harbor.wait_for_port(Duration::from_secs(30));

    // Containers do not reach loopback; they go through a proxy in front of it, on any address.
    for address in ["127.0.0.1", "127.0.0.2"] {
        let proxy = Proxy::start(address, port);
        let base = format!("http://{}", proxy.address);
        assert_eq!(get(&format!("{base}/health")).0, 200, "the healthcheck of the container");
        // speaches-init: it posts both models, then waits until they are listed.
        let models = json(&sample_runtime().join("runtime.json"))["models"].clone();
        for model in models.as_array().unwrap() {
            let id = model["id"].as_str().unwrap();
            assert!([200, 201, 409].contains(&ask("POST", &format!("{base}/v1/models/{id}"), None).0), "{id}");
            assert!(get(&format!("{base}/v1/models")).1.contains(id));
        }
        // Open WebUI: it sends a key that is not required, and the names of its configuration.
        let spoken = post(&format!("{base}/v1/audio/speech"), SPEECH_TYPE, &speech_body("hello harbor"));
        assert_eq!((spoken.0, spoken.1.len() > 1000), (200, true), "{}", String::from_utf8_lossy(&spoken.1));
        let (kind, body) = upload("whisper-1", &spoken.1);
        let (status, heard) = post(&format!("{base}/v1/audio/transcriptions"), &kind, &body);
        let heard = String::from_utf8_lossy(&heard).to_lowercase();
        assert_eq!((status, heard.contains("hello") && heard.contains("harbor")), (200, true), "{heard}");
    }

    match harbor.command_line() {
        Some(line) => assert!(line.contains("speaches"), "or Harbor would leave it running: {line}"),
        None => not_run("ps", "what Harbor looks at before it stops a process", "there is no ps"),
    }
    let (code, took, log) = harbor.stop();
    println!("stopped after {took:?}");
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(10), "Harbor kills after that: {took:?}");
    assert!(
        log.contains(&format!("listening on http://127.0.0.1:{port}")) && log.trim_end().ends_with("stopped"),
        "{log}"
    );
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is free again");
}

#[test]
fn the_script_finds_another_runtime_or_says_what_to_do() {
    let scratch = scratch();
    let script = scratch.path.join("speaches_native.sh");
    fs_err::copy(root().join("runtime-template/harbor/speaches/speaches_native.sh"), &script).unwrap();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(&script);
        command.args(arguments).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &scratch.path);
        command
    };
    run(&mut command(&["speaches", "version"])).expect(69).says("harbor install");
    let launcher = sample_runtime().join("bin/speaches");
    let version = run(command(&["speaches", "version"]).env("SPEACHES_LAUNCHER", &launcher)).expect(0);
    assert!(version.stdout.contains("TONES"), "{}", version.stdout);
    // An installation of releases has a link to the newest one.
    let current = scratch.path.join(".local/share/speaches/current");
    fs_err::create_dir_all(current.parent().unwrap()).unwrap();
    fs_err::os::unix::fs::symlink(sample_runtime(), &current).unwrap();
    run(&mut command(&["version"])).expect(0);
    run(command(&["speaches", "serve", "--port", "none"]).stdin(Stdio::null())).expect(64);
}

#[test]
fn a_container_reaches_it_and_the_network_does_not() {
    let Some(network) = Network::make() else { return };
    let mut service = Service::start(sample_runtime(), |command| {
        // The default with a `docker0` of this address.
        command.args(["--host", BRIDGE]);
    });
    let port = service.wait_for("serving")["port"].as_u64().unwrap();
    let of_container = network.health_from(&network.container, &format!("http://{BRIDGE}:{port}/health"));
    let of_neighbour = network.health_from(&network.neighbour, &format!("http://{LAN}:{port}/health"));
    assert!(of_container, "a neighbour on the bridge is answered");
    assert!(!of_neighbour, "a neighbour on the network is not");
}
