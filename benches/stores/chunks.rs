//! What somebody would write with zarrs alone: a parallel loop over whole chunks.

use rayon::prelude::*;
use std::{path::Path, sync::Arc};
use zarrs::{
    array::{Array, CodecOptions},
    filesystem::FilesystemStore,
};

/// Mean of each column of a (rows, columns) array of f32 whose chunks span the columns, accumulated in f64.
pub fn mean_of_columns(store: &Path) -> Vec<f64> {
    let array = Array::open(Arc::new(FilesystemStore::new(store).unwrap()), "/").unwrap();
    let (rows, columns) = (array.shape()[0], array.shape()[1] as usize);
    let options = CodecOptions::default().with_concurrent_target(1).with_chunk_concurrent_minimum(1);
    let sums = (0..array.chunk_grid_shape()[0])
        .into_par_iter()
        .map(|chunk| {
            let subset = array.chunk_subset_bounded(&[chunk, 0]).unwrap();
            let rows = subset.shape()[0] as usize;
            let values: Vec<f32> = array.retrieve_chunk_opt(&[chunk, 0], &options).unwrap();
            let mut sums = vec![0f64; columns];
            for group in values[..rows * columns].chunks(columns * 64) {
                let mut narrow = vec![0f32; columns];
                for row in group.chunks_exact(columns) {
                    narrow.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
                sums.iter_mut().zip(&narrow).for_each(|(sum, value)| *sum += f64::from(*value));
            }
            sums
        })
        .reduce(|| vec![0f64; columns], |left, right| left.iter().zip(&right).map(|(left, right)| left + right).collect());
    sums.iter().map(|sum| sum / rows as f64).collect()
}
