//! Reads the files of a runtime on all processors, in order, and compares each with its description.
//!
//! Workers take files in order. Each file has a channel of its own, and the writer of the archive empties the channels
//! in the same order. Read-ahead is bounded: a worker reserves the memory that its file may need before it takes the
//! file.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail};
use camino::{Utf8Path, Utf8PathBuf};
use flate2::{Compress, Compression, FlushCompress, Status};
use speaches_format::description::File;
use speaches_format::verification::mode_is;

use crate::base::digest::{Hasher, Sha256};
use crate::base::failure::{Exit, Failure};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 20;
/// Chunks of one file that are read ahead.
const AHEAD: u64 = 8;
/// Bytes of all files that are read ahead.
const BUDGET: u64 = 64 << 20;
/// The cost of a file beside its bytes, so that not too many empty files are read ahead.
const OVERHEAD: u64 = 4 << 10;

/// The encoding of the bytes.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// Nothing.
    Plain,
    /// They are compressed, as zip has it, each file for itself.
    Deflated(u32),
}

/// The next bytes of a file, or its end.
enum Piece {
    Bytes(Vec<u8>),
    /// The file matches its description. The CRC-32 is that of the plain bytes.
    End {
        crc: u32,
    },
    Failed(anyhow::Error),
}

/// The bytes of one file as they come.
pub struct Pieces {
    receiver: Receiver<Piece>,
    crc: Option<u32>,
}

impl Pieces {
    /// The next ones, until the file ends.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>> {
        match self.receiver.recv() {
            Ok(Piece::Bytes(bytes)) => Ok(Some(bytes)),
            Ok(Piece::End { crc }) => {
                self.crc = Some(crc);
                Ok(None)
            }
            Ok(Piece::Failed(error)) => Err(error),
            Err(_) => bail!("a thread that reads files has ended"),
        }
    }

    /// The CRC-32 of a file that has ended.
    pub fn crc(&self) -> Result<u32> {
        self.crc.context("the file has not been read to its end")
    }
}

/// Reads files, and calls `each` for one after the other. Links are files without bytes here.
pub fn read(
    runtime: &Utf8Path,
    files: &[&File],
    form: Form,
    mut each: impl FnMut(usize, &mut Pieces) -> Result<()>,
) -> Result<()> {
    let queue = &Queue::default();
    let (announce, announced) = channel();
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            let announce = announce.clone();
            scope.spawn(move || work(runtime, files, form, queue, &announce));
        }
        drop(announce);
        // Also when this thread panics, or the others would wait for ever.
        let _stop = Stop(queue);
        let mut waiting = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            let receiver = loop {
                if let Some(receiver) = waiting.remove(&index) {
                    break receiver;
                }
                let (taken, receiver) = announced.recv().context("the threads that read files have ended")?;
                waiting.insert(taken, receiver);
            };
            each(index, &mut Pieces { receiver, crc: None })?;
            queue.give_back(need(file));
        }
        Ok(())
    })
}

/// The largest memory for a file, in bytes.
fn need(file: &File) -> u64 {
    file.size.min(AHEAD * CHUNK as u64) + OVERHEAD
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    next: usize,
    reserved: u64,
    stopped: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next file, when there is memory for it.
    fn take(&self, files: &[&File]) -> Option<usize> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            let need = need(files.get(state.next)?);
            if state.reserved == 0 || state.reserved + need <= BUDGET {
                state.reserved += need;
                state.next += 1;
                return Some(state.next - 1);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn give_back(&self, amount: u64) {
        self.state().reserved -= amount;
        self.changed.notify_all();
    }
}

struct Stop<'a>(&'a Queue);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.state().stopped = true;
        self.0.changed.notify_all();
    }
}

fn work(runtime: &Utf8Path, files: &[&File], form: Form, queue: &Queue, announce: &Sender<(usize, Receiver<Piece>)>) {
    while let Some(index) = queue.take(files) {
        let (sender, receiver) = sync_channel(AHEAD as usize);
        if announce.send((index, receiver)).is_err() {
            return;
        }
        let piece = match one(runtime, files[index], form, &sender) {
            Ok(crc) => Piece::End { crc },
            Err(error) => Piece::Failed(error),
        };
        // A receiver that is gone has failed, and reports that.
        let _ = sender.send(piece);
    }
}

/// Reads and compares one file. Returns the CRC-32 of its bytes.
fn one(runtime: &Utf8Path, file: &File, form: Form, sender: &SyncSender<Piece>) -> Result<u32> {
    let path = runtime.join(&file.path);
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(different(runtime, "missing", &file.path)),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{path}`")),
    };
    if file.mode == "link" {
        link_text(runtime, file)?;
        return Ok(0);
    }
    if !metadata.is_file() || metadata.len() != file.size || !mode_is(&metadata, &file.mode) {
        bail!(different(runtime, "changed", &file.path));
    }
    let mut source = fs_err::File::open(&path)?;
    let mut hasher = Hasher::new(io::sink());
    let mut crc = crc32fast::Hasher::new();
    let mut deflate = match form {
        Form::Plain => None,
        Form::Deflated(level) => Some(Deflate::new(level)),
    };
    let send = |bytes: Vec<u8>| {
        if bytes.is_empty() || sender.send(Piece::Bytes(bytes)).is_ok() {
            Ok(())
        } else {
            Err(io::Error::other("nobody reads"))
        }
    };
    let mut left = file.size;
    while left > 0 {
        let mut chunk = vec![0; left.min(CHUNK as u64) as usize];
        match source.read_exact(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                bail!(different(runtime, "changed", &file.path));
            }
            result => result?,
        }
        left -= chunk.len() as u64;
        hasher.update(&chunk);
        if let Some(deflate) = &mut deflate {
            crc.update(&chunk);
            chunk = deflate.push(&chunk, false)?;
        }
        send(chunk)?;
    }
    if source.read(&mut [0])? != 0 || hasher.finish().0.to_string() != file.sha256 {
        bail!(different(runtime, "changed", &file.path));
    }
    if let Some(deflate) = &mut deflate {
        send(deflate.push(&[], true)?)?;
    }
    Ok(crc.finalize())
}

/// The text of a symbolic link, which has to be the described one.
pub fn link_text(runtime: &Utf8Path, file: &File) -> Result<Utf8PathBuf> {
    match runtime.join(&file.path).read_link_utf8() {
        Ok(to) if Sha256::of(to.as_str().as_bytes()).to_string() == file.sha256 => Ok(to),
        _ => bail!(different(runtime, "changed", &file.path)),
    }
}

/// A runtime that is not what its description says is never packed.
pub fn different(runtime: &Utf8Path, how: &str, path: &str) -> Failure {
    Failure::new(
        Exit::Data,
        format!("`{runtime}` was modified after it was made, and is not packed:\n    {how}: {path}"),
    )
    .hint("make it again with `cargo xtask provision`; the store has all of its inputs")
}

/// Compressing piece by piece, into new bytes each time.
struct Deflate {
    state: Compress,
}

impl Deflate {
    fn new(level: u32) -> Self {
        Self { state: Compress::new(Compression::new(level), false) }
    }

    fn push(&mut self, mut bytes: &[u8], last: bool) -> Result<Vec<u8>> {
        let mut output = Vec::with_capacity(bytes.len() / 2 + 1024);
        let flush = if last { FlushCompress::Finish } else { FlushCompress::None };
        loop {
            let before = self.state.total_in();
            let status = self.state.compress_vec(bytes, &mut output, flush)?;
            bytes = &bytes[(self.state.total_in() - before) as usize..];
            let has_room = output.len() < output.capacity();
            match status {
                Status::StreamEnd => return Ok(output),
                _ if !last && bytes.is_empty() && has_room => return Ok(output),
                _ => output.reserve(output.capacity().max(1024)),
            }
        }
    }
}
