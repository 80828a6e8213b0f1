//! Loading a filter.

use std::time::{Duration, Instant};

/// Loads a filter into this process for good; the time it took, or `None` when the kernel refused it.
pub fn load(program: &[u8]) -> Option<Duration> {
    let header = libc::sock_fprog { len: (program.len() / 8) as u16, filter: program.as_ptr().cast_mut().cast() };
    let begin = Instant::now();
    // SAFETY: `header` points to `len` instructions that live until the call returns.
    let loaded = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const header, 0, 0) == 0
    };
    loaded.then(|| begin.elapsed())
}
