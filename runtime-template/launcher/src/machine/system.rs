//! Version of the operating system and name of the processor, as the system says them.

/// The version that users see in “About this Mac”, such as `15.1`.
#[cfg(target_os = "macos")]
pub fn version() -> Option<String> {
    text_of(c"kern.osproductversion")
}

#[cfg(all(unix, not(target_os = "macos")))]
pub fn version() -> Option<String> {
    let system = nix::sys::utsname::uname().ok()?;
    Some(system.release().to_string_lossy().into_owned())
}

/// Nothing that is found out about a machine depends on it on Windows.
#[cfg(windows)]
pub fn version() -> Option<String> {
    None
}

/// Such as `Apple M4 Pro`.
#[cfg(target_os = "macos")]
pub fn processor() -> Option<String> {
    text_of(c"machdep.cpu.brand_string")
}

/// As the processor calls itself: the system would take longer to say it.
#[cfg(all(target_arch = "x86_64", not(target_os = "macos")))]
pub fn processor() -> Option<String> {
    use std::arch::x86_64::__cpuid;
    // Leaf 0x8000_0000 says which of the leaves there are; the three next hold 16 bytes of the name each.
    if __cpuid(0x8000_0000).eax < 0x8000_0004 {
        return None;
    }
    let bytes = (0x8000_0002..=0x8000_0004).flat_map(|leaf| {
        let answer = __cpuid(leaf);
        [answer.eax, answer.ebx, answer.ecx, answer.edx].into_iter().flat_map(u32::to_le_bytes)
    });
    let name = bytes.take_while(|byte| *byte != 0).collect::<Vec<_>>();
    Some(String::from_utf8_lossy(&name).trim().to_owned()).filter(|name| !name.is_empty())
}

/// Other processors have a number and no name.
#[cfg(not(any(target_arch = "x86_64", target_os = "macos")))]
pub fn processor() -> Option<String> {
    None
}

/// Whether programs that ask for it may open files whose paths have more than 259 characters. Only Windows has a limit
/// that low; an administrator can lift it.
#[cfg(not(windows))]
pub const fn allows_long_paths() -> bool {
    true
}

/// See <https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation>.
#[cfg(windows)]
pub fn allows_long_paths() -> bool {
    use windows_sys::Win32::System::Registry::{HKEY_LOCAL_MACHINE, RRF_RT_REG_DWORD, RegGetValueW};
    use windows_sys::w;
    let mut value = 0_u32;
    let mut size = size_of_val(&value) as u32;
    // SAFETY: both names end with a zero, and the value is as long as the size says.
    let error = unsafe {
        RegGetValueW(
            HKEY_LOCAL_MACHINE,
            w!("SYSTEM\\CurrentControlSet\\Control\\FileSystem"),
            w!("LongPathsEnabled"),
            RRF_RT_REG_DWORD,
            std::ptr::null_mut(),
            (&raw mut value).cast(),
            &raw mut size,
        )
    };
    error == 0 && value == 1
}

#[cfg(target_os = "macos")]
fn text_of(name: &std::ffi::CStr) -> Option<String> {
    use nix::libc;
    const LONGEST: usize = 256;
    let mut length: libc::size_t = 0;
    let mut buffer = [0_u8; LONGEST];
    for place in [std::ptr::null_mut(), buffer.as_mut_ptr().cast::<libc::c_void>()] {
        if length > LONGEST {
            return None;
        }
        // SAFETY: the name ends with a zero, and the place is none, for which only the length is told, or a buffer that
        // is as long as the length says. Nothing is set.
        let result = unsafe { libc::sysctlbyname(name.as_ptr(), place, &raw mut length, std::ptr::null_mut(), 0) };
        if result != 0 {
            return None;
        }
    }
    let text = buffer.get(..length)?.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty())
}
