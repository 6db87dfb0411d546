//! Mach-O, as `dyld` reads it: the load commands.

use object::endian::{BigEndian, LittleEndian};
use object::macho;
use object::read::macho::{FatArch, LoadCommandVariant, MachHeader as _};

use super::image::{Damaged, Image};
use super::library::{Libraries, directory, inside};
use super::platform::{Architecture, Platform, Version};
use super::problem::Problem;
use super::signature::{self, Signature};

/// The program of a process whose libraries these are: `@executable_path` is its directory.
const EXECUTABLE: &str = "python/bin";

const LOADER: &str = "/usr/lib/dyld";

/// The load commands of a Mach-O file that matter here.
#[derive(Debug, Default)]
pub struct MachO {
    /// Whether `dyld` would load it: an object file or debug symbols are input of other tools.
    pub loadable: bool,
    /// `LC_ID_DYLIB`
    pub name: Option<String>,
    /// The oldest macOS that it is for.
    pub floor: Option<Version>,
    cpu: u32,
    /// The platform of `LC_BUILD_VERSION`, where it is another than macOS.
    foreign: Option<u32>,
    needed: Vec<Needed>,
    paths: Vec<String>,
    linker: Option<String>,
    /// The problem of its signature, where signatures matter.
    signature: Option<Problem>,
}

#[derive(Debug)]
struct Needed {
    path: String,
    /// Whether the program does without it where it is missing.
    weak: bool,
}

/// The slice of a universal file that the platform takes; `None` when there is none.
pub fn slice<'a>(image: &Image<'a>, platform: &Platform) -> Result<Option<Image<'a>>, Damaged> {
    let header = image.record::<macho::FatHeader>(0)?;
    let count = u64::from(header.nfat_arch.get(BigEndian));
    if header.magic.get(BigEndian) == macho::FAT_MAGIC {
        slice_of::<macho::FatArch32>(image, count, platform)
    } else {
        slice_of::<macho::FatArch64>(image, count, platform)
    }
}

fn slice_of<'a, Arch: FatArch>(
    image: &Image<'a>,
    count: u64,
    platform: &Platform,
) -> Result<Option<Image<'a>>, Damaged> {
    for index in 0..count {
        let slice = image.record::<Arch>((size_of::<macho::FatHeader>() as u64) + index * size_of::<Arch>() as u64)?;
        // N.B. arm64e is another ABI, which a process of arm64 does not load.
        let pointer_authentication = slice.cputype() == macho::CPU_TYPE_ARM64 && slice.cpusubtype().0 & 0xff == 2;
        if slice.cputype().0 == cpu(platform.architecture) && !pointer_authentication {
            return image.slice(slice.offset().into(), slice.size().into()).map(Some);
        }
    }
    Ok(None)
}

fn cpu(architecture: Architecture) -> u32 {
    match architecture {
        Architecture::X86_64 => macho::CPU_TYPE_X86_64.0,
        Architecture::Arm64 => macho::CPU_TYPE_ARM64.0,
    }
}

/// Reads what matters to the loader.
pub fn read(image: &Image<'_>, platform: &Platform) -> Result<MachO, Damaged> {
    let magic = image.bytes(0, 8)?;
    let processor = [magic[4], magic[5], magic[6], magic[7]];
    if magic[0] == 0xfe {
        return Ok(MachO { loadable: true, cpu: u32::from_be_bytes(processor), ..MachO::default() });
    }
    let mut found = MachO { loadable: true, cpu: u32::from_le_bytes(processor), ..MachO::default() };
    if magic[0] != 0xcf {
        return Ok(found);
    }
    let header = image.record::<macho::MachHeader64<LittleEndian>>(0)?;
    let kind = header.filetype.get(LittleEndian);
    found.loadable = [macho::MH_EXECUTE, macho::MH_DYLIB, macho::MH_BUNDLE].contains(&kind);
    if !found.loadable {
        return Ok(found);
    }
    let size = size_of::<macho::MachHeader64<LittleEndian>>() as u64;
    let commands = image.bytes(0, size + u64::from(header.sizeofcmds.get(LittleEndian)))?;
    let mut signature = None;
    let mut commands = header.load_commands(LittleEndian, commands, 0)?;
    while let Some(command) = commands.next()? {
        let text = |text| command.string(LittleEndian, text).map(|text| String::from_utf8_lossy(text).into_owned());
        match command.variant()? {
            LoadCommandVariant::IdDylib(dylib) => found.name = Some(text(dylib.dylib.name)?),
            LoadCommandVariant::Dylib(dylib) => found
                .needed
                .push(Needed { path: text(dylib.dylib.name)?, weak: command.cmd() == macho::LC_LOAD_WEAK_DYLIB }),
            LoadCommandVariant::Rpath(path) => found.paths.push(text(path.path)?),
            LoadCommandVariant::LoadDylinker(linker) => found.linker = Some(text(linker.name)?),
            LoadCommandVariant::VersionMin(version) if command.cmd() == macho::LC_VERSION_MIN_MACOSX => {
                found.floor = Some(os_version(version.version.get(LittleEndian)));
            }
            LoadCommandVariant::BuildVersion(version, _) => {
                let platform = version.platform.get(LittleEndian);
                found.foreign = (platform != macho::PLATFORM_MACOS).then_some(platform.0);
                found.floor = Some(os_version(version.minos.get(LittleEndian)));
            }
            LoadCommandVariant::LinkeditData(data) if command.cmd() == macho::LC_CODE_SIGNATURE => {
                let (offset, size) = (data.dataoff.get(LittleEndian), data.datasize.get(LittleEndian));
                signature = Some(Signature { offset: offset.into(), size: size.into() });
            }
            _ => {}
        }
    }
    if platform.architecture == Architecture::Arm64 && found.cpu == cpu(Architecture::Arm64) {
        found.signature = signature::check(image, signature.as_ref())?;
    }
    Ok(found)
}

fn os_version(version: macho::Version) -> Version {
    Version::new(version.0 >> 16, (version.0 >> 8) & 0xff, version.0 & 0xff)
}

impl MachO {
    /// The files of the runtime that it loads.
    pub fn files(&self, path: &str, libraries: &Libraries<'_>) -> Vec<String> {
        let find = |entry: &str, name: Option<&str>| match place(entry, path) {
            Some(Place::Inside(file)) => match name {
                Some(name) => inside(&file, name),
                None => Some(file),
            },
            _ => None,
        };
        let found = self.needed.iter().filter_map(|needed| match needed.path.strip_prefix("@rpath/") {
            Some(name) => {
                let mut places = self.paths.iter().filter_map(|entry| find(entry, Some(name)));
                places.find(|file| libraries.has(file))
            }
            None => find(&needed.path, None),
        });
        found.filter(|file| libraries.has(file)).collect()
    }
}

/// Checks it as a part of a runtime.
pub fn check(found: &MachO, path: &str, platform: &Platform, libraries: &Libraries<'_>) -> Vec<Problem> {
    if found.cpu != cpu(platform.architecture) {
        return vec![Problem::MachOProcessor { processor: found.cpu, wanted: platform.architecture }];
    }
    let mut findings = Vec::new();
    if let Some(foreign) = found.foreign {
        findings.push(Problem::ApplePlatform(foreign));
    }
    if let Some(linker) = found.linker.as_deref().filter(|linker| *linker != LOADER) {
        findings.push(Problem::Loader { path: linker.to_owned(), wanted: LOADER });
    }
    // N.B. The name that a library gives itself (`LC_ID_DYLIB`) is no load path: those who link against it later copy
    // it. `delocate` leaves `/DLC/…` there, and refers to the file by `@loader_path`.
    for needed in &found.needed {
        let (there, outside) = match needed.path.strip_prefix("@rpath/") {
            Some(name) => search(found, name, path, libraries),
            None => match place(&needed.path, path) {
                Some(Place::System) => (true, None),
                Some(Place::Inside(file)) => (libraries.has(&file), None),
                None => (true, Some(needed.path.as_str())),
            },
        };
        if let Some(outside) = outside {
            findings.push(Problem::DirectoryOf { library: needed.path.clone(), directory: outside.to_owned() });
        } else if !there && !needed.weak && !libraries.knows(&needed.path) {
            // A library of the same name that another part of the runtime loaded before would be found too.
            findings.push(Problem::Library(needed.path.clone()));
        }
    }
    if let (Some(needed), Some(floor)) = (found.floor, platform.floor)
        && needed > floor
    {
        findings.push(Problem::MacOs { needed, floor });
    }
    findings.extend(found.signature.clone());
    findings
}

/// Goes through the `LC_RPATH`s in their order: whether one has the library, and the first one before it that leads
/// outside. One that no library is looked for in leads nowhere: the build machine's directories that many published
/// wheels name (those of scikit-learn fifty times) come after the one that has the library, or are for nothing.
fn search<'a>(found: &'a MachO, name: &str, path: &str, libraries: &Libraries<'_>) -> (bool, Option<&'a str>) {
    let mut outside = None;
    for entry in &found.paths {
        match place(entry, path) {
            Some(Place::Inside(directory)) => {
                if inside(&directory, name).is_some_and(|file| libraries.has(&file)) {
                    return (true, outside);
                }
            }
            Some(Place::System) => {}
            None => outside = outside.or(Some(entry.as_str())),
        }
    }
    (false, outside)
}

/// The place that a load path leads to.
enum Place {
    Inside(String),
    System,
}

fn place(entry: &str, path: &str) -> Option<Place> {
    let relative = |rest: &str, from: &str| {
        let rest = if rest.is_empty() { Some("") } else { rest.strip_prefix('/') };
        inside(from, rest?).map(Place::Inside)
    };
    if let Some(rest) = entry.strip_prefix("@loader_path") {
        return relative(rest, directory(path));
    }
    if let Some(rest) = entry.strip_prefix("@executable_path") {
        return relative(rest, EXECUTABLE);
    }
    // N.B. `/usr/local` belongs to the machine's administrator, not to the system.
    let system = ["/usr/lib/", "/System/"].iter().any(|start| entry.starts_with(start)) || entry == "/usr/lib";
    (system && !entry.contains("/../")).then_some(Place::System)
}
