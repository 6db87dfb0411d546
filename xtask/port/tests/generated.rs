//! Generated modules, and fixtures with bytes changed at random.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod python;

use std::path::Path;
use std::process::Command;

use downlevel::{Target, downlevel, prove};
use proptest::prelude::*;

const TARGETS: [Target; 2] = [Target::PYTHON_3_10, Target::PYTHON_3_11];

/// One statement of a generated module; `{n}` is replaced by a number, so that names differ or clash.
const STATEMENTS: &[&str] = &[
    "import asyncio",
    "import typing as t",
    "from typing import Any, Self, override",
    "from typing import (\n    Any,  # any\n    NotRequired,\n)",
    "from datetime import UTC, timedelta",
    "import datetime as clock; now{n} = clock.UTC",
    "from enum import StrEnum",
    "import tomllib",
    "x{n} = 1",
    "def f{n}[T](item: T) -> list[T]: return [item]",
    "async def g{n}[T: int, **P](*args: P.args, **kwargs: P.kwargs) -> \"T\":\n    return args",
    "class C{n}[T]:\n    def m[U: \"T\"](self, other: U) -> \"dict[T, U]\": ...",
    "class D{n}[T: (int, str)](dict[str, T]):\n    type Own = list[str]",
    "@staticmethod\ndef h{n}[T](item: T) -> T:\n    def inner[T](item: T) -> T: return item\n    return inner(item)",
    "type A{n} = dict[str, A{n}] | None",
    "type B{n}[T] = list[T]; y{n} = 2",
    "def k{n}[*Ts](*args: *Ts) -> tuple[*Ts]: return args",
    "z{n} = f\"{'a'}{\"b\"}\"",
    "if x{n}:\n    from typing import Never\n    class E{n}[T]: pass",
    "T = {n}",
    "def l{n}():\n    async def r(): \n        async with asyncio.timeout({n}): pass\n    return ExceptionGroup",
    "# a comment",
    "",
    "class V{n}[\n    T,\n    *Ts,  # many\n]:\n    item: T",
];

fn module() -> impl Strategy<Value = String> {
    let statement = (0..STATEMENTS.len(), 0..3_u8);
    let heads = prop_oneof![
        Just(""),
        Just("\"\"\"Docstring.\"\"\"\n"),
        Just("#!/usr/bin/env python3\n# -*- coding: utf-8 -*-\n\n"),
        Just("\"\"\"Docstring.\"\"\"\nfrom __future__ import annotations\n"),
    ];
    let newline = prop_oneof![Just("\n"), Just("\r\n")];
    (heads, proptest::collection::vec(statement, 0..12), newline, any::<bool>()).prop_map(
        |(head, statements, newline, end)| {
            let mut source = head.to_owned();
            for (index, number) in statements {
                source.push_str(&STATEMENTS[index].replace("{n}", &number.to_string()));
                source.push('\n');
            }
            if !end {
                source.truncate(source.trim_end().len());
            }
            source.replace('\n', newline)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_modules_are_rewritten_once_and_keep_their_lines(source in module()) {
        for target in TARGETS {
            let outcome = downlevel("generated.py", &source, target).map_err(|refusals| TestCaseError::fail(refusals.to_string()))?;
            let Some(text) = outcome.text else {
                prop_assert!(prove(&source, target).is_ok());
                continue;
            };
            prop_assert!(prove(&text, target).is_ok());
            let again = downlevel("generated.py", &text, target).map_err(|refusals| TestCaseError::fail(refusals.to_string()))?;
            prop_assert_eq!(again.text, None);
            prop_assert_eq!(text.lines().count() == source.lines().count(), outcome.first_moved_line.is_none());
            prop_assert_eq!(text.matches('\r').count() == 0, source.matches('\r').count() == 0);
        }
    }
}

/// A small generator of numbers, so that a failure can be repeated from its number alone.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

fn all_fixtures() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut sources = Vec::new();
    for kind in ["rewritten", "refused", "unchanged", "expected"] {
        let mut paths: Vec<_> = fs_err::read_dir(root.join(kind)).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        sources.extend(paths.into_iter().map(|path| fs_err::read_to_string(path).unwrap()));
    }
    sources
}

#[test]
fn no_change_of_a_fixture_makes_it_panic() {
    let rounds = std::env::var("DOWNLEVEL_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(4000);
    let sources = all_fixtures();
    let snippets = [
        "[T]",
        "[",
        "]",
        "(",
        ")",
        "*",
        "**",
        ":",
        ";",
        "\\\n",
        "\n",
        "\r",
        "\t",
        " ",
        "#",
        "\"",
        "'",
        "\"\"\"",
        "f\"",
        "{",
        "}",
        "type X = ",
        "T",
        "asyncio.",
        "from typing import ",
        "import ",
        "class ",
        "def ",
        "async ",
        "ö",
        "\u{feff}",
        "\0",
        ",",
        "except* ",
        "lambda: ",
        "=",
        "if ",
        "TYPE_CHECKING",
        "0",
        "@",
        "\u{c}",
    ];
    let mut numbers = Numbers(1);
    for round in 0..rounds {
        let mut source: Vec<char> = sources[numbers.below(sources.len())].chars().collect();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(source.len() + 1);
            match numbers.below(4) {
                0 => {
                    let end = (at + 1 + numbers.below(12)).min(source.len());
                    source.drain(at.min(end)..end);
                }
                1 | 2 => {
                    let snippet = snippets[numbers.below(snippets.len())];
                    source.splice(at..at, snippet.chars());
                }
                _ => {
                    let from = numbers.below(source.len() + 1);
                    let end = (from + numbers.below(40)).min(source.len());
                    let copied = source[from..end].to_vec();
                    source.splice(at..at, copied);
                }
            }
        }
        let source: String = source.into_iter().collect();
        let target = TARGETS[round % 2];
        let result = std::panic::catch_unwind(|| downlevel("mutated.py", &source, target));
        let outcome = result.unwrap_or_else(|_| panic!("round {round} panics on:\n{source}"));
        if let Ok(downlevel::Outcome { text: Some(text), .. }) = outcome {
            let again = downlevel("mutated.py", &text, target)
                .unwrap_or_else(|refusals| panic!("{refusals}\n{source}\n--\n{text}"));
            assert_eq!(again.text, None, "round {round}:\n{source}\n--\n{text}");
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("-", ""), ("a + ", "a"), ("lambda: ", "0"), ("f(", ")"), ("a.", "b"), ("{**", "}")]
    {
        for depth in [100, 200, 290, 400, 440, 600, 890, 3_000, 20_000, 60_000] {
            let source = format!("x = {}1{}\n", open.repeat(depth), close.repeat(depth));
            let _ = downlevel("deep.py", &source, Target::PYTHON_3_10);
            let _ = prove(&source, Target::PYTHON_3_10);
        }
    }
    let source = "if x:\n".to_owned() + &(1..2000).map(|depth| " ".repeat(depth) + "if x:\n").collect::<String>();
    let _ = downlevel("deep.py", &source, Target::PYTHON_3_10);
}

/// A real Python 3.10 can compile the results for generated modules.
#[test]
fn generated_modules_compile_on_python_3_10() {
    let Some(interpreter) = python::find(10) else {
        return python::not_run("python3.10", "generated modules", "there is no python3.10 on this machine");
    };
    let directory = tempfile::tempdir().unwrap();
    let mut numbers = Numbers(7);
    for index in 0..200 {
        let statements = (0..numbers.below(12)).map(|_| {
            let number = numbers.below(3).to_string();
            STATEMENTS[numbers.below(STATEMENTS.len())].replace("{n}", &number) + "\n"
        });
        let source: String = statements.collect();
        let outcome = downlevel("generated.py", &source, Target::PYTHON_3_10)
            .unwrap_or_else(|refusals| panic!("{refusals}\n{source}"));
        fs_err::write(directory.path().join(format!("module_{index}.py")), outcome.text.unwrap_or(source)).unwrap();
    }
    let output =
        Command::new(interpreter).args(["-I", "-m", "compileall", "-q"]).arg(directory.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
