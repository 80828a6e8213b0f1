//! How a payload stands, as the kernel shows it to us.

use crate::namespaces::Namespaces;
use forkserver::kernel::{self, status_line};
use forkserver::wire::Posture;
use std::fs::{read_dir, read_link};
use std::io;

const LINES: [&str; 11] = [
    "Uid",
    "Gid",
    "Groups",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
];
/// A packet has to hold it.
const MAX_MOUNTINFO: usize = 24 * 1024;

/// Reads it; an error when the process is gone already.
pub fn read(pid: i32, own: &Namespaces) -> io::Result<Posture> {
    let process = format!("/proc/{pid}");
    let status = kernel::read(&format!("{process}/status"))?;
    let mut mountinfo = kernel::read(&format!("{process}/mountinfo"))?;
    mountinfo.truncate(mountinfo.floor_char_boundary(MAX_MOUNTINFO));
    Ok(Posture {
        status: LINES
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), status_line(&status, key)?.to_owned())))
            .collect(),
        own_namespaces: own.apart(pid)?.into_iter().map(str::to_owned).collect(),
        cgroup: kernel::read(&format!("{process}/cgroup"))?,
        fds: open_descriptors(&process)?,
        mountinfo,
    })
}

fn open_descriptors(process: &str) -> io::Result<Vec<i32>> {
    let mut fds = Vec::new();
    for entry in read_dir(format!("{process}/fd"))? {
        let entry = entry?;
        // Listed and gone again: a program that opens and closes files right now.
        if read_link(entry.path()).is_ok()
            && let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok())
        {
            fds.push(number);
        }
    }
    fds.sort_unstable();
    Ok(fds)
}
