//! Latencies in eight buckets an octave: which bucket a value is in, and counts by bucket kept in few bytes.
//! Knows nothing of requests or columns.
//!
//! Bucket 0 has all values below 1,024 ns. Bucket 1 + 8 e + s has those in
//! `[2^(10 + e) (8 + s) / 8, 2^(10 + e) (9 + s) / 8)`, with e from 0 to 30 and s from 0 to 7. The last one has
//! all values of 2^41 ns (36 min 39 s) and more. So a value is known to one part in eight or better.

/// How many buckets there are.
pub const BUCKETS: usize = 250;
/// The smallest value of bucket 1: 2^10 ns.
const LOWEST_EXPONENT: u32 = 10;
/// The bucket of all values beyond the last octave.
const LAST: usize = BUCKETS - 1;
/// The smallest value of the last bucket, nanoseconds.
const BEYOND_NS: u64 = 1 << 41;

// 31 octaves of 8 buckets, one below and one above.
const _: () = assert!(LAST == 1 + 8 * (41 - LOWEST_EXPONENT as usize));

/// The bucket of a value.
#[inline]
#[must_use]
pub const fn bucket(value_ns: u64) -> usize {
    if value_ns < 1 << LOWEST_EXPONENT {
        return 0;
    }
    if value_ns >= BEYOND_NS {
        return LAST;
    }
    let exponent = value_ns.ilog2();
    // The bit of the octave is 8 of the four bits kept.
    let octaves = (exponent - LOWEST_EXPONENT) as usize * 8;
    octaves + (value_ns >> (exponent - 3)) as usize - 7
}

/// The smallest value of a bucket, nanoseconds; of the last one for a number that is none.
#[must_use]
pub const fn lowest_ns(bucket: usize) -> u64 {
    if bucket == 0 {
        return 0;
    }
    if bucket >= LAST {
        return BEYOND_NS;
    }
    let (octave, eighth) = ((bucket - 1) / 8, (bucket - 1) % 8);
    (8 + eighth as u64) << (LOWEST_EXPONENT as usize - 3 + octave)
}

/// The largest value of a bucket, nanoseconds.
#[must_use]
pub const fn highest_ns(bucket: usize) -> u64 {
    if bucket >= LAST { u64::MAX } else { lowest_ns(bucket + 1) - 1 }
}

/// Counts by bucket: a bit for each bucket in use, and the counts of these in groups of seven bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Packed {
    used: [u64; 4],
    counts: Vec<u8>,
}

impl Packed {
    /// Buckets in use in rising order, with their counts.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let mut used = self.used;
        let mut rest = self.counts.iter();
        std::iter::from_fn(move || {
            let word = used.iter().position(|word| *word != 0)?;
            let bucket = word * 64 + used[word].trailing_zeros() as usize;
            used[word] &= used[word] - 1;
            let mut count = 0;
            let mut shift = 0;
            for byte in rest.by_ref() {
                count |= u64::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            Some((bucket, count))
        })
    }

    /// Adds counts by bucket.
    pub(super) fn add(&mut self, counts: &[u64]) {
        let mut sum = [0; BUCKETS];
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum = *count;
        }
        for (bucket, count) in self.iter() {
            sum[bucket] += count;
        }
        self.replace(&sum);
    }

    /// Adds the counts of another one.
    pub(super) fn merge(&mut self, other: &Packed) {
        if other.counts.is_empty() {
            return;
        }
        let mut counts = [0; BUCKETS];
        for (bucket, count) in other.iter() {
            counts[bucket] = count;
        }
        self.add(&counts);
    }

    fn replace(&mut self, counts: &[u64; BUCKETS]) {
        // Room for ten groups of seven bits for each bucket: made here first, so that the heap has no more than
        // it takes.
        let mut packed = [0_u8; 10 * BUCKETS];
        let mut length = 0;
        self.used = [0; 4];
        for (bucket, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.used[bucket / 64] |= 1 << (bucket % 64);
            let mut rest = *count;
            while rest >= 0x80 {
                packed[length] = (rest & 0x7f) as u8 | 0x80;
                rest >>= 7;
                length += 1;
            }
            packed[length] = rest as u8;
            length += 1;
        }
        self.counts.clear();
        self.counts.reserve_exact(length);
        self.counts.extend_from_slice(&packed[..length]);
    }

    /// Bytes on the heap.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        self.counts.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_no_gaps_and_are_an_eighth_of_an_octave() {
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), LAST);
        for number in 0..BUCKETS {
            let (lowest, highest) = (lowest_ns(number), highest_ns(number));
            assert_eq!((bucket(lowest), bucket(highest)), (number, number));
            if number > 0 {
                assert_eq!(highest_ns(number - 1) + 1, lowest);
                assert!(number == LAST || (highest - lowest) * 8 < lowest, "bucket {number}");
            }
        }
    }

    #[test]
    fn packed_counts_are_the_counts() {
        let mut expected = [0; BUCKETS];
        let mut packed = Packed::default();
        for round in 0..5_u64 {
            let mut counts = [0; BUCKETS];
            for (bucket, count) in counts.iter_mut().enumerate() {
                let bucket = bucket as u64;
                *count = if (bucket + round).is_multiple_of(3) { 0 } else { bucket << (9 * round) };
            }
            packed.add(&counts);
            let mut other = Packed::default();
            other.add(&counts);
            packed.merge(&other);
            for (sum, count) in expected.iter_mut().zip(counts) {
                *sum += 2 * count;
            }
        }
        let found: Vec<_> = packed.iter().collect();
        let expected = expected.into_iter().enumerate().filter(|(_, count)| *count > 0);
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
