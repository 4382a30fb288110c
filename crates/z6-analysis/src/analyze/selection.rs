//! Which requests an analysis is about: a filter and a window of planned instants. Knows no figures.

use z6_events::Tick;
use z6_metrics::RequestRow;
use z6_scenario::Scenario;
use z6_scenario::expression::ExpressionError;

use crate::filter::{BoundFilter, Filter};
use crate::values::RowValues;

/// Which requests count. All of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those that pass.
    pub filter: Option<Filter>,
    /// Only those planned at this instant or later.
    pub from: Option<Tick>,
    /// Only those planned before this instant.
    pub to: Option<Tick>,
}

impl Selection {
    /// Whether it leaves nothing out.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Selection::default()
    }

    /// Makes it ready for the requests of a scenario.
    ///
    /// # Errors
    /// The filter names what the scenario does not have.
    pub fn bind(&self, scenario: &Scenario) -> Result<BoundSelection, ExpressionError> {
        let filter = self.filter.as_ref().map(|filter| filter.bind(scenario)).transpose()?;
        Ok(BoundSelection { filter, from: self.from.unwrap_or(Tick::ZERO), before: self.to })
    }
}

/// A selection for the requests of one scenario.
#[derive(Debug, Clone)]
pub struct BoundSelection {
    filter: Option<BoundFilter>,
    from: Tick,
    before: Option<Tick>,
}

impl BoundSelection {
    /// Whether a request with these rows and values counts.
    #[inline]
    #[must_use]
    pub fn matches(&self, row: &RequestRow, values: RowValues<'_>) -> bool {
        self.from <= row.planned
            && self.before.is_none_or(|before| row.planned < before)
            && self.filter.as_ref().is_none_or(|filter| filter.matches(row, values))
    }

    /// Whether it asks for rows or values of requests.
    #[must_use]
    pub fn reads_values(&self) -> bool {
        self.filter.as_ref().is_some_and(BoundFilter::reads_values)
    }
}
