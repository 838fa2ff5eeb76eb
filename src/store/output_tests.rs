//! Tests of output files.
