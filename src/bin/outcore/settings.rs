//! What the flags mean on this machine.

use crate::{
    args::{Common, Invalid, Io, PromoteHow, Sum, spelling},
    output::Style,
    profile::{self, Applied, Found},
    progress::Reporter,
    reporting::Reports,
};
use outcore::{
    Error, IoMode, OnInvalid, Promote, Result, Session, SessionBuilder, Size, SumMode,
    array::{Isa, machine},
};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Everything that a mode needs to know.
pub struct Settings {
    /// Budget and threads.
    pub session: Session,
    /// Instruction set of the kernels.
    pub isa: Isa,
    /// How results and errors are printed.
    pub style: Style,
    /// What happens to existing outputs.
    pub existing: Existing,
    /// What happens to what a stopped job left.
    pub stopped: Stopped,
    /// What axis notes are.
    pub notes: Notes,
    /// What is told of what was done, and where it goes.
    pub reports: Reports,
    /// Who tells about progress.
    pub reporter: Arc<Reporter>,
    /// How sessions are made, should a mode need another one.
    pub recipe: Recipe,
    /// The machine profile.
    pub profile: Found,
    /// What the session takes over from it.
    pub applied: Applied,
}

/// Whether what a machine profile says is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileUse {
    /// Where no flag and no variable says otherwise.
    Follow,
    /// Not at all: the mode looks for what is best, or shows what there is.
    Ignore,
}

impl Settings {
    /// The machine profile that some of the limits come from, and which.
    pub fn profile_in_use(&self) -> Option<String> {
        match &self.profile {
            Found::Fits(path, _) if self.applied != Applied::default() => Some(format!("{}: {}", path.display(), self.applied.show())),
            _ => None,
        }
    }
}

/// What happens to existing outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// They are refused.
    Refuse,
    /// They are replaced.
    Replace,
}

/// What happens to what a stopped job left, and to what this one leaves if it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// It is refused; nothing is left.
    Refuse,
    /// The job goes on with it, and leaves what is finished.
    Resume,
}

/// What axis notes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notes {
    /// Lines on stderr.
    Warnings,
    /// Errors.
    Errors,
}

/// The settings of a session.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Budget; `None`: the default.
    pub memory: Option<Size>,
    /// Threads; `None`: the default.
    pub threads: Option<usize>,
    /// Bytes of a block; `None`: the default.
    pub block_bytes: Option<u64>,
    /// Folder of scratch; `None`: beside the first output.
    pub scratch: Option<PathBuf>,
    /// How files are read.
    pub io: IoMode,
    /// How floats are added up; `None`: the default.
    pub sum: Option<SumMode>,
    /// Instruction set; `None`: the best one.
    pub isa: Option<Isa>,
    /// What happens when a statement creates NaN or infinities.
    pub on_invalid: OnInvalid,
    /// Whether integers that wrap are an error.
    pub strict: bool,
    /// What becomes of arrays of different dtypes that meet.
    pub promote: Promote,
    /// Whether jobs are recorded, for reports and traces.
    pub records: bool,
}

impl Recipe {
    /// A builder with these settings.
    pub fn builder(&self) -> SessionBuilder {
        let mut builder = Session::builder().io(self.io).on_invalid(self.on_invalid).strict(self.strict).promote(self.promote);
        if let Some(mode) = self.sum {
            builder = builder.sum(mode);
        }
        if let Some(memory) = self.memory {
            builder = builder.memory(memory);
        }
        if let Some(threads) = self.threads {
            builder = builder.threads(threads);
        }
        if let Some(bytes) = self.block_bytes {
            builder = builder.block_bytes(bytes);
        }
        if let Some(folder) = &self.scratch {
            builder = builder.scratch(folder);
        }
        if let Some(isa) = self.isa {
            builder = builder.isa(isa);
        }
        if self.records { builder.record() } else { builder }
    }
}

/// Looks up what `common` leaves open and refuses what makes no sense.
pub fn resolve(common: &Common, profile_use: ProfileUse) -> Result<Settings> {
    let reports = Reports::new(&common.report, common.trace.as_ref())?;
    let mut recipe = asked(common, &reports)?;
    let profile = profile::load();
    let tuned = profile.profile().and_then(|profile| profile.tuned.as_ref()).filter(|_| profile_use == ProfileUse::Follow);
    let given = Applied { block_bytes: recipe.block_bytes, threads: recipe.threads, io: common.io.map(|_| recipe.io) };
    let applied = Applied::new(tuned, &given, recipe.sum, machine::threads());
    recipe.block_bytes = recipe.block_bytes.or(applied.block_bytes);
    recipe.threads = recipe.threads.or(applied.threads);
    recipe.io = applied.io.unwrap_or(recipe.io);
    let reporter = Arc::new(Reporter::new(common.progress));
    let told = reporter.clone();
    let session = recipe.builder().on_event(move |progress| told.tell(progress)).build()?;
    Ok(Settings {
        session,
        isa: recipe.isa.unwrap_or_else(Isa::detect),
        style: common.style(),
        existing: if common.overwrite { Existing::Replace } else { Existing::Refuse },
        stopped: if common.resume { Stopped::Resume } else { Stopped::Refuse },
        notes: if common.strict { Notes::Errors } else { Notes::Warnings },
        reports,
        reporter,
        recipe,
        profile,
        applied,
    })
}

/// What flags and variables ask for.
fn asked(common: &Common, reports: &Reports) -> Result<Recipe> {
    Ok(Recipe {
        memory: common.memory.as_deref().map(|text| size(text, "--memory")).transpose()?,
        threads: common.threads.map(threads).transpose()?,
        block_bytes: common.block.as_deref().map(block_bytes).transpose()?,
        scratch: common.scratch.clone(),
        io: match common.io {
            None | Some(Io::Auto) => IoMode::Auto,
            Some(Io::Mmap) => IoMode::Mmap,
            Some(Io::Read) => IoMode::Read,
        },
        sum: common.sum.map(|mode| match mode {
            Sum::Exact => SumMode::Exact,
            Sum::Neumaier => SumMode::Neumaier,
            Sum::Kahan => SumMode::Kahan,
            Sum::Pairwise => SumMode::Pairwise,
            Sum::Naive => SumMode::Naive,
        }),
        isa: isa()?,
        on_invalid: match common.on_invalid {
            Invalid::Ignore => OnInvalid::Ignore,
            Invalid::Warn => OnInvalid::Warn,
            Invalid::Error => OnInvalid::Error,
        },
        strict: common.strict,
        promote: match common.promote {
            PromoteHow::NumPy => Promote::NumPy,
            PromoteHow::Strict => Promote::Strict,
        },
        records: reports.wants_record(),
    })
}

fn size(text: &str, flag: &str) -> Result<Size> {
    text.parse::<Size>().map_err(|error| error.context(spelling(flag)))
}

fn threads(threads: usize) -> Result<usize> {
    let flag = spelling("--threads");
    match threads {
        0 => Err(Error::usage(format!("{flag} 0: nothing would be computed")).hint("--threads 1, or leave it out to use every processor")),
        1..=4096 => Ok(threads),
        _ => Err(Error::usage(format!("{flag} {threads}: more than 4096"))),
    }
}

fn block_bytes(text: &str) -> Result<u64> {
    let flag = spelling("--block");
    match size(text, "--block")? {
        Size::Bytes(bytes) if bytes > 0 => Ok(bytes),
        Size::Bytes(_) => {
            Err(Error::usage(format!("{flag} 0: a block holds at least one element")).hint("--block 256KiB, or leave it out"))
        }
        Size::Percent(_) => Err(Error::usage(format!("{flag} {text}: a block is a number of bytes")).hint("--block 4MiB")),
    }
}

/// Refuses, before anything runs, a file that could not be written at the end.
pub fn check_writable(path: &Path, flag: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let tried = match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            return Err(Error::output(format!("{flag} {}: it is a folder", path.display())).hint("name a file inside it"));
        }
        Ok(_) => fs::OpenOptions::new().append(true).open(path).map(drop),
        // A file without a name shows what the folder allows and leaves nothing.
        Err(_) => tempfile::tempfile_in(folder).map(drop),
    };
    tried.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound if !folder.is_dir() => {
            Error::output(format!("{flag} {}: the folder {} does not exist", path.display(), folder.display()))
        }
        _ => Error::output(format!("{flag} {}: cannot be written ({error})", path.display())),
    })
}

/// `OUTCORE_ISA`, for tests: results do not depend on it.
fn isa() -> Result<Option<Isa>> {
    let Some(name) = env::var_os("OUTCORE_ISA").filter(|name| !name.is_empty()) else { return Ok(None) };
    let found = Isa::available().into_iter().find(|isa| name == isa.name());
    found.map(Some).ok_or_else(|| {
        let known: Vec<&str> = Isa::available().into_iter().map(Isa::name).collect();
        Error::usage(format!("OUTCORE_ISA={}: this processor has no such instruction set", name.to_string_lossy())).hint(known.join(", "))
    })
}
