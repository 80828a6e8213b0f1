//! Loading a filter into a process of its own, and what happens to that.

use std::time::{Duration, Instant};

/// How a process ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Code(i32),
    Signal(i32),
}

/// Forks, loads `program` in the child, runs `inside` there and exits with what it gives. The caller must be single-threaded.
pub fn confined(program: &[u8], inside: impl FnOnce() -> i32) -> End {
    // SAFETY: this process has one thread, so the child may go on like any program.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let code = if load(program).is_some() { inside() } else { 125 };
            // SAFETY: ends the child at once; nothing of the parent's is flushed twice.
            unsafe { libc::_exit(code) }
        }
        child => wait(child),
    }
}

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

/// A system call by number: its answer, or the errno as a negative number.
pub fn call(number: libc::c_long, arguments: &[u64]) -> i64 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    let [a, b, c, d, e, f] = all;
    // SAFETY: the callers pass numbers, null pointers, and pointers to memory of theirs.
    let answer = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if answer == -1 { -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { answer }
}

fn wait(child: libc::pid_t) -> End {
    let mut status = 0;
    // SAFETY: waits for our own child, into a local.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if libc::WIFSIGNALED(status) { End::Signal(libc::WTERMSIG(status)) } else { End::Code(libc::WEXITSTATUS(status)) }
}
