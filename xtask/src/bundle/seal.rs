//! The seal of a bundle: its last bytes, which hold the sha256 of all bytes before them.
//!
//! Every format has a place that its readers skip: zstd a skippable frame, gzip the extra field of an empty member, zip the
//! comment of the archive. So a changed bit is found wherever it is, also in what decompresses to the same content.

use std::io::{self, Write};

use super::Format;
use crate::digest::{Hasher, Sha256};

/// "0x184D2A50 […] to 0x184D2A5F […] skippable frames" (RFC 8878).
const SKIPPABLE: [u8; 4] = 0x184D_2A50_u32.to_le_bytes();
/// An empty block of deflate, the last one; then the checksum and the length of nothing.
const EMPTY_MEMBER: [u8; 10] = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// "ID1 ID2 CM FLG(FEXTRA) MTIME XFL OS(unknown)", "XLEN", "SI1 SI2 LEN" (RFC 1952).
const EXTRA: [u8; 12] = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 36, 0];

/// The last bytes of a bundle.
pub fn text(format: Format, digest: Sha256) -> Vec<u8> {
    match format {
        Format::TarZst => [&SKIPPABLE[..], &71_u32.to_le_bytes(), format!("sha256:{digest}").as_bytes()].concat(),
        Format::TarGz => [&EXTRA[..], b"SP", &32_u16.to_le_bytes(), &digest.bytes(), &EMPTY_MEMBER].concat(),
        Format::Zip => format!("sha256:{digest}").into_bytes(),
    }
}

/// How many bytes that are.
pub fn length(format: Format) -> usize {
    text(format, Sha256::of(b"")).len()
}

/// Hashes what is written, and puts the seal in the place of the last bytes.
pub struct Sealing<W> {
    inner: W,
    format: Format,
    before: Hasher<io::Sink>,
    /// What may be the last bytes.
    held: Vec<u8>,
}

impl<W: Write> Sealing<W> {
    /// Starts with nothing written.
    pub fn new(inner: W, format: Format) -> Self {
        Self { inner, format, before: Hasher::new(io::sink()), held: Vec::new() }
    }

    /// What a format's own writer has to be given for the seal: bytes of the same length.
    pub fn placeholder(format: Format) -> Vec<u8> {
        vec![b' '; length(format)]
    }

    /// Writes the seal instead of the placeholder, and returns the digest of all bytes and their number.
    pub fn finish(mut self) -> io::Result<(W, Sha256, u64)> {
        assert_eq!(self.held, Self::placeholder(self.format), "every format ends with the placeholder");
        let mut all = self.before.clone();
        let seal = text(self.format, self.before.finish().0);
        all.update(&seal);
        self.inner.write_all(&seal)?;
        self.inner.flush()?;
        let (digest, size) = all.finish();
        Ok((self.inner, digest, size))
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let keep = length(self.format);
        // Of what was held and what comes now, all but the last bytes is written.
        let from_held = (self.held.len() + buffer.len()).saturating_sub(keep).min(self.held.len());
        let from_buffer = buffer.len().saturating_sub(keep);
        for bytes in [&self.held[..from_held], &buffer[..from_buffer]] {
            self.inner.write_all(bytes)?;
            self.before.update(bytes);
        }
        self.held.drain(..from_held);
        self.held.extend_from_slice(&buffer[from_buffer..]);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seal_is_the_digest_of_what_comes_before_however_it_is_written() {
        for format in [Format::TarZst, Format::TarGz, Format::Zip] {
            let placeholder = Sealing::<Vec<u8>>::placeholder(format);
            let bytes = [(0..=255).cycle().take(1000).collect::<Vec<u8>>(), placeholder].concat();
            for step in [1, 7, 70, 80, 999, 2000] {
                let mut writer = Sealing::new(Vec::new(), format);
                for part in bytes.chunks(step) {
                    writer.write_all(part).unwrap();
                }
                let (written, digest, size) = writer.finish().unwrap();
                assert_eq!((written.len() as u64, Sha256::of(&written)), (size, digest));
                assert_eq!(written[..1000], bytes[..1000], "{format} {step}");
                assert_eq!(written[1000..], text(format, Sha256::of(&bytes[..1000])), "{format} {step}");
            }
        }
    }
}
