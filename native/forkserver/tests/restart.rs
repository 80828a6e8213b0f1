//! The shim starts another forkserver when it is asked to, and that one carries out the first one's plan or none.

mod harness;

use forkserver::wire::{
    Event, HostPlan, HostRoot, Notice, ORDERS_FD, PathAccess, Request, ShimOrder, Substitute, VERSION,
};
use harness::{Forkserver, PROGRAM, command, control_pair, receive, send};
use rustix::net::{RecvFlags, recv};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::time::{Duration, Instant};

/// The library's end of a shim's own socket.
struct Orders(OwnedFd);

impl Orders {
    /// Starts a shim that takes orders.
    fn spawn(control: &OwnedFd) -> (Child, Orders) {
        let (ours, theirs) = control_pair();
        let mut command = command(PROGRAM, control);
        let theirs = rustix::io::fcntl_dupfd_cloexec(&theirs, ORDERS_FD + 1).expect("dup");
        let source = theirs.as_raw_fd();
        // SAFETY: only dup2, which is async-signal-safe; the socket outlives the spawn.
        unsafe {
            command.pre_exec(move || match libc::dup2(source, ORDERS_FD) {
                ORDERS_FD => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
        (command.stderr(std::process::Stdio::null()).spawn().expect("starts"), Orders(ours))
    }

    fn send(&self, order: ShimOrder, fds: &[&OwnedFd]) {
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        send(&self.0, &serde_json::to_vec(&order).expect("JSON"), &fds);
    }

    fn notice(&self) -> Notice {
        let mut buffer = [0; 64];
        let (length, _) = recv(&self.0, &mut buffer, RecvFlags::empty()).expect("a notice");
        serde_json::from_slice(&buffer[..length]).expect("a notice")
    }

    fn kill(&self) {
        self.send(ShimOrder::Kill, &[]);
        assert_eq!(self.notice(), Notice::Ended);
    }

    /// Another forkserver's control socket. A start too soon after the last is refused: it is asked for again.
    fn start(&self) -> OwnedFd {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            let (ours, theirs) = control_pair();
            self.send(ShimOrder::Start, &[&theirs]);
            drop(theirs);
            loop {
                match self.notice() {
                    Notice::Started => return ours,
                    Notice::Ended => {}
                    Notice::Refused => break std::thread::sleep(Duration::from_millis(20)),
                }
            }
        }
        panic!("always refused");
    }

    /// What another forkserver answers to a plan.
    fn offer(&self, host: HostPlan) -> (OwnedFd, Event) {
        let socket = self.start();
        send(&socket, &serde_json::to_vec(&Request::Hello { version: VERSION, host }).expect("JSON"), &[]);
        let answer = receive(&socket).expect("an answer").0;
        (socket, answer)
    }

    #[track_caller]
    fn refuses(&self, host: HostPlan, why: &str) {
        match self.offer(host) {
            (socket, Event::Refused { error }) => {
                assert_eq!((error.step.as_str(), error.errno), ("HostPlan", libc::EPERM), "{why}");
                assert!(error.message.contains(why) && error.message.contains("start it again"), "{}", error.message);
                assert!(receive(&socket).is_none());
            }
            (_, other) => panic!("{why}: {other:?}"),
        }
    }

    /// The same plan is taken, and it works.
    fn takes(&self, server: &mut Forkserver, host: HostPlan) {
        let (socket, answer) = self.offer(host);
        assert!(matches!(answer, Event::Ready { .. }), "{answer:?}");
        server.socket = socket;
        server.run(&["true"]).exited(0);
    }
}

fn start() -> (Forkserver, Orders) {
    let mut orders = None;
    let spawn = |control: &_| {
        let (process, theirs) = Orders::spawn(control);
        orders = Some(theirs);
        process
    };
    let server = Forkserver::start_by(spawn, |_| {});
    (server, orders.expect("spawned"))
}

const OTHER: &str = "another than the first forkserver's";

#[test]
fn the_next_takes_the_first_ones_plan_and_no_other() {
    let (mut server, orders) = start();
    let plan = server.host_plan();
    server.run(&["true"]).exited(0);
    orders.kill();
    orders.takes(&mut server, plan.clone());
    let others: [fn(&mut HostPlan); 8] = [
        |plan| plan.instance += "x",
        |plan| plan.stage_dir = "/tmp".into(),
        |plan| plan.first_uid -= 1,
        |plan| plan.uid_count += 1,
        |plan| plan.roots[0].binds[0].source = "/root".into(),
        |plan| plan.host_roots.push(HostRoot { path: "/etc".into(), access: PathAccess::Readwrite }),
        |plan| plan.cgroups[0].directory = "/".into(),
        |plan| plan.substitutes.push(Substitute { layer: "uid".into(), by: "shared".into() }),
    ];
    for change in others {
        let mut other = plan.clone();
        change(&mut other);
        orders.refuses(other, OTHER);
    }
    orders.takes(&mut server, plan);
}

#[test]
fn a_second_hello_ends_a_forkserver_and_changes_nothing() {
    let (mut server, orders) = start();
    let plan = server.host_plan();
    let mut other = plan.clone();
    other.roots[0].binds[0].source = "/root".into();
    server.send(&Request::Hello { version: VERSION, host: other.clone() }, &[]);
    match server.receive().0 {
        Event::Refused { error } => assert_eq!(error.step, "Request"),
        answer => panic!("{answer:?}"),
    }
    assert_eq!(orders.notice(), Notice::Ended);
    orders.refuses(other, OTHER);
    orders.takes(&mut server, plan);
}

#[test]
fn what_the_first_did_not_accept_nobody_accepts_later() {
    let (model, _) = start();
    let mut good = model.host_plan();
    good.instance += "x";
    let mut bad = good.clone();
    bad.roots[0].binds[0].source = "/no/such/place".into();
    let (control, theirs) = control_pair();
    let (mut process, orders) = Orders::spawn(&theirs);
    drop(theirs);
    send(&control, &serde_json::to_vec(&Request::Hello { version: VERSION, host: bad }).expect("JSON"), &[]);
    assert!(matches!(receive(&control).expect("an answer").0, Event::Refused { error } if error.step == "StageBind"));
    assert_eq!(orders.notice(), Notice::Ended);
    orders.refuses(good, "accepted none");
    drop(orders);
    process.wait().expect("wait");
}

#[test]
fn one_that_was_killed_before_it_was_told_anything_leaves_nothing_to_the_next() {
    let (model, _) = start();
    let mut plan = model.host_plan();
    plan.instance += "x";
    let (_control, theirs) = control_pair();
    let (mut process, orders) = Orders::spawn(&theirs);
    drop(theirs);
    orders.kill();
    orders.refuses(plan, "accepted none");
    drop(orders);
    process.wait().expect("wait");
}
