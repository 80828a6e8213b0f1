//! A forkserver of an ordinary user, in parts of the hierarchies that were delegated to them.

use super::{Forkserver, Kind, PROGRAM, command};
use forkserver::wire::{CgroupHierarchy, CgroupVersion, HostPlan, Substitute};
use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// An id that nobody on this host has.
pub const USER: u32 = 61_234;
/// A group that the user is in besides their own.
const OTHER_GROUP: u32 = 4;

/// Groups that belong to [`USER`], one in each hierarchy. Removed when dropped.
pub struct Delegated {
    pub kind: Kind,
    session: Option<PathBuf>,
}

impl Delegated {
    pub fn of(kind: &Kind) -> Delegated {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("delegated-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut delegated = Delegated { kind: kind.clone(), session: None };
        for hierarchy in &mut delegated.kind.hierarchies {
            let group = Path::new(&hierarchy.directory).join(&name);
            give(&group);
            hierarchy.directory = group.to_str().expect("UTF-8").to_owned();
            if hierarchy.version == CgroupVersion::V2 {
                let session = group.join("session");
                give(&session);
                delegated.session = Some(session);
            }
        }
        delegated
    }

    /// Starts a forkserver as [`USER`] there.
    pub fn start(&self, substitutes: &[(&str, &str)]) -> Forkserver {
        let hierarchies = self.kind.hierarchies.clone();
        let substitutes = substitutes.iter().map(|(layer, by)| Substitute { layer: (*layer).into(), by: (*by).into() });
        let substitutes = substitutes.collect();
        start_as_user(self.session.as_deref(), move |plan| {
            (plan.cgroups, plan.substitutes) = (hierarchies, substitutes)
        })
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        for CgroupHierarchy { directory, .. } in &self.kind.hierarchies {
            let _ = fs::remove_dir(Path::new(directory).join("session"));
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Starts a forkserver as [`USER`], in a v2 group or where this process is.
pub fn start_as_user(session: Option<&Path>, change: impl FnOnce(&mut HostPlan)) -> Forkserver {
    let entrance = session.map(|session| session.join("cgroup.procs"));
    let spawn = |control: &_| {
        let mut command = command(PROGRAM, control);
        // SAFETY: opens and writes one file and makes plain system calls.
        unsafe {
            command.pre_exec(move || {
                if let Some(entrance) = &entrance {
                    fs::write(entrance, "0")?;
                }
                become_user()
            })
        };
        command.spawn().expect("forkserver starts")
    };
    Forkserver::start_by(spawn, |plan| {
        chown(&plan.stage_dir, Some(USER), Some(USER)).expect("chown");
        change(plan);
    })
}

fn become_user() -> std::io::Result<()> {
    // SAFETY: plain system calls.
    let done = unsafe {
        libc::setgroups(1, [OTHER_GROUP].as_ptr()) == 0
            && libc::setresgid(USER, USER, USER) == 0
            && libc::setresuid(USER, USER, USER) == 0
    };
    if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// As the kernel's documentation says of delegation: the directory, and the files that move processes and controllers.
fn give(group: &Path) {
    fs::create_dir(group).expect("a group");
    for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        let path = group.join(file);
        if path.exists() {
            chown(&path, Some(USER), Some(USER)).expect("chown");
        }
    }
}

/// In a file system of [`USER`]'s own namespace nobody else can make files, not even root.
pub fn as_owner_of_files<T>(uid: u32, act: impl FnOnce() -> T) -> T {
    // SAFETY: plain system calls that concern this thread only.
    let set = |id: u32| unsafe { (libc::syscall(libc::SYS_setfsgid, id), libc::syscall(libc::SYS_setfsuid, id)) };
    if uid == USER {
        set(USER);
    }
    let done = act();
    set(0);
    done
}
