//! A removed leaf is forgotten by the kernel too. In a file of its own: on v1 only the whole machine's leaves can be counted.

mod harness;

use forkserver::wire::{Cause, Event, Request, SandboxPlan};
use harness::{Forkserver, kinds, limits, sealed, shell};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// What one forkserver may leave.
const TOLERATED: usize = 5;
/// Where the machine's leaves are counted all together, few would not be told from what others do.
const MANY: u64 = 1000;
/// Where those of this forkserver are, or the same was seen already.
const SOME: u64 = 64;
/// Sandboxes at once: one after another would mostly wait for the kernel to attach processes.
const AT_ONCE: u64 = 8;
/// On v1 others leave dead ones too. What we leave we would leave each time.
const ROUNDS: u64 = 3;

#[test]
fn dead_leaves_do_not_pile_up_in_the_kernel() {
    for kind in kinds() {
        let count = if kind.name == "v1" { MANY } else { SOME };
        let server = Forkserver::start_with(&kind);
        let few = (0..ROUNDS).any(|round| leaves_few(&server, 1 + round * count..1 + (round + 1) * count));
        assert!(few, "{}: all but a few are forgotten", kind.name);
        let houses = server.leaf_houses();
        assert!(houses.iter().all(|house| directories(house) == 1), "the leaves are gone from the tree too");
    }
}

/// Are all but a few of so many sandboxes forgotten soon after they ended?
fn leaves_few(server: &Forkserver, numbers: Range<u64>) -> bool {
    let before = dead(server);
    let start = Instant::now();
    for first in numbers.clone().step_by(AT_ONCE as usize) {
        run_together(server, first..(first + AT_ONCE).min(numbers.end));
    }
    let took = start.elapsed();
    // The kernel forgets a moment later.
    let is_few = || dead(server) <= before + TOLERATED;
    let few = (0..50).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        is_few()
    });
    println!("{} sandboxes in {took:?}, {before} dead leaves before, {} after", numbers.count(), dead(server));
    few
}

/// One sandbox for each number, all at the same time: made, used, removed.
fn run_together(server: &Forkserver, numbers: Range<u64>) {
    let null =
        |write: bool| OwnedFd::from(fs::OpenOptions::new().read(!write).write(write).open("/dev/null").expect("null"));
    let (input, output) = (null(false), null(true));
    let ask = shell("echo x > /work/f; ls / > /tmp/g");
    let spec = sealed(&serde_json::to_vec(&ask.spec).expect("JSON"));
    let mut boxes = BTreeMap::new();
    for sandbox in numbers.clone() {
        let plan = SandboxPlan { slot: (sandbox % 16) as u32, ..server.plan(Vec::new()) };
        server.send(&Request::Provision { sandbox, plan }, &[]);
    }
    let mut left = numbers.count();
    while left > 0 {
        let (event, mut fds) = server.receive();
        match event {
            Event::Provisioned { sandbox, .. } => {
                boxes.insert(sandbox, fds.pop());
                server.send(&Request::Claim { sandbox, limits: limits(), tenure_until_ms: None }, &[]);
            }
            Event::Claimed { sandbox, .. } => {
                let request = Request::Exec {
                    sandbox,
                    step: 0,
                    last: true,
                    wall_time_ms: ask.wall_time_ms,
                    cpu_time_ms: ask.cpu_time_ms,
                    report_posture: false,
                };
                server.send(&request, &[spec.as_fd(), input.as_fd(), output.as_fd(), output.as_fd()]);
            }
            Event::Started { .. } => {}
            Event::Ended { sandbox, evidence, .. } => {
                assert_eq!(evidence.cause, Cause::Exit, "{evidence:?}");
                boxes.insert(sandbox, None);
                server.send(&Request::Deprovision { sandbox }, &[]);
            }
            Event::Deprovisioned { .. } => left -= 1,
            other => panic!("{other:?}"),
        }
    }
}

/// Memory cgroups without a directory that the kernel still has: on v2 of this forkserver's, on v1 of everybody's.
fn dead(server: &Forkserver) -> usize {
    let houses = server.leaf_houses();
    let memory = server.host_plan().cgroups.iter().position(|one| one.controllers.iter().any(|name| name == "memory"));
    let house = &houses[memory.expect("memory")];
    if let Ok(stat) = fs::read_to_string(house.join("cgroup.stat")) {
        return field(&stat, "nr_dying_descendants", 1);
    }
    let all = field(&fs::read_to_string("/proc/cgroups").expect("cgroups"), "memory", 2);
    let top = house.ancestors().take_while(|place| place.join("cgroup.procs").exists()).last().expect("the root");
    all.saturating_sub(directories(top))
}

fn field(text: &str, key: &str, column: usize) -> usize {
    let line =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|line| line.first() == Some(&key));
    line.and_then(|line| line.get(column)?.parse().ok()).expect(key)
}

/// How many there are at and below a place.
fn directories(place: &Path) -> usize {
    let below = fs::read_dir(place)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
    1 + below.map(|entry| directories(&entry.path())).sum::<usize>()
}
