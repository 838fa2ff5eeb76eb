//! What a listener of the crate `tracing` hears.

use crate::Session;
use std::{
    fmt::{Debug, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Writes down names and fields.
#[derive(Default)]
struct Listener {
    lines: Arc<Mutex<Vec<String>>>,
    ids: AtomicU64,
}

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("outcore")
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(format!("{} {}", span.metadata().level(), span.metadata().name()));
        span.record(&mut fields);
        self.lines.lock().unwrap().push(fields.0);
        Id::from_u64(self.ids.fetch_add(1, Ordering::Relaxed) + 1)
    }
    fn record(&self, _span: &Id, _values: &Record<'_>) {}
    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.lines.lock().unwrap().push(fields.0);
    }
    fn enter(&self, _span: &Id) {}
    fn exit(&self, _span: &Id) {}
}

#[test]
fn jobs_stages_and_warnings_are_heard() {
    let listener = Listener::default();
    let lines = Arc::clone(&listener.lines);
    tracing::subscriber::with_default(listener, || {
        let session = Session::builder().memory("64MiB").threads(1).build().unwrap();
        let x = session.from_ndarray(ndarray::array![1f32, 0.0]);
        x.reciprocal().eval_any().unwrap();
    });
    let lines = lines.lock().unwrap();
    assert!(lines[0].starts_with("INFO job job_id=") && lines[0].contains("stages=1"), "{lines:?}");
    assert!(lines[1].starts_with("DEBUG stage name=\"result\""), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("DEBUG") && line.contains("stage done") && line.contains("blocks=1")), "{lines:?}");
    assert!(lines.iter().any(|line| line.starts_with("WARN") && line.contains("1 infinity created")), "{lines:?}");
}
