//! What to do about each doubt. Judges nothing.

use crate::verdict::Doubt;

impl Doubt {
    /// What the reader can do about it, as a sentence without a full stop.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Doubt::LateSends { .. } => {
                "use more workers, a machine with more free cores, or less load; response times include \
                 the delay, service times do not"
            }
            Doubt::LateReads { .. } => {
                "use more workers, a machine with more free cores, or less load; response and service times \
                 include the delay, arrival_ns does not"
            }
            Doubt::LoopStall { .. } => {
                "look for other work on this machine at that time, and give the generator cores of its own"
            }
            Doubt::LogBackPressure { .. } => {
                "write the results to a faster disk, or keep other writers away from it"
            }
            Doubt::GeneratorBusy { .. } => {
                "use more workers (`--workers auto`), another machine, or less load"
            }
            Doubt::GeneratorBound { .. } => {
                "read the rate as what this generator can do; to load the target further use more workers, \
                 or an open model to set a rate"
            }
            Doubt::RateMissed { .. } => {
                "lower the rate, or raise max_connections and max_in_flight; if the target is what is slow, \
                 this is its answer"
            }
            Doubt::ConnectionLimit { .. } => {
                "raise max_connections if the target's clients have more; response times include the waiting"
            }
            Doubt::SlowConnects { .. } => {
                "measure after a warm-up, or reuse connections; response times include the waiting"
            }
            Doubt::StreamLimit { streams: 0, .. } => {
                "ask why the server does so: more connections get no more from it"
            }
            Doubt::StreamLimit { .. } => {
                "raise max_connections, or the target's limit of streams; response times include the waiting"
            }
            Doubt::WindowStall { .. } => {
                "raise the target's windows, or take what it reads so slowly as its answer"
            }
            Doubt::Calmed { .. } => {
                "raise timeout_ms if many requests were given up, or the target's limits of such frames"
            }
            Doubt::Resent { .. } => {
                "raise the target's requests per connection, or lower streams to what it takes"
            }
            Doubt::SynRetries { .. } => {
                "raise the target's listen backlog (somaxconn), and look for lost packets on the way"
            }
            Doubt::ErrorsDominate { .. } => {
                "look at the errors first: latencies say nothing about a target that does not answer"
            }
            Doubt::MaxInFlight { .. } => {
                "raise max_in_flight, or lower the rate: the target answers more slowly than requests arrive"
            }
            Doubt::UnsentAtEnd { .. } => {
                "raise max_connections, or lower the rate: requests queued in front of the connections"
            }
            Doubt::MissingValues { .. } => {
                "let the extraction be required, or give it a default; or leave the step out with `if`"
            }
            Doubt::OutOfPorts { .. } => {
                "reuse connections, or add source_addresses; net.ipv4.ip_local_port_range has the ports"
            }
            Doubt::OutOfDescriptors { .. } => "raise the limit of open files (`ulimit -n`)",
            Doubt::OutOfMemory { .. } => "lower max_connections, or use a machine with more memory",
            Doubt::WallClockStep { .. } => {
                "take times of day in this run with care; everything else is measured by a steady clock"
            }
            Doubt::ClockShift { .. } => {
                "let NTP or chrony set the clocks of all machines; with --barrier tcp:// and no --start-at the shards begin together all the same"
            }
            Doubt::ClockUnsynchronised => {
                "let NTP or chrony set the clocks of all machines, or use --barrier tcp://, which measures them"
            }
            Doubt::LateStart { .. } => {
                "start the shards earlier, or with a --start-at that is further ahead"
            }
            Doubt::NothingMeasured { from_ns: 0 } => {
                "look at how the run ended; make it longer, or the rate higher"
            }
            Doubt::NothingMeasured { .. } => "make the run longer, or the warm-up shorter",
            Doubt::TooFewSamples { .. } => "make the run longer, or ask for a lower percentile",
            Doubt::HistogramsFolded { .. } => "raise max_histogram_bytes, or use fewer names",
            Doubt::ValuesOutOfRange { .. } => "set a timeout_ms that fits the question",
            Doubt::LagForgotten { .. } => {
                "nothing, if requests were meant to wait that long; else raise max_connections"
            }
            Doubt::SeriesLate { .. } => {
                "give each worker a core of its own; the figures of the whole run are complete"
            }
            Doubt::Teardown { .. } => {
                "see `teardown` in metrics.json for the first failure, and clean up by hand"
            }
            Doubt::TornLog => "find out what ended the run: everything up to that instant is here",
            Doubt::ShardsMissing { .. } => {
                "find the logs of the missing shards and read all of them together; the load was that of all shards"
            }
            Doubt::ShardsDegraded { .. } => {
                "look at `run.shards`, which has the doubts of each shard, and at the machines of those that have some"
            }
            Doubt::ShardsApart { .. } => "start all shards at the same instant",
            Doubt::ClocksUnsure { .. } => "synchronize the clocks of the machines",
        }
    }
}

#[cfg(test)]
mod tests {
    use z6_scenario::Quantile;

    use super::*;

    /// One of each.
    fn all() -> Vec<Doubt> {
        vec![
            Doubt::LateSends { loop_lag_p99_ns: 1 },
            Doubt::LateReads { read_lag_p99_ns: 1, generator_sets_rate: false },
            Doubt::LoopStall { longest_ns: 1 },
            Doubt::LogBackPressure { stall_ns: 1 },
            Doubt::GeneratorBusy { cpu_fraction: 1.0 },
            Doubt::GeneratorBound { cpu_fraction: 1.0 },
            Doubt::RateMissed { planned: 2, sent: 1 },
            Doubt::ConnectionLimit { waiting_p99_ns: 1, max_connections: 1 },
            Doubt::SlowConnects { waiting_p99_ns: 1 },
            Doubt::StreamLimit { waiting_p99_ns: 1, streams: 1 },
            Doubt::WindowStall { stalls: 1, stall_ns: 1 },
            Doubt::Calmed { times: 1 },
            Doubt::Resent { resent: 10, sent: 10 },
            Doubt::SynRetries { connections: 1 },
            Doubt::ErrorsDominate { failed: 1, ended: 1 },
            Doubt::MaxInFlight { never_sent: 1 },
            Doubt::UnsentAtEnd { never_sent: 1 },
            Doubt::MissingValues { never_sent: 1 },
            Doubt::OutOfPorts { failed: 1 },
            Doubt::OutOfDescriptors { failed: 1 },
            Doubt::OutOfMemory { failed: 1 },
            Doubt::WallClockStep { step_ns: 1 },
            Doubt::ClockShift { offset_ns: 1 },
            Doubt::ClockUnsynchronised,
            Doubt::LateStart { late_ns: 1 },
            Doubt::NothingMeasured { from_ns: 1 },
            Doubt::TooFewSamples { quantile: Quantile::P99, samples: 1, needed: 100 },
            Doubt::HistogramsFolded { requests: 1 },
            Doubt::ValuesOutOfRange { values: 1 },
            Doubt::LagForgotten { requests: 1 },
            Doubt::SeriesLate { values: 1 },
            Doubt::TornLog,
            Doubt::Teardown { outcome: crate::phases::PhaseOutcome::Failed },
            Doubt::ShardsMissing { shards: 1, first: 1, of: 2 },
            Doubt::ShardsDegraded { shards: 1, first: 1, of: 2, by: "late_sends" },
            Doubt::ShardsApart { shard: 1, late_ns: 1, never_at_once: false },
            Doubt::ClocksUnsure { error_ns: 1 },
        ]
    }

    #[test]
    fn the_page_gives_the_same_advice() {
        let page = include_str!("../../../docs/MEASUREMENT.md");
        for doubt in all() {
            let of_it = |row: &&str| row.starts_with(&format!("| `{}` |", doubt.kind()));
            let row =
                page.lines().find(of_it).unwrap_or_else(|| panic!("no row: {}", doubt.kind()));
            assert!(row.ends_with(&format!("| {} |", doubt.advice())), "{row}");
        }
        let rows =
            page.lines().filter(|row| row.starts_with("| `") && row.matches(" | ").count() == 3);
        assert_eq!(rows.count(), all().len(), "rows of doubts that do not exist");
    }
}
