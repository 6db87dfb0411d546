//! Imports go one way: the folders of the tool as ARCHITECTURE.md lists them, and the files of every crate.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::*;
use camino::Utf8Path;

/// The sources of a crate without its tests, by module path.
fn modules(source: &Utf8Path) -> BTreeMap<Vec<String>, String> {
    let mut modules = BTreeMap::new();
    for file in files(source).iter().filter(|file| file.extension() == Some("rs")) {
        let mut path = file.with_extension("").components().map(|part| part.to_string()).collect::<Vec<_>>();
        if path.iter().any(|part| part == "tests" || part.ends_with("_tests")) {
            continue;
        }
        if path.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            path.pop();
        }
        let text = fs_err::read_to_string(source.join(file)).unwrap();
        let code =
            text.lines().take_while(|line| *line != "#[cfg(test)]").filter(|line| !line.trim().starts_with("//"));
        // The roots of a binary and of its library are one module here.
        modules.entry(path).or_insert_with(String::new).extend(code.map(|line| format!("{line}\n")));
    }
    modules
}

/// Every path that a module names, from the root of its crate: in `use` and in expressions.
fn paths(module: &[String], code: &str) -> BTreeSet<Vec<String>> {
    let mut paths = BTreeSet::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start).filter(|(at, _)| !code[..*at].ends_with([':', '_'])) {
            let end = code[at..].find(|letter: char| !letter.is_alphanumeric() && !"_:{}, \n".contains(letter));
            expand(&code[at..at + end.unwrap_or(code.len() - at)], &mut |path| {
                let mut base = if path.starts_with("crate") { Vec::new() } else { module.to_vec() };
                for part in path.split("::").map(str::trim).filter(|part| !part.is_empty() && *part != "crate") {
                    match part {
                        "super" => drop(base.pop()),
                        "self" => {}
                        name => base.push(name.to_owned()),
                    }
                }
                paths.insert(base);
            });
        }
    }
    paths
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`. Text behind a path that is not a group is no part of it.
fn expand(text: &str, each: &mut dyn FnMut(&str)) {
    let plain = text.find(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter)).unwrap_or(text.len());
    let Some(group) = text[plain..].strip_prefix('{').filter(|_| text[..plain].ends_with("::")) else {
        return each(&text[..plain]);
    };
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in group.char_indices() {
        if depth == 0 && ",}".contains(letter) {
            expand(&format!("{}{}", &text[..plain], group[start..at].trim()), each);
            start = at + 1;
        }
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            _ => {}
        }
    }
}

#[test]
fn folders_of_the_tool_import_only_from_folders_above_them() {
    let text = fs_err::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let order = text.lines().find_map(|line| line.strip_prefix("base → ")).expect("ARCHITECTURE.md lists the layers");
    let order = std::iter::once("base").chain(order.split(" → ")).collect::<Vec<_>>();
    let place = |name: &str| order.iter().position(|one| *one == name);
    for (module, code) in modules(&root().join("xtask/src")) {
        let Some(own) = module.first().and_then(|first| place(first)) else {
            // The root names all folders, and what the benchmarks may use comes from anywhere.
            assert!(module.is_empty() || module == ["bench_api"], "`{}` is in no layer", module.join("::"));
            continue;
        };
        for path in paths(&module, &code) {
            let other = path.first().and_then(|first| place(first));
            assert!(other.is_none_or(|other| other <= own), "`{}` imports `{}`", module.join("::"), path.join("::"));
        }
    }
}

#[test]
fn no_two_files_import_each_other() {
    let crates =
        ["xtask", "xtask/bench", "xtask/port", "xtask/wheel", "runtime-template/format", "runtime-template/launcher"];
    for source in crates.map(|name| root().join(name).join("src")) {
        let modules = modules(&source);
        let imports = modules.iter().map(|(module, code)| (module, imported(module, code, &modules)));
        let mut imports = imports.collect::<BTreeMap<_, _>>();
        assert!(imports.values().any(|names| !names.is_empty()) || modules.len() < 4, "nothing is found in {source}");
        // A file that imports none of the remaining files is in no cycle.
        while let Some(module) = imports.iter().find(|(_, names)| names.is_empty()).map(|(module, _)| (*module).clone())
        {
            imports.remove(&module);
            for names in imports.values_mut() {
                names.remove(&module);
            }
        }
        let left = imports.iter().map(|(module, names)| format!("{module:?} imports {names:?}")).collect::<Vec<_>>();
        assert!(left.is_empty(), "a circle in {source}, and what leads to it:\n{}", left.join("\n"));
    }
}

/// The other files of a crate whose items a file names. Naming a child is declaring it.
fn imported(module: &[String], code: &str, modules: &BTreeMap<Vec<String>, String>) -> BTreeSet<Vec<String>> {
    let of = |path: Vec<String>| {
        (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|path| modules.contains_key(path))
    };
    paths(module, code).into_iter().filter_map(of).filter(|other| other != module).collect()
}
