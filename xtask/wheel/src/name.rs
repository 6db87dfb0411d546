//! File names of wheels, and whether a wheel runs on a target.

use std::fmt;

use serde::Deserialize;

/// The file name of a wheel, taken apart after PEP 427:
/// "`{distribution}-{version}(-{build tag})?-{python tag}-{abi tag}-{platform tag}.whl`".
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WheelName {
    /// As it was written.
    pub file: String,
    /// Normalised after PEP 503: lower case, `-` between words.
    pub distribution: String,
    /// Version, local part included.
    pub version: String,
    /// The compressed set of tags: `py2.py3`.
    pub python: String,
    /// The compressed set of tags: `abi3`.
    pub abi: String,
    /// The compressed set of tags: `manylinux_2_17_x86_64.manylinux2014_x86_64`.
    pub platform: String,
}

/// A name that no wheel has.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the file name of a wheel")]
pub struct NotAWheel(String);

impl TryFrom<String> for WheelName {
    type Error = NotAWheel;

    fn try_from(file: String) -> Result<Self, NotAWheel> {
        Self::parse(&file)
    }
}

impl WheelName {
    /// Takes a file name apart. It can hold no separator of directories, so it is safe as a path.
    pub fn parse(file: &str) -> Result<Self, NotAWheel> {
        let refuse = || NotAWheel(file.to_owned());
        let stem = file.strip_suffix(".whl").ok_or_else(refuse)?;
        let fields = stem.split('-').collect::<Vec<_>>();
        let allowed = |field: &&str| {
            !field.is_empty() && field.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '!'))
        };
        if !matches!(fields.len(), 5 | 6) || !fields.iter().all(allowed) {
            return Err(refuse());
        }
        // "Optional build number. Must start with a digit."
        if fields.len() == 6 && !fields[2].starts_with(|c: char| c.is_ascii_digit()) {
            return Err(refuse());
        }
        let [python, abi, platform] =
            [fields.len() - 3, fields.len() - 2, fields.len() - 1].map(|index| fields[index].to_owned());
        Ok(Self {
            file: file.to_owned(),
            distribution: normalize(fields[0]),
            version: fields[1].to_owned(),
            python,
            abi,
            platform,
        })
    }

    /// Whether it can be installed for a Python minor version such as `3.12` on a target with these platform tags.
    pub fn fits(&self, minor: &str, platforms: &[String]) -> bool {
        self.rank(minor, platforms).is_some()
    }

    /// How well it suits a Python minor version on a target, the least being the best; `None` when it does not run.
    /// `platforms` are the PEP 425 platform tags of the target, best first.
    ///
    /// PEP 425: "A wheel's compatibility tag set is the cross product of its compressed tags", one match is enough,
    /// and the more specific a match, the better: a wheel for any platform may lack what one for this platform has.
    pub fn rank(&self, minor: &str, platforms: &[String]) -> Option<(usize, u32)> {
        let (major, minor_number) = minor.split_once('.')?;
        let number: u32 = minor_number.parse().ok()?;
        let current = format!("cp{major}{minor_number}");
        let platform = self
            .platform
            .split('.')
            .filter_map(
                |tag| if tag == "any" { Some(platforms.len()) } else { platforms.iter().position(|one| one == tag) },
            )
            .min()?;
        let python_rank = |python: &str, abi: &str| match abi {
            // "py3" and "py310" run on every later minor version; so does a "cp310" that uses no ABI.
            "none" if python == current => Some(1),
            "none" if python == format!("py{major}") => Some(300),
            "none" => {
                let other = older(python, "py", major).or_else(|| older(python, "cp", major))?;
                (other <= number).then(|| 200 + number - other)
            }
            // PEP 384: the stable ABI of a version is that of every later one.
            "abi3" => older(python, "cp", major).filter(|other| *other <= number).map(|other| 100 + number - other),
            abi => (python == current && abi == current).then_some(0),
        };
        let python = self
            .python
            .split('.')
            .flat_map(|python| self.abi.split('.').filter_map(move |abi| python_rank(python, abi)))
            .min()?;
        Some((platform, python))
    }
}

/// The minor version of a tag such as `cp39` or `py310`, when it is of this implementation and major version.
fn older(tag: &str, implementation: &str, major: &str) -> Option<u32> {
    tag.strip_prefix(implementation)?.strip_prefix(major)?.parse().ok()
}

/// PEP 503: "all runs of the characters `.`, `-` and `_` replaced with a single `-` character", in lower case.
pub fn normalize(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for part in name.split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !normalized.is_empty() {
            normalized.push('-');
        }
        normalized.push_str(&part.to_ascii_lowercase());
    }
    normalized
}

impl fmt::Display for WheelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn linux() -> Vec<String> {
        vec!["manylinux_2_28_x86_64".into(), "manylinux2014_x86_64".into()]
    }

    #[test]
    fn names_are_taken_apart() {
        let name = WheelName::parse("Jinja2_x.y-3.1+cpu-1-cp310.py3-abi3-manylinux2014_x86_64.whl").unwrap();
        assert_eq!((name.distribution.as_str(), name.version.as_str()), ("jinja2-x-y", "3.1+cpu"));
        assert_eq!(name.python, "cp310.py3");
        for wrong in [
            "a-1.tar.gz",
            "a-1-py3-none.whl",
            "../a-1-py3-none-any.whl",
            "a--py3-none-any.whl",
            "a-1-b-py3-none-any.whl",
            ".whl",
        ] {
            assert!(WheelName::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_more_specific_wheel_is_the_better_one() {
        let rank = |file: &str| WheelName::parse(file).unwrap().rank("3.12", &linux()).unwrap();
        let sorted = [
            "a-1-cp312-cp312-manylinux_2_28_x86_64.whl",
            "a-1-cp39-abi3-manylinux_2_28_x86_64.whl",
            "a-1-py2.py3-none-manylinux_2_28_x86_64.whl",
            "a-1-cp312-cp312-manylinux2014_x86_64.whl",
            "a-1-py3-none-any.whl",
        ];
        assert!(sorted.is_sorted_by_key(|file| rank(file)));
    }

    #[test]
    fn tags_are_checked_against_python_and_target() {
        for (file, on_310, on_312) in [
            ("a-1-py3-none-any.whl", true, true),
            ("a-1-py2.py3-none-any.whl", true, true),
            ("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", false, true),
            ("a-1-cp310-cp310-manylinux_2_28_x86_64.manylinux2014_x86_64.whl", true, false),
            ("a-1-cp39-abi3-manylinux2014_x86_64.whl", true, true),
            ("a-1-cp311-abi3-manylinux2014_x86_64.whl", false, true),
            ("a-1-py311-none-any.whl", false, true),
            ("a-1-cp312-cp312-manylinux_2_34_x86_64.whl", false, false),
            ("a-1-cp312-cp312-macosx_11_0_arm64.whl", false, false),
            ("a-1-pp310-pypy310_pp73-manylinux2014_x86_64.whl", false, false),
            ("a-1-py2-none-any.whl", false, false),
        ] {
            let name = WheelName::parse(file).unwrap();
            assert_eq!((name.fits("3.10", &linux()), name.fits("3.12", &linux())), (on_310, on_312), "{file}");
        }
    }
}
