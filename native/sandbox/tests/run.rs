//! Jobs through the whole library, on the real kernel by the real forkserver. Needs root.

mod pen;

use std::time::{Duration, Instant};

use pen::{Pen, context, job, result_of};
use serde_json::{Value, json};

/// The outcome's kind, where it is the whole story.
fn kind(result: &Value) -> &str {
    result["outcome"]["kind"].as_str().expect("a kind")
}

fn limits(limits: Value) -> Value {
    json!({ "limits": limits })
}

/// Opens an engine, lets `test` use it, and closes it.
macro_rules! with_pen {
    ($pen:ident, $config:expr, $test:block) => {{
        let $pen = Pen::open($config).await;
        $test
        $pen.engine.close().await;
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_prints_and_exits() {
    with_pen!(pen, json!({}), {
        let result =
            pen.run(json!({ "source": "import sys; print(6*7); print('e', file=sys.stderr); sys.exit(3)" })).await;
        assert_eq!(result["outcome"], json!({ "kind": "exited", "exitCode": 3, "phase": "run" }), "{result:#}");
        assert_eq!((&result["stdout"]["text"], &result["stderr"]["text"]), (&json!("42\n"), &json!("e\n")));
        assert_eq!(result["stdout"]["sha256"], "084c799cd551dd1d8d5c5f9a5d593b2e931f5e36122ee5c793c1d08a19839cc0");
        assert_eq!((&result["attribution"], &result["rewardSafe"]), (&json!("guest"), &json!(true)));
        assert_eq!((&result["id"], &result["tenant"], &result["epoch"]), (&json!("j-1"), &json!("acme"), &json!(1)));
        assert!(result["usage"]["cpuTimeUs"].as_u64() > Some(0), "{result:#}");
        assert_eq!(result["sandbox"]["layers"].as_array().map(Vec::len), Some(18), "{:#}", result["sandbox"]);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn every_layer_and_runtime_of_this_host_is_proven_by_use() {
    with_pen!(pen, json!({}), {
        let report: Value = serde_json::from_str(&pen.engine.probe().await.expect("a report")).expect("JSON");
        let missing: Vec<&Value> =
            report["layers"].as_array().expect("layers").iter().filter(|layer| layer["held"] != true).collect();
        assert!(missing.is_empty(), "{missing:#?}");
        let broken: Vec<&Value> =
            report["runtimes"].as_array().expect("runtimes").iter().filter(|one| one["ok"] != true).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn files_arguments_environment_and_stdin_arrive() {
    let source = "import sys, os\nprint(open('data/in.csv').read(), sys.argv[1:], os.environ['K'], sys.stdin.read(), os.access('run.sh', os.X_OK))\nprint(sorted(os.environ))";
    with_pen!(pen, json!({}), {
        let result = pen.run(json!({
            "source": source, "args": ["a b", "c"], "env": { "K": "V" }, "stdin": { "base64": "aW4=" },
            "files": [{ "path": "data/in.csv", "text": "1,2" }, { "path": "run.sh", "text": "#!/bin/sh", "executable": true }],
        })).await;
        assert_eq!(
            result["stdout"]["text"], "1,2 ['a b', 'c'] V in True\n['HOME', 'K', 'LANG', 'PATH', 'TMPDIR']\n",
            "{result:#}"
        );
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_are_collected_when_everything_is_dead() {
    let source = "import os\nos.makedirs('out/d')\nopen('out/a.json','w').write('{}')\nopen('out/d/b','wb').write(b'\\xff')\nos.symlink('/etc/passwd','out/l')\nopen('no','w')";
    with_pen!(pen, json!({}), {
        let result = pen.run(json!({ "source": source, "artifacts": ["out/**"] })).await;
        let shown: Vec<String> = result["artifacts"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|a| format!("{} {} {} {}", a["path"], a["text"], a["base64"], a["rejected"]))
            .collect();
        assert_eq!(
            shown,
            [r#""out/a.json" "{}" null null"#, r#""out/d/b" null "/w==" null"#, r#""out/l" null null "symlink""#],
            "{result:#}"
        );
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_ends_a_job_by_its_own_name() {
    with_pen!(pen, json!({}), {
        for (source, policy, expected) in [
            ("import time; time.sleep(30)", limits(json!({ "wallTimeMs": 300 })), "wall-time-exceeded"),
            ("while True: pass", limits(json!({ "cpuTimeMs": 200 })), "cpu-time-exceeded"),
            ("x = b'x' * 200_000_000", limits(json!({ "memoryBytes": 50_000_000 })), "memory-exceeded"),
            (
                "import os\nfor i in range(50): os.fork() or __import__('time').sleep(9)",
                limits(json!({ "processes": 5 })),
                "processes-exceeded",
            ),
            ("print('x' * 2000)", limits(json!({ "outputBytes": 1000 })), "output-exceeded"),
            ("open('f','wb').write(b'x' * 10_000_000)", limits(json!({ "diskBytes": 1_000_000 })), "disk-exceeded"),
            ("for i in range(100): open(str(i),'w')", limits(json!({ "inodes": 50 })), "disk-exceeded"),
        ] {
            let result = pen.run(json!({ "source": source, "policy": policy })).await;
            assert_eq!(kind(&result), expected, "{source}: {result:#}");
            assert_eq!(result["rewardSafe"], true, "{source}: {result:#}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn output_at_its_limit_passes_and_truncation_goes_on() {
    with_pen!(pen, json!({}), {
        let exact = pen.run(json!({ "source": "import sys; sys.stdout.write('x' * 1000)", "policy": limits(json!({ "outputBytes": 1000 })) })).await;
        assert_eq!(
            (kind(&exact), &exact["stdout"]["truncated"], &exact["limitsHit"]),
            ("exited", &json!(false), &json!([]))
        );
        let policy = limits(json!({ "outputBytes": 10, "outputOverflow": "truncate" }));
        let cut = pen
            .run(json!({ "source": "import sys; sys.stdout.write('x' * 500_000); sys.exit(4)", "policy": policy }))
            .await;
        assert_eq!(
            (&cut["outcome"]["exitCode"], &cut["stdout"]["text"], &cut["stdout"]["totalBytes"]),
            (&json!(4), &json!("xxxxxxxxxx"), &json!(500_000))
        );
        assert_eq!((&cut["stdout"]["truncated"], &cut["limitsHit"]), (&json!(true), &json!(["outputBytes"])));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_is_named_and_a_missing_program_is_127() {
    with_pen!(pen, json!({}), {
        let abort = pen.run(json!({ "source": "import os; os.abort()" })).await;
        assert_eq!(abort["outcome"], json!({ "kind": "signaled", "signal": "SIGABRT", "phase": "run" }), "{abort:#}");
        let absent = pen.run(json!({ "command": ["no-such-program"] })).await;
        assert_eq!(
            absent["outcome"],
            json!({ "kind": "exited", "exitCode": 127, "phase": "run", "exec": "ENOENT" }),
            "{absent:#}"
        );
        let plain = pen.run(json!({ "command": ["./f"], "files": [{ "path": "f", "text": "x" }] })).await;
        assert_eq!(
            plain["outcome"],
            json!({ "kind": "exited", "exitCode": 126, "phase": "run", "exec": "EACCES" }),
            "{plain:#}"
        );
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_comes_before_the_run_and_may_end_the_job() {
    with_pen!(pen, json!({}), {
        let good = pen.run(json!({ "runtime": "c", "source": "#include <stdio.h>\nint main(){int c=getchar();printf(\"%c\\n\",c);return 5;}", "stdin": { "text": "z" } })).await;
        assert_eq!((&good["outcome"]["exitCode"], &good["stdout"]["text"]), (&json!(5), &json!("z\n")), "{good:#}");
        assert_eq!(good["build"]["outcome"], json!({ "kind": "exited", "exitCode": 0, "phase": "build" }));
        let bad = pen.run(json!({ "runtime": "c", "source": "int main( {" })).await;
        assert_eq!(bad["outcome"], json!({ "kind": "exited", "exitCode": 1, "phase": "build" }), "{bad:#}");
        assert!(bad["stderr"]["text"].as_str().is_some_and(|text| text.contains("main.c:1")), "{bad:#}");
        assert!(bad.get("build").is_none());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_job_ends_soon_by_its_reason() {
    with_pen!(pen, json!({}), {
        for (reason, expected) in [
            ("cancelled", json!({ "kind": "cancelled", "by": "caller" })),
            ("drain", json!({ "kind": "worker-lost", "reason": "drain" })),
            ("lock-lost", json!({ "kind": "worker-lost", "reason": "lock-lost" })),
        ] {
            let execution = pen.begin(json!({ "source": "import time\nprint('up', flush=True)\ntime.sleep(30)" }));
            let output = async {
                while execution.read().is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(5), output).await.expect("live output");
            let begun = Instant::now();
            execution.kill(reason).expect("a reason");
            let result = result_of(&execution).await;
            assert_eq!(result["outcome"], expected, "{result:#}");
            assert_eq!(result["stdout"]["text"], "up\n");
            assert!(begun.elapsed() < Duration::from_secs(2));
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_run_is_refused_before_it_begins() {
    let config = json!({ "ceilings": { "limits": { "memoryBytes": 100_000_000 } }, "policies": { "small": { "limits": { "memoryBytes": 50_000_000 } } } });
    with_pen!(pen, config, {
        let refused = |result: Value| (result["outcome"]["field"].clone(), result["outcome"]["rule"].clone());
        let source = "print(1)";
        assert_eq!(
            refused(pen.run(json!({ "source": source })).await),
            (json!("policy.limits.memoryBytes"), json!("ceiling"))
        );
        let small = json!({ "name": "small" });
        let named = pen.run(json!({ "source": source, "policy": small })).await;
        assert_eq!((kind(&named), &named["sandbox"]["policyName"]), ("exited", &json!("small")), "{named:#}");
        assert_eq!(
            refused(pen.run(json!({ "source": source, "policy": { "name": "big" } })).await),
            (json!("policy.name"), json!("unknown-policy"))
        );
        assert_eq!(
            refused(pen.run(json!({ "runtime": "cobol", "source": "", "policy": small })).await),
            (json!("runtime"), json!("unknown-runtime"))
        );
        let main = json!([{ "path": "main.py", "text": "" }]);
        assert_eq!(
            refused(pen.run(json!({ "source": source, "policy": small, "files": main })).await),
            (json!("files[0].path"), json!("reserved-path"))
        );
        let policy = json!({ "limits": { "memoryBytes": 50_000_000 }, "containment": "microvm" });
        assert_eq!(pen.run(json!({ "source": source, "policy": policy })).await["outcome"]["layer"], "microvm");
        let policy = json!({ "limits": { "memoryBytes": 50_000_000 }, "require": ["vm"] });
        assert_eq!(pen.run(json!({ "source": source, "policy": policy })).await["outcome"]["layer"], "vm");
        let unreadable = pen.run_bytes(b"{\"kind\":").await;
        assert_eq!(
            (kind(&unreadable), &unreadable["uid"], &unreadable["epoch"]),
            ("rejected", &Value::Null, &json!(0))
        );
        assert!(unreadable.get("timing").is_none() && unreadable.get("stdout").is_none());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_has_sandboxes_ready_and_none_is_used_twice() {
    let config = json!({ "pools": { "python": { "warm": "prepared", "ready": 2 } } });
    with_pen!(pen, config, {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut seen = Vec::new();
        for _ in 0..6 {
            let result = pen
                .run(json!({ "source": "import os; print(os.path.exists('/tmp/mark')); open('/tmp/mark','w')" }))
                .await;
            assert_eq!(result["stdout"]["text"], "False\n", "{result:#}");
            seen.push(result["sandbox"]["warm"].clone());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(seen, vec![json!("prepared"); 6], "{}", pen.engine.stats());
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_jobs_at_once_all_end_as_they_should() {
    with_pen!(pen, json!({}), {
        let all: Vec<_> = (0..20).map(|n| (n, pen.begin(json!({ "source": format!("print({n})") })))).collect();
        for (n, execution) in all {
            let result = result_of(&execution).await;
            assert_eq!(result["stdout"]["text"], format!("{n}\n"), "{result:#}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_what_runs_and_refuses_what_comes() {
    let pen = Pen::open(json!({})).await;
    let execution = pen.begin(json!({ "source": "import time; time.sleep(30)" }));
    tokio::time::sleep(Duration::from_millis(200)).await;
    pen.engine.close().await;
    assert_eq!(result_of(&execution).await["outcome"], json!({ "kind": "worker-lost", "reason": "drain" }));
    assert!(pen.engine.run(job(json!({ "source": "" })).to_string().into_bytes(), &context()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_do_not_fit_are_the_callers_doing() {
    with_pen!(pen, json!({}), {
        let policy = limits(json!({ "diskBytes": 65536 }));
        let files = json!([{ "path": "big", "text": "x".repeat(200_000) }]);
        let result = pen.run(json!({ "source": "", "files": files, "policy": policy })).await;
        assert_eq!(
            (kind(&result), &result["outcome"]["field"]),
            ("rejected", &json!("policy.limits.diskBytes")),
            "{result:#}"
        );
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_the_host_lacks_is_unavailable() {
    let absent = json!({ "mainFile": "m", "argv": ["/usr/bin/absent", "m"], "interpreter": "/usr/bin/absent", "root": "debian" });
    with_pen!(pen, json!({ "runtimes": { "absent": absent } }), {
        let result = pen.run(json!({ "runtime": "absent", "source": "" })).await;
        assert_eq!((kind(&result), &result["outcome"]["layer"]), ("unavailable", &json!("runtime")), "{result:#}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_forkserver_dies_jobs_fail_at_once_and_the_next_ones_run() {
    with_pen!(pen, json!({ "pools": { "python": { "warm": "prepared", "ready": 1 } } }), {
        let execution = pen.begin(json!({ "source": "import time\nprint('up', flush=True)\ntime.sleep(30)" }));
        tokio::time::sleep(Duration::from_millis(400)).await;
        let begun = Instant::now();
        pen.kill_forkserver();
        let result = result_of(&execution).await;
        assert_eq!((kind(&result), &result["outcome"]["step"]), ("failed", &json!("forkserver")), "{result:#}");
        assert!(begun.elapsed() < Duration::from_secs(2));
        let next = pen.run(json!({ "source": "print(1)" })).await;
        assert_eq!(next["stdout"]["text"], "1\n", "{next:#}");
    });
}
