//! A job object of Windows: what is in it ends when the last handle to it is closed, which the system does for a
//! process however it ends.

use std::io;
use std::ptr;

use windows_sys::Win32::Foundation::{CloseHandle, HANDLE};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// A job that this process is in, and with it every child that it starts from now on.
///
/// N.B. it is never dropped while the process lives: closing the handle ends this process too.
pub struct Job(HANDLE);

impl Job {
    /// Makes a job and enters it before the child is started, so that there is no moment in which the child is not in
    /// it.
    pub fn enter() -> io::Result<std::mem::ManuallyDrop<Self>> {
        // SAFETY: no security attributes and no name are allowed values.
        let handle = unsafe { CreateJobObjectW(ptr::null(), ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        let job = Self(handle);
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
        let size = u32::try_from(size_of_val(&limits)).map_err(io::Error::other)?;
        // SAFETY: the handle is open, and the structure is of the kind and size that are named.
        let set = unsafe {
            SetInformationJobObject(job.0, JobObjectExtendedLimitInformation, ptr::from_ref(&limits).cast(), size)
        };
        // SAFETY: both handles are open; that of the current process needs no closing.
        if set == 0 || unsafe { AssignProcessToJobObject(job.0, GetCurrentProcess()) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(std::mem::ManuallyDrop::new(job))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // SAFETY: the handle is open and no other code closes it. Only a job that was not entered gets here.
        unsafe { CloseHandle(self.0) };
    }
}
