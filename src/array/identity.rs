//! What makes two jobs the same, so that one may go on where the other was stopped.

use super::graph::Work;
use crate::{
    error::{Error, Result},
    expr::{FunctionRole, Grouping, Op},
    nd::{Region, SourceFacts},
    numeric::{ScanKind, SumMode},
    plan::NUMERICS_VERSION,
    store::{Source, journal::Header},
};

/// Arrays in memory of more bytes are not looked through.
const MEMORY_BYTES_MAX: usize = 16 << 20;
/// Bytes that are hashed at a time.
const PIECE_BYTES: usize = 1 << 20;

/// What a job is, whatever its limits: they never show in a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Hash of what is computed, whatever the inputs hold.
    pub job: String,
    /// Names and identities of the inputs.
    pub inputs: Vec<(String, String)>,
    /// Whether the grid shows in the bits after all: sums that are not exact, user code that is given blocks in turn.
    pub depends_on_grid: bool,
}

/// The identity of a job before its first phase, whose outputs are laid out as `layouts` say. `None` if nothing tells whether another one is the same.
pub(super) fn identity(work: &Work, layouts: &[String]) -> Result<Option<Identity>> {
    let mut inputs = Vec::with_capacity(work.sources.len());
    for source in &work.sources {
        let facts = source.facts();
        let identity = if facts.identity.is_empty() { content(&**source)? } else { Some(facts.identity.clone()) };
        let Some(identity) = identity else { return Ok(None) };
        inputs.push((facts.name.clone(), identity));
    }
    // Identities are compared one by one, to say which one changed.
    let bare = |facts: &SourceFacts| SourceFacts { identity: String::new(), ..facts.nameless() };
    let sources: Vec<SourceFacts> = work.graph.sources.iter().map(bare).collect();
    let text = serde_json::to_vec(&(&work.graph.nodes, sources, &work.graph.functions, &work.roots, layouts))
        .map_err(|error| Error::internal(format!("a graph cannot be written as text: {error}")))?;
    Ok(Some(Identity { job: short(blake3::hash(&text)), inputs, depends_on_grid: depends_on_grid(work) }))
}

/// A hash of what an array in memory holds; `None` if it is not in memory, or large.
fn content(source: &dyn Source) -> Result<Option<String>> {
    let facts = source.facts();
    let (shape, item) = (facts.store_shape(), facts.dtype.size());
    if !facts.resident || shape.len() != 1 || shape[0] > MEMORY_BYTES_MAX / item {
        return Ok(None);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{:?}", source.index_map()).as_bytes());
    let step = PIECE_BYTES / item;
    let mut piece = vec![0; step.min(shape[0]) * item];
    for start in (0..shape[0]).step_by(step) {
        let length = step.min(shape[0] - start);
        source.read(&Region::run(start, length), &mut piece[..length * item])?;
        hasher.update(&piece[..length * item]);
    }
    Ok(Some(short(hasher.finalize())))
}

fn short(hash: blake3::Hash) -> String {
    hash.to_hex().as_str()[..32].to_string()
}

fn depends_on_grid(work: &Work) -> bool {
    let op = |op: &Op| match op {
        Op::Reduce(reduction) | Op::Group(Grouping { reduction, .. }) => reduction.mode != SumMode::Exact,
        Op::Scan { kind: ScanKind::Sum(mode), .. } => *mode != SumMode::Exact,
        _ => false,
    };
    work.graph.nodes.iter().any(|node| op(&node.op))
        || work.graph.functions.iter().any(|function| matches!(function.role, FunctionRole::Scan { .. } | FunctionRole::Fold { .. }))
}

impl Identity {
    /// An error unless the job of `header` is this one. `name` is what its output is called.
    pub fn check(&self, header: &Header, name: &str) -> Result<()> {
        let anew = "`--overwrite` starts anew";
        let partial = format!("what is there of {name}");
        if header.numerics != NUMERICS_VERSION {
            let text = format!("{partial} was computed by numerics version {}, this is version {NUMERICS_VERSION}", header.numerics);
            return Err(Error::refused(text).hint(anew));
        }
        let mut pairs = self.inputs.iter().zip(&header.inputs);
        if let Some((input, _)) = pairs.find(|(now, then)| now.0 == then.0 && now.1 != then.1) {
            let text = format!("{} changed: {partial} was computed from what it held before", input.0);
            return Err(Error::changed(text).hint(anew));
        }
        let identities = |inputs: &[(String, String)]| inputs.iter().map(|(_, identity)| identity.clone()).collect::<Vec<_>>();
        if self.job != header.job || identities(&self.inputs) != identities(&header.inputs) {
            return Err(
                Error::output(format!("{partial} was left by another job")).hint(format!("give the same statements and inputs, or {anew}"))
            );
        }
        Ok(())
    }

    /// An error unless the grid of `header` will do.
    pub fn check_grid(&self, header: &Header, plan_id: &str, name: &str) -> Result<()> {
        if header.grid == self.grid(plan_id) {
            return Ok(());
        }
        let text = format!("what is there of {name} was computed in other blocks, and they show in what is not summed exactly");
        Err(Error::refused(text).hint("give the same --memory, --threads and --block as before, or `--overwrite` starts anew"))
    }

    /// What stands for the grid in a header.
    pub fn grid(&self, plan_id: &str) -> String {
        if self.depends_on_grid { plan_id.to_string() } else { String::new() }
    }
}
