//! The API key. It may be in a file of its own, so that other users do not see it in a list of processes.

use std::path::Path;

use serde_json::json;
use speaches_format::failure::{Exit, Failure};

use super::origin::{Origin, Setting, find};

/// Reads the file of the key if the layer that names it is stronger than the one that has the key itself. In one and
/// the same layer the key itself counts.
///
/// # Errors
/// [`Exit::NoInput`] when the file cannot be read, [`Exit::Config`] when no key is in it.
pub fn read(settings: &mut [Setting], warnings: &mut Vec<String>) -> Result<(), Failure> {
    let Some((path, origin)) = find(settings, "api_key_file")
        .and_then(|setting| Some((setting.value.as_str()?.to_owned(), setting.origin.clone())))
    else {
        return Ok(());
    };
    let Some(key) = settings.iter_mut().find(|setting| setting.definition.key == "api_key") else { return Ok(()) };
    if key.origin.strength() >= origin.strength() {
        return Ok(());
    }
    let path = Path::new(&path);
    key.value = json!(read_file(path, &origin)?);
    key.origin = origin;
    if others_may_read(path) {
        warnings.push(format!("other users can read the API key in `{}`; `chmod 600` prevents that", path.display()));
    }
    Ok(())
}

fn read_file(path: &Path, origin: &Origin) -> Result<String, Failure> {
    let text = fs_err::read_to_string(path)
        .map_err(|error| Failure::new(Exit::NoInput, format!("the API key cannot be read: {error} ({origin})")))?;
    let key = text.strip_suffix('\n').unwrap_or(&text);
    let key = key.strip_suffix('\r').unwrap_or(key);
    if key.trim().is_empty() {
        return Err(Failure::new(Exit::Config, format!("`{}` contains no API key ({origin})", path.display()))
            .hint("write the key into its first line"));
    }
    if key.contains(['\n', '\0']) {
        return Err(Failure::new(Exit::Config, format!("`{}` has more than one line ({origin})", path.display()))
            .hint("an API key is one line"));
    }
    Ok(key.to_owned())
}

#[cfg(unix)]
fn others_may_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

#[cfg(not(unix))]
fn others_may_read(_path: &Path) -> bool {
    false
}
