//! The lazy [`Array`]: an immutable node that is shared, with its shape and dtype or the error that it became.

use super::{below::ZarrOrigin, function::BlockCode, session::Session, words::Scalar};
use crate::{
    error::{Error, Result},
    expr::{FunctionId, Meta, Op, infer},
    nd::{DType, Dims, shape::show},
    store::Source,
};
use std::{fmt, path::PathBuf, sync::Arc};

/// Most dimensions of an array that is computed, as in NumPy, which refuses files with more.
pub(super) const RANK_MAX: usize = 64;

/// A lazy array: what is to be computed, its shape, dtype and axis names. Cheap to clone; nothing is read before it is asked for.
///
/// Operators and methods never fail and never panic: where operands do not fit together the result carries the first error, with
/// the place in your program, and [`Array::error`], `eval`, `save` and the like return it.
///
/// ```
/// let session = outcore::Session::builder().memory("64MiB").threads(1).build()?;
/// let x = session.from_ndarray(ndarray::array![[1f32, 2.0], [3.0, 4.0]]);
/// let z = (&x - x.mean(0)) / 2.0;
/// assert_eq!(z.shape()?, [2, 2]);
/// assert_eq!(z.dtype()?, outcore::DType::F32);
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone)]
pub struct Array(pub(super) Arc<Node>);

/// An array that was opened or given, with the path it came from.
#[derive(Clone)]
pub(super) struct Leaf {
    pub source: Arc<dyn Source>,
    /// The files that it lies in.
    pub paths: Vec<PathBuf>,
}

/// A placeholder that [`super::Compiled::run`] fills.
#[derive(Debug)]
pub(super) struct Input {
    pub name: String,
    pub dtype: DType,
    pub shape: Vec<Option<usize>>,
}

/// How a node is made.
#[derive(Clone)]
pub(super) enum Kind {
    Source(Leaf),
    Input(Arc<Input>),
    /// A literal: 0-d, and its dtype gives way to the array it meets.
    Literal(Scalar),
    /// A block function; its facts were checked against the operand.
    MapBlocks(Arc<BlockCode>),
    Op(Op),
    /// Nothing: `meta` says why.
    Failed,
}

/// One value.
pub(super) struct Node {
    pub kind: Kind,
    pub args: Vec<Array>,
    pub meta: Result<Meta>,
    pub session: Option<Session>,
    /// What `explain` says where arrays of different dtypes meet here.
    pub widening: Option<String>,
    /// Where it lies, if it is an array of a Zarr store as it was opened, decoded.
    pub origin: Option<Arc<ZarrOrigin>>,
}

impl Drop for Node {
    /// Iterative: a chain of operators may be longer than the stack is deep.
    fn drop(&mut self) {
        let mut orphans = std::mem::take(&mut self.args);
        while let Some(array) = orphans.pop() {
            if let Some(mut node) = Arc::into_inner(array.0) {
                orphans.append(&mut node.args);
            }
        }
    }
}

impl Array {
    /// What errors, plans and reports call the store that this array is; `None` if it is computed from others.
    #[must_use]
    pub fn source_name(&self) -> Option<&str> {
        match &self.0.kind {
            Kind::Source(leaf) => Some(&leaf.source.facts().name),
            _ => None,
        }
    }

    pub(super) fn leaf(kind: Kind, meta: Meta, session: Option<Session>) -> Array {
        Array(Arc::new(Node { kind, args: Vec::new(), meta: Ok(meta), session, widening: None, origin: None }))
    }

    /// What was made, or an array that carries the error and the caller's place (unless the error has one already).
    #[track_caller]
    pub(super) fn settle(made: Result<Array>, session: Option<&Session>) -> Array {
        // Not `unwrap_or_else`: a closure would be its own caller.
        match made {
            Ok(array) => array,
            Err(error) => {
                let error = error.at(std::panic::Location::caller());
                Array(Arc::new(Node {
                    kind: Kind::Failed,
                    args: Vec::new(),
                    meta: Err(error),
                    session: session.cloned(),
                    widening: None,
                    origin: None,
                }))
            }
        }
    }

    /// [`Array::settle`] with this array's session.
    #[track_caller]
    pub(super) fn then(&self, made: Result<Array>) -> Array {
        Array::settle(made, self.0.session.as_ref())
    }

    /// The result of `op`, or the first error of its operands, or why they do not fit.
    pub(super) fn make(op: Op, args: Vec<Array>) -> Result<Array> {
        let metas = args.iter().map(Array::known).collect::<Result<Vec<&Meta>>>()?;
        let meta = infer(&op, &metas, &[], &[])?;
        if meta.rank() > RANK_MAX {
            let error = Error::mismatch(format!("an array of {} dimensions, more than {RANK_MAX}", meta.rank()));
            return Err(error.hint("NumPy has no more either: leave out axes of length 1, or reshape several axes to one"));
        }
        let session = args.iter().find_map(|array| array.0.session.clone());
        Ok(Array(Arc::new(Node { kind: Kind::Op(op), args, meta: Ok(meta), session, widening: None, origin: None })))
    }

    pub(super) fn make_mapped(&self, code: Arc<BlockCode>) -> Result<Array> {
        let meta = infer(&Op::MapBlocks(FunctionId(0)), &[self.known()?], &[], std::slice::from_ref(&code.facts))?;
        let session = self.0.session.clone();
        Ok(Array(Arc::new(Node {
            kind: Kind::MapBlocks(code),
            args: vec![self.clone()],
            meta: Ok(meta),
            session,
            widening: None,
            origin: None,
        })))
    }

    /// What is known of it, or the error it carries.
    pub(super) fn known(&self) -> Result<&Meta> {
        self.0.meta.as_ref().map_err(Clone::clone)
    }

    /// The session that computes it: that of its first operand that has one, or the default session.
    #[must_use]
    pub fn session(&self) -> Session {
        self.0.session.clone().unwrap_or_else(Session::default_session)
    }

    /// Shape, dtype and axis names as far as they are known.
    pub fn meta(&self) -> Result<Meta> {
        self.0.meta.clone()
    }

    /// Shape. An error if it depends on the data of a mask or on an input that is not bound yet; see [`Array::meta`].
    pub fn shape(&self) -> Result<Vec<usize>> {
        let meta = self.0.meta.as_ref().map_err(Clone::clone)?;
        meta.known_shape().ok_or_else(|| {
            Error::usage(format!("the shape {} is not known before the array is computed", show(&meta.shape)))
                .hint("`meta()` has what is known; a mask or an unbound input decides the rest")
        })
    }

    /// Dtype of the elements.
    pub fn dtype(&self) -> Result<DType> {
        self.0.meta.as_ref().map(|meta| meta.dtype).map_err(Clone::clone)
    }

    /// Names of the axes.
    pub fn dims(&self) -> Result<Dims> {
        self.0.meta.as_ref().map(|meta| meta.dims.clone()).map_err(Clone::clone)
    }

    /// Number of axes.
    pub fn rank(&self) -> Result<usize> {
        self.0.meta.as_ref().map(Meta::rank).map_err(Clone::clone)
    }

    /// Why this array cannot be computed, if something went wrong while it was put together.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.0.meta.as_ref().err().cloned()
    }

    /// The array itself, or the error it carries: for code that wants to fail at once.
    pub fn checked(&self) -> Result<Array> {
        self.error().map_or_else(|| Ok(self.clone()), Err)
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.meta {
            Ok(meta) if meta.dims.is_unnamed() => write!(f, "Array({} {})", meta.dtype, show(&meta.shape)),
            Ok(meta) => write!(f, "Array({} {} [{}])", meta.dtype, show(&meta.shape), meta.dims),
            Err(error) => write!(f, "Array({error:?})"),
        }
    }
}
