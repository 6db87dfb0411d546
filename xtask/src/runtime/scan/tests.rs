//! Runtimes of binaries that are made here.

mod images;

use camino::{Utf8Path, Utf8PathBuf};
use images::{ARM64, Elf, MachO, X86_64, pe, universal};
use speaches_format::description::{File, Python, SCHEMA};
use speaches_format::input::Input;
use speaches_format::name::Name;

use super::accepted::Acceptance;
use super::*;
use crate::pins::manifest::Manifests;

const LINUX: &str = "x86_64-unknown-linux-gnu";
const MAC: &str = "aarch64-apple-darwin";
const WINDOWS: &str = "x86_64-pc-windows-msvc";
const PACKAGE: &str = "python/lib/python3.12/site-packages/package/module.so";

fn platform(target: &str) -> Platform {
    let manifests = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("manifests");
    let targets = Manifests::load(&manifests).unwrap().targets;
    Platform::of(&targets.target(target).unwrap(), "3.12").unwrap()
}

fn info(target: &str) -> RuntimeInfo {
    RuntimeInfo {
        schema: SCHEMA,
        version: "1".to_owned(),
        name: Name::SPEACHES,
        target: target.to_owned(),
        accelerator: "cpu".to_owned(),
        python: Python { version: "3.12.1".to_owned(), minor: "3.12".to_owned(), copied: false },
        bytecode: false,
        groups: Vec::new(),
        models: Vec::new(),
        plan: String::new(),
        tool: String::new(),
        inputs: Vec::new(),
    }
}

fn scan_files(info: RuntimeInfo, files: &[(&str, Vec<u8>)], accepted: &Accepted) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let runtime = Utf8PathBuf::try_from(directory.path().to_owned()).unwrap();
    let file = |(path, bytes): &(&str, Vec<u8>)| {
        let place = runtime.join(path);
        fs_err::create_dir_all(place.parent().unwrap()).unwrap();
        fs_err::write(place, bytes).unwrap();
        File { path: (*path).to_owned(), size: bytes.len() as u64, sha256: String::new(), mode: "644".to_owned() }
    };
    let files = files.iter().map(file).collect();
    let platform = platform(&info.target);
    scan(&runtime, &Description { info, files }, &platform, accepted).unwrap()
}

/// Kinds and texts of what is found in a runtime of these files.
fn found(target: &str, files: &[(&str, Vec<u8>)]) -> Vec<(Kind, String)> {
    let report = scan_files(info(target), files, &Accepted::default());
    assert!(report.notes.is_empty(), "{report:?}");
    report.findings.into_iter().map(|finding| (finding.problem.kind(), finding.problem.to_string())).collect()
}

/// The only finding in one binary of a package.
fn one(target: &str, bytes: Vec<u8>) -> (Kind, String) {
    let mut all = found(target, &[(PACKAGE, bytes)]);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn good_binaries_of_each_system_are_counted_and_nothing_else_is() {
    let linux = scan_files(
        info(LINUX),
        &[
            (
                PACKAGE,
                Elf { path: Some("$ORIGIN/../package.libs:$ORIGIN"), needed: vec!["libown-1.so"], ..Elf::default() }
                    .bytes(),
            ),
            ("python/lib/python3.12/site-packages/package.libs/libown-1.so", Elf::default().bytes()),
            ("python/lib/python3.12/site-packages/package/text.so", b"no binary".to_vec()),
            ("python/lib/python3.12/site-packages/package/empty.so", Vec::new()),
            ("python/lib/python3.12/site-packages/package/A.class", b"\xca\xfe\xba\xbe\0\0\0\x34".to_vec()),
        ],
        &Accepted::default(),
    );
    assert_eq!(linux.binaries, 2);
    assert_eq!(linux.newest, Some(Version::new(2, 17, 0)));
    assert!(linux.findings.is_empty(), "{linux:?}");

    let library = MachO { path: Some("@loader_path/.dylibs"), needed: vec!["@rpath/libown.dylib"], ..MachO::default() };
    let own = "python/lib/python3.12/site-packages/package/.dylibs/libown.dylib";
    let mac =
        [(PACKAGE, library.bytes()), (own, MachO { name: Some("/DLC/a/libown.dylib"), ..MachO::default() }.bytes())];
    assert_eq!(found(MAC, &mac), []);

    let windows = pe(0x8664, &["KERNEL32.dll", "api-ms-win-crt-runtime-l1-1-0.dll", "vcruntime140.dll", "own.dll"]);
    let place = "python/Lib/site-packages/package/module.pyd";
    let own =
        [("python/vcruntime140.dll", pe(0x8664, &[])), ("python/Lib/site-packages/other/Own.DLL", pe(0x8664, &[]))];
    assert_eq!(found(WINDOWS, &[&[(place, windows)], &own[..]].concat()), []);
}

#[test]
fn another_processor_or_system_is_found() {
    assert_eq!(one(LINUX, Elf { machine: 183, ..Elf::default() }.bytes()).0, Kind::Architecture);
    assert_eq!(one(LINUX, Elf { machine: 3, class: 1, ..Elf::default() }.bytes()).0, Kind::Architecture);
    assert_eq!(one(MAC, MachO { processor: X86_64, ..MachO::default() }.bytes()).0, Kind::Architecture);
    assert_eq!(one(WINDOWS, pe(0xaa64, &[])).0, Kind::Architecture);
    assert_eq!(one(MAC, Elf::default().bytes()).0, Kind::Format);
    assert_eq!(one(LINUX, pe(0x8664, &[])).0, Kind::Format);
    assert_eq!(one(WINDOWS, universal(&[(ARM64, MachO::default().bytes())])).0, Kind::Format);
}

#[test]
fn a_universal_binary_is_the_slice_of_the_target() {
    let intel = MachO { processor: X86_64, needed: vec!["/opt/a.dylib"], ..MachO::default() }.bytes();
    let both = universal(&[(X86_64, intel.clone()), (ARM64, MachO::default().bytes())]);
    assert_eq!(found(MAC, &[(PACKAGE, both.clone())]), []);
    assert_eq!(one("x86_64-apple-darwin", both).0, Kind::LoadPath);
    let (kind, what) = one(MAC, universal(&[(X86_64, intel)]));
    assert_eq!((kind, what.as_str()), (Kind::Architecture, "it is universal, without arm64"));
}

#[test]
fn a_load_path_that_leaves_the_runtime_is_found() {
    for path in ["/usr/local/lib", "$ORIGIN/../../../../../..", "relative", "$ORIGINAL/x", "$ORIGIN:/opt"] {
        assert_eq!(one(LINUX, Elf { path: Some(path), ..Elf::default() }.bytes()).0, Kind::LoadPath, "{path}");
    }
    assert_eq!(one(LINUX, Elf { needed: vec!["/opt/lib/liba.so"], ..Elf::default() }.bytes()).0, Kind::LoadPath);
    assert_eq!(one(LINUX, Elf { interpreter: Some("/nix/ld.so"), ..Elf::default() }.bytes()).0, Kind::LoadPath);
    let system = Elf { interpreter: Some("/lib64/ld-linux-x86-64.so.2"), ..Elf::default() };
    assert_eq!(found(LINUX, &[(PACKAGE, system.bytes())]), []);

    for needed in
        ["/opt/homebrew/lib/liba.dylib", "/usr/lib/../local/liba.dylib", "@loader_path/../../../../../../liba"]
    {
        assert_eq!(one(MAC, MachO { needed: vec![needed], ..MachO::default() }.bytes()).0, Kind::LoadPath, "{needed}");
    }
    let looks = MachO { path: Some("/Users/runner/lib"), needed: vec!["@rpath/liba.dylib"], ..MachO::default() };
    assert_eq!(one(MAC, looks.bytes()).0, Kind::LoadPath);
    // Nothing is looked for there.
    assert_eq!(found(MAC, &[(PACKAGE, MachO { path: Some("/Users/runner/lib"), ..MachO::default() }.bytes())]), []);
}

#[test]
fn a_library_that_is_nowhere_is_found() {
    let (kind, what) = one(LINUX, Elf { needed: vec!["libnowhere.so.1"], ..Elf::default() }.bytes());
    assert_eq!((kind, what.as_str()), (Kind::Library, "it needs `libnowhere.so.1`"));
    assert_eq!(
        one(MAC, MachO { needed: vec!["@loader_path/liba.dylib"], ..MachO::default() }.bytes()).0,
        Kind::Library
    );
    assert_eq!(one(MAC, MachO { needed: vec!["@rpath/liba.dylib"], ..MachO::default() }.bytes()).0, Kind::Library);
    assert_eq!(one(WINDOWS, pe(0x8664, &["nowhere.dll"])).0, Kind::Library);
    // A library of another package has been loaded before, by the name that it gives itself.
    let named = Elf { name: Some("libnowhere.so.1"), ..Elf::default() };
    let needing = Elf { needed: vec!["libnowhere.so.1"], ..Elf::default() };
    assert_eq!(found(LINUX, &[(PACKAGE, needing.bytes()), ("python/lib/a.so", named.bytes())]), []);
}

#[test]
fn the_run_time_of_visual_cpp_in_another_package_does_not_count() {
    let module = ("python/Lib/site-packages/a/b/module.pyd", pe(0x8664, &["MSVCP140.dll"]));
    let in_package = |path| found(WINDOWS, &[module.clone(), (path, pe(0x8664, &[]))]);
    assert_eq!(in_package("python/Lib/site-packages/other/.libs/msvcp140.dll")[0].0, Kind::Library);
    assert_eq!(in_package("python/Lib/site-packages/a/.libs/msvcp140.dll"), []);
    assert_eq!(in_package("python/msvcp140.dll"), []);
}

#[test]
fn a_system_newer_than_the_floor_is_found() {
    let version = |library, version| Elf { version: Some((library, version)), ..Elf::default() }.bytes();
    assert_eq!(found(LINUX, &[(PACKAGE, version("libc.so.6", "GLIBC_2.28"))]), []);
    for needed in ["GLIBC_2.29", "GLIBC_ABI_DT_RELR", "GLIBC_PRIVATE"] {
        assert_eq!(one(LINUX, version("libc.so.6", needed)).0, Kind::Floor, "{needed}");
    }
    assert_eq!(one(LINUX, version("libstdc++.so.6", "GLIBCXX_3.4.26")).0, Kind::Floor);
    let bundled = Elf { name: Some("libstdc++.so.6"), ..Elf::default() };
    let files = [(PACKAGE, version("libstdc++.so.6", "GLIBCXX_3.4.26")), ("python/lib/a.so", bundled.bytes())];
    assert_eq!(found(LINUX, &files), []);
    assert_eq!(one(MAC, MachO { floor: 0x000e_0100, ..MachO::default() }.bytes()).0, Kind::Floor);
}

#[test]
fn the_versions_of_gcc_are_those_of_the_floor_of_the_targets() {
    // When a developer moves the floor in `targets.toml`, `OF_GCC_8` needs a check as well.
    assert_eq!(platform(LINUX).floor, Some(Version::new(2, 28, 0)));
}

#[test]
fn an_executable_stack_is_found() {
    assert_eq!(one(LINUX, Elf { stack_flags: 7, ..Elf::default() }.bytes()).0, Kind::Stack);
}

#[test]
fn apple_silicon_wants_a_signature_that_is_that_of_the_bytes() {
    let (kind, what) = one(MAC, MachO { is_signed: false, ..MachO::default() }.bytes());
    assert_eq!((kind, what.as_str()), (Kind::Signature, "it is not signed"));
    let intel = MachO { processor: X86_64, is_signed: false, ..MachO::default() }.bytes();
    assert_eq!(found("x86_64-apple-darwin", &[(PACKAGE, intel)]), []);
    for (at, page) in [(5000, 1), (MachO::CODE - 1, 2)] {
        let mut bytes = MachO::default().bytes();
        bytes[at] ^= 1;
        let (kind, what) = one(MAC, bytes);
        assert_eq!(kind, Kind::Signature);
        assert!(what.contains(&format!("from page {page} of 3")), "{what}");
    }
}

#[test]
fn damaged_binaries_are_found_and_nothing_panics() {
    let whole = [
        (LINUX, Elf::default().bytes()),
        (MAC, MachO::default().bytes()),
        (MAC, universal(&[(ARM64, MachO::default().bytes())])),
        (WINDOWS, pe(0x8664, &["KERNEL32.dll"])),
    ];
    for (target, bytes) in whole {
        for length in [4, 8, 20, 60, 100, 200] {
            let (kind, _) = one(target, bytes[..length.min(bytes.len())].to_vec());
            // A universal file that ends after its magic says that it has no slices.
            assert!([Kind::Damaged, Kind::Architecture].contains(&kind), "{target} {length} {kind:?}");
        }
        // Inverts every byte of the tables, one at a time: the scan always returns.
        let files = (4..bytes.len().min(700)).flat_map(|at| {
            [0x00, 0xff, 0x80].map(|value| {
                let mut damaged = bytes.clone();
                damaged[at] = value;
                (format!("lib/{at}-{value}"), damaged)
            })
        });
        let files = files.collect::<Vec<_>>();
        let files = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect::<Vec<_>>();
        scan_files(info(target), &files, &Accepted::default());
    }
}

#[test]
fn what_the_user_gave_is_noted_and_what_is_pinned_fails() {
    let bad = || Elf { path: Some("/home/a/lib"), ..Elf::default() }.bytes();
    let files = [("bin/speaches", bad()), ("python/lib/libpython.so", bad()), (PACKAGE, bad())];
    let paths = |findings: &[Finding]| findings.iter().map(|finding| finding.path.clone()).collect::<Vec<_>>();

    let mut copied = info(LINUX);
    copied.python.copied = true;
    let report = scan_files(copied, &files, &Accepted::default());
    assert_eq!(paths(&report.notes), ["python/lib/libpython.so"]);
    assert_eq!(paths(&report.findings), ["bin/speaches", PACKAGE]);

    // A launcher from the workspace that this machine could link for systems like it only has its excuse, too.
    for (kind, origin, pinned, noted) in [
        (input::Kind::Launcher, Origin::Given, false, "bin/speaches"),
        (input::Kind::Launcher, Origin::Built { needs_this_system: true }, true, "bin/speaches"),
        (input::Kind::Python, Origin::UserArchive, false, "python/lib/libpython.so"),
    ] {
        let mut given = info(LINUX);
        given.inputs.push(Input { kind, origin, pinned, ..wheel("any") });
        let report = scan_files(given, &files, &Accepted::default());
        assert_eq!(paths(&report.notes), [noted]);
        assert_eq!(report.findings.len(), 2);
    }
    assert_eq!(scan_files(info(LINUX), &files, &Accepted::default()).findings.len(), 3);
}

#[test]
fn what_is_accepted_is_counted_and_its_limit_is_stated() {
    let entry = Acceptance {
        files: "package/*".to_owned(),
        kind: Kind::Floor,
        about: "glibc 2.29".to_owned(),
        reason: String::new(),
        limit: Some("needs glibc 2.29".to_owned()),
    };
    let accepted = Accepted { accepted: vec![entry], ..Accepted::default() };
    let needing = |version| [(PACKAGE, Elf { version: Some(("libm.so.6", version)), ..Elf::default() }.bytes())];
    let report = scan_files(info(LINUX), &needing("GLIBC_2.29"), &accepted);
    assert_eq!((report.accepted, report.findings.len()), (1, 0));
    assert_eq!(report.newest, Some(Version::new(2, 29, 0)));
    assert_eq!(report.limits.into_iter().collect::<Vec<_>>(), ["needs glibc 2.29"]);
    assert_eq!(scan_files(info(LINUX), &needing("GLIBC_2.31"), &accepted).findings.len(), 1);
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_program_of_this_machine_is_read() {
    let program = fs_err::read(std::env::current_exe().unwrap()).unwrap();
    let report = scan_files(info(LINUX), &[("bin/other", program)], &Accepted::default());
    assert_eq!(report.binaries, 1);
    assert!(report.newest >= Some(Version::new(2, 14, 0)), "{report:?}");
    assert!(report.findings.iter().all(|finding| finding.problem.kind() == Kind::Floor), "{report:?}");
}

#[test]
fn the_libraries_of_a_chain_have_to_be_loaded_and_not_only_to_be_there() {
    const EXTENSION: &str = "python/lib/python3.12/site-packages/_gpu.cpython-312-darwin.so";
    const BASE: &str = "python/lib/python3.12/site-packages/gpu/.dylibs/libbase.1.dylib";
    const METAL: &str = "python/lib/python3.12/site-packages/gpu/.dylibs/libmetal.1.dylib";
    let library = |needed: &[&'static str]| MachO { needed: needed.to_vec(), ..MachO::default() }.bytes();
    let chain = super::chain::Chain {
        wheel: "gpu".to_owned(),
        target: MAC.to_owned(),
        files: "_gpu.*".to_owned(),
        loads: vec!["libbase.".to_owned(), "libmetal.".to_owned()],
        reason: "the GPU".to_owned(),
    };
    let accepted = Accepted { accepted: Vec::new(), chain: vec![chain] };
    let scanned = |name: &str, files: &[(&str, Vec<u8>)]| {
        let report = scan_files(RuntimeInfo { inputs: vec![wheel(name)], ..info(MAC) }, files, &accepted);
        report.findings.into_iter().map(|finding| finding.problem.to_string()).collect::<Vec<_>>()
    };
    let good = [
        (EXTENSION, library(&["@loader_path/gpu/.dylibs/libbase.1.dylib"])),
        (BASE, library(&["@loader_path/libmetal.1.dylib", "/usr/lib/libSystem.B.dylib"])),
        (METAL, library(&["@loader_path/libbase.1.dylib"])),
    ];
    assert_eq!(scanned("gpu", &good), [""; 0]);
    let without = [good[0].clone(), (BASE, library(&[])), good[2].clone()];
    assert_eq!(scanned("gpu", &without), ["it does not load `libmetal.…`, which is for the GPU"]);
    assert_eq!(scanned("gpu", &good[1..]), ["it is missing, and is for the GPU"]);
    assert_eq!(scanned("gpux", &without), [""; 0], "a runtime without the wheel");
}

fn wheel(name: &str) -> Input {
    Input {
        kind: input::Kind::Wheel,
        name: name.to_owned(),
        version: None,
        file: None,
        origin: Origin::PackageIndex,
        sha256: String::new(),
        pinned: true,
    }
}
