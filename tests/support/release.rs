//! A release with small bundles, a home to install them into, and the installer under several shells.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::faults::{Faults, Reply};
use super::{Scratch, root, scratch, sha256};

/// The target of this machine and the accelerator that the installer takes for it.
pub fn here() -> String {
    let system = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux-gnu" };
    let accelerator = if cfg!(all(target_os = "macos", target_arch = "aarch64")) { "coreml" } else { "cpu" };
    format!("{}-{system}-{accelerator}", std::env::consts::ARCH)
}

/// The name of a bundle for this machine.
pub fn bundle_name(version: &str) -> String {
    format!("speaches-{version}-py3.10-{}", here())
}

/// A runtime that does nothing but say its version, of a size that takes a while to fetch.
pub fn small_runtime(name: &str, version: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |path: &str, mode: u32, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        tar.append_data(&mut header, format!("{name}/{path}"), bytes).unwrap();
    };
    add(
        "bin/speaches",
        0o755,
        format!(
            "#!/bin/sh\n[ \"$1\" != doctor ] || echo 'ok    python  starts'\n\
             case \"$1 $2\" in\n'service status') cat \"$HOME/login-service\" 2>/dev/null;;\n\
             'service uninstall') rm \"$HOME/login-service\";;\nesac\necho \"speaches {version}\"\n"
        )
        .as_bytes(),
    );
    add("runtime.json", 0o644, b"{}");
    // Incompressible bytes, the same in each run.
    let mut noise = Vec::new();
    for number in 0..4096_u32 {
        noise.extend(Sha256::digest(format!("{version}{number}")));
    }
    add("models/noise", 0o644, &noise);
    tar.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// `None` where there is no zstd.
pub fn zstd(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child =
        Command::new("zstd").args(["-qc", "-3"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output.status.success().then_some(output.stdout)
}

#[derive(Clone, Default)]
pub struct Release {
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Release {
    /// With a small bundle for this machine, in both formats where zstd is there.
    pub fn of(version: &str) -> Self {
        let mut release = Self::default();
        release.add(&bundle_name(version), version);
        release
    }

    pub fn add(&mut self, name: &str, version: &str) {
        let tar = small_runtime(name, version);
        self.files.insert(format!("{name}.tar.gz"), gzip(&tar));
        if let Some(bytes) = zstd(&tar) {
            self.files.insert(format!("{name}.tar.zst"), bytes);
        }
    }

    pub fn sums(&self) -> String {
        self.files.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect()
    }

    /// The file that the installer takes on this machine.
    pub fn taken(&self, version: &str) -> String {
        let name = bundle_name(version);
        let zstd = format!("{name}.tar.zst");
        if self.files.contains_key(&zstd) { zstd } else { format!("{name}.tar.gz") }
    }

    pub fn serve(&self) -> Faults {
        let server = Faults::start([]);
        server.set("/SHA256SUMS", vec![Reply::data(self.sums().as_bytes())]);
        for (name, bytes) in &self.files {
            server.set(&format!("/{name}"), vec![Reply::data(bytes)]);
        }
        server
    }

    pub fn write(&self, directory: &Utf8Path) {
        fs_err::create_dir_all(directory).unwrap();
        fs_err::write(directory.join("SHA256SUMS"), self.sums()).unwrap();
        for (name, bytes) in &self.files {
            fs_err::write(directory.join(name), bytes).unwrap();
        }
    }
}

pub struct Home {
    pub scratch: Scratch,
    pub path: Utf8PathBuf,
    pub shell: Vec<String>,
    pub search: String,
}

impl Home {
    pub fn new() -> Self {
        let scratch = scratch();
        // As people name them.
        let path = scratch.path.join("my home");
        fs_err::create_dir_all(&path).unwrap();
        let search = std::env::var("PATH").unwrap();
        Self { scratch, path, shell: vec!["sh".to_owned()], search }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(&root().join("install.sh"), arguments)
    }

    pub fn command_of(&self, script: &Utf8Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.shell[0]);
        command.args(&self.shell[1..]).arg(script).args(arguments);
        command.env_clear().env("HOME", &self.path).env("PATH", &self.search).stdin(Stdio::null());
        command
    }

    /// The directory of the versions.
    pub fn root(&self) -> Utf8PathBuf {
        self.path.join(".local/share/speaches")
    }

    pub fn program(&self) -> Utf8PathBuf {
        self.path.join(".local/bin/speaches")
    }

    /// The output of the installed program, or nothing.
    pub fn installed(&self) -> String {
        let output = Command::new(self.program()).arg("version").output();
        output.map_or_else(|_| String::new(), |output| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// The names in the directory of all versions, hidden ones included.
    pub fn entries(&self) -> Vec<String> {
        let mut names = match self.root().read_dir_utf8() {
            Ok(entries) => entries.map(|entry| entry.unwrap().file_name().to_owned()).collect::<Vec<_>>(),
            Err(_) => Vec::new(),
        };
        names.sort();
        names
    }

    /// Nothing of a run that is at work is left, and what is there is whole.
    #[track_caller]
    pub fn assert_tidy(&self, versions: usize) {
        let entries = self.entries();
        let left = entries.iter().filter(|name| name.starts_with('.') && *name != ".history").collect::<Vec<_>>();
        assert!(left.is_empty(), "left behind: {left:?}");
        let there = entries.iter().filter(|name| !name.starts_with('.') && *name != "current").collect::<Vec<_>>();
        assert_eq!(there.len(), versions, "{there:?}");
    }

    /// The name of the version that is used.
    pub fn linked(&self) -> Utf8PathBuf {
        self.root().join("current").read_link_utf8().unwrap()
    }

    /// A directory with nothing but these programs, put in the place of the search path.
    pub fn only(&mut self, programs: &[&str]) {
        let directory = self.scratch.path.join(format!("programs-{}", fastrand::u32(..)));
        fs_err::create_dir_all(&directory).unwrap();
        for program in programs {
            let place = std::env::split_paths(&std::env::var_os("PATH").unwrap())
                .map(|place| place.join(program))
                .find(|place| place.is_file());
            // The installer goes without some of them, as where there is no zstd.
            if let Some(place) = place {
                fs_err::os::unix::fs::symlink(place, directory.join(program)).unwrap();
            }
        }
        self.search = directory.into_string();
    }

    /// A program of the user's own before all others.
    pub fn shadow(&mut self, program: &str, script: &str) {
        let directory = self.scratch.path.join("shadows");
        fs_err::create_dir_all(&directory).unwrap();
        executable(&directory.join(program), script);
        if !self.search.starts_with(directory.as_str()) {
            self.search = format!("{directory}:{}", self.search);
        }
    }
}

/// Writes a shell script that can be started.
pub fn executable(path: &Utf8Path, script: &str) {
    fs_err::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The programs that the installer needs.
pub const TOOLS: &[&str] = &[
    "awk",
    "cat",
    "chmod",
    "cp",
    "curl",
    "cut",
    "df",
    "getconf",
    "grep",
    "gzip",
    "head",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "perl",
    "ps",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "sh",
    "sha256sum",
    "shasum",
    "sleep",
    "sort",
    "sw_vers",
    "sysctl",
    "tail",
    "tar",
    "tr",
    "uname",
    "wc",
    "zstd",
];

/// The shells that are here, each with a home whose programs fit it. Those of busybox come with its own programs.
pub fn shells() -> Vec<Home> {
    let mut homes = Vec::new();
    for shell in ["dash", "bash", "sh"] {
        if is_here(shell) {
            homes.push(Home { shell: vec![shell.to_owned()], ..Home::new() });
        } else {
            super::not_run(shell, &format!("install.sh under {shell}"), "it is not installed");
        }
    }
    if is_here("busybox") {
        let mut home = Home::new();
        let applets = home.scratch.path.join("busybox");
        fs_err::create_dir_all(&applets).unwrap();
        let installed =
            Command::new("busybox").args(["--install", "-s", applets.as_str()]).status().is_ok_and(|it| it.success());
        assert!(installed, "busybox cannot install its applets");
        // It has no getconf, which every system with glibc has.
        home.only(&["getconf", "busybox"]);
        home.search = format!("{applets}:{}", home.search);
        home.shell = vec!["busybox".to_owned(), "sh".to_owned()];
        homes.push(home);
    } else {
        super::not_run("busybox", "install.sh under busybox", "it is not installed");
    }
    homes
}

pub fn is_here(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|place| place.join(program).is_file())
}
