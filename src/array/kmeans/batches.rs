//! Iterations over batches of rows (Sculley, "Web-scale k-means clustering", 2010).
//!
//! A row that is drawn for a centroid moves it by one over the rows that it has had: a centroid is the mean of all rows that were ever
//! drawn for it. The rows of one batch are all compared with the centroids as they were before it, so that they can be added up in any
//! order, and exactly.

use super::{KMeans, KMeansEnd, KMeansOptions, OddRows, odd_rows, pass};
use crate::{
    array::{node::Array, random::Random, session::Session},
    error::Result,
};
use ndarray::s;

/// The first stream of a seed that orders of the rows are drawn from, one each time that all of them were.
const ORDERS: u64 = 2;
/// Batches whose inertia is compared with that of as many others.
const TOGETHER: usize = 10;

/// Moves the centroids of `found`, batch by batch, and enters what batches gave.
pub(super) fn by_batches(session: &Session, rows: &Array, options: &KMeansOptions, batch: usize, found: &mut KMeans) -> Result<()> {
    let count = rows.shape()?[0];
    let batch = batch.min(count);
    // What is left over when rows are dealt waits for the next order.
    let dealt = count / batch;
    found.sizes = vec![0; options.clusters];
    while found.end == KMeansEnd::Iterations && found.inertia.len() < options.iterations {
        let place = found.inertia.len();
        let order = Random::new(options.seed).stream(ORDERS + (place / dealt) as u64);
        let first = place % dealt * batch;
        let drawn = rows.shuffle(order, 0).slice(s![first..first + batch, ..]).checked()?;
        let pass = pass(session, &drawn, &found.centroids)?;
        if pass.skipped > 0 && options.rows == OddRows::Refused {
            return Err(odd_rows(rows, " of a batch", pass.skipped));
        }
        let moves = found.centroids.rows_mut().into_iter().zip(pass.means.rows()).zip(pass.sizes.iter().zip(&mut found.sizes));
        for ((mut centroid, mean), (&new, size)) in moves.filter(|(_, (new, _))| **new > 0) {
            *size += new;
            let part = new as f64 / *size as f64;
            centroid.zip_mut_with(&mean, |to, mean| *to += (mean - *to) * part);
        }
        found.skipped += pass.skipped;
        found.inertia.push(pass.inertia);
        if has_settled(&found.inertia, options.tolerance) {
            found.end = KMeansEnd::Converged;
        }
    }
    Ok(())
}

/// Whether the last two groups of batches brought less than `tolerance` of what the best one before them had.
fn has_settled(inertia: &[f64], tolerance: f64) -> bool {
    let groups: Vec<f64> = inertia.chunks_exact(TOGETHER).map(|group| group.iter().sum()).collect();
    let [before @ .., one, other] = &groups[..] else { return false };
    let best = before.iter().copied().fold(f64::INFINITY, f64::min);
    let enough = best * (1.0 - tolerance);
    tolerance > 0.0 && inertia.len().is_multiple_of(TOGETHER) && best.is_finite() && *one >= enough && *other >= enough
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_without_a_gain_are_the_end() {
        let inertia = |groups: &[f64]| groups.iter().flat_map(|&value| [value; TOGETHER]).collect::<Vec<f64>>();
        assert!(has_settled(&inertia(&[9.0, 5.0, 5.0, 4.9999]), 1e-4));
        assert!(!has_settled(&inertia(&[9.0, 5.0, 5.0, 4.99]), 1e-4));
        assert!(!has_settled(&inertia(&[5.0, 5.0]), 1e-4) && !has_settled(&inertia(&[9.0, 5.0, 5.0]), 1e-4));
        assert!(!has_settled(&inertia(&[5.0, 5.0, 5.0]), 0.0) && !has_settled(&inertia(&[5.0, 5.0, 5.0])[..29], 1e-4));
    }
}
