//! The rows of the accuracy table, in groups: latency under delays and stalls, pacing, connections and
//! outcomes, the generator itself.

mod arrival;
mod generator;
mod outcomes;
mod pacing;
mod stalls;
mod steady;
mod stop;

use anyhow::Result;

use super::bench::Bench;
use super::check::Check;

use generator::hogged_load;
pub(super) use generator::{hogged_trial, refold};

/// A row of the table.
pub(super) struct Row {
    /// `A1`.
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: fn(&Bench) -> Result<Vec<Check>>,
}

/// All rows except A18 and A20, which are checked in every run of the others. There is no A13 and no A19.
pub(super) const ROWS: &[Row] = &[
    Row { name: "A1", about: "constant delays", run: steady::constant_delays },
    Row { name: "A2", about: "bimodal and exponential delays", run: steady::drawn_delays },
    Row { name: "A3", about: "one stall of 1 s", run: stalls::one_long },
    Row { name: "A4", about: "six stalls of 200 ms", run: stalls::six_short },
    Row { name: "A5", about: "server stopped for 1 s", run: stop::server_stopped },
    Row { name: "A6", about: "an outage, 100 connections", run: stalls::outage },
    Row { name: "A7", about: "a stall that never ends", run: stalls::endless },
    Row { name: "A8", about: "overload", run: stalls::overload },
    Row { name: "A9", about: "generator stopped for 1 s", run: generator::stopped },
    Row { name: "A10", about: "pacing", run: pacing::pacing },
    Row { name: "A11", about: "connections closed by the server", run: outcomes::closing_server },
    Row { name: "A12", about: "head and body apart", run: steady::late_body },
    Row { name: "A14", about: "1 % never answered", run: outcomes::never_answered },
    Row { name: "A15", about: "a busy loop on the generator's core", run: generator::hogged },
    Row { name: "A16", about: "wall clock stepped", run: generator::wall_clock_stepped },
    Row { name: "A17", about: "30 % instant failures", run: outcomes::instant_failures },
    Row { name: "A21", about: "constant delays, until arrival", run: arrival::constant_delays },
    Row { name: "A22", about: "generator stopped for 0.5 s, until arrival", run: arrival::stopped },
    Row { name: "A23", about: "a busy loop, until arrival", run: arrival::hogged },
];
