//! All downloads of a provision, from one server on this machine that counts the bytes that it sends.

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use super::faults::{Faults, Reply};
use super::{
    files, json, own_manifests, own_speaches, python_archive, root, sample_runtime, sha256, shared_store,
    source_archive, xtask,
};

/// The commit of the miniature of the tests (`manifests/tones/`) in this world.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// How the source archive's path ends.
pub const SOURCE: &str = "01234567.tar.gz";
/// Below this path are the files. A provision should fetch each of their bytes once.
const FILES: &str = "/files/";

/// A package index, a forge, a hub and the archives of CPython, with manifests that pin all of it.
pub struct World {
    pub server: Faults,
    pub manifests: Utf8PathBuf,
    version: String,
    pub files: Vec<Served>,
    cache: Utf8PathBuf,
}

pub struct Served {
    pub path: String,
    pub size: u64,
    pub sha256: String,
}

impl World {
    /// Serves the miniature of the tests (`manifests/tones/`), and the wheels of its runtime. The files of the world go
    /// below `scratch`.
    pub fn new(scratch: &Utf8Path) -> Self {
        let runtime = sample_runtime();
        let description = json(&runtime.join("runtime.json"));
        let version = description["python"]["version"].as_str().unwrap().to_owned();
        let mut world = Self {
            server: Faults::start([]),
            manifests: own_manifests(scratch),
            version,
            files: Vec::new(),
            cache: scratch.join("uv-cache"),
        };
        world.python(scratch, description["target"].as_str().unwrap());
        world.speaches();
        world.models();
        world.wheels(runtime, &description);
        world
    }

    /// A provision from this world that puts the runtime to `out`.
    pub fn provision(&self, store: &Utf8Path, out: &Utf8Path) -> std::process::Command {
        self.command("provision", store, &["--locked", "--out", out.as_str()])
    }

    pub fn command(&self, name: &str, store: &Utf8Path, more: &[&str]) -> std::process::Command {
        let url = &self.server.url;
        let mut command = xtask(&[name, "--manifests", self.manifests.as_str(), "--python", &self.version]);
        command
            .args(more)
            .env("SPEACHES_STORE", store)
            .env("UV_DEFAULT_INDEX", format!("{url}/simple/"))
            .env("UV_CACHE_DIR", &self.cache)
            .env("HF_ENDPOINT", format!("{url}{FILES}hub"))
            .env("UV_PYTHON_INSTALL_MIRROR", format!("{url}{FILES}python"));
        if let Some(uv) = installed_uv() {
            command.env("UV", uv);
        }
        command
    }

    /// How many bytes of files were sent so far.
    pub fn sent(&self) -> u64 {
        self.files.iter().map(|file| self.server.sent_of(&file.path)).sum()
    }

    /// How many bytes all files have.
    pub fn total(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Shows the package index and its wheels only to those who send this `Authorization`.
    pub fn ask_for(&self, authorization: &str) {
        let paths = self.files.iter().filter(|file| file.path.starts_with("/files/wheels/")).flat_map(|file| {
            let project = file.path.rsplit('/').next().unwrap().split('-').next().unwrap();
            let project = project.to_lowercase().replace(['_', '.'], "-");
            [file.path.clone(), format!("{}.metadata", file.path), format!("/simple/{project}/")]
        });
        for path in paths {
            let otherwise = Reply::status(401).header("WWW-Authenticate", "Basic realm=\"index\"");
            self.server.set(&path, vec![self.server.scripted(&path).only_with(authorization, otherwise)]);
        }
    }

    fn serve(&mut self, path: &str, bytes: &[u8]) {
        let path = format!("{FILES}{path}");
        self.files.push(Served { path: path.clone(), size: bytes.len() as u64, sha256: sha256(bytes) });
        self.server.set(&path, vec![Reply::data(bytes)]);
    }

    fn python(&mut self, scratch: &Utf8Path, target: &str) {
        let bytes = fs_err::read(python_archive(scratch)).unwrap();
        let pins = format!(
            "default = \"{version}\"\nmirrors = []\n[[release]]\nversion = \"{version}\"\nbuild = \"1\"\n\
             [release.archives.{target}]\nurl = \"http://127.0.0.1:9/releases/download/1/cpython.tar.gz\"\n\
             sha256 = \"{}\"\n",
            sha256(&bytes),
            version = self.version
        );
        fs_err::write(self.manifests.join("python.toml"), pins).unwrap();
        self.serve("python/1/cpython.tar.gz", &bytes);
    }

    fn speaches(&mut self) {
        let archive = format!("{}{FILES}{{commit}}.tar.gz", self.server.url);
        let text = own_speaches();
        let text = text
            .replace("commit = \"\"", &format!("commit = \"{COMMIT}\""))
            .replace("directory = \"tests/sample/speaches\"", &format!("archives = [\"{archive}\"]"));
        fs_err::write(self.manifests.join("speaches.toml"), text).unwrap();
        self.serve(&format!("{COMMIT}.tar.gz"), &source_archive(|_, bytes| bytes));
    }

    fn models(&mut self) {
        let models = self.manifests.join("models.toml");
        let text = fs_err::read_to_string(&models).unwrap();
        fs_err::write(&models, text.replace("directory = ", "# directory = ")).unwrap();
        let hub = root().join("tests/sample/hub");
        for file in files(&hub) {
            let parts = file.as_str().split('/').collect::<Vec<_>>();
            if let [repository, "snapshots", commit, rest @ ..] = parts.as_slice() {
                let id = repository.trim_start_matches("models--").replace("--", "/");
                let path = format!("hub/{id}/resolve/{commit}/{}", rest.join("/"));
                self.serve(&path, &fs_err::read(hub.join(&file)).unwrap());
            }
        }
    }

    /// A package index (PEP 503) with metadata beside the wheels (PEP 658), so that pip and uv need not open the wheels.
    fn wheels(&mut self, runtime: &Utf8Path, description: &Value) {
        let metadata = files(runtime)
            .into_iter()
            .filter(|file| file.as_str().ends_with(".dist-info/METADATA"))
            .map(|file| fs_err::read_to_string(runtime.join(file)).unwrap())
            .collect::<Vec<_>>();
        for input in description["inputs"].as_array().unwrap().iter().filter(|input| input["kind"] == "wheel") {
            let (file, sha256) = (input["file"].as_str().unwrap(), input["sha256"].as_str().unwrap());
            let bytes = fs_err::read(shared_store().join("files").join(sha256)).unwrap();
            let project = file.split('-').next().unwrap().to_lowercase().replace(['_', '.'], "-");
            let own = metadata.iter().find(|text| {
                let name = text.lines().find_map(|line| line.strip_prefix("Name: ")).unwrap();
                name.to_lowercase().replace(['_', '.'], "-") == project
            });
            self.publish(&project, file, sha256, own.unwrap(), &bytes, "");
        }
    }

    /// Puts a wheel on the package index. `more` are attributes of its line there.
    pub fn publish(&mut self, project: &str, file: &str, sha256: &str, metadata: &str, bytes: &[u8], more: &str) {
        let page =
            format!("<a href=\"{FILES}wheels/{file}#sha256={sha256}\" data-core-metadata=\"true\" {more}>{file}</a>");
        let page = Reply::data(page.as_bytes()).header("Content-Type", "text/html");
        self.server.set(&format!("/simple/{project}/"), vec![page]);
        self.server.set(&format!("{FILES}wheels/{file}.metadata"), vec![Reply::data(metadata.as_bytes())]);
        self.serve(&format!("wheels/{file}"), bytes);
    }
}

/// A uv that the tool installed for an earlier test, so that not every store has to get one of its own.
fn installed_uv() -> Option<Utf8PathBuf> {
    let tools = shared_store().join("trees/tool");
    let tools = tools.read_dir_utf8().ok()?.map(Result::unwrap);
    tools.map(|tool| tool.path().join("bin/uv")).find(|uv| uv.is_file())
}
