//! The body of the fuzz target `shard_reports`: any bytes as what shards report to the one that judges. Run by a test
//! over the committed corpus too.

use z6_scenario::Scenario;

use super::judge::ShardJudge;
use super::report::{Report, ReportError};

/// Two assertions that stop the run, between them one that does not.
const SCENARIO: &str = "[runtime]\nduration_seconds = 60\n[target]\nbase_url = 'http://127.0.0.1:80'\n\
    [[requests]]\nname = 'a'\npath = '/'\n\
    [assertions.slow]\nwindow_seconds = 2\nmin_requests = 1\nstop = true\np50_latency_ms = 1\nmean_latency_ms = 1\n\
    [assertions.never]\nwindow_seconds = 2\nrps_min = 1\n\
    [assertions.wrong]\nwindow_seconds = 3\nmin_requests = 2\nstop = true\nerror_rate_max = 0.5\nrps_min = 3\n";

/// Those that stop it.
const STOPPING: [u16; 2] = [0, 2];

/// Shards of the run.
const SHARDS: u16 = 3;

/// A list of reports: for each the shard, the second in which it comes, its length, and so many bytes. Shard 0 is
/// lost where the length is 0.
///
/// # Panics
/// If a report that is read has counts that no second has, or is not written as it was read; if a stop that was
/// told changes, or is by an assertion that stops nothing; if shards that were lost are heard.
pub fn fuzz_shard_reports(mut data: &[u8]) {
    let scenario = Scenario::from_toml(SCENARIO);
    assert!(scenario.is_ok(), "{scenario:?}");
    let judge = scenario.ok().and_then(|scenario| ShardJudge::new(&scenario, SHARDS));
    assert!(judge.is_some(), "nothing stops the run");
    let Some(mut judge) = judge else { return };
    let mut lost = [false; SHARDS as usize];
    let mut told = None;
    while let [shard, now, length, rest @ ..] = data {
        let (shard, now) = (u16::from(shard % (SHARDS + 1) as u8), u64::from(*now));
        let (report, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        data = rest;
        let read = Report::decode(report);
        if let Ok(report_read) = &read {
            check(report_read, report);
        }
        let taken = if report.is_empty() {
            Err(ReportError::Truncated)
        } else {
            judge.take(shard, report, now)
        };
        assert!(taken.is_err() || read.is_ok(), "it takes what cannot be read");
        if taken.is_err() {
            let more_was_to_come = judge.lost(shard);
            assert!(!judge.lost(shard), "it is lost twice");
            if let Some(lost) = lost.get_mut(usize::from(shard)) {
                assert!(!(*lost && more_was_to_come), "it is lost twice");
                *lost |= more_was_to_come;
            }
        }
        let stop = judge.stop();
        let heard = lost.iter().filter(|lost| !**lost).count();
        assert_eq!(usize::from(stop.heard), heard);
        assert!(stop.told.is_none_or(|(goal, _)| STOPPING.contains(&goal)), "{stop:?}");
        // An earlier second may still be found wanting when a shard is lost that windows waited for.
        let is_kept = |(_, before): (u16, u64)| stop.told.is_some_and(|(_, now)| now <= before);
        assert!(told.is_none_or(is_kept), "{told:?}, then {stop:?}");
        told = stop.told;
    }
}

/// The counts of a report are those of a second, found without its reader; it is written in at most as many bytes.
fn check(report: &Report, bytes: &[u8]) {
    let written = report.encode();
    assert!(written.len() <= bytes.len(), "{written:?}");
    assert_eq!(Report::decode(&written).as_ref(), Ok(report));
    let Report::Delta { delta, .. } = report else { return };
    let sum = &delta.happened.sum;
    let [all, of_4xx, of_5xx] = sum.responses;
    assert!(sum.succeeded + sum.failed <= sum.ended, "{sum:?}");
    assert!(of_4xx + of_5xx <= all && all <= sum.ended, "{sum:?}");
    let values = |of: Option<&super::coarse::Coarse>| {
        let filled = of.into_iter().flat_map(super::coarse::Coarse::filled);
        filled.map(|(_, count)| u64::from(count)).sum::<u64>()
    };
    assert!(values(sum.latencies.as_deref()) <= sum.ended, "{sum:?}");
    assert!(values(delta.flying.waited.as_deref()) <= delta.flying.count);
}

#[cfg(test)]
mod tests {
    use super::fuzz_shard_reports;

    #[test]
    fn shard_reports_corpus() {
        z6_testing::over_corpus(env!("CARGO_MANIFEST_DIR"), "shard_reports", fuzz_shard_reports);
    }
}
