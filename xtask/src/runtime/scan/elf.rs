//! ELF, as the loader of glibc reads it: by program headers. Section headers may be stripped, or lie.

use object::elf;
use object::endian::LittleEndian;

use super::image::{Damaged, Image};
use super::library::{Libraries, directory, inside};
use super::platform::{Architecture, Platform, Version};
use super::problem::Problem;

/// The libraries of the system that a binary may need: glibc, the run-time libraries of gcc, zlib, which package
/// managers and systemd need themselves, and the driver of a GPU, which is opened only where there is one.
/// The manylinux policies allow more to wheels (X11, GL, glib), but a server has none of those.
const SYSTEM: [&str; 16] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libanl.so.1",
    "libc.so.6",
    "libcuda.so.1",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libmvec.so.1",
    "libnsl.so.1",
    "libpthread.so.0",
    "libresolv.so.2",
    "librt.so.1",
    "libstdc++.so.6",
    "libutil.so.1",
    "libz.so.1",
];

/// The newest symbols in the libraries of gcc 8, the compiler of the distributions with glibc 2.28. They stand in
/// relation to the floor in `targets.toml`: change both together.
const OF_GCC_8: [(&str, Version); 3] =
    [("GLIBCXX_", Version::new(3, 4, 25)), ("CXXABI_", Version::new(1, 3, 11)), ("GCC_", Version::new(8, 0, 0))];

/// More versions than any binary asks for; a damaged table may go round in circles.
const MOST_VERSIONS: usize = 10_000;

/// The headers of an ELF file that matter here.
#[derive(Debug, Default)]
pub struct Elf {
    /// Whether a loader would load it: an object file is input of a linker only.
    pub loadable: bool,
    /// `DT_SONAME`
    pub name: Option<String>,
    /// The newest `GLIBC_` version it needs.
    pub glibc: Option<Version>,
    class: u8,
    data: u8,
    machine: u16,
    interpreter: Option<String>,
    needed: Vec<String>,
    /// Entries of `DT_RPATH` and `DT_RUNPATH`.
    paths: Vec<String>,
    /// Library and version: `libc.so.6`, `GLIBC_2.28`.
    versions: Vec<(String, String)>,
    executable_stack: bool,
}

impl Elf {
    /// Whether it has the form of both processors that there are targets for.
    fn is_64_little(&self) -> bool {
        self.class == elf::ELFCLASS64.0 && self.data == elf::ELFDATA2LSB.0
    }
}

/// Reads what matters to the loader.
pub fn read(image: &Image<'_>) -> Result<Elf, Damaged> {
    let start = image.bytes(0, 20)?;
    let mut found = Elf { class: start[4], data: start[5], ..Elf::default() };
    let word = |at: usize| {
        let bytes = [start[at], start[at + 1]];
        if found.data == elf::ELFDATA2MSB.0 { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    };
    let (kind, machine) = (word(16), word(18));
    found.machine = machine;
    found.loadable = [elf::ET_EXEC.0, elf::ET_DYN.0].contains(&kind);
    if !found.loadable || !found.is_64_little() {
        return Ok(found);
    }
    let header = image.record::<elf::FileHeader64<LittleEndian>>(0)?;
    let segments = segments(image, header)?;
    for segment in &segments {
        let kind = segment.p_type.get(LittleEndian);
        if kind == elf::PT_INTERP {
            found.interpreter = Some(image.text(segment.p_offset.get(LittleEndian))?);
        } else if kind == elf::PT_GNU_STACK {
            found.executable_stack = segment.p_flags.get(LittleEndian).0 & elf::PF_X.0 != 0;
        } else if kind == elf::PT_DYNAMIC {
            let dynamic = image.slice(segment.p_offset.get(LittleEndian), segment.p_filesz.get(LittleEndian))?;
            read_dynamic(image, &dynamic, &segments, &mut found)?;
        }
    }
    let glibc = found.versions.iter().filter_map(|(_, version)| glibc_version(version));
    found.glibc = glibc.max();
    Ok(found)
}

type Segment = elf::ProgramHeader64<LittleEndian>;

fn segments<'a>(image: &Image<'a>, header: &elf::FileHeader64<LittleEndian>) -> Result<Vec<&'a Segment>, Damaged> {
    let count = header.e_phnum.get(LittleEndian);
    let size = u64::from(header.e_phentsize.get(LittleEndian));
    if count > 0 && size != size_of::<Segment>() as u64 {
        return Err(Damaged(format!("its program headers have {size} bytes each")));
    }
    let start = header.e_phoff.get(LittleEndian);
    (0..u64::from(count)).map(|index| image.record(start.saturating_add(index * size))).collect()
}

fn read_dynamic(image: &Image<'_>, dynamic: &Image<'_>, segments: &[&Segment], found: &mut Elf) -> Result<(), Damaged> {
    let size = size_of::<elf::Dyn64<LittleEndian>>() as u64;
    let mut entries = Vec::new();
    for index in 0..dynamic.size() / size {
        let entry = dynamic.record::<elf::Dyn64<LittleEndian>>(index * size)?;
        let tag = entry.d_tag.get(LittleEndian);
        if tag == elf::DT_NULL {
            break;
        }
        entries.push((tag, entry.d_val.get(LittleEndian)));
    }
    let value = |wanted| entries.iter().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value);
    let strings = match value(elf::DT_STRTAB) {
        Some(address) => offset(segments, address)?,
        None => return Ok(()),
    };
    let text = |index: u64| image.text(strings.saturating_add(index));
    for (tag, value) in &entries {
        match *tag {
            elf::DT_NEEDED => found.needed.push(text(*value)?),
            elf::DT_SONAME => found.name = Some(text(*value)?),
            elf::DT_RPATH | elf::DT_RUNPATH => {
                found.paths.extend(text(*value)?.split(':').filter(|path| !path.is_empty()).map(str::to_owned));
            }
            _ => {}
        }
    }
    let (Some(address), Some(count)) = (value(elf::DT_VERNEED), value(elf::DT_VERNEEDNUM)) else { return Ok(()) };
    let mut at = offset(segments, address)?;
    for _ in 0..count.min(MOST_VERSIONS as u64) {
        let library = image.record::<elf::Verneed<LittleEndian>>(at)?;
        let file = text(library.vn_file.get(LittleEndian).into())?;
        let mut version_at = at.saturating_add(library.vn_aux.get(LittleEndian).into());
        for _ in 0..library.vn_cnt.get(LittleEndian) {
            let version = image.record::<elf::Vernaux<LittleEndian>>(version_at)?;
            found.versions.push((file.clone(), text(version.vna_name.get(LittleEndian).into())?));
            if found.versions.len() > MOST_VERSIONS {
                return Err(Damaged("its table of versions does not end".to_owned()));
            }
            let next = version.vna_next.get(LittleEndian);
            if next == 0 {
                break;
            }
            version_at = version_at.saturating_add(next.into());
        }
        let next = library.vn_next.get(LittleEndian);
        if next == 0 {
            break;
        }
        at = at.saturating_add(next.into());
    }
    Ok(())
}

/// The file offset of an address.
fn offset(segments: &[&Segment], address: u64) -> Result<u64, Damaged> {
    let loaded = segments.iter().filter(|segment| segment.p_type.get(LittleEndian) == elf::PT_LOAD);
    loaded
        .filter_map(|segment| {
            let distance = address.checked_sub(segment.p_vaddr.get(LittleEndian))?;
            (distance < segment.p_filesz.get(LittleEndian))
                .then(|| segment.p_offset.get(LittleEndian).saturating_add(distance))
        })
        .next()
        .ok_or_else(|| Damaged(format!("nothing of it is loaded at {address:#x}, where it says that a table is")))
}

/// The version of glibc that a symbol version asks for.
fn glibc_version(version: &str) -> Option<Version> {
    let number = version.strip_prefix("GLIBC_")?;
    match number {
        // Packed relocations, which loaders know from this version on.
        "ABI_DT_RELR" => Some(Version::new(2, 36, 0)),
        number => Version::parse(number),
    }
}

/// Checks it as a part of a runtime.
pub fn check(found: &Elf, path: &str, platform: &Platform, libraries: &Libraries<'_>) -> Vec<Problem> {
    let mut findings = Vec::new();
    let (machine, interpreter) = match platform.architecture {
        Architecture::X86_64 => (elf::EM_X86_64, "/lib64/ld-linux-x86-64.so.2"),
        Architecture::Arm64 => (elf::EM_AARCH64, "/lib/ld-linux-aarch64.so.1"),
    };
    if found.machine != machine.0 || !found.is_64_little() {
        let bits = if found.class == elf::ELFCLASS64.0 { 64 } else { 32 };
        return vec![Problem::ElfMachine { bits, machine: found.machine, wanted: platform.architecture }];
    }
    if let Some(path) = found.interpreter.as_deref().filter(|path| *path != interpreter) {
        findings.push(Problem::Loader { path: path.to_owned(), wanted: interpreter });
    }
    let mut directories = Vec::new();
    for entry in &found.paths {
        match origin_relative(entry).and_then(|relative| inside(directory(path), relative)) {
            Some(resolved) => directories.push(resolved),
            None => findings.push(Problem::Directory(entry.clone())),
        }
    }
    let bundled = |needed: &str| {
        // The loader also finds libraries by name that another part of the runtime loaded before: the libraries of the
        // nvidia packages lie on no path of their users.
        directories.iter().any(|directory| inside(directory, needed).is_some_and(|file| libraries.has(&file)))
            || libraries.knows(needed)
    };
    for needed in &found.needed {
        if needed.contains('/') {
            findings.push(Problem::File(needed.clone()));
        } else if !SYSTEM.contains(&needed.as_str()) && !bundled(needed) {
            findings.push(Problem::Library(needed.clone()));
        }
    }
    if let (Some(needed), Some(floor)) = (found.glibc, platform.floor)
        && needed > floor
    {
        findings.push(Problem::Glibc { needed, floor });
    }
    for (library, version) in &found.versions {
        let too_new = OF_GCC_8.iter().any(|(prefix, newest)| {
            version.strip_prefix(prefix).and_then(Version::parse).is_some_and(|needed| needed > *newest)
        });
        if version == "GLIBC_PRIVATE" || (too_new && !bundled(library)) {
            findings.push(Problem::SymbolVersion { library: library.clone(), version: version.clone() });
        }
    }
    if found.executable_stack {
        findings.push(Problem::ExecutableStack);
    }
    findings
}

/// The path behind `$ORIGIN`, the directory of the file itself.
fn origin_relative(entry: &str) -> Option<&str> {
    let rest = entry.strip_prefix("$ORIGIN").or_else(|| entry.strip_prefix("${ORIGIN}"))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}
