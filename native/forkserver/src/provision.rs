//! The forkserver's half of making a sandbox: leaf, clones, workspace, and a PID 1 that waits for its order.

use crate::channel;
use crate::clock::Stopwatch;
use crate::host::Host;
use crate::hostpaths::{self, Given, Places, Unmade};
use crate::idmap;
use crate::ids::Ids;
use crate::init::{self, Inherited};
use crate::leaf::{Alarm, Leaf};
use crate::namespaces;
use crate::report::Order;
use crate::step::{At, Failure, Step};
use crate::sys::{self, Cloned};
use crate::workspace::Workspace;
use forkserver::wire::SandboxPlan;
use leave_out::Part;
use rustix::net::SendFlags;
use rustix::process::Pid;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Everything that init gets to itself.
const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS;

/// What a sandbox is made of. A field is there as soon as it was made, so that a failure halfway leaves nothing behind.
#[derive(Default)]
pub struct Parts {
    pub leaf: Option<Leaf>,
    pub workspace: Option<Workspace>,
    pub init: Option<Init>,
    /// Host paths that it was given.
    pub places: Places,
    /// Fires when memory is short.
    pub alarm: Option<Alarm>,
}

impl Parts {
    pub fn leaf(&self) -> Result<&Leaf, Failure> {
        self.leaf.as_ref().ok_or(Failure::new(Step::Leaf, libc::ENOENT))
    }

    pub fn workspace(&self) -> Result<&Workspace, Failure> {
        self.workspace.as_ref().ok_or(Failure::new(Step::Workspace, libc::ENOENT))
    }

    pub fn init(&self) -> Result<&Init, Failure> {
        self.init.as_ref().ok_or(Failure::new(Step::InitDied, libc::ESRCH))
    }
}

pub struct Init {
    pub pid: Pid,
    pub pidfd: OwnedFd,
    /// Gone when init has closed its end: it is dying then, and its pidfd will tell.
    pub socket: Option<OwnedFd>,
}

impl Init {
    pub fn order(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> Result<(), Failure> {
        let socket = self.socket.as_ref().ok_or(Failure::new(Step::InitDied, libc::EPIPE))?;
        channel::send(socket, order, fds, SendFlags::DONTWAIT).at(Step::InitChannel)
    }
}

/// Makes the parts; init then builds its place by itself and reports.
pub fn provision(
    parts: &mut Parts,
    serial: u64,
    plan: &SandboxPlan,
    host: &Host,
    watch: &mut Stopwatch,
) -> Result<(), Unmade> {
    let ids = host.ids(plan)?;
    let (root, places) = make_root(plan, host, ids)?;
    let writable = places.writable();
    parts.places = places;
    watch.lap("tree");
    let leaf = parts.leaf.insert(host.hierarchies.make_leaf(serial)?);
    parts.alarm = leaf.memory.alarm().at(Step::OomEvents)?;
    watch.lap("leaf");
    let workspace = parts.workspace.insert(Workspace::make(ids)?);
    watch.lap("workspace");
    let init = parts.init.insert(clone_init(&root, workspace, leaf)?);
    leaf.begin(init.pid);
    workspace.mount = None;
    watch.lap("clone");
    idmap::map(init.pid, ids)?;
    watch.lap("maps");
    if !leave_out::is(Part::OomScore) {
        idmap::offer_to_oom_killer(init.pid).at(Step::OomScore)?;
    }
    Ok(init.order(&Order::Enter { loopback: plan.loopback, writable }, &[])?)
}

/// The shared root, or one of its own for a sandbox with host paths.
fn make_root(plan: &SandboxPlan, host: &Host, ids: Ids) -> Result<(OwnedFd, Places), Unmade> {
    if plan.paths.is_empty() {
        return Ok((host.roots.clone_root(&plan.root)?, Places::default()));
    }
    let Given { root, places } = hostpaths::give(plan, &host.roots, &host.host_roots, ids.uid)?;
    Ok((root, places))
}

fn clone_init(root: &OwnedFd, workspace: &Workspace, leaf: &Leaf) -> Result<Init, Failure> {
    let doors = leaf.doors().at(Step::LeafEnter)?;
    let (ours, theirs) = channel::pair().at(Step::InitChannel)?;
    let mount = workspace.mount.as_ref().ok_or(Failure::new(Step::Request, libc::EALREADY))?;
    match sys::clone3(NAMESPACES & !namespaces::left_out(), leaf.birthplace()).at(Step::CloneInit)? {
        Cloned::Child => init::live(&Inherited {
            socket: theirs.as_fd(),
            root: root.as_fd(),
            workspace: mount.as_fd(),
            doors: &doors,
        }),
        Cloned::Parent { child, pidfd } => Ok(Init { pid: child, pidfd, socket: Some(ours) }),
    }
}
