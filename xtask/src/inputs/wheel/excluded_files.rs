//! Files that wheels contain by mistake. The tool checks and unpacks them with the rest, then leaves them out of runtimes.

use wheel_archive::path::RelativePath;

use super::tree::below_site_packages;

/// Unreferenced files at the top of `site-packages`.
struct ExcludedFiles {
    /// The beginning of the wheel's name, with its version: another may need them.
    wheel: &'static str,
    /// The beginning of the names of the files.
    start: &'static str,
    contains: &'static [&'static str],
}

/// The wheels of pywhispercpp for Linux and macOS have their libraries three times: as the build left them at the top of
/// `site-packages` (9 MB, under each name that a link would have had), and as auditwheel and delocate put them into
/// `pywhispercpp.libs` and `pywhispercpp/.dylibs`, which is where the extension looks. `verify` would find out if it
/// looked elsewhere. The wheel for Windows has them at the top alone, as `.dll`.
const ALL: [ExcludedFiles; 1] =
    [ExcludedFiles { wheel: "pywhispercpp-1.5.1-", start: "lib", contains: &[".so", ".dylib"] }];

/// Whether a runtime does without this file of a wheel's tree.
pub fn is_excluded(wheel: &str, path: &RelativePath) -> bool {
    let Some(path) = below_site_packages(path) else { return false };
    let name = path.as_str();
    let is_one = |files: &ExcludedFiles| {
        wheel.starts_with(files.wheel)
            && name.starts_with(files.start)
            && files.contains.iter().any(|part| name.contains(part))
    };
    !name.contains('/') && ALL.iter().any(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_libraries_at_the_top_are_left_out_and_only_of_that_wheel() {
        let is =
            |wheel: &str, path: &str| is_excluded(wheel, &RelativePath::new(format!("site-packages/{path}")).unwrap());
        let linux = "pywhispercpp-1.5.1-cp312-cp312-manylinux_2_28_x86_64.whl";
        for path in
            ["libwhisper.so", "libwhisper.so.1.8.5", "libggml-base.so.0", "libggml-cpu.so.0.13.1", "libggml.dylib"]
        {
            assert!(is(linux, path), "{path}");
            assert!(!is("other-1.5.1-py3-none-any.whl", path), "{path}");
        }
        for path in [
            "_pywhispercpp.cpython-312-x86_64-linux-gnu.so",
            "pywhispercpp.libs/libwhisper-ff9bd8d2.so.1.8.5",
            "pywhispercpp/.dylibs/libggml-metal.0.13.1.dylib",
            "whisper-437bb11607fb48ee75e1e453af5f91de.dll",
            "pywhispercpp/libx.so",
        ] {
            assert!(!is(linux, path), "{path}");
        }
    }
}
