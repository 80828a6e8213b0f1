//! A process of its own under a filter, and what happens to that.

use super::load::load;

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
