//! The protocol of the Hugging Face hub, which mirrors speak as well (`HF_ENDPOINT`).
//!
//! ```text
//! GET {endpoint}/api/models/{id}/revision/{revision}?blobs=true   the commit and its files
//! GET {endpoint}/{id}/resolve/{commit}/{path}                     a file
//! ```
//! The API names large files (LFS) by sha256 and those that git itself stores by git's id of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::hub_error::{HubError, HubRequest};
use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::base::git;
use crate::net::http;
use crate::net::huggingface::{HUB, endpoint, file_url, name, token};
use crate::report;
use crate::store::fetch::{document, mismatch};

/// In bytes. The answer about a repository of a hundred thousand files is smaller.
const LARGEST_ANSWER: u64 = 64 << 20;
/// The hub takes text of at most 10 MB into git itself. In bytes.
const LARGEST_IN_GIT: u64 = 64 << 20;

#[derive(Debug, Deserialize)]
pub struct Revision {
    /// The current name of the repository, which may have been renamed.
    #[serde(default)]
    pub id: String,
    /// The commit, 40 hexadecimal digits.
    pub sha: String,
    siblings: Vec<Sibling>,
    /// `false`, or how access is granted: `"auto"` or `"manual"`.
    #[serde(default)]
    gated: Value,
}

#[derive(Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    sha256: Sha256,
    size: u64,
}

/// Asks the hub for a branch, tag or commit, and tells the user when it calls the repository otherwise now.
pub fn revision(id: &str, revision: &str) -> Result<Revision, HubError> {
    let request = HubRequest { id, revision, file: None };
    // Branches such as `refs/pr/1` have slashes, which are not those of the path.
    let url = format!("{}/api/models/{id}/revision/{}?blobs=true", endpoint(), revision.replace('/', "%2F"));
    let label = format!("the model `{id}`");
    let bytes = document::read(&url, LARGEST_ANSWER, &label).map_err(|error| request.explain(&error))?;
    let odd = |what: String| {
        let text = format!("`{}` does not answer like the Hugging Face hub: {what}", http::redact_url(&url));
        HubError::Refused(
            Failure::new(Exit::Unavailable, text).hint("check `HF_ENDPOINT`, or unset it to use the hub itself"),
        )
    };
    let answer: Revision = serde_json::from_slice(&bytes).map_err(|error| odd(error.to_string()))?;
    if answer.sha.len() != 40 || !answer.sha.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(odd(format!("it names the commit `{}`", answer.sha.escape_debug())));
    }
    if answer.is_gated() && token::find().is_none() {
        return Err(HubError::Refused(request.gated()));
    }
    if !answer.id.is_empty() && answer.id != id {
        report::say(&format!(
            "note: the hub has renamed `{id}` to `{}`; the runtime keeps the name that you asked for",
            answer.id.escape_debug()
        ));
    }
    tracing::debug!("{} says that {revision} of `{id}` is {}", name(), answer.sha);
    Ok(answer)
}

impl Revision {
    fn is_gated(&self) -> bool {
        !matches!(self.gated, Value::Null | Value::Bool(false))
    }

    /// The paths of its files.
    pub fn paths(&self) -> Vec<&str> {
        self.siblings.iter().map(|sibling| sibling.rfilename.as_str()).collect()
    }

    /// Reads a small file of the repository, and checks it against the hub's facts. `id` is the requested name.
    pub fn read(&self, id: &str, path: &str) -> Result<Vec<u8>, HubError> {
        self.read_sibling(id, self.sibling(id, path)?)
    }

    /// Size and sha256 of some of its files. Only those that git stores have to be read for that.
    pub fn describe<'a>(
        &self,
        id: &str,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Result<BTreeMap<String, (u64, Sha256)>, HubError> {
        let mut known = BTreeMap::new();
        for path in paths {
            let sibling = self.sibling(id, path)?;
            let described = match &sibling.lfs {
                Some(lfs) => (lfs.size, lfs.sha256),
                None => {
                    let bytes = self.read_sibling(id, sibling)?;
                    (bytes.len() as u64, Sha256::of(&bytes))
                }
            };
            known.insert(path.to_owned(), described);
        }
        Ok(known)
    }

    fn sibling(&self, id: &str, path: &str) -> Result<&Sibling, HubError> {
        self.siblings.iter().find(|sibling| sibling.rfilename == path).ok_or_else(|| {
            let text = format!("the model `{id}` has no file `{path}` at {}", self.sha);
            let hint = format!("{HUB}/{id}/tree/{} lists its files", self.sha);
            HubError::Refused(Failure::new(Exit::Data, text).hint(hint))
        })
    }

    fn read_sibling(&self, id: &str, sibling: &Sibling) -> Result<Vec<u8>, HubError> {
        let path = &sibling.rfilename;
        let url = file_url(id, &self.sha, path);
        let label = format!("`{path}` of the model `{id}`");
        let request = HubRequest { id, revision: &self.sha, file: Some(path) };
        let bytes = document::read(&url, LARGEST_IN_GIT, &label).map_err(|error| request.explain(&error))?;
        let length = bytes.len() as u64;
        if let Some(lfs) = &sibling.lfs {
            let found = (length, Sha256::of(&bytes));
            if found != (lfs.size, lfs.sha256) {
                let pin = (Some(lfs.size), lfs.sha256);
                return Err(HubError::Refused(mismatch(&label, &http::redact_url(&url), pin, found)));
            }
            return Ok(bytes);
        }
        // git's id covers the content as well.
        let found = git::object("blob", &bytes);
        let found = found.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let said = sibling.blob_id.as_deref().unwrap_or("nothing");
        if said != found || sibling.size.is_some_and(|size| size != length) {
            let text = format!(
                "{label} from `{}` does not match the hub: {length} bytes with the git id {found}, not {said}",
                http::redact_url(&url)
            );
            let failure = Failure::new(Exit::Data, text).hint("it was not used; try again, or without a mirror");
            return Err(HubError::Refused(failure));
        }
        Ok(bytes)
    }
}
