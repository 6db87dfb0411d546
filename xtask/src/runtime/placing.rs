//! The places of the inputs' files and licenses in a runtime.

use std::collections::BTreeMap;

use anyhow::Result;
use speaches_format::input::Kind;
use speaches_format::layout;

use super::stage::Contents;
use crate::inputs::license_file::is_license_file;
use crate::inputs::speaches::install;
use crate::inputs::wheel::{excluded_files, tree};
use crate::plan::Plan;
use crate::store::tree::{RelativePath, Tree};

/// The tree of an input, or the tree of its bytecode.
pub struct Placed {
    /// The kind of the input.
    pub kind: Kind,
    pub owner: String,
    pub tree: Tree,
}

impl Placed {
    pub fn new(kind: Kind, owner: &str, tree: Tree) -> Self {
        Self { kind, owner: owner.to_owned(), tree }
    }
}

/// Places the files of each tree, and copies the licenses of each input to `licenses/`. N.B. `bundle::components` looks
/// for the licenses in the same directories: keep the two in agreement.
pub fn contents(plan: &Plan, trees: &[Placed]) -> Result<Contents> {
    let family = plan.target.family();
    let site_packages = format!("{}/{}", layout::PYTHON, family.site_packages(plan.minor()));
    let mut contents = Contents::default();
    for Placed { kind, owner, tree } in trees {
        contents.add(owner, tree, |path| {
            Some(match kind {
                Kind::Launcher | Kind::Template => path.clone(),
                Kind::Python => path.below(layout::PYTHON),
                Kind::Model => path.below(layout::MODELS_HUB),
                Kind::Wheel if excluded_files::is_excluded(owner, path) => return None,
                Kind::Wheel | Kind::Speaches => installed(path, &site_packages)?,
                Kind::Compiler | Kind::Linker => return None,
            })
        })?;
    }
    for Placed { kind, owner, tree } in trees {
        let licenses = match kind {
            Kind::Wheel | Kind::Speaches => {
                tree::licenses(tree.entries.iter()).map(|(path, to)| (path.clone(), to)).collect()
            }
            Kind::Model => licenses_of_model(owner, tree),
            Kind::Python => license_of_python(tree, &family.standard_library(plan.minor())),
            Kind::Launcher | Kind::Template | Kind::Compiler | Kind::Linker => BTreeMap::new(),
        };
        contents
            .add(owner, tree, |path| RelativePath::new(format!("{}/{}", layout::LICENSES, licenses.get(path)?)).ok())?;
    }
    Ok(contents)
}

/// `site-packages/` and `data/` (wheels), `app/` (speaches).
fn installed(path: &RelativePath, site_packages: &str) -> Option<RelativePath> {
    let inside = |root: &str| path.as_str().strip_prefix(root)?.strip_prefix('/');
    let place = match (inside(tree::SITE_PACKAGES), inside(tree::DATA), inside(install::APP)) {
        (Some(rest), _, _) => format!("{site_packages}/{rest}"),
        (_, Some(rest), _) => format!("{}/{rest}", layout::PYTHON),
        _ => path.as_str().to_owned(),
    };
    RelativePath::new(place).ok()
}

/// The card of a model states its license.
fn licenses_of_model(id: &str, tree: &Tree) -> BTreeMap<RelativePath, String> {
    let place = |path: &RelativePath| {
        let file = path.as_str().rsplit('/').next()?;
        let holds_license = file == "README.md" || is_license_file(file);
        holds_license.then(|| format!("models/{}/{file}", id.replace('/', "--")))
    };
    tree.entries.keys().filter_map(|path| Some((path.clone(), place(path)?))).collect()
}

/// CPython's own license lies in its standard library, on Windows beside it.
fn license_of_python(tree: &Tree, standard_library: &str) -> BTreeMap<RelativePath, String> {
    let places = [format!("{standard_library}/LICENSE.txt"), "LICENSE.txt".to_owned()];
    let found = places.iter().find_map(|place| tree.entries.keys().find(|path| path.as_str() == place.as_str()));
    found.map(|path| (path.clone(), "CPython/LICENSE.txt".to_owned())).into_iter().collect()
}
