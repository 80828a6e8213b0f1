//! The process that writes a job's files and reads its artifacts: what it is, what it may, and when there is one.

mod harness;

use files::{Answer, Full};
use forkserver::wire::{Cause, ClaimLimits, Event, ExitStatus, Request, Task};
use harness::*;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

#[test]
fn files_come_in_before_the_program_and_out_after_it() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let large = vec![b'x'; 300_000];
    assert_eq!(sandbox.fill(&files(&[("in/a", b"1\n"), ("in/large", &large)])), Answer::Filled);
    let script =
        "cat in/a; stat -c '%u %g %a' in in/a; wc -c <in/large; mkdir out; cp in/large out; chmod 0 out/large out";
    let ran = sandbox.run(0, true, &shell(script));
    assert_eq!(ran.stdout, "1\n1000 1000 755\n1000 1000 755\n300000\n");
    let collected = sandbox.collect(&["out/*", "in/a"]).expect("collected");
    let contents: Vec<_> = collected.artifacts.into_iter().map(|one| (one.path, one.content)).collect();
    assert_eq!(contents, [("in/a".to_owned(), Ok(b"1\n".to_vec())), ("out/large".to_owned(), Ok(large))]);
    sandbox.deprovision();
}

#[test]
fn a_full_box_is_said_to_be_full() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed_with(ClaimLimits { disk_bytes: 64 << 10, ..limits() });
    assert_eq!(sandbox.fill(&files(&[("a", &[1; 1 << 20])])), Answer::Full { full: Full::Bytes });
    sandbox.deprovision();
    let sandbox = server.claimed_with(ClaimLimits { inodes: 1, ..limits() });
    assert_eq!(sandbox.fill(&files(&[("a", b""), ("b", b"")])), Answer::Full { full: Full::Inodes });
    sandbox.deprovision();
}

#[test]
fn a_clerk_is_its_slots_user_and_has_no_more_than_it_needs() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let _stream = sandbox.clerk(Task::Fill);
    let clerk = the_clerk(&sandbox);
    let status = |name: &str| status_of(clerk, name);
    let uid = sandbox.uid.to_string();
    assert_eq!(status("Uid"), [&*uid; 4].join("\t"));
    assert_eq!(status("Gid"), [&*uid; 4].join("\t"));
    assert_eq!(status("Groups"), "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(set), "0000000000000000", "{set}");
    }
    assert_eq!((&*status("NoNewPrivs"), &*status("Seccomp"), &*status("Threads")), ("1", "2", "1"));
    let limits = fs::read_to_string(format!("/proc/{clerk}/limits")).expect("limits");
    let limit =
        |name: &str| limits.lines().find_map(|line| line.strip_prefix(name)).expect(name).split_whitespace().next();
    let held = ["Max cpu time", "Max address space", "Max open files"].map(limit);
    assert_eq!(held, [Some("30"), Some("536870912"), Some("96")]);
    // It opens `work` at once, and then waits for its order.
    let all = ["/dev/null", "/dev/null", "/dev/null", "socket", "/", "/work"];
    eventually(Duration::from_secs(10), "these files, and no others", || {
        open_files(clerk).into_values().collect::<Vec<_>>() == all
    });
    // The forkserver itself has what a clerk gave up.
    let forkserver = status_of(parent_of(clerk), "CapEff");
    assert_ne!(forkserver, "0000000000000000");
    sandbox.kill(Cause::Abandoned);
    sandbox.expect_clerk_ended(ExitStatus::Signal(9));
    sandbox.deprovision();
}

#[test]
fn each_task_has_its_time_and_there_is_one_clerk_at_a_time() {
    let refused = |act: &dyn Fn(&Sandbox<'_>) -> UnixStream| {
        let mut server = Forkserver::start();
        let sandbox = server.provision();
        let _streams = act(&sandbox);
        match sandbox.server.receive().0 {
            Event::Failed { error, .. } => assert_eq!(error.step, "Request"),
            other => panic!("not refused: {other:?}"),
        }
        sandbox.server.send(&Request::Deprovision { sandbox: sandbox.id }, &[]);
        while !matches!(sandbox.server.receive().0, Event::Deprovisioned { .. }) {}
    };
    refused(&|sandbox| sandbox.clerk(Task::Fill));
    refused(&|sandbox| sandbox.clerk(Task::Collect));
    refused(&|sandbox| {
        sandbox.claim(limits());
        sandbox.clerk(Task::Collect)
    });
    refused(&|sandbox| {
        sandbox.claim(limits());
        std::mem::forget(sandbox.clerk(Task::Fill));
        sandbox.clerk(Task::Fill)
    });
    refused(&|sandbox| {
        sandbox.claim(limits());
        let stream = sandbox.clerk(Task::Fill);
        sandbox.start(0, true, &shell("true"));
        stream
    });
    refused(&|sandbox| {
        sandbox.claim(limits());
        sandbox.run(0, false, &shell("true"));
        sandbox.clerk(Task::Fill)
    });
}

#[test]
fn what_still_lives_in_a_sandbox_is_dead_before_anything_of_it_is_read() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    sandbox.run(0, false, &shell("echo built >a; exit 1"));
    let alive = || server_children(&sandbox);
    assert_eq!(alive().len(), 1, "init");
    let collected = sandbox.collect(&["a"]).expect("collected");
    assert_eq!(collected.artifacts[0].content, Ok(b"built\n".to_vec()));
    assert_eq!(alive(), Vec::<i32>::new());
    sandbox.deprovision();
}

#[test]
fn a_clerk_that_is_killed_or_whose_sandbox_goes_holds_nothing_up() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let mut stream = sandbox.clerk(Task::Fill);
    let clerk = Pid::from_raw(the_clerk(&sandbox)).expect("a pid");
    kill_process(clerk, Signal::KILL).expect("kill");
    assert_eq!(stream.read(&mut [0]).expect("its end"), 0);
    sandbox.expect_clerk_ended(ExitStatus::Signal(9));
    // The next one does the task.
    assert_eq!(sandbox.fill(&files(&[("a", b"x")])), Answer::Filled);
    assert_eq!(sandbox.run(0, true, &shell("cat a")).stdout, "x");
    let _stream = sandbox.clerk(Task::Collect);
    sandbox.server.send(&Request::Deprovision { sandbox: sandbox.id }, &[]);
    sandbox.expect_clerk_ended(ExitStatus::Signal(9));
    assert!(matches!(sandbox.server.receive().0, Event::Deprovisioned { .. }));
}

/// The process below the forkserver that runs as the sandbox's user and isn't in a namespace of its own.
fn the_clerk(sandbox: &Sandbox<'_>) -> i32 {
    let mut found = None;
    eventually(Duration::from_secs(10), "a confined clerk", || {
        let own =
            |pid: &i32| status_of(*pid, "NSpid").split_whitespace().count() == 2 && status_of(*pid, "Seccomp") == "2";
        server_children(sandbox).into_iter().any(|pid| own(&pid))
    });
    for pid in server_children(sandbox) {
        if status_of(pid, "NSpid").split_whitespace().count() == 2 {
            found = Some(pid);
        }
    }
    found.expect("a clerk")
}

fn server_children(sandbox: &Sandbox<'_>) -> Vec<i32> {
    let children = |pid: i32| -> Vec<i32> {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
    };
    let shim = sandbox.server.process.id() as i32;
    children(shim).into_iter().flat_map(children).collect()
}

fn parent_of(pid: i32) -> i32 {
    status_of(pid, "PPid").parse().expect("a pid")
}

fn status_of(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap_or_default().trim().to_owned()
}

fn open_files(pid: i32) -> BTreeMap<u32, String> {
    let link = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("a descriptor");
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok()).expect("a number");
        let target = fs::read_link(entry.path()).expect("a link").display().to_string();
        (number, target.split(':').next().unwrap_or_default().to_owned())
    };
    fs::read_dir(format!("/proc/{pid}/fd")).expect("descriptors").map(link).collect()
}
