//! Every file of a real tree is unchanged, rewritten to something that passes the proof, or refused with a
//! reason. Not run by default, since it takes a Python installation:
//!
//! ```sh
//! DOWNLEVEL_CORPUS=/path/to/lib/python3.12 cargo test --release -p downlevel --test corpus -- --ignored --nocapture
//! ```
//!
//! When a CPython of the target is on the machine, it also compiles every result.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod python;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use downlevel::{Target, downlevel, prove};

fn python_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => python_files(&path, found),
            Ok(kind) if kind.is_file() && path.extension().is_some_and(|extension| extension == "py") => {
                found.push(path);
            }
            _ => {}
        }
    }
}

#[test]
#[ignore = "needs DOWNLEVEL_CORPUS, a directory of Python files"]
fn every_file_of_a_real_tree_is_rewritten_or_refused() {
    let Some(root) = std::env::var_os("DOWNLEVEL_CORPUS").map(PathBuf::from) else {
        eprintln!("NOT RUN: DOWNLEVEL_CORPUS names no directory");
        return;
    };
    let mut paths = Vec::new();
    python_files(&root, &mut paths);
    paths.sort();
    // A function that takes text cannot get invalid UTF-8.
    let sources: Vec<_> = paths.iter().filter_map(|path| Some((path, fs_err::read_to_string(path).ok()?))).collect();
    for target in [Target::PYTHON_3_10, Target::PYTHON_3_11] {
        let begin = Instant::now();
        let outcomes: Vec<_> =
            sources.iter().map(|(path, source)| downlevel(&path.display().to_string(), source, target)).collect();
        let elapsed = begin.elapsed();
        let (mut unchanged, mut refused, mut refusals, mut moved) = (0, 0, 0, 0);
        let mut constructs = BTreeMap::<_, usize>::new();
        let directory = tempfile::tempdir().unwrap();
        let mut results = 0;
        for (index, ((path, source), outcome)) in sources.iter().zip(outcomes).enumerate() {
            match outcome {
                Ok(outcome) => {
                    unchanged += usize::from(outcome.text.is_none());
                    moved += usize::from(outcome.first_moved_line.is_some());
                    for finding in &outcome.findings {
                        *constructs.entry(finding.construct.to_string()).or_default() += 1;
                    }
                    if let Some(text) = &outcome.text {
                        results += 1;
                        assert_eq!(prove(text.trim_start_matches('\u{feff}'), target), Ok(()), "{}", path.display());
                        let again = downlevel("again", text, target).unwrap_or_else(|refusals| panic!("{refusals}"));
                        assert_eq!(again.text, None, "{}", path.display());
                        let same = text.lines().count() == source.lines().count();
                        assert_eq!(same, outcome.first_moved_line.is_none(), "{}", path.display());
                        fs_err::write(directory.path().join(format!("file_{index}.py")), text).unwrap();
                    }
                }
                Err(found) => {
                    refused += 1;
                    refusals += found.as_slice().len();
                    assert!(found.as_slice().iter().all(|refusal| refusal.line > 0 && !refusal.reason.is_empty()));
                }
            }
        }
        let lines: usize = sources.iter().map(|(_, source)| source.lines().count()).sum();
        println!(
            "Python {target}: {} files, {lines} lines in {elapsed:?}: {unchanged} unchanged, {results} rewritten \
             ({moved} with moved lines), {refused} refused at {refusals} places",
            sources.len()
        );
        for (construct, count) in constructs {
            println!("{count:6} {construct}");
        }
        let Some(interpreter) = python::find(target.minor()) else {
            println!("NOT RUN: no python{target}, so the results are proved but not compiled");
            continue;
        };
        let compiled = Command::new(interpreter)
            .args(["-I", "-W", "ignore", "-m", "compileall", "-q"])
            .arg(directory.path())
            .output()
            .unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
        println!("{results} results compile with python{target}");
    }
}
