//! The service that starts at login, beside an imitation of systemctl that does what a user manager of systemd would do.
//! `tests/systems/systemd` tries the same with a real one.

use std::net::TcpListener;
use std::process::Command;

use camino::Utf8PathBuf;

use crate::support::service::{get, speaches};
use crate::support::{Scratch, run, sample_runtime, scratch};

/// Remembers the calls, starts what the unit says, and knows whether that still runs.
const SYSTEMCTL: &str = r#"#!/bin/sh
home=$(cd "$(dirname "$0")/.." && pwd)
unit=$home/.config/systemd/user/speaches.service
pid=$(cat "$home/pid" 2>/dev/null)
echo "$*" >> "$home/calls"
stop() { [ -z "$pid" ] || { kill "$pid"; while kill -0 "$pid"; do sleep 0.05; done; rm "$home/pid"; } 2>/dev/null; }
case "$*" in
*--property=Version) [ ! -e "$home/dead" ] || { echo 'Failed to connect to bus: No medium found' >&2; exit 1; } ;;
*restart*)
    stop
    variables=$(sed -n 's/^Environment=//p' "$unit" | tr '\n' ' ')
    command=$(sed -n 's/^ExecStart=//p' "$unit")
    eval "set -- env -i HOME=\"$home\" PATH=/usr/bin:/bin $variables $command"
    setsid "$@" >"$home/journal" 2>&1 </dev/null & echo $! > "$home/pid" ;;
*disable*) stop ;;
*show*)
    if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then echo ActiveState=active
    else echo ActiveState=failed; echo Result=exit-code; echo ExecMainStatus=69; fi ;;
esac
exit 0
"#;

/// A user with a home and a systemd.
struct User {
    home: Scratch,
}

impl User {
    fn new() -> Self {
        let home = scratch();
        let bin = home.path.join("bin");
        fs_err::create_dir(&bin).unwrap();
        for (name, text) in
            [("systemctl", SYSTEMCTL), ("journalctl", "#!/bin/sh\ncat \"$(dirname \"$0\")/../journal\"\n")]
        {
            write_program(&bin.join(name), text);
        }
        Self { home }
    }

    fn service(&self, arguments: &[&str]) -> Command {
        let mut command = speaches(sample_runtime(), &[&["service"], arguments].concat());
        command.env("HOME", &self.home.path).env("PATH", format!("{}/bin:/usr/bin:/bin", self.home.path));
        command.current_dir(&self.home.path);
        command
    }

    fn unit(&self) -> Utf8PathBuf {
        self.home.path.join(".config/systemd/user/speaches.service")
    }

    fn status(&self) -> serde_json::Value {
        let ended = run(&mut self.service(&["status", "--json"]));
        serde_json::from_str(&ended.stdout).unwrap()
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.service(&["uninstall"]).output();
    }
}

fn write_program(path: &Utf8PathBuf, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string()
}

#[test]
fn it_is_installed_replaced_and_uninstalled() {
    let user = User::new();
    run(&mut user.service(&["status"])).expect(69).says("speaches service install");
    run(&mut user.service(&["uninstall"])).expect(0).says("no service is installed");
    fs_err::create_dir(user.home.path.join("a dir")).unwrap();
    let port = free_port();
    let install = |port: &str| {
        let mut command = user.service(&["install", "--host", "127.0.0.1", "--port", port, "--log-file", "a dir/log"]);
        command.env("HF_HUB_OFFLINE", "1").env("UNRELATED", "1");
        command
    };
    let ended = run(&mut install(&port)).expect(0).says("HF_HUB_OFFLINE");
    assert!(ended.stdout.contains(&format!("http://127.0.0.1:{port}")), "{}", ended.stdout);
    let unit = fs_err::read_to_string(user.unit()).unwrap();
    // The working directory of a unit is another one.
    assert!(unit.contains(&format!("\"--log-file\" \"{}/a dir/log\"", user.home.path)), "{unit}");
    assert!(unit.contains("Environment=\"HF_HUB_OFFLINE=1\"\n") && !unit.contains("UNRELATED"), "{unit}");
    assert_eq!(get(&format!("http://127.0.0.1:{port}/health")).0, 200);
    let status = user.status();
    assert_eq!((&status["state"], &status["this_runtime"]), (&"running".into(), &true.into()), "{status}");
    assert_eq!(status["service"]["port"].to_string(), port);

    // The same port is no conflict with the service that is replaced, and another one frees the first.
    let other = free_port();
    for next in [&port, &other] {
        run(&mut install(next)).expect(0);
        assert_eq!(get(&format!("http://127.0.0.1:{next}/health")).0, 200);
    }
    TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();

    assert!(run(&mut user.service(&["uninstall"])).expect(0).stdout.contains("no longer starts at login"));
    assert!(!user.unit().exists());
    TcpListener::bind(format!("127.0.0.1:{other}")).unwrap();
    let calls = fs_err::read_to_string(user.home.path.join("calls")).unwrap();
    assert!(calls.contains("--user --quiet enable speaches.service\n"), "{calls}");
    assert!(calls.ends_with("--user daemon-reload\n"), "{calls}");
}

#[test]
fn what_does_not_start_leaves_what_was_there() {
    let user = User::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    run(&mut user.service(&["install", "--host", "127.0.0.1", "--port", &port])).expect(75).says(&port);
    assert!(!user.unit().exists());

    let good = free_port();
    run(&mut user.service(&["install", "--host", "127.0.0.1", "--port", &good])).expect(0);
    let before = fs_err::read_to_string(user.unit()).unwrap();
    run(&mut user.service(&["install", "--host", "127.0.0.1", "--port", &port])).expect(75).says(&port);
    // Here the reason stands in the log only.
    let log = user.home.path.join("full");
    fs_err::create_dir(&log).unwrap();
    let ended =
        run(&mut user.service(&["install", "--host", "127.0.0.1", "--port", &free_port(), "--log-file", "full"]));
    assert_ne!(ended.code, Some(0));
    ended.says("nothing was changed").says(log.as_str());
    assert_eq!(fs_err::read_to_string(user.unit()).unwrap(), before);
    let began = std::time::Instant::now();
    while get(&format!("http://127.0.0.1:{good}/health")).0 != 200 {
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "the service before does not run again");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

#[test]
fn what_cannot_be_installed_is_refused_before_anything_is_written() {
    let user = User::new();
    let refused = |arguments: &[&str], change: &dyn Fn(&mut Command), code: i32, says: &str| {
        let mut command = user.service(&[&["install"], arguments].concat());
        change(&mut command);
        run(&mut command).expect(code).says(says);
        assert!(!user.unit().exists());
    };
    // Without its key the service would be open.
    let with_key = |command: &mut Command| {
        command.env("API_KEY", "secret");
    };
    refused(&[], &with_key, 78, "--api-key-file");
    refused(&["--port", "0"], &|_| (), 64, "--port");
    refused(&["--voice", "a\nb"], &|_| (), 64, "control character");
    refused(&["--port", "x"], &|_| (), 64, "a TCP port");
    fs_err::write(user.home.path.join("dead"), "").unwrap();
    refused(&[], &|_| (), 69, "No medium found");
    fs_err::remove_file(user.home.path.join("dead")).unwrap();
    fs_err::create_dir_all(user.unit().parent().unwrap()).unwrap();
    fs_err::write(user.unit(), "[Service]\n").unwrap();
    for arguments in [&["install"][..], &["uninstall"], &["status"]] {
        run(&mut user.service(arguments)).expect(73).says("is left alone");
    }
    assert_eq!(fs_err::read_to_string(user.unit()).unwrap(), "[Service]\n");
    fs_err::remove_file(user.unit()).unwrap();
    // `--print` needs no manager, and changes nothing.
    let printed = run(&mut user.service(&["install", "--print"])).expect(0).stdout;
    assert!(printed.contains("WantedBy=default.target"), "{printed}");
    assert!(!user.unit().exists());
}
