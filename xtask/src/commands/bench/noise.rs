//! Wheels of bytes that mean nothing and do not compress, the same ones every time: everything here downloads wheels.

use std::io::{self, Read, Seek as _, SeekFrom, Write as _};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use flate2::Crc;
use fs_err::File;

use crate::digest::{Hasher, Sha256};

/// The largest payload: a ZIP file without extensions has room for 4 GiB.
pub const LARGEST_MIB: u64 = 4000;

/// A wheel that was made.
pub struct Wheel {
    /// The name of its distribution.
    pub name: String,
    /// Its file.
    pub path: Utf8PathBuf,
    /// Of the file, in bytes.
    pub size: u64,
    /// Of the file.
    pub sha256: Sha256,
}

impl Wheel {
    /// Makes a wheel whose payload has this many bytes, which depend on nothing but its name.
    pub fn make(directory: &Utf8Path, name: &str, payload: u64) -> Result<Self> {
        let path = directory.join(format!("{name}-1-py3-none-any.whl"));
        let information = format!("{name}-1.dist-info");
        let mut archive = Archive { file: File::create(&path)?, directory: Vec::new(), members: 0 };
        let noise =
            Noise(fastrand::Rng::with_seed(name.bytes().fold(1, |seed, byte| seed.wrapping_mul(31) ^ u64::from(byte))));
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n");
        let kind = "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let files = [
            archive.add(format!("{name}.bin"), noise.take(payload))?,
            archive.add(format!("{information}/METADATA"), metadata.as_bytes())?,
            archive.add(format!("{information}/WHEEL"), kind.as_bytes())?,
        ];
        let own = format!("{information}/RECORD");
        let rows = files.iter().map(|(path, sha256, size)| (path.as_str(), sha256.bytes(), *size));
        archive.add(own.clone(), wheel_archive::record::write(rows, &own).as_slice())?;
        archive.finish()?;
        Ok(Self { name: name.to_owned(), size: fs_err::metadata(&path)?.len(), sha256: Sha256::of_file(&path)?, path })
    }

    /// The name of its file.
    pub fn file(&self) -> &str {
        self.path.file_name().unwrap_or_default()
    }
}

struct Noise(fastrand::Rng);

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill(buffer);
        Ok(buffer.len())
    }
}

/// A ZIP file whose members are stored as they are.
struct Archive {
    file: File,
    /// The central directory so far.
    directory: Vec<u8>,
    members: u16,
}

impl Archive {
    /// Adds a member; returns its path, digest and size.
    fn add(&mut self, path: String, content: impl Read) -> Result<(String, Sha256, u64)> {
        let start = self.file.stream_position()?;
        // What its header says about the content is known only after the content.
        self.file.write_all(&local_header(&path, 0, 0))?;
        let mut content = Checksummed { inner: Hasher::new(content), crc: Crc::new() };
        io::copy(&mut content, &mut self.file)?;
        let crc = content.crc.sum();
        let (sha256, size) = content.inner.finish();
        let short = u32::try_from(size).context("a member of more than 4 GiB")?;
        self.file.seek(SeekFrom::Start(start))?;
        let header = local_header(&path, crc, short);
        self.file.write_all(&header)?;
        self.file.seek(SeekFrom::End(0))?;

        // APPNOTE.TXT, 4.3.12: the signature and who made it, then most of the local header once more.
        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(&header[4..30]);
        // No comment, on disk 0, no attributes.
        self.directory.extend([0; 10]);
        self.directory.extend(u32::try_from(start)?.to_le_bytes());
        self.directory.extend(path.as_bytes());
        self.members += 1;
        Ok((path, sha256, size))
    }

    /// APPNOTE.TXT, 4.3.16: the end of the central directory.
    fn finish(mut self) -> Result<()> {
        let start = u32::try_from(self.file.stream_position()?)?;
        let length = u32::try_from(self.directory.len())?;
        self.file.write_all(&self.directory)?;
        self.file.write_all(b"PK\x05\x06\x00\x00\x00\x00")?;
        self.file.write_all(&[self.members.to_le_bytes(); 2].concat())?;
        self.file.write_all(&[length.to_le_bytes(), start.to_le_bytes()].concat())?;
        self.file.write_all(&[0; 2])?;
        Ok(())
    }
}

/// APPNOTE.TXT, 4.3.7, for a member that is stored, from the first of January 1980.
fn local_header(path: &str, crc: u32, size: u32) -> Vec<u8> {
    let length = u16::try_from(path.len()).unwrap_or_default().to_le_bytes();
    let mut header = b"PK\x03\x04\x14\x00\x00\x00\x00\x00\x00\x00\x21\x00".to_vec();
    for field in [crc, size, size] {
        header.extend(field.to_le_bytes());
    }
    header.extend(length);
    header.extend([0; 2]);
    header.extend(path.as_bytes());
    header
}

struct Checksummed<R> {
    inner: Hasher<R>,
    crc: Crc,
}

impl<R: Read> Read for Checksummed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.crc.update(&buffer[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use wheel_archive::name::WheelName;
    use wheel_archive::path::RelativePath;
    use wheel_archive::unpack::{self, Sink};

    use super::*;

    struct Sizes(Vec<u64>);

    impl Sink for Sizes {
        type Error = io::Error;

        fn add(&mut self, _: RelativePath, source: &mut dyn Read, _: bool) -> io::Result<([u8; 32], u64)> {
            let mut hasher = Hasher::new(source);
            self.0.push(io::copy(&mut hasher, &mut io::sink())?);
            let (sha256, size) = hasher.finish();
            Ok((sha256.bytes(), size))
        }
    }

    #[test]
    fn it_is_a_wheel_and_the_same_one_every_time() {
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(directory.path()).unwrap();
        let wheel = Wheel::make(directory, "bench_001", 100_000).unwrap();
        let mut sink = Sizes(Vec::new());
        let name = WheelName::parse(wheel.file()).unwrap();
        unpack::unpack(File::open(&wheel.path).unwrap(), &name, 3, &mut sink).unwrap();
        assert!(sink.0.contains(&100_000), "{:?}", sink.0);
        let sha256 = wheel.sha256;
        assert_eq!(Wheel::make(directory, "bench_001", 100_000).unwrap().sha256, sha256);
        assert_ne!(Wheel::make(directory, "bench_002", 100_000).unwrap().sha256, sha256);
    }
}
