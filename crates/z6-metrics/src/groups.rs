//! Figures by name, method and target: counts per request and target, and the success latencies of
//! the whole run, kept per name so that a request is recorded once. Bounded by
//! `max_histogram_bytes`. Knows nothing of events.
//!
//! Response and service times are recorded in the cell of the request's name; by_method and the
//! totals are sums of cells, made at the end. Only with several targets is there a second record, in
//! the target's cell. Which names have cells of their own is settled before the first event, in the
//! order of the scenario, at the largest size a cell can grow to: so it depends on the scenario
//! alone, not on the order of events.

use std::collections::BTreeMap;

use z6_events::{RequestId, TargetId};
use z6_scenario::Tag;

use crate::error::FoldError;
use crate::histogram::{HISTOGRAM_BYTES_MAX, Latency};
use crate::metrics::{GroupFigures, Named};
use crate::outline::Outline;
use crate::quantile::stats;
use crate::tally::Outcomes;

/// The name for requests, methods and targets beyond `max_histogram_bytes`.
pub const OTHER: &str = "(other)";

/// The most one cell can take, bytes: response and service time, values and bounds of each.
const CELL_BYTES_MAX: u64 = 4 * HISTOGRAM_BYTES_MAX;

/// The latencies of one group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    pub(crate) response: Latency,
    pub(crate) service: Latency,
}

impl Cell {
    pub(crate) fn merge(&mut self, other: &Cell) -> Result<(), FoldError> {
        self.response.merge(&other.response)?;
        self.service.merge(&other.service)
    }

    pub(crate) fn figures(&self, counts: Outcomes) -> GroupFigures {
        GroupFigures {
            sent: counts.sent,
            succeeded: counts.succeeded,
            failed: counts.failed,
            response_ns: stats(&self.response),
            service_ns: stats(&self.service),
        }
    }
}

/// Counts of each member, and cells for the first of them; the others share the last cell.
#[derive(Debug, Clone)]
struct Table {
    counts: Vec<Outcomes>,
    cells: Vec<Cell>,
    /// Members with a cell of their own.
    own: usize,
}

impl Table {
    fn new(members: usize, own: usize) -> Table {
        let cells = own + usize::from(own < members);
        Table {
            counts: vec![Outcomes::default(); members],
            cells: vec![Cell::default(); cells],
            own,
        }
    }

    #[inline]
    fn cell(&mut self, member: usize) -> &mut Cell {
        &mut self.cells[member.min(self.own)]
    }

    /// Requests of members that share a cell.
    fn folded(&self) -> u64 {
        self.counts[self.own..].iter().map(|counts| counts.sent).sum()
    }

    /// One entry per member with a cell of its own, then one for the others if there are any.
    fn figures(&self, names: impl Iterator<Item = String>) -> Named<GroupFigures> {
        let mut entries: Vec<(String, GroupFigures)> = names
            .take(self.own)
            .enumerate()
            .map(|(member, name)| (name, self.cells[member].figures(self.counts[member])))
            .collect();
        if self.own < self.counts.len() {
            let counts = self.counts[self.own..].iter().copied().sum();
            entries.push((OTHER.to_owned(), self.cells[self.own].figures(counts)));
        }
        Named(entries)
    }
}

/// Groups of one run.
#[derive(Debug, Clone)]
pub(crate) struct Groups {
    names: Table,
    /// Without cells if there is one target: its figures are the totals.
    targets: Table,
    single_target: bool,
}

impl Groups {
    pub(crate) fn new(outline: &Outline) -> Groups {
        let names = outline.requests.len();
        let targets = outline.targets.len();
        let single_target = targets == 1;
        let target_cells = if single_target { 0 } else { targets };
        let cells_max = usize::try_from(outline.histogram_bytes_max / CELL_BYTES_MAX).unwrap_or(0);
        let (own_names, own_targets) = if names + target_cells <= cells_max {
            (names, target_cells)
        } else {
            let free = cells_max.saturating_sub(2);
            let own_targets = target_cells.min(free / 2);
            (names.min(free - own_targets), own_targets)
        };
        let targets = if single_target {
            Table { counts: vec![Outcomes::default()], cells: Vec::new(), own: 0 }
        } else {
            Table::new(targets, own_targets)
        };
        Groups { names: Table::new(names, own_names), targets, single_target }
    }

    /// Checks that the scenario has this request and this target.
    #[inline]
    pub(crate) fn check(&self, request: RequestId, target: TargetId) -> Result<(), FoldError> {
        if request.index() >= self.names.counts.len() {
            return Err(FoldError::UnknownRequest(request));
        }
        self.check_target(target)
    }

    #[inline]
    fn check_target(&self, target: TargetId) -> Result<(), FoldError> {
        let known = target.index() < self.targets.counts.len();
        if known { Ok(()) } else { Err(FoldError::UnknownTarget(target)) }
    }

    /// Counts an outcome of one request.
    #[inline]
    pub(crate) fn count(
        &mut self,
        request: RequestId,
        target: TargetId,
        add: impl Fn(&mut Outcomes),
    ) {
        add(&mut self.names.counts[request.index()]);
        add(&mut self.targets.counts[target.index()]);
    }

    /// Records in each cell that the request belongs to.
    #[inline]
    pub(crate) fn record(
        &mut self,
        request: RequestId,
        target: TargetId,
        record: impl Fn(&mut Cell) -> Result<(), FoldError>,
    ) -> Result<(), FoldError> {
        record(self.names.cell(request.index()))?;
        if self.single_target { Ok(()) } else { record(self.targets.cell(target.index())) }
    }

    /// Requests counted under [`OTHER`].
    pub(crate) fn folded(&self) -> u64 {
        let targets = if self.single_target { 0 } else { self.targets.folded() };
        self.names.folded().max(targets)
    }

    pub(crate) fn sum_of_names(&self) -> Outcomes {
        self.names.counts.iter().copied().sum()
    }

    pub(crate) fn sum_of_targets(&self) -> Outcomes {
        self.targets.counts.iter().copied().sum()
    }

    /// The latencies of all requests.
    pub(crate) fn total(&self) -> Result<Cell, FoldError> {
        let mut total = Cell::default();
        for cell in &self.names.cells {
            total.merge(cell)?;
        }
        Ok(total)
    }

    pub(crate) fn by_name(&self, outline: &Outline) -> Named<GroupFigures> {
        self.names.figures(outline.requests.iter().map(|(name, _)| name.clone()))
    }

    /// Methods in the order in which the scenario first uses them. Requests folded into [`OTHER`]
    /// by name are so by method too.
    pub(crate) fn by_method(&self, outline: &Outline) -> Result<Named<GroupFigures>, FoldError> {
        let mut methods: Vec<(String, Outcomes, Cell)> = Vec::new();
        for (member, (_, method)) in outline.requests.iter().enumerate() {
            let own = member < self.names.own;
            let method = if own { method.as_str() } else { OTHER };
            let index = methods.iter().position(|(name, _, _)| name == method);
            let index = index.unwrap_or_else(|| {
                methods.push((method.to_owned(), Outcomes::default(), Cell::default()));
                methods.len() - 1
            });
            let (_, counts, cell) = &mut methods[index];
            *counts += self.names.counts[member];
            if own || member == self.names.own {
                cell.merge(&self.names.cells[member])?;
            }
        }
        let figures =
            methods.into_iter().map(|(name, counts, cell)| (name, cell.figures(counts))).collect();
        Ok(Named(figures))
    }

    /// Tags by name and value, in order; none of requests that are folded into [`OTHER`], which share the
    /// last entry.
    pub(crate) fn by_tag(&self, outline: &Outline) -> Result<Named<GroupFigures>, FoldError> {
        let mut tags: BTreeMap<&Tag, (Outcomes, Cell)> = BTreeMap::new();
        let mut other: Option<(Outcomes, &Cell)> = None;
        for (member, of_member) in outline.tags.iter().enumerate() {
            let (counts, cell) = (self.names.counts[member], member.min(self.names.own));
            let cell = &self.names.cells[cell];
            if member >= self.names.own {
                if !of_member.is_empty() {
                    other.get_or_insert((Outcomes::default(), cell));
                }
                if let Some((sum, _)) = &mut other {
                    *sum += counts;
                }
                continue;
            }
            for tag in of_member {
                let (sum, merged) = tags.entry(tag).or_default();
                *sum += counts;
                merged.merge(cell)?;
            }
        }
        let own = tags.into_iter().map(|(tag, (sum, cell))| (tag.to_string(), cell.figures(sum)));
        let other = other.map(|(sum, cell)| (OTHER.to_owned(), cell.figures(sum)));
        Ok(Named(own.chain(other).collect()))
    }

    pub(crate) fn by_target(&self, outline: &Outline, total: &Cell) -> Named<GroupFigures> {
        let mut names = outline.targets.iter().cloned();
        if self.single_target {
            let name = names.next().unwrap_or_default();
            return Named(vec![(name, total.figures(self.targets.counts[0]))]);
        }
        self.targets.figures(names)
    }
}
