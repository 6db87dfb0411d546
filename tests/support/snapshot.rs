//! The output for users, as snapshots (`cargo insta review` shows changes, `INSTA_UPDATE=always` accepts them).
//!
//! Only words are compared: filters replace what differs between machines and runs.

use insta::Settings;

use super::{Ended, root};

/// The output and the exit code of a program.
pub fn all_of(ended: &Ended) -> String {
    let code = ended.code.map_or_else(|| "none".to_owned(), |code| code.to_string());
    format!("exit code: {code}\n--- stdout\n{}\n--- stderr\n{}", ended.stdout.trim_end(), ended.stderr.trim_end())
}

/// Compares text with the snapshot of this name. `paths` are replaced by their names.
#[track_caller]
pub fn expect(name: &str, text: &str, paths: &[(&str, &str)]) {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(root().join("tests/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for &(path, name) in paths {
        settings.add_filter(&regex::escape(path), name.to_owned());
    }
    let own = [(super::shared_store().to_string(), "[STORE]"), (root().to_string(), "[ROOT]")];
    for (path, name) in own {
        settings.add_filter(&regex::escape(&path), name);
    }
    for (pattern, name) in FILTERS {
        settings.add_filter(pattern, name);
    }
    settings.bind(|| insta::assert_snapshot!(name.replace(' ', "-"), text));
}

/// In this order: what a later pattern would tear apart comes first.
const FILTERS: [(&str, &str); 20] = [
    // A step says how far it is when it takes long.
    (r"(?m)^ *(Planning|Building|Compiling|Unpacking|Fetching|Locating)\b.*( so far| after ).*\n", ""),
    (r"target/tmp/test-\w+", "[SCRATCH]"),
    (r"\b[0-9a-f]{64}\b", "[SHA256]"),
    (r"\b[0-9a-f]{40}\b", "[GIT]"),
    (r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:[PORT]"),
    (r"`[^`\n]*/python3[^`\n]*`", "`[INTERPRETER]`"),
    (r"(x86_64|aarch64)-unknown-linux-gnu", "[TARGET]"),
    (r"Linux with glibc [^)]*\)", "[DESCRIPTION])"),
    (r"(?m)^  wheel .*\n(  wheel .*\n)*", "  [WHEELS]\n"),
    (r"\b\d+(\.\d+)? (B|kB|MB|GB)\b", "[SIZE]"),
    (r"\b\d+(\.\d+)? (ms|s|min)\b", "[TIME]"),
    (r"\b3\.1[0-3](\.\d+)?\b", "[PYTHON]"),
    (r"\bpy3\.1\d\b", "py[PYTHON]"),
    (r"\bpid \d+", "pid [PID]"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\dZ]*", "[NOW]"),
    (r"\b\d+ (wheels|files|inputs|modules|connections|crates|libraries|binaries|words)\b", "[N] $1"),
    (r"\[SIZE\]/s", "[SIZE]/s"),
    (r" {3,}", "  "),
    (r"\[TIME\] \[TIME\]", "[TIME]"),
    (r"\b\d+ of them", "[N] of them"),
];
