//! A place in which any call may be made: it ends with the process, and nothing outside of it is in reach.

use std::io::Error;
use std::ptr;

const NOBODY: libc::uid_t = 65_534;

/// Answers of many calls, shared between processes: one that is killed has written down what it saw before.
pub struct Answers {
    at: *mut i64,
    count: usize,
}

/// What stands where a call hasn't come back.
pub const NONE: i64 = i64::MIN;

impl Answers {
    pub fn new(count: usize) -> Answers {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping of our own.
        let at = unsafe { libc::mmap(ptr::null_mut(), count * 8, access, kind, -1, 0) };
        assert_ne!(at, libc::MAP_FAILED, "{}", Error::last_os_error());
        let answers = Answers { at: at.cast(), count };
        (0..count).for_each(|index| answers.set(index, NONE));
        answers
    }

    #[inline(always)]
    pub fn set(&self, index: usize, answer: i64) {
        assert!(index < self.count);
        // SAFETY: within the mapping; one process writes a place at a time.
        unsafe { self.at.add(index).write_volatile(answer) };
    }

    pub fn get(&self, index: usize) -> i64 {
        assert!(index < self.count);
        // SAFETY: within the mapping.
        unsafe { self.at.add(index).read_volatile() }
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`.
        unsafe { libc::munmap(self.at.cast(), self.count * 8) };
    }
}

/// Runs `inside` as the first process of namespaces of its own, as nobody, without descriptors but three of an empty file.
pub fn apart(inside: impl FnOnce()) {
    let outer = fork(|| {
        let own = libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWNET;
        // SAFETY: asks for an id.
        let root = unsafe { libc::geteuid() } == 0;
        let namespaces = if root { own } else { own | libc::CLONE_NEWUSER };
        // SAFETY: of this process, which has one thread.
        demand("unshare", unsafe { libc::unshare(namespaces) });
        let inner = fork(|| {
            let_go_of_descriptors();
            leave_no_core();
            become_nobody(root);
            inside();
        });
        assert_eq!(wait(inner), Ok(0), "the place apart");
    });
    assert_eq!(wait(outer), Ok(0), "the place apart");
}

fn let_go_of_descriptors() {
    // SAFETY: a new descriptor.
    let empty = unsafe { libc::memfd_create(c"empty".as_ptr(), 0) };
    demand("memfd_create", empty);
    for descriptor in 0..3 {
        // SAFETY: the standard streams of this process, which ends here.
        demand("dup2", unsafe { libc::dup2(empty, descriptor) });
    }
    // SAFETY: nothing uses the others any more.
    demand("close_range", unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) } as i32);
}

/// With 1 as the limit there is no core file, and no handler of the host's either.
fn leave_no_core() {
    let limit = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
    // SAFETY: a limit of this process.
    demand("setrlimit", unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) });
}

fn become_nobody(root: bool) {
    let header: [u32; 2] = [0x2008_0522, 0]; // _LINUX_CAPABILITY_VERSION_3
    // SAFETY: ids and capabilities of this process; the header and the sets live until the call is back.
    unsafe {
        if root {
            demand("setgroups", libc::setgroups(0, ptr::null()));
            demand("setresgid", libc::setresgid(NOBODY, NOBODY, NOBODY));
            demand("setresuid", libc::setresuid(NOBODY, NOBODY, NOBODY));
        }
        demand("capset", libc::syscall(libc::SYS_capset, header.as_ptr(), [0_u32; 6].as_ptr()) as i32);
    }
}

fn demand(what: &str, answer: i32) {
    assert!(answer >= 0, "{what}: {}", Error::last_os_error());
}

/// A child that runs `inside` and ends with 0, or with 101 if that panics.
pub fn fork(inside: impl FnOnce()) -> libc::pid_t {
    // SAFETY: this process has one thread, so the child may go on like any program.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", Error::last_os_error()),
        0 => {
            let went_well = std::panic::catch_unwind(std::panic::AssertUnwindSafe(inside)).is_ok();
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(if went_well { 0 } else { 101 }) }
        }
        child => child,
    }
}

/// Waits until a child is dead: its exit code, or the signal it died of. One that stops for a tracer is killed.
pub fn wait(child: libc::pid_t) -> Result<i32, i32> {
    loop {
        let mut status = 0;
        // SAFETY: waits for our own child, into a local.
        let answer = unsafe { libc::waitpid(child, &raw mut status, libc::__WALL) };
        if answer == -1 {
            assert_eq!(Error::last_os_error().raw_os_error(), Some(libc::EINTR));
        } else if libc::WIFSTOPPED(status) {
            // SAFETY: a signal to our own child.
            unsafe { libc::kill(child, libc::SIGKILL) };
        } else if libc::WIFSIGNALED(status) {
            return Err(libc::WTERMSIG(status));
        } else {
            return Ok(libc::WEXITSTATUS(status));
        }
    }
}
