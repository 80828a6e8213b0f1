//! How programs end, and what is said about it.

mod harness;

use forkserver::wire::{Cause, Event, ExitStatus, Request};
use harness::{End, Forkserver, Ran, deny, exec, perl, sealed, shell};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mknodat, open};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};

#[track_caller]
fn assert_signal(ran: &Ran, signal: i32) {
    let evidence = ran.evidence();
    assert_eq!((evidence.cause, evidence.status), (Cause::Exit, Some(ExitStatus::Signal(signal))), "{}", ran.stderr);
}

#[track_caller]
fn assert_exec_failed(ran: &Ran, errno: i32) {
    assert!(matches!(ran.end, End::ExecFailed(number) if number == errno), "{:?}", ran.end);
}

#[test]
fn a_program_runs_and_its_output_comes_out() {
    let mut server = Forkserver::start();
    let ran = server.run(&["echo", "hello", "world"]);
    ran.exited(0);
    assert_eq!(ran.stdout, "hello world\n");
}

#[test]
fn a_program_that_the_hosts_etc_leads_to_runs() {
    let mut server = Forkserver::start();
    // Debian's `awk` is a link to `/etc/alternatives`.
    let ran = server.run(&["awk", "BEGIN { print 6 * 7 }"]);
    ran.exited(0);
    assert_eq!(ran.stdout, "42\n");
}

#[test]
fn exit_codes_are_the_programs_own() {
    let mut server = Forkserver::start();
    for code in [0, 1, 42, 126, 127, 255] {
        server.claimed().run_last(shell(&format!("exit {code}"))).exited(code);
    }
}

#[test]
fn signals_are_the_programs_own() {
    let mut server = Forkserver::start();
    // As PID 1, abort would end as SIGSEGV and SIGTERM would be ignored.
    assert_signal(&server.claimed().run_last(perl("use POSIX; POSIX::abort()")), libc::SIGABRT);
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV, libc::SIGPIPE, libc::SIGUSR1] {
        assert_signal(&server.claimed().run_last(perl(&format!("kill {signal}, $$; sleep 5"))), signal);
    }
}

#[test]
fn a_broken_pipe_is_a_signal_and_not_an_errno() {
    let mut server = Forkserver::start();
    let ran = server.claimed().run_last(perl("pipe(R, W); close R; syswrite W, 'x'; print 'survived'"));
    assert_signal(&ran, libc::SIGPIPE);
    assert_eq!(ran.stdout, "");
}

#[test]
fn what_is_not_found_is_enoent() {
    let mut server = Forkserver::start();
    assert_exec_failed(&server.run(&["no-such-program"]), libc::ENOENT);
    assert_exec_failed(&server.run(&["/work/none"]), libc::ENOENT);
}

#[test]
fn what_cannot_be_executed_says_why() {
    let mut server = Forkserver::start();
    assert_exec_failed(&server.run(&["/etc/passwd"]), libc::EACCES);
    assert_exec_failed(&server.run(&["/usr"]), libc::EACCES);
    assert_exec_failed(&server.run(&["/usr/bin/env/x"]), libc::ENOTDIR);
    // What runs until then is the forkserver's own program.
    assert_exec_failed(&server.run(&["/proc/self/exe"]), libc::EACCES);
    assert_exec_failed(&server.run(&["/proc/thread-self/exe"]), libc::EACCES);
    // No shell is tried on a file that isn't a program.
    let sandbox = server.claimed();
    sandbox.put("script", b"echo no\n");
    assert_exec_failed(&sandbox.run_last(exec(&["./script"])), libc::ENOEXEC);
}

#[test]
fn a_directory_that_may_not_be_entered_is_remembered_by_the_search() {
    let mut server = Forkserver::start();
    let mut ask = exec(&["passwd-like"]);
    ask.spec.env = vec![("PATH".into(), "/nowhere:/work:/also-nowhere".into())];
    let sandbox = server.claimed();
    let file = rustix::fs::openat(
        &sandbox.root,
        "work/passwd-like",
        rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY,
        rustix::fs::Mode::from_raw_mode(0o644),
    );
    drop(file.expect("create"));
    assert_exec_failed(&sandbox.run_last(ask), libc::EACCES);
}

#[test]
fn a_working_directory_that_is_not_there_is_the_callers_affair() {
    let mut server = Forkserver::start();
    let mut ask = exec(&["true"]);
    ask.spec.cwd = "/work/none".into();
    assert_exec_failed(&server.claimed().run_last(ask), libc::ENOENT);
}

#[test]
fn arguments_that_are_too_long_are_e2big() {
    let mut server = Forkserver::start();
    let long = "x".repeat(200 * 1024);
    assert_exec_failed(&server.run(&["echo", &long]), libc::E2BIG);
}

#[test]
fn the_environment_is_exactly_what_was_asked_for() {
    let mut server = Forkserver::start();
    let mut ask = exec(&["env"]);
    ask.spec.env = vec![("B".into(), "2".into()), ("A".into(), "1 = one".into())];
    let ran = server.claimed().run_last(ask);
    ran.exited(0);
    assert_eq!(ran.stdout, "B=2\nA=1 = one\n");
}

#[test]
fn a_program_in_the_workspace_runs() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    sandbox.put("hi.sh", b"#!/bin/sh\necho \"$0 in $PWD\"\n");
    let ran = sandbox.run_last(exec(&["./hi.sh"]));
    ran.exited(0);
    assert_eq!(ran.stdout, "./hi.sh in /work\n");
}

#[test]
fn the_filter_holds() {
    let mut server = Forkserver::start();
    let mut ask = shell("mkdir /work/d; echo $?");
    ask.spec.seccomp = deny(libc::SYS_mkdir, libc::EMLINK);
    let ran = server.claimed().run_last(ask);
    ran.exited(0);
    assert_eq!(ran.stdout, "1\n");
    assert!(ran.stderr.contains("Too many links"), "{}", ran.stderr);
}

#[test]
fn a_filter_that_is_none_is_our_failure_and_names_its_layer() {
    let mut server = Forkserver::start();
    let mut ask = exec(&["true"]);
    ask.spec.seccomp = harness::filter(&[(0xffff, 0, 0, 0)]);
    let ran = server.claimed().run_last(ask);
    let End::Failed(error) = &ran.end else { panic!("{:?}", ran.end) };
    assert_eq!((error.step.as_str(), error.errno, error.layer.as_deref()), ("Seccomp", libc::EINVAL, Some("seccomp")));
    assert!(error.message.starts_with("Seccomp(EINVAL): "), "{}", error.message);
}

#[test]
fn a_daemon_that_holds_the_output_open_is_dead_at_the_end() {
    let mut server = Forkserver::start();
    // Reading to the end of the pipes returns only because nobody is left to hold them.
    let ran = server.claimed().run_last(perl("exit 0 if fork; use POSIX; POSIX::setsid(); exit 0 if fork; sleep 1000"));
    ran.exited(0);
}

#[test]
fn two_programs_follow_each_other_in_one_sandbox() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    let first = sandbox.run(0, false, &shell("echo built > out; (sleep 1000 &) ; exit 3"));
    first.exited(3);
    let second = sandbox.run(
        1,
        true,
        &perl("opendir D, '/proc'; print join(' ', sort grep /^\\d+$/, readdir D), \"\\n\"; print `cat out`"),
    );
    // The first one's daemon is gone, and init can't be seen: there is nobody but the program.
    second.exited(0);
    let lines: Vec<&str> = second.stdout.lines().collect();
    assert_eq!(lines[0].split(' ').count(), 1, "{}", second.stdout);
    assert_eq!(lines[1], "built");
    sandbox.deprovision();
}

#[test]
fn a_program_that_could_not_be_executed_leaves_the_sandbox_usable() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed();
    assert_exec_failed(&sandbox.run(0, false, &exec(&["none"])), libc::ENOENT);
    let second = sandbox.run(1, true, &exec(&["echo", "yes"]));
    second.exited(0);
    assert_eq!(second.stdout, "yes\n");
    sandbox.deprovision();
}

#[test]
fn the_library_can_end_a_program() {
    let mut server = Forkserver::start();
    for cause in [Cause::Output, Cause::Cancelled, Cause::Abandoned] {
        let sandbox = server.claimed();
        let streams = sandbox.start(0, true, &shell("echo up; sleep 1000"));
        sandbox.kill(cause);
        let ran = sandbox.finish(streams);
        assert_eq!((ran.evidence().cause, ran.evidence().status), (cause, None));
        sandbox.deprovision();
    }
}

#[test]
fn layers_and_stages_are_told() {
    let mut server = Forkserver::start();
    let abi = server.landlock_abi.to_string();
    let sandbox = server.claimed();
    let provisioned: Vec<&str> = sandbox.layers.iter().map(|layer| layer.layer.as_str()).collect();
    assert_eq!(
        provisioned,
        [
            "user-namespace",
            "pid-namespace",
            "mount-namespace",
            "network-namespace",
            "ipc-namespace",
            "uts-namespace",
            "cgroup-namespace",
            "uid",
            "readonly-root",
            "workspace-quota",
            "cgroup-memory",
            "cgroup-pids",
            "cgroup-cpu",
        ]
    );
    assert_eq!(sandbox.layers[7].value, Some(sandbox.uid.to_string()));
    assert_eq!(
        sandbox.layers[9].value,
        Some(format!("{} bytes, {} inodes", harness::limits().disk_bytes, harness::limits().inodes))
    );
    let ran = sandbox.run_last(exec(&["true"]));
    let started = ran.started.expect("started");
    let layers: Vec<(&str, Option<&str>)> =
        started.layers.iter().map(|layer| (layer.layer.as_str(), layer.value.as_deref())).collect();
    assert_eq!(
        layers,
        [
            ("rlimits", Some("256")),
            ("capabilities", None),
            ("no-new-privs", None),
            ("landlock", Some(abi.as_str())),
            ("seccomp", Some("2")),
        ]
    );
    for stage in ["claim", "fork", "exec", "read-program"] {
        assert!(started.stages.iter().any(|it| it.stage == stage), "{:?}", started.stages);
    }
}

/// Makes itself non-dumpable, after which `/proc` of its own sandbox hides it from everybody but the forkserver.
const HIDE: &str = "syscall(157, 4, 0) == 0 or die; select(undef, undef, undef, 0.02);";

#[test]
fn a_program_that_hides_itself_ends_as_any_other() {
    let mut server = Forkserver::start();
    server.claimed().run_last(perl(&format!("{HIDE} exit 7"))).exited(7);
    assert_signal(&server.claimed().run_last(perl(&format!("{HIDE} kill 15, $$; sleep 5"))), libc::SIGTERM);
    let sandbox = server.claimed();
    sandbox.run(0, false, &perl(&format!("{HIDE} exit 3"))).exited(3);
    sandbox.run(1, true, &perl(&format!("{HIDE} exit 4"))).exited(4);
    sandbox.deprovision();
    let mut ask = perl(&format!("{HIDE} 1 while 1"));
    ask.wall_time_ms = 200;
    assert_eq!(server.claimed().run_last(ask).evidence().cause, Cause::WallTime);
}

#[test]
fn a_program_that_may_not_be_read_ends_as_any_other() {
    let mut server = Forkserver::start();
    for last in [false, true] {
        let sandbox = server.claimed();
        sandbox.run(0, false, &shell("cp /usr/bin/sleep sleep; chmod 0111 sleep")).exited(0);
        let ran = sandbox.run(1, last, &exec(&["./sleep", "0.05"]));
        ran.exited(0);
        assert_eq!(ran.started.expect("started").layers.len(), 5);
        sandbox.deprovision();
    }
}

/// Runs `true` with this as its standard output.
fn run_into(server: &mut Forkserver, stdout: &OwnedFd) -> u32 {
    let sandbox = server.claimed();
    let spec = sealed(&serde_json::to_vec(&exec(&["true"]).spec).expect("JSON"));
    let null = open("/dev/null", OFlags::RDWR, Mode::empty()).expect("null");
    let (wall_time_ms, cpu_time_ms) = (10_000, 10_000);
    let request =
        Request::Exec { sandbox: sandbox.id, step: 0, last: true, wall_time_ms, cpu_time_ms, report_posture: false };
    sandbox.server.send(&request, &[spec.as_fd(), null.as_fd(), stdout.as_fd(), null.as_fd()]);
    loop {
        match sandbox.server.receive().0 {
            Event::Started { .. } => {}
            Event::Ended { evidence, .. } => break assert_eq!(evidence.status, Some(ExitStatus::Code(0))),
            other => panic!("{other:?}"),
        }
    }
    let uid = sandbox.uid;
    sandbox.deprovision();
    uid
}

#[test]
fn a_pipe_becomes_the_jobs_and_a_named_one_stays_its_owners() {
    let mut server = Forkserver::start();
    let owner = |fd: &OwnedFd| fstat(fd).expect("stat").st_uid;
    let (_reader, pipe) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
    let uid = run_into(&mut server, &pipe);
    assert_eq!(owner(&pipe), uid);
    let place = tempfile::tempdir().expect("directory");
    let path = place.path().join("named");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o622), 0).expect("mknod");
    let named = open(&path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).expect("open");
    run_into(&mut server, &named);
    assert_eq!(owner(&named), 0);
}
