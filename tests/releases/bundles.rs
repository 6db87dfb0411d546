//! Runtimes packed as bundles: every user gets the same bytes, and no file changes unnoticed.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::packing::{LINUX, WINDOWS, bundle, names};
use crate::support::tiny::{Tiny, WHEEL};
use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};

#[test]
fn a_bundle_is_the_same_for_every_user_and_number_of_processors() {
    let scratch = scratch();
    let name = "a-runtime";
    let one = provision_sample(&scratch.path.join("one").join(name), &[]);
    let other = scratch.path.join("an other place").join(name);
    let as_somebody_else = |arguments: &[&str]| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask 077; exec \"$@\"", "sh"]);
        if has_taskset() {
            command.args(["taskset", "--cpu-list", "0"]);
        }
        command.arg(env!("CARGO_BIN_EXE_xtask")).args(arguments);
        command.env("SPEACHES_STORE", shared_store()).env("TZ", "Pacific/Chatham").env("LC_ALL", "tr_TR.UTF-8");
        run(command.current_dir("/")).expect(0);
    };
    if !has_taskset() {
        not_run("taskset", "another number of processors", "there is no taskset on PATH");
    }
    as_somebody_else(&["provision", TONES, "--out", other.as_str()]);
    for format in ["tar.zst", "tar.gz"] {
        let (here, there) = (scratch.path.join(format), scratch.path.join(format!("other {format}")));
        let flags = ["--format", format, "--level", "2"];
        let packed = bundle(&one, &here, &flags);
        as_somebody_else(&[&["bundle", other.as_str(), "--out", there.as_str()], &flags[..]].concat());
        assert_eq!(names(&here), names(&there));
        for file in names(&here) {
            assert!(fs_err::read(here.join(&file)).unwrap() == fs_err::read(there.join(&file)).unwrap(), "{file}");
        }
        let said = run(&mut xtask(&["verify", packed.as_str()])).expect(0).stdout;
        assert!(said.contains("all as described") && said.contains("as in SHA256SUMS beside it"), "{said}");
    }
}

fn has_taskset() -> bool {
    let asked = Command::new("taskset").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Whether a plain reader of the format unpacks it below a directory.
fn is_unpacked(bundle: &Utf8Path, to: &Utf8Path) -> bool {
    let file = fs_err::File::open(bundle).unwrap();
    if bundle.as_str().ends_with(".zip") {
        let python = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1]) as z:\n    z.extractall(sys.argv[2])";
        run(Command::new("python3").args(["-c", python, bundle.as_str(), to.as_str()])).code == Some(0)
    } else if bundle.as_str().ends_with(".tar.gz") {
        tar::Archive::new(flate2::read::MultiGzDecoder::new(file)).unpack(to).is_ok()
    } else {
        tar::Archive::new(zstd::Decoder::new(file).unwrap()).unpack(to).is_ok()
    }
}

/// The same names, and the same bytes in each.
fn assert_same_files(one: &Utf8Path, other: &Utf8Path, what: &str) {
    assert_eq!(files(one), files(other), "{what}");
    for file in files(one) {
        let read = |runtime: &Utf8Path| match runtime.join(&file).read_link_utf8() {
            Ok(to) => to.into_string().into_bytes(),
            Err(_) => fs_err::read(runtime.join(&file)).unwrap(),
        };
        assert!(read(one) == read(other), "{what}: {file}");
    }
}

#[test]
fn a_bundle_with_the_trailer_of_older_versions_is_verified() {
    let scratch = scratch();
    let frame = [&0x184D_2A50_u32.to_le_bytes()[..], &71_u32.to_le_bytes(), &[b'0'; 71]].concat();
    let member = [&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 36, 0, b'S', b'P', 32, 0][..], &[7; 32], &[3, 0], &[0; 8]];
    let tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    for (format, trailer) in [("tar.zst", frame), ("tar.gz", member.concat())] {
        let packed = bundle(&tiny.path, &scratch.path.join(format), &["--format", format]);
        let older = scratch.path.join(format!("older.{format}"));
        fs_err::write(&older, [fs_err::read(&packed).unwrap(), trailer].concat()).unwrap();
        run(&mut xtask(&["verify", older.as_str()])).expect(0);
    }
    let packed = bundle(&Tiny::make(&scratch.path.join("other"), WINDOWS).path, &scratch.path.join("zip"), &[]);
    let mut bytes = fs_err::read(&packed).unwrap();
    // The length of the comment is the last field of a zip without one.
    let length = bytes.len() - 2;
    bytes[length] = 71;
    fs_err::write(&packed, [bytes, vec![b'0'; 71]].concat()).unwrap();
    fs_err::remove_file(packed.with_file_name("SHA256SUMS")).unwrap();
    run(&mut xtask(&["verify", packed.as_str()])).expect(0);
}

#[test]
fn an_unpacked_bundle_is_the_runtime_that_was_packed() {
    let scratch = scratch();
    let tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    for format in ["tar.zst", "tar.gz"] {
        let packed = bundle(&tiny.path, &scratch.path.join(format), &["--format", format]);
        let to = scratch.path.join(format!("unpacked {format}"));
        fs_err::create_dir(&to).unwrap();
        assert!(is_unpacked(&packed, &to));
        assert_eq!(names(&to), ["tiny"], "one directory at the top");
        assert_same_files(&to.join("tiny"), &tiny.path, format);
        run(&mut xtask(&["verify", to.join("tiny").as_str()])).expect(0);
        let metadata = to.join("tiny/bin/speaches").metadata().unwrap();
        assert_eq!(metadata.modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 315_532_800);
    }
}

#[test]
fn windows_gets_a_zip_that_a_plain_reader_reads() {
    let scratch = scratch();
    let tiny = Tiny::make(&scratch.path.join("tiny"), WINDOWS);
    let packed = bundle(&tiny.path, &scratch.path.join("out"), &[]);
    assert_eq!(packed.extension(), Some("zip"));
    let python = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1]) as z:\n    assert z.testzip() is None\n    \
                  print(*sorted(n for n in z.namelist() if not n.endswith('/')), sep='\\n')";
    let read = run(Command::new("python3").args(["-c", python, packed.as_str()])).expect(0);
    let mut expected = files(&tiny.path).iter().map(|file| format!("tiny/{file}")).collect::<Vec<_>>();
    expected.sort();
    assert_eq!(read.stdout.lines().collect::<Vec<_>>(), expected);
    run(&mut xtask(&["verify", packed.as_str()])).expect(0);
    // However the threads that compress take turns.
    let again = scratch.path.join("again");
    bundle(&tiny.path, &again, &[]);
    assert!(fs_err::read(&packed).unwrap() == fs_err::read(again.join("tiny.zip")).unwrap());
    let links = Tiny::make(&scratch.path.join("links"), LINUX);
    run(&mut xtask(&["bundle", links.path.as_str(), "--format", "zip"])).expect(78).says("symbolic link");
}

#[test]
fn a_bit_that_flips_anywhere_in_a_bundle_is_found_or_no_other_files_come_out() {
    let scratch = scratch();
    for (target, format) in [(LINUX, "tar.zst"), (LINUX, "tar.gz"), (WINDOWS, "zip")] {
        let place = scratch.path.join(format);
        let tiny = Tiny::make(&place.join("tiny"), target);
        let packed = bundle(&tiny.path, &place, &["--format", format, "--level", "3"]);
        let elsewhere = scratch.path.join(format!("alone.{format}"));
        let unpacked = scratch.path.join(format!("unpacked {format}"));
        let whole = fs_err::read(&packed).unwrap();
        run(&mut xtask(&["verify", packed.as_str()])).expect(0);
        let mut random = fastrand::Rng::with_seed(11);
        // The first and the last bytes have the most different meanings; between them, anywhere.
        let ends = (0..24).chain(whole.len() - 150..whole.len());
        let places = ends.chain(std::iter::repeat_with(|| random.usize(..whole.len())).take(60)).collect::<Vec<_>>();
        let (mut named, mut found) = (0, 0);
        for at in places {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << random.u32(..8);
            fs_err::write(&packed, &flipped).unwrap();
            let ended = run(&mut xtask(&["verify", packed.as_str()]));
            assert_eq!(ended.code, Some(65), "{format}, byte {at} of {}: {}", whole.len(), ended.stderr);
            assert!(ended.stderr.contains(packed.as_str()), "{}", ended.stderr);
            // Without `SHA256SUMS` the bundle has to know by itself.
            fs_err::write(&elsewhere, &flipped).unwrap();
            let ended = run(&mut xtask(&["verify", elsewhere.as_str()]));
            if ended.code == Some(0) {
                // A field that says nothing about a file may be wrong enough for a reader to refuse the whole.
                if is_unpacked(&elsewhere, &unpacked) {
                    assert_same_files(&unpacked.join("tiny"), &tiny.path, &format!("{format}, byte {at}"));
                    fs_err::remove_dir_all(&unpacked).unwrap();
                }
                continue;
            }
            assert_eq!(ended.code, Some(65), "{format}, byte {at} of {}: {}", whole.len(), ended.stderr);
            found += 1;
            named += usize::from(
                ["changed", "in `"].iter().any(|how| ended.stderr.contains(how)) && ended.stderr.contains("thing/"),
            );
        }
        assert!(found > 60, "{format}: most bytes are those of files: {found}");
        assert!(named > 20, "{format}: most bytes are those of files, which are named: {named}");
        for end in [0, 1, 200, whole.len() / 2, whole.len() - 1] {
            fs_err::write(&elsewhere, &whole[..end]).unwrap();
            run(&mut xtask(&["verify", elsewhere.as_str()])).expect(65);
        }
        for more in [&b"more"[..], &[0; 1024], &whole] {
            fs_err::write(&elsewhere, [&whole[..], more].concat()).unwrap();
            run(&mut xtask(&["verify", elsewhere.as_str()])).expect(65).says("damaged");
        }
    }
}

#[test]
fn a_bit_that_flips_anywhere_in_a_runtime_is_found_and_its_file_named() {
    let scratch = scratch();
    let tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    run(&mut xtask(&["verify", tiny.path.as_str()])).expect(0);
    let mut random = fastrand::Rng::with_seed(13);
    for file in files(&tiny.path) {
        let path = tiny.path.join(&file);
        if path.is_symlink() {
            continue;
        }
        let whole = fs_err::read(&path).unwrap();
        for _ in 0..whole.len().min(4) {
            let mut flipped = whole.clone();
            flipped[random.usize(..whole.len())] ^= 1 << random.u32(..8);
            fs_err::write(&path, &flipped).unwrap();
            run(&mut xtask(&["verify", tiny.path.as_str()])).expect(65).says(file.as_str());
        }
        fs_err::write(&path, &whole).unwrap();
    }
    run(&mut xtask(&["verify", tiny.path.as_str()])).expect(0);
}

#[test]
fn a_modified_runtime_is_not_packed_and_nothing_is_left() {
    let scratch = scratch();
    let out = scratch.path.join("out");
    fs_err::create_dir(&out).unwrap();
    let tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    let refused = |says: &str| {
        run(&mut xtask(&["bundle", tiny.path.as_str(), "--out", out.as_str()])).expect(65).says(says);
        assert_nothing_half_made(&out);
    };
    let text = tiny.path.join("python/lib/python3.12/site-packages/thing/text.txt");
    let whole = fs_err::read(&text).unwrap();
    let mut other = whole.clone();
    other[70_000] ^= 1;
    fs_err::write(&text, &other).unwrap();
    refused("changed: python/lib/python3.12/site-packages/thing/text.txt");
    fs_err::write(&text, &whole[1..]).unwrap();
    refused("changed: python/lib/python3.12/site-packages/thing/text.txt");
    fs_err::remove_file(&text).unwrap();
    refused("missing: python/lib/python3.12/site-packages/thing/text.txt");
    fs_err::write(&text, &whole).unwrap();
    let extra = tiny.path.join("app/extra");
    fs_err::create_dir(tiny.path.join("app")).unwrap();
    fs_err::write(&extra, "").unwrap();
    refused("extra: app/extra");
    fs_err::remove_file(&extra).unwrap();
    let link = tiny.path.join("python/bin/python");
    fs_err::remove_file(&link).unwrap();
    fs_err::os::unix::fs::symlink("elsewhere", &link).unwrap();
    refused("changed: python/bin/python");
    fs_err::remove_file(&link).unwrap();
    fs_err::os::unix::fs::symlink("python3.12", &link).unwrap();
    bundle(&tiny.path, &out, &[]);
    run(&mut xtask(&["bundle", tiny.path.as_str(), "--level", "20"])).expect(64).says("levels of tar.zst");
    run(&mut xtask(&["bundle", tiny.path.as_str(), "--out", tiny.path.join("in").as_str()])).expect(64);
}

#[test]
fn a_component_without_a_license_is_refused_unless_the_manifest_says_why() {
    let scratch = scratch();
    let out = scratch.path.join("out");
    let mut tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    tiny.remove(&format!("licenses/{WHEEL}/LICENSE"));
    let manifests = own_manifests(&scratch.path);
    let command = || xtask(&["bundle", "--manifests", manifests.as_str(), tiny.path.as_str(), "--out", out.as_str()]);
    run(&mut command()).expect(65).says("thing 1.0").says("manifests/licenses.toml");
    assert_nothing_half_made(&out);
    let mut without_notices = Tiny::make(&scratch.path.join("without notices"), LINUX);
    without_notices.remove("licenses/launcher/rust-standard-library.html");
    run(&mut xtask(&["bundle", without_notices.path.as_str()])).expect(65).says("launcher 0.1.0");
    let exception = "[[without]]\ncomponent = \"thing\"\nlicense = \"MIT\"\nreason = \"it is a thing\"\n";
    fs_err::write(manifests.join("licenses.toml"), exception).unwrap();
    run(&mut command()).expect(0);
    for (from, to, says) in
        [("it is a thing", " ", "thing has no reason"), ("MIT", "no license", "the license of thing is invalid")]
    {
        fs_err::write(manifests.join("licenses.toml"), exception.replace(from, to)).unwrap();
        run(&mut command()).expect(65).says(says);
    }
}

#[test]
fn the_checksums_of_a_directory_are_kept_when_another_bundle_comes() {
    let scratch = scratch();
    let out = scratch.path.join("out");
    fs_err::create_dir(&out).unwrap();
    let other = format!("{}  zz-another-file\n", "0".repeat(64));
    fs_err::write(out.join("SHA256SUMS"), &other).unwrap();
    // At once, as the bundles of several targets are made.
    let runtimes = ["one", "two", "three"].map(|name| Tiny::make(&scratch.path.join(name), LINUX));
    let commands = runtimes.iter().map(|tiny| xtask(&["bundle", tiny.path.as_str(), "--out", out.as_str()]).spawn());
    for child in commands.collect::<Vec<_>>() {
        assert!(child.unwrap().wait().unwrap().success());
    }
    let sums = fs_err::read_to_string(out.join("SHA256SUMS")).unwrap();
    assert_eq!(sums.lines().count(), 7, "{sums}");
    assert!(sums.ends_with(&other));
    let sorted = sums.lines().map(|line| &line[66..]).collect::<Vec<_>>();
    assert!(sorted.is_sorted(), "{sums}");
    for line in sums.lines().filter(|line| !line.ends_with("zz-another-file")) {
        let (digest, name) = line.split_once("  ").unwrap();
        assert_eq!(sha256(&fs_err::read(out.join(name)).unwrap()), digest, "{name}");
    }
    // The entry in the list is compared as well.
    fs_err::write(out.join("SHA256SUMS"), format!("{}  one.tar.zst\n", "0".repeat(64))).unwrap();
    run(&mut xtask(&["verify", out.join("one.tar.zst").as_str()])).expect(65).says("SHA256SUMS");
    fs_err::write(out.join("SHA256SUMS"), "nonsense\n").unwrap();
    run(&mut xtask(&["bundle", runtimes[0].path.as_str(), "--out", out.as_str()])).expect(65).says("line 1 of");
}

#[test]
fn the_bill_of_materials_beside_a_bundle_has_what_its_format_requires() {
    let scratch = scratch();
    let packed = bundle(sample_runtime(), &scratch.path, &["--level", "1"]);
    let description = json(&sample_runtime().join("runtime.json"));
    let inputs = description["inputs"].as_array().unwrap();
    let digest = sha256(&fs_err::read(&packed).unwrap());

    // CycloneDX 1.6: "required": ["bomFormat", "specVersion"]; of a component "type" and "name"; of a hash "alg" and
    // "content"; of a composition "aggregate"; of a dependency "ref". References are unique.
    let bill = json(&scratch.path.join("sample-runtime.tar.zst.cdx.json"));
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    let serial = bill["serialNumber"].as_str().unwrap().strip_prefix("urn:uuid:").unwrap();
    assert_eq!(serial.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
    assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], digest.as_str());
    let components = bill["components"].as_array().unwrap();
    assert_eq!(components.len(), inputs.len(), "every input is a component");
    let mut references = vec![bill["metadata"]["component"]["bom-ref"].clone()];
    let nested = components.iter().flat_map(|one| one["components"].as_array().into_iter().flatten());
    for component in components.iter().chain(nested) {
        let kind = component["type"].as_str().unwrap();
        assert!(["application", "library", "machine-learning-model"].contains(&kind), "{component}");
        assert!(!component["name"].as_str().unwrap().is_empty());
        for hash in component["hashes"].as_array().into_iter().flatten() {
            assert_eq!(hash["alg"], "SHA-256");
            assert_eq!(hash["content"].as_str().unwrap().len(), 64);
        }
        if let Some(purl) = component["purl"].as_str() {
            assert!(purl.starts_with("pkg:") && purl.contains('@'), "{purl}");
        }
        for license in component["licenses"].as_array().into_iter().flatten() {
            spdx::Expression::parse(license["expression"].as_str().unwrap()).unwrap();
        }
        references.push(component["bom-ref"].clone());
    }
    let texts = references.iter().map(|one| one.as_str().unwrap()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(texts.len(), references.len(), "references are unique");
    for dependency in bill["dependencies"].as_array().unwrap() {
        let on = dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]);
        assert!(on.into_iter().all(|one| texts.contains(one.as_str().unwrap())), "{dependency}");
    }
    let wheel = components.iter().find(|one| one["name"] == "numpy").unwrap();
    let input = inputs.iter().find(|input| input["name"] == "numpy").unwrap();
    assert_eq!(wheel["hashes"][0]["content"], input["sha256"]);
    assert_eq!(wheel["purl"], format!("pkg:pypi/numpy@{}", wheel["version"].as_str().unwrap()));
    expect_launcher(components, description["target"].as_str().unwrap());
}

/// Every crate in the launcher has a license, and the runtime contains its text.
fn expect_launcher(components: &[serde_json::Value], target: &str) {
    let launcher = components.iter().find(|one| one["name"] == "launcher").unwrap();
    let inside = launcher["components"].as_array().unwrap();
    let names = inside.iter().map(|one| one["name"].as_str().unwrap()).collect::<Vec<_>>();
    assert!(
        names.contains(&"serde_json") && names.contains(&"clap_builder") && names.contains(&"Rust standard library")
    );
    assert_eq!(names.contains(&"nix"), !target.contains("windows"));
    assert_eq!(names.contains(&"windows-sys"), target.contains("windows"));
    for macro_or_tool in ["serde_derive", "syn", "tempfile", "reqwest"] {
        assert!(!names.contains(&macro_or_tool), "{macro_or_tool} is not linked");
    }
    for one in inside {
        assert!(one["licenses"][0]["expression"].is_string(), "{one}");
        let file = one["properties"][0]["value"].as_str().unwrap();
        let text = fs_err::read_to_string(sample_runtime().join(file)).unwrap();
        if one["purl"].is_string() {
            let record = text.parse::<toml::Table>().unwrap();
            let it = record["crate"].as_array().unwrap().iter().find(|it| it["name"].as_str() == one["name"].as_str());
            let ids = record["text"].as_array().unwrap().iter().map(|text| &text["id"]).collect::<Vec<_>>();
            let texts = it.unwrap()["texts"].as_table().unwrap();
            assert!(!texts.is_empty() && texts.values().all(|id| ids.contains(&id)), "{one}");
        } else {
            assert!(text.contains("The Rust Standard Library is dual-licensed under Apache 2.0 and MIT terms."));
            assert!(one["version"].is_string(), "rustc leaves its version or its commit in what it builds: {one}");
        }
    }
}

#[test]
fn what_is_compiled_into_cpython_is_in_the_bill_of_materials_with_the_versions_it_tells() {
    let scratch = scratch();
    let mut tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    let source = "2025-07-30 19:33:53 4d8adfb30e03f9cf27f800a2c1ba3c48fb4ca1b08b0f5ed59a4d5ecbf45e20a3";
    let words = ["OpenSSL 3.5.4 30 Sep 2025", "3.5.4", source, "3.50.4", "3.12.1", "expat_2.7.3"];
    let binary = [b"\x7fELF\x02\x01\x01", words.join("\0").as_bytes()].concat();
    tiny.put("python/lib/libpython3.12.so.1.0", &binary);
    // Files that are not binaries of CPython do not count.
    tiny.put("python/lib/python3.12/notes.txt", b"1.0.8, 13-Jul-2019");
    tiny.put("python/lib/python3.12/site-packages/other.so", b"\x7fELF\0 deflate 1.3.1 Copyright 1995-2024\0");
    let packed = bundle(&tiny.path, &scratch.path.join("out"), &[]);
    let bill = json(&Utf8PathBuf::from(format!("{packed}.cdx.json")));
    let python = bill["components"].as_array().unwrap().iter().find(|one| one["name"] == "CPython").unwrap();
    let inside = python["components"].as_array().unwrap();
    let found = inside.iter().map(|one| {
        let (name, version) = (one["name"].as_str().unwrap(), one["version"].as_str());
        assert_eq!(one["properties"][0]["value"].as_str().unwrap().starts_with("unknown: "), version.is_none());
        assert_eq!(one["purl"].is_string(), version.is_some());
        format!("{name} {}", version.unwrap_or("?"))
    });
    let expected = [
        "OpenSSL 3.5.4",
        "SQLite 3.50.4",
        "zlib ?",
        "bzip2 ?",
        "XZ Utils (liblzma) ?",
        "libffi ?",
        "Expat 2.7.3",
        "mpdecimal ?",
        "ncurses ?",
        "libedit ?",
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn another_format_in_the_same_directory_takes_nothing_of_the_first() {
    let scratch = scratch();
    let tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    let out = scratch.path.join("out");
    let packed = ["tar.zst", "tar.gz"].map(|format| bundle(&tiny.path, &out, &["--format", format]));
    for bundle in &packed {
        let name = bundle.file_name().unwrap();
        let digest = sha256(&fs_err::read(bundle).unwrap());
        let bill = json(&out.join(format!("{name}.cdx.json")));
        assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], digest.as_str());
        run(&mut xtask(&["verify", bundle.as_str()])).expect(0);
    }
    assert_eq!(names(&out).len(), 5, "{:?}", names(&out));
}

#[test]
fn ctrl_c_leaves_nothing_of_a_bundle() {
    let scratch = scratch();
    let mut child = xtask(&["bundle", sample_runtime().as_str(), "--out", scratch.path.as_str(), "--level", "19"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let is_packing = || {
        let below = walkdir::WalkDir::new(&scratch.path).into_iter().flatten();
        below
            .filter(|entry| entry.file_type().is_file())
            .any(|entry| entry.file_name().to_string_lossy().contains(".tar"))
    };
    while !is_packing() {
        assert!(started.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    Ended::of(child.wait_with_output().unwrap()).expect(130).says("interrupted");
    assert_nothing_half_made(&scratch.path);
}

#[test]
fn a_runtime_can_be_made_again_and_what_comes_out_otherwise_is_traced_to_its_input() {
    let scratch = scratch();
    let ended = run(&mut xtask(&["reproduce", sample_runtime().as_str()])).expect(0);
    assert!(ended.stdout.contains("reproduced, byte for byte"), "{}", ended.stdout);
    let launcher = scratch.path.join("launcher");
    fs_err::write(&launcher, "another launcher").unwrap();
    run(&mut xtask(&["reproduce", sample_runtime().as_str(), "--launcher", launcher.as_str()]))
        .expect(65)
        .says("input launcher speaches: has sha256")
        .says("changed: bin/speaches (from the launcher)");
    // The Python comes from the runtime, whatever the default is.
    let python = python();
    let own = provision_sample(&scratch.path.join("own"), &["--python-from", &python]);
    run(&mut xtask(&["reproduce", own.as_str(), "--python-from", &python])).expect(0);
    let tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    fs_err::write(tiny.path.join("bin/speaches"), "changed").unwrap();
    run(&mut xtask(&["reproduce", tiny.path.as_str()])).expect(65).says("changed: bin/speaches");
}
