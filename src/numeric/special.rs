//! Whether anything that was added up was not finite.

use super::accumulator::{Accumulator, State};
use super::exact::{FLAG_INFINITY, FLAG_NAN, FLAG_NEGATIVE_INFINITY};

impl Accumulator {
    /// Whether an output of `from..end` is a sum of floats that took a NaN or an infinity. In the modes that are not exact also
    /// where the sum itself left the range of `f64`; other accumulators say no.
    pub(crate) fn took_special(&self, from: usize, end: usize) -> bool {
        let range = from.min(self.outputs)..end.min(self.outputs);
        match &self.state {
            State::Exact(state) => {
                let special = FLAG_NAN | FLAG_INFINITY | FLAG_NEGATIVE_INFINITY;
                state.flags[range].iter().fold(0, |seen, flags| seen | flags) & special != 0
            }
            State::Compensated(state) => state.parts[0][range].iter().any(|sum| !sum.is_finite()),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::nd::DType;
    use crate::numeric::{Accumulator, AccumulatorKind, SumMode, TileAxis};

    #[test]
    fn sums_remember_what_is_not_finite() {
        for mode in [SumMode::Exact, SumMode::Neumaier, SumMode::Kahan, SumMode::Pairwise, SumMode::Naive] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut sums = Accumulator::new(AccumulatorKind::Sum(mode), DType::F32, 3).unwrap();
                let axes = [TileAxis { length: 3, output_step: 1, index_step: 1 }];
                let tile: Vec<u8> = [1.0, bad, 2.0].iter().flat_map(|value: &f32| value.to_ne_bytes()).collect();
                sums.absorb_baseline(&tile, &axes, 0, 0);
                assert_eq!([(0, 1), (1, 2), (2, 9), (0, 3)].map(|(from, end)| sums.took_special(from, end)), [false, true, false, true]);
            }
        }
    }
}
