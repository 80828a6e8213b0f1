//! The same program as an ordinary user: what holds holds as it does for root, what doesn't is not claimed.

mod harness;

use forkserver::wire::{Cause, ClaimLimits, Event, HostRoot, PathAccess, PathPlan, Request, Substitute};
use harness::{Delegated, Forkserver, Sandbox, USER, exec, kinds, limits, perl, shell, start_as_user, status_of};

const MIB: u64 = 1 << 20;

fn everywhere(check: impl Fn(&Delegated)) {
    for kind in kinds() {
        println!("{}", kind.name);
        check(&Delegated::of(&kind));
    }
}

fn layer<'a>(sandbox: &'a Sandbox<'_>, name: &str) -> Option<&'a str> {
    sandbox.layers.iter().find(|one| one.layer == name).and_then(|one| one.value.as_deref())
}

#[test]
fn a_program_runs_confined() {
    everywhere(|delegated| {
        let mut server = delegated.start(&[]);
        let sandbox = server.claimed();
        assert_eq!((sandbox.uid, sandbox.gid), (USER, USER));
        sandbox.put("mark", b"mine");
        let mut ask = shell(
            "id -u; id -g; cat mark; echo > /usr/x; echo again > /dev/stdout; ls /proc | grep -c self; sleep 0.3",
        );
        ask.posture = true;
        let ran = sandbox.run_last(ask);
        ran.exited(0);
        assert_eq!(ran.stdout, "1000\n1000\nmineagain\n2\n", "{}", ran.stderr);
        let posture = ran.posture();
        assert_eq!(posture.own_namespaces, ["user", "pid", "mnt", "net", "ipc", "uts", "cgroup"]);
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status_of(posture, set), "0000000000000000", "{set}");
        }
        assert!(server.close().success());
    });
}

#[test]
fn an_id_that_all_share_is_no_layer_unless_the_operator_takes_it_for_one() {
    everywhere(|delegated| {
        let mut server = delegated.start(&[]);
        let sandbox = server.provision();
        assert_eq!(layer(&sandbox, "uid"), None);
        assert!(sandbox.layers.iter().any(|one| one.layer == "user-namespace"));
        sandbox.deprovision();
        server.close();
        let mut server = delegated.start(&[("uid", "shared")]);
        let sandbox = server.provision();
        assert_eq!(layer(&sandbox, "uid"), Some("shared"));
        sandbox.deprovision();
        server.close();
    });
}

#[test]
fn limits_hold_in_a_delegated_part() {
    everywhere(|delegated| {
        let mut server = delegated.start(&[]);
        let small = ClaimLimits { memory_bytes: 32 * MIB, processes: 8, ..limits() };
        let ran = server.claimed_with(small.clone()).run_last(perl("$x = 'a' x (64 << 20)"));
        assert_eq!(ran.evidence().cause, Cause::Memory, "{:?}", ran.end);
        let script =
            "my $n = 1; for (1..20) { my $p = fork; last unless defined $p; sleep 100 unless $p; $n++ } print $n";
        let ran = server.claimed_with(small).run_last(perl(script));
        assert_eq!((&*ran.stdout, ran.exited(0).forks_refused > 0), ("8", true));
        let mut ask = perl("1 while 1");
        ask.cpu_time_ms = 200;
        assert_eq!(server.claimed().run_last(ask).evidence().cause, Cause::CpuTime);
        let ran = server
            .claimed_with(ClaimLimits { disk_bytes: MIB, ..limits() })
            .run_last(shell("head -c 1048577 /dev/zero > f"));
        assert!(ran.exited(1).disk_full);
        server.close();
    });
}

#[test]
fn one_sandbox_can_neither_see_nor_signal_another_though_they_share_an_id() {
    everywhere(|delegated| {
        let mut server = delegated.start(&[]);
        let first = server.claimed();
        first.put("mark", b"first");
        let _streams = first.start(0, true, &exec(&["sleep", "1000"]));
        assert!(matches!(first.server.receive().0, Event::Started { .. }));
        let id = first.id;
        drop(first);
        let ran = server.run(&["sh", "-c", "ls -A /work /tmp; ls -d /proc/[0-9]* | wc -l; kill -9 -1; sleep 0.1"]);
        assert!(ran.stdout.starts_with("/tmp:\n\n/work:\n"), "{}", ran.stdout);
        server.send(&Request::Kill { sandbox: id, cause: Cause::Cancelled }, &[]);
        match server.receive().0 {
            Event::Ended { sandbox, evidence, .. } => assert_eq!((sandbox, evidence.cause), (id, Cause::Cancelled)),
            other => panic!("{other:?}"),
        }
        server.close();
    });
}

#[test]
fn the_forkserver_cannot_be_run_by_those_who_share_its_id() {
    everywhere(|delegated| {
        let mut server = delegated.start(&[]);
        let ran = server.run(&["/proc/self/exe"]);
        assert!(matches!(ran.end, harness::End::ExecFailed(libc::EACCES)), "{:?} {}", ran.end, ran.stderr);
        server.close();
    });
}

#[test]
fn mounts_stay_locked() {
    everywhere(|delegated| {
        let mut server = delegated.start(&[]);
        let remount = libc::MS_REMOUNT | libc::MS_BIND;
        let script = format!(
            "print syscall({}, 0, $e.'/', 0, {remount}, 0) < 0 ? $!+0 : 0; print ' '; print syscall({}, {}) < 0 ? $!+0 : 0",
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::CLONE_NEWUSER
        );
        let ran = server.claimed().run_last(perl(&script));
        assert_eq!(ran.stdout, format!("1 {}", libc::ENOSPC));
        server.close();
    });
}

#[test]
fn without_a_delegated_part_no_limit_can_be_set_and_no_job_starts() {
    let mut server: Forkserver = start_as_user(None, |plan| plan.cgroups.clear());
    let sandbox = server.provision();
    assert!(!sandbox.layers.iter().any(|one| one.layer.starts_with("cgroup-") && one.layer != "cgroup-namespace"));
    sandbox.server.send(&Request::Claim { sandbox: sandbox.id, limits: limits(), tenure_until_ms: None }, &[]);
    match sandbox.server.receive().0 {
        Event::Failed { error, .. } => assert_eq!(error.layer.as_deref(), Some("cgroup-memory")),
        other => panic!("{other:?}"),
    }
    sandbox.deprovision();
}

#[test]
fn a_part_that_was_not_delegated_is_refused_by_name() {
    let plan = kinds().pop().expect("a kind").hierarchies;
    let (ours, theirs) = harness::control_pair();
    let stage = tempfile::tempdir().expect("a directory");
    std::os::unix::fs::chown(stage.path(), Some(USER), Some(USER)).expect("chown");
    let mut command = harness::command(harness::PROGRAM, &theirs);
    std::os::unix::process::CommandExt::uid(&mut command, USER);
    std::os::unix::process::CommandExt::gid(&mut command, USER);
    let mut process = command.stderr(std::process::Stdio::null()).spawn().expect("starts");
    drop(theirs);
    let host = forkserver::wire::HostPlan {
        instance: "t-refused".into(),
        stage_dir: stage.path().to_str().expect("UTF-8").to_owned(),
        first_uid: 200_000,
        uid_count: 16,
        cgroups: plan,
        roots: vec![harness::debian()],
        host_roots: Vec::new(),
        substitutes: Vec::new(),
    };
    let hello = Request::Hello { version: forkserver::wire::VERSION, host };
    harness::send(&ours, &serde_json::to_vec(&hello).expect("JSON"), &[]);
    let Some((Event::Refused { error }, _)) = harness::receive(&ours) else { panic!("not refused") };
    assert!(error.step == "Leaf" && error.message.contains("Delegate=yes"), "{}", error.message);
    assert!(!process.wait().expect("wait").success());
}

/// A directory of `owner`'s with a file that only they may read.
fn directory_of(owner: u32) -> tempfile::TempDir {
    use std::os::unix::fs::{PermissionsExt, chown};
    let dir = tempfile::Builder::new().prefix("bullpen-").tempdir_in("/var/tmp").expect("a directory");
    let (file, mode) = (dir.path().join("f"), |bits| std::fs::Permissions::from_mode(bits));
    std::fs::write(&file, "mine\n").expect("written");
    std::fs::set_permissions(&file, mode(0o600)).expect("chmod");
    std::fs::set_permissions(dir.path(), mode(0o755)).expect("chmod");
    for path in [dir.path(), &file] {
        chown(path, Some(owner), Some(owner)).expect("chown");
    }
    dir
}

fn with_directory(directory: &tempfile::TempDir, access: PathAccess) -> Forkserver {
    let root = HostRoot { path: directory.path().to_str().expect("UTF-8").to_owned(), access };
    let accept = |layer: &str, by: &str| Substitute { layer: layer.into(), by: by.into() };
    start_as_user(None, |plan| {
        plan.cgroups.clear();
        plan.host_roots = vec![root];
        plan.substitutes = vec![
            accept("cgroup-memory", "polling"),
            accept("cgroup-pids", "rlimit"),
            accept("cgroup-cpu", "polling"),
            accept("uid", "shared"),
        ];
    })
}

fn the_directory(access: PathAccess) -> Vec<PathPlan> {
    vec![PathPlan { root: 0, below: String::new(), access }]
}

#[test]
fn what_the_user_owns_a_job_may_be_given_to_read_or_to_write() {
    let directory = directory_of(USER);
    let place = directory.path().display();
    let mut server = with_directory(&directory, PathAccess::Readwrite);
    let script = format!("cat {place}/f; echo kept > {place}/g && stat -c %u {place}/g");
    let read = server.with_paths(the_directory(PathAccess::Readonly)).expect("a sandbox").run_last(shell(&script));
    assert_eq!(read.stdout, "mine\n", "{}", read.stderr);
    let written = server.with_paths(the_directory(PathAccess::Readwrite)).expect("a sandbox").run_last(shell(&script));
    assert_eq!(written.stdout, "mine\n1000\n", "{}", written.stderr);
    let made = std::fs::metadata(directory.path().join("g")).expect("made");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&made), USER);
    server.close();
}

#[test]
fn what_others_own_a_job_reads_as_the_user_does_and_never_writes() {
    for owner in [0, USER + 1] {
        let directory = directory_of(owner);
        std::fs::write(directory.path().join("public"), "public\n").expect("written");
        let place = directory.path().display();
        let script = format!("cat {place}/public; cat {place}/f; echo x > {place}/g");
        let mut server = with_directory(&directory, PathAccess::Readonly);
        let ran = server.with_paths(the_directory(PathAccess::Readonly)).expect("a sandbox").run_last(shell(&script));
        assert_eq!(ran.stdout, "public\n", "{}", ran.stderr);
        server.close();
        let server = with_directory(&directory, PathAccess::Readwrite);
        let plan = server.plan(the_directory(PathAccess::Readwrite));
        server.send(&Request::Provision { sandbox: 1, plan }, &[]);
        match server.receive().0 {
            Event::Failed { error, .. } => {
                assert_eq!(error.step, "HostRootOfOthers");
                assert!(error.message.contains("only what is that user's own"), "{}", error.message);
            }
            other => panic!("{other:?}"),
        }
        server.send(&Request::Deprovision { sandbox: 1 }, &[]);
        assert!(matches!(server.receive().0, Event::Deprovisioned { .. }));
        server.close();
    }
}
