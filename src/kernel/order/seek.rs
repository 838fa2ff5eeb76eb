//! The search for order statistics of many lanes at once: which cuts to ask for next, and what their counts prove.
//!
//! A sample proposes a bracket around a rank; a pass counts what lies below, inside and at the middle of it, and keeps what lies
//! inside. Where the rank turns out to lie elsewhere, or the inside is more than there is room for, what was counted is a narrower bracket
//! and what was kept is a better sample. A key that alone holds the rank is known without keeping anything. After some rounds brackets
//! are split by keys instead of by samples, so that the search ends whatever the data are.

use super::{
    cuts::{CUT_BYTES, Cuts, Tally},
    key::{Cell, Key, of_cell},
    method::{Mix, mix, write_mix, write_nan},
};
use crate::{
    error::{Error, Result},
    kernel::program::QuantileMethod,
    nd::DType,
};

/// Rounds after which brackets are split by keys.
const ROUNDS_BY_SAMPLE: u32 = 6;
/// Pieces of a bracket that is split by keys.
const PIECES: i128 = 4;
/// Cuts that one rank needs at most.
const CUTS: usize = 5;
/// How many standard deviations of a sample's rank a bracket reaches to either side.
const DEVIATIONS: f64 = 4.0;

/// What is sought in every lane.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub quantiles: Vec<f64>,
    pub method: QuantileMethod,
    /// Whether NaN are left out; else one makes the lane's quantiles NaN.
    pub skip_nan: bool,
}

/// The search.
pub(crate) struct Seek {
    dtype: DType,
    wanted: Wanted,
    lanes: usize,
    /// Elements of a lane.
    line: u64,
    /// Elements that a pass may keep.
    room: usize,
    round: u32,
    /// Elements that are not NaN, per lane, once counted.
    valid: Option<Vec<u64>>,
    /// Two ranks per quantile and lane, `[lane][quantile][rank]`, once ranks are known.
    targets: Vec<Target>,
    next: Option<Cuts>,
}

/// A rank and what is known of its key.
#[derive(Clone, Copy, Debug)]
struct Target {
    rank: u64,
    /// The key lies here, both ends included.
    low: i64,
    high: i64,
}

impl Target {
    fn is_found(&self) -> bool {
        self.low == self.high
    }
}

/// A bracket to look into: from `low` to `high`, which `middle` splits; about so many elements lie inside.
struct Bracket {
    low: i64,
    middle: Option<i64>,
    high: i64,
    about: f64,
}

impl Seek {
    /// A search in `lanes` lanes of `line` elements of `dtype`, with room for `room` elements.
    pub fn new(dtype: DType, wanted: Wanted, lanes: usize, line: u64, room: usize) -> Seek {
        Seek { dtype, wanted, lanes, line, room: room.max(64), round: 0, valid: None, targets: Vec::new(), next: None }
    }

    /// Cuts of a pass, at most.
    pub fn cuts_max(quantiles: usize) -> usize {
        2 * quantiles * CUTS + 1
    }

    /// Bytes of the search beside what passes keep: ranks, and cuts and brackets of one pass and the next.
    pub fn state_bytes(quantiles: usize, lanes: usize) -> u64 {
        let of_rank = size_of::<Target>() as u64 + 2 * CUTS as u64 * CUT_BYTES + PIECES as u64 * size_of::<Bracket>() as u64;
        let of_lane = 2 * quantiles as u64 * of_rank + 2 * CUT_BYTES + 32;
        of_lane.saturating_mul(lanes as u64)
    }

    fn highest(&self) -> i64 {
        of_cell!(self.dtype, T => <T as Cell>::Key::HIGHEST.widen())
    }

    /// The highest key of a number.
    fn top(&self) -> i64 {
        of_cell!(self.dtype, T => <T as Cell>::Key::HIGHEST.widen() - i64::from(<T as Cell>::HAS_NAN))
    }

    fn lowest(&self) -> i64 {
        of_cell!(self.dtype, T => <T as Cell>::Key::LOWEST.widen())
    }

    /// What to ask of a sample: everything that is a number.
    pub fn sample_cuts(&self, room: usize) -> Cuts {
        let mut keeps = vec![true; self.lanes];
        keeps.resize(2 * self.lanes, false);
        Cuts { lanes: self.lanes, count: 1, keys: vec![self.top(); self.lanes], keeps, shift: 0, room }
    }

    /// What to ask of all elements next; `None` when everything is known.
    pub fn next(&mut self) -> Option<Cuts> {
        if self.is_done() {
            return None;
        }
        Some(self.next.take().unwrap_or_else(|| self.whole_cuts()))
    }

    /// Whether everything is known.
    pub fn is_done(&self) -> bool {
        self.line == 0 || self.lanes == 0 || (self.valid.is_some() && self.targets.iter().all(Target::is_found))
    }

    /// All elements, as many of them as there is room for: what is asked without a sample.
    fn whole_cuts(&self) -> Cuts {
        let brackets = || vec![Bracket { low: self.lowest(), middle: None, high: self.top(), about: self.line as f64 }];
        self.cuts((0..self.lanes).map(|_| brackets()).collect())
    }

    /// Learns from the answer to [`Seek::sample_cuts`]. Only proposes; nothing is proved by a sample.
    pub fn propose(&mut self, mut tally: Tally) {
        let ends = tally.group(2 * self.lanes);
        let mut all = Vec::with_capacity(self.lanes);
        for lane in 0..self.lanes {
            let first = if lane == 0 { 0 } else { ends[lane - 1] };
            let sample = &mut tally.kept[first..ends[lane]];
            sample.sort_unstable();
            let whole = || Bracket { low: self.lowest(), middle: None, high: self.top(), about: self.line as f64 };
            let of = |&q: &f64| narrowed(whole(), sample, q * sample.len().saturating_sub(1) as f64);
            all.push(self.wanted.quantiles.iter().map(of).collect());
        }
        self.next = Some(self.cuts(all));
    }

    /// Learns from the answer to `cuts` over all elements.
    pub fn learn(&mut self, cuts: &Cuts, mut tally: Tally) -> Result<()> {
        self.round += 1;
        let ends = tally.group((cuts.count + 1) * cuts.lanes);
        if self.valid.is_none() {
            self.rank(cuts, &tally);
        }
        let mut all = Vec::with_capacity(self.lanes);
        for lane in 0..self.lanes {
            all.push(self.learn_lane(cuts, &mut tally, &ends, lane)?);
        }
        self.next = if self.is_done() { None } else { Some(self.cuts(all)) };
        Ok(())
    }

    /// Counts what is not NaN and places the ranks.
    fn rank(&mut self, cuts: &Cuts, tally: &Tally) {
        let (low, high) = (self.lowest(), self.top());
        // The last cut of the first question is the highest number, if there is a key above it.
        let of_lane = |lane| if high < self.highest() { tally.at_most[(cuts.count - 1) * cuts.lanes + lane] } else { self.line };
        let valid: Vec<u64> = (0..self.lanes).map(of_lane).collect();
        for &count in &valid {
            for &q in &self.wanted.quantiles {
                let unknown = count == 0 || (!self.wanted.skip_nan && count < self.line);
                let Mix { ranks, .. } = mix(self.wanted.method, count.max(1), q);
                for rank in ranks {
                    // Where the answer is NaN there is nothing to find.
                    let high = if unknown { low } else { high };
                    self.targets.push(Target { rank, low, high });
                }
            }
        }
        self.valid = Some(valid);
    }

    fn learn_lane(&mut self, cuts: &Cuts, tally: &mut Tally, ends: &[usize], lane: usize) -> Result<Vec<Bracket>> {
        let per_lane = 2 * self.wanted.quantiles.len();
        let (lowest, highest, top, round) = (self.lowest(), self.highest(), self.top(), self.round);
        let valid = self.valid.as_ref().map_or(0, |valid| valid[lane]);
        let mut brackets: Vec<Bracket> = Vec::new();
        let mut last: Option<(i64, i64, u64)> = None;
        for target in self.targets[lane * per_lane..][..per_lane].iter_mut().filter(|target| !target.is_found()) {
            let at_most = |cut: usize| tally.at_most[cut * cuts.lanes + lane];
            let cell = (0..cuts.count).find(|&cut| at_most(cut) > target.rank).unwrap_or(cuts.count);
            let (low, high) = cuts.cell(cell, lane, highest).ok_or_else(changed)?;
            let below = if cell == 0 { 0 } else { at_most(cell - 1) };
            let inside = if cell == cuts.count { valid } else { at_most(cell) }.saturating_sub(below);
            let (low, high) = (low.max(lowest).max(target.low), high.min(top).min(target.high));
            if low > high || target.rank < below || target.rank - below >= inside {
                return Err(changed());
            }
            (target.low, target.high) = (low, high);
            if target.is_found() {
                continue;
            }
            let slot = cell * cuts.lanes + lane;
            let first = if slot == 0 { 0 } else { ends[slot - 1] };
            let kept = &mut tally.kept[first..ends[slot]];
            let place = target.rank - below;
            if cuts.keeps[slot] && kept.len() as u64 == inside {
                let (_, &mut key, _) = kept.select_nth_unstable(usize::try_from(place).unwrap_or(usize::MAX));
                (target.low, target.high) = (key, key);
                continue;
            }
            // The next rank's bracket is this one's, most of the time.
            if last.is_some_and(|(there, end, rank)| (there, end) == (low, high) && target.rank.abs_diff(rank) <= 1) {
                continue;
            }
            last = Some((low, high, target.rank));
            let whole = Bracket { low, middle: None, high, about: inside as f64 };
            if round > ROUNDS_BY_SAMPLE {
                brackets.extend(split(&whole));
            } else {
                kept.sort_unstable();
                let place = (place as f64 + 0.5) / inside as f64 * kept.len() as f64;
                brackets.push(narrowed(whole, kept, place));
            }
        }
        Ok(brackets)
    }

    /// The cuts that answer for these brackets, one list per lane.
    fn cuts(&self, brackets: Vec<Vec<Bracket>>) -> Cuts {
        let (lowest, highest, top) = (self.lowest(), self.highest(), self.top());
        let counts_nan = top < highest && self.valid.is_none();
        let of_lane = |brackets: &Vec<Bracket>| {
            let mut keys = if counts_nan { vec![top] } else { Vec::new() };
            for bracket in brackets {
                let middle = bracket.middle.iter().flat_map(|&middle| [middle.saturating_sub(1), middle]);
                keys.extend(middle.chain([bracket.low.saturating_sub(1), bracket.high]).filter(|key| (lowest..highest).contains(key)));
            }
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        let lists: Vec<Vec<i64>> = brackets.iter().map(of_lane).collect();
        let (lanes, count) = (self.lanes, lists.iter().map(Vec::len).max().unwrap_or(0));
        let mut keys = vec![top; count * lanes];
        for (lane, list) in lists.iter().enumerate() {
            for cut in 0..count {
                keys[cut * lanes + lane] = list.get(cut).or(list.last()).copied().unwrap_or(top);
            }
        }
        let mut cuts = Cuts { lanes, count, keys, keeps: vec![false; (count + 1) * lanes], shift: 0, room: self.room };
        for (lane, brackets) in brackets.iter().enumerate() {
            for cell in 0..=count {
                let Some((low, high)) = cuts.cell(cell, lane, highest) else { continue };
                let low = low.max(lowest);
                cuts.keeps[cell * lanes + lane] = low < high && brackets.iter().any(|bracket| bracket.low <= low && high <= bracket.high);
            }
        }
        let about: f64 = brackets.iter().flatten().map(|bracket| bracket.about).sum();
        while about * 1.3 > self.room as f64 * (1u64 << cuts.shift) as f64 && cuts.shift < 40 {
            cuts.shift += 1;
        }
        cuts
    }

    /// The quantiles as native bytes of `to`: `[quantile][lane]`.
    pub fn results(&self, to: DType) -> Vec<u8> {
        let (size, quantiles) = (to.size(), self.wanted.quantiles.len());
        let mut out = vec![0; size * quantiles * self.lanes];
        for (index, bytes) in out.chunks_exact_mut(size).enumerate() {
            let (quantile, lane) = (index / self.lanes, index % self.lanes);
            let valid = self.valid.as_ref().map_or(0, |valid| valid[lane]);
            if valid == 0 || (!self.wanted.skip_nan && valid < self.line) {
                write_nan(to, bytes);
                continue;
            }
            let at = (lane * quantiles + quantile) * 2;
            let keys = [self.targets[at].low, self.targets[at + 1].low];
            let share = mix(self.wanted.method, valid, self.wanted.quantiles[quantile]).share;
            write_mix(self.dtype, to, keys, share, bytes);
        }
        out
    }
}

/// The bracket within `whole` around place `place` of a sorted sample of it.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places in a sample")]
fn narrowed(whole: Bracket, sample: &[i64], place: f64) -> Bracket {
    let count = sample.len() as f64;
    if sample.len() < 16 {
        return whole;
    }
    let share = (place / count).clamp(0.0, 1.0);
    let reach = DEVIATIONS * (count * share * (1.0 - share)).sqrt() + 3.0;
    let (first, last) = ((place - reach).floor(), (place + reach).ceil());
    let low = if first < 0.0 { whole.low } else { sample[first as usize].max(whole.low) };
    let high = if last >= count { whole.high } else { sample[last as usize].min(whole.high) };
    let middle = sample[(place.max(0.0) as usize).min(sample.len() - 1)];
    let same = sample.partition_point(|&key| key <= middle) - sample.partition_point(|&key| key < middle);
    let inside = last.min(count) - first.max(0.0) - same as f64;
    Bracket { low, middle: Some(middle), high, about: whole.about * inside.max(1.0) / count }
}

/// Pieces of a bracket, equal in keys.
fn split(whole: &Bracket) -> Vec<Bracket> {
    let (low, keys) = (i128::from(whole.low), i128::from(whole.high) - i128::from(whole.low) + 1);
    let pieces = keys.min(PIECES);
    let at = |piece: i128| (low + keys * piece / pieces) as i64;
    let piece = |index: i128| Bracket {
        low: at(index),
        middle: None,
        high: if index + 1 == pieces { whole.high } else { at(index + 1) - 1 },
        about: whole.about / pieces as f64,
    };
    (0..pieces).map(piece).collect()
}

fn changed() -> Error {
    Error::changed("an array was another when its elements were counted than when they were picked")
        .hint("a source changed in between, or a block function does not always return the same")
}
