//! What the kernel says about a process: the layers a payload carries, and how long it waited.

use crate::step::{At, Failure, Step};
use forkserver::wire::Layer;
use rustix::process::Pid;
use std::fs::read_to_string;
use std::io;

/// The layers that a payload put on before exec, each checked against the kernel's own words. The payload may be dead, but not reaped.
pub fn payload_layers(payload: Pid, landlock_abi: u32) -> Result<Vec<Layer>, Failure> {
    let status = read_to_string(format!("/proc/{}/status", payload.as_raw_nonzero())).at(Step::ReadBack)?;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        expect(&status, set, "0000000000000000", Step::Capabilities)?;
    }
    expect(&status, "NoNewPrivs", "1", Step::NoNewPrivs)?;
    let seccomp = expect(&status, "Seccomp", "2", Step::Seccomp)?;
    Ok(vec![
        layer("rlimits", None),
        layer("capabilities", None),
        layer("no-new-privs", None),
        layer("landlock", Some(landlock_abi.to_string())),
        layer("seccomp", Some(seccomp)),
    ])
}

pub fn layer(name: &str, value: Option<String>) -> Layer {
    Layer { layer: name.to_owned(), value }
}

fn expect(status: &str, key: &str, expected: &str, step: Step) -> Result<String, Failure> {
    match status_line(status, key) {
        Some(value) if value == expected => Ok(value.to_owned()),
        other => Err(Failure::new(step, libc::EPROTO).about(format!("{key} is {}", other.unwrap_or("missing")))),
    }
}

/// The value of a line of `/proc/PID/status`.
pub fn status_line<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// How long the main thread of a process was runnable without running, ns.
pub fn run_delay(process: Pid) -> io::Result<u64> {
    let text = read_to_string(format!("/proc/{}/schedstat", process.as_raw_nonzero()))?;
    text.split_whitespace().nth(1).and_then(|field| field.parse().ok()).ok_or(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::status_line;

    #[test]
    fn a_status_line_is_found_by_its_whole_key() {
        let status = "Seccomp:\t2\nSeccomp_filters:\t1\nGroups:\t \n";
        assert_eq!(status_line(status, "Seccomp"), Some("2"));
        assert_eq!(status_line(status, "Seccomp_filters"), Some("1"));
        assert_eq!(status_line(status, "Groups"), Some(""));
        assert_eq!(status_line(status, "Sec"), None);
    }
}
