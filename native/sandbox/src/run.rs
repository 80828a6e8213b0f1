//! One job, from its document to its result: the whole path on one screen.

use std::sync::Arc;
use std::time::{Duration, Instant};

use files::{Full, Limits};
use forkserver::wire::PathPlan;
use leave_out::Part;
use tokio::task::JoinSet;

use crate::backend::{self, BackendError, Launch, Program};
use crate::control::Control;
use crate::door::document::{JobDocument, Overflow};
use crate::door::{self, Issue};
use crate::failure::{Failure, Step as FailedStep};
use crate::house::House;
use crate::inputs::Inputs;
use crate::judgement::Judgement;
use crate::outcome::{self, Attribution, End, Outcome};
use crate::output::{self, Kept, Terms};
use crate::plan::{self, Phase, Plan, Step};
use crate::policy::{LimitSet, Policy, host_paths};
use crate::pool::Lease;
use crate::result::{Artifact, Context, Report, StepDone};
use crate::stop::Stop;

/// How long collecting may take; what is left after it is left.
const COLLECT_TIME: Duration = Duration::from_secs(10);
/// Work on more bytes than this is done away from the event loop.
const HEAVY: usize = 256 * 1024;

/// Runs one job. Whatever happens there is a result document.
pub async fn run(house: Arc<House>, document: Vec<u8>, context: Context, control: Arc<Control>) -> Vec<u8> {
    let mut report = Report::new(&context);
    let outcome = match attempt(&house, document, &control, &mut report).await {
        Ok(outcome) => outcome,
        Err(stop) => stop.outcome(),
    };
    offload(report.weight(), move || report.finish(outcome)).await
}

/// The verbs of a job. An early return is a job that could not go on, for a reason that has a name.
async fn attempt(
    house: &Arc<House>,
    document: Vec<u8>,
    control: &Arc<Control>,
    report: &mut Report,
) -> Result<Outcome, Stop> {
    let mut job = parse(document).await?;
    report.readable(&job);
    let mut order = decide(house, &mut job).await?;
    let mut place = acquire(house, &order, control, report).await?;
    let _word = prepare(&mut place, &order, control, report).await?;
    let outcome = execute(&mut place, &mut order, control, report).await?;
    if outcome.attribution() == Attribution::Guest {
        collect(&mut place, &job.artifacts, &order.policy.limits, report).await?;
    }
    Ok(outcome)
}

/// A job that may run: what will be done, and with what.
struct Order {
    policy: Policy,
    plan: Plan,
    inputs: Inputs,
    backend: String,
}

async fn parse(document: Vec<u8>) -> Result<JobDocument, Stop> {
    let parsed = offload(document.len(), move || door::parse_job(&document, door::RUN_MAX_BYTES)).await;
    parsed.map_err(|mut issues| Stop::Rejected(issues.swap_remove(0)))
}

/// Policy, ceilings, runtime and layers: nothing begins before all of them agree.
async fn decide(house: &Arc<House>, job: &mut JobDocument) -> Result<Order, Stop> {
    let judgement = Judgement::of(job, house, &*house.offer().await);
    let (policy, runtime, backend) = judgement.settle()?;
    let plan = plan::make(job, &policy, runtime, &backend)?;
    let inputs = Inputs::take(job, runtime)?;
    Ok(Order { policy, plan, inputs, backend })
}

async fn acquire(house: &Arc<House>, order: &Order, control: &Control, report: &mut Report) -> Result<Lease, Stop> {
    let (Order { policy, plan, .. }, begun) = (order, Instant::now());
    let paths: Vec<PathPlan> = policy.host_paths.iter().map(|path| path.plan.clone()).collect();
    let place = control.unless_killed(house.pool.take(&plan.template, &paths)).await;
    report.timing().acquire_us = micros(begun);
    place?.map_err(|failure| match failure.refused {
        Some((path, rule)) => Stop::Rejected(host_paths::refusal(&policy.host_paths, path, rule)),
        None => Stop::Failed(failure),
    })
}

/// Tells the sandbox of every extension of its tenure until it is dropped.
type Word = JoinSet<()>;

/// The job's limits, then its files.
async fn prepare(place: &mut Lease, order: &Order, control: &Arc<Control>, report: &mut Report) -> Result<Word, Stop> {
    let begun = Instant::now();
    place.start(&order.plan.limits, control.tenure()).await?;
    let mut word = Word::new();
    word.spawn(control.clone().pass_on_tenure(place.stopper()));
    fill(place, &order.inputs).await?;
    report.timing().setup_us = micros(begun);
    control.reason().map_or(Ok(word), |reason| Err(Stop::Killed(reason)))
}

async fn fill(place: &mut Lease, inputs: &Inputs) -> Result<(), Stop> {
    let files = inputs.files();
    if files.is_empty() {
        return Ok(());
    }
    let field = match place.fill(&files).await.map_err(|error| clerk_failed(error, FailedStep::Fill))? {
        None => return Ok(()),
        Some(Full::Bytes) => "policy.limits.diskBytes",
        Some(Full::Inodes) => "policy.limits.inodes",
    };
    Err(Stop::Rejected(Issue::at(field, "too-small", "must have room for the job's own files")))
}

fn clerk_failed(error: BackendError, step: FailedStep) -> Stop {
    let what = match step {
        FailedStep::Fill => "the job's files could not be written",
        _ => "the artifacts could not be collected",
    };
    match error {
        BackendError::Clerk { code, .. } => Stop::Failed(Failure::new(step, &code, what)),
        other => other.into(),
    }
}

/// The steps, one after the other, until one ends the job.
async fn execute(
    place: &mut Lease,
    order: &mut Order,
    control: &Arc<Control>,
    report: &mut Report,
) -> Result<Outcome, Stop> {
    let steps = std::mem::take(&mut order.plan.steps);
    let last = steps.len() - 1;
    for (index, step) in steps.into_iter().enumerate() {
        let (phase, begun) = (step.phase, Instant::now());
        let input = if index == last { std::mem::take(&mut order.inputs.stdin) } else { Vec::new() };
        let course = Course { number: index as u32, last: index == last, step, input };
        let done = run_step(place, course, &order.policy, control).await?;
        report.held(&order.backend, place.warm, place.layers(), &order.policy);
        match phase {
            Phase::Build => report.timing().build_us = Some(micros(begun)),
            Phase::Run => report.timing().run_us = micros(begun),
        }
        if index == last || !done.outcome.is_success() {
            return Ok(report.ended(done));
        }
        report.built(done);
    }
    Err(Stop::Failed(Failure::new(FailedStep::Panic, "no-step", "a plan without steps is a defect of ours")))
}

/// One step with its place among the others.
struct Course {
    number: u32,
    last: bool,
    step: Step,
    input: Vec<u8>,
}

async fn run_step(
    place: &mut Lease,
    course: Course,
    policy: &Policy,
    control: &Arc<Control>,
) -> Result<StepDone, Stop> {
    let Course { number, last, step, input } = course;
    let phase = step.phase;
    let (pipes, stdio) = output::pipes()?;
    let Step { spec, wall_time_ms, cpu_time_ms, .. } = step;
    let program = Program { step: number, last, spec, wall_time_ms, cpu_time_ms, report_posture: false, stdio };
    if let Launch::NotExecutable { errno } = place.exec(program).await? {
        let outcome = outcome::not_executable(phase, errno);
        return Ok(StepDone {
            outcome,
            stdout: Kept::default(),
            stderr: Kept::default(),
            evidence: None,
            limits_hit: Vec::new(),
        });
    }
    let (limit, overflow) = (policy.limits.output_bytes, policy.output_overflow);
    let stopper = place.stopper();
    let streams = pipes.flow(input, &Terms { limit, overflow, phase, live: control.live.clone() }, &stopper);
    let watch = tokio::spawn(stop_when_killed(control.clone(), stopper));
    let ended = place.wait().await;
    watch.abort();
    let (stdout, stderr) = streams.finish().await?;
    let evidence = ended?;
    let overflowed = stdout.total > limit || stderr.total > limit;
    let overflow_kills = overflow == Overflow::Kill;
    let end = End { phase, evidence: &evidence, overflowed, overflow_kills, kill: control.reason() };
    let (outcome, limits_hit) = (outcome::of_step(&end), outcome::limits_hit(&end));
    Ok(StepDone { outcome, stdout, stderr, evidence: Some(evidence), limits_hit })
}

async fn stop_when_killed(control: Arc<Control>, stopper: Arc<dyn backend::Stop>) {
    stopper.stop(control.killed().await.cause());
}

/// Only now, with everything in the sandbox dead, is anything of it read.
async fn collect(place: &mut Lease, patterns: &[String], limits: &LimitSet, report: &mut Report) -> Result<(), Stop> {
    if patterns.is_empty() {
        return Ok(());
    }
    assert!(!leave_out::is(Part::DefectInJob), "a planted defect");
    let begun = Instant::now();
    let (artifacts, artifact_bytes) = (limits.artifacts, limits.artifact_bytes);
    let limits = Limits { artifacts, artifact_bytes, time_ms: COLLECT_TIME.as_millis() as u64 };
    let collected = place.collect(patterns, limits).await.map_err(|error| clerk_failed(error, FailedStep::Collect))?;
    let weight = collected.artifacts.iter().filter_map(|one| one.content.as_ref().ok()).map(Vec::len).sum();
    let hash = move || collected.artifacts.into_iter().map(Artifact::of).collect();
    report.collected(offload(weight, hash).await, collected.truncated);
    report.timing().collect_us = micros(begun);
    Ok(())
}

/// Small work at once, large work on a thread of its own.
async fn offload<T: Send + 'static>(weight: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if weight < HEAVY {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn micros(since: Instant) -> u64 {
    since.elapsed().as_micros() as u64
}
