//! Minimal binaries, byte by byte: what the loaders of the three systems look at, and nothing else.

use sha2::{Digest as _, Sha256};

pub struct Elf {
    pub machine: u16,
    pub class: u8,
    pub name: Option<&'static str>,
    pub needed: Vec<&'static str>,
    pub path: Option<&'static str>,
    pub version: Option<(&'static str, &'static str)>,
    pub interpreter: Option<&'static str>,
    pub stack_flags: u32,
}

impl Default for Elf {
    fn default() -> Self {
        Self {
            machine: 62,
            class: 2,
            name: None,
            needed: vec!["libc.so.6"],
            path: None,
            version: Some(("libc.so.6", "GLIBC_2.17")),
            interpreter: None,
            stack_flags: 6,
        }
    }
}

impl Elf {
    pub fn bytes(&self) -> Vec<u8> {
        const HEADERS: u64 = 64 + 4 * 56;
        // Strings, versions, dynamic entries; file offsets and addresses are the same.
        let mut strings = vec![0_u8];
        let mut text = |text: &str| {
            let at = strings.len() as u64;
            strings.extend(text.as_bytes());
            strings.push(0);
            at
        };
        let mut entries = Vec::new();
        entries.extend(self.needed.iter().map(|needed| (1, text(needed))));
        entries.extend(self.name.map(|name| (14, text(name))));
        entries.extend(self.path.map(|path| (29, text(path))));
        let version = self.version.map(|(library, version)| (text(library), text(version)));
        let interpreter = self.interpreter.map_or(0, &mut text);
        let versions_at = HEADERS + strings.len() as u64;
        let mut versions = Vec::new();
        if let Some((library, version)) = version {
            versions.extend(words16(&[1, 1]));
            versions.extend(words(&[u32::try_from(library).unwrap(), 16, 0, 0]));
            versions.extend(words16(&[0, 2]));
            versions.extend(words(&[u32::try_from(version).unwrap(), 0]));
            entries.extend([(0x6fff_fffe, versions_at), (0x6fff_ffff, 1)]);
        }
        entries.extend([(5, HEADERS), (0, 0)]);
        let dynamic_at = versions_at + versions.len() as u64;
        let dynamic = entries.iter().flat_map(|(tag, value)| longs(&[*tag, *value])).collect::<Vec<_>>();
        let end = dynamic_at + dynamic.len() as u64;

        let mut file = vec![0x7f, b'E', b'L', b'F', self.class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        file.extend(words16(&[3, self.machine]));
        file.extend(words(&[1]));
        file.extend(longs(&[0, 64, 0]));
        file.extend(words(&[0]));
        file.extend(words16(&[64, 56, 4, 0, 0, 0]));
        let mut segment = |kind: u32, flags: u32, at: u64, size: u64| {
            file.extend(words(&[kind, flags]));
            file.extend(longs(&[at, at, at, size, size, 8]));
        };
        segment(1, 5, 0, end);
        segment(2, 6, dynamic_at, dynamic.len() as u64);
        segment(0x6474_e551, self.stack_flags, 0, 0);
        segment(if self.interpreter.is_some() { 3 } else { 0 }, 4, HEADERS + interpreter, 1);
        [file, strings, versions, dynamic].concat()
    }
}

pub struct MachO {
    pub processor: u32,
    pub name: Option<&'static str>,
    pub needed: Vec<&'static str>,
    pub path: Option<&'static str>,
    pub floor: u32,
    pub is_signed: bool,
}

pub const ARM64: u32 = 0x0100_000c;
pub const X86_64: u32 = 0x0100_0007;

impl Default for MachO {
    fn default() -> Self {
        Self {
            processor: ARM64,
            name: Some("@rpath/libgood.dylib"),
            needed: vec!["/usr/lib/libSystem.B.dylib"],
            path: None,
            floor: 0x000b_0000,
            is_signed: true,
        }
    }
}

impl MachO {
    /// Three pages of code, the last one not full.
    pub const CODE: usize = 10_000;

    pub fn bytes(&self) -> Vec<u8> {
        let text = |kind: u32, start: usize, text: &str| {
            let size = (start + text.len() + 1).next_multiple_of(8);
            let mut command = words(&[kind, u32::try_from(size).unwrap(), u32::try_from(start).unwrap()]);
            command.resize(start, 0);
            command.extend(text.as_bytes());
            command.resize(size, 0);
            command
        };
        let mut commands = Vec::new();
        commands.extend(self.name.map(|name| text(0xd, 24, name)));
        commands.extend(self.needed.iter().map(|needed| text(0xc, 24, needed)));
        commands.extend(self.path.map(|path| text(0x8000_001c, 12, path)));
        commands.push(words(&[0x32, 24, 1, self.floor, self.floor, 0]));
        if self.is_signed {
            let at = u32::try_from(Self::CODE).unwrap();
            commands.push(words(&[0x1d, 16, at, u32::try_from(signature(&[]).len() + 3 * 32).unwrap()]));
        }
        let count = u32::try_from(commands.len()).unwrap();
        let commands = commands.concat();
        let mut file = words(&[0xfeed_facf, self.processor, 0, 6, count, u32::try_from(commands.len()).unwrap(), 0, 0]);
        file.extend(commands);
        file.resize(Self::CODE, 0x90);
        if self.is_signed {
            let hashes = file.chunks(4096).map(|page| Sha256::digest(page).to_vec()).collect::<Vec<_>>().concat();
            file.extend(signature(&hashes));
        }
        file
    }
}

/// An ad-hoc signature as a linker makes it: one blob, the code directory.
fn signature(hashes: &[u8]) -> Vec<u8> {
    let directory_size = u32::try_from(44 + 2 + hashes.len()).unwrap();
    let mut directory = big_words(&[0xfade_0c02, directory_size, 0x2_0000, 2, 46, 44, 0, 3, 10_000]);
    // Size of a hash, SHA-256, platform, pages of 2^12 bytes.
    directory.extend([32, 2, 0, 12, 0, 0, 0, 0]);
    directory.extend(b"a\0");
    directory.extend(hashes);
    let mut blob = big_words(&[0xfade_0cc0, 20 + directory_size, 1, 0, 20]);
    blob.extend(directory);
    blob
}

/// A universal Mach-O of these slices.
pub fn universal(slices: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = big_words(&[0xcafe_babe, u32::try_from(slices.len()).unwrap()]);
    let mut at = 4096;
    for (processor, slice) in slices {
        let size = u32::try_from(slice.len()).unwrap();
        file.extend(big_words(&[*processor, 0, at, size, 12]));
        at += size.next_multiple_of(4096);
    }
    for (_, slice) in slices {
        file.resize(file.len().next_multiple_of(4096), 0);
        file.extend(slice);
    }
    file
}

pub fn pe(machine: u16, imports: &[&str]) -> Vec<u8> {
    const AT: u32 = 0x200;
    const ADDRESS: u32 = 0x1000;
    let mut names = Vec::new();
    let mut table = Vec::new();
    let names_at = ADDRESS + 20 * u32::try_from(imports.len() + 1).unwrap();
    for import in imports {
        table.extend(words(&[1, 0, 0, names_at + u32::try_from(names.len()).unwrap(), 1]));
        names.extend(import.as_bytes());
        names.push(0);
    }
    table.extend([0; 20]);
    table.extend(names);
    let size = u32::try_from(table.len()).unwrap();

    let mut file = b"MZ".to_vec();
    file.resize(60, 0);
    file.extend(words(&[64]));
    file.extend(b"PE\0\0");
    file.extend(words16(&[machine, 1]));
    file.extend(words(&[0, 0, 0]));
    file.extend(words16(&[240, 0x2022, 0x20b]));
    file.resize(64 + 24 + 108, 0);
    file.extend(words(&[16, 0, 0, ADDRESS, size]));
    file.resize(64 + 24 + 240, 0);
    file.extend(b".rdata\0\0");
    file.extend(words(&[size, ADDRESS, size, AT, 0, 0, 0, 0]));
    file.resize(AT as usize, 0);
    file.extend(table);
    file
}

fn words16(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn longs(values: &[u64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn big_words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}
