//! A host without cgroups, where the operator accepts what stands in for them: as root and as an ordinary user.

mod harness;

use forkserver::wire::{Cause, ClaimLimits, ExitStatus, HostPlan, Substitute};
use harness::{Forkserver, exec, kinds, limits, perl, shell, start_as_user};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;
const ALL: [(&str, &str); 4] =
    [("cgroup-memory", "polling"), ("cgroup-pids", "rlimit"), ("cgroup-cpu", "polling"), ("uid", "shared")];

fn accept(plan: &mut HostPlan) {
    plan.substitutes = ALL.map(|(layer, by)| Substitute { layer: layer.into(), by: by.into() }).to_vec();
}

fn everywhere(check: impl Fn(&mut Forkserver)) {
    let none = |plan: &mut HostPlan| {
        plan.cgroups.clear();
        accept(plan);
    };
    check(&mut Forkserver::start_planned(none));
    check(&mut start_as_user(None, none));
}

#[test]
fn the_layers_name_the_substitute_only_where_it_is_used() {
    everywhere(|server| {
        let sandbox = server.claimed();
        for (layer, by) in &ALL[..3] {
            let found = sandbox.layers.iter().find(|one| one.layer == *layer).and_then(|one| one.value.as_deref());
            assert_eq!(found, Some(*by), "{layer}");
        }
        sandbox.deprovision();
    });
    let mut server = Forkserver::start_planned(accept);
    let sandbox = server.claimed();
    let uid = sandbox.uid.to_string();
    let version = if kinds().iter().any(|kind| kind.name == "v2") { "v2" } else { "v1" };
    for (layer, value) in
        [("cgroup-memory", version), ("cgroup-pids", version), ("cgroup-cpu", version), ("uid", &*uid)]
    {
        let found = sandbox.layers.iter().find(|one| one.layer == layer).and_then(|one| one.value.as_deref());
        assert_eq!(found, Some(value), "{layer}");
    }
    sandbox.deprovision();
}

#[test]
fn memory_that_is_kept_is_seen_soon() {
    everywhere(|server| {
        let small = ClaimLimits { memory_bytes: 48 * MIB, ..limits() };
        let start = Instant::now();
        let ran = server.claimed_with(small.clone()).run_last(perl("$x = 'a' x (64 << 20); sleep 100"));
        let evidence = ran.evidence();
        assert_eq!((evidence.cause, evidence.status), (Cause::Memory, None), "{evidence:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        // Of all processes together.
        let several = "for (1..3) { fork or do { $x = 'a' x (20 << 20); sleep 100 } } sleep 100";
        let ran = server.claimed_with(small.clone()).run_last(perl(several));
        assert_eq!(ran.evidence().cause, Cause::Memory, "{:?}", ran.end);
        // What is shared counts once.
        let shared =
            "$x = 'a' x (12 << 20); for (1..6) { fork or do { sleep 1; exit } } 1 while wait > 0; print 'kept'";
        let ran = server.claimed_with(small).run_last(perl(shared));
        assert_eq!(ran.exited(0).memory_peak_bytes, None);
        assert_eq!(ran.stdout, "kept");
    });
}

#[test]
fn so_many_processes_and_no_more() {
    everywhere(|server| {
        let script =
            "my $n = 1; for (1..20) { my $p = fork; last unless defined $p; sleep 100 unless $p; $n++ } print $n";
        let eight = ClaimLimits { processes: 8, ..limits() };
        let ran = server.claimed_with(eight.clone()).run_last(perl(script));
        assert_eq!((&*ran.stdout, ran.exited(0).processes_peak), ("8", None));
        // Whatever others of the same user do.
        let first = server.claimed_with(eight.clone());
        let streams = first.start(0, true, &perl(&script.replace("print $n", "sleep 1; print $n")));
        first.finish(streams).exited(0);
        first.deprovision();
        let one = ClaimLimits { processes: 1, ..limits() };
        server.claimed_with(one).run_last(exec(&["true"])).exited(0);
    });
}

#[test]
fn cpu_time_of_all_is_counted_and_limited() {
    everywhere(|server| {
        let mut ask = perl("fork; fork; 1 while 1");
        ask.cpu_time_ms = 300;
        let evidence = server.claimed().run_last(ask).evidence().clone();
        assert_eq!(evidence.cause, Cause::CpuTime);
        assert!(evidence.cpu_time_us >= 300_000, "{evidence:?}");
        // Of children that have ended, too, and of a whole program between two looks.
        let busy = "if (!fork) { do { ($u, $s) = times } while $u + $s < 0.2; exit } wait";
        let evidence = server.claimed().run_last(perl(busy)).exited(0).clone();
        assert!((180_000..1_000_000).contains(&evidence.cpu_time_us), "{evidence:?}");
    });
}

#[test]
fn everything_else_is_as_ever() {
    everywhere(|server| {
        let sandbox = server.claimed();
        assert_eq!(sandbox.run(0, false, &shell("(sleep 100 &) ; echo built > f")).exited(0).cause, Cause::Exit);
        assert_eq!(sandbox.run(1, true, &shell("cat f; kill -11 $$")).evidence().status, Some(ExitStatus::Signal(11)));
        sandbox.deprovision();
        let mut ask = perl("fork; fork; sleep 1000");
        ask.wall_time_ms = 300;
        assert_eq!(server.claimed().run_last(ask).evidence().cause, Cause::WallTime);
    });
}
