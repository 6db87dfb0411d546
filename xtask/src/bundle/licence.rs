//! Licences: which one a distribution states, and that the text of every one is there.

use anyhow::{Context as _, Result, bail};
use camino::Utf8Path;
use serde::Deserialize;

use super::components::Component;
use crate::failure::{Exit, Failure};

/// The name of the manifest.
pub const MANIFEST: &str = "licenses.toml";
/// What can be done about a component without a text.
pub const FIND_OUT: &str = "find out what their licence is, and state it with the reason in `manifests/licenses.toml`";
/// How metadata and classifiers name licences that have one name only, in lower case, and how SPDX does. Names that stand
/// for several (`BSD`, `GPL`) are not here: a guess would be a wrong statement.
const NAMES: [(&str, &str); 19] = [
    ("mit license", "MIT"),
    ("the mit license", "MIT"),
    ("apache 2.0", "Apache-2.0"),
    ("apache license 2.0", "Apache-2.0"),
    ("apache license, version 2.0", "Apache-2.0"),
    ("apache license version 2.0", "Apache-2.0"),
    ("apache software license", "Apache-2.0"),
    ("apache software license 2.0", "Apache-2.0"),
    ("bsd 3-clause", "BSD-3-Clause"),
    ("bsd 3-clause license", "BSD-3-Clause"),
    ("3-clause bsd license", "BSD-3-Clause"),
    ("bsd 2-clause license", "BSD-2-Clause"),
    ("isc license", "ISC"),
    ("isc license (iscl)", "ISC"),
    ("mozilla public license 2.0 (mpl 2.0)", "MPL-2.0"),
    ("gnu general public license v3 (gplv3)", "GPL-3.0-only"),
    ("gnu general public license v3 or later (gplv3+)", "GPL-3.0-or-later"),
    ("the unlicense (unlicense)", "Unlicense"),
    // As its newer wheels have it. SPDX knows none of NVIDIA's; the text is in the wheel.
    ("nvidia proprietary software", "LicenseRef-NVIDIA-Proprietary"),
];

/// Components without a licence file, with the reason why they may be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exceptions {
    #[serde(default)]
    without: Vec<Exception>,
}

/// One of them.
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
        let path = manifests.join(MANIFEST);
        let exceptions: Self =
            toml::from_str(&fs_err::read_to_string(&path)?).with_context(|| format!("`{path}` is malformed"))?;
        for exception in &exceptions.without {
            spdx::Expression::parse(&exception.license).map_err(|error| {
                Failure::new(Exit::Data, format!("`{path}`: the licence of {} is none: {error}", exception.component))
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

    /// What is stated about a component.
    pub fn get(&self, component: &str) -> Option<&Exception> {
        self.without.iter().find(|exception| exception.component == component)
    }

    /// Refuses a runtime in which the licence of a component is missing, and fills in what the manifest states.
    pub fn apply(&self, components: &mut [Component<'_>]) -> Result<()> {
        let mut missing = Vec::new();
        for component in components {
            let exception = self.get(&component.name);
            if !component.has_text && exception.is_none() {
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
                        "these have no licence file in `licenses/`, so that they must not be passed on:{}",
                        missing.concat()
                    )
                )
                .hint(FIND_OUT)
            );
        }
        Ok(())
    }
}

/// One line of core metadata.
pub fn header<'a>(metadata: &'a str, name: &str) -> Option<&'a str> {
    let head = metadata.lines().take_while(|line| !line.is_empty());
    head.filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The SPDX expression that core metadata states, in its own field, in the older free text, or as a classifier.
pub fn of_metadata(metadata: &str) -> Option<String> {
    if let Some(expression) = header(metadata, "License-Expression").and_then(expression) {
        return Some(expression);
    }
    if let Some(expression) = header(metadata, "License").and_then(expression) {
        return Some(expression);
    }
    let head = metadata.lines().take_while(|line| !line.is_empty());
    let classifiers = head
        .filter_map(|line| line.strip_prefix("Classifier: License :: "))
        .filter_map(|classifier| classifier.rsplit(" :: ").next())
        .filter(|name| *name != "OSI Approved")
        .collect::<Vec<_>>();
    // Several may mean "and" or "or".
    let [one] = classifiers.as_slice() else { return None };
    named(one)
}

/// An SPDX expression, or a well-known other name of one licence.
fn expression(text: &str) -> Option<String> {
    spdx::Expression::parse(text).map(|expression| expression.to_string()).ok().or_else(|| named(text))
}

fn named(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    NAMES.iter().find(|(name, _)| *name == text).map(|(_, license)| (*license).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_what_the_metadata_says_or_unknown() {
        for (metadata, expected) in [
            ("License-Expression: MIT", Some("MIT")),
            ("License-Expression: Apache-2.0 OR BSD-3-Clause", Some("Apache-2.0 OR BSD-3-Clause")),
            ("License: Apache 2.0", Some("Apache-2.0")),
            ("License: MIT License\nClassifier: License :: OSI Approved :: BSD License", Some("MIT")),
            ("License: Copyright (c) 2021, the contributors", None),
            ("License: BSD", None),
            ("Classifier: License :: OSI Approved :: Apache Software License", Some("Apache-2.0")),
            ("Classifier: License :: OSI Approved :: BSD License", None),
            (
                "Classifier: License :: OSI Approved :: MIT License\nClassifier: License :: OSI Approved :: ISC License (ISCL)",
                None,
            ),
            ("Name: a\n\nLicense: MIT", None),
            ("License: NVIDIA Proprietary Software", Some("LicenseRef-NVIDIA-Proprietary")),
            ("License: LicenseRef-NVIDIA-Proprietary", Some("LicenseRef-NVIDIA-Proprietary")),
        ] {
            assert_eq!(of_metadata(metadata).as_deref(), expected, "{metadata}");
        }
    }

    #[test]
    fn the_committed_exceptions_are_well_formed() {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(!Exceptions::read(&root.join("manifests")).unwrap().without.is_empty());
    }
}
