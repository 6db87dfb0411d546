//! Chooses the parts of a CPython installation that a runtime gets.

/// Raise this when you change the choice below: it is a part of the tree's key in the store.
pub const VERSION: u32 = 1;

/// Whether a file of an installation is left out; `path` is relative to its root, with `/`.
///
/// Left out: tests, what is for developers (headers, pkg-config, the build's Makefile, IDLE), Tcl/Tk with what
/// uses it, pip, and bytecode, which is compiled anew.
pub fn left_out(path: &str) -> bool {
    let parts = path.split('/').collect::<Vec<_>>();
    let (Some(first), Some(file)) = (parts.first(), parts.last()) else {
        return true;
    };
    let outside_of_library = match *first {
        "bin" => !is_interpreter(file),
        "include" | "share" | "Scripts" | "libs" | "tcl" | "Tools" | "Doc" => true,
        "lib" => match parts.get(1) {
            Some(second) if second.starts_with("python3.") => false,
            Some(second) => !second.starts_with("libpython"),
            None => true,
        },
        _ => false,
    };
    const DIRECTORIES: [&str; 11] = [
        "test",
        "tests",
        "idlelib",
        "idle_test",
        "turtledemo",
        "tkinter",
        "ensurepip",
        "site-packages",
        "dist-packages",
        "__pycache__",
        "pkgconfig",
    ];
    let directory_left_out =
        parts[..parts.len() - 1].iter().any(|part| DIRECTORIES.contains(part) || part.starts_with("config-3."));
    const MODULES: [&str; 7] =
        ["_tkinter", "_test", "_ctypes_test", "_xxtestfuzz", "_xxsubinterpreters_test", "xxlimited", "xxsubtype"];
    let extension = [".so", ".pyd", ".dll"].iter().any(|suffix| file.ends_with(suffix));
    let module_left_out = extension && MODULES.iter().any(|module| file.starts_with(module));
    let file_left_out = file.ends_with(".pyc")
        || file.ends_with(".a")
        || file.ends_with(".pdb")
        || *file == "EXTERNALLY-MANAGED"
        || (*first == "DLLs" && (file.starts_with("tcl") || file.starts_with("tk")));
    outside_of_library || directory_left_out || module_left_out || file_left_out
}

fn is_interpreter(file: &str) -> bool {
    file.strip_prefix("python").is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

#[cfg(test)]
mod tests {
    use super::left_out;

    #[test]
    fn the_library_stays_and_the_rest_goes() {
        for kept in [
            "bin/python3",
            "bin/python3.12",
            "lib/libpython3.12.so.1.0",
            "lib/python3.12/os.py",
            "lib/python3.12/lib-dynload/_ssl.cpython-312-x86_64-linux-gnu.so",
            "lib/python3.12/unittest/case.py",
            "lib/python3.12/LICENSE.txt",
            "python.exe",
            "python312.dll",
            "Lib/os.py",
            "DLLs/_ssl.pyd",
            "LICENSE.txt",
        ] {
            assert!(!left_out(kept), "{kept}");
        }
        for gone in [
            "bin/pip3",
            "bin/python3.12-config",
            "bin/2to3",
            "include/python3.12/Python.h",
            "share/man/man1/a.1",
            "lib/pkgconfig/python3.pc",
            "lib/libtcl8.6.so",
            "lib/tcl8.6/init.tcl",
            "lib/python3.12/test/test_os.py",
            "lib/python3.12/unittest/test/a.py",
            "lib/python3.12/site-packages/pip/__init__.py",
            "lib/python3.12/__pycache__/os.cpython-312.pyc",
            "lib/python3.12/config-3.12-x86_64-linux-gnu/Makefile",
            "lib/python3.12/lib-dynload/_testcapi.cpython-312-x86_64-linux-gnu.so",
            "lib/python3.12/tkinter/ttk.py",
            "lib/python3.12/lib-dynload/_tkinter.cpython-312-x86_64-linux-gnu.so",
            "Lib/test/a.py",
            "libs/python312.lib",
        ] {
            assert!(left_out(gone), "{gone}");
        }
    }
}
