//! N-dimensional ground: dtypes, shapes, broadcasting, slices, index maps, regions, block grids.
//!
//! Everything here is pure arithmetic on shapes, and one copy of boxes by it. Nothing here knows a file, a thread or a plan, and
//! nothing allocates in proportion to data. Entry points: [`DType`], [`broadcast::broadcast_shapes`],
//! [`IndexMap`], [`Grid`].

pub mod axis_map;
pub mod broadcast;
pub(crate) mod copy;
pub mod coverage;
pub mod dtype;
pub mod element;
pub mod facts;
pub mod grid;
pub mod index_map;
pub mod region;
pub mod scalar;
pub mod shape;
pub mod slice;

pub use axis_map::AxisMap;
pub use broadcast::broadcast_shapes;
pub use coverage::Coverage;
pub use dtype::DType;
pub use element::Element;
pub use facts::{SourceFacts, StoreLayout};
pub use grid::Grid;
pub use index_map::IndexMap;
pub use region::Region;
pub use scalar::Scalar;
pub use shape::{Dims, Extent};
pub use slice::SliceItem;
