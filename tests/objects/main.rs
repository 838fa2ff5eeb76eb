//! Arrays in object stores, against a server of the S3 protocol on loopback that fails in every way that one can.
//!
//! `tests/objects/run.sh` builds and runs this; the package itself does not know of it.

mod dense;
mod made;
mod program;
mod server;
mod tasks;
mod writes;
mod zarr;
