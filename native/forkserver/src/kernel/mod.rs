//! What the kernel says in `/proc` and in control groups, read as text. Everything but [`read`] is pure.
//!
//! A guest has a say in some of it: the name of a process is whatever bytes it chose, or a file name cut in the middle of a
//! character. So nothing here takes for granted that a text is whole, or that its numbers add up.

pub mod mountinfo;

use std::fs;
use std::io;

/// Reads a file of `/proc`. Bytes that aren't UTF-8, which are in names only, are replaced.
pub fn read(path: &str) -> io::Result<String> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// A file that holds one number.
pub fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number behind `key` in a file of `key number` lines.
pub fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// A list of processes, a line each; `None` if one of them isn't a number.
pub fn members(text: &str) -> Option<Vec<i32>> {
    text.lines().map(|line| line.parse().ok()).collect()
}

/// The value of a line of `/proc/PID/status`.
pub fn status_line<'a>(status: &'a str, key: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// `/proc/PID/schedstat`: how long it ran, and how long it waited for a CPU, ns.
pub fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut fields = text.split_whitespace().map(|field| field.parse().ok());
    Some((fields.next()??, fields.next()??))
}

/// `/proc/PID/fdinfo/FD` of a pidfd: the process, as whoever reads it sees it; `None` when it is gone.
pub fn fdinfo_pid(text: &str) -> Option<i32> {
    text.lines().find_map(|line| line.strip_prefix("Pid:"))?.trim().parse().ok().filter(|pid| *pid > 0)
}

/// `/proc/PID/net/sockstat`: all sockets, whatever their family.
pub fn sockets_used(sockstat: &str) -> Option<u64> {
    sockstat.lines().find_map(|line| line.strip_prefix("sockets: used ")?.trim().parse().ok())
}

/// `/proc/PID/task/TID/children`.
pub fn children(list: &str) -> impl Iterator<Item = i32> {
    list.split_whitespace().filter_map(|pid| pid.parse().ok())
}

/// `/proc/PID/statm`: pages in memory.
pub fn resident_pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

/// `/proc/PID/smaps_rollup`: KiB in memory and in swap, each page divided by those who share it.
pub fn proportional_kib(smaps_rollup: &str) -> Option<u64> {
    let kib = |key: &str| {
        smaps_rollup.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
    };
    Some(kib("Pss:")?.saturating_add(kib("SwapPss:").unwrap_or(0)))
}

/// `/proc/PID/stat`: ticks of CPU of the process and of the children it has waited for.
pub fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name, in parentheses, may hold anything. After it: state, and then utime is the twelfth.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    (0..4).try_fold(0u64, |sum, _| Some(sum.saturating_add(fields.next()??)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_key() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field(text, "oom"), None);
        assert_eq!(field("max 12\n", "max"), Some(12));
        assert_eq!(field("", "max"), None);
    }

    #[test]
    fn a_status_line_is_found_by_its_whole_key() {
        let status = "Seccomp:\t2\nSeccomp_filters:\t1\nGroups:\t \n";
        assert_eq!(status_line(status, "Seccomp"), Some("2"));
        assert_eq!(status_line(status, "Seccomp_filters"), Some("1"));
        assert_eq!(status_line(status, "Groups"), Some(""));
        assert_eq!(status_line(status, "Sec"), None);
    }

    #[test]
    fn all_sockets_are_counted_whatever_their_family() {
        assert_eq!(sockets_used("sockets: used 26\nTCP: inuse 1 orphan 0 tw 122 alloc 1 mem 319\n"), Some(26));
        assert_eq!(sockets_used("TCP: inuse 1\n"), None);
    }

    #[test]
    fn a_name_can_not_pass_for_cpu_time() {
        let stat = |name: &str| format!("7 ({name}) S 1 7 7 0 -1 4194304 90 0 0 0 5 6 7 8 20 0 1 0 99");
        assert_eq!(cpu_ticks(&stat("sh")), Some(26));
        assert_eq!(cpu_ticks(&stat("x) S 1 7 7 0 -1 4194304 90 0 0 0 0 0 0 0 (")), Some(26));
        assert_eq!(cpu_ticks("7 (sh) S 1 7 7 0 -1 4194304 90 0 0 0 5 6 7"), None, "cut");
    }

    #[test]
    fn a_process_with_a_name_that_is_not_text_can_be_read() {
        let name = |bytes: &[u8]| fs::write("/proc/thread-self/comm", bytes).expect("a name");
        name(b"\xff\xfe");
        assert!(fs::read_to_string("/proc/thread-self/status").is_err(), "or this shows nothing");
        let status = read("/proc/thread-self/status").expect("a status");
        assert!(status_line(&status, "NoNewPrivs").is_some());
    }
}
