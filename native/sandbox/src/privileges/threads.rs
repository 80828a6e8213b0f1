//! What each thread has to give up itself: its bounding, ambient and inheritable capabilities, and the right to gain any by a program.
//!
//! There is no call for all threads at once, so each is interrupted by a signal and does it in the handler. One of Node's threads
//! blocks every signal that libc lets it block. The one that libc keeps for itself, and uses for the very same purpose in
//! `setresuid`, reaches all: its handler is replaced for a moment, and put back.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// libc's own signal for changing the ids of all threads (`SIGSETXID`).
const SIGNAL: libc::c_int = 33;
/// More threads than this process has.
const MAX_THREADS: usize = 4096;
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_micros(200);
/// As the kernel has it: 64 signals.
const SET_BYTES: usize = 8;
const LAST_CAPABILITY: libc::c_ulong = 63;

/// Threads that have done it. Written by handlers, so it is a plain array.
static DONE: [AtomicI32; MAX_THREADS] = [const { AtomicI32::new(0) }; MAX_THREADS];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// An errno, if any thread could not.
static FAILED: AtomicI32 = AtomicI32::new(0);

/// `struct sigaction` as the kernel has it (x86-64 and arm64).
#[repr(C)]
#[derive(Clone, Copy)]
struct KernelAction {
    handler: usize,
    flags: libc::c_ulong,
    restorer: usize,
    mask: u64,
}

/// The ids of this process' threads.
pub fn all() -> io::Result<Vec<u32>> {
    let number = |entry: io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name().to_str()?.parse().ok());
    fs::read_dir("/proc/self/task")?.map(number).filter_map(io::Result::transpose).collect()
}

/// Has every thread do it, those too that are started meanwhile: a new one has what its parent has.
pub fn give_up() -> io::Result<()> {
    let libcs = exchange(None)?;
    if libcs.handler == libc::SIG_DFL || libcs.handler == libc::SIG_IGN {
        return Err(io::Error::other("libc has no handler for changing the ids of all threads"));
    }
    exchange(Some(&KernelAction { handler: handle as *const () as usize, ..libcs }))?;
    let done = reach_all();
    exchange(Some(&libcs))?;
    done?;
    match FAILED.load(Ordering::Acquire) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn reach_all() -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut asked = Vec::new();
    loop {
        let waiting: Vec<u32> = all()?.into_iter().filter(|thread| !is_done(*thread)).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline || COUNT.load(Ordering::Acquire) >= MAX_THREADS {
            return Err(io::ErrorKind::TimedOut.into());
        }
        for thread in waiting.into_iter().filter(|thread| !asked.contains(thread)).collect::<Vec<_>>() {
            // SAFETY: sending a signal to a thread of our own. One that has ended answers ESRCH, and is not listed again.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, SIGNAL) };
            asked.push(thread);
        }
        sleep(PAUSE);
    }
}

fn is_done(thread: u32) -> bool {
    let count = COUNT.load(Ordering::Acquire).min(MAX_THREADS);
    DONE[..count].iter().any(|done| done.load(Ordering::Acquire) == thread as i32)
}

/// Runs on each thread. System calls only: whatever that thread was doing may hold any lock. `errno` stays as it was.
extern "C" fn handle(_signal: libc::c_int) {
    // SAFETY: the location is this thread's own.
    let errno = unsafe { *libc::__errno_location() };
    let failed = give_up_own();
    if failed != 0 {
        FAILED.store(failed, Ordering::Release);
    }
    // SAFETY: always sound.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) } as i32;
    if let Some(place) = DONE.get(COUNT.fetch_add(1, Ordering::AcqRel)) {
        place.store(thread, Ordering::Release);
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// 0, or the errno of what failed.
fn give_up_own() -> i32 {
    for capability in 0..=LAST_CAPABILITY {
        // SAFETY: plain numbers. Beyond the last capability of this kernel the answer is EINVAL.
        if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
            match own_errno() {
                libc::EINVAL => break,
                errno => return errno,
            }
        }
    }
    // SAFETY: plain numbers.
    let ambient = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
    // SAFETY: plain numbers.
    let no_more = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if ambient != 0 || no_more != 0 || !empty_inheritable() {
        return own_errno();
    }
    0
}

/// The others go with the change of user.
fn empty_inheritable() -> bool {
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = [VERSION_3, 0];
    // Effective, permitted, inheritable: the low half of each, then the high one.
    let mut sets = [0_u32; 6];
    // SAFETY: both are as large as the kernel's `__user_cap_header_struct` and two `__user_cap_data_struct`.
    unsafe {
        if libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) != 0 {
            return false;
        }
        (sets[2], sets[5]) = (0, 0);
        header = [VERSION_3, 0];
        libc::syscall(libc::SYS_capset, header.as_mut_ptr(), sets.as_ptr()) == 0
    }
}

fn own_errno() -> i32 {
    // SAFETY: the location is this thread's own.
    unsafe { *libc::__errno_location() }
}

/// Sets what the signal does, if there is something to set, and gives what it did. By system call: libc refuses its own signals.
fn exchange(new: Option<&KernelAction>) -> io::Result<KernelAction> {
    let mut old = MaybeUninit::<KernelAction>::zeroed();
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the kernel reads and writes structures of this layout; the handler is async-signal-safe, and restorer and flags are those
    // that libc gave its own.
    let result = unsafe { libc::syscall(libc::SYS_rt_sigaction, SIGNAL, new, old.as_mut_ptr(), SET_BYTES) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed, then written by the kernel.
    Ok(unsafe { old.assume_init() })
}
