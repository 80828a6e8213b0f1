//! Four bytes are one act: what, to which of three sandboxes, and two details.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use forkserver::wire::{Cause, ClaimLimits, HostPlan, PathAccess, PathPlan, Request, SandboxPlan, VERSION};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::time::{ClockId, clock_gettime};

use super::ask::{exec, perl, shell};
use super::server::Server;
use super::socket::sealed;

const SANDBOXES: u8 = 3;
const AMOUNTS: [u64; 8] = [0, 1, 4096, 1 << 20, 16 << 20, 64 << 20, 256 << 20, u64::MAX];

#[derive(PartialEq, Eq)]
pub enum After {
    Going,
    /// What was sent is not of the protocol.
    NobodyListens,
}

/// Does one act; the sandboxes of this session begin at `first`.
pub fn perform([what, whom, a, b]: [u8; 4], first: u64, server: &Server) -> After {
    let sandbox = first + u64::from(whom % SANDBOXES);
    match what % 16 {
        0..=2 => server.ask(&Request::Provision { sandbox, plan: plan(whom, a, b) }, &[]),
        3..=4 => server.ask(&Request::Claim { sandbox, limits: limits(a, b), tenure_until_ms: tenure(b) }, &[]),
        5..=8 => return run(sandbox, a, b, server),
        9 => server.ask(&Request::Kill { sandbox, cause: cause(a) }, &[]),
        10 => server.ask(&Request::Deprovision { sandbox }, &[]),
        11 => std::thread::sleep(Duration::from_millis(u64::from(a % 32))),
        12..=13 => server.say_as_init(sandbox, &report(a, b), b),
        // Rarely: a session ends with it.
        14 if a >= 0xf0 => return junk(a, b, server),
        15 => server.ask(&Request::Tenure { sandbox, until_ms: tenure(b).unwrap_or_default() }, &[]),
        _ => {}
    }
    After::Going
}

fn plan(whom: u8, a: u8, b: u8) -> SandboxPlan {
    let slots = [u32::from(whom % SANDBOXES), 0, 15, 16, u32::MAX];
    let slot = slots[usize::from(a >> 4).saturating_sub(8) % slots.len()];
    let path = PathPlan { root: u32::from(b & 1), below: "no/such".into(), access: PathAccess::Readonly };
    SandboxPlan {
        root: if a & 15 == 15 { "none".into() } else { "debian".into() },
        slot,
        loopback: a & 1 == 1,
        paths: if b >= 0xf0 { vec![path] } else { Vec::new() },
    }
}

fn limits(a: u8, b: u8) -> ClaimLimits {
    let amount = |bits: u8, usual: u64| if a < 0x80 { usual } else { AMOUNTS[usize::from(bits) % AMOUNTS.len()] };
    ClaimLimits {
        memory_bytes: amount(a, 64 << 20),
        processes: amount(a >> 3, 16),
        cpu_millis: amount(b, 1000),
        disk_bytes: amount(b >> 3, 1 << 20),
        inodes: amount(b >> 5, 100),
    }
}

/// Mostly none, else one that is over, one that ends while the session goes on, or one that never ends.
fn tenure(b: u8) -> Option<u64> {
    let now = clock_gettime(ClockId::Boottime);
    let now = now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000;
    (b & 0x0c == 0x0c).then(|| [0, now, now + u64::from(b >> 4), u64::MAX][usize::from(b & 3)])
}

fn run(sandbox: u64, a: u8, b: u8, server: &Server) -> After {
    let ask = match a % 8 {
        0 => exec(&["/bin/true"]),
        1 => shell("exit 3"),
        2 => exec(&["/no/such/program"]),
        3 => exec(&[]),
        4 => shell("sleep 1000"),
        5 => shell("sleep 1000 & exit 0"),
        6 => perl("$x = 'a' x (128 << 20)"),
        _ => shell("kill -9 $$"),
    };
    let mut spec = ask.spec;
    match b >> 5 {
        1 => spec.cwd = "/no/such".into(),
        2 => spec.seccomp = "AAAA".into(),
        3 => spec.open_files = AMOUNTS[usize::from(a >> 5)],
        4 => spec.file_size_bytes = AMOUNTS[usize::from(a >> 5)],
        _ => {}
    }
    let document = serde_json::to_vec(&spec).expect("plain data");
    let document = match a >> 4 {
        13 => sealed(&document[..document.len() / 2]),
        14 => memfd_create("loose", MemfdFlags::CLOEXEC).expect("a memfd"),
        15 => File::open("/dev/zero").expect("zeros").into(),
        _ => sealed(&document),
    };
    let times = [300, 0, 1, u64::MAX];
    let request = Request::Exec {
        sandbox,
        step: u32::from(a),
        last: b & 1 == 1,
        wall_time_ms: times[usize::from(b >> 1 & 3)],
        cpu_time_ms: times[usize::from(b >> 3 & 3)],
        report_posture: a & 8 == 8,
    };
    // Four belong to it; one more is more than any packet may carry.
    let descriptors = if b >= 0xe0 { usize::from(a % 6) } else { 4 };
    let pipes: Vec<OwnedFd> =
        (0..2).flat_map(|_| <[OwnedFd; 2]>::from(pipe_with(PipeFlags::CLOEXEC).expect("a pipe"))).collect();
    let all: Vec<BorrowedFd<'_>> = std::iter::once(document.as_fd()).chain(pipes.iter().map(AsFd::as_fd)).collect();
    server.ask(&request, &all[..descriptors.min(all.len())]);
    if descriptors > 4 { After::NobodyListens } else { After::Going }
}

fn cause(a: u8) -> Cause {
    [Cause::Exit, Cause::Output, Cause::Cancelled, Cause::Abandoned, Cause::WallTime, Cause::Tenure, Cause::InitDied]
        [usize::from(a) % 7]
}

/// What an init that a guest has taken over could say.
fn report(a: u8, b: u8) -> Vec<u8> {
    let number = [0, 1, u64::from(b) << 32, u64::MAX][usize::from(b % 4)];
    let text = match a % 8 {
        0 => format!(r#"{{"Ready":{{"stages":[{{"stage":"x","us":{number}}}]}}}}"#),
        1 => format!(
            r#"{{"Running":{{"at":{{"at":{number},"cpu":{number},"scheduled":{{"ran":{number},"waited":{number}}}}},"landlock_abi":7,"stages":[]}}}}"#
        ),
        2 => r#"{"ExecFailed":{"errno":-1}}"#.to_owned(),
        3 => format!(r#"{{"Exited":{{"status":{{"code":{}}},"at":{number}}}}}"#, i32::MIN),
        4 => r#""Cleared""#.to_owned(),
        5 => r#"{"Failed":{"failure":{"step":"PivotRoot","errno":0,"about":null}}}"#.to_owned(),
        6 => "{".repeat(usize::from(b) * 250),
        _ => String::new(),
    };
    text.into_bytes()
}

fn junk(a: u8, b: u8, server: &Server) -> After {
    let host = HostPlan {
        instance: "again".into(),
        stage_dir: "/".into(),
        first_uid: 0,
        uid_count: 1,
        cgroups: Vec::new(),
        roots: Vec::new(),
        host_roots: Vec::new(),
        substitutes: Vec::new(),
    };
    match a % 4 {
        0 => server.ask(&Request::Hello { version: VERSION, host }, &[]),
        1 => server.send(&vec![b'['; 60_000], &[]),
        2 => server.send(&vec![b; 1 << 16 | 1], &[]),
        _ => server.send(&[a, b], &[]),
    }
    After::NobodyListens
}
