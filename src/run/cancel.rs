//! How executions are told to stop.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A flag that executions look at. Clones are the same flag; a child stops with its parent, not the other way round.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<Flag>);

#[derive(Debug, Default)]
struct Flag {
    set: AtomicBool,
    parent: Option<Cancel>,
}

impl Cancel {
    /// A flag of its own that is also set while this one is.
    #[must_use]
    pub fn child(&self) -> Cancel {
        Cancel(Arc::new(Flag { set: AtomicBool::new(false), parent: Some(self.clone()) }))
    }

    /// Ends what looks at this flag, or at a child of it, with an error of kind [`Cancelled`](crate::ErrorKind::Cancelled).
    pub fn set(&self) {
        self.0.set.store(true, Ordering::SeqCst);
    }

    /// Takes [`Cancel::set`] back for what starts from now on.
    pub fn clear(&self) {
        self.0.set.store(false, Ordering::SeqCst);
    }

    /// Whether this flag or one above it is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        let mut flag = Some(self);
        while let Some(Cancel(inner)) = flag {
            if inner.set.load(Ordering::Relaxed) {
                return true;
            }
            flag = inner.parent.as_ref();
        }
        false
    }
}
