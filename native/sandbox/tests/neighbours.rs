//! What one job costs the others. Needs root.

mod pen;

use pen::{Pen, result_of};
use serde_json::{Value, json};

/// Wall-time limit of the neighbours.
const WALL_MS: u64 = 150;
/// How much later a limit may hit while another job's files are thrown away: far below the time which that takes.
const LATE_MS: u64 = 350;

#[tokio::test(flavor = "multi_thread")]
async fn throwing_many_files_away_delays_no_limit_of_a_neighbour() {
    let pen = Pen::open(json!({ "slots": 2 })).await;
    let source = "import os\nfor i in range(400_000): os.close(os.open(f'/tmp/{i}', os.O_CREAT | os.O_WRONLY))";
    let limits =
        json!({ "inodes": 500_000, "memoryBytes": 2_000_000_000u64, "wallTimeMs": 120_000, "cpuTimeMs": 120_000 });
    let untidy = pen.begin(json!({ "source": source, "policy": { "limits": limits } }));
    let done = tokio::spawn(async move { result_of(&untidy).await });
    let (mut walls, mut after) = (Vec::new(), 0);
    while after < 8 {
        after += u32::from(done.is_finished());
        walls.push(wall_of_neighbour(&pen).await);
    }
    let untidy = done.await.expect("a result");
    assert_eq!(untidy["outcome"]["kind"], "exited", "{untidy:#}");
    pen.engine.close().await;
    assert!(walls.iter().all(|wall| *wall < (WALL_MS + LATE_MS) * 1000), "{walls:?}");
}

async fn wall_of_neighbour(pen: &Pen) -> u64 {
    let limits = json!({ "wallTimeMs": WALL_MS });
    let result: Value =
        pen.run(json!({ "source": "import time; time.sleep(60)", "policy": { "limits": limits } })).await;
    assert_eq!(result["outcome"]["kind"], "wall-time-exceeded", "{result:#}");
    result["usage"]["wallTimeUs"].as_u64().expect("a number")
}
