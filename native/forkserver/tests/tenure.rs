//! Who doesn't hear from its worker in time is dead, and by a cause of its own; who does lives on.

mod harness;

use forkserver::wire::{Cause, Event, Request, Task};
use harness::{Forkserver, boottime_ms, command, eventually, exec, limits, perl, shell};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// In how many processes a sandbox of this uid consists.
fn alive(uid: u32) -> usize {
    let line = format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}");
    let statuses = fs::read_dir("/proc").expect("proc").flatten();
    let is_one = |status: String| status.lines().any(|it| it == line) && !status.contains("State:\tZ");
    statuses.filter_map(|it| fs::read_to_string(it.path().join("status")).ok()).filter(|it| is_one(it.clone())).count()
}

/// A process that is stopped for as long as this is there.
struct Stopped(Pid);

impl Stopped {
    fn stop(pid: Pid) -> Stopped {
        kill_process(pid, Signal::STOP).expect("stopped");
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[test]
fn without_a_word_all_of_it_dies_by_a_cause_of_its_own() {
    let mut server = Forkserver::start();
    let sandbox = server.provision();
    sandbox.claim_until(limits(), Some(boottime_ms() + 1_500));
    let streams = sandbox.start(0, true, &perl("fork; fork; sleep 1000"));
    let ran = sandbox.finish(streams);
    let evidence = ran.evidence();
    assert_eq!((evidence.cause, evidence.status), (Cause::Tenure, None));
    assert_eq!(alive(sandbox.uid), 0);
    sandbox.deprovision();
}

#[test]
fn with_a_word_in_time_it_lives_on() {
    let mut server = Forkserver::start();
    let sandbox = server.provision();
    let first = boottime_ms() + 4_000;
    sandbox.claim_until(limits(), Some(first));
    let streams = sandbox.start(0, true, &shell("sleep 5; exit 5"));
    sandbox.extend(first + 120_000);
    // One that says less takes nothing away.
    sandbox.extend(first);
    sandbox.finish(streams).exited(5);
    assert!(boottime_ms() > first);
    sandbox.deprovision();
}

#[test]
fn without_a_tenure_nobodys_word_is_needed_or_heard() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let streams = sandbox.start(0, true, &shell("sleep 0.3; exit 5"));
    sandbox.extend(0);
    sandbox.finish(streams).exited(5);
    sandbox.deprovision();
}

#[test]
fn a_stopped_worker_is_no_reason_to_wait() {
    // A worker of its own, stopped: nothing closes, and nobody speaks.
    let worker = |control: &_| {
        let mut worker = command("/bin/sh", control);
        worker.args(["-c", "\"$0\" & wait", harness::PROGRAM]).spawn().expect("worker starts")
    };
    let mut server = Forkserver::start_by(worker, |_| {});
    let sandbox = server.provision();
    sandbox.claim_until(limits(), Some(boottime_ms() + 3_000));
    let _streams = sandbox.start(0, true, &perl("fork; fork; sleep 1000"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    let worker = Pid::from_raw(sandbox.server.process.id() as i32).expect("a pid");
    let _stopped = Stopped::stop(worker);
    let uid = sandbox.uid;
    eventually(Duration::from_secs(2), "init and four processes", || alive(uid) == 5);
    eventually(Duration::from_secs(10), "all dead", || alive(uid) == 0);
}

#[test]
fn nothing_is_begun_when_it_is_over() {
    let mut server = Forkserver::start();
    let lapsed = |server: &Forkserver, id: u64| {
        assert!(matches!(server.receive().0, Event::Lapsed { sandbox } if sandbox == id));
    };
    let sandbox = server.provision();
    let claim = Request::Claim { sandbox: sandbox.id, limits: limits(), tenure_until_ms: Some(boottime_ms()) };
    sandbox.server.send(&claim, &[]);
    lapsed(sandbox.server, sandbox.id);
    // Whatever is asked for next, and whatever word comes now.
    sandbox.extend(u64::MAX);
    let _streams = sandbox.start(0, true, &exec(&["true"]));
    lapsed(sandbox.server, sandbox.id);
    let (_ours, theirs) = UnixStream::pair().expect("a stream");
    sandbox.server.send(&Request::Clerk { sandbox: sandbox.id, task: Task::Fill }, &[theirs.as_fd()]);
    lapsed(sandbox.server, sandbox.id);
    let uid = sandbox.uid;
    eventually(Duration::from_secs(2), "all dead", || alive(uid) == 0);
    sandbox.deprovision();
}

#[test]
fn between_two_programs_it_ends_too() {
    let mut server = Forkserver::start();
    let sandbox = server.provision();
    sandbox.claim_until(limits(), Some(boottime_ms() + 5_000));
    sandbox.run(0, false, &exec(&["true"])).exited(0);
    let uid = sandbox.uid;
    eventually(Duration::from_secs(10), "init is dead", || alive(uid) == 0);
    let _streams = sandbox.start(1, true, &exec(&["true"]));
    assert!(matches!(sandbox.server.receive().0, Event::Lapsed { .. }));
    sandbox.deprovision();
}

#[test]
fn a_clerk_is_part_of_it() {
    let mut server = Forkserver::start();
    let sandbox = server.provision();
    sandbox.claim_until(limits(), Some(boottime_ms() + 5_000));
    sandbox.run(0, true, &exec(&["true"])).exited(0);
    // It waits for a task that nobody tells it.
    let (_ours, theirs) = UnixStream::pair().expect("a stream");
    sandbox.server.send(&Request::Clerk { sandbox: sandbox.id, task: Task::Collect }, &[theirs.as_fd()]);
    drop(theirs);
    let uid = sandbox.uid;
    eventually(Duration::from_secs(2), "the clerk is there", || alive(uid) == 1);
    assert!(matches!(sandbox.server.receive().0, Event::Lapsed { .. }));
    assert_eq!(alive(uid), 0);
    sandbox.deprovision();
}

#[test]
fn an_end_that_has_begun_keeps_its_name() {
    let mut server = Forkserver::start();
    let sandbox = server.provision();
    let until = boottime_ms() + 2_000;
    sandbox.claim_until(limits(), Some(until));
    let streams = sandbox.start(0, true, &exec(&["true"]));
    sandbox.finish(streams).exited(0);
    std::thread::sleep(Duration::from_millis(until.saturating_sub(boottime_ms()) + 50));
    // It says nothing when it has ended long since, and is removed as any other.
    sandbox.deprovision();
}
