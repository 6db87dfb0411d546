//! Bytecode of everything in a runtime, compiled once per tree and kept in the store.
//!
//! PEP 552, "unchecked hash-based pycs": the interpreter takes them without looking at the source, so they
//! survive moving, copying and archives with any timestamps. Each tree is compiled by a process of its own in
//! sorted order with a fixed hash seed, because what `marshal` writes depends on what the process did before.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use camino::Utf8PathBuf;
use fs_err::File;

use speaches_format::system::System;

use crate::base::digest::Sha256;
use crate::base::failure::{Exit, Failure};
use crate::inputs::python::local_interpreter::Interpreter;
use crate::pins::manifest::minor_of;
use crate::store::Store;
use crate::store::tree::{Entry, RelativePath, Tree};
use crate::work::{self, WorkDirectory};

const COMPILE: &str = include_str!("bytecode.py");
const CHECK: &str = "import sys; compile(open(sys.argv[1], 'rb').read(), sys.argv[1], 'exec', dont_inherit=True)";

/// A CPython that can run here, of the minor version that a runtime has.
#[derive(Clone, Debug)]
pub struct Compiler {
    pub executable: Utf8PathBuf,
    /// The directory of its shared library, when it needs one.
    pub library: Option<Utf8PathBuf>,
    /// `cpython-312`
    pub cache_tag: String,
    pub identity: Sha256,
}

impl Compiler {
    /// The interpreter in a tree of the store, if it runs on this machine.
    pub fn of_tree(tree: &Tree, interpreter: &str, minor: &str) -> Self {
        Self {
            executable: tree.content.join(interpreter),
            library: Some(tree.content.join("lib")),
            cache_tag: format!("cpython-{}", minor.replace('.', "")),
            identity: tree.sha256(),
        }
    }

    pub fn of_interpreter(interpreter: &Interpreter) -> Self {
        Self {
            executable: interpreter.executable().to_owned(),
            library: None,
            cache_tag: format!("cpython-{}", minor_of(&interpreter.version).replace('.', "")),
            identity: interpreter.identity,
        }
    }

    /// A command that runs it apart from the user's environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.env_clear().envs(std::env::vars_os().filter(|(name, _)| {
            name.to_str().is_some_and(|name| matches!(name, "PATH" | "HOME" | "TMPDIR" | "SYSTEMROOT"))
        }));
        if let Some(library) = &self.library {
            let variable = if System::HERE == System::MacOs { "DYLD_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };
            command.env(variable, library);
        }
        command
    }

    /// The bytecode of a tree: a tree of `__pycache__` directories that belongs into the same place.
    pub fn compile(&self, store: &Store, tree: &Tree) -> Result<Tree> {
        let key = Sha256::of_json(&(COMPILE, self.identity, tree.sha256()));
        store.make_tree("bytecode", key, |writer| {
            let work = WorkDirectory::new_in(&store.work())?;
            let mut jobs = String::new();
            let mut made = Vec::new();
            for (path, entry) in &tree.entries {
                let (Entry::File { .. }, Some(stem)) = (entry, path.as_str().strip_suffix(".py")) else {
                    continue;
                };
                let (directory, stem) = stem.rsplit_once('/').unwrap_or(("", stem));
                let name = self.bytecode_of(directory, stem)?;
                let destination = work.path().join(name.as_str());
                work::create_inside(destination.parent().context("bytecode without a directory")?)?;
                jobs.push_str(&format!("{}\t{destination}\t{}\n", tree.content.join(path.as_str()), path.as_str()));
                made.push((name, destination));
            }
            self.run(&jobs)?;
            for (name, destination) in made {
                if destination.exists() {
                    writer.add(name, &mut File::open(&destination)?, false)?;
                }
            }
            Ok(())
        })
    }

    /// Refuses a tree with source that the runtime's own CPython does not read, as `compiled` shows.
    pub fn expect_all(&self, tree: &Tree, compiled: &Tree) -> Result<()> {
        for path in tree.entries.keys() {
            let Some(stem) = path.as_str().strip_suffix(".py") else { continue };
            let (directory, stem) = stem.rsplit_once('/').unwrap_or(("", stem));
            if compiled.entries.contains_key(&self.bytecode_of(directory, stem)?) {
                continue;
            }
            // It may be one of those that are left out because their bytecode is not the same every time.
            let mut command = self.command();
            command.args(["-s", "-S", "-B", "-W", "ignore", "-c", CHECK, tree.content.join(path.as_str()).as_str()]);
            let output =
                work::output(&mut command, b"").with_context(|| format!("cannot run `{}`", self.executable))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                let said = said.lines().last().unwrap_or_default();
                bail!(Failure::new(
                    Exit::Data,
                    format!("the CPython of the runtime cannot compile `{}`: {said}", path.as_str())
                ));
            }
        }
        Ok(())
    }

    /// PEP 3147: where the import system looks for the bytecode of a module.
    fn bytecode_of(&self, directory: &str, stem: &str) -> Result<RelativePath> {
        Ok(RelativePath::new(format!("__pycache__/{stem}.{}.pyc", self.cache_tag))?.below(directory))
    }

    fn run(&self, jobs: &str) -> Result<()> {
        let mut command = self.command();
        command
            // N.B. not `-I`: it would make the interpreter ignore the hash seed.
            .args(["-s", "-S", "-B", "-W", "ignore", "-c", COMPILE])
            .env("PYTHONHASHSEED", "0")
            .current_dir(self.executable.parent().context("an interpreter without a directory")?);
        let output =
            work::output(&mut command, jobs.as_bytes()).with_context(|| format!("cannot run `{}`", self.executable))?;
        if !output.status.success() {
            bail!(Failure::new(
                Exit::Unavailable,
                format!(
                    "`{}` cannot compile bytecode: {}\n{}",
                    self.executable,
                    output.status,
                    String::from_utf8_lossy(&output.stderr).trim_end()
                )
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::host;

    #[test]
    fn constants_whose_order_depends_on_addresses_are_written_in_one_order() {
        let interpreter = host::pythons(&[]).iter().find_map(|path| Interpreter::inspect(path).ok());
        let interpreter = interpreter.expect("there is a CPython on this machine");
        let compiler = Compiler::of_interpreter(&interpreter);
        let scratch = tempfile::tempdir().unwrap();
        let compiled = |name: &str| {
            let store = Store::at(Utf8PathBuf::from_path_buf(scratch.path().join(name)).unwrap());
            let source = store
                .make_tree("wheel", Sha256::of(b"source"), |writer| {
                    for number in 0..24 {
                        let text = format!("def f(x):\n    return x in {{'a{number}', ..., None, ('b', None)}}\n");
                        writer.add(RelativePath::new(format!("m{number}.py"))?, &mut text.as_bytes(), false)?;
                    }
                    Ok(())
                })
                .unwrap();
            let compiled = compiler.compile(&store, &source).unwrap();
            compiler.expect_all(&source, &compiled).unwrap();
            (source, compiled)
        };
        // Each run is a process of its own, in which everything has another address.
        let (source, one) = compiled("one");
        assert_eq!(one.entries.len(), 24, "no file is left out");
        for name in ["two", "three", "four"] {
            assert_eq!(compiled(name).1.entries, one.entries);
        }
        let mut command = compiler.command();
        command.env("PYTHONPATH", &source.content).args(["-B", "-c"]).arg(format!(
            "import importlib.machinery as m; f = m.SourcelessFileLoader('m7', {:?}).load_module().f; \
             print(f('a7'), f(None), f(...), f(('b', None)), f('b'))",
            one.content.join(format!("__pycache__/m7.{}.pyc", compiler.cache_tag)).as_str()
        ));
        let output = work::output(&mut command, b"").unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "True True True True False", "{output:?}");
    }
}
