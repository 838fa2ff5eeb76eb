//! Memory-mapped windows of files. The only place that maps.

/// A run of bytes of a source, in place.
pub struct Window;
