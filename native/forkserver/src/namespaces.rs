//! Which namespaces a process has to itself.

use leave_out::Part;
use std::fs::metadata;
use std::io;
use std::os::unix::fs::MetadataExt;

/// Kinds by their name in `/proc/PID/ns`, and the layer that each is.
pub const KINDS: [(&str, &str); 7] = [
    ("user", "user-namespace"),
    ("pid", "pid-namespace"),
    ("mnt", "mount-namespace"),
    ("net", "network-namespace"),
    ("ipc", "ipc-namespace"),
    ("uts", "uts-namespace"),
    ("cgroup", "cgroup-namespace"),
];

/// For each kind its flag, and its part in a build for tests.
const PARTS: [(&str, i32, Part); 7] = [
    ("user", libc::CLONE_NEWUSER, Part::UserNamespace),
    ("pid", libc::CLONE_NEWPID, Part::PidNamespace),
    ("mnt", libc::CLONE_NEWNS, Part::MountNamespace),
    ("net", libc::CLONE_NEWNET, Part::NetworkNamespace),
    ("ipc", libc::CLONE_NEWIPC, Part::IpcNamespace),
    ("uts", libc::CLONE_NEWUTS, Part::UtsNamespace),
    ("cgroup", libc::CLONE_NEWCGROUP, Part::CgroupNamespace),
];

/// Flags of the kinds that a build for tests leaves out: none in any other.
pub fn left_out() -> i32 {
    PARTS.iter().filter(|(_, _, part)| leave_out::is(*part)).fold(0, |flags, (_, flag, _)| flags | flag)
}

pub fn is_left_out(kind: &str) -> bool {
    PARTS.iter().any(|(name, _, part)| *name == kind && leave_out::is(*part))
}

/// The forkserver's own.
pub struct Namespaces([u64; KINDS.len()]);

impl Namespaces {
    pub fn own() -> io::Result<Namespaces> {
        read("self").map(Namespaces)
    }

    /// The kinds in which `pid` lives apart from us.
    pub fn apart(&self, pid: i32) -> io::Result<Vec<&'static str>> {
        let theirs = read(&pid.to_string())?;
        Ok(KINDS
            .iter()
            .zip(self.0.iter().zip(theirs))
            .filter(|(_, (own, their))| *own != their)
            .map(|((kind, _), _)| *kind)
            .collect())
    }
}

fn read(process: &str) -> io::Result<[u64; KINDS.len()]> {
    let mut inodes = [0; KINDS.len()];
    for (inode, (kind, _)) in inodes.iter_mut().zip(KINDS) {
        *inode = metadata(format!("/proc/{process}/ns/{kind}"))?.ino();
    }
    Ok(inodes)
}
