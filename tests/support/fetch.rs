//! A download through the real binary, and its expected result.

use std::process::Command;
use std::time::Duration;

use camino::Utf8PathBuf;
use serde_json::{Value, json};

use super::faults::{Faults, Reply};
use super::{Ended, Scratch, run, scratch, sha256, xtask};

/// Long enough that nothing arrives in one piece.
pub const SIZE: u64 = 300_000;

/// How long a second is to the tool, in milliseconds: it takes 1.5 s of silence for a stall, which a busy machine must not
/// seem to be.
pub const SECOND: u64 = 50;

pub const AGES: Duration = Duration::from_secs(20);

/// Bytes that are different everywhere, so that a part in the wrong place is noticed.
pub fn data() -> Vec<u8> {
    (0..SIZE / 4).flat_map(|number| (number as u32).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

pub fn good() -> Reply {
    Reply::data(&data())
}

/// A store, and what is to be fetched into it.
pub struct Fetch {
    pub scratch: Scratch,
    pub urls: Vec<String>,
    pub size: Option<u64>,
    pub sha256: String,
    pub environment: Vec<(&'static str, String)>,
}

impl Fetch {
    pub fn from(urls: &[String]) -> Self {
        let scratch = scratch();
        Self { scratch, urls: urls.to_vec(), size: Some(SIZE), sha256: sha256(&data()), environment: Vec::new() }
    }

    pub fn without_size(self) -> Self {
        Self { size: None, ..self }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    pub fn store(&self) -> Utf8PathBuf {
        self.scratch.path.join("store")
    }

    pub fn file(&self) -> Utf8PathBuf {
        self.store().join("files").join(&self.sha256)
    }

    pub fn partial(&self) -> Utf8PathBuf {
        self.store().join("partial").join(&self.sha256)
    }

    pub fn quarantined(&self) -> Vec<Utf8PathBuf> {
        let entries = self.store().join("quarantine").read_dir_utf8().into_iter().flatten();
        entries.map(|entry| entry.unwrap().path().to_owned()).collect()
    }

    /// The beginning of the file as an earlier run may have left it.
    pub fn left(&self, bytes: &[u8], about: &Value) {
        fs_err::create_dir_all(self.partial().parent().unwrap()).unwrap();
        fs_err::write(self.partial(), bytes).unwrap();
        fs_err::write(self.partial().with_extension("json"), about.to_string()).unwrap();
    }

    pub fn command(&self) -> Command {
        let wanted = json!([{"urls": self.urls, "size": self.size, "sha256": self.sha256}]);
        self.command_for(&wanted)
    }

    pub fn command_for(&self, wanted: &Value) -> Command {
        let list = self.scratch.path.join("list.json");
        if !list.exists() {
            fs_err::write(&list, wanted.to_string()).unwrap();
        }
        let mut command = xtask(&["fetch", list.as_str()]);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env("SPEACHES_STORE", self.store()).env("SPEACHES_FETCH_SECOND_MS", SECOND.to_string());
        command.env_remove("HF_TOKEN").env_remove("HF_ENDPOINT");
        command.envs(self.environment.iter().cloned());
        command
    }

    pub fn run(&self) -> Ended {
        run(&mut self.command())
    }

    /// Ends in the right bytes, with nothing else left.
    #[track_caller]
    pub fn succeeds(&self) -> Ended {
        let ended = self.run().expect(0);
        self.is_there();
        assert_eq!(ended.stdout.trim_end(), self.file().as_str());
        ended
    }

    #[track_caller]
    pub fn is_there(&self) {
        assert!(fs_err::read(self.file()).unwrap() == data(), "other bytes");
        let left = self.store().join("partial").read_dir_utf8().unwrap().count();
        assert_eq!(left, 0, "partial files");
    }

    /// Ends with this code and one message that has these texts, and nothing that could be taken for the file.
    #[track_caller]
    pub fn fails(&self, name: &str, code: i32, says: &[&str]) -> Ended {
        let ended = self.run();
        let text = &ended.stderr;
        assert_eq!(ended.code, Some(code), "{name}: {text}");
        assert!(!self.file().exists(), "{name}");
        assert!(text.starts_with("error: ") && text.contains("\nhint: "), "{name}: {text}");
        for wanted in says {
            assert!(text.contains(wanted), "{name}: `{wanted}` is not in: {text}");
        }
        for unwanted in ["panicked", "secret", "\u{1b}"] {
            assert!(!text.contains(unwanted), "{name}: `{unwanted}` is in: {text}");
        }
        ended
    }
}

/// A path with these answers, and a download from it.
pub fn scenario(replies: Vec<Reply>) -> (Faults, Fetch) {
    let server = Faults::start([("/data", replies)]);
    let fetch = Fetch::from(&[format!("{}/data", server.url)]);
    (server, fetch)
}

/// Whether this process runs nothing but the test of this name. Where it runs others, the test is run in a process of its own,
/// and has to pass there: the system tells the peak of all children of a process, and those of other tests are larger.
pub fn is_alone(test: &str) -> bool {
    const ALONE: &str = "SPEACHES_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let ended = super::run(again.args(["--exact", test]).env(ALONE, "1")).expect(0);
    assert!(ended.stdout.contains("1 passed"), "{}", ended.stdout);
    false
}

/// Most memory that a child of this test had so far, in bytes.
pub fn peak_of_children() -> i64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).unwrap();
    usage.max_rss() * if cfg!(target_vendor = "apple") { 1 } else { 1024 }
}
