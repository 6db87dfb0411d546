//! gzip on all processors. The number of processors does not change the bytes.
//!
//! The input is cut into blocks of a fixed length. Each block is compressed by itself and ends at a byte, so that the
//! blocks form one stream of deflate in one member of gzip, which every reader reads.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use flate2::{Compress, Compression, FlushCompress};

/// Bytes of input that are compressed together.
const BLOCK: usize = 1 << 20;
/// "ID1 ID2 CM FLG MTIME XFL OS(unknown)" (RFC 1952): no name and no time.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// An empty block, marked as the last one.
const END: [u8; 2] = [3, 0];

type Compressed = io::Result<(Vec<u8>, crc32fast::Hasher)>;

pub struct Gzip<W> {
    inner: W,
    level: u32,
    block: Vec<u8>,
    /// In order; what the processors work on.
    pending: VecDeque<Receiver<Compressed>>,
    crc: crc32fast::Hasher,
    size: u64,
    at_once: usize,
}

impl<W: Write> Gzip<W> {
    pub fn new(mut inner: W, level: u32) -> io::Result<Self> {
        inner.write_all(&HEADER)?;
        let at_once = 2 * thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            inner,
            level,
            block: Vec::with_capacity(BLOCK),
            pending: VecDeque::new(),
            crc: crc32fast::Hasher::new(),
            size: 0,
            at_once,
        })
    }

    pub fn finish(mut self) -> io::Result<W> {
        self.send();
        while !self.pending.is_empty() {
            self.receive()?;
        }
        self.inner.write_all(&END)?;
        self.inner.write_all(&self.crc.clone().finalize().to_le_bytes())?;
        // "ISIZE […] modulo 2^32".
        self.inner.write_all(&((self.size & u64::from(u32::MAX)) as u32).to_le_bytes())?;
        Ok(self.inner)
    }

    fn send(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let (sender, receiver) = channel();
        let level = self.level;
        rayon::spawn(move || drop(sender.send(compress(&block, level))));
        self.pending.push_back(receiver);
    }

    fn receive(&mut self) -> io::Result<()> {
        let Some(receiver) = self.pending.pop_front() else { return Ok(()) };
        let (bytes, crc) = receiver.recv().map_err(|_| io::Error::other("a thread that compresses has ended"))??;
        self.crc.combine(&crc);
        self.inner.write_all(&bytes)
    }
}

impl<W: Write> Write for Gzip<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = buffer.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&buffer[..length]);
        self.size += length as u64;
        if self.block.len() == BLOCK {
            self.send();
            while self.pending.len() >= self.at_once {
                self.receive()?;
            }
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn compress(block: &[u8], level: u32) -> Compressed {
    let mut crc = crc32fast::Hasher::new();
    crc.update(block);
    let mut state = Compress::new(Compression::new(level), false);
    let mut output = Vec::with_capacity(block.len() / 2 + 1024);
    let mut rest = block;
    loop {
        let before = state.total_in();
        state.compress_vec(rest, &mut output, FlushCompress::Sync)?;
        rest = &rest[(state.total_in() - before) as usize..];
        // "If deflate returns with avail_out == 0, this function must be called again with the same value of the flush
        // parameter and more output space" (zlib).
        if rest.is_empty() && output.len() < output.capacity() {
            return Ok((output, crc));
        }
        output.reserve(output.capacity().max(1024));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_compressed_in_blocks_is_one_member_that_others_read() {
        let mut random = fastrand::Rng::with_seed(1);
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 12345] {
            let bytes = (0..length).map(|at| if at % 3 == 0 { random.u8(..) } else { b'a' }).collect::<Vec<_>>();
            let mut writer = Gzip::new(Vec::new(), 6).unwrap();
            writer.write_all(&bytes).unwrap();
            let compressed = writer.finish().unwrap();
            let mut decoder = flate2::bufread::GzDecoder::new(compressed.as_slice());
            let mut read = Vec::new();
            decoder.read_to_end(&mut read).unwrap();
            assert!(read == bytes, "{length}");
            assert!(decoder.into_inner().is_empty(), "nothing comes after the member");
        }
    }
}
