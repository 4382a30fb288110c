//! How the fold of a run ends, in progress or read from its log, so that both give the same figures.
//! Knows no file.

use z6_events::LogHeader;
use z6_metrics::{EndFacts, FoldError, LiveFold, Metrics};

use crate::time::rfc3339_utc;

/// The figures of a run. The header says when it started and what its targets resolved to.
///
/// # Errors
/// The first event that did not fit, or counts that do not balance.
pub(crate) fn finish(
    fold: LiveFold,
    end: EndFacts,
    header: &LogHeader,
) -> Result<Metrics, FoldError> {
    let mut fold = fold.into_fold()?;
    fold.resolved(&header.addresses);
    let mut metrics = fold.finish(end)?;
    metrics.run.started_at = rfc3339_utc(header.wall_epoch_ns);
    Ok(metrics)
}
