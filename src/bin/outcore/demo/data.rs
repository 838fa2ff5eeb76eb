//! Real data, made as large as asked: embeddings of sentences, repeated with seeded jitter.

use crate::signals;
use outcore::{
    Error, Result, Session,
    ndarray::{Array2, s},
};
use std::{fs, path::Path};

/// Embeddings of 1,140 sentences of Jane Austen's novels: (1140, 384) f32.
static SENTENCES: &[u8] = include_bytes!("../../../../data/sentences.npy");
/// How far a repeated value lies from the real one at most.
const JITTER: f32 = 0.02;
/// Two runs make the same file.
const SEED: u64 = 1811;

/// Writes at least one copy and about `bytes` bytes to `path`; gives the shape.
pub fn make(session: &Session, folder: &Path, path: &Path, bytes: u64) -> Result<[usize; 2]> {
    let small = folder.join("sentences.npy");
    fs::write(&small, SENTENCES).map_err(|error| Error::io("write", small.display(), error))?;
    let real: Array2<f32> = session.open(&small).eval()?;
    let (sentences, width) = real.dim();
    let copies = usize::try_from(bytes / SENTENCES.len() as u64).unwrap_or(usize::MAX).max(1);
    let shape = [sentences * copies, width];
    let writer = session.create::<f32>(path, shape)?;
    let mut random = SEED;
    let mut copy = real.clone();
    for index in 0..copies {
        signals::check()?;
        copy.assign(&real);
        copy.iter_mut().for_each(|value| *value += JITTER * signed_unit(&mut random));
        let first = index * sentences;
        writer.write(s![first..first + sentences, ..], copy.view())?;
    }
    writer.finish()?;
    Ok(shape)
}

/// The next number of a Weyl sequence, scrambled, in -1..1.
#[allow(clippy::cast_precision_loss, reason = "24 bits fit an f32")]
fn signed_unit(state: &mut u64) -> f32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (mixed >> 40) as f32 / (1 << 23) as f32 - 1.0
}
