//! Suggestions for unknown words. Knows words, not filters.

/// Of `candidates`, the first of those nearest to `word`, if it is near enough to be a slip.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word = plain(word);
    if word.is_empty() || word.len() > WORD_CHARS_MAX {
        return None;
    }
    let scored = candidates.into_iter().filter_map(|candidate| {
        let known = plain(candidate);
        let allowed = (word.len().min(known.len()) / 3).clamp(1, 3);
        let begins = word.len() >= 3 && known.starts_with(&word);
        let far = if known.len() > WORD_CHARS_MAX { usize::MAX } else { distance(&word, &known) };
        let score = if begins { far.min(1) } else { far };
        (score <= allowed).then_some((score, candidate))
    });
    scored.min_by_key(|(score, _)| *score).map(|(_, candidate)| candidate)
}

/// Longer words are not compared.
const WORD_CHARS_MAX: usize = 64;

fn plain(word: &str) -> Vec<char> {
    word.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Insertions, removals and replacements (Levenshtein), one row of the table at a time.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["status", "step", "response_ms", "succeeded"];
        assert_eq!(nearest("stats", known), Some("status"));
        assert_eq!(nearest("responseMs", known), Some("response_ms"));
        assert_eq!(nearest("resp", known), Some("response_ms"));
        assert_eq!(nearest("succeded", known), Some("succeeded"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }
}
