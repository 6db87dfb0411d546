//! The parts of Harbor that concern a native service: its home, its merging of compose files, its way to start and stop
//! a process, and the proxy in front of the process.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::{Map, Value, json};

use super::service::speaches;
use super::{files, not_run, sample_runtime};

/// The files in Harbor's home.
pub const OVERLAY: &str = "services/compose.x.speaches.speaches-native.yml";

/// A command of the launcher for a Harbor.
pub fn harbor(home: &Utf8Path, arguments: &[&str]) -> Command {
    let mut command = speaches(sample_runtime(), &["harbor"]);
    command.args(arguments).args(["--home", home.as_str()]);
    command.env("XDG_STATE_HOME", home.join("state")).env("HF_HUB_CACHE", home.join("cache/hub"));
    command
}

/// A stand-in of a stock Harbor's home, with files of the shape that its compose files have.
pub fn stock_harbor(at: &Utf8Path) -> Utf8PathBuf {
    let home = at.join("harbor");
    fs_err::create_dir_all(home.join("services/speaches")).unwrap();
    for (name, text) in [
        ("harbor.sh", "#!/bin/bash\n"),
        (
            "services/compose.speaches.yml",
            "services:\n  speaches:\n    image: ghcr.io/speaches-ai/speaches:latest-cpu\n    container_name: harbor.speaches\n    \
             env_file: [./.env]\n    ports: [\"34331:8000\"]\n    volumes: [a:/a, b:/b]\n    healthcheck:\n      test: \
             [CMD, curl, -f, http://localhost:8000/health]\n      interval: 5s\n      start_period: 120s\n    networks: \
             [harbor-network]\n  speaches-init:\n    image: denoland/deno:distroless\n    depends_on:\n      speaches: \
             {condition: service_healthy}\n",
        ),
        (
            "services/compose.x.speaches.nvidia.yml",
            "services:\n  speaches:\n    image: ghcr.io/speaches-ai/speaches:latest-cuda\n    deploy: {resources: \
             {reservations: {devices: [{driver: nvidia}]}}}\n",
        ),
    ] {
        fs_err::write(home.join(name), text).unwrap();
    }
    home
}

/// A stand-in of a Harbor's home with a native mode.
pub fn native_harbor(at: &Utf8Path) -> Utf8PathBuf {
    let home = at.join("harbor");
    for directory in ["routines", "speaches", "app/backend/data/logs"] {
        fs_err::create_dir_all(home.join(directory)).unwrap();
    }
    fs_err::write(home.join("harbor.sh"), "#!/bin/bash\n").unwrap();
    fs_err::write(home.join("routines/loadNativeConfig.js"), "").unwrap();
    home
}

/// A `harbor.sh` that writes down what it was told, where and with which home, does something, and ends with a code.
pub fn fake_harbor(home: &Utf8Path, does: &str, code: i32) {
    let script = format!(
        "#!/bin/bash\necho \"$HARBOR_HOME|$PWD|$*\" >> '{home}/told'\ncd \"$HARBOR_HOME\" || exit 99\n{does}\nexit {code}\n"
    );
    write_program(&home.join("harbor.sh"), &script);
}

/// The calls of a simulated `harbor.sh`, one per line: its home, its directory and its words.
pub fn told(home: &Utf8Path) -> Vec<String> {
    fs_err::read_to_string(home.join("told")).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn write_program(path: &Utf8Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// A `docker` that gives prepared answers to what the launcher asks: `ps`, `inspect`, `network`, `proxy` and `webui` for the health
/// that a container asks for, and `compose`.
pub struct FakeDocker {
    directory: Utf8PathBuf,
}

/// The container of Harbor that passes everything on to a port of this machine, as `docker ps` shows it.
pub fn proxy_to(port: u16) -> String {
    let command = format!("socat tcp-listen:8000,fork,reuseaddr tcp-connect:host.docker.internal:{port}");
    format!("harbor.speaches\trunning\talpine/socat:latest\t\"{command}\"\n")
}

/// The owner of a container, as `docker inspect` shows it.
pub fn made_in(name: &str, directory: &Utf8Path) -> String {
    format!("/{name}\t{directory}\n")
}

/// The container of Open WebUI.
pub const OPEN_WEBUI: &str = "harbor.webui\trunning\tghcr.io/open-webui/open-webui:main\t\"/app/start_webui.sh\"\n";
pub const STOCK_CONTAINER: &str = "harbor.speaches\trunning\tghcr.io/speaches-ai/speaches:latest-cpu\t\"uvicorn --factory speaches.main:create_app\"\n";

impl FakeDocker {
    /// A Docker that answers, without containers. Its bridge has an address that is not an address of this machine.
    pub fn install(at: &Utf8Path) -> Self {
        let directory = at.join("docker");
        fs_err::create_dir_all(&directory).unwrap();
        let docker = Self { directory };
        let script = "#!/bin/bash\nhere=$(dirname \"$0\")\necho \"$HARBOR_SPEACHES_HOST_PORT|$*\" >> \"$here/asked\"\ncase \"$1 $2\" \
                      in\n  'exec harbor.speaches') topic=proxy ;;\n  'exec harbor.webui') topic=webui ;;\n  *) topic=$1 \
                      ;;\nesac\n. \"$here/$topic.sh\"\n";
        write_program(&docker.directory.join("docker"), script);
        docker.answers("ps", "");
        // TEST-NET-1 of RFC 5737: never the address of a machine
        docker.answers("network", "192.0.2.1 \n");
        for topic in ["inspect", "proxy", "webui", "compose"] {
            docker.answers(topic, "");
        }
        docker
    }

    /// It prints something from now on.
    pub fn answers(&self, topic: &str, text: &str) {
        let answer = self.directory.join(format!("{topic}.out"));
        fs_err::write(&answer, text).unwrap();
        self.does(topic, &format!("cat '{answer}'"));
    }

    /// It fails from now on.
    pub fn fails(&self, topic: &str, complaint: &str) {
        self.does(topic, &format!("echo '{complaint}' >&2; exit 1"));
    }

    /// It runs a script from now on.
    pub fn does(&self, topic: &str, script: &str) {
        fs_err::write(self.directory.join(format!("{topic}.sh")), script).unwrap();
    }

    /// Its calls, after the port that it was given for the proxy.
    pub fn asked(&self) -> String {
        fs_err::read_to_string(self.directory.join("asked")).unwrap_or_default()
    }

    /// A PATH with it.
    pub fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.directory)
    }
}

/// Every file below a directory with its content.
pub fn contents(directory: &Utf8Path) -> BTreeMap<Utf8PathBuf, Vec<u8>> {
    files(directory).into_iter().map(|file| (file.clone(), fs_err::read(directory.join(file)).unwrap())).collect()
}

/// The compose files that Harbor uses for some words, in its order.
///
/// `compose.a.yml` when `a` is among them, `compose.x.a.b.yml` when all of its parts are; sorted by the number of dots,
/// then by name.
pub fn taken_files(services: &Utf8Path, words: &[&str]) -> Vec<String> {
    let mut taken = services
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .filter(|name| {
            let parts = name.strip_prefix("compose.").and_then(|name| name.strip_suffix(".yml"));
            parts.is_some_and(|parts| match parts.strip_prefix("x.") {
                Some(parts) => parts.split('.').all(|part| words.contains(&part)),
                None => words.contains(&parts),
            })
        })
        .collect::<Vec<_>>();
    taken.sort_by_key(|name| (name.matches('.').count(), name.clone()));
    taken
}

/// Harbor's merging: a scalar replaces, lists are united, maps are merged.
pub fn merged(files: &[Value]) -> Value {
    files.iter().fold(json!({}), merge)
}

fn merge(base: Value, over: &Value) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            let mut merged: Map<String, Value> = base;
            for (key, value) in over {
                let before = merged.remove(key);
                merged.insert(key.clone(), before.map_or_else(|| value.clone(), |before| merge(before, value)));
            }
            Value::Object(merged)
        }
        (Value::Array(mut base), Value::Array(over)) => {
            for item in over {
                if !base.contains(item) {
                    base.push(item.clone());
                }
            }
            Value::Array(base)
        }
        (_, over) => over.clone(),
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A Harbor that has started the service, in the way that its `harbor.sh` does.
pub struct FakeHarbor {
    child: Child,
    log: Utf8PathBuf,
    port: u16,
}

impl FakeHarbor {
    /// `nohup env VARIABLES speaches/speaches_native.sh speaches serve`, in Harbor's home, with nothing to read, and with
    /// two descriptors of Harbor's own that leak.
    pub fn start(home: &Utf8Path, port: u16) -> Self {
        let log = home.join("app/backend/data/logs/harbor-speaches-native.log");
        let output = fs_err::File::create(&log).unwrap().into_parts().0;
        let mut command = Command::new("bash");
        command
            .arg("-c")
            .arg(
                "exec 10</dev/null 251>/dev/null; exec nohup env HARBOR_HOME=\"$1\" HARBOR_SPEACHES_HOST_PORT=\"$2\" \
                 HARBOR_SPEACHES_HOST=127.0.0.1 HARBOR_SPEACHES_STT_MODEL= HARBOR_SPEACHES_TTS_MODEL= \
                 HARBOR_SPEACHES_TTS_VOICE= HARBOR_HF_CACHE=\"~/hf\" HARBOR_HF_TOKEN= \
                 speaches/speaches_native.sh speaches serve",
            )
            .args(["harbor", home.as_str(), &port.to_string()])
            .current_dir(home)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0);
        Self { child: command.spawn().unwrap(), log, port }
    }

    /// `nc -z localhost PORT`, for as long as Harbor waits.
    pub fn wait_for_port(&mut self, timeout: Duration) {
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended: {}", self.text());
            assert!(started.elapsed() < timeout, "{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Harbor checks this before it stops a process: `ps -o command=` of the pid that it has started.
    /// `None` where there is no `ps`, without which Harbor does not work.
    pub fn command_line(&self) -> Option<String> {
        let pid = self.child.id().to_string();
        let output = Command::new("ps").args(["-o", "command=", "-p", &pid]).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap())
    }

    /// SIGTERM to that pid; returns the exit code, how long it took, and the log.
    pub fn stop(&mut self) -> (Option<i32>, Duration, String) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let asked = Instant::now();
        let status = self.child.wait().unwrap();
        (status.code(), asked.elapsed(), self.text())
    }

    fn text(&self) -> String {
        fs_err::read_to_string(&self.log).unwrap()
    }
}

impl Drop for FakeHarbor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The container that stands for the service: `socat` where there is one, else a forwarder of our own.
pub struct Proxy {
    /// The address on which it listens.
    pub address: SocketAddr,
    socat: Option<Child>,
}

impl Proxy {
    /// Listens on a free port of an address, and connects to a port of this machine.
    pub fn start(address: &str, to: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        if Command::new("socat").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok() {
            drop(listener);
            let listen = format!("tcp-listen:{},bind={},fork,reuseaddr", address.port(), address.ip());
            let socat = Command::new("socat").args([listen, format!("tcp-connect:127.0.0.1:{to}")]).spawn().unwrap();
            let started = Instant::now();
            while TcpStream::connect(address).is_err() {
                assert!(started.elapsed() < Duration::from_secs(10), "socat does not listen");
                std::thread::sleep(Duration::from_millis(10));
            }
            return Self { address, socat: Some(socat) };
        }
        println!("NOTE: there is no socat here, so a forwarder of the test stands for Harbor's proxy");
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
                    let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from_client, &mut to_server);
                        let _ = to_server.shutdown(std::net::Shutdown::Write);
                    });
                    let (mut from_server, mut to_client) = (server, client);
                    let _ = std::io::copy(&mut from_server, &mut to_client);
                    let _ = to_client.shutdown(std::net::Shutdown::Write);
                });
            }
        });
        Self { address, socat: None }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(socat) = &mut self.socat {
            let _ = socat.kill();
            let _ = socat.wait();
        }
    }
}

/// The type of a request for speech.
pub const SPEECH_TYPE: &str = "application/json";

/// The body of a request for speech, as Open WebUI makes it.
pub fn speech_body(text: &str) -> Vec<u8> {
    json!({ "model": "tts-1", "voice": "tone_plain", "input": text, "response_format": "wav" }).to_string().into_bytes()
}

/// Type and body of a request for a transcription.
pub fn upload(model: &str, audio: &[u8]) -> (String, Vec<u8>) {
    let boundary = "boundary-of-a-test";
    let mut body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--{boundary}\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(audio);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// Status and body of a POST request with the key that Open WebUI sends.
pub fn post(url: &str, kind: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /{path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer sk-speaches\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
    (status, answer[end + 4..].to_vec())
}

/// The address of this machine on the bridge of containers.
pub const BRIDGE: &str = "10.213.77.1";
/// The address of this machine on the network.
pub const LAN: &str = "10.213.78.1";

/// Two network namespaces beside this machine: one on a bridge as containers are, one on a network as neighbours are.
pub struct Network {
    pub container: String,
    pub neighbour: String,
}

impl Network {
    /// Makes them, where this user may; else says aloud that it was not tried.
    pub fn make() -> Option<Self> {
        let suffix = std::process::id() % 10_000;
        let network = Self { container: format!("spc{suffix}"), neighbour: format!("spn{suffix}") };
        let made = [(&network.container, BRIDGE), (&network.neighbour, LAN)].iter().all(|(name, here)| {
            let there = format!("{}2/24", here.strip_suffix('1').unwrap());
            let (inner, outer) = (format!("{name}i"), format!("{name}o"));
            ip(&["netns", "add", name])
                && ip(&["link", "add", &outer, "type", "veth", "peer", "name", &inner, "netns", name])
                && ip(&["addr", "add", &format!("{here}/24"), "dev", &outer])
                && ip(&["link", "set", &outer, "up"])
                && ip(&["-n", name, "addr", "add", &there, "dev", &inner])
                && ip(&["-n", name, "link", "set", &inner, "up"])
        });
        if !made {
            not_run(
                "network-namespaces",
                "whether containers reach the service and the network does not",
                "this user may not make namespaces",
            );
            return None;
        }
        Some(network)
    }

    /// Whether `/health` answers a request from a namespace.
    pub fn health_from(&self, namespace: &str, url: &str) -> bool {
        let script = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5).read()";
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, &super::python(), "-c", script, url]);
        command.stderr(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in [&self.container, &self.neighbour] {
            ip(&["netns", "del", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
