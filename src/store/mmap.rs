//! Memory-mapped windows of files, and the guard that turns a bus error in one of them into an error. The only place that maps.
//!
//! A window is checked twice: by fstat when it is mapped, and by [`Window::check`] after it was used. A file that is cut
//! short in between makes the kernel send SIGBUS to the thread that touches the lost part. With the guard installed
//! the handler puts a page of zeros there and marks the window, so the thread goes on with bytes that `check` disowns.
//!
//! The handler runs between any two instructions of any thread, so it reads a fixed table without locks:
//! - a slot is free (`start` 0), claimed (`start` 1) or live (`start` is an address); only its owner moves it on;
//! - the owner fills `end` and clears `poisoned` while the slot is claimed, and then makes it live;
//! - the handler reads `start`, `end`, `start` again and skips a slot that moved. The slot of the window that faulted cannot move,
//!   since the faulting thread is using the window; so it is always found.
#![expect(unsafe_code, reason = "mapping files, the signal handler that guards the mappings, arrays with gaps in place")]

use crate::{
    error::{Error, ErrorKind, Result},
    nd::Element,
    store::{AlignedBytes, file::InputFile},
};
use ndarray::{ArcArray, IxDyn};
use std::{
    fmt,
    ops::{Deref, Range},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Windows that can be mapped at once: far more than threads times inputs. Above it windows are read instead.
const SLOTS_MAX: usize = 1024;

/// A run of bytes of a source, in place: a mapped part of a file or a part of an array in memory.
pub struct Window {
    content: Content,
}

/// A box of one chunk, in place.
#[derive(Debug)]
pub struct ChunkWindow {
    /// Bytes from the first element of the box to its last one, with others in between.
    pub window: Window,
    /// How far a step along each axis of the store goes, in elements: all 0 where one element stands for a chunk that was never written.
    pub strides: Vec<usize>,
}

enum Content {
    // Dropped in this order: the slot must not outlive the mapping.
    Mapped { slot: Slot, map: memmap2::Mmap, file: Arc<InputFile> },
    Copied { bytes: AlignedBytes },
    Borrowed { owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize> },
}

impl Window {
    /// Part of bytes that are in memory; they stay alive as long as the window does.
    ///
    /// # Panics
    /// On use, if `range` is not inside the owner's bytes.
    #[must_use]
    pub fn borrowed(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Self {
        Window { content: Content::Borrowed { owner, range } }
    }

    /// Maps `length` bytes of a file from `offset`, which need not lie on a page. The range was checked against the file's size.
    pub(super) fn of_file(file: &Arc<InputFile>, offset: u64, length: usize) -> Result<Self> {
        file.check()?;
        if length == 0 {
            return Ok(Window { content: Content::Copied { bytes: AlignedBytes::default() } });
        }
        // An object cannot be mapped.
        let (Some(open), Some(claim)) = (file.file(), Slot::claim()) else {
            return Self::copied(file, offset, length);
        };
        // SAFETY: the mapping is read-only and shared. Another process may write to the file, as with any mapping of a file: that
        // is detected by `check`, before results are used, and bytes have no invalid values. Shrinking is the guard's business.
        let mapped = unsafe { memmap2::MmapOptions::new().offset(offset).len(length).map(open) };
        match mapped {
            Ok(map) => {
                let slot = claim.publish(&map);
                Ok(Window { content: Content::Mapped { slot, map, file: Arc::clone(file) } })
            }
            // Some network and FUSE file systems cannot map.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::EACCES | libc::EPERM)) => {
                Self::copied(file, offset, length)
            }
            Err(error) => Err(Error::io("map", file.name(), error)),
        }
    }

    /// The same bytes by a plain read; takes as much memory as the mapping would.
    fn copied(file: &InputFile, offset: u64, length: usize) -> Result<Self> {
        let mut bytes = AlignedBytes::zeroed(length);
        file.read_exact_at(offset, &mut bytes)?;
        Ok(Window { content: Content::Copied { bytes } })
    }

    /// To be called after the bytes were used: an error if they may not have been the file's.
    pub fn check(&self) -> Result<()> {
        let Content::Mapped { slot, file, .. } = &self.content else { return Ok(()) };
        if !slot.is_poisoned() {
            return file.check();
        }
        let size_bytes = file.file().and_then(|file| file.metadata().ok()).map_or(0, |metadata| metadata.len());
        let then = file.identity().size_bytes;
        if size_bytes < then {
            return Err(Error::changed(format!("{} shrank while it was mapped (size {then} -> {size_bytes})", file.name())));
        }
        file.check()?;
        Err(Error::new(ErrorKind::Io, format!("cannot read {}: a mapped page could not be loaded", file.name()))
            .hint("the medium may be failing; `--io read` reads without mapping and names the system's error"))
    }
}

impl Deref for Window {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.content {
            Content::Mapped { map, .. } => map,
            Content::Copied { bytes } => bytes,
            Content::Borrowed { owner, range } => &(**owner).as_ref()[range.clone()],
        }
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.content {
            Content::Mapped { .. } => "mapped",
            Content::Copied { .. } => "copied",
            Content::Borrowed { .. } => "borrowed",
        };
        write!(f, "Window({kind}, {} bytes)", self.len())
    }
}

/// The elements in memory from the lowest to the highest that a shared array has, gaps included: `span` of them, of which the
/// array's first element is number `first`.
///
/// # Panics
/// If the array's strides do not give `first` and `span`.
pub(super) fn elements_of<T: Element>(array: &ArcArray<T, IxDyn>, first: usize, span: usize) -> &[T] {
    if array.is_empty() {
        return &[];
    }
    let (mut below, mut above) = (0, 0);
    for (&length, &stride) in array.shape().iter().zip(array.strides()) {
        *(if stride < 0 { &mut below } else { &mut above }) += stride.unsigned_abs() * (length - 1);
    }
    assert!(below == first && above + below + 1 == span, "the span of an array changed");
    // SAFETY: the lowest and the highest element of the array lie in one allocation, which the array keeps alive, and so do all
    // between them. They are initialised: ndarray demands it of the whole storage of owned and shared arrays (`assume_init`).
    // Nobody writes to them: shared arrays copy on write while we hold one of the handles. `T` is a plain number.
    unsafe { std::slice::from_raw_parts(array.as_ptr().sub(first), span) }
}

/// One mapping, as the signal handler sees it.
struct SlotCell {
    start: AtomicUsize,
    end: AtomicUsize,
    poisoned: AtomicBool,
}

const FREE: usize = 0;
const CLAIMED: usize = 1;

static SLOTS: [SlotCell; SLOTS_MAX] =
    [const { SlotCell { start: AtomicUsize::new(FREE), end: AtomicUsize::new(0), poisoned: AtomicBool::new(false) } }; SLOTS_MAX];
/// Where the search for a free slot begins, so that it seldom takes more than one step.
static NEXT_SLOT: AtomicUsize = AtomicUsize::new(0);

/// The right to one cell of the table, given back on drop.
struct Slot(&'static SlotCell);

impl Slot {
    fn claim() -> Option<Self> {
        let first = NEXT_SLOT.fetch_add(1, Ordering::Relaxed);
        (0..SLOTS_MAX)
            .map(|step| &SLOTS[first.wrapping_add(step) % SLOTS_MAX])
            .find_map(|cell| cell.start.compare_exchange(FREE, CLAIMED, Ordering::Acquire, Ordering::Relaxed).ok().map(|_| Slot(cell)))
    }

    /// Makes the slot live for all pages of `map`.
    fn publish(self, map: &memmap2::Mmap) -> Self {
        let page = page_bytes();
        let address = map.as_ptr() as usize;
        self.0.poisoned.store(false, Ordering::SeqCst);
        self.0.end.store((address + map.len()).next_multiple_of(page), Ordering::SeqCst);
        self.0.start.store(address - address % page, Ordering::SeqCst);
        self
    }

    fn is_poisoned(&self) -> bool {
        self.0.poisoned.load(Ordering::SeqCst)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.start.store(FREE, Ordering::SeqCst);
    }
}

fn page_bytes() -> usize {
    static PAGE_BYTES: OnceLock<usize> = OnceLock::new();
    *PAGE_BYTES.get_or_init(|| {
        // SAFETY: sysconf has no preconditions.
        let found = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(found).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(4096)
    })
}

/// What stood in place of the guard when it was installed.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler that turns a SIGBUS inside a [`Window`] into an error of [`Window::check`].
///
/// A SIGBUS elsewhere goes to the handler that was there before, or ends the process as it would have. Meant for programs, which own their
/// process' signals; a library does not install it by itself. Later calls do nothing.
pub fn install_sigbus_guard() -> Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    let failed = || Error::io("install the handler of", "SIGBUS", std::io::Error::last_os_error());
    // The handler must find these made: making them inside it would not be safe.
    page_bytes();
    // SAFETY: an all-zero sigaction is a valid value (default action, empty mask, no flags).
    let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: a null action only asks for the present one, which is written to `previous`.
    if unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), &mut previous) } != 0 {
        return Err(failed());
    }
    PREVIOUS.get_or_init(|| previous);
    // SAFETY: as above.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = on_sigbus as extern "C" fn(_, _, _) as usize;
    // On the alternative stack where a thread has one, as Rust's own handler of stack overflows needs when we pass a signal on.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: `on_sigbus` has the signature of SA_SIGINFO handlers and does only what is allowed in one: atomics and system calls.
    if unsafe { libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()) } != 0 {
        return Err(failed());
    }
    *installed = true;
    Ok(())
}

extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands SA_SIGINFO handlers a valid siginfo; si_addr is set where si_code is positive (a fault, not a `kill`).
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    let ours = code > 0 && poison(address) && cover(address);
    if !ours {
        pass_on(signal, info, context);
    }
}

/// Marks every window that holds `address`; whether there was one.
fn poison(address: usize) -> bool {
    let mut found = false;
    for cell in &SLOTS {
        let start = cell.start.load(Ordering::SeqCst);
        let end = cell.end.load(Ordering::SeqCst);
        let stable = cell.start.load(Ordering::SeqCst) == start;
        if stable && start > CLAIMED && (start..end).contains(&address) {
            cell.poisoned.store(true, Ordering::SeqCst);
            found = true;
        }
    }
    found
}

/// Puts a page of zeros at `address`, which lies in a window of ours.
fn cover(address: usize) -> bool {
    // Made before the handler was installed: a load, no initialisation.
    let page = page_bytes();
    let start = (address - address % page) as *mut libc::c_void;
    // SAFETY: the page belongs to a live mapping of ours (its window is in use by the thread that faulted), which is read-only and
    // unmapped as a whole; replacing one page of it by zeros is what `check` reports. rustix calls the kernel without touching errno.
    unsafe {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        mmap_anonymous(start, page, ProtFlags::READ, MapFlags::PRIVATE | MapFlags::FIXED).is_ok()
    }
}

/// Leaves the signal to whoever had it before.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    match PREVIOUS.get() {
        Some(previous) if !matches!(previous.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) => {
            if previous.sa_flags & libc::SA_SIGINFO != 0 {
                // SAFETY: the previous handler was installed with SA_SIGINFO, so it has this signature; it gets what the kernel gave us.
                unsafe {
                    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                        std::mem::transmute(previous.sa_sigaction);
                    handler(signal, info, context);
                }
            } else {
                // SAFETY: without SA_SIGINFO a handler takes the signal number alone.
                unsafe {
                    let handler: extern "C" fn(libc::c_int) = std::mem::transmute(previous.sa_sigaction);
                    handler(signal);
                }
            }
        }
        _ => {
            // A fault happens again on return, and ends the process then; a signal that was sent is sent again.
            // SAFETY: signal and raise are async-signal-safe and take any signal number.
            unsafe {
                libc::signal(signal, libc::SIG_DFL);
                libc::raise(signal);
            }
        }
    }
}

#[cfg(test)]
#[path = "mmap_tests.rs"]
mod tests;
