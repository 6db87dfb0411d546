//! One small Python file per construct: how it is rewritten, why it is refused, what is left alone.
//!
//! `DOWNLEVEL_BLESS=1 cargo test -p downlevel` writes the expected files anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod python;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use downlevel::{Package, Target, downlevel, prove};

const TARGETS: [Target; 2] = [Target::PYTHON_3_10, Target::PYTHON_3_11];

fn fixtures(kind: &str) -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let mut paths: Vec<PathBuf> = fs_err::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let named = paths.into_iter().map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // A checkout may have turned the line ends; what they do has tests of its own.
        (name, fs_err::read_to_string(path).unwrap().replace("\r\n", "\n"))
    });
    named.collect()
}

#[test]
fn every_construct_is_rewritten_as_expected() {
    let bless = std::env::var_os("DOWNLEVEL_BLESS").is_some();
    for (name, source) in fixtures("rewritten") {
        let outcome = downlevel(&name, &source, Target::PYTHON_3_10).unwrap_or_else(|refusals| panic!("{refusals}"));
        let text = outcome.text.unwrap_or_else(|| panic!("{name} was not rewritten"));
        let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/expected").join(&name);
        if bless {
            fs_err::write(expected, text).unwrap();
        } else {
            let expected = fs_err::read_to_string(expected).unwrap().replace("\r\n", "\n");
            assert_eq!(text, expected, "{name}");
        }
    }
}

#[test]
fn lines_keep_their_numbers_unless_the_outcome_says_so() {
    for target in TARGETS {
        for (name, source) in fixtures("rewritten") {
            let outcome = downlevel(&name, &source, target).unwrap();
            let Some(text) = outcome.text else { continue };
            let moved = text.lines().count() != source.lines().count();
            assert_eq!(moved, outcome.first_moved_line.is_some(), "{name}");
            assert_eq!(moved, name == "first_line.py", "{name}");
        }
    }
}

#[test]
fn rewriting_twice_changes_nothing_more() {
    for target in TARGETS {
        for (name, source) in fixtures("rewritten") {
            let Some(text) = downlevel(&name, &source, target).unwrap().text else {
                continue;
            };
            let again = downlevel(&name, &text, target).unwrap_or_else(|refusals| panic!("{refusals}"));
            assert_eq!(again.text, None, "{name}");
            assert_eq!(again.findings, [], "{name}");
            assert_eq!(prove(&text, target), Ok(()), "{name}");
        }
    }
}

#[test]
fn code_that_needs_no_change_is_kept() {
    for target in TARGETS {
        for (name, source) in fixtures("unchanged") {
            let outcome = downlevel(&name, &source, target).unwrap_or_else(|refusals| panic!("{refusals}"));
            assert_eq!(outcome, downlevel::Outcome::default(), "{name}");
        }
    }
}

/// The head of a refused fixture lists line and construct of every refusal: `# 5 except*`.
#[test]
fn impossible_constructs_are_refused_with_line_and_construct() {
    for (name, source) in fixtures("refused") {
        let expected: Vec<_> = source.lines().map_while(|line| line.strip_prefix("# ")).map(str::to_owned).collect();
        let refusals = downlevel(&name, &source, Target::PYTHON_3_10).expect_err(&name);
        let found: Vec<_> =
            refusals.as_slice().iter().map(|refusal| format!("{} {}", refusal.line, refusal.construct)).collect();
        if name == "encoding.py" {
            assert_eq!(found, ["1 latin-1"]);
        } else if name == "syntax_error.py" {
            assert_eq!(found.first(), expected.first(), "{name}");
        } else {
            assert_eq!(found, expected, "{name}: {refusals}");
        }
    }
}

/// The head of a noted fixture lists line and code of every note, as that of a refused one does.
#[test]
fn constructs_that_depend_on_types_are_noted_with_line_and_code() {
    for (name, source) in fixtures("noted") {
        let expected: Vec<_> = source.lines().map_while(|line| line.strip_prefix("# ")).map(str::to_owned).collect();
        let outcome = downlevel(&name, &source, Target::PYTHON_3_10).unwrap_or_else(|refusals| panic!("{refusals}"));
        let found: Vec<_> = outcome.notes.iter().map(|note| format!("{} {}", note.line, note.construct)).collect();
        assert_eq!(found, expected, "{name}");
        assert_eq!(outcome.text, None, "{name}");
    }
}

#[test]
fn a_refusal_reads_as_a_sentence() {
    let source = "try:\n    pass\nexcept* ValueError:\n    pass\n";
    let refusals = downlevel("src/a.py", source, Target::PYTHON_3_10).unwrap_err();
    assert_eq!(
        refusals.to_string(),
        "src/a.py:3: `except*` has no form in Python 3.10; hint: catch `ExceptionGroup` and split it, or use \
         `exceptiongroup.catch`"
    );
    assert_eq!(refusals.as_slice()[0].column, 1);
    assert_eq!(downlevel("src/a.py", source, Target::PYTHON_3_11), Ok(downlevel::Outcome::default()));
}

#[test]
fn packages_are_those_that_the_result_imports() {
    for (name, source) in fixtures("rewritten") {
        let outcome = downlevel(&name, &source, Target::PYTHON_3_10).unwrap();
        let Some(text) = &outcome.text else { continue };
        let all = [
            Package::BackportsStrenum,
            Package::Exceptiongroup,
            Package::Taskgroup,
            Package::Tomli,
            Package::TypingExtensions,
        ];
        let imports = |text: &str, package: Package| {
            let (from, whole) = (format!("from {} import", package.module()), format!("import {}", package.module()));
            text.contains(&from) || text.contains(&whole)
        };
        let imported: BTreeSet<_> =
            all.into_iter().filter(|package| imports(text, *package) && !imports(&source, *package)).collect();
        assert_eq!(outcome.packages, imported, "{name}");
    }
}

/// Runs every fixture as it is on Python 3.12 and rewritten on the target, and compares what they print.
fn behaves(target: Target) {
    let Some(python) = python::with_packages(target.minor()) else {
        return;
    };
    let original = python::find(12);
    if original.is_none() {
        python::not_run("python3.12", "the originals of rewritten fixtures", "there is no python3.12 to compare with");
    }
    let directory = tempfile::tempdir().unwrap();
    let mut different = Vec::new();
    for (name, source) in fixtures("rewritten") {
        let outcome = downlevel(&name, &source, target).unwrap();
        let path = directory.path().join(&name);
        fs_err::write(&path, outcome.text.as_deref().unwrap_or(&source)).unwrap();
        let printed = python::run(&python, &path);
        assert!(!printed.is_empty(), "{name} prints nothing");
        if let Some(original) = &original {
            fs_err::write(&path, &source).unwrap();
            let expected = python::run(original, &path);
            if printed != expected {
                different.push(format!("{name}\nPython {target}: {printed}Python 3.12: {expected}"));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn rewritten_fixtures_behave_on_python_3_10_as_the_originals_on_3_12() {
    behaves(Target::PYTHON_3_10);
}

#[test]
fn rewritten_fixtures_behave_on_python_3_11_as_the_originals_on_3_12() {
    behaves(Target::PYTHON_3_11);
}

#[test]
fn line_ends_marks_and_blanks_survive() {
    let rewrite = |source: &str| downlevel("a.py", source, Target::PYTHON_3_10).unwrap().text.unwrap();
    // Carriage returns, also those of a list that goes.
    let source = "import a\r\n\r\nclass C[\r\n    T,\r\n]:\r\n    x: T\r\n";
    let text = rewrite(source);
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
    assert_eq!(text.lines().count(), source.lines().count());
    // A byte-order mark, which stays the first character.
    let text = rewrite("\u{feff}type X = int\n");
    assert!(text.starts_with("\u{feff}from typing_extensions"), "{text}");
    // A line end of old.
    let refusals = downlevel("a.py", "x = 1\rtype X = int\r", Target::PYTHON_3_10);
    assert!(refusals.is_err() || refusals.unwrap().text.is_none());
    // Form feeds and blanks on empty lines.
    assert_eq!(
        rewrite("# a\n\x0c\n  \nclass C[T]: ...\n"),
        "# a\n\x0c\nfrom typing import Generic, TypeVar; T = TypeVar(\"T\")\nclass C(Generic[T]): ...\n"
    );
}

#[test]
fn imports_lose_names_without_losing_lines_or_comments() {
    let rewrite = |source: &str| downlevel("a.py", source, Target::PYTHON_3_10).unwrap().text.unwrap();
    let cases = [
        ("from typing import Self\n", "from typing_extensions import Self\n"),
        ("from typing import Self as S, Any\n", "from typing import Any; from typing_extensions import Self as S\n"),
        (
            "from typing import Any, Self, Never, cast\n",
            "from typing import Any, cast; from typing_extensions import Self, Never\n",
        ),
        (
            "from typing import (Any, Self,)  # x\n",
            "from typing import (Any,); from typing_extensions import Self  # x\n",
        ),
        (
            "from typing import (\n    Any,\n    Self,\n)\n",
            "from typing import (\n    Any,\n\n); from typing_extensions import Self\n",
        ),
        (
            "from typing import (\n    Self,  # x\n    Any\n)\n",
            "from typing import (\n      # x\n    Any\n); from typing_extensions import Self\n",
        ),
        (
            "from typing import (\n    Any,\n    Self\n)\n",
            "from typing import (\n    Any\n\n); from typing_extensions import Self\n",
        ),
        ("from typing import Any, \\\n    Self\n", "from typing import Any \\\n; from typing_extensions import Self\n"),
        (
            "if x: from typing import Self, Any; y = 1\n",
            "if x: from typing import Any; from typing_extensions import Self; y = 1\n",
        ),
        ("from datetime import UTC, date\n", "from datetime import timezone, date; UTC = timezone.utc\n"),
        ("from datetime import UTC, timezone\n", "from datetime import timezone; UTC = timezone.utc\n"),
        ("import os, tomllib as t\n", "import os, tomli as t\n"),
    ];
    for (source, expected) in cases {
        assert_eq!(rewrite(source), expected);
    }
}
