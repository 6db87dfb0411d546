//! Checks that every component has a license text, or an exception with its reason.

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use serde::Deserialize;

use super::components::Component;
use crate::base::failure::{Exit, Failure};
use crate::pins::manifest::shared;

pub const MANIFEST: &str = "licenses.toml";
/// The hint for a component without a text.
pub const LICENSE_HINT: &str = "find their license, and add it with the reason to `manifests/licenses.toml`";
/// Components without a license file, with the reason why they may be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    #[serde(default)]
    without: Vec<Exception>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    component: String,
    /// An SPDX expression.
    pub license: String,
    reason: String,
}

impl Exceptions {
    /// Reads `licenses.toml`.
    pub fn read(manifests: &Utf8Path) -> Result<Self> {
        let path = shared(manifests, MANIFEST);
        let exceptions: Self =
            toml::from_str(&fs_err::read_to_string(&path)?).with_context(|| format!("`{path}` is malformed"))?;
        for exception in &exceptions.without {
            spdx::Expression::parse(&exception.license).map_err(|error| {
                Failure::new(
                    Exit::Data,
                    format!("`{path}`: the license of {} is invalid: {error}", exception.component),
                )
            })?;
            if exception.reason.trim().is_empty() {
                bail!(Failure::new(Exit::Data, format!("`{path}`: {} has no reason", exception.component)));
            }
        }
        Ok(exceptions)
    }

    /// The components that are in the manifest.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.without.iter().map(|exception| exception.component.as_str())
    }

    pub fn get(&self, component: &str) -> Option<&Exception> {
        self.without.iter().find(|exception| exception.component == component)
    }

    /// Refuses a runtime in which the license of a component is missing, and fills in what the manifest states.
    pub fn apply(&self, components: &mut [Component<'_>]) -> Result<()> {
        let mut missing = Vec::new();
        for component in components {
            let exception = self.get(&component.name);
            if !component.has_text && exception.is_none() && !component.is_weights() {
                missing.push(format!("\n    {} {}", component.name, component.version));
            }
            if let Some(exception) = exception.filter(|_| component.license.is_none()) {
                component.license = Some(exception.license.clone());
            }
        }
        if !missing.is_empty() {
            bail!(
                Failure::new(
                    Exit::Data,
                    format!(
                        "these have no license file in `licenses/`, so they must not be distributed:{}",
                        missing.concat()
                    )
                )
                .hint(LICENSE_HINT)
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_exceptions_are_well_formed() {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(!Exceptions::read(&root.join("manifests")).unwrap().without.is_empty());
    }
}
