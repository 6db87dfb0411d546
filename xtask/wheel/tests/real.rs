//! Every wheel of a directory that the environment variable `WHEELS` names is unpacked. Without it nothing is tried,
//! which the test says.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::time::Instant;

use sha2::Digest as _;
use wheel_archive::Sha256;
use wheel_archive::name::WheelName;
use wheel_archive::path::RelativePath;
use wheel_archive::unpack::{Sink, unpack};

/// Keeps the paths only.
#[derive(Default)]
struct Paths {
    seen: BTreeSet<String>,
    size: u64,
}

impl Sink for Paths {
    type Error = io::Error;

    fn add(&mut self, path: RelativePath, source: &mut dyn Read, _: bool) -> io::Result<(Sha256, u64)> {
        let mut digest = sha2::Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut size = 0;
        loop {
            let count = source.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            digest.update(&buffer[..count]);
            size += count as u64;
        }
        self.size += size;
        assert!(self.seen.insert(path.as_str().to_owned()), "{} twice", path.as_str());
        Ok((digest.finalize().into(), size))
    }
}

#[test]
#[ignore = "needs a directory of wheels"]
fn real_wheels_are_unpacked() {
    let Some(directory) = std::env::var_os("WHEELS") else {
        eprintln!("DID NOT RUN: the environment variable `WHEELS` does not name a directory of wheels");
        return;
    };
    let started = Instant::now();
    let (mut unpacked, mut files, mut size) = (0, 0, 0);
    let mut refused = Vec::new();
    let mut entries = fs_err::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    entries.sort();
    for path in entries {
        let Ok(name) = WheelName::parse(&path.file_name().unwrap().to_string_lossy()) else { continue };
        let mut paths = Paths::default();
        let archive = io::BufReader::with_capacity(1 << 16, fs_err::File::open(&path).unwrap());
        match unpack(archive, &name, 3, &mut paths) {
            Ok(()) => (unpacked, files, size) = (unpacked + 1, files + paths.seen.len(), size + paths.size),
            Err(error) => refused.push(error.to_string()),
        }
    }
    eprintln!("{unpacked} wheels with {files} files and {size} bytes in {:.1} s", started.elapsed().as_secs_f64());
    assert!(unpacked > 0 && refused.is_empty(), "{} are refused:\n{}", refused.len(), refused.join("\n"));
}
