//! Tests of arrays in memory.
