//! Latencies of one second at two significant digits: 19 KiB at any time, and one can be added to another and
//! taken off again. Knows no requests.

/// Values below are told apart by this many nanoseconds.
const UNIT_BITS: u32 = 3;
/// Buckets of an octave: a value is known to one part in 128.
const OCTAVE_BITS: u32 = 7;
const OCTAVE: usize = 1 << OCTAVE_BITS;
/// Octaves above the first two rows of buckets, which are linear: up to 2^47 ns, 39 h.
const OCTAVES: usize = 37;
pub(super) const BUCKETS: usize = OCTAVE * (OCTAVES + 1);

// As much as the limits say, and each latency that other histograms hold.
const _: () = assert!(BUCKETS * size_of::<u32>() <= 20 << 10);
const _: () = assert!(highest_ns(BUCKETS - 1) >= crate::histogram::VALUE_NS_MAX);

/// Counts by latency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Coarse {
    counts: Box<[u32]>,
    total: u64,
}

impl Default for Coarse {
    fn default() -> Coarse {
        Coarse { counts: vec![0; BUCKETS].into_boxed_slice(), total: 0 }
    }
}

/// The bucket of a value; the last one takes all that is larger.
#[inline]
fn bucket(ns: u64) -> usize {
    let units = ns >> UNIT_BITS;
    if units < OCTAVE as u64 {
        return units as usize;
    }
    let above = units.ilog2() - OCTAVE_BITS;
    (OCTAVE * above as usize + (units >> above) as usize).min(BUCKETS - 1)
}

/// The highest value of a bucket.
const fn highest_ns(bucket: usize) -> u64 {
    if bucket < 2 * OCTAVE {
        return ((bucket as u64 + 1) << UNIT_BITS) - 1;
    }
    let above = bucket / OCTAVE - 1;
    let within = bucket - OCTAVE * above;
    ((within as u64 + 1) << (above as u32 + UNIT_BITS)) - 1
}

impl Coarse {
    /// Takes a value.
    #[inline]
    pub(super) fn record(&mut self, ns: u64) {
        let count = &mut self.counts[bucket(ns)];
        *count = count.saturating_add(1);
        self.total += 1;
    }

    /// Adds all of another.
    pub(super) fn add(&mut self, other: &Coarse) {
        self.total += other.total;
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// Takes off another that was added.
    pub(super) fn take_off(&mut self, other: &Coarse) {
        self.total = self.total.saturating_sub(other.total);
        for (count, less) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_sub(*less);
        }
    }

    /// The buckets that have values, rising, and how many each has.
    pub(super) fn filled(&self) -> impl Iterator<Item = (usize, u32)> {
        let all = self.counts.iter().copied().enumerate();
        all.filter(|(_, count)| *count > 0)
    }

    /// Adds so many values of a bucket. None if there is no such bucket.
    pub(super) fn add_to(&mut self, bucket: usize, count: u32) -> Option<()> {
        let at = self.counts.get_mut(bucket)?;
        *at = at.saturating_add(count);
        self.total += u64::from(count);
        Some(())
    }

    /// How many values there are.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }
}

/// The value of this rank, from 1, of two histograms together: the highest of its bucket. None if there are
/// fewer.
pub(super) fn at_rank(one: &Coarse, other: Option<&Coarse>, rank: u64) -> Option<u64> {
    let mut seen = 0;
    for bucket in 0..BUCKETS {
        seen += u64::from(one.counts[bucket]);
        seen += other.map_or(0, |other| u64::from(other.counts[bucket]));
        if seen >= rank {
            return Some(highest_ns(bucket));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_in_a_bucket_that_ends_at_most_one_part_in_128_above_it() {
        let mut before = 0;
        for shift in 0..46 {
            for step in 0..512u64 {
                let ns = (1 << shift) + (step << shift >> 9);
                let at = bucket(ns);
                let highest = highest_ns(at);
                assert!(at >= before && highest >= ns, "{ns}");
                assert!(highest - ns <= (ns >> OCTAVE_BITS).max(7), "{ns}: {highest}");
                assert_eq!(bucket(highest), at);
                assert_eq!(bucket(highest + 1), at + 1);
                before = at;
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn what_was_added_can_be_taken_off() {
        let (mut sum, mut one, mut other) =
            (Coarse::default(), Coarse::default(), Coarse::default());
        (1..=100).for_each(|n| one.record(n * 1_000_000));
        (1..=10).for_each(|n| other.record(n * 1_000_000_000));
        sum.add(&one);
        sum.add(&other);
        assert_eq!(sum.total(), 110);
        sum.take_off(&one);
        assert_eq!(sum.counts, other.counts);
        let near = |found: Option<u64>, ns: u64| found.is_some_and(|found| found - ns <= ns / 128);
        assert!(near(at_rank(&sum, None, 1), 1_000_000_000));
        assert!(near(at_rank(&sum, Some(&one), 99), 99_000_000));
        assert!(near(at_rank(&sum, Some(&one), 110), 10_000_000_000));
        assert_eq!(at_rank(&sum, Some(&one), 111), None);
    }
}
