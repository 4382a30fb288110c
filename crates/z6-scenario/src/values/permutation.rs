//! An order of the numbers below N, each number looked up by itself.
//!
//! A Feistel network over Z_a x Z_b with a = ceil(sqrt N) and b = ceil(N / a), whose halves are added to in
//! turn (after Black and Rogaway, Ciphers with Arbitrary Finite Domains, 2002), and cycle walking for the
//! few places past N.

use crate::random::{Generator, mix};

/// Rounds. With 6 or 8, which row follows a given row is visibly skewed for small N; with 12 it cannot be
/// told from a shuffle (`permutation_follows_each_row_with_each_other_row`).
pub(super) const ROUNDS: usize = 12;

/// One permutation of the numbers below N.
#[derive(Debug, Clone)]
pub struct Permutation {
    count: u64,
    columns: u64,
    rows: u64,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// A permutation of the numbers below `count`, which the generator's next twelve numbers decide.
    #[must_use]
    pub fn new(count: u64, generator: &mut Generator) -> Permutation {
        let columns = ceil_sqrt(count).max(1);
        let rows = count.div_ceil(columns).max(1);
        Permutation { count, columns, rows, keys: std::array::from_fn(|_| generator.next_u64()) }
    }

    /// Where `place` goes: below the count, as `place` must be.
    ///
    /// # Panics
    /// If `place` is not below the count.
    #[must_use]
    pub fn at(&self, place: u64) -> u64 {
        assert!(place < self.count, "place {place} of {}", self.count);
        let mut at = self.once(place);
        // A cycle that begins below N comes back below N, at the latest where it began.
        while at >= self.count {
            at = self.once(at);
        }
        at
    }

    fn once(&self, place: u64) -> u64 {
        let (mut column, mut row) = (place / self.rows, place % self.rows);
        for (round, key) in self.keys.iter().enumerate() {
            if round % 2 == 0 {
                column = add(column, below(mix(row ^ key), self.columns), self.columns);
            } else {
                row = add(row, below(mix(column ^ key), self.rows), self.rows);
            }
        }
        column * self.rows + row
    }
}

/// The high half of the product: `word` scaled to the numbers below `bound`. Where the bound is no power of
/// two some numbers are likelier, by less than bound / 2^64.
fn below(word: u64, bound: u64) -> u64 {
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

fn add(a: u64, b: u64, modulus: u64) -> u64 {
    let sum = a + b;
    if sum >= modulus { sum - modulus } else { sum }
}

fn ceil_sqrt(count: u64) -> u64 {
    let floor = count.isqrt();
    if floor * floor == count { floor } else { floor + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, Label};

    fn permutation(count: u64, pass: u64) -> Permutation {
        Permutation::new(count, &mut Domain::new(7, Label::SHUFFLE).generator(1, pass))
    }

    #[test]
    fn each_number_below_2000_is_a_bijection() {
        for count in 1..=2_000 {
            let permutation = permutation(count, 0);
            let mut seen = vec![false; count as usize];
            for place in 0..count {
                let at = permutation.at(place) as usize;
                assert!(!std::mem::replace(&mut seen[at], true), "{count}: {at} twice");
            }
        }
    }

    #[test]
    fn large_counts_come_back_from_both_ends() {
        for count in [u64::from(u32::MAX), 1 << 40, (1 << 40) + 1, u64::MAX >> 2] {
            let permutation = permutation(count, 3);
            assert!(permutation.at(0) < count && permutation.at(count - 1) < count);
            assert_ne!(permutation.at(0), permutation.at(1));
        }
    }

    /// Chi-square of equally likely cells, as a multiple of its standard deviation.
    fn excess(cells: &[u64]) -> f64 {
        let total: u64 = cells.iter().sum();
        let expected = total as f64 / cells.len() as f64;
        let square = |cell: &u64| (*cell as f64 - expected) * (*cell as f64 - expected) / expected;
        let sum: f64 = cells.iter().map(square).sum();
        let freedom = (cells.len() - 1) as f64;
        (sum - freedom) / (2.0 * freedom).sqrt()
    }

    #[test]
    fn each_row_comes_to_each_place_equally_often() {
        for count in [2u64, 3, 5, 7, 10, 16] {
            let mut cells = vec![0; (count * count) as usize];
            for pass in 0..100_000 / count {
                let permutation = permutation(count, pass);
                for place in 0..count {
                    cells[(place * count + permutation.at(place)) as usize] += 1;
                }
            }
            assert!(excess(&cells) < 4.0, "{count}: {}", excess(&cells));
        }
    }

    #[test]
    fn permutation_follows_each_row_with_each_other_row() {
        for count in [5u64, 7, 10, 16] {
            let mut cells = vec![0; (count * (count - 1)) as usize];
            for pass in 0..100_000 / count {
                let permutation = permutation(count, pass);
                for place in 1..count {
                    let (before, after) = (permutation.at(place - 1), permutation.at(place));
                    let distance = (after + count - before) % count;
                    cells[(before * (count - 1) + distance - 1) as usize] += 1;
                }
            }
            assert!(excess(&cells) < 4.0, "{count}: {}", excess(&cells));
        }
    }

    /// Over so many seeds, not passes of one: what two runs see.
    #[test]
    #[ignore = "100,000 seeds of each count: cargo xtask shuffles"]
    fn shuffles_of_100_000_seeds_are_uniform() {
        for count in (2u64..=12).chain([16, 17, 20, 31]) {
            let rows = count as usize;
            let mut places = vec![0; rows * rows];
            let mut follows = vec![0; rows * (rows - 1)];
            // Of few rows also whole orders, numbered by the places of their rows.
            let mut orders = vec![0; if rows <= 6 { rows.pow(rows as u32) } else { 0 }];
            for seed in 0..100_000 {
                let mut generator = Domain::new(seed, Label::SHUFFLE).generator(1, 0);
                let permutation = Permutation::new(count, &mut generator);
                let order: Vec<usize> = (0..count).map(|at| permutation.at(at) as usize).collect();
                for (place, row) in order.iter().enumerate() {
                    places[place * rows + row] += 1;
                }
                for pair in order.windows(2) {
                    let distance = (pair[1] + rows - pair[0]) % rows;
                    follows[pair[0] * (rows - 1) + distance - 1] += 1;
                }
                if !orders.is_empty() {
                    orders[order.iter().fold(0, |number, row| number * rows + row)] += 1;
                }
            }
            orders.retain(|seen| *seen > 0);
            let all = (1..=rows).product::<usize>();
            assert!(orders.is_empty() || orders.len() == all, "{count}: {} orders", orders.len());
            for cells in [&places, &follows, &orders].into_iter().filter(|cells| cells.len() > 1) {
                assert!(excess(cells) < 4.0, "{count}: {} of {}", excess(cells), cells.len());
            }
        }
    }

    #[test]
    fn the_order_is_frozen() {
        let order = |count, pass| -> Vec<u64> {
            let permutation = permutation(count, pass);
            (0..count.min(10)).map(|place| permutation.at(place)).collect()
        };
        assert_eq!(order(10, 0), GOLDEN_10);
        assert_eq!(order(1_000_003, 5), GOLDEN_MILLION);
    }

    const GOLDEN_10: [u64; 10] = [0, 9, 7, 6, 3, 5, 4, 8, 1, 2];
    const GOLDEN_MILLION: [u64; 10] =
        [566470, 116904, 379269, 441499, 486341, 983998, 807821, 226401, 261820, 281090];
}
