//! Finds the first of a list of numbers, from a place on, that is no larger than a bound. Knows no schedule.

use std::sync::Arc;

/// The list, as a tree of minima.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Lows {
    /// Node 1 is the root, node n has the children 2n and 2n + 1, the second half are the numbers. A power
    /// of two long; what there is no number for holds the largest one.
    tree: Arc<[u32]>,
}

impl Lows {
    /// O(numbers).
    pub(super) fn new(numbers: &[u32]) -> Lows {
        let width = numbers.len().next_power_of_two();
        let mut tree = vec![u32::MAX; 2 * width];
        tree[width..width + numbers.len()].copy_from_slice(numbers);
        for node in (1..width).rev() {
            tree[node] = tree[2 * node].min(tree[2 * node + 1]);
        }
        Lows { tree: tree.into() }
    }

    /// The first place, not before `from`, of a number that is at most `most`. `most` is less than the
    /// largest number there is.
    pub(super) fn first_at_most(&self, from: usize, most: u32) -> Option<usize> {
        self.search(from, most).0
    }

    /// Also how many nodes were looked at.
    fn search(&self, from: usize, most: u32) -> (Option<usize>, u32) {
        let width = self.tree.len() / 2;
        if from >= width {
            return (None, 0);
        }
        let (mut node, mut looked) = (width + from, 1);
        // Up, from one subtree to the next on its right.
        while self.tree[node] > most {
            looked += 1;
            node >>= node.trailing_ones();
            if node == 0 {
                return (None, looked);
            }
            node += 1;
        }
        while node < width {
            looked += 1;
            node = 2 * node + usize::from(self.tree[2 * node] > most);
        }
        (Some(node - width), looked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_a_search_from_left_to_right(
            numbers in prop::collection::vec(0_u32..20, 0..70),
            from in 0_usize..80,
            most in 0_u32..20,
        ) {
            let expected = (from..numbers.len()).find(|place| numbers[*place] <= most);
            prop_assert_eq!(Lows::new(&numbers).first_at_most(from, most), expected);
        }
    }

    #[test]
    fn a_search_takes_as_many_looks_as_the_tree_is_high_twice() {
        let flapping: Vec<u32> =
            (0..10_000).map(|i| if i == 9_998 { 0 } else { 5 + i % 2 }).collect();
        let lows = Lows::new(&flapping);
        for (from, most, found) in
            [(0, 4, Some(9_998)), (5_001, 4, Some(9_998)), (9_999, 4, None), (1, 5, Some(2))]
        {
            let (place, looked) = lows.search(from, most);
            assert_eq!(place, found);
            assert!(looked <= 2 * 14 + 1, "{looked} looks from {from}");
        }
    }
}
