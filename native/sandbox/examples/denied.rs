//! Runs a program under a profile's filter and writes down every call that was denied.
//!
//! `denied PROFILE REPORT PROGRAM ARGUMENT…`
//!
//! Each refusal of the compiled filter becomes `SECCOMP_RET_USER_NOTIF`. This process is asked about the call then, counts it,
//! and answers with the errno that the filter would have given: the program and all that it starts see no difference. Nothing
//! else confines it. REPORT gets a JSON object: `CALL(DECIDING ARGUMENTS) ERRNO` → how often. The exit code is the program's;
//! 128 and the signal's number if it died of one.

#[path = "../tests/seccomp/errno.rs"]
mod errno;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io::Error;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use sandbox::seccomp::{Action, CompiledFilter, Half, Profile, Sockets, Verdict, compile};

const RET: u16 = 0x06;
const NOTIFY: u32 = 0x7fc0_0000; // SECCOMP_RET_USER_NOTIF

fn main() {
    let mut arguments = std::env::args().skip(1);
    let profile = arguments.next().and_then(|name| Profile::from_name(&name)).expect("PROFILE: strict or compatible");
    let report = arguments.next().expect("REPORT: a file to write");
    let program: Vec<CString> = arguments.map(|word| CString::new(word).expect("no NUL")).collect();
    let filter = compile(profile, Sockets::Local).expect("the profile compiles");
    let (child, listener) = start(&filter, &program);
    let denied = attend(&listener, profile);
    std::fs::write(&report, serde_json::to_string_pretty(&denied).expect("plain JSON")).expect("REPORT can be written");
    std::process::exit(wait(child));
}

/// The filter with each refusal turned into a question.
fn asking(filter: &CompiledFilter) -> Vec<u8> {
    let mut code = filter.as_bytes().to_vec();
    for instruction in code.chunks_exact_mut(8) {
        let (head, constant) = instruction.split_at_mut(4);
        let answer = u32::from_ne_bytes([constant[0], constant[1], constant[2], constant[3]]);
        if u16::from_ne_bytes([head[0], head[1]]) == RET && answer & 0xffff_0000 == libc::SECCOMP_RET_ERRNO {
            constant.copy_from_slice(&NOTIFY.to_ne_bytes());
        }
    }
    code
}

/// Starts the program; gives its process id, and the descriptor that asks.
fn start(filter: &CompiledFilter, program: &[CString]) -> (libc::pid_t, OwnedFd) {
    let code = asking(filter);
    let words: Vec<_> = program.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let (mut gate, keeper) = std::io::pipe().expect("a pipe");
    // SAFETY: this process has one thread, so the child may go on like any program.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop((reader, keeper));
        let listener = load(&code);
        std::io::Write::write_all(&mut writer, &listener.to_ne_bytes()).expect("the pipe is open");
        std::io::Read::read_to_end(&mut gate, &mut Vec::new()).expect("the gate is open");
        // SAFETY: pointers to strings that live; the last is null.
        unsafe { libc::execvp(words[0], words.as_ptr()) };
        eprintln!("denied: {:?}: {}", program[0], Error::last_os_error());
        std::process::exit(127);
    }
    assert!(child > 0, "fork: {}", Error::last_os_error());
    drop((writer, gate));
    let listener = take(child, reader);
    drop(keeper);
    (child, listener)
}

/// Loads the filter into this process; its listener.
fn load(code: &[u8]) -> i32 {
    let header = libc::sock_fprog { len: (code.len() / 8) as u16, filter: code.as_ptr().cast_mut().cast() };
    // Only a kill interrupts a process whose call is being answered (WAIT_KILLABLE_RECV).
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | 1 << 5;
    // SAFETY: `header` points to `len` instructions that live until the call returns.
    let listener = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const header)
    };
    assert!(listener >= 0, "seccomp: {}", Error::last_os_error());
    listener as i32
}

/// Takes the listener out of the child, which says its number.
fn take(child: libc::pid_t, mut reader: std::io::PipeReader) -> OwnedFd {
    let mut number = [0; 4];
    std::io::Read::read_exact(&mut reader, &mut number).expect("the child loads its filter");
    // SAFETY: new descriptors; the child waits, so its number still is what it said.
    unsafe {
        let process = libc::syscall(libc::SYS_pidfd_open, child, 0);
        assert!(process >= 0, "pidfd_open: {}", Error::last_os_error());
        let process = OwnedFd::from_raw_fd(process as i32);
        let listener = libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), i32::from_ne_bytes(number), 0);
        assert!(listener >= 0, "pidfd_getfd: {}", Error::last_os_error());
        OwnedFd::from_raw_fd(listener as i32)
    }
}

/// Answers until nothing that has the filter is left.
fn attend(listener: &OwnedFd, profile: Profile) -> BTreeMap<String, u64> {
    let mut denied = BTreeMap::new();
    let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    loop {
        // SAFETY: one entry, ours.
        unsafe { libc::poll(&raw mut poll, 1, -1) };
        if poll.revents & libc::POLLIN != 0 {
            if let Some(question) = receive(listener) {
                let (spelled, errno) = judge(&question.data, profile);
                reply(listener, question.id, errno);
                *denied.entry(format!("{spelled} {}", errno::name(errno))).or_insert(0) += 1;
            }
        } else if poll.revents & libc::POLLHUP != 0 {
            return denied;
        }
    }
}

fn receive(listener: &OwnedFd) -> Option<libc::seccomp_notif> {
    // SAFETY: all zero is what the kernel asks for; it fills the struct.
    unsafe {
        let mut question: libc::seccomp_notif = std::mem::zeroed();
        let received = libc::ioctl(listener.as_raw_fd(), 0xc050_2100, &raw mut question); // SECCOMP_IOCTL_NOTIF_RECV
        // Nothing there: whoever asked was killed meanwhile.
        (received == 0).then_some(question)
    }
}

/// Answers as the filter would have. That fails if whoever asked was killed meanwhile.
fn reply(listener: &OwnedFd, id: u64, errno: i32) {
    let mut reply = libc::seccomp_notif_resp { id, val: 0, error: -errno, flags: 0 };
    // SAFETY: a struct that lives until the call returns.
    unsafe { libc::ioctl(listener.as_raw_fd(), 0xc018_2101, &raw mut reply) }; // SECCOMP_IOCTL_NOTIF_SEND
}

/// `prctl(0x26)` and an errno: the call with those arguments that decided, as the profile has it.
fn judge(call: &libc::seccomp_data, profile: Profile) -> (String, i32) {
    let named = profile.entries(Sockets::Local).find_map(|entry| {
        let found = entry.calls.iter().find(|named| named.number == call.nr as u32)?;
        Some((found.name.to_owned(), entry.verdict))
    });
    let (name, mut verdict) = named.unwrap_or_else(|| (call.nr.to_string(), Verdict::Is(profile.default_action())));
    let mut decided = Vec::new();
    loop {
        match verdict {
            Verdict::Is(Action::Refuse(errno)) => return (format!("{name}({})", decided.join(", ")), errno),
            Verdict::Is(Action::Allow) => panic!("asked about {name}, which is allowed"),
            Verdict::By(rule) => {
                let argument = call.args[rule.argument as usize];
                let half = if rule.half == Half::High { (argument >> 32) as u32 } else { argument as u32 };
                let value = half & rule.mask;
                decided.push(format!("{value:#x}"));
                let arm = rule.arms.iter().find(|(values, _)| values.contains(&value));
                verdict = arm.map_or(rule.otherwise, |(_, verdict)| *verdict);
            }
        }
    }
}

fn wait(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: waits for our own child, into a local.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}
