use super::*;

const RUN: Phase = Phase::Run;

fn evidence() -> Evidence {
    Evidence {
        cause: Cause::Exit,
        status: Some(ExitStatus::Code(0)),
        wall_time_us: 1_000_000,
        cpu_time_us: 10,
        cpu_wait_us: 0,
        memory_peak_bytes: Some(1),
        processes_peak: Some(1),
        oom_kills: 0,
        forks_refused: 0,
        throttled_us: 0,
        disk_full: false,
        inodes_full: false,
    }
}

fn ended(change: impl Fn(&mut Evidence)) -> Evidence {
    let mut evidence = evidence();
    change(&mut evidence);
    evidence
}

/// Kind, limits hit and reward-safety of an end.
fn verdict(
    evidence: &Evidence,
    overflowed: bool,
    overflow_kills: bool,
    kill: Option<KillReason>,
) -> (String, Vec<&'static str>, bool) {
    let end = End { phase: RUN, evidence, overflowed, overflow_kills, kill };
    let outcome = of_step(&end);
    let kind = serde_json::to_value(&outcome).expect("plain data")["kind"].as_str().expect("a kind").to_owned();
    (kind, limits_hit(&end), outcome.is_reward_safe(Some(evidence)))
}

fn plain(change: impl Fn(&mut Evidence)) -> (String, Vec<&'static str>, bool) {
    verdict(&ended(change), false, true, None)
}

fn is(kind: &str, limits: &[&'static str], reward_safe: bool) -> (String, Vec<&'static str>, bool) {
    (kind.to_owned(), limits.to_vec(), reward_safe)
}

const CODE_1: Option<ExitStatus> = Some(ExitStatus::Code(1));
const SEGV: Option<ExitStatus> = Some(ExitStatus::Signal(libc::SIGSEGV));

#[test]
fn a_program_that_ends_by_itself_is_called_by_its_status() {
    assert_eq!(plain(|_| {}), is("exited", &[], true));
    assert_eq!(plain(|e| e.status = CODE_1), is("exited", &[], true));
    assert_eq!(plain(|e| e.status = SEGV), is("signaled", &[], true));
}

#[test]
fn each_limit_that_kills_has_its_kind() {
    assert_eq!(plain(|e| e.cause = Cause::WallTime), is("wall-time-exceeded", &["wallTimeMs"], true));
    assert_eq!(plain(|e| e.cause = Cause::CpuTime), is("cpu-time-exceeded", &["cpuTimeMs"], true));
    assert_eq!(plain(|e| e.cause = Cause::Memory), is("memory-exceeded", &["memoryBytes"], true));
    assert_eq!(plain(|e| e.cause = Cause::Output), is("output-exceeded", &["outputBytes"], true));
}

#[test]
fn an_oom_kill_ends_the_job_whatever_main_did() {
    assert_eq!(plain(|e| e.oom_kills = 1), is("memory-exceeded", &["memoryBytes"], true));
    assert_eq!(
        plain(|e| (e.cause, e.status, e.oom_kills) = (Cause::InitDied, None, 1)),
        is("memory-exceeded", &["memoryBytes"], true)
    );
}

#[test]
fn a_limit_that_only_refuses_is_survived_by_a_program_that_copes() {
    assert_eq!(plain(|e| e.forks_refused = 3), is("exited", &["processes"], true));
    assert_eq!(plain(|e| e.disk_full = true), is("exited", &["diskBytes"], true));
    assert_eq!(plain(|e| e.inodes_full = true), is("exited", &["inodes"], true));
}

#[test]
fn a_limit_that_only_refuses_names_the_end_of_a_program_that_fails() {
    for status in [CODE_1, SEGV] {
        assert_eq!(
            plain(|e| (e.status, e.forks_refused) = (status, 1)),
            is("processes-exceeded", &["processes"], true)
        );
        assert_eq!(plain(|e| (e.status, e.disk_full) = (status, true)), is("disk-exceeded", &["diskBytes"], true));
        assert_eq!(plain(|e| (e.status, e.inodes_full) = (status, true)), is("disk-exceeded", &["inodes"], true));
    }
}

#[test]
fn a_signal_that_anybody_can_send_is_no_evidence_of_a_full_disk() {
    let xfsz = Some(ExitStatus::Signal(libc::SIGXFSZ));
    assert_eq!(plain(|e| e.status = xfsz), is("signaled", &[], true));
    assert_eq!(plain(|e| (e.status, e.disk_full) = (xfsz, true)), is("disk-exceeded", &["diskBytes"], true));
}

#[test]
fn the_first_cause_wins_and_the_other_limits_are_listed() {
    assert_eq!(
        plain(|e| (e.cause, e.forks_refused) = (Cause::WallTime, 9)),
        is("wall-time-exceeded", &["wallTimeMs", "processes"], true)
    );
    assert_eq!(
        plain(|e| (e.cause, e.oom_kills) = (Cause::CpuTime, 1)),
        is("cpu-time-exceeded", &["cpuTimeMs", "memoryBytes"], true)
    );
    assert_eq!(
        verdict(&ended(|e| e.cause = Cause::WallTime), true, true, None),
        is("wall-time-exceeded", &["wallTimeMs", "outputBytes"], true)
    );
}

#[test]
fn output_that_lay_in_the_pipe_at_the_end_counts() {
    assert_eq!(verdict(&evidence(), true, true, None), is("output-exceeded", &["outputBytes"], true));
    assert_eq!(verdict(&evidence(), true, false, None), is("exited", &["outputBytes"], true));
}

#[test]
fn an_end_from_outside_is_called_by_its_reason() {
    let cancelled = ended(|e| (e.cause, e.status) = (Cause::Cancelled, None));
    let abandoned = ended(|e| (e.cause, e.status) = (Cause::Abandoned, None));
    assert_eq!(verdict(&cancelled, false, true, Some(KillReason::Cancelled)), is("cancelled", &[], false));
    assert_eq!(verdict(&abandoned, false, true, Some(KillReason::Drain)), is("worker-lost", &[], false));
    assert_eq!(verdict(&abandoned, false, true, Some(KillReason::LockLost)), is("worker-lost", &[], false));
    let lapsed = ended(|e| (e.cause, e.status) = (Cause::Tenure, None));
    for kill in [None, Some(KillReason::LockLost), Some(KillReason::Cancelled)] {
        assert_eq!(verdict(&lapsed, false, true, kill), is("worker-lost", &[], false));
    }
    assert_eq!(
        verdict(&evidence(), false, true, Some(KillReason::Cancelled)),
        is("exited", &[], true),
        "it had ended before"
    );
}

#[test]
fn a_wall_time_hit_is_reward_safe_only_if_the_program_had_its_cpu() {
    let waited = |us| plain(move |e| (e.cause, e.cpu_wait_us) = (Cause::WallTime, us)).2;
    assert!(waited(99_999));
    assert!(!waited(100_000));
}

#[test]
fn our_own_failures_are_the_systems_and_a_missing_layer_is_unavailable() {
    assert_eq!(plain(|e| (e.cause, e.status) = (Cause::InitDied, None)), is("failed", &[], false));
    assert_eq!(plain(|e| e.status = None), is("failed", &[], false));
    let failure = Failure { layer: Some("landlock".to_owned()), ..Failure::new(Step::Fill, "x", "y") };
    assert_eq!(failed(&failure).attribution(), Attribution::System);
    assert!(matches!(failed(&failure), Outcome::Unavailable { layer, .. } if layer == "landlock"));
}

#[test]
fn a_program_that_can_not_be_executed_exits_127_or_126() {
    let shown = |errno| serde_json::to_string(&not_executable(RUN, errno)).expect("plain data");
    assert_eq!(shown(libc::ENOENT), r#"{"kind":"exited","exitCode":127,"phase":"run","exec":"ENOENT"}"#);
    assert_eq!(shown(libc::EACCES), r#"{"kind":"exited","exitCode":126,"phase":"run","exec":"EACCES"}"#);
    assert_eq!(shown(libc::E2BIG), r#"{"kind":"exited","exitCode":126,"phase":"run","exec":"E2BIG"}"#);
}

#[test]
fn signals_have_names() {
    for (number, name) in [
        (1, "SIGHUP"),
        (11, "SIGSEGV"),
        (31, "SIGSYS"),
        (32, "SIGRTMIN-2"),
        (34, "SIGRTMIN"),
        (37, "SIGRTMIN+3"),
        (64, "SIGRTMIN+30"),
    ] {
        assert_eq!(signal_name(number), name);
    }
}
