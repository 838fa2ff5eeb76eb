//! Arrays from nothing, from memory, from files and from later.

use super::{
    below::{MemorySource, Packed, open_packed},
    node::{Array, Input, Kind, Leaf, Node},
    packed::unpacked,
    session::Session,
    words::{CastMode, DType, Dims, Element, Extent, Region, Scalar, SliceItem},
};
use crate::{
    error::{Error, Result},
    expr::{Meta, Op},
    kernel::program::{BinaryOp, Generator},
    nd::{
        IndexMap, SourceFacts, StoreLayout,
        shape::{c_strides, element_count, show},
    },
    store::{Source, joined},
};
use ndarray::{ArcArray, ArrayBase, Axis, DataOwned, Dimension, IxDyn};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Opens `path` with the default session: [`Session::open`].
#[must_use]
#[track_caller]
pub fn open(path: impl AsRef<Path>) -> Array {
    Session::default_session().open(path)
}

impl Session {
    /// The array in a file: `x.npy`, or raw bytes as `x.bin?dtype=f32&shape=-1,128`; or in a Zarr store, by its folder: `x.zarr`,
    /// `x.zarr/group/array`; or in one of the other formats that [`crate::store::open()`] names. Only its header is read. Values that are
    /// packed after the CF conventions (`scale_factor`, `add_offset`, `_FillValue`) are decoded as xarray does; `x.zarr?cf=off` keeps
    /// them as they are stored. `shards/*.npy` is many files joined along axis 0, in the order of their names' bytes.
    ///
    /// A file that cannot be opened gives an array that carries the error.
    #[must_use]
    #[track_caller]
    pub fn open(&self, path: impl AsRef<Path>) -> Array {
        Array::settle(self.try_open(path.as_ref()), Some(self))
    }

    fn try_open(&self, path: &Path) -> Result<Array> {
        let text = path.to_str().ok_or_else(|| Error::usage(format!("the path {} is not UTF-8", path.display())))?;
        let Packed { source, packing, origin } = open_packed(text)?;
        // A file that exists as written wins over a query, as in the store.
        let file = if path.exists() { path.to_path_buf() } else { text.split('?').next().map_or_else(PathBuf::new, PathBuf::from) };
        // Of files that are joined, each is an input.
        let paths = joined::files(&file.to_string_lossy())?.unwrap_or_else(|| vec![file]);
        if let Some(text) = joined::order_warning(&source.facts().name, &paths) {
            self.warn(&text);
        }
        let stored = self.leaf_array(Leaf { source, paths });
        let mut opened = match packing {
            Some(packing) => unpacked(&stored, &packing),
            None => stored,
        };
        // Just made, and nobody else's.
        if let Some(node) = Arc::get_mut(&mut opened.0) {
            node.origin = origin.map(Arc::new);
        }
        Ok(opened)
    }

    /// An array of any [`Source`]: the seam for stores of your own.
    #[must_use]
    pub fn from_source(&self, source: Arc<dyn Source>) -> Array {
        self.leaf_array(Leaf { source, paths: Vec::new() })
    }

    fn leaf_array(&self, leaf: Leaf) -> Array {
        let facts = leaf.source.facts();
        let meta = Meta { dims: facts.dims.clone(), ..Meta::known(&facts.shape, facts.dtype) };
        Array::leaf(Kind::Source(leaf), meta, Some(self.clone()))
    }

    /// An array in memory, used in place and kept alive: C order, transposed, reversed. One with gaps between its elements (every
    /// second column of an array, say) is copied without them.
    #[must_use]
    #[track_caller]
    pub fn from_ndarray<S, D>(&self, array: ArrayBase<S, D>) -> Array
    where
        S: DataOwned,
        S::Elem: Element,
        D: Dimension,
    {
        let mut shared = array.into_dyn().into_shared();
        // Reversed axes are turned round and read backwards: sources lie forwards.
        let mut items = vec![SliceItem::FULL; shared.ndim()];
        for (axis, item) in items.iter_mut().enumerate() {
            if shared.strides()[axis] < 0 {
                shared.invert_axis(Axis(axis));
                *item = SliceItem::Range { start: None, stop: None, step: -1 };
            }
        }
        let array = self.from_source(in_place_or_copied(shared));
        if items.iter().all(|item| *item == SliceItem::FULL) { array } else { array.slice_items(items) }
    }

    /// An array that is imagined: it can be planned and explained, never computed.
    #[must_use]
    #[track_caller]
    pub fn imagine(&self, dtype: DType, shape: impl AsRef<[usize]>) -> Array {
        let name = format!("imagined {dtype} {}", show(shape.as_ref()));
        self.imagine_as(&name, dtype, shape)
    }

    /// As [`Session::imagine`]; `name` is what plans call it.
    #[must_use]
    #[track_caller]
    pub fn imagine_as(&self, name: &str, dtype: DType, shape: impl AsRef<[usize]>) -> Array {
        let made = Imagined::new(name, dtype, shape.as_ref()).map(|source| self.from_source(Arc::new(source)));
        Array::settle(made, Some(self))
    }

    /// A place for an array that [`super::Compiled::run`] fills; `None` takes any length.
    #[must_use]
    pub fn input<T: Element, const N: usize>(&self, name: &str, shape: [Option<usize>; N]) -> Array {
        let extents = shape.iter().map(|length| length.map_or(Extent::AtMost(usize::MAX), Extent::Known)).collect();
        let meta = Meta { shape: extents, dtype: T::DTYPE, dims: Dims::unnamed(N) };
        let input = Input { name: name.to_string(), dtype: T::DTYPE, shape: shape.to_vec() };
        Array::leaf(Kind::Input(Arc::new(input)), meta, Some(self.clone()))
    }

    /// `shape` filled with a literal; `bool`, `i64` or `f64`, whichever the literal is.
    #[must_use]
    #[track_caller]
    pub fn full(&self, shape: impl AsRef<[usize]>, value: impl Into<Scalar>) -> Array {
        let value = value.into();
        self.adopt(Array::full(shape.as_ref(), value, value.default_dtype()))
    }

    /// `shape` filled with zeros.
    #[must_use]
    #[track_caller]
    pub fn zeros<T: Element>(&self, shape: impl AsRef<[usize]>) -> Array {
        self.adopt(Array::full(shape.as_ref(), Scalar::Int(0), T::DTYPE))
    }

    /// `shape` filled with ones.
    #[must_use]
    #[track_caller]
    pub fn ones<T: Element>(&self, shape: impl AsRef<[usize]>) -> Array {
        self.adopt(Array::full(shape.as_ref(), Scalar::Int(1), T::DTYPE))
    }

    /// `start, start + step, ...` before `stop`; `i64` if all three are integers, else `f64`.
    #[must_use]
    #[track_caller]
    pub fn arange(&self, start: impl Into<Scalar>, stop: impl Into<Scalar>, step: impl Into<Scalar>) -> Array {
        self.adopt(Array::arange(start.into(), stop.into(), step.into(), None))
    }

    /// `count` numbers from `start` to `stop`, both included, as `f64`.
    #[must_use]
    #[track_caller]
    pub fn linspace(&self, start: f64, stop: f64, count: usize) -> Array {
        self.adopt(Array::linspace(start, stop, count, Endpoint::Included))
    }

    /// The identity matrix of `size` rows.
    #[must_use]
    #[track_caller]
    pub fn eye<T: Element>(&self, size: usize) -> Array {
        self.adopt(Array::eye(size, size, T::DTYPE))
    }

    /// `array` as one that this session computes.
    #[must_use]
    pub fn adopt(&self, array: Array) -> Array {
        let Node { kind, args, meta, widening, origin, .. } = &*array.0;
        let (widening, origin) = (widening.clone(), origin.clone());
        Array(Arc::new(Node { kind: kind.clone(), args: args.clone(), meta: meta.clone(), session: Some(self.clone()), widening, origin }))
    }
}

/// Whether a [`Array::linspace`] has its last value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The last element is exactly `stop`.
    Included,
    /// `stop` is one step past the last element.
    Excluded,
}

/// Arrays without a session: they are computed by that of the arrays they meet.
impl Array {
    /// `shape` filled with a literal converted to `dtype`.
    #[must_use]
    #[track_caller]
    pub fn full(shape: &[usize], value: Scalar, dtype: DType) -> Array {
        Array::settle(try_full(shape, value, dtype), None)
    }

    /// `start, start + step, ...` before `stop`; without `dtype`, `i64` if all three are integers, else `f64`.
    #[must_use]
    #[track_caller]
    pub fn arange(start: Scalar, stop: Scalar, step: Scalar, dtype: Option<DType>) -> Array {
        Array::settle(try_arange(start, stop, step, dtype), None)
    }

    /// `count` numbers from `start` to `stop`, as `f64`.
    #[must_use]
    #[track_caller]
    pub fn linspace(start: f64, stop: f64, count: usize, endpoint: Endpoint) -> Array {
        Array::settle(try_linspace(start, stop, count, endpoint), None)
    }

    /// Ones on the diagonal of `rows` by `columns`, zeros elsewhere.
    #[must_use]
    #[track_caller]
    pub fn eye(rows: usize, columns: usize, dtype: DType) -> Array {
        Array::settle(try_eye(rows, columns, dtype), None)
    }
}

fn try_full(shape: &[usize], value: Scalar, dtype: DType) -> Result<Array> {
    element_count(shape, dtype.size())?;
    if !value.fits(dtype) {
        return Err(Error::mismatch(format!("the integer {value} does not fit {dtype}")).hint(value.unfit_hint("the whole")));
    }
    let one = if value.fits(value.default_dtype()) {
        super::elementwise::convert(&Array::scalar(value), dtype, CastMode::Checked)?
    } else {
        super::elementwise::constant(value, dtype)?
    };
    Array::make(Op::BroadcastTo(shape.to_vec()), vec![one])
}

fn try_arange(start: Scalar, stop: Scalar, step: Scalar, dtype: Option<DType>) -> Result<Array> {
    let all = [start, stop, step];
    let whole = all.iter().all(|value| matches!(value, Scalar::Int(_) | Scalar::Bool(_)));
    let (length, natural) =
        if whole { count_integers(all.map(Scalar::to_i128))? } else { (count_floats(all.map(Scalar::to_f64))?, DType::F64) };
    let dtype = dtype.unwrap_or(natural);
    let (start, step) = if whole {
        (Scalar::Int(start.to_i128()), Scalar::Int(step.to_i128()))
    } else {
        (Scalar::Float(start.to_f64()), Scalar::Float(step.to_f64()))
    };
    element_count(&[length], dtype.size())?;
    // Integers are counted as such and converted after, so that a fractional step keeps its meaning.
    let sequence = Array::make(Op::Sequence { generator: Generator::Arange { start, step }, length, dtype: natural }, Vec::new())?;
    super::elementwise::convert(&sequence, dtype, CastMode::Checked)
}

fn zero_step() -> Error {
    Error::usage("arange with step 0 never ends")
}

/// How many integers there are, and the dtype that holds the first and the last: `i64`, or `u64` where only that one does.
fn count_integers([start, stop, step]: [i128; 3]) -> Result<(usize, DType)> {
    if step == 0 {
        return Err(zero_step());
    }
    let unfit = || {
        Error::mismatch(format!("the integers from {start} to {stop} by {step} fit neither i64 nor u64"))
            .hint("no integer dtype holds them; floats, as in `arange(1e20, 2e20, 1e18)`, have 53 bits of them")
    };
    if [start, stop, step].iter().any(|value| value.unsigned_abs() > 1 << 100) {
        return Err(unfit());
    }
    let count = if step > 0 { (stop - start + step - 1).div_euclid(step) } else { (start - stop - step - 1).div_euclid(-step) };
    let count = usize::try_from(count.max(0)).map_err(|_| Error::usage("arange is longer than this machine can count"))?;
    let last =
        i128::try_from(count.saturating_sub(1)).ok().and_then(|steps| step.checked_mul(steps)).and_then(|way| start.checked_add(way));
    let holds = |dtype: &DType| [Some(start), last].iter().all(|end| end.is_some_and(|end| Scalar::Int(end).fits(*dtype)));
    let natural = [DType::I64, DType::U64].into_iter().find(holds).ok_or_else(unfit)?;
    Ok((count, natural))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "the range is checked")]
fn count_floats([start, stop, step]: [f64; 3]) -> Result<usize> {
    if step == 0.0 {
        return Err(zero_step());
    }
    let count = ((stop - start) / step).ceil();
    if count.is_nan() || count >= isize::MAX as f64 {
        return Err(Error::usage(format!("arange from {start} to {stop} by {step} has no length")));
    }
    Ok(count.max(0.0) as usize)
}

#[allow(clippy::cast_precision_loss, reason = "NumPy divides by the count as a float, too")]
fn try_linspace(start: f64, stop: f64, count: usize, endpoint: Endpoint) -> Result<Array> {
    element_count(&[count], 8)?;
    let gaps = if endpoint == Endpoint::Included { count.saturating_sub(1) } else { count };
    let step = if gaps == 0 { 0.0 } else { (stop - start) / gaps as f64 };
    let last = if endpoint == Endpoint::Included && count > 1 { count as u64 - 1 } else { u64::MAX };
    let generator = Generator::Linspace { start: Scalar::Float(start), stop: Scalar::Float(stop), step: Scalar::Float(step), last };
    Array::make(Op::Sequence { generator, length: count, dtype: DType::F64 }, Vec::new())
}

fn try_eye(rows: usize, columns: usize, dtype: DType) -> Result<Array> {
    element_count(&[rows, columns], dtype.size())?;
    let index = |length: usize| try_arange(Scalar::Int(0), Scalar::Int(length as i128), Scalar::Int(1), None);
    let down = Array::make(Op::Slice(vec![SliceItem::FULL, SliceItem::NewAxis]), vec![index(rows)?])?;
    let diagonal = Array::make(Op::Binary(BinaryOp::Equal), vec![down, index(columns)?])?;
    super::elementwise::convert(&diagonal, dtype, CastMode::Checked)
}

/// The array as a source, without a copy if it is a whole array in some order of its axes.
fn in_place_or_copied<T: Element>(array: ArcArray<T, IxDyn>) -> Arc<dyn Source> {
    let source = MemorySource::from_array(array.clone());
    if source.index_map() == IndexMap::of_source(source.facts()) && source.facts().shape == array.shape() {
        return Arc::new(source);
    }
    Arc::new(MemorySource::from_array(array.as_standard_layout().into_owned().into_shared()))
}

/// An ndarray as a source whose facts have its shape.
pub(super) fn source_in_c_order<S, D>(array: ArrayBase<S, D>) -> Arc<dyn Source>
where
    S: DataOwned,
    S::Elem: Element,
    D: Dimension,
{
    in_place_or_copied(array.into_dyn().into_shared())
}

/// Facts without an array behind them.
struct Imagined {
    facts: SourceFacts,
}

impl Imagined {
    fn new(name: &str, dtype: DType, shape: &[usize]) -> Result<Self> {
        let bytes = element_count(shape, dtype.size())? * dtype.size();
        let facts = SourceFacts {
            name: name.to_string(),
            shape: shape.to_vec(),
            dtype,
            dims: Dims::unnamed(shape.len()),
            layout: StoreLayout::Dense { strides: c_strides(shape) },
            swapped: false,
            encoded_bytes: bytes as u64,
            read_scratch_bytes: 0,
            mappable: true,
            resident: false,
            identity: String::new(),
        };
        Ok(Imagined { facts })
    }
}

impl Source for Imagined {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }
    fn read(&self, _region: &Region, _out: &mut [u8]) -> Result<()> {
        Err(Error::usage(format!("{} has no elements: it can be explained, not computed", self.facts.name)))
    }
}
