//! What becomes of a job before anything of it begins: one judgement, for whoever runs it and for whoever only asks.

use crate::door::Issue;
use crate::door::document::JobDocument;
use crate::house::House;
use crate::plan;
use crate::policy::layers::{self, Choice, Missing, Offer};
use crate::policy::{self, Policy, host_paths};
use crate::runtime::Runtime;
use crate::stop::Stop;

/// A job's effective policy, and everything that stands against running it here.
pub struct Judgement<'a> {
    pub policy: Policy,
    /// `None`: not offered here, as one of the issues says.
    pub runtime: Option<&'a Runtime>,
    /// What makes it `rejected`. A run ends with the first.
    pub issues: Vec<Issue>,
    /// The policy's backends in its order, each with what it lacks.
    pub choices: Vec<Choice>,
    /// Its runtime's interpreter, if that is what the host lacks.
    pub interpreter: Option<Missing>,
}

impl<'a> Judgement<'a> {
    pub fn of(job: &JobDocument, house: &'a House, offer: &Offer) -> Judgement<'a> {
        let (policy, mut issues) = policy::judge(job, &house.config.worker);
        let runtime = house.catalogue.runtimes.get(&job.runtime);
        match runtime {
            None => {
                issues.push(Issue::at("runtime", "unknown-runtime", "must be a runtime that this worker offers"));
            }
            Some(runtime) => {
                issues.extend(plan::check_reserved(job, runtime).err());
                issues.extend(host_paths::check_places(&policy.filesystem, &house.catalogue.roots[&runtime.root]));
            }
        }
        let interpreter = (job.source.is_some() && house.lacks_interpreter(&job.runtime)).then(|| Missing {
            layer: "runtime".to_owned(),
            message: format!(
                "the interpreter of {} is not installed on this host; install it, or submit to another worker",
                job.runtime
            ),
        });
        let choices = layers::choices(&policy, offer);
        Judgement { policy, runtime, issues, choices, interpreter }
    }

    /// What a run goes on with, or why it doesn't.
    pub fn settle(self) -> Result<(Policy, &'a Runtime, String), Stop> {
        let Judgement { policy, runtime, issues, choices, interpreter } = self;
        issues.into_iter().next().map_or(Ok(()), |issue| Err(Stop::Rejected(issue)))?;
        let runtime = runtime.ok_or_else(|| Issue::at("runtime", "unknown-runtime", "must be offered"))?;
        let backend = layers::choose(&choices).map_err(Stop::Unavailable)?.to_owned();
        interpreter.map_or(Ok(()), |missing| Err(Stop::Unavailable(missing)))?;
        Ok((policy, runtime, backend))
    }
}
