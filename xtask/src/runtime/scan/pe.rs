//! PE. It has no load paths, only names of libraries. Windows looks for them beside the program and in its own
//! directories, and Python adds the directory of the extension module and what packages ask it to.

use object::endian::LittleEndian;
use object::pe;
use speaches_format::layout;

use super::image::{Damaged, Image};
use super::library::Libraries;
use super::platform::{Architecture, Platform};
use super::problem::Problem;

/// Libraries of every Windows 10, server or not, beside the `api-ms-win-` and `ext-ms-` sets. The run-time libraries of
/// Visual C++ (`vcruntime140.dll`, `msvcp140.dll`) are not among it: they come with a program, or with their installer.
const SYSTEM: &str = "advapi32 avicap32 bcrypt bcryptprimitives cfgmgr32 combase comctl32 comdlg32 crypt32 cryptbase d3d11 \
    d3d12 dbghelp dnsapi dwmapi dxgi dxcore gdi32 imagehlp imm32 iphlpapi kernel32 kernelbase mfplat mf mfreadwrite mpr msimg32 \
    msvcrt mswsock ncrypt netapi32 normaliz ntdll ole32 oleaut32 opengl32 pdh powrprof propsys psapi rpcrt4 \
    secur32 setupapi shell32 shlwapi synchronization ucrtbase user32 userenv usp10 uxtheme version winhttp wininet \
    winmm winspool.drv wintrust wldap32 ws2_32 wsock32 wtsapi32";

/// Libraries that CPython for Windows brings, beside its own.
fn is_of_python(import: &str) -> bool {
    let name = import.to_lowercase();
    name.starts_with("vcruntime140") || (name.starts_with("python3") && name.ends_with(".dll"))
}

/// More libraries than any binary imports; a damaged table may have no end.
const MOST_IMPORTS: u64 = 10_000;

/// The headers of a PE file that matter here.
#[derive(Debug, Default)]
pub struct Pe {
    machine: u16,
    /// Libraries that are loaded with it. Those that it loads later, if at all, are not here: it may do without them.
    imports: Vec<String>,
}

pub fn read(image: &Image<'_>) -> Result<Pe, Damaged> {
    let dos = image.record::<pe::ImageDosHeader>(0)?;
    let start = u64::from(dos.e_lfanew.get(LittleEndian));
    if image.bytes(start, 4)? != b"PE\0\0" {
        return Err(Damaged("it starts as a program of DOS, and has no PE header".to_owned()));
    }
    let header = image.record::<pe::ImageFileHeader>(start + 4)?;
    let mut found = Pe { machine: header.machine.get(LittleEndian).0, imports: Vec::new() };
    let optional = start + 4 + size_of::<pe::ImageFileHeader>() as u64;
    if u16::from_le_bytes([image.bytes(optional, 2)?[0], image.bytes(optional, 2)?[1]]) != 0x20b {
        // 32 bits, which `check` says by the machine.
        return Ok(found);
    }
    let directories = image.record::<pe::ImageOptionalHeader64>(optional)?.number_of_rva_and_sizes.get(LittleEndian);
    let imports = pe::IMAGE_DIRECTORY_ENTRY_IMPORT as u64;
    if u64::from(directories) <= imports {
        return Ok(found);
    }
    let entry = optional + (size_of::<pe::ImageOptionalHeader64>() as u64) + imports * 8;
    let table = image.record::<pe::ImageDataDirectory>(entry)?.virtual_address.get(LittleEndian);
    if table == 0 {
        return Ok(found);
    }
    let first = optional + u64::from(header.size_of_optional_header.get(LittleEndian));
    let sections = (0..u64::from(header.number_of_sections.get(LittleEndian)))
        .map(|index| image.record(first + index * size_of::<pe::ImageSectionHeader>() as u64))
        .collect::<Result<Vec<&pe::ImageSectionHeader>, _>>()?;
    let offset = |address: u32| {
        let at = sections.iter().find_map(|section| section.pe_file_range_at(address));
        at.map(|(offset, _)| u64::from(offset))
            .ok_or_else(|| Damaged(format!("no section has the address {address:#x}")))
    };
    let table = offset(table)?;
    for index in 0..MOST_IMPORTS {
        let at = table + index * size_of::<pe::ImageImportDescriptor>() as u64;
        let import = image.record::<pe::ImageImportDescriptor>(at)?;
        if import.is_null() {
            return Ok(found);
        }
        found.imports.push(image.text(offset(import.name.get(LittleEndian))?)?);
    }
    Err(Damaged("its list of imports does not end".to_owned()))
}

/// Checks it as a part of a runtime.
pub fn check(found: &Pe, path: &str, platform: &Platform, libraries: &Libraries<'_>) -> Vec<Problem> {
    let machine = match platform.architecture {
        Architecture::X86_64 => pe::IMAGE_FILE_MACHINE_AMD64,
        Architecture::Arm64 => pe::IMAGE_FILE_MACHINE_ARM64,
    };
    if found.machine != machine.0 {
        return vec![Problem::PeMachine { machine: found.machine, wanted: platform.architecture }];
    }
    let missing = found.imports.iter().filter(|import| {
        let name = import.to_lowercase();
        !is_of_the_system(&name) && !is_bundled(&name, path, libraries)
    });
    let problem = |import: &String| {
        if is_of_python(import) { Problem::PythonLibrary(import.clone()) } else { Problem::Library(import.clone()) }
    };
    missing.map(problem).collect()
}

fn is_of_the_system(name: &str) -> bool {
    let stem = name.strip_suffix(".dll").unwrap_or(name);
    name.starts_with("api-ms-win-")
        || name.starts_with("ext-ms-")
        || SYSTEM.split_whitespace().any(|known| known == stem)
}

fn is_bundled(name: &str, path: &str, libraries: &Libraries<'_>) -> bool {
    // Windows takes what is loaded already when the name is the same, so a library of another package will do: torchaudio
    // uses those of torch. That is no rule for what every package brings for itself or leaves to the machine.
    let of_visual_cpp = ["vcruntime", "msvcp", "vcomp", "concrt"].iter().any(|start| name.starts_with(start));
    // N.B. Tools that bundle libraries give them unique names, with a hash after a hyphen.
    if !of_visual_cpp || name.contains('-') {
        return libraries.knows_folded(name);
    }
    let package = path.split_once("/site-packages/").and_then(|(before, rest)| {
        rest.split_once('/').map(|(package, _)| format!("{before}/site-packages/{package}/"))
    });
    libraries.has_folded(&format!("{}/{name}", layout::PYTHON))
        || package.is_some_and(|package| libraries.has_folded_below(&package, name))
}
