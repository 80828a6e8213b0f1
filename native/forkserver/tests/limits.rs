//! Limits: where they hit, and the evidence that they leave.

mod harness;

use forkserver::wire::{BindPlan, Cause, ClaimLimits, ExitStatus, SandboxPlan};
use harness::{Forkserver, limits, perl, shell};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};

const MIB: u64 = 1 << 20;

/// So many processes at once, as far as this kernel keeps it.
fn is_peak(ran: &harness::Ran, processes: u64) -> bool {
    ran.evidence().processes_peak.is_none_or(|peak| peak == processes)
}

#[test]
fn the_wall_limit_kills_a_sleeper() {
    let mut server = Forkserver::start();
    let mut ask = shell("trap '' TERM INT; sleep 1000");
    ask.wall_time_ms = 300;
    let ran = server.claimed().run_last(ask);
    let evidence = ran.evidence();
    assert_eq!((evidence.cause, evidence.status), (Cause::WallTime, None));
    assert!((300_000..400_000).contains(&evidence.wall_time_us), "{evidence:?}");
    assert!(evidence.cpu_time_us < 100_000, "{evidence:?}");
}

#[test]
fn the_cpu_limit_kills_a_spinner_soon_after() {
    let mut server = Forkserver::start();
    let mut ask = perl("1 while 1");
    ask.cpu_time_ms = 200;
    let ran = server.claimed().run_last(ask);
    let evidence = ran.evidence();
    assert_eq!((evidence.cause, evidence.status), (Cause::CpuTime, None));
    assert!((200_000..250_000).contains(&evidence.cpu_time_us), "{evidence:?}");
}

#[test]
fn cpu_of_all_processes_counts() {
    let mut server = Forkserver::start();
    let mut ask = perl("fork; fork; 1 while 1");
    ask.cpu_time_ms = 200;
    let evidence = server.claimed_with(ClaimLimits { cpu_millis: 2000, ..limits() }).run_last(ask).evidence().clone();
    assert_eq!(evidence.cause, Cause::CpuTime);
    assert!((200_000..270_000).contains(&evidence.cpu_time_us), "{evidence:?}");
    assert!(evidence.processes_peak.is_none_or(|peak| peak == 4), "{evidence:?}");
}

#[test]
fn cpu_of_children_that_ended_counts_whether_they_were_waited_for_or_not() {
    let mut server = Forkserver::start();
    let child = "do { ($u, $s) = times } while $u + $s < 0.1; exit";
    for script in [
        format!("if (!fork) {{ {child} }} wait"),
        // Nobody waits for it: its parent is gone before it ends, and the main program stays until it has.
        format!("pipe(R, W); if (!fork) {{ close R; if (!fork) {{ {child} }} exit }} wait; close W; <R>"),
    ] {
        let evidence = server.claimed().run_last(perl(&script)).exited(0).clone();
        assert!(evidence.cpu_time_us >= 100_000, "{evidence:?}");
    }
}

#[test]
fn no_limit_of_a_single_process_stands_in_for_memory_or_processes() {
    let mut server = Forkserver::start();
    let ran = server.run(&["cat", "/proc/self/limits"]);
    ran.exited(0);
    for name in ["Max address space", "Max data size", "Max resident set", "Max cpu time"] {
        let line = ran.stdout.lines().find(|line| line.starts_with(name)).expect(name);
        assert_eq!(line.matches("unlimited").count(), 2, "{line}");
    }
}

#[test]
fn cpu_time_is_that_of_the_program() {
    let mut server = Forkserver::start();
    let busy = "do { ($user, $system) = times } while $user + $system < 0.1";
    let evidence = server.claimed().run_last(perl(busy)).exited(0).clone();
    assert!((90_000..150_000).contains(&evidence.cpu_time_us), "{evidence:?}");
    let evidence = server.claimed().run_last(shell("exit 0")).exited(0).clone();
    assert!(evidence.cpu_time_us < 20_000, "{evidence:?}");
}

#[test]
fn a_share_of_a_cpu_is_enforced_and_is_not_counted_as_waiting() {
    let mut server = Forkserver::start();
    let busy = "do { ($user, $system) = times } while $user + $system < 0.06";
    let ran = server.claimed_with(ClaimLimits { cpu_millis: 100, ..limits() }).run_last(perl(busy));
    let evidence = ran.exited(0);
    assert!(evidence.wall_time_us > 400_000, "a tenth of a CPU: {evidence:?}");
    assert!(evidence.cpu_wait_us < evidence.wall_time_us / 2, "{evidence:?}");
}

#[test]
fn memory_above_the_limit_kills() {
    let mut server = Forkserver::start();
    let ran = server
        .claimed_with(ClaimLimits { memory_bytes: 32 * MIB, ..limits() })
        .run_last(perl("$x = 'a' x (64 << 20); print 'no'"));
    let evidence = ran.evidence();
    assert_eq!(evidence.cause, Cause::Memory, "{evidence:?}");
    assert!(evidence.oom_kills > 0);
    assert!((Some(28 * MIB)..=Some(32 * MIB)).contains(&evidence.memory_peak_bytes), "{evidence:?}");
    assert_eq!(ran.stdout, "");
}

#[test]
fn memory_below_the_limit_is_the_programs() {
    let mut server = Forkserver::start();
    let ask = perl("$x = 'a' x (16 << 20); print length $x");
    let ran = server.claimed_with(ClaimLimits { memory_bytes: 64 * MIB, ..limits() }).run_last(ask);
    assert_eq!(ran.exited(0).oom_kills, 0);
    assert_eq!(ran.stdout, (16 << 20).to_string());
}

#[test]
fn a_child_killed_for_memory_is_the_jobs_end_whatever_its_main_says() {
    let mut server = Forkserver::start();
    let script = "if (!fork) { $x = 'a' x (64 << 20); exit 0 } wait; exit 0";
    let ran = server.claimed_with(ClaimLimits { memory_bytes: 32 * MIB, ..limits() }).run_last(perl(script));
    assert_eq!(ran.evidence().cause, Cause::Memory, "{:?}", ran.evidence());
    // In a step that isn't the last one too.
    let sandbox = server.claimed_with(ClaimLimits { memory_bytes: 32 * MIB, ..limits() });
    let ran = sandbox.run(0, false, &perl(script));
    assert_eq!(ran.evidence().cause, Cause::Memory, "{:?}", ran.evidence());
    sandbox.deprovision();
}

#[test]
fn a_survivor_of_an_oom_kill_does_not_go_on() {
    let mut server = Forkserver::start();
    let script = "if (!fork) { $x = 'a' x (64 << 20); exit 0 } wait; sleep 8; print 'survived'";
    let ran = server.claimed_with(ClaimLimits { memory_bytes: 32 * MIB, ..limits() }).run_last(perl(script));
    let evidence = ran.evidence();
    assert_eq!((evidence.cause, evidence.status), (Cause::Memory, None), "{evidence:?}");
    assert!(evidence.wall_time_us < 2_000_000, "{evidence:?}");
}

#[test]
fn reading_a_file_that_is_larger_than_the_memory_is_harmless() {
    let data = tempfile::tempdir_in("/var/tmp").expect("directory");
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    let file = fs::File::create(data.path().join("big")).expect("create");
    (&file).write_all(&vec![1; 64 << 20]).expect("write");
    file.sync_all().expect("sync");
    // Out of the page cache, so that the job is who brings it in.
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("advice");
    let bind = BindPlan { source: data.path().to_str().expect("UTF-8").to_owned(), target: "/data".into() };
    let mut server = Forkserver::start_planned(|plan| plan.roots[0].binds.push(bind));
    let ran = server
        .claimed_with(ClaimLimits { memory_bytes: 32 * MIB, ..limits() })
        .run_last(shell("cat /data/big | wc -c"));
    assert_eq!((ran.exited(0).oom_kills, &*ran.stdout), (0, "67108864\n"));
    // At the limit: else nothing was tried.
    assert!(ran.evidence().memory_peak_bytes >= Some(31 * MIB), "{:?}", ran.evidence());
}

#[test]
fn files_in_the_workspace_count_as_memory_of_who_wrote_them() {
    let mut server = Forkserver::start();
    let limits = ClaimLimits { memory_bytes: 16 * MIB, disk_bytes: 64 * MIB, ..limits() };
    let ran = server.claimed_with(limits).run_last(shell("head -c 40000000 /dev/zero > big"));
    assert_eq!(ran.evidence().cause, Cause::Memory, "{:?}", ran.evidence());
}

#[test]
fn exactly_as_many_processes_as_allowed() {
    let mut server = Forkserver::start();
    // The main program and what it forks: it counts its own success.
    let script = "my $n = 1; while ($n < 20) { my $p = fork; last unless defined $p; if (!$p) { sleep 100; exit } $n++ } print $n";
    let evidence = |ran: &harness::Ran| ran.exited(0).clone();
    let ran = server.claimed_with(ClaimLimits { processes: 8, ..limits() }).run_last(perl(script));
    assert_eq!(ran.stdout, "8");
    assert!(is_peak(&ran, 8) && evidence(&ran).forks_refused > 0, "{:?}", ran.end);
    let ran = server.claimed_with(ClaimLimits { processes: 20, ..limits() }).run_last(perl(script));
    assert_eq!(ran.stdout, "20");
    assert!(is_peak(&ran, 20) && evidence(&ran).forks_refused == 0, "{:?}", ran.end);
}

#[test]
fn a_fork_bomb_is_stopped_and_cleaned_up() {
    let mut server = Forkserver::start();
    let mut ask = perl("while (1) { fork }");
    ask.wall_time_ms = 500;
    let ran = server.claimed_with(ClaimLimits { processes: 32, ..limits() }).run_last(ask);
    let evidence = ran.evidence();
    assert_eq!(evidence.cause, Cause::WallTime);
    assert!(evidence.forks_refused > 0 && is_peak(&ran, 32), "{evidence:?}");
    // And the next sandbox works.
    server.run(&["true"]).exited(0);
}

#[test]
fn threads_are_processes() {
    let mut server = Forkserver::start();
    if !std::path::Path::new("/usr/bin/python3").exists() {
        panic!("these tests need Debian's python3");
    }
    let script = "import threading,time\nfor i in range(3): threading.Thread(target=time.sleep,args=(.05,)).start()";
    let ran = server.claimed().run_last(harness::exec(&["/usr/bin/python3", "-c", script]));
    ran.exited(0);
    assert!(is_peak(&ran, 4), "{:?}", ran.end);
}

#[test]
fn a_full_disk_is_seen() {
    let mut server = Forkserver::start();
    let small = ClaimLimits { disk_bytes: MIB, ..limits() };
    let ran = server.claimed_with(small.clone()).run_last(shell("head -c 1048576 /dev/zero > /work/a; exit 0"));
    let evidence = ran.exited(0);
    assert!(evidence.disk_full && !evidence.inodes_full, "exactly all of it: {evidence:?}");
    let ran = server.claimed_with(small.clone()).run_last(shell("head -c 1048577 /dev/zero > /tmp/a"));
    assert!(ran.exited(1).disk_full);
    assert!(ran.stderr.contains("No space left"), "{}", ran.stderr);
    let ran = server.claimed_with(small).run_last(shell("head -c 1000000 /dev/zero > /dev/shm/a"));
    assert!(!ran.exited(0).disk_full);
}

#[test]
fn inodes_are_counted_exactly() {
    let mut server = Forkserver::start();
    let script = "my $n = 0; while ($n < 100) { open F, '>', \"/work/f$n\" or last; $n++ } print $n";
    let ran = server.claimed_with(ClaimLimits { inodes: 20, ..limits() }).run_last(perl(script));
    assert_eq!(ran.stdout, "20");
    assert!(ran.exited(0).inodes_full);
}

#[test]
fn evidence_of_a_step_is_its_own() {
    let mut server = Forkserver::start();
    let sandbox = server.claimed_with(ClaimLimits { processes: 16, ..limits() });
    let bomb = "my @p; for (1..30) { my $p = fork; last unless defined $p; if (!$p) { sleep 100 } } $x = 'a' x (32 << 20); do { ($user, $system) = times } while $user + $system < 0.1";
    let first = sandbox.run(0, false, &perl(bomb)).exited(0).clone();
    assert!(
        first.forks_refused > 0
            && first.processes_peak.is_none_or(|peak| peak == 16)
            && first.memory_peak_bytes > Some(32 * MIB),
        "{first:?}"
    );
    let second = sandbox.run(1, true, &shell("exit 0")).exited(0).clone();
    assert_eq!((second.forks_refused, second.oom_kills), (0, 0));
    assert!(
        second.memory_peak_bytes.is_none_or(|peak| peak < 16 * MIB)
            && second.cpu_time_us < 50_000
            && second.processes_peak.is_none_or(|peak| peak <= 2),
        "{second:?}"
    );
    sandbox.deprovision();
}

#[test]
fn files_and_descriptors_have_their_limits() {
    let mut server = Forkserver::start();
    let mut ask = shell("ulimit -n; ulimit -c; ulimit -f; ulimit -s; ulimit -l; ulimit -Hs");
    ask.spec.open_files = 64;
    ask.spec.file_size_bytes = 512 * 1024;
    let ran = server.claimed().run_last(ask);
    ran.exited(0);
    assert_eq!(ran.stdout.split_whitespace().collect::<Vec<_>>(), ["64", "0", "1024", "8192", "0", "8192"]);
}

/// Runs a script with a private loopback and 64 MiB.
fn with_loopback(server: &mut Forkserver, script: &str) -> harness::Ran {
    let sandbox =
        server.provision_as(SandboxPlan { root: "debian".into(), slot: 0, loopback: true, paths: Vec::new() });
    sandbox.claim(ClaimLimits { memory_bytes: 64 * MIB, ..limits() });
    let mut ask = perl(&format!("use Socket; my $any = sockaddr_in(0, inet_aton('127.0.0.1')); {script}"));
    (ask.spec.landlock_deny_tcp, ask.spec.open_files) = (false, 4096);
    sandbox.run_last(ask)
}

#[test]
fn what_datagrams_wait_in_is_limited() {
    let mut server = Forkserver::start();
    let script = "for my $i (0..99) { socket(my $r, AF_INET, SOCK_DGRAM, 0) or die; setsockopt($r, SOL_SOCKET, SO_RCVBUF, 1 << 22);
        bind($r, $any) or die; push @r, $r; for (1..200) { send($r, 'x' x 1000, MSG_DONTWAIT, getsockname($r)) or last } }
        for my $r (@r) { $n += length $b while defined recv($r, $b, 2000, MSG_DONTWAIT) } print $n";
    if harness::kinds().iter().any(|kind| kind.name == "v2") {
        // There it is memory like any other: 76 MiB of it are too much.
        let ran = with_loopback(&mut server, &script.replace("0..99", "0..399"));
        assert_eq!(ran.evidence().cause, Cause::Memory, "{:?} {}", ran.evidence(), ran.stdout);
        return;
    }
    let ran = with_loopback(&mut server, script);
    ran.exited(0);
    let waited: u64 = ran.stdout.parse().expect("a number");
    assert!((MIB..8 * MIB).contains(&waited), "{waited}");
}

#[test]
fn what_connections_take_beyond_the_limit_ends_the_job() {
    let mut server = Forkserver::start();
    let script = "socket(L, AF_INET, SOCK_STREAM, 0); bind(L, $any); listen(L, 500); for (1..MANY) { socket(my $c, AF_INET, SOCK_STREAM, 0);
        connect($c, getsockname(L)) or die; push @c, $c; 1 while send($c, 'x' x 65536, MSG_DONTWAIT) }";
    let few = with_loopback(&mut server, &script.replace("MANY", "10"));
    few.exited(0);
    let many = with_loopback(&mut server, &(script.replace("MANY", "250") + "; sleep 5"));
    let evidence = many.evidence();
    assert_eq!((evidence.cause, evidence.status), (Cause::Memory, None), "{evidence:?} {}", many.stderr);
    assert!(evidence.wall_time_us < 2_000_000, "{evidence:?}");
}

#[test]
fn what_sockets_hold_back_uncharged_ends_the_job() {
    let mut server = Forkserver::start();
    let script = "socket(R, AF_INET, SOCK_DGRAM, 0); bind(R, $any); for (1..COUNT) { socket(my $s, AF_INET, SOCK_DGRAM, 0) or die;
        push @s, $s; send($s, 'x' x 60000, MSG_DONTWAIT | 0x8000, getsockname(R)) or die } select(undef, undef, undef, 0.2);";
    with_loopback(&mut server, &script.replace("COUNT", "200")).exited(0);
    let ran = with_loopback(&mut server, &script.replace("COUNT", "1000"));
    assert_eq!(ran.evidence().cause, Cause::Memory, "{:?} {}", ran.evidence(), ran.stderr);
}

#[test]
fn a_crash_starts_no_handler_of_the_hosts() {
    let mut server = Forkserver::start();
    let ran = server.run(&["grep", "^Max core file size", "/proc/self/limits"]);
    // Soft and hard: 0 would start what `core_pattern` pipes to.
    assert_eq!(ran.stdout.split_whitespace().skip(4).collect::<Vec<_>>(), ["1", "1", "bytes"], "{}", ran.stdout);
}

#[test]
fn a_program_that_dies_by_itself_first_is_not_a_limit() {
    let mut server = Forkserver::start();
    let mut ask = shell("kill -9 $$");
    ask.wall_time_ms = 5_000;
    let evidence = server.claimed().run_last(ask).evidence().clone();
    assert_eq!((evidence.cause, evidence.status), (Cause::Exit, Some(ExitStatus::Signal(9))));
}

/// Programs that do nothing but use CPUs, outside of any sandbox, until dropped.
struct Neighbours(Vec<Child>);

impl Neighbours {
    fn spin(count: usize, cpus: &str) -> Neighbours {
        let spin = |_| {
            let mut command = Command::new("/usr/bin/taskset");
            command.args(["-c", cpus, "/bin/sh", "-c", "while :; do :; done"]).spawn().expect("spins")
        };
        Neighbours((0..count).map(spin).collect())
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        for neighbour in &mut self.0 {
            let _ = neighbour.kill();
            let _ = neighbour.wait();
        }
    }
}

#[test]
fn waiting_before_the_program_began_is_not_its_waiting() {
    let mut server = Forkserver::start();
    let _busy = Neighbours::spin(6, "0-1");
    let mut ask = shell("exit 0");
    ask.spec.argv.extend(std::iter::repeat_n("\u{1}".repeat(100_000), 9));
    let ran = server.claimed().run_last(ask);
    let evidence = ran.exited(0);
    assert!(evidence.cpu_wait_us <= evidence.wall_time_us, "{evidence:?}");
}

#[test]
fn a_job_that_keeps_itself_waiting_was_not_kept_waiting() {
    let mut server = Forkserver::start();
    // Main and three children that spin, all on one CPU: each gets a quarter of it.
    let script =
        format!("syscall({}, 0, 8, $m = pack('Q', 1)) >= 0 or die; fork; fork; 1 while 1", libc::SYS_sched_setaffinity);
    let mut ask = perl(&script);
    ask.wall_time_ms = 400;
    let ran = server.claimed().run_last(ask);
    let evidence = ran.evidence();
    assert_eq!(evidence.cause, Cause::WallTime);
    // Whoever else is busy on that CPU: at any time it ran for the job or for others.
    assert!(evidence.cpu_time_us + evidence.cpu_wait_us <= evidence.wall_time_us * 11 / 10, "{evidence:?}");
}

#[test]
fn a_job_that_others_keep_waiting_says_so() {
    let mut server = Forkserver::start();
    let busy = Neighbours::spin(3, "0");
    let script = format!("syscall({}, 0, 8, $m = pack('Q', 1)) >= 0 or die; 1 while 1", libc::SYS_sched_setaffinity);
    let mut ask = perl(&script);
    ask.wall_time_ms = 400;
    let ran = server.claimed().run_last(ask);
    drop(busy);
    let evidence = ran.evidence();
    assert!(evidence.cpu_wait_us >= evidence.wall_time_us / 10, "{evidence:?}");
}
