//! What a log says of the wall clock at tick 0 of the run: in its header, or in its footer where that begins
//! once set-up has succeeded and the header is written. Names are those of the register.

/// What the names of these facts begin with in a footer, whose other ones are of the end.
const AT_START: &str = "start_";
/// The facts, by their names in a header.
const NAMES: [&str; 5] = [
    "clock_state",
    "clock_max_error_ns",
    "clock_offset_ns",
    "clock_offset_error_ns",
    "start_late_ns",
];

/// The name of a fact among the totals of a footer.
fn in_footer(name: &str) -> String {
    if name.starts_with(AT_START) { name.to_owned() } else { format!("{AT_START}{name}") }
}

/// What a header would say of the clock, as totals of the footer.
#[must_use]
pub fn start_clock_totals(facts: &[(String, u64)]) -> Vec<(String, u64)> {
    facts.iter().map(|(name, value)| (in_footer(name), *value)).collect()
}

/// Reads from the totals of a footer what a header would say of the clock; empty if they say nothing of it.
#[must_use]
pub fn start_clock(totals: &[(String, u64)]) -> Vec<(String, u64)> {
    let of = |name: &&str| {
        let known = in_footer(name);
        let fact = totals.iter().find(|(total, _)| *total == known);
        fact.map(|(_, value)| ((*name).to_owned(), *value))
    };
    NAMES.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_start_is_told_from_what_is_of_the_end() {
        let facts: Vec<_> =
            NAMES.iter().zip(1..).map(|(name, value)| ((*name).to_owned(), value)).collect();
        let mut totals = vec![("clock_state".to_owned(), 5), ("clock_offset_ns".to_owned(), 6)];
        assert_eq!(start_clock(&totals), []);
        totals.extend(start_clock_totals(&facts));
        assert_eq!(totals[2].0, "start_clock_state");
        assert_eq!(totals.last().unwrap().0, "start_late_ns");
        assert_eq!(start_clock(&totals), facts);
    }
}
