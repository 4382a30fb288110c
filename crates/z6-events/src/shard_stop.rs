//! What the shards of a run tell each other of a stop by an assertion, and how the footer of a shard's log holds
//! it: under names of the register, among the totals.

/// A stop that was judged over the requests of several shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardStop {
    /// How many shards were heard up to then.
    pub heard: u16,
    /// The assertion that did not hold, by its number among the named ones of the scenario, from 0, and the
    /// second of the run at which its window ended; none if all held.
    pub told: Option<(u16, u64)>,
}

/// Names among the totals of a footer.
const HEARD: &str = "stop_heard";
const GOAL: &str = "stop_goal";
const SECOND: &str = "stop_second";

impl ShardStop {
    /// As the footer of a log has it.
    #[must_use]
    pub fn totals(&self) -> Vec<(String, u64)> {
        let mut totals = vec![(HEARD.to_owned(), u64::from(self.heard))];
        if let Some((goal, second)) = self.told {
            totals.push((GOAL.to_owned(), u64::from(goal)));
            totals.push((SECOND.to_owned(), second));
        }
        totals
    }

    /// Reads it from the totals of a footer; none if they do not have it.
    #[must_use]
    pub fn from_totals(totals: &[(String, u64)]) -> Option<ShardStop> {
        let number =
            |name: &str| totals.iter().find(|(known, _)| known == name).map(|(_, number)| *number);
        let heard = u16::try_from(number(HEARD)?).ok()?;
        let goal = number(GOAL).and_then(|goal| u16::try_from(goal).ok());
        Some(ShardStop { heard, told: goal.zip(number(SECOND)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_footer_holds_what_was_told() {
        for told in [None, Some((3, 17))] {
            let stop = ShardStop { heard: 4, told };
            assert_eq!(ShardStop::from_totals(&stop.totals()), Some(stop));
        }
        let other = [("clock_state".to_owned(), 0), (GOAL.to_owned(), 1)];
        assert_eq!(ShardStop::from_totals(&other), None);
    }
}
