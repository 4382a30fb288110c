//! How the world of a random case behaves: first which faults there are, then how often each
//! occurs; then network and server, fast enough that the scenario gets its requests done.

use z6_scenario::simulation::{
    BodyBytes, Delay, FaultKind, Faults, Share, Simulation, StatusShare,
};

use super::dice::Dice;

/// What a world has to fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Requests that the scenario is to send, about.
    pub(super) requests: u64,
    /// Connections that it is to open at least, about.
    pub(super) connections: u64,
    /// Time for one request, think time apart, nanoseconds.
    pub(super) step_ns: u64,
    /// Requests in flight at once, at most.
    pub(super) concurrency: u64,
    /// Length of the run, nanoseconds.
    pub(super) length_ns: u64,
}

/// A random world for a scenario of this pace.
pub(super) fn draw(dice: &mut Dice, pace: Pace) -> Simulation {
    let service_ns = (pace.step_ns / 4).clamp(1_000, 200_000_000);
    let latency_ns = (pace.step_ns / 16).clamp(100, 20_000_000);
    let service_ns = dice.skewed(service_ns / 64, service_ns);
    let latency_ns = dice.skewed(latency_ns / 64, latency_ns);
    let mut simulation = Simulation {
        connect: delay(dice, latency_ns),
        latency: delay(dice, latency_ns),
        service: delay(dice, service_ns),
        ..Simulation::default()
    };
    if dice.chance(30) {
        let enough = pace.concurrency * service_ns * 2 / pace.step_ns.max(1) + 1;
        simulation.servers = Some(dice.between(enough, enough * 4).clamp(1, 1_000) as u32);
    }
    if dice.chance(30) {
        // 64 KiB take at most a quarter of the time of a step, except for very short ones.
        let enough = (65_536u64 * 4_000_000_000 / pace.step_ns.max(1)).clamp(100_000, 1 << 35);
        simulation.bandwidth_bytes_per_second = Some(dice.skewed(enough, enough * 16));
    }
    simulation.body_bytes = body(dice);
    simulation.chunked = share(dice.pick(&[0, 0, 500_000, 1_000_000, 100_000]));
    if dice.chance(40) {
        simulation.statuses = statuses(dice);
    }
    if dice.chance(20) {
        simulation.keep_alive_requests = Some(dice.skewed(1, 64));
    }
    if dice.chance(20) {
        simulation.keep_alive_idle_ns = Some(dice.skewed(100_000, pace.step_ns.max(200_000) * 2));
    }
    if dice.chance(35) {
        simulation.redirects = share(dice.pick(&[10_000, 100_000, 300_000, 500_000, 1_000_000]));
    }
    simulation.faults = faults(dice, pace);
    simulation
}

/// What is of HTTP/2 in the world of a scenario that speaks it: how many streams the server takes, what it selects,
/// and what goes wrong with streams.
pub(super) fn draw_http2(dice: &mut Dice, simulation: &mut Simulation, pace: Pace) {
    if dice.chance(50) {
        simulation.max_concurrent_streams = dice.skewed(1, 200) as u32;
    }
    simulation.alpn_h2 = share(dice.pick(&[1_000_000, 1_000_000, 500_000, 0]));
    let kinds = dice.pick(&[0, 20, 40, 70]);
    let of_streams = |kind: &FaultKind| kind.is_of_http2() && !kind.is_of_http2_connection();
    set_some(dice, of_streams, kinds, simulation, pace);
}

/// What servers say about connections over HTTP/2 beside their streams.
pub(super) fn draw_http2_connections(dice: &mut Dice, simulation: &mut Simulation, pace: Pace) {
    let kinds = dice.pick(&[0, 20, 40, 70]);
    set_some(dice, |kind| kind.is_of_http2_connection(), kinds, simulation, pace);
}

/// Sets how often each fault of these occurs, with this chance, percent.
fn set_some(
    dice: &mut Dice,
    is_it: impl Fn(&FaultKind) -> bool,
    chance: u64,
    simulation: &mut Simulation,
    pace: Pace,
) {
    for kind in FaultKind::ALL.into_iter().filter(is_it) {
        if dice.chance(chance) {
            simulation.faults.set(kind, rate(dice, kind, pace));
        }
    }
}

/// One of the distributions, of about this length.
fn delay(dice: &mut Dice, ns: u64) -> Delay {
    match dice.between(0, 5) {
        0 => Delay::Constant { ns },
        1 => Delay::Uniform { low_ns: ns / dice.between(2, 50), high_ns: ns },
        2 | 3 => Delay::Exponential { mean_ns: ns.max(1) },
        4 => {
            Delay::LogNormal { median_ns: ns.max(1), sigma_millionths: dice.between(0, 1_200_000) }
        }
        _ => Delay::Bimodal {
            usual_ns: ns,
            tail_ns: ns * dice.between(2, 20),
            tail: share(dice.between_u32(1_000, 100_000)),
        },
    }
}

fn body(dice: &mut Dice) -> BodyBytes {
    match dice.between(0, 9) {
        0 => BodyBytes { min: 0, max: 0 },
        1 => {
            let max = dice.skewed(1_024, 65_536);
            BodyBytes { min: max / 2, max }
        }
        2..=4 => BodyBytes { min: 0, max: dice.skewed(1, 4_096) },
        _ => {
            let bytes = dice.skewed(1, 1_024);
            BodyBytes { min: bytes, max: bytes }
        }
    }
}

fn statuses(dice: &mut Dice) -> Vec<StatusShare> {
    let mut found = Vec::new();
    for status in [204, 304, 404, 503] {
        if dice.chance(50) {
            found.push(StatusShare { status, share: share(dice.between_u32(1_000, 150_000)) });
        }
    }
    found
}

/// What a fault's share is a share of.
enum Per {
    Attempt,
    Request,
    Transfer,
    TenthOfSecond,
    Block,
}

fn per(kind: FaultKind) -> Per {
    match kind {
        FaultKind::ConnectRefused
        | FaultKind::ConnectTimeout
        | FaultKind::ConnectUnreachable
        | FaultKind::ProxyRefused
        | FaultKind::OutOfPorts
        | FaultKind::OutOfDescriptors
        | FaultKind::SettingsLate
        | FaultKind::AlpnHttp1 => Per::Attempt,
        FaultKind::ResetBefore
        | FaultKind::ResetInHead
        | FaultKind::ResetInBody
        | FaultKind::CloseBefore
        | FaultKind::CloseInBody
        | FaultKind::Trickle
        | FaultKind::Garbage
        | FaultKind::WrongLength
        | FaultKind::BrokenChunk
        | FaultKind::InterimFlood
        | FaultKind::Unsolicited
        | FaultKind::NoAnswer
        | FaultKind::BadRedirect
        | FaultKind::Irregular
        | FaultKind::MissingValue
        | FaultKind::CheckFailed
        | FaultKind::ExpiredToken
        | FaultKind::GoAway
        | FaultKind::GoAwayError
        | FaultKind::RefuseStream
        | FaultKind::ResetStream
        | FaultKind::LowerStreams
        | FaultKind::Pings
        | FaultKind::ShrinkWindow
        | FaultKind::TinyWindows
        | FaultKind::TableResize => Per::Request,
        FaultKind::PartialRead | FaultKind::PartialWrite | FaultKind::WouldBlock => Per::Transfer,
        FaultKind::ServerStall | FaultKind::LateTimer | FaultKind::DuplicateStamp => {
            Per::TenthOfSecond
        }
        FaultKind::LogStall | FaultKind::LogShortWrite | FaultKind::LogFull => Per::Block,
    }
}

fn faults(dice: &mut Dice, pace: Pace) -> Faults {
    let mut faults = Faults::default();
    if dice.chance(2) {
        return faults;
    }
    let kinds = dice.pick(&[10, 20, 20, 40, 70]);
    for kind in FaultKind::ALL.into_iter().filter(|kind| !kind.is_of_http2()) {
        let rarely = kind == FaultKind::LogFull;
        if dice.chance(if rarely { 45 } else { kinds }) {
            faults.set(kind, rate(dice, kind, pace));
        }
    }
    if faults.is_calm() {
        let kind = FaultKind::ALL[dice.between(5, 23) as usize];
        faults.set(kind, rate(dice, kind, pace));
    }
    faults
}

/// How often a fault occurs: likely a few times.
fn rate(dice: &mut Dice, kind: FaultKind, pace: Pace) -> Share {
    let tenths = pace.length_ns / 100_000_000 + 1;
    let (chances, most) = match per(kind) {
        // An attempt that fails costs its request and more: with few VUs there cannot be many.
        Per::Attempt => (pace.connections + pace.requests / 8, 40_000 + 4_000 * pace.concurrency),
        Per::Request => (pace.requests, 100_000),
        Per::Transfer => (pace.requests * 2, 500_000),
        Per::TenthOfSecond => (tenths, 300_000),
        Per::Block if kind == FaultKind::LogFull => (tenths * 20, 20_000),
        Per::Block => (tenths, 300_000),
    };
    let least = (6_000_000 / chances.max(1)).clamp(1_000, most);
    share(dice.skewed(least.min(most), most) as u32)
}

fn share(millionths: u32) -> Share {
    Share::from_millionths(millionths).unwrap_or(Share::ONE)
}
