//! SIGINT and SIGTERM.
//!
//! While something is being made (a [`Guard`] lives) a signal cancels the sessions and the program ends by itself, once
//! everything unfinished is removed. Otherwise there is nothing to clean up and the program ends at once.

use outcore::{Error, Result, Session};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use std::{
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI32, Ordering},
    },
    thread,
};

/// The first signal that came; 0: none.
static CAUGHT: AtomicI32 = AtomicI32::new(0);
/// Sessions of the living guards.
static BUSY: Mutex<Vec<(u64, Session)>> = Mutex::new(Vec::new());

/// While it lives, a signal cancels its session instead of ending the program.
pub struct Guard(u64);

/// Starts to listen.
pub fn watch() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| Error::io("watch", "signals", error))?;
    let listen = move || {
        for signal in signals.forever() {
            let _ = CAUGHT.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
            let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
            if busy.is_empty() {
                process::exit(i32::from(exit_code()));
            }
            busy.iter().for_each(|(_, session)| session.cancel());
        }
    };
    let started = thread::Builder::new().name("signals".to_string()).spawn(listen);
    started.map(drop).map_err(|error| Error::io("start", "a thread", error))
}

/// Cancels `session` on a signal from now on.
pub fn guard(session: &Session) -> Guard {
    let mut busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
    let id = busy.last().map_or(0, |(id, _)| id + 1);
    busy.push((id, session.clone()));
    if CAUGHT.load(Ordering::SeqCst) != 0 {
        session.cancel();
    }
    Guard(id)
}

impl Drop for Guard {
    fn drop(&mut self) {
        BUSY.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| *id != self.0);
    }
}

/// An error if a signal came.
pub fn check() -> Result<()> {
    if CAUGHT.load(Ordering::SeqCst) == 0 { Ok(()) } else { Err(Error::cancelled()) }
}

/// 130 after SIGINT, 143 after SIGTERM.
pub fn exit_code() -> u8 {
    if CAUGHT.load(Ordering::SeqCst) == SIGTERM { 143 } else { 130 }
}
