//! How the simulated world of `z6 simulate` behaves: network, server, faults.
//!
//! Values only, each with a text form that comes back ([`Simulation::set`],
//! [`Simulation::settings`]). Draws nothing and simulates nothing; knows no TOML.
//! Reading order: this file, `fault` (what can go wrong), `text` (the text forms).

mod fault;
mod text;

use crate::error::ScenarioError;

pub use fault::{FaultKind, Faults};

/// The longest any simulated delay may be set to, nanoseconds: 1 h. What a distribution draws
/// beyond it is this.
pub const MAX_DELAY_NS: u64 = 3_600_000_000_000;
/// The largest response body of the simulated server, bytes.
pub const MAX_BODY_BYTES: u64 = 16 << 20;
/// The most places in service at once of a queueing server.
pub const MAX_SERVERS: u32 = 1_000_000;
/// The most streams at once that a simulated server can allow.
pub const MAX_STREAMS: u32 = 10_000;
/// The largest bandwidth, bytes per second.
pub const MAX_BANDWIDTH: u64 = 1 << 40;
/// The largest sigma of a log-normal delay, millionths.
pub const MAX_SIGMA_MILLIONTHS: u64 = 5_000_000;

/// How the simulated world behaves. [`Default`] is a calm one: no faults, short delays.
///
/// ```
/// use z6_scenario::simulation::{Delay, Simulation};
///
/// let mut simulation = Simulation::default();
/// simulation.set("service", "uniform:1ms..5ms")?;
/// simulation.set("fault.reset_in_body", "0.01")?;
/// assert_eq!(simulation.service, Delay::Uniform { low_ns: 1_000_000, high_ns: 5_000_000 });
/// assert_eq!(
///     simulation.settings(),
///     [
///         ("service".to_owned(), "uniform:1ms..5ms".to_owned()),
///         ("fault.reset_in_body".to_owned(), "0.01".to_owned()),
///     ]
/// );
/// # Ok::<(), z6_scenario::ScenarioError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Simulation {
    /// From the attempt of a connection until it is ready.
    pub connect: Delay,
    /// One way, per burst of bytes, drawn anew for each. The order of bytes is kept.
    pub latency: Delay,
    /// Per connection and direction; none: bytes take no time.
    pub bandwidth_bytes_per_second: Option<u64>,
    /// From the complete request (and a free place, see `servers`) to the first byte of the answer.
    pub service: Delay,
    /// Places of a first-come-first-served queue; none: every request is served at once.
    pub servers: Option<u32>,
    /// Statuses and their shares, rising; all others are 200.
    pub statuses: Vec<StatusShare>,
    /// Before this instant no status is one of `statuses`, nanoseconds; none: from the start they are.
    pub statuses_after_ns: Option<u64>,
    /// Share of responses that redirect, to the same or another target.
    pub redirects: Share,
    /// Length of response bodies, uniform.
    pub body_bytes: BodyBytes,
    /// Share of responses sent chunked instead of with `Content-Length`.
    pub chunked: Share,
    /// The server closes a connection, with `Connection: close`, after so many requests.
    pub keep_alive_requests: Option<u64>,
    /// The server closes a connection that was idle for so long, nanoseconds.
    pub keep_alive_idle_ns: Option<u64>,
    /// Requests at once that the server takes on a connection over HTTP/2.
    pub max_concurrent_streams: u32,
    /// Share of connections with `http_version = "auto"` for which the server selects HTTP/2.
    pub alpn_h2: Share,
    /// What goes wrong, and how often.
    pub faults: Faults,
}

impl Default for Simulation {
    fn default() -> Simulation {
        Simulation {
            connect: Delay::Constant { ns: 200_000 },
            latency: Delay::Constant { ns: 100_000 },
            bandwidth_bytes_per_second: None,
            service: Delay::Exponential { mean_ns: 2_000_000 },
            servers: None,
            statuses: Vec::new(),
            statuses_after_ns: None,
            redirects: Share::ZERO,
            body_bytes: BodyBytes { min: 128, max: 128 },
            chunked: Share::ZERO,
            keep_alive_requests: None,
            keep_alive_idle_ns: None,
            max_concurrent_streams: 128,
            alpn_h2: Share::ONE,
            faults: Faults::default(),
        }
    }
}

/// A distribution of times, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delay {
    /// Always this long: `constant:2ms`, or `2ms`.
    Constant {
        /// The delay, nanoseconds.
        ns: u64,
    },
    /// Uniform over [low, high]: `uniform:1ms..5ms`.
    Uniform {
        /// The shortest delay, nanoseconds.
        low_ns: u64,
        /// Nanoseconds; at least `low_ns`.
        high_ns: u64,
    },
    /// Exponential: `exponential:2ms`.
    Exponential {
        /// The mean, nanoseconds.
        mean_ns: u64,
    },
    /// exp of a normal variable: `log_normal:2ms,0.5`.
    LogNormal {
        /// The median, nanoseconds.
        median_ns: u64,
        /// Standard deviation of the logarithm, millionths.
        sigma_millionths: u64,
    },
    /// One of two times: `bimodal:1ms,50ms,0.01`.
    Bimodal {
        /// The usual delay, nanoseconds.
        usual_ns: u64,
        /// The other delay, nanoseconds.
        tail_ns: u64,
        /// How often it is `tail_ns`.
        tail: Share,
    },
}

impl Delay {
    /// Whether it never takes any time.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        match self {
            Delay::Constant { ns } => ns == 0,
            Delay::Uniform { high_ns, .. } => high_ns == 0,
            Delay::Exponential { mean_ns } => mean_ns == 0,
            Delay::LogNormal { median_ns, .. } => median_ns == 0,
            Delay::Bimodal { usual_ns, tail_ns, .. } => usual_ns == 0 && tail_ns == 0,
        }
    }
}

/// A share of 1 in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Share(u32);

impl Share {
    /// The share 0.
    pub const ZERO: Share = Share(0);
    /// The share 1.
    pub const ONE: Share = Share(1_000_000);

    /// This many millionths; none if they are more than a million.
    ///
    /// ```
    /// use z6_scenario::simulation::Share;
    /// assert_eq!(Share::from_millionths(10_000), Share::parse("0.01").ok());
    /// assert_eq!(Share::from_millionths(1_000_001), None);
    /// ```
    #[must_use]
    pub const fn from_millionths(millionths: u32) -> Option<Share> {
        if millionths > Share::ONE.0 { None } else { Some(Share(millionths)) }
    }

    /// In millionths: 0 to 1,000,000.
    #[must_use]
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// Whether it is never.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads a decimal from 0 to 1 with up to six decimals: `0.01`.
    ///
    /// # Errors
    /// As of a number in a scenario; [`ScenarioError::ShareAboveOne`].
    pub fn parse(text: &str) -> Result<Share, ScenarioError> {
        text::share(text)
    }
}

/// A status and how often the simulated server returns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusShare {
    /// 201 to 599.
    pub status: u16,
    /// Its share of all responses; more than 0.
    pub share: Share,
}

/// The length of response bodies: uniform over [min, max], bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyBytes {
    /// The shortest body, bytes.
    pub min: u64,
    /// The longest; at least `min`.
    pub max: u64,
}

/// The names of all settings but the faults, in the order of [`Simulation`]'s fields.
pub const SETTINGS: [&str; 14] = [
    "connect",
    "latency",
    "bandwidth_bytes_per_second",
    "service",
    "servers",
    "statuses",
    "statuses_after",
    "redirects",
    "body_bytes",
    "chunked",
    "keep_alive_requests",
    "keep_alive_idle",
    "max_concurrent_streams",
    "alpn_h2",
];

/// The prefix of a fault's name in a setting: `fault.reset_in_body`.
pub const FAULT_PREFIX: &str = "fault.";

impl Simulation {
    /// Takes one setting in text form: a key of [`SETTINGS`], or `fault.` and the name of a fault.
    /// `none` takes back `bandwidth_bytes_per_second`, `servers`, `statuses`, `statuses_after`,
    /// `keep_alive_requests` and `keep_alive_idle`.
    ///
    /// # Errors
    /// [`ScenarioError::UnknownSetting`], [`ScenarioError::UnknownFault`], and what is wrong with
    /// the value; the simulation is then as before.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ScenarioError> {
        if let Some(name) = key.strip_prefix(FAULT_PREFIX) {
            let kind = FaultKind::from_name(name)
                .ok_or_else(|| ScenarioError::UnknownFault { name: name.to_owned() })?;
            self.faults.set(kind, text::share(value)?);
            return Ok(());
        }
        match key {
            "connect" => self.connect = text::delay(value)?,
            "latency" => self.latency = text::delay(value)?,
            "bandwidth_bytes_per_second" => {
                self.bandwidth_bytes_per_second =
                    text::optional(value, |number| text::count(number, 1, MAX_BANDWIDTH))?;
            }
            "service" => self.service = text::delay(value)?,
            "servers" => self.servers = text::optional(value, text::servers)?,
            "statuses" => self.statuses = text::statuses(value)?,
            "statuses_after" => {
                self.statuses_after_ns = text::optional(value, text::duration)?;
            }
            "redirects" => self.redirects = text::share(value)?,
            "body_bytes" => self.body_bytes = text::body_bytes(value)?,
            "chunked" => self.chunked = text::share(value)?,
            "keep_alive_requests" => {
                self.keep_alive_requests =
                    text::optional(value, |number| text::count(number, 1, i64::MAX as u64))?;
            }
            "keep_alive_idle" => {
                self.keep_alive_idle_ns = text::optional(value, text::duration)?;
            }
            "max_concurrent_streams" => self.max_concurrent_streams = text::streams(value)?,
            "alpn_h2" => self.alpn_h2 = text::share(value)?,
            _ => return Err(ScenarioError::UnknownSetting { key: key.to_owned() }),
        }
        Ok(())
    }

    /// The canonical text of one setting as it is; none if there is no setting of this name.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<String> {
        if let Some(name) = key.strip_prefix(FAULT_PREFIX) {
            return FaultKind::from_name(name).map(|kind| self.faults.get(kind).to_string());
        }
        let number = |number: Option<u64>| number.map_or("none".to_owned(), |n| n.to_string());
        let duration = |ns: Option<u64>| ns.map_or("none".to_owned(), crate::duration::write);
        Some(match key {
            "connect" => self.connect.to_string(),
            "latency" => self.latency.to_string(),
            "bandwidth_bytes_per_second" => number(self.bandwidth_bytes_per_second),
            "service" => self.service.to_string(),
            "servers" => number(self.servers.map(u64::from)),
            "statuses" => text::write_statuses(&self.statuses),
            "redirects" => self.redirects.to_string(),
            "body_bytes" => self.body_bytes.to_string(),
            "chunked" => self.chunked.to_string(),
            "keep_alive_requests" => number(self.keep_alive_requests),
            "statuses_after" => duration(self.statuses_after_ns),
            "keep_alive_idle" => duration(self.keep_alive_idle_ns),
            "max_concurrent_streams" => self.max_concurrent_streams.to_string(),
            "alpn_h2" => self.alpn_h2.to_string(),
            _ => return None,
        })
    }

    /// The settings that differ from the default, in canonical text, in the order of [`SETTINGS`]
    /// and then of [`FaultKind::ALL`]. [`set`](Simulation::set) on a default takes them back.
    #[must_use]
    pub fn settings(&self) -> Vec<(String, String)> {
        let calm = Simulation::default();
        let differs = |key: &String| self.setting(key) != calm.setting(key);
        let keys = Simulation::keys().filter(differs);
        keys.filter_map(|key| self.setting(&key).map(|value| (key, value))).collect()
    }

    /// The keys of all settings, in order.
    pub fn keys() -> impl Iterator<Item = String> {
        let faults = FaultKind::ALL.iter().map(|kind| format!("{FAULT_PREFIX}{}", kind.name()));
        SETTINGS.iter().map(|key| (*key).to_owned()).chain(faults)
    }
}

#[cfg(test)]
mod tests;
