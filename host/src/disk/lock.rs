//! Locks on image files: against another of our own by the host's whole-file locks, and on Linux against QEMU by the byte
//! locks that it uses (as block/file-posix.c of QEMU describes them: a byte for each right that is held from 100 on, and one
//! for each that is not shared from 200 on).

use std::fs::{File, TryLockError};
use std::io;

/// Why there is no lock.
pub enum Refused {
    /// Somebody else has one that forbids ours.
    InUse,
    /// The file system has no locks.
    Unsupported(io::Error),
}

/// Locks a file until it is closed: for us alone if it will be written, together with other readers if not.
pub fn lock(file: &File, write: bool) -> Result<(), Refused> {
    let whole = if write { file.try_lock() } else { file.try_lock_shared() };
    match whole {
        Ok(()) => bytes::lock(file, write),
        Err(TryLockError::WouldBlock) => Err(Refused::InUse),
        Err(TryLockError::Error(error)) => Err(Refused::Unsupported(error)),
    }
}

#[cfg(target_os = "linux")]
mod bytes {
    use super::Refused;
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;

    /// First bytes of the rights that are held, and of those that others must not have.
    const HELD: i64 = 100;
    const UNSHARED: i64 = 200;
    // The rights, as bit numbers.
    const READ: i64 = 0;
    const WRITE: i64 = 1;
    const RESIZE: i64 = 3;

    pub fn lock(file: &File, write: bool) -> Result<(), Refused> {
        let held: &[i64] = if write { &[READ, WRITE, RESIZE] } else { &[READ] };
        // Nobody may write what we read or write.
        let unshared = [WRITE, RESIZE];
        let ours = held.iter().map(|bit| HELD + bit).chain(unshared.map(|bit| UNSHARED + bit));
        for byte in ours {
            match fcntl(file, libc::F_OFD_SETLK, libc::F_RDLCK, byte) {
                Ok(_) => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => {
                    return Err(Refused::InUse);
                }
                // Kernels and file systems without such locks: the whole file's lock must do.
                Err(_) => return Ok(()),
            }
        }
        let others = held.iter().map(|bit| UNSHARED + bit).chain(unshared.map(|bit| HELD + bit));
        for byte in others {
            if fcntl(file, libc::F_OFD_GETLK, libc::F_WRLCK, byte).is_ok_and(|found| found != libc::F_UNLCK) {
                return Err(Refused::InUse);
            }
        }
        Ok(())
    }

    /// Asks for, or asks about, a lock on one byte. What it gives is the kind of the lock that would be in the way.
    fn fcntl(file: &File, command: i32, kind: i32, byte: i64) -> io::Result<i32> {
        let mut lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: byte as libc::off_t,
            l_len: 1,
            l_pid: 0,
        };
        // SAFETY: the file is open, and these commands read and write the one structure that outlives the call.
        let result = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) };
        if result == -1 { Err(io::Error::last_os_error()) } else { Ok(i32::from(lock.l_type)) }
    }
}

#[cfg(not(target_os = "linux"))]
mod bytes {
    pub fn lock(_file: &std::fs::File, _write: bool) -> Result<(), super::Refused> {
        Ok(())
    }
}
