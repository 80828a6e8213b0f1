//! A removed leaf is forgotten by the kernel too. In a file of its own: on v1 only the whole machine's leaves can be counted.

mod harness;

use harness::{Forkserver, kinds};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Those that were there before, and what one forkserver may leave.
const TOLERATED: usize = 5;

#[test]
fn dead_leaves_do_not_pile_up_in_the_kernel() {
    let count = std::env::var("SANDBOXES").ok().and_then(|count| count.parse().ok()).unwrap_or(30);
    for kind in kinds() {
        let mut server = Forkserver::start_with(&kind);
        let before = dead(&server);
        for _ in 0..count {
            server.run(&["sh", "-c", "echo x > /work/f; ls / > /tmp/g"]).exited(0);
        }
        println!("{}: {count} sandboxes, {before} dead leaves before, {} after", kind.name, dead(&server));
        harness::eventually(Duration::from_secs(10), "all but a few are forgotten", || {
            dead(&server) <= before + TOLERATED
        });
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
