//! The items of this crate that `xtask/bench` uses. The benchmarks are a program of their own, so that users compile
//! neither the benchmarks nor their crates. They measure this tool's own code, not a copy. All modules of this crate
//! stay private, so that the compiler still finds unused code in them.

use std::collections::BTreeMap;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};

use crate::inputs::wheel::{fill, tree};
use crate::pins::manifest::Manifests;
use crate::runtime::stage::Contents;

pub use crate::base::digest::{Hasher, Sha256};
pub use crate::base::failure::{Exit, Failure};
pub use crate::base::host::{pythons, triple};
pub use crate::base::quantity::{human_size, pluralize};
pub use crate::bundle::{Format, Request, make};
pub use crate::commands::fetch::read as read_downloads;
pub use crate::commands::print;
pub use crate::commands::smoke::{SENTENCE, Service, is_ready, understood};
pub use crate::inputs::python::local_interpreter::Interpreter;
pub use crate::inputs::wheel::index::locate;
pub use crate::inputs::wheel::uv::Uv;
pub use crate::net::http::loopback;
pub use crate::pins::lock::{GROUPS, Lock, file_name};
pub use crate::pins::manifest::minor_of;
pub use crate::pins::target::Target;
pub use crate::report::Silent;
pub use crate::runtime::verify::read as read_description;
pub use crate::store::Store;
pub use crate::store::fetch::CONNECTIONS;
pub use crate::work::{WorkDirectory, output};

/// The target of this machine, and where the locks are.
pub fn target_and_locks(manifests: &Utf8Path) -> Result<(Target, Utf8PathBuf)> {
    let manifests = Manifests::load(manifests)?;
    Ok((manifests.targets.target(triple())?, manifests.locks))
}

/// Fills a directory that does not exist with the wheels of a lock, all of which have URLs, as provision does.
pub fn fill_site_packages(lock: &Utf8Path, directory: &Utf8Path, target: &Target) -> Result<()> {
    let lock = Lock::read(lock)?;
    let trees = fill::trees(&Store::locate()?, &lock.wheels, &BTreeMap::new(), target, &Silent)?;
    let mut contents = Contents::default();
    for (wheel, tree) in lock.wheels.iter().zip(&trees) {
        contents.add(&wheel.name.file, tree, tree::below_site_packages)?;
    }
    contents.fill(directory, &Silent)
}
