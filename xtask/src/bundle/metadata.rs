//! The license that the metadata of a distribution states.

/// How metadata and classifiers name licenses that have one name only, in lower case, and how SPDX does. Names that stand
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

/// An SPDX expression, or a well-known other name of one license.
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
    fn a_license_is_what_the_metadata_says_or_unknown() {
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
}
