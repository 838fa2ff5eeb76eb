//! One opaque [`Error`] for the whole crate: a kind, a message that names the object and the numbers,
//! and a hint that says what to try next.
//!
//! Nothing here knows a file, a shape or a plan: messages arrive rendered. Constructors are named after
//! the kind, so a call site reads `Err(Error::data(format!("…")).hint("…"))`.

use std::{fmt, panic::Location, sync::Arc};

/// The codes of the operating system for too many open files: of this process (EMFILE), and of all (ENFILE).
const DESCRIPTORS_SPENT: [i32; 2] = [24, 23];

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is. New kinds may be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An expression or an argument makes no sense by itself: syntax, unknown name, axis out of range.
    Usage,
    /// Shapes, dtypes or axis names of the operands do not fit together, or not with what was expected.
    Mismatch,
    /// A file's content is corrupt, truncated, or not what its header says.
    Data,
    /// An input changed while it was being read, or since an earlier part of the job.
    Changed,
    /// An input does not exist.
    NotFound,
    /// An output exists already, cannot be created, or there is too little space for it.
    Output,
    /// The operating system reported a failure while reading or writing.
    Io,
    /// The memory budget cannot hold the job, or a limit forbids it.
    Refused,
    /// An assertion of the job does not hold.
    Assert,
    /// The job was cancelled.
    Cancelled,
    /// User code (a block closure) failed or panicked.
    Closure,
    /// A bug in this crate.
    Internal,
}

/// Why an operation failed. Cheap to clone, `Send + Sync + 'static`.
///
/// ```
/// let error = outcore::open("no-such-file.npy").sum(..).eval_any().unwrap_err();
/// assert_eq!(error.kind(), outcore::ErrorKind::NotFound);
/// assert!(error.to_string().contains("no-such-file.npy"));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    location: Option<&'static Location<'static>>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
    needed_bytes: Option<u64>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])* #[must_use] #[cold]
        pub fn $name(message: impl Into<String>) -> Self { Self::new(ErrorKind::$kind, message) })*
    };
}

impl Error {
    /// An error of `kind`; `message` is lower case, without a full stop, and names the object and the numbers.
    #[must_use]
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), hint: None, location: None, source: None, needed_bytes: None }))
    }

    constructors! {
        /// [`ErrorKind::Usage`].
        usage => Usage;
        /// [`ErrorKind::Mismatch`].
        mismatch => Mismatch;
        /// [`ErrorKind::Data`].
        data => Data;
        /// [`ErrorKind::Changed`].
        changed => Changed;
        /// [`ErrorKind::NotFound`].
        not_found => NotFound;
        /// [`ErrorKind::Output`].
        output => Output;
        /// [`ErrorKind::Refused`].
        refused => Refused;
        /// [`ErrorKind::Assert`].
        assert => Assert;
        /// [`ErrorKind::Internal`]: a bug; the hint asks for a report.
        internal => Internal;
    }

    /// [`ErrorKind::Cancelled`].
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "cancelled")
    }

    /// An operating system error on `object` (a path, usually) while doing `what` ("read", "create", …).
    #[must_use]
    #[cold]
    pub fn io(what: &str, object: impl fmt::Display, error: std::io::Error) -> Self {
        let kind = if error.kind() == std::io::ErrorKind::NotFound { ErrorKind::NotFound } else { ErrorKind::Io };
        let is_of_descriptors = error.raw_os_error().is_some_and(|code| DESCRIPTORS_SPENT.contains(&code));
        let made = Self::new(kind, format!("cannot {what} {object}: {error}")).with_source(error);
        if is_of_descriptors {
            made.hint("`ulimit -n` says how many files a process may have open, `ulimit -n 4096` allows more")
        } else {
            made
        }
    }

    /// An error that came out of user code, kept whole: [`Error::downcast_ref`] finds it again.
    #[must_use]
    #[cold]
    pub fn closure(name: &str, error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        let mut made = Self::new(ErrorKind::Closure, format!("block function `{name}` failed: {error}"));
        made.inner_mut().source = Some(Arc::from(error));
        made
    }

    /// Adds what to try next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.inner_mut().hint = Some(hint.into());
        self
    }

    /// Adds the place in the caller's program that asked for it (the first one given stays).
    #[must_use]
    pub fn at(mut self, location: &'static Location<'static>) -> Self {
        self.inner_mut().location.get_or_insert(location);
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.inner_mut().source = Some(Arc::new(source));
        self
    }

    /// Adds the number of bytes (of memory or of disk) that would have been enough.
    #[must_use]
    pub fn with_needed_bytes(mut self, bytes: u64) -> Self {
        self.inner_mut().needed_bytes = Some(bytes);
        self
    }

    /// The same error with `prefix: ` before its message; kind, hint and source stay.
    #[must_use]
    pub fn context(mut self, prefix: impl fmt::Display) -> Self {
        let inner = self.inner_mut();
        inner.message = format!("{prefix}: {}", inner.message);
        self
    }

    /// What kind of failure this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without hint and location.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to try next, where there is something.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The place in the caller's program where the failing operation was written.
    #[must_use]
    pub fn location(&self) -> Option<&'static Location<'static>> {
        self.0.location
    }

    /// The number of bytes that would have been enough, where the failure is about room.
    #[must_use]
    pub fn needed_bytes(&self) -> Option<u64> {
        self.0.needed_bytes
    }

    /// The error of type `E` that user code returned, if that is what failed.
    #[must_use]
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.0.source.as_deref().and_then(|source| source.downcast_ref())
    }

    fn inner_mut(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(hint) = &self.0.hint {
            write!(f, "\n  try: {hint}")?;
        }
        if let Some(location) = self.0.location {
            write!(f, "\n  at {location}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
