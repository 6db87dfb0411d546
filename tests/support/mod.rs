//! Shared parts of the scenarios: the tool, work directories, and a server for given files.

#![allow(dead_code, reason = "each test binary uses a part of this")]

pub mod faults;
#[cfg(unix)]
pub mod fetch;
#[cfg(unix)]
pub mod harbor;
#[cfg(unix)]
pub mod hub;
#[cfg(unix)]
pub mod packing;
#[cfg(unix)]
pub mod release;
#[cfg(unix)]
pub mod scene;
#[cfg(unix)]
pub mod service;
mod skip;
#[cfg(unix)]
pub mod snapshot;
#[cfg(unix)]
pub mod terminal;
#[cfg(unix)]
pub mod tiny;
#[cfg(target_os = "linux")]
pub mod tls;
pub mod wheel;
pub mod world;

use std::io::{Read as _, Seek as _, Write as _};
use std::process::{Command, Output};
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use sha2::Digest as _;

#[allow(unused_imports, reason = "on Windows one of the programs has no test that needs it")]
pub use skip::not_run;

pub fn root() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A store that the tests share, so that every wheel is fetched once.
pub fn shared_store() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join("store")
}

/// Makes a store with all downloads of the shared store. Trees of `kinds` are those of the shared store, if it has
/// some; other downloads and trees go into the new store alone.
pub fn store_with(store: &Utf8Path, kinds: &[&str]) {
    let shared = shared_store();
    fs_err::create_dir_all(store.join("files")).unwrap();
    fs_err::create_dir_all(store.join("trees")).unwrap();
    for entry in shared.join("files").read_dir_utf8().unwrap().map(Result::unwrap) {
        fs_err::hard_link(entry.path(), store.join("files").join(entry.file_name())).unwrap();
    }
    for kind in kinds {
        #[cfg(unix)]
        let link = fs_err::os::unix::fs::symlink::<Utf8PathBuf, Utf8PathBuf>;
        #[cfg(windows)]
        let link = fs_err::os::windows::fs::symlink_dir::<Utf8PathBuf, Utf8PathBuf>;
        let from = shared.join("trees").join(kind);
        if from.is_dir() {
            link(from, store.join("trees").join(kind)).unwrap();
        }
    }
}

/// A directory that disappears at the end of a test. It is beside the store, where files can be linked.
pub fn scratch() -> Scratch {
    let directory = tempfile::Builder::new().prefix("test-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
    Scratch { _directory: directory, path }
}

pub struct Scratch {
    _directory: tempfile::TempDir,
    pub path: Utf8PathBuf,
}

pub fn xtask(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(arguments).env("SPEACHES_STORE", shared_store()).env_remove("RUST_LOG").current_dir(root());
    command
}

/// How a program ended, with what it said.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Fails the test, showing everything, unless the program ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless standard error has this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not in:\n{}", self.stderr);
        self
    }
}

pub fn run(command: &mut Command) -> Ended {
    Ended::of(command.output().unwrap())
}

/// The flag that selects the miniature of the tests (`manifests/tones/`): it speaks in tones, which takes no time. The
/// sample of the documents has other pins (`manifests/sample/`).
pub const TONES: &str = concat!("--manifests=", env!("CARGO_MANIFEST_DIR"), "/../manifests/tones");

/// Makes a runtime of the miniature of the tests in `out` and returns its path.
pub fn provision_sample(out: &Utf8Path, more: &[&str]) -> Utf8PathBuf {
    let ended = run(xtask(&["provision", TONES, "--out", out.as_str()]).args(more)).expect(0);
    assert_eq!(ended.stdout.trim_end(), out.as_str(), "the path is all there is on standard output");
    out.to_owned()
}

/// A runtime of the miniature of the tests. Tests may read it but not change it.
pub fn sample_runtime() -> &'static Utf8Path {
    static RUNTIME: OnceLock<Utf8PathBuf> = OnceLock::new();
    RUNTIME.get_or_init(|| made_once("sample-runtime", |place| drop(provision_sample(place, &[]))))
}

/// A directory that several tests share. One process at a time makes it, once in each run of the
/// tests: nextest gives each test a process of its own.
pub fn made_once(name: &str, make: impl FnOnce(&Utf8Path)) -> Utf8PathBuf {
    let place = Utf8Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("process {}", std::process::id()));
    let mut stamp = fs_err::OpenOptions::new();
    let mut stamp = stamp.create(true).truncate(false).read(true).write(true).open(format!("{place}.made")).unwrap();
    stamp.file().lock().unwrap();
    let mut made_in = String::new();
    stamp.read_to_string(&mut made_in).unwrap();
    if made_in != run {
        make(&place);
        stamp.set_len(0).unwrap();
        stamp.rewind().unwrap();
        stamp.write_all(run.as_bytes()).unwrap();
    }
    place
}

/// The Python of this machine that PATH answers with.
pub fn python() -> String {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The digest by which bytes are pinned.
pub fn sha256(bytes: &[u8]) -> String {
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a JSON file.
pub fn json(path: &Utf8Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

/// Every file below a directory, relative to it, sorted.
pub fn files(directory: &Utf8Path) -> Vec<Utf8PathBuf> {
    let mut files = walkdir::WalkDir::new(directory)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| Utf8Path::from_path(entry.path()).unwrap().strip_prefix(directory).unwrap().to_owned())
        .collect::<Vec<_>>();
    files.sort();
    files
}

/// Nothing half made is left in a directory in which a runtime was being made.
#[track_caller]
pub fn assert_nothing_half_made(directory: &Utf8Path) {
    let left =
        directory.read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect::<Vec<_>>();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Manifests like the committed ones, in which a test may change something.
///
/// The pins of the miniature of the tests (`manifests/tones/`) replace the real ones, so that a provision without
/// `--sample` takes inputs that this machine has.
pub fn own_manifests(to: &Utf8Path) -> Utf8PathBuf {
    let manifests = to.join("manifests");
    fs_err::create_dir_all(manifests.join("locks")).unwrap();
    for (from, to) in [(root().join("manifests"), &manifests), (root().join("manifests/tones"), &manifests)] {
        for entry in from.read_dir_utf8().unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                fs_err::copy(entry.path(), to.join(entry.file_name())).unwrap();
            }
        }
    }
    for entry in root().join("manifests/tones/locks").read_dir_utf8().unwrap().map(Result::unwrap) {
        fs_err::copy(entry.path(), manifests.join("locks").join(entry.file_name())).unwrap();
    }
    fs_err::write(manifests.join("speaches.toml"), own_speaches()).unwrap();
    manifests
}

/// The `speaches.toml` of [`own_manifests`]: the source of the miniature under the name of the real one, with
/// pinned Pythons.
pub fn own_speaches() -> String {
    let text = fs_err::read_to_string(root().join("manifests/tones/speaches.toml")).unwrap();
    let identity = ["name = ", "note = ", "pythons_of_this_machine = "];
    let (said, rest): (Vec<_>, Vec<_>) =
        text.lines().partition(|line| identity.iter().any(|key| line.starts_with(key)));
    assert_eq!(said.len(), identity.len(), "{text}");
    format!("name = \"speaches\"\n{}\n", rest.join("\n"))
}

/// Replaces text in a file that has to be there.
#[track_caller]
pub fn edit(path: &Utf8Path, from: &str, to: &str) {
    let text = fs_err::read_to_string(path).unwrap();
    assert!(text.contains(from), "`{from}` is not in `{path}`");
    fs_err::write(path, text.replacen(from, to, 1)).unwrap();
}

/// A source archive of the miniature of speaches, as forges make them: one directory at the top.
pub fn source_archive(change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let source = root().join("tests/sample/speaches");
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for file in files(&source) {
        let bytes = change(file.as_str(), fs_err::read(source.join(&file)).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, format!("speaches-0123/{file}"), bytes.as_slice()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// An archive with the layout of python-build-standalone, made from the CPython of [`sample_runtime`]. All these
/// archives have the same content, so that a store that unpacked one has the bytecode for the next.
pub fn python_archive(to: &Utf8Path) -> Utf8PathBuf {
    static ARCHIVE: OnceLock<Utf8PathBuf> = OnceLock::new();
    let made = ARCHIVE.get_or_init(|| made_once("cpython.tar.gz", |place| pack_python(sample_runtime(), place)));
    let copy = to.join("cpython-install_only_stripped.tar.gz");
    fs_err::copy(made, &copy).unwrap();
    copy
}

fn pack_python(runtime: &Utf8Path, to: &Utf8Path) {
    let minor = json(&runtime.join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
    let mut archive = Archive::create(to);
    archive.add(&format!("include/python{minor}/patchlevel.h"), &patch_level(runtime));
    for file in files(&runtime.join("python")) {
        if !file.as_str().contains("site-packages") {
            archive.copy(&runtime.join("python").join(&file), file.as_str());
        }
    }
    archive.finish();
}

/// The same for Windows, with the standard library of a runtime of this machine and programs that are none.
pub fn python_archive_for_windows(runtime: &Utf8Path, to: &Utf8Path) -> Utf8PathBuf {
    let minor = json(&runtime.join("runtime.json"))["python"]["minor"].as_str().unwrap().to_owned();
    let mut archive = Archive::create(&to.join("cpython-for-windows.tar.gz"));
    archive.add("include/patchlevel.h", &patch_level(runtime));
    archive.add("LICENSE.txt", "the license of a stand-in");
    for program in ["python.exe", "DLLs/_ssl.pyd", &format!("python{}.dll", minor.replace('.', ""))] {
        archive.add(program, "a stand-in");
    }
    let library = runtime.join("python/lib").join(format!("python{minor}"));
    for file in files(&library) {
        if file.extension() == Some("py") && !file.starts_with("site-packages") {
            archive.copy(&library.join(&file), &format!("Lib/{file}"));
        }
    }
    archive.finish()
}

fn patch_level(runtime: &Utf8Path) -> String {
    let version = json(&runtime.join("runtime.json"))["python"]["version"].as_str().unwrap().to_owned();
    format!("#define PY_VERSION              \"{version}\"\n")
}

/// An archive of CPython that is being made.
struct Archive {
    path: Utf8PathBuf,
    tar: tar::Builder<flate2::write::GzEncoder<fs_err::File>>,
}

impl Archive {
    fn create(path: &Utf8Path) -> Self {
        let file = fs_err::File::create(path).unwrap();
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
        tar.follow_symlinks(false);
        Self { path: path.to_owned(), tar }
    }

    fn add(&mut self, path: &str, text: &str) {
        let mut entry = tar::Header::new_gnu();
        entry.set_size(text.len() as u64);
        entry.set_mode(0o644);
        entry.set_cksum();
        self.tar.append_data(&mut entry, format!("python/{path}"), text.as_bytes()).unwrap();
    }

    fn copy(&mut self, from: &Utf8Path, path: &str) {
        self.tar.append_path_with_name(from, format!("python/{path}")).unwrap();
    }

    fn finish(self) -> Utf8PathBuf {
        self.tar.into_inner().unwrap().finish().unwrap();
        self.path
    }
}

/// Runs scenarios a few at a time: most of them wait. A failure names the scenario.
pub fn in_parallel<T: Send>(scenarios: Vec<T>, one: impl Fn(T) + Sync) {
    let queue = std::sync::Mutex::new(scenarios.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap().next();
                    let Some(next) = next else { break };
                    one(next);
                }
            });
        }
    });
}
