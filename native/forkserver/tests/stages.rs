//! Where the time of a sandbox goes.

mod harness;

use harness::{Forkserver, Kind, exec, kinds};
use std::collections::BTreeMap;

#[test]
fn every_stage_of_a_life_is_measured() {
    kinds().iter().for_each(measure);
}

fn measure(kind: &Kind) {
    let mut server = Forkserver::start_with(kind);
    let mut laps: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let count: usize = std::env::var("STAGES_COUNT").ok().and_then(|count| count.parse().ok()).unwrap_or(3);
    for _ in 0..count {
        let mut all = Vec::new();
        let sandbox = server.provision();
        all.extend(sandbox.stages.clone());
        sandbox.claim(harness::limits());
        let ran = sandbox.run(0, true, &exec(&["true"]));
        ran.exited(0);
        all.extend(ran.started.expect("started").stages);
        all.extend(sandbox.deprovision());
        for stage in all {
            laps.entry(stage.stage).or_default().push(stage.us);
        }
    }
    let expected =
        "leaf tree workspace clone maps attach init claim fork exec read-place read-program kill evidence rmdir";
    for stage in expected.split(' ') {
        assert_eq!(laps.get(stage).map(Vec::len), Some(count), "{stage} in {:?}", laps.keys());
    }
    for (stage, mut us) in laps {
        us.sort_unstable();
        println!("{:6} {stage:12} p50 {:6} p90 {:6} us", kind.name, us[us.len() / 2], us[us.len() * 9 / 10]);
    }
}
