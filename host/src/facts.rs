//! What the program asks of the host before it builds a machine: how much memory there is, and what the clock says.

/// The host's physical memory in bytes, if it tells.
pub fn physical_memory() -> Option<u64> {
    #[cfg(unix)]
    {
        // SAFETY: sysconf reads a system constant and touches no memory of ours.
        let (pages, size) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
        u64::try_from(pages).ok()?.checked_mul(u64::try_from(size).ok()?)
    }
    #[cfg(not(unix))]
    None
}

/// Seconds east of UTC of the host's local time at `unix` (seconds since 1970).
pub fn local_offset(unix: i64) -> i64 {
    #[cfg(unix)]
    {
        let time = unix as libc::time_t;
        // SAFETY: an all-zero `tm` is a valid value of it (integers and a null pointer).
        let mut local: libc::tm = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are to live values of the right type, for the length of the call.
        let found = unsafe { !libc::localtime_r(&time, &mut local).is_null() };
        if found { local.tm_gmtoff as i64 } else { 0 }
    }
    #[cfg(not(unix))]
    {
        _ = unix;
        0
    }
}

/// Asks the host to wake this thread, and those that it starts from here on, when they want and not up to 50 microseconds later,
/// as Linux does to spare its battery. A guest's timers come as late as that, and its delays get as much longer.
pub fn wake_promptly() {
    #[cfg(target_os = "linux")]
    {
        const NANOSECONDS: libc::c_ulong = 1_000;
        // SAFETY: this sets a number of the calling thread's, and touches no memory of ours.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, NANOSECONDS) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_plausible() {
        assert!(physical_memory().unwrap() > 64 << 20);
    }

    #[test]
    fn offset_is_less_than_a_day() {
        assert!(local_offset(1_700_000_000).abs() < 86_400);
    }
}
