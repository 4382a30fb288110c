//! Connections with room, by how many exchanges each carries. Knows the heads of the lists only;
//! the links are in the connections.

use z6_events::ConnectionSlot;

/// One list per number of open exchanges, from 0 to one less than the limit, and which of them are
/// not empty.
#[derive(Debug, Clone)]
pub(super) struct LoadLists {
    heads: Box<[Option<ConnectionSlot>]>,
    /// Bit `load` is set if the list of that load has a head.
    used: Box<[u64]>,
    /// Bit `i` is set if `used[i]` is not 0.
    summary: Box<[u64]>,
}

impl LoadLists {
    /// Empty lists for connections that carry up to `limit` exchanges, at least 1.
    pub(super) fn new(limit: u32) -> LoadLists {
        let loads = limit.max(1) as usize;
        let words = loads.div_ceil(64);
        LoadLists {
            heads: vec![None; loads].into(),
            used: vec![0; words].into(),
            summary: vec![0; words.div_ceil(64)].into(),
        }
    }

    /// The head of the list of connections with this many open exchanges.
    pub(super) fn head(&self, load: u32) -> Option<ConnectionSlot> {
        self.heads[load as usize]
    }

    /// Replaces the head of a list; returns the one before.
    pub(super) fn set_head(
        &mut self,
        load: u32,
        head: Option<ConnectionSlot>,
    ) -> Option<ConnectionSlot> {
        let (word, bit) = (load as usize / 64, 1u64 << (load % 64));
        if head.is_some() {
            self.used[word] |= bit;
            self.summary[word / 64] |= 1 << (word % 64);
        } else {
            self.used[word] &= !bit;
            if self.used[word] == 0 {
                self.summary[word / 64] &= !(1 << (word % 64));
            }
        }
        std::mem::replace(&mut self.heads[load as usize], head)
    }

    /// The lowest load that a connection with room has.
    pub(super) fn emptiest(&self) -> Option<u32> {
        let block = self.summary.iter().position(|word| *word != 0)?;
        let word = block * 64 + self.summary[block].trailing_zeros() as usize;
        Some(word as u32 * 64 + self.used[word].trailing_zeros())
    }

    /// The highest load that a connection with room has.
    pub(super) fn fullest(&self) -> Option<u32> {
        let block = self.summary.iter().rposition(|word| *word != 0)?;
        let word = block * 64 + self.summary[block].ilog2() as usize;
        Some(word as u32 * 64 + self.used[word].ilog2())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a sorted map of heads.
        #[test]
        fn agrees_with_a_sorted_map(
            limit in prop_oneof![1u32..=3, 60u32..=70, 4_090u32..=4_100, Just(10_000)],
            changes in prop::collection::vec((any::<u32>(), any::<bool>()), 1..60),
        ) {
            let mut lists = LoadLists::new(limit);
            let mut model = BTreeMap::new();
            for (i, (load, is_set)) in changes.into_iter().enumerate() {
                let load = load % limit;
                let head = is_set.then_some(ConnectionSlot(i as u32));
                let before = match head {
                    Some(head) => model.insert(load, head),
                    None => model.remove(&load),
                };
                prop_assert_eq!(lists.set_head(load, head), before);
                prop_assert_eq!(lists.head(load), head);
                prop_assert_eq!(lists.emptiest(), model.keys().next().copied());
                prop_assert_eq!(lists.fullest(), model.keys().next_back().copied());
            }
        }
    }
}
