//! Hostile or broken wheels, each with one fault, and the message about it.

mod fixture;

use std::io::{self, Cursor, Read};

use fixture::{FILE, METADATA, Member, RECORD, WHEEL, Wheel, deflate, put, stream, unpack_bytes};
use wheel_archive::Sha256;
use wheel_archive::name::WheelName;
use wheel_archive::path::RelativePath;
use wheel_archive::unpack::{Error, Sink, unpack};

/// One fault of a wheel.
struct Case {
    /// Why it is refused.
    reason: &'static str,
    /// The name in backticks in the message, if there is a member to name.
    member: &'static str,
    /// The expected text.
    says: &'static str,
    change: fn(&mut Wheel),
}

fn check(cases: &[Case]) {
    for Case { reason, member, says, change } in cases {
        let mut wheel = Wheel::good();
        change(&mut wheel);
        let file = wheel.file.clone();
        let error = match unpack_bytes(&file, wheel.build()) {
            Ok(_) => panic!("{reason}: it was unpacked"),
            Err(error) => error,
        };
        assert!(matches!(error, Error::Refused { .. }), "{reason}: {error}");
        let message = error.to_string();
        let named = message.contains(&format!("the wheel `{file}` is refused: "));
        assert!(named && message.contains(says), "{reason}: {message}");
        assert!(message.contains(&format!("`{member}`")) || member.is_empty(), "{reason}: {message}");
        // The message must not quote errors of the system or a library.
        assert!(!message.contains("Err(") && !message.contains("Error {") && !message.contains("Custom"), "{message}");
    }
}

const INIT: &str = "a/__init__.py";
const BIN: &str = "a/data.bin";

macro_rules! case {
    ($reason:literal, $member:expr, $says:literal, $change:expr) => {
        Case { reason: $reason, member: $member, says: $says, change: $change }
    };
}

#[test]
fn archives_that_can_be_read_in_two_ways_are_refused() {
    check(&[
        case!("text is no archive", "", "it is not a zip archive", |wheel| {
            wheel.members.clear();
            wheel.without_record = true;
            wheel.edit_end = Some(Box::new(|end| *end = b"no archive".to_vec()));
        }),
        case!("an archive without members is no wheel", "", "0 `.dist-info` directories", |wheel| {
            wheel.members.clear();
            wheel.without_record = true;
        }),
        case!("the last bytes are missing", "", "it was cut or something was appended", |wheel| {
            wheel.comment = b"comment".to_vec();
            wheel.edit_end = Some(Box::new(|end| end.truncate(end.len() - 3)));
        }),
        case!("a second archive was appended", "", "does not end where its end begins", |wheel| {
            wheel.after = Wheel::good().build();
        }),
        case!("bytes were appended", "", "something was appended", |wheel| wheel.after = b"appended".to_vec()),
        case!("a program was put before", "", "bytes were put before", |wheel| {
            wheel.before = b"#!/bin/sh\n".to_vec();
            wheel.edit_end = Some(Box::new(|end| {
                let start = u32::from_le_bytes(end[16..20].try_into().unwrap()) - 10;
                end[16..20].copy_from_slice(&start.to_le_bytes());
            }));
        }),
        case!("bytes were put before and the starts follow", "", "bytes before its first member", |wheel| {
            wheel.before = b"#!/bin/sh\n".to_vec();
        }),
        case!("bytes hide between two members", INIT, "does not end where the next part", |wheel| {
            wheel.member(INIT).after = b"hidden".to_vec();
        }),
        case!("bytes hide before the central directory", RECORD, "does not end where the next part", |wheel| {
            wheel.between = b"hidden".to_vec();
        }),
        case!("the comment holds another archive", "", "several ends of central directory", |wheel| {
            wheel.comment = Wheel::good().build();
        }),
        case!("the comment holds an end that fits nowhere", "", "several ends of central directory", |wheel| {
            wheel.comment = b"see PK\x05\x06 in the format".to_vec();
        }),
        case!("an end before the end has a comment that fits", "", "several ends of central directory", |wheel| {
            // A stored file holds an end whose comment reaches to the end of the archive.
            wheel.add("a/z.bin", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0??").method = 0;
            wheel.record_method = 0;
            let mut probe = Wheel::good();
            probe.record_method = 0;
            probe.add("a/z.bin", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0??").method = 0;
            let bytes = probe.build();
            let at = bytes.windows(4).position(|window| window == b"PK\x05\x06").unwrap();
            let length = (bytes.len() - at - 22) as u16;
            let content = [&b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..], &length.to_le_bytes()].concat();
            wheel.member("a/z.bin").content = content;
        }),
        case!("the archive goes over several disks", "", "split over several disks", |wheel| {
            wheel.edit_end = put(4, [1, 0]);
        }),
        case!("a member is on another disk", INIT, "on another disk", |wheel| {
            wheel.member(INIT).edit_central = put(34, [1, 0]);
        }),
        case!("the end announces fewer members", "", "entries that its end announces", |wheel| {
            wheel.edit_end = put(8, [3, 0, 3, 0]);
        }),
        case!("the end announces more members", "", "entries that its end announces", |wheel| {
            wheel.edit_end = put(8, [99, 0, 99, 0]);
        }),
        case!("an entry is no entry", "", "central directory is damaged", |wheel| {
            wheel.member(INIT).edit_central = put(0, b"PK\x01\x03");
        }),
        case!("an entry is longer than the directory", "", "central directory is damaged", |wheel| {
            wheel.member(INIT).edit_central = put(32, [0xff; 2]);
        }),
        case!("zip64 and the ordinary end disagree", "", "disagrees with the ordinary one", |wheel| {
            wheel.zip64 = true;
            wheel.edit_end = put(8, [3, 0, 3, 0]);
        }),
        case!("the end of zip64 is elsewhere", "", "is not where it has to be", |wheel| {
            wheel.zip64 = true;
            wheel.edit_zip64 = put(64, 7_u64.to_le_bytes());
        }),
        case!("the end of zip64 is none", "", "is not where it has to be", |wheel| {
            wheel.zip64 = true;
            wheel.edit_zip64 = put(0, b"QK");
        }),
        case!("the end of zip64 has a size that wraps", "", "does not end where its end begins", |wheel| {
            wheel.zip64 = true;
            wheel.edit_zip64 = put(40, [0xff; 16]);
            wheel.edit_end = put(12, [0xff; 8]);
        }),
        case!("the end of zip64 announces members without end", "", "more than any wheel", |wheel| {
            wheel.zip64 = true;
            wheel.edit_zip64 = put(24, (1_u64 << 60).to_le_bytes().repeat(2));
            wheel.edit_end = put(8, [0xff; 4]);
        }),
    ]);
}

#[test]
fn members_that_are_not_what_the_directory_says_are_refused() {
    check(&[
        case!("the local header has another name", INIT, "another name in its local header", |wheel| {
            wheel.member(INIT).edit_local = put(30, b"b");
        }),
        case!("the local header has another method", INIT, "another method", |wheel| {
            wheel.member(INIT).edit_local = put(8, [0, 0]);
        }),
        case!("the local header says that it is encrypted", INIT, "method or other flags", |wheel| {
            wheel.member(INIT).edit_local = put(6, [1, 0]);
        }),
        case!("the local header has another size", INIT, "another size in its local header", |wheel| {
            wheel.member(INIT).edit_local = put(22, [5, 0]);
        }),
        case!("the local header has another checksum", INIT, "another checksum in its local header", |wheel| {
            wheel.member(INIT).edit_local = put(14, [0; 4]);
        }),
        case!("the local header is none", INIT, "has no local header", |wheel| {
            wheel.member(INIT).edit_local = put(0, b"QK");
        }),
        case!("the local header goes beyond the archive", RECORD, "a local header that cannot be read", |wheel| {
            wheel.without_record = true;
            wheel.add(RECORD, "").edit_local = put(26, [0xff; 2]);
        }),
        case!("zip64 of the local header disagrees", INIT, "another size in its local header", |wheel| {
            let member = wheel.member(INIT);
            member.local_extra = b"\x01\0\x10\0\x07\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0".to_vec();
            member.edit_local = put(18, [0xff; 8]);
        }),
        case!("two entries share one content", INIT, "overlaps what follows", |wheel| {
            // The first entry of the directory and the second have one local header.
            let mut second = Member::new(INIT, "x = 1\n");
            second.edit_central = put(42, [0; 4]);
            wheel.members.insert(1, second);
        }),
        case!("a content reaches into the next member", INIT, "overlaps what follows", |wheel| {
            let member = wheel.member(INIT);
            member.edit_central = put(20, [200, 0]);
        }),
        case!("a content reaches to where numbers end", RECORD, "overlaps what follows", |wheel| {
            wheel.without_record = true;
            let record = wheel.add(RECORD, "");
            record.extra = [&b"\x01\0\x08\0"[..], &[0xff; 8]].concat();
            record.edit_central = put(20, [0xff; 4]);
        }),
        case!("a member begins behind the directory", INIT, "overlaps what follows", |wheel| {
            wheel.members.truncate(1);
            wheel.without_record = true;
            wheel.member(INIT).edit_central = put(20, [0xf0, 0xff, 0xff, 0x7f]);
        }),
        case!("the checksum is wrong", BIN, "does not have the checksum", |wheel| {
            let member = wheel.member(BIN);
            member.edit_central = put(16, [1; 4]);
            member.edit_local = put(14, [1; 4]);
        }),
        case!("it unpacks to more than is announced", BIN, "unpacks to more than the 5000 bytes", |wheel| {
            wheel.member(BIN).packed = Some(deflate(&[7; 5001]));
        }),
        case!("it unpacks to less than is announced", BIN, "unpacks to 4999 bytes, and 5000 are announced", |wheel| {
            wheel.member(BIN).packed = Some(deflate(&[7; 4999]));
        }),
        case!("bytes hide behind compressed data", BIN, "more bytes than its compressed data", |wheel| {
            wheel.member(BIN).packed = Some([deflate(&[7; 5000]), b"hidden".to_vec()].concat());
        }),
        case!("compressed data ends too early", BIN, "in the middle of its compressed data", |wheel| {
            let packed = deflate(&[7; 5000]);
            wheel.member(BIN).packed = Some(packed[..packed.len() - 2].to_vec());
        }),
        case!("compressed data is damaged", BIN, "compressed data that is damaged", |wheel| {
            wheel.member(BIN).packed = Some(vec![0xff; 20]);
        }),
        case!("a stored member has two sizes", INIT, "has sizes that cannot be", |wheel| {
            let member = wheel.member(INIT);
            member.method = 0;
            member.packed = Some(b"x = 1\n#".to_vec());
        }),
        case!("the data descriptor disagrees", INIT, "a data descriptor that disagrees", |wheel| {
            let member = wheel.member(INIT);
            stream(member, true, false);
            member.after[5] ^= 1;
        }),
        case!("the data descriptor is missing", INIT, "does not end where the next part", |wheel| {
            let member = wheel.member(INIT);
            stream(member, true, false);
            member.after.clear();
        }),
        case!("it is encrypted", INIT, "is encrypted", |wheel| wheel.member(INIT).flags = 1),
        case!("it is encrypted in the stronger way", INIT, "is encrypted", |wheel| wheel.member(INIT).flags = 1 << 6),
        case!("it is a patch", INIT, "is a patch", |wheel| wheel.member(INIT).flags = 1 << 5),
        case!("it is compressed with zstd", INIT, "compressed with zstd, and only stored and deflated", |wheel| {
            wheel.member(INIT).method = 93;
        }),
        case!("it is compressed with lzma", INIT, "compressed with method 14", |wheel| wheel.member(INIT).method = 14),
        case!("it is a symbolic link", INIT, "is a symbolic link", |wheel| wheel.member(INIT).mode = 0o120_777),
        case!("it is a link by whoever wrote it", INIT, "is a symbolic link", |wheel| {
            let member = wheel.member(INIT);
            (member.mode, member.made_by) = (0o120_777, 20);
        }),
        case!("it is a device", INIT, "is a device", |wheel| wheel.member(INIT).mode = 0o060_644),
        case!("it is a pipe", INIT, "is a pipe", |wheel| wheel.member(INIT).mode = 0o010_644),
        case!("a file has the mode of a directory", INIT, "the mode of a directory", |wheel| {
            wheel.member(INIT).mode = 0o040_755;
        }),
        case!("a file is a directory to MS-DOS", INIT, "marked as something else", |wheel| {
            wheel.member(INIT).dos_attributes = 0x10;
        }),
        case!("a directory has a content", "a", "has sizes that cannot be", |wheel| {
            wheel.members.insert(0, Member::new("a/", "hidden"));
        }),
        case!("extra fields are damaged", INIT, "damaged extra fields", |wheel| {
            wheel.member(INIT).extra = b"UT\x09\0\x03".to_vec();
        }),
        case!("an extra field gives another name", INIT, "a second name", |wheel| {
            wheel.member(INIT).extra = b"up\x09\0\x01\0\0\0\0evil".to_vec();
        }),
        case!("zip64 is announced and is not there", INIT, "lacks the zip64 field", |wheel| {
            wheel.member(INIT).edit_central = put(24, [0xff; 4]);
        }),
        case!("zip64 is there twice", INIT, "two zip64 fields", |wheel| {
            wheel.member(INIT).extra = b"\x01\0\0\0\x01\0\0\0".to_vec();
        }),
        case!("zip64 has values that nothing announces", INIT, "zip64 field of the wrong length", |wheel| {
            wheel.member(INIT).extra = [&b"\x01\0\x10\0"[..], &[1; 16]].concat();
        }),
    ]);
}

#[test]
fn bombs_are_refused_before_they_are_unpacked() {
    fn announce(member: &mut Member, size: u64) {
        member.extra = [&b"\x01\0\x08\0"[..], &size.to_le_bytes()].concat();
        member.edit_central = put(24, [0xff; 4]);
    }
    check(&[
        case!("one file is larger than any", BIN, "as no file of a wheel does", |wheel| {
            announce(wheel.member(BIN), 9 << 30);
        }),
        case!("one file grows more than any", BIN, "as no file of a wheel does", |wheel| {
            announce(wheel.member(BIN), 17 << 20);
        }),
        case!("many files grow more than any wheel", "", "as no wheel does", |wheel| {
            for index in 0..17 {
                announce(wheel.add(&format!("a/{index}.bin"), "small"), (16 << 20) - 1);
            }
        }),
        case!("RECORD is larger than memory should be", RECORD, "more than that of any wheel", |wheel| {
            wheel.without_record = true;
            let rows = "#".repeat((64 << 20) + 1);
            let record = wheel.add(RECORD, rows);
            record.method = 0;
        }),
        case!("WHEEL is larger than memory should be", "a-1.dist-info/WHEEL", "more than that of any wheel", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = WHEEL.repeat(20_000).into();
        }),
    ]);
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let long = "n".repeat(256);
    for (name, shown) in [
        ("../evil.py", "../evil.py"),
        ("a/../../evil.py", "a/../../evil.py"),
        ("/etc/evil", "/etc/evil"),
        ("C:/evil.py", "C:/evil.py"),
        ("a\\..\\evil.py", "a\\\\..\\\\evil.py"),
        ("a/b.py\0.txt", "a/b.py\\0.txt"),
        ("a/b\u{1b}[1m.py", "a/b\\u{1b}[1m.py"),
        ("a/./b.py", "a/./b.py"),
        ("a//b.py", "a//b.py"),
        ("a/b.", "a/b."),
        ("a/b /c", "a/b /c"),
        ("a/b.py:stream", "a/b.py:stream"),
        ("//", "/"),
        (long.as_str(), long.as_str()),
    ] {
        let mut wheel = Wheel::good();
        wheel.add(name, "");
        let message = unpack_bytes(FILE, wheel.build()).unwrap_err().to_string();
        assert!(message.contains(&format!("{FILE}` is refused: `{shown}` is not a path inside")), "{message}");
    }
    check(&[
        case!("a name is not UTF-8", "a/�.py", "is not UTF-8", |wheel| {
            let member = wheel.add("a/?.py", "");
            member.name[2] = 0xe4;
            member.listed = false;
        }),
        case!("a name has two readings, UTF-8 and that of MS-DOS", "a/ä.py", "is not marked as UTF-8", |wheel| {
            wheel.add("a/ä.py", "").flags = 0;
        }),
    ]);
}

#[test]
fn two_things_in_one_place_are_refused() {
    check(&[
        case!("a file is there twice, with one content", INIT, "two files named", |wheel| {
            wheel.add(INIT, "x = 1\n").listed = false;
        }),
        case!("a directory is there twice", "a", "two directories named", |wheel| {
            wheel.add("a/", "");
            wheel.add("a/", "");
        }),
        case!("a file is a directory too", "a", "both a file and a directory", |wheel| {
            wheel.add("a", "");
        }),
        case!("a file is a directory that is empty", "b", "both a file and a directory", |wheel| {
            wheel.add("b", "");
            wheel.add("b/", "");
        }),
        case!("purelib puts a file where one is", "site-packages/a/__init__.py", "two files named", |wheel| {
            wheel.add("a-1.data/purelib/a/__init__.py", "x = 1\n");
        }),
        case!("purelib and platlib have one file", "site-packages/b.py", "two files named", |wheel| {
            wheel.add("a-1.data/purelib/b.py", "y = 2\n");
        }),
        case!("what lies between does not hide it", "a", "both a file and a directory", |wheel| {
            wheel.add("a", "");
            wheel.add("a-b.py", "");
            wheel.add("a.py", "");
        }),
        case!("platlib puts a file where a directory is", "site-packages/a", "a file and a directory", |wheel| {
            wheel.add("a-1.data/platlib/a", "");
        }),
    ]);
}

#[test]
fn records_that_are_not_of_the_wheel_are_refused() {
    check(&[
        case!("a file is not what is listed", INIT, "does not match its RECORD", |wheel| {
            wheel.record(|text| {
                let other = "sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
                let line = text.lines().find(|line| line.starts_with(INIT)).unwrap();
                text.replace(line, &format!("{INIT},{other},6"))
            });
        }),
        case!(
            "a script, which is left out, is not what is listed",
            "a-1.data/scripts/tool",
            "match its RECORD",
            |wheel| {
                wheel.record(|text| {
                    let line = text.lines().find(|line| line.contains("scripts/tool")).unwrap();
                    text.replace(line, "a-1.data/scripts/tool,sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,9")
                });
            }
        ),
        case!("a better hash is wrong", INIT, "does not match its RECORD", |wheel| {
            wheel.record(|text| {
                let line = text.lines().find(|line| line.starts_with(INIT)).unwrap();
                text.replace(line, &format!("{INIT},sha512={}A,6", "AAAAA".repeat(17)))
            });
        }),
        case!("the listed size is another", INIT, "does not match its RECORD", |wheel| {
            wheel.record(|text| {
                let line = text.lines().find(|line| line.starts_with(INIT)).unwrap().to_owned();
                text.replace(&line, &line.replace(",6", ",7"))
            });
        }),
        case!("a file is not listed", "a/more.py", "is not listed in its RECORD", |wheel| {
            wheel.add("a/more.py", "").listed = false;
        }),
        case!("bytecode that is left out is not listed", "a/__pycache__/x.pyc", "is not listed", |wheel| {
            wheel.add("a/__pycache__/x.pyc", "").listed = false;
        }),
        case!("a listed file is missing", "a/gone.py", "is listed in its RECORD but is missing", |wheel| {
            wheel.record(|text| text + "a/gone.py,sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,0\n");
        }),
        case!("a directory is listed", "a/", "is listed in its RECORD but is missing", |wheel| {
            wheel.add("a/", "");
            wheel.record(|text| text + "a/,,\n");
        }),
        case!("a file has no hash", INIT, "has no hash in its RECORD", |wheel| {
            wheel.record(|text| {
                let line = text.lines().find(|line| line.starts_with(INIT)).unwrap();
                text.replace(line, &format!("{INIT},,6"))
            });
        }),
        case!("a hash is weak", INIT, "a sha1, and PEP 427 permits only sha256 or better", |wheel| {
            wheel.record(|text| {
                let line = text.lines().find(|line| line.starts_with(INIT)).unwrap();
                text.replace(line, &format!("{INIT},sha1=AAAAAAAAAAAAAAAAAAAAAAAAAAA,6"))
            });
        }),
        case!("a hash is too short", RECORD, "is malformed: `a/__init__.py` has the hash", |wheel| {
            wheel.record(|text| {
                let line = text.lines().find(|line| line.starts_with(INIT)).unwrap();
                text.replace(line, &format!("{INIT},sha256=AAAA,6"))
            });
        }),
        case!("RECORD claims its own hash", RECORD, "claims to hold its own hash", |wheel| {
            wheel.record(|text| text.replace("RECORD,,", "RECORD,sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,"));
        }),
        case!("a file is listed twice", RECORD, "is malformed: `a/__init__.py` is listed twice", |wheel| {
            wheel.record(|text| {
                let line = text.lines().find(|line| line.starts_with(INIT)).unwrap().to_owned();
                format!("{text}{line}\n")
            });
        }),
        case!("a row has no hash and size at all", RECORD, "fields, not path, hash and size", |wheel| {
            wheel.record(|text| text + "a/x.py\n");
        }),
        case!("RECORD begins with a byte order mark", RECORD, "byte order mark", |wheel| {
            wheel.record(|text| format!("\u{feff}{text}"));
        }),
        case!("there is no RECORD", RECORD, "there is no `a-1.dist-info/RECORD`", |wheel| wheel.without_record = true),
        case!("a signature is listed with a wrong hash", "a-1.dist-info/RECORD.jws", "match its RECORD", |wheel| {
            wheel.add("a-1.dist-info/RECORD.jws", "{}").listed = false;
            wheel.record(|text| {
                text + "a-1.dist-info/RECORD.jws,sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,2\n"
            });
        }),
    ]);
}

#[test]
fn metadata_of_something_else_is_refused() {
    check(&[
        case!("there is no `.dist-info` directory", "", "0 `.dist-info` directories", |wheel| {
            wheel.members.retain(|member| !member.text().contains(".dist-info"));
            wheel.without_record = true;
        }),
        case!("there are two `.dist-info` directories", "", "2 `.dist-info` directories", |wheel| {
            wheel.add("b-1.dist-info/METADATA", METADATA);
        }),
        case!("a second `.dist-info` differs in case", "", "2 `.dist-info` directories", |wheel| {
            wheel.add("A-1.DIST-INFO/METADATA", METADATA);
        }),
        case!("a second `.dist-info` differs in what macOS takes for one letter", "", "2 `.dist-info`", |wheel| {
            wheel.add("b-1.diſt-info/METADATA", METADATA);
        }),
        case!(
            "purelib brings a second `.dist-info`",
            "a-1.data/purelib/b-1.dist-info/METADATA",
            "beside that",
            |wheel| {
                wheel.add("a-1.data/purelib/b-1.dist-info/METADATA", METADATA);
            }
        ),
        case!("the directory is of another distribution", "a-1.dist-info", "its metadata is that of", |wheel| {
            wheel.file = "b-1-py3-none-any.whl".to_owned();
        }),
        case!("the directory is of another version", "a-1.dist-info", "its metadata is that of", |wheel| {
            wheel.file = "a-2-py3-none-any.whl".to_owned();
        }),
        case!("the name has no version", "a.dist-info", "its metadata is that of", |wheel| {
            for member in &mut wheel.members {
                member.name = member.text().replace("a-1.dist-info", "a.dist-info").into_bytes();
            }
        }),
        case!("METADATA is of another distribution", "a-1.dist-info/METADATA", "the distribution `b`", |wheel| {
            wheel.member("a-1.dist-info/METADATA").content = METADATA.replace("Name: a", "Name: b").into();
        }),
        case!("METADATA is of another version", "a-1.dist-info/METADATA", "the version `1.0`", |wheel| {
            wheel.member("a-1.dist-info/METADATA").content = METADATA.replace("Version: 1\n", "Version: 1.0\n").into();
        }),
        case!("METADATA has two names", "a-1.dist-info/METADATA", "more than one Name", |wheel| {
            wheel.member("a-1.dist-info/METADATA").content = format!("Name: b\n{METADATA}").into();
        }),
        case!("METADATA has its name in the description", "a-1.dist-info/METADATA", "has no Name", |wheel| {
            wheel.member("a-1.dist-info/METADATA").content = format!("Version: 1\n\n{METADATA}").into();
        }),
        case!("METADATA is not text", "a-1.dist-info/METADATA", "is not UTF-8", |wheel| {
            wheel.member("a-1.dist-info/METADATA").content = vec![0xff; 9];
        }),
        case!("there is no METADATA", "a-1.dist-info/METADATA", "there is no", |wheel| {
            wheel.remove("a-1.dist-info/METADATA");
        }),
        case!("there is no WHEEL", "a-1.dist-info/WHEEL", "there is no", |wheel| wheel.remove("a-1.dist-info/WHEEL")),
        case!("the format is a later one", "a-1.dist-info/WHEEL", "of the format 2.0, and only 1.x", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = WHEEL.replace("1.0", "2.0").into();
        }),
        case!("the format is none", "a-1.dist-info/WHEEL", "of the format 1, and only 1.x", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = WHEEL.replace("Version: 1.0", "Version: 1").into();
        }),
        case!("Root-Is-Purelib is neither true nor false", "a-1.dist-info/WHEEL", "not true or false", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = WHEEL.replace("true", "maybe").into();
        }),
        case!("WHEEL has no tag", "a-1.dist-info/WHEEL", "has no tag", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = WHEEL.replace("Tag", "Tack").into();
        }),
        case!("WHEEL has a tag that is none", "a-1.dist-info/WHEEL", "which is none", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = WHEEL.replace("py3-none-any", "py3").into();
        }),
        case!("WHEEL is of another system", "a-1.dist-info/WHEEL", "not those of the file name", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = WHEEL.replace("-any", "-win_amd64").into();
        }),
        case!("WHEEL is of another build", "a-1.dist-info/WHEEL", "about the build `7`", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = format!("{WHEEL}Build: 7\n").into();
        }),
        case!("INSTALLER is not for archives", "a-1.dist-info/INSTALLER", "belongs in none", |wheel| {
            wheel.add("a-1.dist-info/INSTALLER", "pip\n");
        }),
        case!("REQUESTED is not for archives", "a-1.dist-info/REQUESTED", "belongs in none", |wheel| {
            wheel.add("a-1.dist-info/REQUESTED", "");
        }),
        case!("direct_url.json is not for archives", "a-1.dist-info/direct_url.json", "belongs in none", |wheel| {
            wheel.add("a-1.dist-info/direct_url.json", "{}");
        }),
    ]);
}

#[test]
fn data_that_goes_where_it_must_not_is_refused() {
    check(&[
        case!("there is data of another wheel", "b-1.data", "of another wheel", |wheel| {
            wheel.add("b-1.data/purelib/c.py", "");
        }),
        case!("data differs in case", "a-1.DATA", "of another wheel", |wheel| {
            wheel.add("a-1.DATA/purelib/c.py", "");
        }),
        case!("there is no such scheme", "a-1.data/evil/c.py", "of the unknown kind `evil`", |wheel| {
            wheel.add("a-1.data/evil/c.py", "");
        }),
        case!("data is of no scheme", "a-1.data/c.py", "belongs nowhere", |wheel| {
            wheel.add("a-1.data/c.py", "");
        }),
        case!("it changes the standard library", "a-1.data/data/lib/python3.12/os.py", "of the interpreter", |wheel| {
            wheel.add("a-1.data/data/lib/python3.12/os.py", "");
        }),
        case!("it changes how the interpreter starts", "a-1.data/data/pyvenv.cfg", "of the interpreter", |wheel| {
            wheel.add("a-1.data/data/pyvenv.cfg", "");
        }),
        case!("it brings a library to load first", "a-1.data/data/python3.dll", "of the interpreter", |wheel| {
            wheel.add("a-1.data/data/python3.dll", "");
        }),
    ]);
}

/// Takes only the first byte of each file, or none and fails.
struct PartialSink(bool);

impl Sink for PartialSink {
    type Error = io::Error;

    fn add(&mut self, _: RelativePath, source: &mut dyn Read, _: bool) -> io::Result<(Sha256, u64)> {
        let mut byte = [0];
        source.read_exact(&mut byte)?;
        if self.0 { Err(io::Error::other("the disk is full")) } else { Ok(([0; 32], 1)) }
    }
}

#[test]
fn a_sink_that_fails_is_not_the_fault_of_the_wheel_and_one_that_stops_early_is_noticed() {
    let name = WheelName::parse(FILE).unwrap();
    let unpack =
        |wheel: Wheel, fails| unpack(Cursor::new(wheel.build()), &name, 3, &mut PartialSink(fails)).unwrap_err();
    let error = unpack(Wheel::good(), true);
    assert!(matches!(&error, Error::Sink { error, .. } if error.to_string() == "the disk is full"), "{error}");
    assert_eq!(error.to_string(), format!("cannot write `{INIT}` of the wheel `{FILE}`"));
    let error = unpack(Wheel::good(), false);
    assert!(matches!(&error, Error::Refused { what, .. } if what.contains("not match its RECORD")), "{error}");
    // The reader checks the bytes after it, too.
    let mut wheel = Wheel::good();
    wheel.members.swap(0, 1);
    wheel.member(BIN).packed = Some(deflate(&[7; 4999]));
    let error = unpack(wheel, false);
    assert!(matches!(&error, Error::Refused { what, .. } if what.contains("unpacks to 4999 bytes")), "{error}");
}

/// Nothing is believed because it is rare: no single byte of an archive can be changed, or the archive be cut
/// anywhere, so that another tree is unpacked than the one that was packed.
#[test]
fn a_damaged_wheel_is_refused_or_gives_the_same_tree() {
    let bytes = Wheel::good().build();
    let good = unpack_bytes(FILE, bytes.clone()).unwrap();
    let executable = |memory: &fixture::Memory| memory.0.values().filter(|(_, executable)| *executable).count();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            let Ok(tree) = unpack_bytes(FILE, damaged) else { continue };
            // Execute bits are in nothing that has a hash.
            let contents = |memory: &fixture::Memory| {
                memory.0.iter().map(|(path, (bytes, _))| (path.clone(), bytes.clone())).collect::<Vec<_>>()
            };
            assert_eq!(contents(&tree), contents(&good), "byte {at} with {flip:#x}");
            assert!(executable(&tree) <= 1);
        }
        assert!(unpack_bytes(FILE, bytes[..at].to_vec()).is_err(), "cut at {at}");
    }
}
