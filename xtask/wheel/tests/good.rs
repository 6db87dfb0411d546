//! Wheels that are unusual and yet right.

mod fixture;

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fixture::{FILE, METADATA, Member, RECORD, WHEEL, Wheel, put, stream, unpack_bytes};
use sha2::Digest as _;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

#[test]
fn files_go_where_their_scheme_says_and_the_record_tells() {
    let tree = unpack_bytes(FILE, Wheel::good().build()).unwrap();
    let paths = tree.0.keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(
        paths,
        [
            "data/share/a.txt",
            "site-packages/a-1.dist-info/METADATA",
            "site-packages/a-1.dist-info/RECORD",
            "site-packages/a-1.dist-info/WHEEL",
            "site-packages/a/__init__.py",
            "site-packages/a/data.bin",
            "site-packages/b.py",
        ]
    );
    let record = String::from_utf8(tree.0["site-packages/a-1.dist-info/RECORD"].0.clone()).unwrap();
    let rows = record.lines().map(|line| line.split(',').next().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        rows,
        [
            "../../../share/a.txt",
            "a-1.dist-info/METADATA",
            "a-1.dist-info/WHEEL",
            "a/__init__.py",
            "a/data.bin",
            "b.py",
            "a-1.dist-info/RECORD",
        ]
    );
}

/// A change that leaves a wheel right.
type Change = fn(&mut Wheel);

#[test]
fn wheels_that_are_unusual_are_unpacked() {
    let good = unpack_bytes(FILE, Wheel::good().build()).unwrap();
    let cases: [(&str, Change); 18] = [
        ("stored members", |wheel| wheel.members.iter_mut().for_each(|member| member.method = 0)),
        ("streamed members", |wheel| {
            for (index, member) in wheel.members.iter_mut().enumerate() {
                stream(member, index & 1 == 0, index & 2 == 0);
            }
        }),
        ("an end of zip64 for a small archive", |wheel| wheel.zip64 = true),
        ("an end that leaves everything to zip64", |wheel| {
            wheel.zip64 = true;
            wheel.edit_end = put(8, [0xff; 12]);
        }),
        ("sizes and start in a field of zip64", |wheel| {
            let member = wheel.member("a/__init__.py");
            member.method = 0;
            member.extra = b"\x01\0\x18\0\x06\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
            member.local_extra = b"\x01\0\x10\0\x06\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
            member.edit_local = put(18, [0xff; 8]);
            member.edit_central = Some(Box::new(|entry| {
                entry[20..28].fill(0xff);
                entry[42..46].fill(0xff);
            }));
        }),
        ("entries for directories", |wheel| {
            for (index, name) in ["a/", "a-1.data/", "a-1.data/data/", "empty/"].into_iter().enumerate() {
                wheel.members.insert(index, Member::new(name, ""));
            }
            wheel.members[0].method = 0;
            wheel.members[1].mode = 0;
            wheel.members[2].dos_attributes = 0x10;
        }),
        ("a RECORD with CRLF", |wheel| wheel.record(|text| text.replace('\n', "\r\n"))),
        ("a RECORD with quotes and without sizes", |wheel| {
            wheel.record(|text| text.replace("a/__init__.py", "\"a/__init__.py\"").replace(",6\n", ",\n"));
        }),
        ("a RECORD that does not name itself", |wheel| {
            wheel.record(|text| text.replace("a-1.dist-info/RECORD,,\n", ""));
        }),
        ("signatures, which RECORD does not mention", |wheel| {
            wheel.add("a-1.dist-info/RECORD.jws", "{}").listed = false;
            wheel.add("a-1.dist-info/RECORD.p7s", "S").listed = false;
        }),
        ("hashes better than sha256", |wheel| {
            wheel.record(|text| {
                let long = URL_SAFE_NO_PAD.encode(sha2::Sha512::digest(b"x = 1\n"));
                let half = URL_SAFE_NO_PAD.encode(sha2::Sha384::digest(b"y = 2\n"));
                let hash = |bytes: &[u8]| format!("sha256={}", URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(bytes)));
                text.replace(&hash(b"x = 1\n"), &format!("sha512={long}"))
                    .replace(&hash(b"y = 2\n"), &format!("sha384={half}"))
            });
        }),
        ("a comment of the archive", |wheel| wheel.comment = b"made by hand".to_vec()),
        ("a mode that has no type", |wheel| wheel.members.iter_mut().for_each(|member| member.mode = 0o644)),
        ("no mode at all, from MS-DOS", |wheel| {
            for member in &mut wheel.members {
                (member.made_by, member.mode, member.dos_attributes) = (20, 0, 0x20);
            }
        }),
        ("fields of Info-ZIP for times and owners", |wheel| {
            wheel.member("a/__init__.py").extra = b"UT\x05\0\x03\0\0\0\0ux\x0b\0\x01\x04\0\0\0\0\x04\0\0\0\0".to_vec();
        }),
        ("programs and headers in data, which are left out as those of their own schemes", |wheel| {
            wheel.add("a-1.data/data/bin/tool", "#!/bin/sh\n");
            wheel.add("a-1.data/data/include/a.h", "");
            wheel.add("a-1.data/headers/a.h", "");
        }),
        ("members in another order than that of the directory", |wheel| {
            wheel.member("a-1.dist-info/WHEEL").content = WHEEL.into();
            wheel.members.reverse();
        }),
        ("a flag for how hard deflate tried", |wheel| wheel.member("a/data.bin").flags = 2),
    ];
    for (what, change) in cases {
        let mut wheel = Wheel::good();
        change(&mut wheel);
        let tree = unpack_bytes(FILE, wheel.build()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(tree.0, good.0, "{what}");
    }
}

#[test]
fn names_may_be_written_as_archivers_write_them() {
    for (file, stem, metadata) in [
        ("Foo_Bar-1.0-py3-none-any.whl", "Foo_Bar-1.0", "Name: Foo.Bar\nVersion: 1.0\n"),
        ("foo_bar-1.0-py3-none-any.whl", "Foo.Bar-1.0", "Name: foo-bar\nVersion: 1.0\n"),
        ("torch-2.8.0+cpu-py3-none-any.whl", "torch-2.8.0+cpu", "Name: torch\nVersion: 2.8.0+cpu\n"),
        ("a-1.0_RC1-py3-none-any.whl", "a-1.0_rc1", "Name: a\r\nVersion: 1.0-rc1\r\n"),
    ] {
        let mut wheel = Wheel::good();
        wheel.members = vec![
            Member::new("a.py", ""),
            Member::new(&format!("{stem}.dist-info/METADATA"), metadata),
            Member::new(&format!("{stem}.dist-info/WHEEL"), WHEEL.replace('\n', "\r\n")),
        ];
        let tree = unpack_bytes(file, wheel.build()).unwrap();
        assert!(tree.0.contains_key(&format!("site-packages/{stem}.dist-info/RECORD")));
    }
}

#[test]
fn files_that_look_odd_are_kept() {
    let mut wheel = Wheel::good();
    let odd =
        ["a/only.pyc", "hook.pth", "größe/π.py", "a-1.dist-info/entry_points.txt", "a-1.dist-info/licenses/B C+D"];
    for name in odd {
        wheel.add(name, "odd");
    }
    let tree = unpack_bytes(FILE, wheel.build()).unwrap();
    for name in odd {
        assert_eq!(tree.0[&format!("site-packages/{name}")].0, b"odd", "{name}");
    }
}

#[test]
fn only_unix_says_what_can_be_executed_and_nothing_more() {
    let mut wheel = Wheel::good();
    wheel.add("a/tool", "").mode = 0o100_755;
    wheel.add("a/setuid", "").mode = 0o106_711;
    let dos = wheel.add("a/dos", "");
    (dos.mode, dos.made_by) = (0o100_755, 20);
    let tree = unpack_bytes(FILE, wheel.build()).unwrap();
    let executable = tree.0.iter().filter(|(_, (_, executable))| *executable).map(|(path, _)| path.as_str());
    assert_eq!(executable.collect::<Vec<_>>(), ["site-packages/a/setuid", "site-packages/a/tool"]);
}

/// An independent writer, in its ways to write: plain, zip64, and to a stream that cannot seek.
#[test]
fn wheels_of_other_archivers_are_unpacked() {
    let files = [
        ("a/__init__.py", "x = 1\n"),
        ("größe.py", ""),
        ("a-1.dist-info/METADATA", METADATA),
        ("a-1.dist-info/WHEEL", WHEEL),
    ];
    let rows = files.map(|(path, text)| (path, sha2::Sha256::digest(text).into(), text.len() as u64));
    let record = String::from_utf8(wheel_archive::record::write(rows.into_iter(), RECORD)).unwrap();
    let files = files.into_iter().chain([(RECORD, record.as_str())]).collect::<Vec<_>>();
    let options = SimpleFileOptions::default();
    for options in [
        options,
        options.large_file(true),
        options.compression_method(CompressionMethod::Stored),
        options.compression_method(CompressionMethod::Stored).large_file(true),
        options.unix_permissions(0o755),
    ] {
        let mut seekable = ZipWriter::new(Cursor::new(Vec::new()));
        let mut stream = ZipWriter::new_stream(Vec::new());
        seekable.add_directory("a", options).unwrap();
        for (path, text) in &files {
            seekable.start_file(*path, options).unwrap();
            seekable.write_all(text.as_bytes()).unwrap();
            stream.start_file(*path, options).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
        }
        for archive in [seekable.finish().unwrap().into_inner(), stream.finish().unwrap().into_inner()] {
            let tree = unpack_bytes(FILE, archive).unwrap();
            assert_eq!(tree.0["site-packages/a/__init__.py"].0, b"x = 1\n");
        }
    }
}

/// The one wheel, its one member and the one content of it that are known; nothing else is excused.
#[test]
fn a_record_that_is_known_to_be_wrong_is_excused_and_put_right() {
    let stem = "google_crc32c-1.6.0";
    let file = "google_crc32c-1.6.0-cp312-cp312-macosx_12_0_arm64.whl";
    let text = "Wheel-Version: 1.0\nGenerator: setuptools (74.1.0)\nRoot-Is-Purelib: false\n\
                Tag: cp312-cp312-macosx_12_0_arm64\n\n";
    let found = format!("sha256={}", URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(text)));
    let wheel = |wheel_text: &str, wrong: &'static str| {
        let mut wheel = Wheel::good();
        wheel.members = vec![
            Member::new("google_crc32c/__init__.py", ""),
            Member::new(&format!("{stem}.dist-info/METADATA"), "Name: google-crc32c\nVersion: 1.6.0\n"),
            Member::new(&format!("{stem}.dist-info/WHEEL"), wheel_text),
        ];
        wheel.record(move |record| {
            let line = record.lines().find(|line| line.starts_with(wrong)).unwrap().to_owned();
            let (path, size) = (line.split(',').next().unwrap(), line.rsplit(',').next().unwrap());
            record.replace(&line, &format!("{path},sha256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA,{size}"))
        });
        unpack_bytes(file, wheel.build())
    };
    let member = "google_crc32c-1.6.0.dist-info/WHEEL";
    let tree = wheel(text, member).unwrap();
    let record = &tree.0[&format!("site-packages/{stem}.dist-info/RECORD")].0;
    assert!(String::from_utf8_lossy(record).contains(&found));
    for (text, wrong) in [(text, "google_crc32c/__init__.py"), (text.trim_end(), member)] {
        assert!(wheel(text, wrong).unwrap_err().to_string().contains("does not match its RECORD"), "{wrong}");
    }
}
