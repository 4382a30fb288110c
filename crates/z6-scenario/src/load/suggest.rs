//! Suggestions for unknown names. Knows words, not rules.

/// Of `candidates`, the one nearest to `name`, if any is near enough to be a slip of the pen.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(name);
    if wanted.is_empty() || wanted.len() > 64 {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let known = plain(candidate);
        if known.len() > 64 {
            continue;
        }
        let distance = score(&wanted, &known);
        let allowed = (wanted.len().min(known.len()) / 3).clamp(1, 3);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The distance, and 1 if one word begins the other (`duration` for `duration_seconds`).
fn score(wanted: &[char], known: &[char]) -> usize {
    let begins = wanted.len() >= 3 && known.starts_with(wanted);
    let distance = distance(wanted, known);
    if begins { distance.min(1) } else { distance }
}

/// Lower case, without the marks people leave out or swap.
pub(crate) fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Insertions, removals, replacements and swaps of neighbours (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let width = right.len() + 1;
    let mut rows = vec![vec![0_usize; width]; left.len() + 1];
    for (row, cells) in rows.iter_mut().enumerate() {
        cells[0] = row;
    }
    for (column, cell) in rows[0].iter_mut().enumerate() {
        *cell = column;
    }
    for i in 1..=left.len() {
        for j in 1..width {
            let same = left[i - 1] == right[j - 1];
            let mut least = rows[i - 1][j - 1] + usize::from(!same);
            least = least.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            let swapped =
                i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            if swapped {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[left.len()][right.len()]
}

/// `a`, `a or b`, `a, b or c`.
pub(crate) fn listed(words: &[String], last: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., tail] => format!("{} {last} {tail}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let keys = ["think_time", "timeout_ms", "duration_seconds", "vus", "weight"];
        for (name, expected) in [
            ("thinktime", Some("think_time")),
            ("think-time", Some("think_time")),
            ("timeuot_ms", Some("timeout_ms")),
            ("timeout", Some("timeout_ms")),
            ("duration", Some("duration_seconds")),
            ("wieght", Some("weight")),
            ("vu", Some("vus")),
            ("VUS", Some("vus")),
            ("color", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, keys), expected, "{name}");
        }
    }

    #[test]
    fn lists_read_as_sentences() {
        let words =
            |n: usize| ["a", "b", "c"][..n].iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(listed(&words(1), "or"), "a");
        assert_eq!(listed(&words(2), "or"), "a or b");
        assert_eq!(listed(&words(3), "and"), "a, b and c");
    }
}
