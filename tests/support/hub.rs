//! A hub on loopback that speaks the protocol of the real one, with a CDN on another port.

use camino::Utf8Path;
use serde_json::{Value, json};
use sha2::Digest as _;

use super::faults::{Faults, Reply};
use super::{files, sha256};

/// The commit of all repositories here, unless a test sets another one.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

#[derive(Clone)]
pub struct Repository {
    id: String,
    files: Vec<(String, Vec<u8>)>,
    branch: String,
    commit: String,
    gated: Value,
    /// Only requests with this token get its files.
    token: Option<String>,
}

impl Repository {
    pub fn new(id: &str, files: &[(&str, &str)]) -> Self {
        Self {
            id: id.to_owned(),
            files: files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect(),
            branch: "main".to_owned(),
            commit: COMMIT.to_owned(),
            gated: json!(false),
            token: None,
        }
    }

    /// A repository of each kind that speaches serves, with more files than it needs.
    pub fn whisper(id: &str) -> Self {
        let card =
            "---\nlanguage: [en]\nlicense: mit\nlibrary_name: ctranslate2\ntags: [automatic-speech-recognition]\n---\n";
        let files = [
            ("README.md", card),
            ("model.bin", "weights of Whisper"),
            ("config.json", "{}"),
            ("tokenizer.json", "{\"a\": 1}"),
            ("vocabulary.txt", "a\nb\n"),
            (".gitattributes", "*.bin filter=lfs"),
            ("model.safetensors", "weights for others"),
        ];
        Self::new(id, &files)
    }

    pub fn kokoro(id: &str) -> Self {
        let card = "---\nlibrary_name: onnx\npipeline_tag: text-to-speech\ntags: [speaches, kokoro]\nlicense: apache-2.0\n---\n";
        Self::new(
            id,
            &[("README.md", card), ("model.onnx", "Kokoro"), ("voices.bin", "voices"), ("x/model.onnx", "no")],
        )
    }

    pub fn piper(id: &str, languages: &str) -> Self {
        let card = format!(
            "---\nlanguage: {languages}\nlibrary_name: onnx\npipeline_tag: text-to-speech\ntags: [speaches, piper]\n---\n"
        );
        Self::new(id, &[("README.md", &card), ("model.onnx", "Piper"), ("config.json", "{}"), ("MODEL_CARD", "text")])
    }

    pub fn parakeet(id: &str) -> Self {
        let card = "---\nlicense: cc-by-4.0\npipeline_tag: automatic-speech-recognition\n---\n";
        let files = [
            ("README.md", card),
            ("config.json", "{\"model_type\": \"nemo-conformer-tdt\"}"),
            ("vocab.txt", "a 0\n"),
            ("encoder-model.onnx", "graph"),
            ("encoder-model.onnx.data", "weights"),
            ("decoder_joint-model.onnx", "decoder"),
            ("encoder-model.int8.onnx", "weights for others"),
        ];
        Self::new(id, &files)
    }

    pub fn language_model(id: &str) -> Self {
        let card = "---\nlibrary_name: transformers\npipeline_tag: text-generation\n---\n";
        Self::new(id, &[("README.md", card), ("model.safetensors", "weights"), ("config.json", "{}")])
    }

    /// A repository with the files of a directory.
    pub fn of_directory(id: &str, directory: &Utf8Path) -> Self {
        let read = |file: camino::Utf8PathBuf| (file.to_string(), fs_err::read(directory.join(&file)).unwrap());
        Self { files: files(directory).into_iter().map(read).collect(), ..Self::new(id, &[]) }
    }

    pub fn at(self, branch: &str, commit: &str) -> Self {
        Self { branch: branch.to_owned(), commit: commit.to_owned(), ..self }
    }

    pub fn without(mut self, path: &str) -> Self {
        self.files.retain(|(file, _)| file != path);
        self
    }

    pub fn gated_for(self, token: &str) -> Self {
        Self { gated: json!("manual"), token: Some(token.to_owned()), ..self }
    }

    /// All of its files, in bytes.
    pub fn size(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Some of its files, in bytes.
    pub fn size_of(&self, paths: &[&str]) -> usize {
        let of = |path: &&str| self.files.iter().find(|(file, _)| file == path).unwrap().1.len();
        paths.iter().map(of).sum()
    }

    /// Laid out as a cache that huggingface_hub filled on a system without links.
    pub fn cache(&self, hub: &Utf8Path) {
        let repository = hub.join(format!("models--{}", self.id.replace('/', "--")));
        fs_err::create_dir_all(repository.join("refs")).unwrap();
        fs_err::write(repository.join("refs").join(&self.branch), &self.commit).unwrap();
        for (path, bytes) in &self.files {
            let path = repository.join("snapshots").join(&self.commit).join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, bytes).unwrap();
        }
    }
}

/// The two servers. They serve until the test ends.
pub struct Hub {
    pub api: Faults,
    pub cdn: Faults,
}

impl Hub {
    pub fn start(repositories: &[Repository]) -> Self {
        let hub = Self { api: Faults::start([]), cdn: Faults::start([]) };
        for repository in repositories {
            hub.serve(repository);
        }
        hub
    }

    pub fn serve(&self, repository: &Repository) {
        let Repository { id, commit, branch, .. } = repository;
        let siblings = repository.files.iter().map(|(path, bytes)| {
            let mut sibling = json!({"rfilename": path, "size": bytes.len(), "blobId": git_id(bytes)});
            if is_large(path) {
                sibling["lfs"] = json!({"sha256": sha256(bytes), "size": bytes.len(), "pointerSize": 132});
            }
            sibling
        });
        let answer = json!({
            "id": id, "modelId": id, "sha": commit, "private": false, "disabled": false, "gated": repository.gated,
            "siblings": siblings.collect::<Vec<_>>(),
        });
        for revision in [branch, commit] {
            let path = format!("{}?blobs=true", api(id, revision));
            self.api.set(&path, vec![Reply::data(answer.to_string().as_bytes()).without_etag()]);
        }
        for (path, bytes) in &repository.files {
            let reply = if is_large(path) {
                let place = format!("/cdn/{}?X-Signature=secret", sha256(bytes));
                self.cdn.set(&place, vec![Reply::data(bytes)]);
                Reply::redirect(&format!("{}{place}", self.cdn.url))
                    .header("X-Linked-Etag", &format!("\"{}\"", sha256(bytes)))
                    .header("X-Linked-Size", &bytes.len().to_string())
            } else {
                Reply::data(bytes).etag(&format!("\"{}\"", git_id(bytes)))
            };
            let mut reply = reply.header("X-Repo-Commit", commit);
            if let Some(token) = &repository.token {
                reply = reply.only_for(token, gated(id));
            }
            self.api.set(&file(id, commit, path), vec![reply]);
        }
    }

    /// The new name of a repository, to which the old one leads as the real hub leads there.
    pub fn rename(&self, old: &str, repository: &Repository) {
        self.serve(repository);
        let lead = |from: String, to: String| {
            self.api.set(&from, vec![Reply::redirect(&to).status_of(307)]);
        };
        let Repository { id, commit, branch, .. } = repository;
        lead(format!("{}?blobs=true", api(old, branch)), format!("{}?blobs=true", api(id, branch)));
        for (path, _) in &repository.files {
            lead(file(old, commit, path), file(id, commit, path));
        }
    }

    pub fn requests(&self) -> usize {
        self.api.requests().len() + self.cdn.requests().len()
    }
}

/// The path of what the API says about a revision, without its query.
pub fn api(id: &str, revision: &str) -> String {
    format!("/api/models/{id}/revision/{}", revision.replace('/', "%2F"))
}

/// The path of a file.
pub fn file(id: &str, commit: &str, path: &str) -> String {
    format!("/{id}/resolve/{commit}/{path}")
}

/// The hub's answer to a request without access, in its words.
pub fn refusal(status: u16, code: Option<&str>, message: &str) -> Reply {
    let reply = Reply::status(status).header("X-Error-Message", message);
    if let Some(code) = code { reply.header("X-Error-Code", code) } else { reply }
}

fn gated(id: &str) -> Reply {
    let message = format!("Access to model {id} is restricted and you are not in the authorized list.");
    refusal(403, Some("GatedRepo"), &message)
}

/// As `.gitattributes` of the real repositories say.
fn is_large(path: &str) -> bool {
    [".bin", ".onnx", ".data", ".safetensors"].iter().any(|end| path.ends_with(end))
}

fn git_id(bytes: &[u8]) -> String {
    let mut git = sha1::Sha1::new();
    git.update(format!("blob {}\0", bytes.len()));
    git.update(bytes);
    git.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
