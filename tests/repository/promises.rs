//! Agreement of the documents, the manifests, and the code in both languages.

use std::collections::BTreeMap;

#[cfg(unix)]
use crate::commands::*;
use crate::support::*;
use camino::Utf8PathBuf;
use speaches_format::exit::Exit;

#[test]
fn the_table_of_exit_codes_is_that_of_the_programs() {
    let text = fs_err::read_to_string(root().join("docs/exit-codes.md")).unwrap();
    let documented = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next()?.trim().parse::<u8>().ok())
        .collect::<Vec<_>>();
    assert_eq!(documented, Exit::ALL.map(Exit::code));

    // The service manager cannot share the enum, so its numbers are compared.
    let python =
        fs_err::read_to_string(root().join("runtime-template/service/speaches_service/exit_codes.py")).unwrap();
    let codes = python
        .lines()
        .filter_map(|line| {
            let (name, code) = line.trim().split_once(" = ")?;
            name.chars().all(|c| c.is_ascii_uppercase() || c == '_').then(|| code.parse::<u8>().ok())?
        })
        .collect::<Vec<_>>();
    assert!(codes.len() >= 6, "the enum of the service manager was not found");
    for code in codes {
        assert!(documented.contains(&code), "the service manager ends with {code}, which is not documented");
    }
}

fn documents() -> Vec<Utf8PathBuf> {
    let mut documents = ["", "docs", "docs/benchmarks", "deploy"]
        .into_iter()
        .flat_map(|directory| {
            let found = root().join(directory).read_dir_utf8().unwrap().map(|entry| entry.unwrap().into_path());
            found.collect::<Vec<_>>()
        })
        .filter(|path| path.extension() == Some("md"))
        .collect::<Vec<_>>();
    documents.sort();
    documents
}

#[test]
fn documents_mention_no_command_that_does_not_exist() {
    let help = run(&mut xtask(&["--help"])).expect(0).stdout;
    for document in documents() {
        let text = fs_err::read_to_string(&document).unwrap();
        for (_, rest) in text.match_indices("cargo xtask ").map(|(at, found)| (at, &text[at + found.len()..])) {
            let command = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap();
            assert!(command.is_empty() || help.contains(&format!("  {command} ")), "`{document}` mentions `{command}`");
        }
    }
}

/// A block of commands in a document.
#[cfg(unix)]
struct Block {
    language: String,
    /// Why no test runs it, if it says so.
    not_run: Option<String>,
    script: String,
}

#[test]
fn on_windows_the_service_waits_for_the_event_that_the_launcher_sets() {
    let read = |path: &str| fs_err::read_to_string(root().join(path)).unwrap();
    let service = read("runtime-template/service/speaches_service/stop_event.py");
    let launcher = read("runtime-template/launcher/src/process/windows.rs");
    let named = |text: &str| text.split('"').find(|part| part.starts_with("Global")).map(str::to_owned);
    assert!(named(&service).is_some_and(|name| name.contains("speaches-stop-")));
    assert_eq!(named(&service), named(&launcher));
}

/// The blocks of commands of a document. A line before one may say `<!-- not run: why -->`.
#[cfg(unix)]
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::<Block>::new();
    let mut is_open = false;
    let mut before = "";
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(_) if is_open => is_open = false,
            Some(language) => {
                is_open = true;
                let reason = before.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
                let not_run = reason.map(str::to_owned);
                blocks.push(Block { language: language.to_owned(), not_run, script: String::new() });
            }
            None if is_open => {
                let script = &mut blocks.last_mut().unwrap().script;
                script.push_str(line);
                script.push('\n');
            }
            None => {}
        }
        before = line;
    }
    assert!(!is_open, "a block does not end");
    blocks.retain(|block| ["sh", "bash", "shell", "console", "powershell"].contains(&block.language.as_str()));
    blocks
}

#[cfg(unix)]
#[test]
fn every_command_of_a_document_is_taken_by_its_program_or_marked_as_not_run() {
    let mut wrong = Vec::new();
    for document in documents() {
        for block in blocks(&fs_err::read_to_string(&document).unwrap()) {
            let name = document.strip_prefix(root()).unwrap();
            if let Some(reason) = &block.not_run {
                println!("marked as not run: a block of {name}: {reason}");
            }
            if block.language == "powershell" {
                assert!(block.not_run.is_some(), "{name}: nothing here can run that: {}", block.script);
                continue;
            }
            // `…` stands for what a reader puts there.
            let script = block.script.replace('…', "");
            for command in lines(&script).iter().flat_map(|line| words(line)) {
                match Program::of(&command) {
                    Some((program, arguments)) => {
                        if let Some(why) = program.refuses(arguments) {
                            wrong.push(format!("{name}: {why}: {}", command.join(" ")));
                        }
                    }
                    None if block.not_run.is_none() => wrong.push(format!(
                        "{name}: `{}` is of no program of this repository: say why no test runs it",
                        command.join(" ")
                    )),
                    None => {}
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn locks_name_wheels_and_no_package_index() {
    for directory in ["manifests/locks", "manifests/sample/locks", "manifests/tones/locks"] {
        let locks = files(&root().join(directory));
        for lock in locks {
            let text = fs_err::read_to_string(root().join(directory).join(&lock)).unwrap();
            let parsed: toml::Table = toml::from_str(&text).unwrap();
            assert_eq!(parsed["lock-version"].as_str(), Some("1.0"));
            for package in parsed["packages"].as_array().unwrap() {
                let [wheel] = package["wheels"].as_array().unwrap().as_slice() else {
                    panic!("`{lock}`: not one wheel: {package}");
                };
                // PyTorch's wheels for the processor are on its own index, and only there.
                let place = wheel.get("path").or(wheel.get("url")).unwrap().as_str().unwrap();
                assert!(
                    place.starts_with("wheels/") || place.starts_with("https://download.pytorch.org/"),
                    "`{lock}`: {place}"
                );
                assert_eq!(wheel["hashes"]["sha256"].as_str().map(str::len), Some(64));
            }
        }
    }
}

#[test]
fn the_pins_of_the_sample_are_those_of_its_files() {
    // Reading the miniature checks every file against its pins; an edit without `cargo xtask lock --sample` fails here.
    let scratch = scratch();
    let mut command = xtask(&["provision", TONES, "--dry-run"]);
    run(command.env("SPEACHES_STORE", scratch.path.join("store"))).expect(0);
}

#[test]
fn every_archive_of_a_release_is_of_that_release() {
    let text = fs_err::read_to_string(root().join("manifests/python.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let mut minors = BTreeMap::new();
    for release in manifest["release"].as_array().unwrap() {
        let (version, build) = (release["version"].as_str().unwrap(), release["build"].as_str().unwrap());
        let archives = release["archives"].as_table().unwrap();
        for (target, archive) in archives {
            let name = format!("/{build}/cpython-{version}%2B{build}-{target}-install_only_stripped.tar.gz");
            assert!(archive["url"].as_str().unwrap().ends_with(&name), "{archive}");
        }
        let minor = version.rsplit_once('.').unwrap().0.to_owned();
        minors.entry(minor).or_insert_with(Vec::new).extend(archives.keys().cloned());
    }
    let targets = fs_err::read_to_string(root().join("manifests/targets.toml")).unwrap();
    let targets: toml::Table = toml::from_str(&targets).unwrap();
    for (minor, archives) in minors {
        for target in targets["target"].as_table().unwrap().keys() {
            assert!(archives.contains(target), "there is no CPython {minor} for {target}");
        }
    }
}
