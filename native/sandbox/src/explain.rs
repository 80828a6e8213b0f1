//! What would become of a job here, without running it: each rule of its effective policy, where it comes from, and what enforces it.
//!
//! The policy and the verdict are those of a run ([`Judgement`]); host paths are looked at as a run would, by making a sandbox with
//! them. Only this file's words about them are its own.

mod rules;
mod warnings;

use std::sync::Arc;

use forkserver::wire::PathPlan;
use serde_json::{Value, json};

use crate::door::document::JobDocument;
use crate::door::{self, Issue};
use crate::house::House;
use crate::judgement::Judgement;
use crate::plan;
use crate::policy::layers::{self, Choice, Missing, Offer};
use crate::policy::{self, host_paths};
use crate::stop::Stop;

/// Explains a job document.
pub async fn explain(house: &Arc<House>, document: &[u8]) -> Value {
    let job = match door::parse_job(document, door::RUN_MAX_BYTES) {
        Ok(job) => job,
        Err(issues) => return shell(issues.iter().map(rejected).collect()),
    };
    let offer = house.offer().await;
    let judgement = Judgement::of(&job, house, &offer);
    let mut reasons = reasons(&judgement);
    if reasons.is_empty() {
        reasons.extend(try_host_paths(house, &job, &judgement).await);
    }
    let taken = layers::choose(&judgement.choices).ok();
    let worker = &house.config.worker;
    let mut explanation = shell(reasons);
    let more = json!({
        "policyName": judgement.policy.name,
        "policySha256": judgement.policy.sha256(),
        "backend": taken,
        "containment": judgement.choices.iter().map(|choice| containment(choice, taken)).collect::<Vec<_>>(),
        "rules": rules::of(&job, &judgement.policy, worker),
        "layers": layers_of(taken.or(judgement.choices.first().map(|choice| &*choice.backend)), &offer),
        "warnings": warnings::of(&job, &judgement.policy, worker),
    });
    explanation.as_object_mut().into_iter().for_each(|all| all.extend(more.as_object().cloned().unwrap_or_default()));
    explanation
}

/// What is said of every document, readable or not.
fn shell(reasons: Vec<Value>) -> Value {
    json!({
        "kind": "explanation",
        "version": 1,
        "verdict": if reasons.is_empty() { "runs" } else { "refused" },
        "reasons": reasons,
        "policyName": null,
        "policySha256": null,
        "backend": null,
        "containment": [],
        "rules": [],
        "layers": [],
        "warnings": [],
    })
}

/// All reasons, in the order in which a run would meet them: it ends with the first.
fn reasons(judgement: &Judgement<'_>) -> Vec<Value> {
    let mut all: Vec<Value> = judgement.issues.iter().map(rejected).collect();
    if layers::choose(&judgement.choices).is_err() {
        all.extend(judgement.choices.iter().flat_map(|choice| &choice.lacks).map(unavailable));
    }
    all.extend(judgement.interpreter.as_ref().map(unavailable));
    all
}

fn rejected(issue: &Issue) -> Value {
    json!({ "outcome": "rejected", "field": issue.path, "rule": issue.rule, "layer": null, "message": issue.message })
}

fn unavailable(missing: &Missing) -> Value {
    json!({ "outcome": "unavailable", "field": null, "rule": null, "layer": missing.layer, "message": missing.message })
}

/// What host paths lead to shows only when a sandbox is made with them: one is, and thrown away.
async fn try_host_paths(house: &Arc<House>, job: &JobDocument, judgement: &Judgement<'_>) -> Option<Value> {
    let paths = &judgement.policy.host_paths;
    let (runtime, backend) = (judgement.runtime?, layers::choose(&judgement.choices).ok()?);
    if paths.is_empty() {
        return None;
    }
    let plans: Vec<PathPlan> = paths.iter().map(|path| path.plan.clone()).collect();
    let planned = plan::make(job, &judgement.policy, runtime, backend);
    let failure = match planned {
        Ok(plan) => house.pool.take(&plan.template, &plans).await.err()?,
        Err(failure) => failure,
    };
    Some(match failure.refused {
        Some((path, rule)) => rejected(&host_paths::refusal(paths, path, rule)),
        None => {
            let outcome = serde_json::to_value(Stop::Failed(failure).outcome()).unwrap_or_default();
            json!({ "outcome": outcome["kind"], "field": null, "rule": outcome["code"], "layer": outcome["layer"], "message": outcome["message"] })
        }
    })
}

fn containment(choice: &Choice, taken: Option<&str>) -> Value {
    let is_taken = taken == Some(&*choice.backend);
    let why: Vec<String> = match (choice.lacks.is_empty(), is_taken) {
        (true, false) => vec!["one before it in the list is taken".to_owned()],
        _ => choice.lacks.iter().map(|lack| format!("{}: {}", lack.layer, lack.message)).collect(),
    };
    json!({ "backend": choice.backend, "taken": is_taken, "why": why })
}

/// Every layer of a backend as it was probed, with what it enforces.
fn layers_of(backend: Option<&str>, offer: &Offer) -> Vec<Value> {
    let probed = backend.and_then(|backend| offer.get(backend)).into_iter().flatten();
    let enforces = |layer: &str| layers::needed().find(|(name, _)| *name == layer).map(|(_, rule)| rule);
    probed
        .map(|one| {
            json!({
                "layer": one.layer,
                "held": one.held,
                "value": one.value,
                "isSubstitute": one.is_substitute,
                "enforces": enforces(&one.layer),
                "remedy": one.remedy,
            })
        })
        .collect()
}

/// What an operator allows and adds, as a worker may tell it to a queue: how many host paths, never which.
pub fn terms(house: &House) -> Value {
    let worker = &house.config.worker;
    let mut defaults = policy::defaults::policy();
    defaults.lay_over(&worker.defaults);
    let named = |document| {
        let mut named = defaults.clone();
        named.lay_over(document);
        without_paths(&named)
    };
    let policies: serde_json::Map<String, Value> =
        worker.policies.iter().map(|(name, document)| (name.clone(), named(document))).collect();
    let ceiling = policy::ceiling(worker);
    json!({
        "ceilings": {
            "limits": ceiling.limits,
            "syscalls": ceiling.syscalls,
            "loopback": ceiling.loopback,
            "attempts": ceiling.attempts,
        },
        "defaults": without_paths(&defaults),
        "policies": policies,
        "hostRoots": worker.roots.len(),
    })
}

fn without_paths(policy: &policy::Policy) -> Value {
    let mut shown = serde_json::to_value(policy).unwrap_or_default();
    let lists = &policy.filesystem;
    shown["filesystem"] = json!({
        "readonlyPaths": lists.readonly.len(),
        "readwritePaths": lists.readwrite.len(),
        "deniedPaths": lists.denied.len(),
    });
    shown
}
