//! The part of a file that has arrived, kept until the rest has.

use std::io::{self, Read as _, Write as _};

use anyhow::Result;
use camino::Utf8PathBuf;
use fs_err::{File, OpenOptions};
use serde::{Deserialize, Serialize};

use super::hashing::Hashing;
use crate::base::digest::{Hasher, Sha256};
use crate::store::Store;

/// So many bytes may lie here without a description, in bytes: most files are not larger, and are whole in a moment.
/// The next run goes on with them as well, only without asking whether they are still a part of the same version.
const UNDESCRIBED: u64 = 1 << 20;

/// A file in `partial/`, open for appending. The process that opens it holds its lock.
pub struct Partial {
    store: Store,
    sha256: Sha256,
    path: Utf8PathBuf,
    file: File,
    hashing: Hashing,
    length: u64,
    about: About,
    /// Whether a description may lie beside it. If not, `about` is still to be written there.
    described: bool,
    /// Whether all of it came from one source in this process.
    one_source: bool,
    /// Whether a server said something that does not go together with what is here.
    starts_over: bool,
}

/// The description of a partial file, kept beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The source, without signatures and credentials.
    pub url: String,
    /// The server's validator of this version.
    pub validator: Option<String>,
    /// How long the whole is, in bytes.
    pub total: Option<u64>,
}

fn place(store: &Store, sha256: Sha256) -> Utf8PathBuf {
    store.partial().join(sha256.to_string())
}

/// How much of a file is there already, in bytes.
pub fn length(store: &Store, sha256: Sha256) -> u64 {
    fs_err::metadata(place(store, sha256)).map_or(0, |metadata| metadata.len())
}

impl Partial {
    /// Opens what is there and hashes it, or begins with nothing.
    pub fn open(store: &Store, sha256: Sha256) -> Result<Self> {
        let path = place(store, sha256);
        fs_err::create_dir_all(store.partial())?;
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).append(true).open(&path)?;
        let mut hasher = Hasher::new(io::sink());
        let length = io::copy(&mut file, &mut hasher)?;
        let about = fs_err::read(path.with_extension("json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Ok(Self {
            store: store.clone(),
            sha256,
            path,
            file,
            hashing: Hashing::after(hasher),
            length,
            about,
            described: true,
            one_source: length == 0,
            starts_over: false,
        })
    }

    /// How much is there, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The offset to resume at, in bytes.
    pub fn offset(&self) -> u64 {
        if self.starts_over { 0 } else { self.length }
    }

    /// Makes the next attempt fetch the whole file. The partial file stays until that starts.
    pub fn start_over(&mut self) {
        self.starts_over = true;
    }

    pub fn directory(&self) -> Utf8PathBuf {
        self.store.partial()
    }

    /// The length of the whole file, as its server announced it, in bytes.
    pub fn total(&self) -> Option<u64> {
        if self.length == 0 { None } else { self.about.total }
    }

    /// The validator that this source sent with the partial file.
    pub fn validator(&self, url: &str) -> Option<&str> {
        if self.about.url == url { self.about.validator.as_deref() } else { None }
    }

    /// Whether everything here came from one source in this process.
    pub fn is_of_one_source(&self) -> bool {
        self.one_source
    }

    /// The rest will come from here.
    pub fn continue_from(&mut self, url: &str) {
        self.one_source &= self.about.url == url;
    }

    /// The buffer for the next bytes, for [`Self::append`].
    pub fn buffer(&mut self) -> &mut [u8] {
        self.hashing.buffer()
    }

    /// Adds so many bytes of [`Self::buffer`] at the end.
    pub fn append(&mut self, count: usize) -> Result<()> {
        let length = self.length + count as u64;
        if length > UNDESCRIBED {
            self.describe()?;
        }
        self.file.write_all(self.hashing.next(count))?;
        self.length = length;
        self.hashing.advance(count)
    }

    /// Discards the bytes. The next ones are a version of the whole file that `about` describes.
    pub fn restart(&mut self, about: About) -> Result<()> {
        // In this order: a description must never belong to other bytes than those beside it.
        if self.length > 0 {
            self.file.set_len(0)?;
            self.hashing.restart();
        }
        if self.described {
            remove(&self.description())?;
        }
        self.length = 0;
        self.one_source = true;
        self.starts_over = false;
        self.described = false;
        self.about = about;
        Ok(())
    }

    /// Writes down what is known about it, unless that was done.
    pub fn describe(&mut self) -> Result<()> {
        if !self.described {
            // Half of it, left by a process that was killed just now, is no JSON and counts as none.
            fs_err::write(self.description(), serde_json::to_vec(&self.about)?)?;
            self.described = true;
        }
        Ok(())
    }

    fn description(&self) -> Utf8PathBuf {
        self.path.with_extension("json")
    }

    /// The digest of the bytes so far. N.B. call it once: it resets the hasher.
    pub fn sha256(&mut self) -> Result<Sha256> {
        self.hashing.finish()
    }

    /// For a complete file with the right digest: returns its path, for the rename.
    pub fn complete(&mut self) -> Utf8PathBuf {
        if self.described {
            let _ = fs_err::remove_file(self.description());
        }
        self.path.clone()
    }

    /// For a wrong file: moves it to the quarantine, and returns its new path.
    pub fn quarantine(&mut self) -> Result<Utf8PathBuf> {
        let place = self.store.set_aside(&self.path)?;
        let _ = fs_err::remove_file(self.description());
        *self = Self::open(&self.store, self.sha256)?;
        Ok(place)
    }

    /// Removes an empty file, and writes the description of a useful one.
    pub fn keep_or_remove(&mut self) {
        if self.length == 0 {
            let _ = fs_err::remove_file(&self.path);
            let _ = fs_err::remove_file(self.description());
        } else {
            // Without one it is of use, too.
            let _ = self.describe();
        }
    }
}

/// Removes a file that need not be there.
fn remove(path: &Utf8PathBuf) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// The first bytes of a file, as many as say what it is.
pub fn beginning(path: &Utf8PathBuf) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|file| file.take(super::response::SNIFF_LENGTH).read_to_end(&mut bytes));
    bytes
}
