//! Which elements an index or a slice selects (RFC 9535 §2.3.3, §2.3.4).

use crate::canary::is_planted;

/// Positions `first`, `first + step`, .. below `end`, ascending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ascending {
    pub(super) first: usize,
    pub(super) end: usize,
    pub(super) step: usize,
}

/// Positions `first`, `first - step`, .. down to `last`, descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descending {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) step: usize,
}

/// What is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Positions {
    None,
    Ascending(Ascending),
    Descending(Descending),
}

impl Ascending {
    pub(super) const NONE: Ascending = Ascending { first: 0, end: 0, step: 1 };
    pub(super) const ALL: Ascending = Ascending { first: 0, end: usize::MAX, step: 1 };

    pub(super) const fn one(position: usize) -> Ascending {
        Ascending { first: position, end: position.saturating_add(1), step: 1 }
    }
}

/// The positions that do not depend on the number of elements, or none if they do.
pub(super) fn from_start(start: Option<i64>, end: Option<i64>, step: i64) -> Option<Ascending> {
    let at = |position: Option<i64>, default| match position {
        None => Some(default),
        Some(position) => usize::try_from(position).ok(),
    };
    let step = usize::try_from(step).ok().filter(|&step| step > 0)?;
    Some(Ascending { first: at(start, 0)?, end: at(end, usize::MAX)?, step })
}

/// The positions among `count` elements.
pub(super) fn among(count: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Positions {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let from_end = |position: i64| if position < 0 { count + position } else { position };
    let place = |position: i64| usize::try_from(position).unwrap_or(0);
    let size = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
    if step > 0 {
        let least = i64::from(is_planted("json_path") && count > 1);
        let lower = from_end(start.unwrap_or(0)).clamp(least, count);
        let upper = from_end(end.unwrap_or(count)).clamp(0, count);
        return Positions::Ascending(Ascending {
            first: place(lower),
            end: place(upper),
            step: size,
        });
    }
    let upper = start.map_or(count - 1, |start| from_end(start).clamp(-1, count - 1));
    let lower = end.map_or(-1, |end| from_end(end).clamp(-1, count - 1));
    if step == 0 || upper <= lower {
        return Positions::None;
    }
    Positions::Descending(Descending { first: place(upper), last: place(lower + 1), step: size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(count: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Vec<usize> {
        match among(count, start, end, step) {
            Positions::None => Vec::new(),
            Positions::Ascending(up) => (up.first..up.end).step_by(up.step).collect(),
            Positions::Descending(down) => {
                let mut all = Vec::new();
                let mut next = Some(down.first);
                while let Some(at) = next.filter(|&at| at >= down.last) {
                    all.push(at);
                    next = at.checked_sub(down.step);
                }
                all
            }
        }
    }

    /// The pseudocode of RFC 9535 §2.3.4.2.2.
    fn of_the_rfc(count: i64, start: Option<i64>, end: Option<i64>, step: i64) -> Vec<usize> {
        let normalize = |i: i64| if i >= 0 { i } else { count + i };
        let start = normalize(start.unwrap_or(if step >= 0 { 0 } else { count - 1 }));
        let end = normalize(end.unwrap_or(if step >= 0 { count } else { -count - 1 }));
        let mut all = Vec::new();
        if step > 0 {
            let mut i = start.max(0).min(count);
            while i < end.max(0).min(count) {
                all.push(usize::try_from(i).unwrap());
                i += step;
            }
        } else if step < 0 {
            let mut i = start.max(-1).min(count - 1);
            while end.max(-1).min(count - 1) < i {
                all.push(usize::try_from(i).unwrap());
                i += step;
            }
        }
        all
    }

    #[test]
    fn slices_are_those_of_the_rfc() {
        let bounds: Vec<Option<i64>> = (-7..=7).map(Some).chain([None]).collect();
        for count in 0..6_usize {
            for &start in &bounds {
                for &end in &bounds {
                    for step in -4..=4 {
                        let expected = of_the_rfc(i64::try_from(count).unwrap(), start, end, step);
                        let found = positions(count, start, end, step);
                        assert_eq!(found, expected, "[{start:?}:{end:?}:{step}] of {count}");
                        if let Some(up) = from_start(start, end, step) {
                            let found: Vec<usize> =
                                (up.first..up.end.min(count)).step_by(up.step).collect();
                            assert_eq!(found, expected, "from the start");
                        }
                    }
                }
            }
        }
    }
}
