//! Becoming another program, execve(2).

use std::ffi::{CStr, CString, NulError, c_char};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// An argument or environment vector in the form that the kernel takes.
#[derive(Debug)]
pub struct Vector {
    texts: Vec<CString>,
}

impl Vector {
    /// Copies the texts.
    ///
    /// # Errors
    /// When one of them contains a NUL.
    pub fn new<T: AsRef<[u8]>>(texts: impl IntoIterator<Item = T>) -> Result<Self, NulError> {
        let texts = texts.into_iter().map(|text| CString::new(text.as_ref()));
        Ok(Self {
            texts: texts.collect::<Result<_, _>>()?,
        })
    }

    fn pointers(&self) -> Vec<*const c_char> {
        let texts = self.texts.iter().map(|text| text.as_ptr());
        texts.chain(std::iter::once(std::ptr::null())).collect()
    }
}

/// Replaces this process by the program at `path`; returns only on failure.
pub fn execve(path: &CStr, arguments: &Vector, environment: &Vector) -> io::Error {
    let (arguments, environment) = (arguments.pointers(), environment.pointers());
    // SAFETY: both vectors end with a null pointer, their texts with NUL, and all live
    // until the call returns, which it does only when it failed.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Replaces this process by the program that `file` is; returns only on failure.
///
/// `file` may be an O_PATH descriptor. A script cannot be run through a descriptor
/// that closes on exec.
pub fn fexecve(file: BorrowedFd<'_>, arguments: &Vector, environment: &Vector) -> io::Error {
    let (arguments, environment) = (arguments.pointers(), environment.pointers());
    // SAFETY: as in `execve`; the empty path with AT_EMPTY_PATH means the file itself.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            file.as_raw_fd(),
            c"".as_ptr(),
            arguments.as_ptr(),
            environment.as_ptr(),
            libc::AT_EMPTY_PATH,
        )
    };
    io::Error::last_os_error()
}
