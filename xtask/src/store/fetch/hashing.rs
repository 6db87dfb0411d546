//! Hashes downloads: large files in a thread of their own, so that the network does not wait.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use anyhow::{Context as _, Result};

use crate::base::digest::{Hasher, Sha256};

/// How much is read at once, and handed over at once, in bytes. It should fit into the cache of a processor.
const BLOCK: usize = 1 << 18;
/// How many blocks may wait to be hashed. Then the network waits after all: this bounds the memory.
const QUEUE: usize = 4;
/// For so many bytes a thread is not worth its while.
const INLINE_LIMIT: u64 = 4 << 20;

/// Blocks that are not in use, for the next file: to get new ones from the system takes as long as fetching a small file.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fn spare() -> MutexGuard<'static, Vec<Vec<u8>>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn block() -> Vec<u8> {
    spare().pop().unwrap_or_else(|| vec![0; BLOCK])
}

/// The digest of what arrives, and the memory that it arrives in.
pub struct Hashing {
    block: Vec<u8>,
    filled: usize,
    state: State,
}

enum State {
    Inline { hasher: Hasher<io::Sink>, length: u64 },
    Threaded(Worker),
}

/// The thread, and blocks on their way to it and back. It ends when there are no more of them.
struct Worker {
    full: SyncSender<(Vec<u8>, usize)>,
    hashed: Receiver<Vec<u8>>,
    thread: JoinHandle<Hasher<io::Sink>>,
}

impl Hashing {
    /// Goes on after what was hashed before.
    pub fn after(hasher: Hasher<io::Sink>) -> Self {
        Self { block: block(), filled: 0, state: State::Inline { hasher, length: 0 } }
    }

    /// Forgets everything and begins with nothing.
    pub fn restart(&mut self) {
        self.filled = 0;
        self.state = State::Inline { hasher: Hasher::new(io::sink()), length: 0 };
    }

    /// The buffer for the next bytes; never empty.
    pub fn buffer(&mut self) -> &mut [u8] {
        &mut self.block[self.filled..]
    }

    /// The first ones in [`Self::buffer`].
    pub fn next(&self, count: usize) -> &[u8] {
        &self.block[self.filled..][..count]
    }

    /// So many bytes in [`Self::buffer`] belong to the file.
    pub fn advance(&mut self, count: usize) -> Result<()> {
        self.filled += count;
        match &mut self.state {
            State::Inline { hasher, length } => {
                hasher.update(&self.block[..self.filled]);
                *length += self.filled as u64;
                self.filled = 0;
                if *length >= INLINE_LIMIT {
                    let hasher = std::mem::replace(hasher, Hasher::new(io::sink()));
                    self.state = State::Threaded(Worker::start(hasher)?);
                }
            }
            State::Threaded(worker) if self.filled == self.block.len() => {
                let next = worker.hashed.try_recv().unwrap_or_else(|_| block());
                let full = std::mem::replace(&mut self.block, next);
                worker.hash(full, std::mem::take(&mut self.filled))?;
            }
            State::Threaded(_) => {}
        }
        Ok(())
    }

    /// Waits for the digest of all that arrived, and begins with nothing again.
    pub fn finish(&mut self) -> Result<Sha256> {
        let begin = State::Inline { hasher: Hasher::new(io::sink()), length: 0 };
        let hasher = match std::mem::replace(&mut self.state, begin) {
            State::Inline { hasher, .. } => hasher,
            State::Threaded(worker) => {
                let last = std::mem::replace(&mut self.block, block());
                worker.hash(last, std::mem::take(&mut self.filled))?;
                drop(worker.full);
                let hasher = worker.thread.join().ok().context(ENDED)?;
                spare().extend(worker.hashed);
                hasher
            }
        };
        Ok(hasher.finish().0)
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        spare().push(std::mem::take(&mut self.block));
    }
}

const ENDED: &str = "the thread that hashes what arrives ended early";

impl Worker {
    fn start(mut hasher: Hasher<io::Sink>) -> Result<Self> {
        let (full, work) = sync_channel::<(Vec<u8>, usize)>(QUEUE);
        let (back, hashed) = channel();
        let thread = Builder::new().name("sha256".to_owned()).spawn(move || {
            for (block, filled) in work {
                hasher.update(&block[..filled]);
                // The receiver may be gone after the last block, which is no error.
                let _ = back.send(block);
            }
            hasher
        });
        Ok(Self { full, hashed, thread: thread.context("cannot start a thread")? })
    }

    fn hash(&self, block: Vec<u8>, filled: usize) -> Result<()> {
        self.full.send((block, filled)).ok().context(ENDED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_all_bytes_wherever_they_were_hashed() {
        let bytes = (0..10 << 20).map(|number: u32| (number.wrapping_mul(2_654_435_761) >> 16) as u8);
        let bytes = bytes.collect::<Vec<_>>();
        for total in
            [0, 1, BLOCK, INLINE_LIMIT as usize - 1, INLINE_LIMIT as usize, INLINE_LIMIT as usize + 1, 10 << 20]
        {
            for most in [BLOCK, 70_001] {
                let mut hasher = Hasher::new(io::sink());
                hasher.update(b"before");
                let mut hashing = Hashing::after(hasher);
                let mut rest = &bytes[..total];
                while !rest.is_empty() {
                    let buffer = hashing.buffer();
                    let count = buffer.len().min(most).min(rest.len());
                    buffer[..count].copy_from_slice(&rest[..count]);
                    assert_eq!(hashing.next(count), &rest[..count]);
                    hashing.advance(count).unwrap();
                    rest = &rest[count..];
                }
                let expected = Sha256::of(&[b"before", &bytes[..total]].concat());
                assert_eq!(hashing.finish().unwrap(), expected, "{total} bytes, {most} at once");
            }
        }
    }
}
