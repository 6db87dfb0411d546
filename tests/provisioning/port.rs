//! `cargo xtask port` on another project than speaches.

use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};

fn project(root: &Utf8Path) -> Utf8PathBuf {
    let project = root.join("project");
    fs_err::create_dir_all(project.join("package")).unwrap();
    fs_err::create_dir_all(project.join(".venv/lib")).unwrap();
    fs_err::write(project.join("package/new.py"), "\"\"\"New.\"\"\"\n\ntype Number = int | float  # kept\n").unwrap();
    fs_err::write(project.join("package/old.py"), "x  =  1\n").unwrap();
    fs_err::write(project.join(".venv/lib/other.py"), "type X = int\n").unwrap();
    project
}

#[test]
fn a_table_says_what_changes_and_what_that_needs() {
    let scratch = scratch();
    let project = project(&scratch.path);
    let ended = run(&mut xtask(&["port", "--speaches-from", project.as_str()])).expect(0);
    assert_eq!(
        ended.stdout,
        "package/new.py  1 type alias\n\n    1  type alias\n    1  in all\n\nneeds typing-extensions>=4.13.0\n"
    );
    ended.says("Ported 2 files to Python 3.10, 1 of them changed");
}

#[test]
fn a_diff_and_a_tree_have_the_same_change() {
    let scratch = scratch();
    let project = project(&scratch.path);
    let out = scratch.path.join("ported");
    let arguments = ["port", "--speaches-from", project.as_str(), "--diff", "--out", out.as_str()];
    let ended = run(&mut xtask(&arguments)).expect(0);
    for line in [
        "--- a/package/new.py",
        "-type Number = int | float  # kept",
        "+Number = TypeAliasType(\"Number\", int | float)  # kept",
    ] {
        assert!(ended.stdout.lines().any(|found| found == line), "`{line}` is not in:\n{}", ended.stdout);
    }
    assert_eq!(files(&out), ["package/new.py", "package/old.py"]);
    assert_eq!(fs_err::read_to_string(out.join("package/old.py")).unwrap(), "x  =  1\n");
    run(&mut xtask(&arguments)).expect(73).says("already exists");
    let again = run(&mut xtask(&["port", "--speaches-from", out.as_str()])).expect(0);
    assert_eq!(again.stdout, "nothing has to change\n");
}

#[test]
fn refusals_come_all_at_once_and_nothing_is_written() {
    let scratch = scratch();
    let project = project(&scratch.path);
    fs_err::write(project.join("package/a.py"), "try:\n    pass\nexcept* ValueError:\n    pass\n").unwrap();
    fs_err::write(project.join("package/b.py"), "import itertools\nitertools.batched('ab', 1)\n").unwrap();
    let out = scratch.path.join("ported");
    run(&mut xtask(&["port", "--speaches-from", project.as_str(), "--out", out.as_str()]))
        .expect(65)
        .says("package/a.py:3")
        .says("package/b.py:2")
        .says("hint: ");
    assert!(!out.exists());
    run(&mut xtask(&["port", "--speaches-from", project.as_str(), "--python", "3.12"])).expect(64);
    run(&mut xtask(&["port", "--speaches-from", "/nowhere"])).expect(66);
}

#[test]
fn possible_differences_are_reported_and_refused_on_request() {
    let scratch = scratch();
    let project = project(&scratch.path);
    fs_err::write(project.join("package/a.py"), "def f(number):\n    return number.to_bytes()\n").unwrap();
    let out = scratch.path.join("ported");
    let note = "package/a.py:2: `number.to_bytes` may differ on 3.10: ";
    run(&mut xtask(&["port", "--speaches-from", project.as_str()])).expect(0).says(&format!("note: {note}"));
    let arguments = ["port", "--strict", "--speaches-from", project.as_str(), "--out", out.as_str()];
    run(&mut xtask(&arguments)).expect(65).says(note).says("hint: ");
    assert!(!out.exists());
    fs_err::remove_file(project.join("package/a.py")).unwrap();
    run(&mut xtask(&arguments)).expect(0);
}
