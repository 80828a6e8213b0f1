//! What to run.

use base64::Engine;
use forkserver::wire::{ClaimLimits, ExecSpec};

/// A program to run, with the limits of its exec.
#[derive(Clone)]
pub struct Ask {
    pub spec: ExecSpec,
    pub wall_time_ms: u64,
    pub cpu_time_ms: u64,
    pub posture: bool,
}

pub fn exec(argv: &[&str]) -> Ask {
    let env = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/work"), ("LANG", "C.UTF-8")];
    Ask {
        spec: ExecSpec {
            argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
            env: env.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect(),
            cwd: "/work".into(),
            open_files: 256,
            file_size_bytes: 64 << 20,
            seccomp: filter(&[ALLOW]),
            landlock_deny_tcp: true,
            trial: None,
        },
        wall_time_ms: 10_000,
        cpu_time_ms: 10_000,
        posture: false,
    }
}

pub fn shell(script: &str) -> Ask {
    exec(&["/bin/sh", "-c", script])
}

pub fn perl(script: &str) -> Ask {
    exec(&["/usr/bin/perl", "-e", script])
}

/// One BPF instruction: code, jt, jf, k.
pub type Instruction = (u16, u8, u8, u32);
pub const ALLOW: Instruction = (0x06, 0, 0, 0x7fff_0000);

/// A compiled filter as the wire carries it.
pub fn filter(instructions: &[Instruction]) -> String {
    let mut bytes = Vec::new();
    for (code, jt, jf, k) in instructions {
        bytes.extend(code.to_ne_bytes());
        bytes.extend([*jt, *jf]);
        bytes.extend(k.to_ne_bytes());
    }
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A filter that answers `errno` to one system call and allows the rest.
pub fn deny(number: i64, errno: i32) -> String {
    let load_number = (0x20, 0, 0, 0);
    let jump_if_other = (0x15, 0, 1, number as u32);
    let refuse = (0x06, 0, 0, 0x0005_0000 | errno as u32);
    filter(&[load_number, jump_if_other, refuse, ALLOW])
}

pub fn limits() -> ClaimLimits {
    ClaimLimits { memory_bytes: 256 << 20, processes: 64, cpu_millis: 1000, disk_bytes: 64 << 20, inodes: 1000 }
}
