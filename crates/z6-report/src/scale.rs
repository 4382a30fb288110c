//! Where a value lies on an axis, in whole numbers from 0 to a length, and the marks of an axis. No floating
//! point: the same everywhere. Knows nothing of SVG.

use z6_metrics::grid::GridFigures;
use z6_metrics::grid::buckets::{BUCKETS, bucket, highest_ns, lowest_ns};
use z6_metrics::report::units::duration;

/// A mark of an axis: where, and what is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) at: u64,
    pub(crate) text: String,
}

/// From 0 up, evenly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Linear {
    /// The value at the end of the axis, at least 1.
    pub(crate) top: u64,
    pub(crate) length: u64,
}

impl Linear {
    /// An axis for values up to `most`, ending at a round number.
    pub(crate) fn up_to(most: u64, length: u64) -> Linear {
        let step = step(most.max(1), 4);
        Linear { top: most.max(1).div_ceil(step).saturating_mul(step), length }
    }

    pub(crate) fn at(&self, value: u64) -> u64 {
        let at = u128::from(value.min(self.top)) * u128::from(self.length) / u128::from(self.top);
        u64::try_from(at).unwrap_or(self.length)
    }

    /// Four marks or so, at round numbers.
    pub(crate) fn marks(&self, text: impl Fn(u64) -> String) -> Vec<Mark> {
        let step = step(self.top, 4);
        (0..=self.top / step)
            .map(|number| number * step)
            .map(|value| Mark { at: self.at(value), text: text(value) })
            .collect()
    }
}

/// A round number (1, 2 or 5 times a power of ten) that goes at most `parts` times into `whole`, or a little
/// more often.
fn step(whole: u64, parts: u64) -> u64 {
    let mut power: u64 = 1;
    loop {
        for round in [1, 2, 5] {
            let step = power.saturating_mul(round);
            if whole / step <= parts {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

/// Latencies, an octave as high as any other: each bucket of the grid has the same height.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latencies {
    pub(crate) lowest: usize,
    pub(crate) highest: usize,
    pub(crate) length: u64,
}

impl Latencies {
    /// Whole octaves around these values; of none: from 1 ms to 1 s.
    pub(crate) fn around(values: impl Iterator<Item = u64>, length: u64) -> Latencies {
        let mut ends: Option<(u64, u64)> = None;
        for value in values {
            let (low, high) = ends.unwrap_or((value, value));
            ends = Some((low.min(value), high.max(value)));
        }
        let (low, high) = ends.unwrap_or((1_000_000, 1_000_000_000));
        let (low, high) = (bucket(low), bucket(high));
        let highest = (high + 2).max(low + 16).min(BUCKETS - 1);
        Latencies { lowest: low.saturating_sub(2).min(highest.saturating_sub(16)), highest, length }
    }

    /// Number of buckets it shows.
    pub(crate) const fn buckets(&self) -> usize {
        self.highest - self.lowest + 1
    }

    /// Where a latency lies; beyond an end of the axis at that end.
    pub(crate) fn at(&self, value_ns: u64) -> u64 {
        let found = bucket(value_ns);
        if found < self.lowest {
            return 0;
        }
        if found > self.highest {
            return self.length;
        }
        let (low, high) = (lowest_ns(found), highest_ns(found));
        let width = u128::from(high - low) + 1;
        let buckets = self.buckets() as u128;
        let whole = (found - self.lowest) as u128 * u128::from(self.length) / buckets;
        let part = u128::from(value_ns - low) * u128::from(self.length) / buckets / width;
        u64::try_from(whole + part).unwrap_or(self.length).min(self.length)
    }

    /// Marks at 1, and at 2 and 5 where there is room, times a power of ten.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        let (low, high) = (lowest_ns(self.lowest), highest_ns(self.highest.min(BUCKETS - 2)));
        let rounds: &[u64] = match self.buckets() {
            0..=60 => &[1, 2, 5],
            61..=120 => &[1, 3],
            _ => &[1],
        };
        let powers = (3..13_u32).map(|power| 10_u64.pow(power));
        powers
            .flat_map(|power| rounds.iter().map(move |round| round * power))
            .filter(|value| low <= *value && *value <= high)
            .map(|value| Mark { at: self.at(value), text: short(value) })
            .collect()
    }
}

/// A round duration without needless zeros: `5 ms`.
fn short(ns: u64) -> String {
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    let unit = units.iter().find(|(size, _)| ns >= *size && ns.is_multiple_of(*size));
    unit.map_or_else(|| duration(ns), |(size, name)| format!("{} {name}", ns / size))
}

/// The time of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Time {
    pub(crate) end_ns: u64,
    pub(crate) length: u64,
}

/// Steps of the marks, seconds.
const TIME_STEPS: [u64; 17] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200];

impl Time {
    /// Of these grids together: as long as the longest.
    pub(crate) fn of<'a>(grids: impl Iterator<Item = &'a GridFigures>, length: u64) -> Time {
        let end = grids.map(|grid| grid.columns.len() as u64 * grid.column_ns).max().unwrap_or(0);
        Time { end_ns: end.max(1), length }
    }

    pub(crate) fn at(&self, ns: u64) -> u64 {
        let at = u128::from(ns.min(self.end_ns)) * u128::from(self.length);
        u64::try_from(at / u128::from(self.end_ns)).unwrap_or(self.length)
    }

    /// Ten marks or fewer.
    pub(crate) fn marks(&self) -> Vec<Mark> {
        const NS: u64 = 1_000_000_000;
        if self.end_ns < 2 * NS {
            let step = step(self.end_ns, 5).max(1);
            let values = (0..=self.end_ns / step).map(|number| number * step);
            return values
                .map(|ns| Mark { at: self.at(ns), text: format!("{} ms", ns / 1_000_000) })
                .collect();
        }
        let fits = |step: &&u64| self.end_ns / NS / **step <= 10;
        let step = TIME_STEPS.iter().find(fits).copied().unwrap_or(86_400);
        (0..=self.end_ns / NS / step)
            .map(|number| number * step)
            .map(|seconds| Mark { at: self.at(seconds * NS), text: clock(seconds, step) })
            .collect()
    }
}

/// `45 s`, `2:30 min`, `1:30 h`, as the step asks.
fn clock(seconds: u64, step: u64) -> String {
    match (seconds, step) {
        (0, _) => "0".to_owned(),
        (_, 1..60) if seconds < 60 => format!("{seconds} s"),
        (_, 1..3_600) if seconds < 3_600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3_600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_ends_at_a_round_number_and_has_few_marks() {
        for (most, top) in [(0, 1), (1, 1), (7, 8), (99, 100), (5_123, 6_000), (12_345, 15_000)] {
            let axis = Linear::up_to(most, 2_400);
            assert_eq!(axis.top, top, "{most}");
            let marks = axis.marks(|value| value.to_string());
            assert!((2..=6).contains(&marks.len()), "{most}: {marks:?}");
            assert_eq!((marks[0].at, marks.last().unwrap().at), (0, 2_400));
        }
        assert_eq!(Linear::up_to(u64::MAX, 10).at(u64::MAX), 10);
    }

    #[test]
    fn latencies_never_go_down_along_their_axis() {
        let axis = Latencies::around([900, 40_000_000_000].into_iter(), 2_400);
        let mut before = 0;
        for exponent in 8..40 {
            for part in 0..64 {
                let at = axis.at((64 + part) << exponent >> 6);
                assert!(before <= at && at <= 2_400);
                before = at;
            }
        }
        let marks = axis.marks();
        assert_eq!(marks.first().unwrap().text, "1 µs");
        assert!(marks.len() < 12 && marks.iter().any(|mark| mark.text == "10 s"), "{marks:?}");
        assert_eq!(Latencies::around(std::iter::empty(), 10).marks().first().unwrap().text, "1 ms");
    }

    #[test]
    fn time_is_marked_in_its_own_unit() {
        let texts = |seconds: u64| {
            let time = Time { end_ns: seconds * 1_000_000_000, length: 9_240 };
            time.marks().into_iter().map(|mark| mark.text).collect::<Vec<_>>()
        };
        assert_eq!(texts(3), ["0", "1 s", "2 s", "3 s"]);
        assert_eq!(texts(90).last().unwrap(), "1:30 min");
        assert_eq!(texts(86_400)[1..3], ["4:00 h", "8:00 h"].map(str::to_owned)[..]);
        assert!(texts(86_400 * 2).len() <= 11);
    }
}
