//! The places of a wheel's members.

use crate::name::WheelName;
use crate::path::{RelativePath, fold};

/// Packages.
pub const SITE_PACKAGES: &str = "site-packages";
/// Files for the prefix of the installation.
pub const DATA: &str = "data";

/// The place of a member.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It is installed.
    Tree(RelativePath),
    /// It has to be right, but is not installed.
    LeftOut,
    /// It is `RECORD`, of which another is written.
    Record,
    /// It is a signature of `RECORD`.
    Signature,
}

/// The place of a member. `stem` is the name of the `.dist-info` directory without its suffix.
///
/// Scripts and headers are left out, and bytecode that a few wheels carry by accident, since a runtime gets its own. A
/// module that is only bytecode lies beside where its source would, and stays.
pub(crate) fn place(path: &RelativePath, stem: &str, name: &WheelName) -> Result<Place, String> {
    let (top, inside) = path.as_str().split_once('/').unwrap_or((path.as_str(), ""));
    if top.strip_suffix(".dist-info") == Some(stem)
        && let Some(place) = metadata_place(inside, path)?
    {
        return Ok(place);
    }
    let place = match top.strip_suffix(".data") {
        Some(own) if own == stem => data_place(path, inside, name)?,
        _ => Some(path.below(SITE_PACKAGES)),
    };
    let bytecode = path.as_str().split('/').any(|part| part == "__pycache__");
    Ok(place.filter(|_| !bytecode).map_or(Place::LeftOut, Place::Tree))
}

/// Special files of a `.dist-info` directory.
///
/// PEP 427: "PEP 376's INSTALLER and REQUESTED are not included in the archive." Both tell how something was
/// installed, as `direct_url.json` does, which "MUST NOT be created when installing a distribution from an other type
/// of requirement (i.e. name plus version specifier)" (Direct URL). Kept, they would be false; so it is no wheel.
///
/// "RECORD.jws is used for digital signatures. It is not mentioned in RECORD", as is RECORD.p7s. The tool does not
/// check them, and they sign the packed RECORD, not the installed one. Installed files must be listed and verified, so
/// they stay out.
fn metadata_place(inside: &str, path: &RelativePath) -> Result<Option<Place>, String> {
    match inside {
        "RECORD" => Ok(Some(Place::Record)),
        "RECORD.jws" | "RECORD.p7s" => Ok(Some(Place::Signature)),
        _ if ["installer", "requested", "direct_url.json"].contains(&fold(inside).as_str()) => {
            Err(format!("`{}` is written by those who install a wheel, and belongs in none", path.as_str()))
        }
        _ => Ok(None),
    }
}

/// PEP 427: "Each subdirectory of distribution-1.0.data/ is a key into a dict of destination directories, such as
/// distribution-1.0.data/(purelib|platlib|headers|scripts|data)".
fn data_place(path: &RelativePath, inside: &str, name: &WheelName) -> Result<Option<RelativePath>, String> {
    let (scheme, rest) = inside.split_once('/').ok_or_else(|| format!("`{}` belongs nowhere", path.as_str()))?;
    let rest = RelativePath::new(rest).map_err(|error| error.to_string())?;
    match scheme {
        "purelib" | "platlib" => {
            let top = rest.as_str().split('/').next().unwrap_or_default();
            if fold(top).ends_with(".dist-info") {
                return Err(format!("`{}` would be metadata beside that of the wheel", path.as_str()));
            }
            Ok(Some(rest.below(SITE_PACKAGES)))
        }
        "data" => prefix_place(path, &rest, name),
        "scripts" | "headers" => Ok(None),
        other => Err(format!("`{}` is of the unknown kind `{other}`", path.as_str())),
    }
}

/// Files for the prefix of the installation lie beside the interpreter. A wheel must not change how the interpreter
/// starts: the standard library, what is imported from a `python312.zip`, `pyvenv.cfg`, libraries beside
/// `python.exe`. Locked wheels bring manual pages in `share/` and a `COPYING`.
///
/// `bin/` and `Scripts/` are where the scheme `scripts` goes to and `include/` where `headers` does, so what some
/// wheels put there by way of `data` is left out as well.
fn prefix_place(path: &RelativePath, rest: &RelativePath, name: &WheelName) -> Result<Option<RelativePath>, String> {
    let folded = fold(rest.as_str());
    let refuse = || Err(format!("`{}` would be installed among the files of the interpreter", path.as_str()));
    let (top, inside) = folded.split_once('/').map_or((folded.as_str(), None), |(top, inside)| (top, Some(inside)));
    match (top, inside) {
        ("bin" | "scripts" | "include", Some(_)) => return Ok(None),
        ("lib" | "lib64", Some(inside)) => {
            // On Windows, which has no case, `Lib` is the standard library itself.
            let windows = name.platform.split('.').any(|tag| tag == "any" || tag.starts_with("win"));
            if windows || inside.starts_with("python") || inside.starts_with("libpython") {
                return refuse();
            }
        }
        ("dlls" | "libs" | "tcl", _) | ("bin" | "scripts" | "include" | "lib" | "lib64" | "pyvenv.cfg", None) => {
            return refuse();
        }
        (file, None) => {
            let read_at_start = [".exe", ".dll", ".pyd", "._pth", ".cfg", ".zip"];
            if file.starts_with("python") || read_at_start.iter().any(|suffix| file.ends_with(suffix)) {
                return refuse();
            }
        }
        (_, Some(_)) => {}
    }
    Ok(Some(rest.below(DATA)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str, file: &str) -> Result<Option<String>, String> {
        let name = WheelName::parse(file).unwrap();
        place(&RelativePath::new(path).unwrap(), "a-1", &name).map(|place| match place {
            Place::Tree(path) => Some(path.as_str().to_owned()),
            _ => None,
        })
    }

    #[test]
    fn members_go_where_their_scheme_says() {
        for (member, wanted) in [
            ("a/b.py", Some("site-packages/a/b.py")),
            ("a/b.pyc", Some("site-packages/a/b.pyc")),
            ("a.pth", Some("site-packages/a.pth")),
            ("a-1.data/purelib/a/c.py", Some("site-packages/a/c.py")),
            ("a-1.data/data/share/man/a.1", Some("data/share/man/a.1")),
            ("a-1.data/data/COPYING", Some("data/COPYING")),
            ("a-1.data/data/etc/a.conf", Some("data/etc/a.conf")),
            ("a-1.data/data/lib/liba.so", Some("data/lib/liba.so")),
            ("a-1.data/data/bin/tool", None),
            ("a-1.data/data/Scripts/tool.exe", None),
            ("a-1.data/data/include/a.h", None),
            ("a-1.data/headers/a.h", None),
            ("a-1.data/scripts/tool", None),
            ("a/__pycache__/b.cpython-312.pyc", None),
            ("a-1.dist-info/RECORD.jws", None),
            ("a-1.dist-info/entry_points.txt", Some("site-packages/a-1.dist-info/entry_points.txt")),
        ] {
            assert_eq!(
                find(member, "a-1-cp312-cp312-manylinux2014_x86_64.whl").unwrap().as_deref(),
                wanted,
                "{member}"
            );
        }
    }

    #[test]
    fn what_belongs_to_the_interpreter_is_refused() {
        for member in [
            "lib/python3.12/sitecustomize.py",
            "lib/python312.zip",
            "LIB64/python3.12/os.py",
            "DLLs/a.pyd",
            "pyvenv.cfg",
            "PYVENV.CFG",
            "python312._pth",
            "a.dll",
            "python",
            "lib",
            "bin",
        ] {
            let member = format!("a-1.data/data/{member}");
            let what = find(&member, "a-1-cp312-cp312-manylinux2014_x86_64.whl").unwrap_err();
            assert!(what.contains(&member) && what.contains("files of the interpreter"), "{what}");
        }
        find("a-1.data/data/Lib/a.py", "a-1-cp312-cp312-win_amd64.whl").unwrap_err();
        find("a-1.data/data/lib/a.py", "a-1-py3-none-any.whl").unwrap_err();
    }
}
