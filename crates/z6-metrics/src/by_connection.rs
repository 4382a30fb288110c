//! Requests on new connections and on reused ones. A reused connection has its window open and its path
//! warm; mixed figures would describe neither. Knows nothing of events.
//!
//! Latencies of the rare kind, on new connections, are recorded; those on reused ones are what the cells of
//! all requests have besides, so that a request is recorded once more only where its connection is new.
//! Six histograms for the whole run, 1.9 MB at most, not counted against `max_histogram_bytes`.

use crate::error::FoldError;
use crate::groups::Cell;
use crate::histogram::Extremes;
use crate::metrics::{GroupFigures, Named};
use crate::tally::Outcomes;

/// Both kinds. Requests that never reached the wire are in neither.
#[derive(Debug, Default, Clone)]
pub(crate) struct ByConnection {
    new: Outcomes,
    reused: Outcomes,
    /// On new connections.
    cell: Cell,
    /// Lower bounds on reused connections.
    reused_bounds: Cell,
    /// Of the values on reused connections.
    response: Extremes,
    service: Extremes,
}

impl ByConnection {
    /// Counts of the requests on connections that had carried a request before, or on the others.
    #[inline]
    pub(crate) fn counts(&mut self, reused: bool) -> &mut Outcomes {
        if reused { &mut self.reused } else { &mut self.new }
    }

    /// A success whose latencies are recorded in a cell of all requests too.
    ///
    /// # Errors
    /// A histogram could not be made.
    #[inline]
    pub(crate) fn succeeded(
        &mut self,
        reused: bool,
        response_ns: u64,
        service_ns: u64,
    ) -> Result<(), FoldError> {
        if reused {
            self.response.extend(response_ns);
            self.service.extend(service_ns);
            return Ok(());
        }
        self.cell.response.value(response_ns)?;
        self.cell.service.value(service_ns)
    }

    /// A request without an answer: lower bounds of its latencies.
    ///
    /// # Errors
    /// A histogram could not be made.
    pub(crate) fn unanswered(
        &mut self,
        reused: bool,
        response_ns: u64,
        service_ns: u64,
    ) -> Result<(), FoldError> {
        let cell = if reused { &mut self.reused_bounds } else { &mut self.cell };
        cell.response.bound(response_ns)?;
        cell.service.bound(service_ns)
    }

    /// `requests.by_connection`; `total` is what all requests have recorded.
    ///
    /// # Errors
    /// The total is not one that contains what was recorded here.
    pub(crate) fn figures(&self, total: &Cell) -> Result<Named<GroupFigures>, FoldError> {
        let mut reused = self.reused_bounds.clone();
        let of = |all: &Cell| (all.response.values.clone(), all.service.values.clone());
        (reused.response.values, reused.service.values) = of(total);
        reused.response.without(&self.cell.response, self.response)?;
        reused.service.without(&self.cell.service, self.service)?;
        let figures = [
            ("new".to_owned(), self.cell.figures(self.new)),
            ("reused".to_owned(), reused.figures(self.reused)),
        ];
        Ok(Named(figures.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_new_is_as_if_it_had_been_recorded() {
        let (mut by, mut total) = (ByConnection::default(), Cell::default());
        let (mut new, mut reused) = (Cell::default(), Cell::default());
        for i in 0..2_000_u64 {
            let (is_reused, is_bound) = (i % 7 > 0, i % 11 == 0);
            // The shortest and the longest are on new connections.
            let (response, service) = match (is_reused, i % 2) {
                (false, 0) => (i + 1, i + 1),
                (false, _) => (7_000_000 + i, 700_000 + i),
                (true, _) => (i * i * 977 % 5_000_011 + 9_000, i * 31 % 70_001 + 9_000),
            };
            let own = if is_reused { &mut reused } else { &mut new };
            let mut cells = [&mut total, own];
            if is_bound {
                by.unanswered(is_reused, response, service).unwrap();
                for cell in &mut cells {
                    cell.response.bound(response).unwrap();
                    cell.service.bound(service).unwrap();
                }
            } else {
                by.succeeded(is_reused, response, service).unwrap();
                for cell in &mut cells {
                    cell.response.value(response).unwrap();
                    cell.service.value(service).unwrap();
                }
            }
        }
        let none = Outcomes::default();
        let expected =
            [("new".to_owned(), new.figures(none)), ("reused".to_owned(), reused.figures(none))];
        assert_eq!(by.figures(&total).unwrap(), Named(expected.into()));
    }

    #[test]
    fn one_kind_alone_leaves_the_other_without_values() {
        for is_reused in [false, true] {
            let (mut by, mut total) = (ByConnection::default(), Cell::default());
            by.succeeded(is_reused, 7, 5).unwrap();
            total.response.value(7).unwrap();
            total.service.value(5).unwrap();
            let Named(figures) = by.figures(&total).unwrap();
            let counts = [figures[0].1.response_ns.count, figures[1].1.response_ns.count];
            assert_eq!(counts, [u64::from(!is_reused), u64::from(is_reused)]);
        }
    }
}
