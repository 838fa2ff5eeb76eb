//! `--report` and `--trace`: what a command did, as files. Modes tell what they know ([`Reports::tell`]); when all is done, what was asked
//! for is written. A mode that tells nothing is reported by what its session recorded.

mod environment;
mod rates;

pub use rates::operation_rate;

use crate::{
    measure::{peak_resident_bytes, processor},
    settings::Settings,
    sides::{Kind, write},
};
use outcore::{
    Array, Record, Result, RunReport, Session,
    nd::shape::show,
    report::{Environment, Page, Summary, Told, chrome_trace, page},
};
use std::{
    env,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Files that are asked for, and what is known for them so far.
#[derive(Debug, Default)]
pub struct Reports {
    reports: Vec<(PathBuf, Kind)>,
    trace: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    told: Told,
    report: Option<RunReport>,
    notes: Vec<String>,
    /// The session that worked, where it is not that of the settings.
    session: Option<Session>,
}

impl Reports {
    /// What is asked for. [`crate::sides::check`] has looked at the paths.
    pub fn new(reports: &[PathBuf], trace: Option<&PathBuf>) -> Result<Reports> {
        let reports = reports.iter().map(|path| Ok((path.clone(), Kind::of_report(path)?))).collect::<Result<_>>()?;
        Ok(Reports { reports, trace: trace.cloned(), known: Mutex::default() })
    }

    /// Whether sessions have to record.
    pub fn wants_record(&self) -> bool {
        self.trace.is_some() || !self.reports.is_empty()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job that the command is about. What it tells last counts.
    pub fn tell(&self, report: &RunReport, notes: &[String]) {
        let mut known = self.known();
        (known.report, known.notes) = (Some(report.clone()), notes.to_vec());
    }

    /// The command is about everything that its session did.
    pub fn tell_whole(&self) {
        self.known().report = None;
    }

    /// The statements that are evaluated.
    pub fn tell_statements(&self, text: &str) {
        text.trim().clone_into(&mut self.known().told.statements);
    }

    /// What is read and written.
    pub fn tell_files(&self, inputs: &[(String, Array)], outputs: &[&Path]) {
        let described = |(name, array): &(String, Array)| {
            let store = array.source_name().map_or(String::new(), |store| format!("{store}  "));
            let what = array.dtype().and_then(|dtype| Ok(format!("{dtype} {}", show(&array.shape()?))));
            (name.clone(), format!("{store}{}", what.unwrap_or_default()))
        };
        let mut known = self.known();
        known.told.inputs = inputs.iter().map(described).collect();
        known.told.outputs = outputs.iter().map(|path| path.display().to_string()).collect();
    }

    /// Another session than that of the settings works.
    pub fn tell_session(&self, session: &Session) {
        self.known().session = Some(session.clone());
    }

    /// Writes what was asked for.
    pub fn write(&self, settings: &Settings) -> Result<()> {
        let known = self.known();
        let session = known.session.as_ref().unwrap_or(&settings.session);
        let (true, Some(record)) = (self.wants_record(), session.record()) else { return Ok(()) };
        if let Some(path) = &self.trace {
            write(path, &chrome_trace(&record.recording, &record.plans))?;
        }
        if self.reports.is_empty() {
            return Ok(());
        }
        let is_page = self.reports.iter().any(|(_, kind)| *kind == Kind::Html);
        // Before the measure, whose memory is not the job's.
        let peak = peak_resident_bytes();
        let machine = if is_page { rates::find(settings) } else { None };
        let summary = Summary { machine, ..summary(&known, session, &record, peak, settings) };
        self.reports.iter().try_for_each(|(path, kind)| match kind {
            Kind::Html => write(path, &page(&Page { summary: &summary, recording: &record.recording, plans: &record.plans })),
            Kind::Csv => write(path, &summary.csv()),
            _ => write(path, &summary.json()),
        })
    }
}

fn summary(known: &Known, session: &Session, record: &Record, peak: Option<u64>, settings: &Settings) -> Summary {
    let env = Environment {
        version: env!("CARGO_PKG_VERSION"),
        cpu: processor(),
        isa: settings.isa.name().to_string(),
        limits: session.limits().clone(),
        profile: settings.profile_in_use(),
        more: environment::more(settings),
    };
    let mut summary = match &known.report {
        Some(report) => {
            let warnings = report.warnings.iter().chain(&known.notes).cloned().collect();
            let mut summary = Summary::new(&report.stats, report.seconds, warnings, peak, env);
            summary.digests.clone_from(&report.digests);
            (summary.job_id, summary.plan_id) = (report.job_id.clone(), report.plan_id.clone());
            summary
        }
        None => {
            let warnings = record.totals.warnings.iter().map(|(about, text)| format!("{about}: {text}")).collect();
            #[allow(clippy::cast_precision_loss, reason = "2^53 nanoseconds are a hundred days")]
            let seconds = record.recording.end as f64 / 1e9;
            Summary::new(&record.totals, seconds, warnings, peak, env)
        }
    };
    summary.ran = known.told.clone();
    summary.ran.command = env::args().collect();
    summary.recorded(&record.recording, &record.plans)
}
