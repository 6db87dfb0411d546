//! Never panics, whatever the archive; and of what it accepts, each file has one place inside the two roots, and the
//! `RECORD` lists exactly these files.
#![no_main]

#[path = "../../tests/fixture/mod.rs"]
mod fixture;

use std::collections::BTreeSet;

use fixture::{FILE, Memory, Wheel, stream, unpack_bytes};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use sha2::Digest as _;
use wheel_archive::record::{self, Hash};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let archive = if first % 2 == 0 { Some(rest.to_vec()) } else { made(&mut Unstructured::new(rest)).ok() };
    if let Some(archive) = archive
        && let Ok(tree) = unpack_bytes(FILE, archive)
    {
        check(&tree);
    }
});

/// Parts of paths at which something is decided.
const PARTS: [&str; 20] = [
    "a",
    "b.py",
    "..",
    ".",
    "",
    "a-1.data",
    "a-1.dist-info",
    "A-1.DATA",
    "purelib",
    "platlib",
    "scripts",
    "data",
    "lib",
    "python3.12",
    "bin",
    "__pycache__",
    "RECORD",
    "RECORD.jws",
    "INSTALLER",
    "ä",
];

/// A wheel with a few more members and a `RECORD` that lists them, of which a few bytes are changed.
fn made(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut wheel = Wheel::good();
    for _ in 0..input.int_in_range(0..=4)? {
        let mut parts = Vec::new();
        for _ in 0..input.int_in_range(1..=4)? {
            parts.push(if input.ratio(1, 8)? { input.arbitrary::<&str>()? } else { input.choose(&PARTS)? });
        }
        let content = input.arbitrary::<&[u8]>()?;
        let member = wheel.add(&parts.join("/"), content);
        member.listed = !input.ratio(1, 8)?;
        member.method = *input.choose(&[8, 8, 8, 0, 0, 93])?;
        if input.ratio(1, 4)? {
            member.mode = input.arbitrary()?;
        }
        if input.ratio(1, 8)? {
            member.extra = input.arbitrary()?;
        }
        if input.ratio(1, 8)? {
            member.local_extra = input.arbitrary()?;
        }
        if input.ratio(1, 4)? {
            stream(member, input.arbitrary()?, input.arbitrary()?);
        }
    }
    if input.ratio(1, 8)? {
        let rows = input.arbitrary::<String>()?;
        wheel.record(move |text| text + &rows);
    }
    wheel.zip64 = input.ratio(1, 4)?;
    if input.ratio(1, 8)? {
        wheel.comment = input.arbitrary()?;
        wheel.comment.truncate(usize::from(u16::MAX));
    }
    let mut bytes = wheel.build();
    for _ in 0..input.int_in_range(0..=4)? {
        // The headers are at the end, where most is decided.
        let from = if input.arbitrary()? { 0 } else { bytes.len().saturating_sub(1200) };
        let at = input.int_in_range(from..=bytes.len() - 1)?;
        bytes[at] = input.arbitrary()?;
    }
    Ok(bytes)
}

/// The sink has refused two files in one place.
fn check(tree: &Memory) {
    let own = "site-packages/a-1.dist-info/RECORD";
    let rows = record::parse(&tree.0[own].0).expect("what was written can be read");
    let mut listed = BTreeSet::new();
    for (path, row) in rows {
        let place = match path.strip_prefix("../../../") {
            Some(path) => format!("data/{path}"),
            None => format!("site-packages/{path}"),
        };
        assert!(place.split('/').all(|part| !matches!(part, "" | "." | "..")), "{place} escapes");
        let (content, _) = &tree.0[&place];
        if place != own {
            assert_eq!(row.size, Some(content.len() as u64), "{place}");
            assert_eq!(row.hash, Some(Hash::Sha256(sha2::Sha256::digest(content).into())), "{place}");
        }
        listed.insert(place);
    }
    assert!(listed.iter().eq(tree.0.keys()), "{listed:?}");
}
