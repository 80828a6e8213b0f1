//! Nothing outlives who asked for it, and nothing is left behind.

mod harness;

use forkserver::wire::{Cause, Event, MAX_PACKET, Request, SandboxPlan, VERSION};
use harness::{Forkserver, command, control_pair, eventually, exec, perl, receive, send, shell};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Pids in all leaves of a forkserver.
fn members(server: &Forkserver) -> Vec<String> {
    let mut pids = Vec::new();
    for house in server.leaf_houses() {
        let leaves = fs::read_dir(house).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
        for leaf in leaves {
            pids.extend(
                fs::read_to_string(leaf.path().join("cgroup.procs")).unwrap_or_default().lines().map(str::to_owned),
            );
        }
    }
    pids
}

fn leaves(server: &Forkserver) -> usize {
    let dirs =
        |house| fs::read_dir(house).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()).count();
    server.leaf_houses().into_iter().map(dirs).sum()
}

#[test]
fn fifty_sandboxes_in_a_row_leave_nothing() {
    let mut server = Forkserver::start();
    server.run(&["true"]).exited(0);
    let pid = server.process.id();
    let fds = |pid: u32| {
        // The shim's only child is the forkserver.
        let all = fs::read_dir("/proc").expect("proc").flatten();
        let child = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).find(|child| {
            fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| {
                stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(&*pid.to_string())
            })
        });
        fs::read_dir(format!("/proc/{}/fd", child.expect("a forkserver"))).expect("fds").count()
    };
    let before = fds(pid);
    for _ in 0..50 {
        server.run(&["sh", "-c", "echo x > f; (sleep 100 &); exit 0"]).exited(0);
    }
    assert_eq!((fds(pid), leaves(&server), members(&server).len()), (before, 0, 0));
    let houses = server.leaf_houses();
    assert!(server.close().success());
    assert!(houses.iter().all(|house| !house.exists()));
}

#[test]
fn the_host_sees_an_empty_stage() {
    let mut server = Forkserver::start();
    server.run(&["true"]).exited(0);
    assert_eq!(fs::read_dir(server.stage_dir()).expect("stage").count(), 0);
}

#[test]
fn a_leaf_is_there_while_its_sandbox_is() {
    let mut server = Forkserver::start();
    let count = server.leaf_houses().len();
    let sandbox = server.claimed();
    assert_eq!(leaves(sandbox.server), count);
    assert_eq!(members(sandbox.server).len(), count, "init only, in each");
    sandbox.deprovision();
    assert_eq!(leaves(&server), 0);
}

#[test]
fn closing_the_socket_removes_what_is_dead_too() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    sandbox.run(0, true, &exec(&["true"])).exited(0);
    let houses = server.leaf_houses();
    let start = Instant::now();
    assert!(server.close().success());
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    assert!(houses.iter().all(|house| !house.exists()));
}

#[test]
fn closing_the_socket_ends_everything_and_removes_the_leaves() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let _streams = sandbox.start(0, true, &perl("fork; fork; sleep 1000"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    let houses = server.leaf_houses();
    let start = Instant::now();
    assert!(server.close().success());
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(houses.iter().all(|house| !house.exists()));
}

#[test]
fn killing_the_worker_kills_everything_within_two_seconds() {
    // A worker of its own: a shell that holds the control socket and started the forkserver. The library's end stays open
    // in this test, so that nothing but the worker's death can tell the forkserver.
    let worker = |control: &_| {
        let mut worker = command("/bin/sh", control);
        worker.args(["-c", "\"$0\" & wait", harness::PROGRAM]).spawn().expect("worker starts")
    };
    let mut server = Forkserver::start_by(worker, |_| {});
    let sandbox = server.claimed();
    let _streams = sandbox.start(0, true, &perl("fork; fork; sleep 1000"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    let expected = 5 * server.leaf_houses().len();
    eventually(Duration::from_secs(5), "init and four processes", || members(&server).len() == expected);
    server.process.kill().expect("kill");
    let start = Instant::now();
    eventually(Duration::from_secs(2), "all dead", || members(&server).is_empty());
    server.process.wait().expect("wait");
    assert!(start.elapsed() < Duration::from_secs(2));
    for house in server.leaf_houses() {
        for leaf in fs::read_dir(&house).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
            fs::remove_dir(leaf.path()).expect("a leaf can be removed");
        }
        let _ = fs::remove_dir(&house);
    }
}

/// What a fresh forkserver answers to a first packet, and whether it is gone then.
fn answer_to(packet: &[u8]) -> (Event, bool) {
    let (ours, theirs) = control_pair();
    let mut process = command(harness::PROGRAM, &theirs).stderr(std::process::Stdio::null()).spawn().expect("starts");
    drop(theirs);
    send(&ours, packet, &[]);
    let answer = receive(&ours).expect("an answer").0;
    let is_gone = receive(&ours).is_none();
    assert!(!process.wait().expect("wait").success());
    (answer, is_gone)
}

#[test]
fn what_is_not_a_hello_is_refused() {
    let oversized = vec![b' '; MAX_PACKET + 1];
    for packet in [&b"{"[..], b"null", br#"{"kind":"Kill","sandbox":1,"cause":"exit"}"#, &oversized] {
        let (answer, is_gone) = answer_to(packet);
        let Event::Refused { error } = answer else { panic!("{answer:?}") };
        assert_eq!((error.step.as_str(), is_gone), ("Request", true));
    }
}

#[test]
fn another_version_is_refused() {
    let mut server = Forkserver::start();
    let hello = Request::Hello { version: VERSION + 1, host: server.host_plan() };
    let (answer, _) = answer_to(&serde_json::to_vec(&hello).expect("JSON"));
    assert!(matches!(answer, Event::Refused { error } if error.step == "Version"));
    server.run(&["true"]).exited(0);
}

#[test]
fn a_plan_that_this_host_cannot_hold_names_what_is_wrong() {
    let server = Forkserver::start();
    let mut host = server.host_plan();
    host.instance += "x";
    host.roots[0].binds[0].source = "/no/such/place".into();
    let (answer, _) = answer_to(&serde_json::to_vec(&Request::Hello { version: VERSION, host }).expect("JSON"));
    let Event::Refused { error } = answer else { panic!("{answer:?}") };
    assert_eq!((error.step.as_str(), error.layer.as_deref()), ("StageBind", Some("readonly-root")));
    assert!(error.message.starts_with("StageBind(ENOENT) /no/such/place: "), "{}", error.message);
}

#[test]
fn a_packet_that_makes_no_sense_ends_everything() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let _streams = sandbox.start(0, true, &shell("sleep 1000"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    send(&server.socket, b"[]", &[]);
    assert!(matches!(server.receive().0, Event::Refused { .. }));
    assert!(receive(&server.socket).is_none());
    assert_eq!(leaves(&server), 0);
}

#[test]
fn requests_that_a_state_does_not_allow_fail_that_sandbox_only() {
    let mut server = Forkserver::start();
    let failed = |server: &Forkserver, id: u64| match server.receive().0 {
        Event::Failed { sandbox, error } => {
            assert_eq!((sandbox, error.step.as_str()), (id, "Request"), "{}", error.message)
        }
        other => panic!("{other:?}"),
    };
    server.send(&Request::Deprovision { sandbox: 77 }, &[]);
    failed(&server, 77);
    server.send(&Request::Kill { sandbox: 77, cause: Cause::Cancelled }, &[]);
    let sandbox = server.provision();
    // Not claimed yet.
    let _streams = sandbox.start(0, true, &exec(&["true"]));
    failed(sandbox.server, sandbox.id);
    sandbox.deprovision();
    server.send(
        &Request::Provision {
            sandbox: 78,
            plan: SandboxPlan { root: "none".into(), slot: 0, loopback: false, paths: Vec::new() },
        },
        &[],
    );
    match server.receive().0 {
        Event::Failed { sandbox: 78, error } => {
            assert_eq!((error.step.as_str(), error.errno), ("CloneTree", libc::ENOENT))
        }
        other => panic!("{other:?}"),
    }
    server.send(&Request::Deprovision { sandbox: 78 }, &[]);
    assert!(matches!(server.receive().0, Event::Deprovisioned { sandbox: 78, .. }));
    server.run(&["true"]).exited(0);
}

#[test]
fn several_sandboxes_run_at_once() {
    let mut server = Forkserver::start();
    let provision = |server: &mut Forkserver| {
        let sandbox = server.claimed();
        let (id, root) = (sandbox.id, sandbox.root.try_clone().expect("dup"));
        let _streams = sandbox.start(0, true, &shell("sleep 2; exit 7"));
        (id, root)
    };
    let start = Instant::now();
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(provision(&mut server).0);
        assert!(matches!(server.receive().0, Event::Started { .. }));
    }
    let mut ended = Vec::new();
    while ended.len() < ids.len() {
        match server.receive().0 {
            Event::Ended { sandbox, evidence, .. } => {
                assert_eq!(evidence.status, Some(forkserver::wire::ExitStatus::Code(7)));
                ended.push(sandbox);
            }
            other => panic!("{other:?}"),
        }
    }
    ended.sort_unstable();
    assert_eq!(ended, ids);
    assert!(start.elapsed() < Duration::from_secs(10), "one after the other: {:?}", start.elapsed());
}

#[test]
fn a_sandbox_can_be_removed_while_it_runs() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let _streams = sandbox.start(0, true, &shell("sleep 1000"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    let id = sandbox.id;
    server.send(&Request::Deprovision { sandbox: id }, &[]);
    match server.receive().0 {
        Event::Ended { evidence, .. } => assert_eq!(evidence.cause, Cause::Abandoned),
        other => panic!("{other:?}"),
    }
    assert!(matches!(server.receive().0, Event::Deprovisioned { .. }));
    assert_eq!(leaves(&server), 0);
}

#[test]
fn started_by_hand_it_says_what_it_is_for() {
    let output = Command::new(harness::PROGRAM).output().expect("runs");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("bullpen-forkserver: ControlSocket("), "{said}");
}

#[test]
fn the_program_is_a_sealed_copy() {
    let mut server = Forkserver::start();
    let exe = fs::read_link(format!("/proc/{}/exe", server.process.id())).expect("exe");
    assert!(exe.to_str().expect("UTF-8").starts_with("/memfd:bullpen-forkserver"), "{exe:?}");
    let write = fs::OpenOptions::new().write(true).open(format!("/proc/{}/exe", server.process.id()));
    assert!(write.is_err());
    server.run(&["true"]).exited(0);
}

#[test]
fn a_signal_for_the_whole_group_does_not_end_what_the_worker_drains() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let streams = sandbox.start(0, true, &shell("sleep 0.3; exit 5"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    let shim = Pid::from_raw(sandbox.server.process.id() as i32).expect("a pid");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        kill_process(shim, signal).expect("kill");
    }
    sandbox.finish(streams).exited(5);
    sandbox.deprovision();
}

#[test]
fn killing_the_shim_kills_everything() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let _streams = sandbox.start(0, true, &perl("fork; sleep 1000"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    server.process.kill().expect("kill");
    server.process.wait().expect("wait");
    eventually(Duration::from_secs(1), "all dead", || members(&server).is_empty());
    for house in server.leaf_houses() {
        for leaf in fs::read_dir(&house).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
            fs::remove_dir(leaf.path()).expect("a leaf can be removed");
        }
        let _ = fs::remove_dir(&house);
    }
}

#[test]
fn two_sandboxes_never_share_a_uid() {
    let mut server = Forkserver::start();
    let plan = SandboxPlan { root: "debian".into(), slot: 3, loopback: false, paths: Vec::new() };
    let first = server.provision_as(plan.clone());
    first.server.send(&Request::Provision { sandbox: 99, plan }, &[]);
    assert!(matches!(first.server.receive().0, Event::Failed { sandbox: 99, error } if error.errno == libc::EEXIST));
    first.deprovision();
    let beyond = SandboxPlan { root: "debian".into(), slot: 16, loopback: false, paths: Vec::new() };
    server.send(&Request::Provision { sandbox: 100, plan: beyond }, &[]);
    assert!(matches!(server.receive().0, Event::Failed { sandbox: 100, error } if error.errno == libc::EUSERS));
}

#[test]
fn a_run_directory_may_be_the_workers_alone() {
    let run = tempfile::tempdir().expect("directory");
    fs::set_permissions(run.path(), fs::Permissions::from_mode(0o700)).expect("mode");
    let stage = run.path().join("stage");
    fs::create_dir(&stage).expect("stage");
    let mut server = Forkserver::start_planned(|plan| plan.stage_dir = stage.to_str().expect("UTF-8").to_owned());
    server.run(&["true"]).exited(0);
}

#[test]
fn an_end_before_the_program_began_is_an_end_all_the_same() {
    let mut server = Forkserver::start();
    for _ in 0..20 {
        let sandbox = server.claimed();
        let streams = sandbox.start(0, true, &shell("sleep 1000"));
        sandbox.kill(Cause::Cancelled);
        let ran = sandbox.finish(streams);
        assert_eq!(ran.evidence().cause, Cause::Cancelled);
        sandbox.deprovision();
    }
}

#[test]
fn the_smallest_memory_is_enough_for_a_small_program() {
    let mut server = Forkserver::start();
    let limits = forkserver::wire::ClaimLimits { memory_bytes: 8 << 20, ..harness::limits() };
    let ran = server.claimed_with(limits).run_last(shell("echo small"));
    ran.exited(0);
    assert_eq!(ran.stdout, "small\n");
}

#[test]
fn the_forkserver_keeps_few_capabilities_and_no_group() {
    let mut server = Forkserver::start();
    server.run(&["true"]).exited(0);
    let shim = server.process.id().to_string();
    let all = fs::read_dir("/proc").expect("proc").flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let status = all
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok())
        .find(|status| status.lines().any(|line| line.strip_prefix("PPid:").map(str::trim) == Some(&*shim)))
        .expect("the forkserver");
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).expect(key).trim().to_owned();
    // chown, dac_read_search, kill, setgid, setuid, setpcap, sys_ptrace, sys_admin
    let kept: u64 = [0u64, 2, 5, 6, 7, 8, 19, 21].iter().map(|bit| 1 << bit).sum();
    // And dac_override in reserve: for the root directory of a hierarchy, which nobody may write in.
    for (set, expected) in [("CapPrm:", kept | 1 << 1), ("CapEff:", kept), ("CapBnd:", kept)] {
        assert_eq!(u64::from_str_radix(&line(set), 16), Ok(expected), "{set}");
    }
    assert_eq!((line("CapInh:"), line("CapAmb:")), ("0000000000000000".into(), "0000000000000000".into()));
    assert_eq!((line("Groups:"), line("Threads:")), (String::new(), "1".into()));
}

/// Holds processes in a group of the v1 freezer, where even SIGKILL has to wait.
struct Ice {
    hierarchy: tempfile::TempDir,
    group: std::path::PathBuf,
}

impl Ice {
    fn freeze(pids: &[String]) -> Ice {
        let hierarchy = tempfile::tempdir().expect("directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "cgroup", "-o", "freezer", "freezer"]).arg(hierarchy.path());
        assert!(mount.status().expect("mount").success());
        let group = hierarchy.path().join(format!("bullpen-test-{}", pids[0]));
        fs::create_dir(&group).expect("group");
        for pid in pids {
            fs::write(group.join("cgroup.procs"), pid).expect("enter");
        }
        fs::write(group.join("freezer.state"), "FROZEN").expect("freeze");
        Ice { hierarchy, group }
    }

    fn thaw(&self) {
        fs::write(self.group.join("freezer.state"), "THAWED").expect("thaw");
    }
}

impl Drop for Ice {
    fn drop(&mut self) {
        self.thaw();
        eventually(Duration::from_secs(5), "the group is empty", || fs::remove_dir(&self.group).is_ok());
        let _ = Command::new("umount").arg(self.hierarchy.path()).status();
    }
}

#[test]
fn a_slow_start_is_a_start() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let ice = Ice::freeze(&members(sandbox.server));
    let streams = sandbox.start(0, true, &shell("exit 3"));
    // As a small share of a busy CPU would hold it up.
    std::thread::sleep(Duration::from_millis(5_500));
    ice.thaw();
    sandbox.finish(streams).exited(3);
    sandbox.deprovision();
}

#[test]
fn a_slow_death_does_not_change_what_it_is_called() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let streams = sandbox.start(0, true, &shell("sleep 1000"));
    assert!(matches!(sandbox.server.receive().0, Event::Started { .. }));
    let ice = Ice::freeze(&members(sandbox.server));
    sandbox.kill(Cause::Cancelled);
    // As long as tearing down large page tables takes.
    std::thread::sleep(Duration::from_millis(6_000));
    ice.thaw();
    assert_eq!(sandbox.finish(streams).evidence().cause, Cause::Cancelled);
    sandbox.deprovision();
}
