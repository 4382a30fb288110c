//! Requests on new connections and on reused ones. A reused connection has its window open and its path
//! warm; mixed figures would describe neither. Knows nothing of events.
//!
//! Two cells for the whole run, 2.4 MB at most, not counted against `max_histogram_bytes`.

use crate::groups::Cell;
use crate::metrics::{GroupFigures, Named};
use crate::tally::Outcomes;

/// Counts and latencies of one kind of connection.
#[derive(Debug, Default, Clone)]
pub(crate) struct Kind {
    pub(crate) counts: Outcomes,
    pub(crate) cell: Cell,
}

/// Both kinds. Requests that never reached the wire are in neither.
#[derive(Debug, Default, Clone)]
pub(crate) struct ByConnection {
    new: Kind,
    reused: Kind,
}

impl ByConnection {
    /// The kind of connection that had carried a request before, or the other one.
    #[inline]
    pub(crate) fn kind(&mut self, reused: bool) -> &mut Kind {
        if reused { &mut self.reused } else { &mut self.new }
    }

    /// `requests.by_connection`.
    pub(crate) fn figures(&self) -> Named<GroupFigures> {
        let figures = |kind: &Kind| kind.cell.figures(kind.counts);
        let (new, reused) = (figures(&self.new), figures(&self.reused));
        Named(vec![("new".to_owned(), new), ("reused".to_owned(), reused)])
    }
}
