//! Jobs and stages as spans of the crate `tracing`, and warnings as its events: with the feature `tracing`. Without it nothing.

#[cfg(feature = "tracing")]
mod told {
    use crate::{
        plan::{Plan, Stage},
        trace::StageStats,
    };
    use tracing::{Level, event, span, span::EnteredSpan};

    /// A plan is executed until the span is dropped.
    pub fn job(plan: &Plan) -> EnteredSpan {
        let Plan { job_id, plan_id, stages, bytes_peak, limits, .. } = plan;
        span!(Level::INFO, "job", job_id, plan_id, stages = stages.len(), bytes_peak, bytes_budget = limits.memory_bytes).entered()
    }

    /// A stage is executed until the span is dropped.
    pub fn stage(stage: &Stage, runs: usize) -> EnteredSpan {
        span!(Level::DEBUG, "stage", name = stage.name.as_str(), runs, workers = stage.workers).entered()
    }

    /// A stage is done.
    pub fn done(stats: &StageStats) {
        let StageStats { name, seconds, blocks, bytes_read, bytes_written, bytes_copied, .. } = stats;
        event!(Level::DEBUG, name = name.as_str(), seconds, blocks, bytes_read, bytes_written, bytes_copied, "stage done");
    }

    /// Something should be known of the results.
    pub fn warning(about: &str, text: &str) {
        event!(Level::WARN, about, "{text}");
    }
}

#[cfg(not(feature = "tracing"))]
mod told {
    use crate::{
        plan::{Plan, Stage},
        trace::StageStats,
    };

    /// Nothing, dropped as a span would be.
    pub struct Silent;

    pub fn job(_plan: &Plan) -> Silent {
        Silent
    }

    pub fn stage(_stage: &Stage, _runs: usize) -> Silent {
        Silent
    }

    pub fn done(_stats: &StageStats) {}

    pub fn warning(_about: &str, _text: &str) {}
}

pub(super) use told::{done, job, stage, warning};
