//! Wheels of bytes that mean nothing and do not compress, the same ones every time: everything here downloads wheels.

use std::io::{self, Read, Write};

use anyhow::Result;
use camino::Utf8Path;
use fs_err::File;
use rawzip::ZipArchiveWriter;
use xtask::bench_api::{Hasher, Sha256};

pub struct Wheel {
    pub name: String,
    pub file: String,
    pub size: u64,
    pub sha256: Sha256,
}

impl Wheel {
    /// Makes a wheel whose payload has this many bytes, which depend on nothing but its name.
    pub fn make(directory: &Utf8Path, name: &str, payload: u64) -> Result<Self> {
        let file = format!("{name}-1-py3-none-any.whl");
        let information = format!("{name}-1.dist-info");
        let seed = name.bytes().fold(1, |seed: u64, byte| seed.wrapping_mul(31) ^ u64::from(byte));
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1\n");
        let kind = "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let output = io::BufWriter::new(File::create(directory.join(&file))?);
        let mut archive = ZipArchiveWriter::new(Hasher::new(output));
        let rows = [
            add(&mut archive, format!("{name}.bin"), RandomBytes(fastrand::Rng::with_seed(seed)).take(payload))?,
            add(&mut archive, format!("{information}/METADATA"), metadata.as_bytes())?,
            add(&mut archive, format!("{information}/WHEEL"), kind.as_bytes())?,
        ];
        let own = format!("{information}/RECORD");
        let rows = rows.iter().map(|(path, sha256, size)| (path.as_str(), sha256.bytes(), *size));
        add(&mut archive, own.clone(), wheel_archive::record::write(rows, &own).as_slice())?;
        let (sha256, mut output) = archive.finish()?.into_parts();
        output.flush()?;
        let size = output.get_ref().metadata()?.len();
        Ok(Self { name: name.to_owned(), file, size, sha256 })
    }
}

/// Adds a file as it is; returns its path, digest and size.
fn add<W: Write>(archive: &mut ZipArchiveWriter<W>, path: String, content: impl Read) -> Result<(String, Sha256, u64)> {
    let (mut entry, config) = archive.new_file(path.as_str()).start()?;
    let mut writer = config.wrap(&mut entry);
    let mut content = Hasher::new(content);
    io::copy(&mut content, &mut writer)?;
    let (_, descriptor) = writer.finish()?;
    entry.finish(descriptor)?;
    let (sha256, size) = content.finish();
    Ok((path, sha256, size))
}

struct RandomBytes(fastrand::Rng);

impl Read for RandomBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill(buffer);
        Ok(buffer.len())
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
        let path = directory.join(&wheel.file);
        let mut sink = Sizes(Vec::new());
        let name = WheelName::parse(&wheel.file).unwrap();
        unpack::unpack(File::open(&path).unwrap(), &name, 3, &mut sink).unwrap();
        assert!(sink.0.contains(&100_000), "{:?}", sink.0);
        assert_eq!((Sha256::of_file(&path).unwrap(), path.metadata().unwrap().len()), (wheel.sha256, wheel.size));
        assert_eq!(Wheel::make(directory, "bench_001", 100_000).unwrap().sha256, wheel.sha256);
        assert_ne!(Wheel::make(directory, "bench_002", 100_000).unwrap().sha256, wheel.sha256);
    }
}
