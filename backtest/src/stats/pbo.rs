//! Probability of backtest overfitting by combinatorially symmetric cross-validation (CSCV).
//!
//! Bailey, Borwein, López de Prado and Zhu (2015), *The Probability of Backtest Overfitting*. The periods are cut into S blocks; for each
//! choice of half of them the best configuration inside is ranked outside. How often the best inside lands in the lower half outside is
//! the probability that choosing the best chooses luck. It is symmetric in time, and can look high among many similar good
//! configurations.

use super::sums::Sums;
use crate::limits::PBO_BLOCKS_MAX;

/// What CSCV found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overfitting {
    /// Share of splits in which the best inside is no better than the median outside (logit ≤ 0).
    pub pbo: f64,
    /// Share of splits in which it loses outside (Sharpe ratio < 0).
    pub p_loss: f64,
    /// Slope of its ratio outside on that inside: negative when what looks better does worse.
    pub slope: f64,
    /// Splits: C(S, S/2).
    pub splits: u64,
}

/// One column per configuration, over the same periods; `blocks` is even, from 2 to [`PBO_BLOCKS_MAX`] (the paper takes 16).
///
/// The first T mod S periods are dropped. A configuration without a Sharpe ratio on a part (all its returns equal) counts there as 0: it made
/// nothing of it. `None` with fewer than two columns, unequal columns, or fewer than two periods in a half.
#[must_use]
pub fn pbo(columns: &[&[f64]], blocks: usize) -> Option<Overfitting> {
    let periods = columns.first()?.len();
    let unfit = columns.len() < 2
        || columns.iter().any(|column| column.len() != periods)
        || blocks < 2
        || blocks % 2 == 1
        || blocks > PBO_BLOCKS_MAX
        || periods / blocks * (blocks / 2) < 2;
    if unfit {
        return None;
    }
    let size = periods / blocks;
    let cut: Vec<Cut> = columns
        .iter()
        .map(|column| Cut::of(column, size, blocks))
        .collect();
    let mut found = Tally::default();
    for chosen in 0_u32..1 << blocks {
        if chosen.count_ones() as usize == blocks / 2 {
            let ratios = |mask: u32| -> Vec<f64> { cut.iter().map(|c| c.sharpe(mask, size)).collect() };
            found.split(&ratios(chosen), &ratios(!chosen & ((1 << blocks) - 1)));
        }
    }
    Some(found.finish())
}

/// A column as sums per block, from which the ratio of any union of blocks follows.
struct Cut {
    mean: f64,
    blocks: Vec<Sums>,
}

impl Cut {
    fn of(column: &[f64], size: usize, blocks: usize) -> Self {
        let used = &column[column.len() - size * blocks..];
        let mean = used.iter().sum::<f64>() / used.len() as f64;
        let blocks = used
            .chunks_exact(size)
            .map(|block| {
                let mut sums = Sums::default();
                block.iter().for_each(|value| sums.add(value - mean));
                sums
            })
            .collect();
        Self { mean, blocks }
    }

    fn sharpe(&self, mask: u32, size: usize) -> f64 {
        let mut sums = Sums::default();
        for (at, block) in self.blocks.iter().enumerate() {
            if mask >> at & 1 == 1 {
                sums.join(block);
            }
        }
        let ratio = sums.sharpe(size * mask.count_ones() as usize, self.mean);
        if ratio.is_nan() { 0.0 } else { ratio }
    }
}

#[derive(Default)]
struct Tally {
    splits: u64,
    low: u64,
    loss: u64,
    /// Ratio of the chosen one inside and outside, one pair per split.
    pairs: Vec<(f64, f64)>,
}

impl Tally {
    fn split(&mut self, inside: &[f64], outside: &[f64]) {
        let best = first_maximum(inside);
        // ω̄ = rank/(N + 1) ≤ ½ is the same as logit ≤ 0.
        let share = rank(outside, best) / (outside.len() as f64 + 1.0);
        self.splits += 1;
        self.low += u64::from(share <= 0.5);
        self.loss += u64::from(outside[best] < 0.0);
        self.pairs.push((inside[best], outside[best]));
    }

    fn finish(&self) -> Overfitting {
        let n = self.splits as f64;
        let (x, y) = self
            .pairs
            .iter()
            .fold((0.0, 0.0), |(x, y), (a, b)| (x + a / n, y + b / n));
        let (xy, xx) = self.pairs.iter().fold((0.0, 0.0), |(xy, xx), (a, b)| {
            (xy + (a - x) * (b - y), xx + (a - x) * (a - x))
        });
        Overfitting {
            pbo: self.low as f64 / n,
            p_loss: self.loss as f64 / n,
            slope: if xx > 0.0 { xy / xx } else { 0.0 },
            splits: self.splits,
        }
    }
}

fn first_maximum(values: &[f64]) -> usize {
    let mut best = 0;
    for (at, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = at;
        }
    }
    best
}

/// Rank from 1, the average rank for ties.
fn rank(values: &[f64], of: usize) -> f64 {
    let below = values.iter().filter(|value| **value < values[of]).count();
    let ties = values.iter().filter(|value| **value == values[of]).count();
    below as f64 + (ties as f64 + 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use super::super::moments::Moments;
    use super::*;
    use crate::samples::normals;

    fn run(columns: &[Vec<f64>], blocks: usize) -> Overfitting {
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        pbo(&columns, blocks).unwrap()
    }

    #[test]
    fn as_the_definition_written_out() {
        let columns: Vec<Vec<f64>> = (0..5).map(|seed| normals(seed, 62)).collect();
        let (blocks, size) = (6, 10);
        let (mut low, mut splits) = (0, 0);
        for mask in 0_u32..64 {
            if mask.count_ones() != 3 {
                continue;
            }
            let part = |column: &Vec<f64>, wanted: u32| -> f64 {
                let used = &column[2..];
                let rows: Vec<f64> = (0..blocks)
                    .filter(|b| mask >> b & 1 == wanted)
                    .flat_map(|b| used[b * size..(b + 1) * size].to_vec())
                    .collect();
                Moments::of(&rows).unwrap().sharpe()
            };
            let inside: Vec<f64> = columns.iter().map(|c| part(c, 1)).collect();
            let outside: Vec<f64> = columns.iter().map(|c| part(c, 0)).collect();
            let best = (0..5).max_by(|a, b| inside[*a].total_cmp(&inside[*b])).unwrap();
            let place = 1 + outside.iter().filter(|r| **r < outside[best]).count();
            let omega = place as f64 / 6.0;
            low += u64::from(libm::log(omega / (1.0 - omega)) <= 0.0);
            splits += 1;
        }
        let found = run(&columns, blocks);
        assert_eq!((found.splits, splits), (20, 20));
        assert_eq!(found.pbo, low as f64 / 20.0);
    }

    #[test]
    fn skill_is_chosen_again_and_luck_is_not() {
        let mut columns: Vec<Vec<f64>> = (10..30).map(|seed| normals(seed, 480)).collect();
        columns[7].iter_mut().for_each(|r| *r += 0.4);
        let skill = run(&columns, 12);
        assert!(skill.pbo < 0.01 && skill.p_loss < 0.01, "{skill:?}");
        assert_eq!(skill.splits, 924);
        // Noise: over ten sets of configurations the probability scatters around a half or above (the halves sum to the same whole).
        let mean = (0..10)
            .map(|set| {
                let noise: Vec<Vec<f64>> = (0..12).map(|c| normals(1_000 + 100 * set + c, 480)).collect();
                run(&noise, 10).pbo
            })
            .sum::<f64>()
            / 10.0;
        assert!((0.35..0.75).contains(&mean), "{mean}");
    }

    #[test]
    fn what_cannot_be_cut_is_none() {
        let r = normals(1, 40);
        assert_eq!(pbo(&[&r], 4), None);
        assert_eq!(pbo(&[&r, &r[1..]], 4), None);
        assert_eq!(pbo(&[&r, &r], 5), None);
        assert_eq!(pbo(&[&r, &r], 22), None);
        assert_eq!(pbo(&[&r[..2], &r[..2]], 2), None);
        assert_eq!(pbo(&[], 4), None);
    }

    #[test]
    fn ties_take_the_first_and_share_the_rank() {
        assert_eq!(first_maximum(&[1.0, 2.0, 2.0]), 1);
        assert_eq!(rank(&[3.0, 1.0, 3.0], 0), 2.5);
    }
}
