//! A runtime of a few files, for tests with a thousand repetitions.

use camino::{Utf8Path, Utf8PathBuf};
use speaches_format::description::{Description, File, Python, RuntimeInfo, SCHEMA};
use speaches_format::input::{Input, Kind, Origin};
use speaches_format::name::Name;

use super::sha256;

/// The name of the one wheel in it, and of its metadata.
pub const WHEEL: &str = "thing-1.0";

/// The files: everything that a bundle needs of a runtime, and no program that could start.
pub struct Tiny {
    pub path: Utf8PathBuf,
    description: Description,
}

impl Tiny {
    /// A runtime for a target in a directory.
    pub fn make(path: &Utf8Path, target: &str) -> Self {
        let input = |kind, name: &str, version: Option<&str>, origin| Input {
            kind,
            name: name.to_owned(),
            version: version.map(str::to_owned),
            file: (kind == Kind::Wheel).then(|| format!("{WHEEL}-py3-none-any.whl")),
            origin,
            sha256: sha256(name.as_bytes()),
            pinned: true,
        };
        let archive = Origin::Url("https://example.org/cpython.tar.gz".to_owned());
        let (name, version) = WHEEL.split_once('-').unwrap();
        let inputs = vec![
            input(Kind::Python, "CPython", Some("3.12.1"), archive),
            input(Kind::Wheel, name, Some(version), Origin::PackageIndex),
            input(Kind::Launcher, "speaches", None, Origin::Built { needs_this_system: false }),
            input(Kind::Template, "service", None, Origin::Workspace),
        ];
        let info = RuntimeInfo {
            schema: SCHEMA,
            version: "1.0".to_owned(),
            name: Name::SPEACHES,
            target: target.to_owned(),
            accelerator: "cpu".to_owned(),
            python: Python { version: "3.12.1".to_owned(), minor: "3.12".to_owned(), copied: false },
            bytecode: false,
            groups: Vec::new(),
            models: Vec::new(),
            plan: sha256(b"the plan"),
            tool: "0.1.0".to_owned(),
            inputs,
        };
        let mut tiny = Self { path: path.to_owned(), description: Description { info, files: Vec::new() } };
        let windows = target.contains("windows");
        let library = if windows { "python/Lib" } else { "python/lib/python3.12" };
        let metadata = "Metadata-Version: 2.4\nName: thing\nVersion: 1.0\nLicense-Expression: MIT\n\nA thing\n";
        let mut random = fastrand::Rng::with_seed(7);
        let bytes = std::iter::repeat_with(|| random.u8(..)).take(40_000).collect::<Vec<_>>();
        let text = "to be, or not to be; ".repeat(6_000);
        for (file, bytes, mode) in [
            (if windows { "bin/speaches.exe" } else { "bin/speaches" }, &b"a stand-in for the launcher"[..], "755"),
            ("licenses/CPython/LICENSE.txt", b"the license of CPython", "644"),
            ("licenses/speaches-native/LICENSE-MIT", b"a license", "644"),
            ("licenses/launcher/crates.toml", b"crate = []\n", "644"),
            ("licenses/launcher/rust-standard-library.html", b"notices", "644"),
            (&format!("licenses/{WHEEL}/LICENSE"), b"another license", "644"),
            (&format!("{library}/site-packages/{WHEEL}.dist-info/METADATA"), metadata.as_bytes(), "644"),
            (&format!("{library}/site-packages/thing/noise.bin"), bytes.as_slice(), "644"),
            (&format!("{library}/site-packages/thing/text.txt"), text.as_bytes(), "644"),
            (&format!("{library}/site-packages/thing/empty.py"), b"", "644"),
            (&format!("{library}/site-packages/thing/{}.py", "a_long_name".repeat(11)), b"pass\n", "644"),
            ("python/bin/python3.12", b"a stand-in for CPython", "755"),
        ] {
            tiny.add(file, bytes, mode);
        }
        #[cfg(unix)]
        if !windows {
            fs_err::os::unix::fs::symlink("python3.12", tiny.path.join("python/bin/python")).unwrap();
            tiny.describe("python/bin/python", 0, b"python3.12", "link");
        }
        tiny.write();
        tiny
    }

    pub fn put(&mut self, path: &str, bytes: &[u8]) {
        self.add(path, bytes, "644");
        self.write();
    }

    fn add(&mut self, path: &str, bytes: &[u8], mode: &str) {
        let file = self.path.join(path);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, bytes).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = u32::from_str_radix(mode, 8).unwrap();
            fs_err::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        self.describe(path, bytes.len() as u64, bytes, mode);
    }

    fn describe(&mut self, path: &str, size: u64, bytes: &[u8], mode: &str) {
        let file = File { path: path.to_owned(), size, sha256: sha256(bytes), mode: mode.to_owned() };
        self.description.files.push(file);
    }

    /// Takes a file out, and out of the description.
    pub fn remove(&mut self, path: &str) {
        fs_err::remove_file(self.path.join(path)).unwrap();
        self.description.files.retain(|file| file.path != path);
        self.write();
    }

    fn write(&mut self) {
        self.description.files.sort();
        fs_err::write(self.path.join("runtime.json"), self.description.to_text().unwrap()).unwrap();
    }
}
