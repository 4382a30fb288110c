//! What one engine is built from: this worker's share of the run, as dense tables of integers.

use z6_events::{
    ErrorKind, Partition, PlannedRequest, Population, Protocol, RequestId, TargetId,
    is_server_error,
};
use z6_http::field::says_close;
use z6_scenario::{ConnectionReuse, Model, Plan, Request, RunModel, Scenario, ThinkTime, Users};

use super::journey::Rules;
use crate::planted::Planted;

/// Which connection takes the next request, of those that carry some already and have room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The one that carries most: as few connections as possible.
    Fill,
    /// The one that carries least, and a new connection before a second request on one.
    Spread,
}

/// How many requests a connection carries at once, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// Requests that a shared connection carries at once, from 1 to [`Streams::LIMIT_MAX`].
    /// Connections that are not shared carry one.
    pub limit: u32,
    /// Which connection takes the next request.
    pub placement: Placement,
    /// A request that is given up takes its connection with it: there is no other way to tell the
    /// peer. So it always is over HTTP/1.1.
    pub cancel_closes: bool,
    /// How often a request that the peer refused without processing it is sent again.
    pub resend_refused: u8,
    /// Each connection says when it is ready whether it speaks HTTP/2: until the first has, attempts are
    /// opened as for HTTP/1.1.
    pub is_negotiated: bool,
}

impl Streams {
    /// The most requests that a connection may carry at once.
    pub const LIMIT_MAX: u32 = 10_000;

    /// The most requests that a connection over HTTP/2 carries in its life: a stream has a number below
    /// 2^31, and every second one is ours.
    pub const IDS_MAX: u64 = 1 << 30;

    /// HTTP/1.1 without pipelining.
    pub const HTTP1: Streams = Streams {
        limit: 1,
        placement: Placement::Fill,
        cancel_closes: true,
        resend_refused: 0,
        is_negotiated: false,
    };
}

/// What the engine has to know about the wire side of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// How many resolved addresses each target has, by target.
    pub addresses: Vec<u16>,
    /// How many requests connections carry at once, by target; [`Streams::HTTP1`] for targets past
    /// its end.
    pub streams: Vec<Streams>,
    /// Length of each encoded request, bytes, by request, then target. None if it is not known
    /// before the request is sent: the driver says it with [`Input::Sent`](super::Input::Sent).
    pub request_bytes: Vec<Vec<Option<u64>>>,
}

/// An engine that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A limit of the whole run is smaller than the number of event loops that share it.
    #[error(
        "{limit} is {total}, which leaves nothing for some of {loops} workers: raise it or lower `runtime.workers`"
    )]
    ShareOfZero {
        /// The limit.
        limit: &'static str,
        /// Its value for the whole run.
        total: u64,
        /// Number of workers of all shards.
        loops: u32,
    },
    /// A target has no address.
    #[error("target {target} has no address")]
    NoAddress {
        /// The target.
        target: TargetId,
    },
}

/// What the engine knows of one target.
#[derive(Debug, Clone)]
pub(crate) struct TargetSettings {
    pub(crate) max_connections: u32,
    pub(crate) max_connecting: u32,
    pub(crate) reuse: ConnectionReuse,
    pub(crate) connect_ns: u64,
    pub(crate) tls_ns: u64,
    pub(crate) idle_ns: u64,
    pub(crate) max_requests: u64,
    /// How old a connection becomes.
    pub(crate) max_age_ns: Option<u64>,
    /// Whether a stale connection's request is sent once more if that is harmless.
    pub(crate) retry_stale: bool,
    pub(crate) reconnect_delay_ns: u64,
    pub(crate) addresses: u16,
    pub(crate) streams: Streams,
}

impl TargetSettings {
    /// Requests that a connection carries at once.
    pub(crate) fn limit(&self) -> u32 {
        match self.reuse {
            ConnectionReuse::Shared => {
                let limit = self.streams.limit.clamp(1, Streams::LIMIT_MAX);
                u32::try_from(self.max_requests).map_or(limit, |max| limit.min(max))
            }
            ConnectionReuse::PerVu | ConnectionReuse::Iteration | ConnectionReuse::None => 1,
        }
    }

    /// Waiting requests that one attempt is opened for, if it will speak this protocol.
    pub(crate) fn expected_streams(&self, protocol: Protocol) -> u32 {
        match (self.streams.placement, protocol) {
            (Placement::Fill, Protocol::Http2) => self.limit(),
            (Placement::Fill, Protocol::Http1) | (Placement::Spread, _) => 1,
        }
    }

    /// What the first attempt is taken to speak.
    pub(crate) fn expected_protocol(&self) -> Protocol {
        if self.streams.is_negotiated || self.streams.limit <= 1 {
            Protocol::Http1
        } else {
            Protocol::Http2
        }
    }
}

/// What the engine knows of one request template.
#[derive(Debug, Clone)]
pub(crate) struct RequestSettings {
    pub(crate) timeout_ns: u64,
    pub(crate) expect_status: Vec<u16>,
    pub(crate) bytes_by_target: Vec<Option<u64>>,
    pub(crate) follow_redirects: u8,
    /// Its connection carries nothing after it (RFC 9112 section 9.6).
    pub(crate) says_close: bool,
    /// It may be sent again, though it may have been processed (RFC 9110 section 9.2.2).
    pub(crate) is_idempotent: bool,
}

impl RequestSettings {
    fn new(request: &Request, bytes_by_target: &[Option<u64>]) -> RequestSettings {
        RequestSettings {
            timeout_ns: request.timeout_ns,
            expect_status: request.expect_status.clone(),
            bytes_by_target: bytes_by_target.to_vec(),
            follow_redirects: request.follow_redirects,
            says_close: request.headers.iter().any(|(name, value)| says_close(name, value)),
            is_idempotent: request.is_idempotent(),
        }
    }

    /// Why a complete response with this status counts as a failure, if it does.
    pub(crate) fn failure(&self, status: u16) -> Option<ErrorKind> {
        if !self.expect_status.is_empty() {
            let expected = self.expect_status.binary_search(&status).is_ok();
            return (!expected).then_some(ErrorKind::UnexpectedStatus);
        }
        match status {
            _ if is_server_error(status) => Some(ErrorKind::Status5xx),
            400.. => Some(ErrorKind::Status4xx),
            _ => None,
        }
    }
}

/// What the engine knows of the users of one population.
#[derive(Debug, Clone)]
pub(crate) struct UserSettings {
    pub(crate) model: Model,
    /// Arrivals alive at once, this worker's share.
    pub(crate) max_in_flight: usize,
    /// Whether every VU ends after so many iterations.
    pub(crate) has_last_iteration: bool,
    /// Length of every think time if it is constant.
    pub(crate) think_constant_ns: Option<u64>,
}

impl UserSettings {
    fn new(users: &Users, plan: &Plan, partition: Partition) -> Result<UserSettings, EngineError> {
        Ok(UserSettings {
            model: plan.model(),
            max_in_flight: max_in_flight(users, partition)? as usize,
            has_last_iteration: plan.steps_per_actor().is_some(),
            think_constant_ns: match users.think_time {
                ThinkTime::Constant { duration_ns } => Some(duration_ns),
                ThinkTime::None | ThinkTime::Random { .. } | ThinkTime::Exponential { .. } => None,
            },
        })
    }

    /// The most that this worker may have alive at once.
    fn peak(&self, population: Population, plan: &Plan, partition: Partition) -> u32 {
        match self.model {
            Model::Closed => plan.vus().peak_of(partition, population),
            Model::Open => u32::try_from(self.max_in_flight).unwrap_or(u32::MAX),
        }
    }
}

/// All that an engine holds constant.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) plan: Plan,
    pub(crate) partition: Partition,
    pub(crate) targets: Vec<TargetSettings>,
    pub(crate) requests: Vec<RequestSettings>,
    /// By number of population.
    users: Box<[UserSettings]>,
    /// Whether a target has `connection_reuse = "iteration"`.
    pub(crate) has_connections_of_iterations: bool,
    /// What responses decide; none if it is nothing but whether a request fails.
    pub(crate) journeys: Option<Rules>,
    pub(crate) end_ns: u64,
    pub(crate) grace_ns: u64,
    /// The bug that this engine has, if one was planted.
    pub(crate) planted: Planted,
}

/// This worker's share of a limit of the whole run.
fn share(partition: Partition, total: u32) -> u32 {
    // No share is more than the whole.
    partition.share(u64::from(total)) as u32
}

fn share_of_zero(limit: &'static str, total: u32, partition: Partition) -> EngineError {
    let loops = u32::from(partition.shards()) * u32::from(partition.workers());
    EngineError::ShareOfZero { limit, total: u64::from(total), loops }
}

impl Settings {
    pub(crate) fn new(
        scenario: &Scenario,
        plan: Plan,
        partition: Partition,
        wire: &Wire,
    ) -> Result<Settings, EngineError> {
        let all = scenario.populations.iter().zip(plan.populations());
        let users = all.map(|(users, (_, plan))| UserSettings::new(users, plan, partition));
        let users = users.collect::<Result<Box<[_]>, _>>()?;
        let peaks = users.iter().zip(plan.populations());
        let peaks = peaks.map(|(users, (number, plan))| users.peak(number, plan, partition));
        let peak = peaks.fold(0, u32::saturating_add);
        let targets = (0..scenario.targets.len())
            .map(|i| target_settings(scenario, TargetId(i as u16), partition, peak, wire))
            .collect::<Result<Vec<_>, _>>()?;
        let requests = scenario.requests.iter().zip(&wire.request_bytes);
        let is_of_iterations = |t: &TargetSettings| t.reuse == ConnectionReuse::Iteration;
        Ok(Settings {
            partition,
            has_connections_of_iterations: targets.iter().any(is_of_iterations),
            targets,
            requests: requests.map(|(r, bytes)| RequestSettings::new(r, bytes)).collect(),
            users,
            journeys: Rules::new(scenario),
            end_ns: plan.end_ns().unwrap_or(u64::MAX),
            grace_ns: scenario.runtime.graceful_stop_ns,
            plan,
            planted: Planted::default(),
        })
    }

    #[inline]
    pub(crate) fn users(&self, population: Population) -> &UserSettings {
        &self.users[usize::from(population.0)]
    }

    /// How many populations there are.
    pub(crate) fn populations(&self) -> usize {
        self.users.len()
    }

    pub(crate) fn request(&self, id: RequestId) -> &RequestSettings {
        &self.requests[id.index()]
    }

    /// Length of a request as planned, bytes; none if the driver has to say it.
    pub(crate) fn request_bytes(&self, request: &PlannedRequest) -> Option<u64> {
        self.request(request.request).bytes_by_target[request.target.index()]
    }

    pub(crate) fn target(&self, id: TargetId) -> &TargetSettings {
        &self.targets[id.index()]
    }
}

/// This worker's share of `max_in_flight`; without bound in the closed model.
fn max_in_flight(users: &Users, partition: Partition) -> Result<u32, EngineError> {
    let Some(total) = users.schedule.max_in_flight() else { return Ok(u32::MAX) };
    match share(partition, total) {
        0 => Err(share_of_zero("max_in_flight", total, partition)),
        share => Ok(share),
    }
}

fn target_settings(
    scenario: &Scenario,
    id: TargetId,
    partition: Partition,
    worker_peak: u32,
    wire: &Wire,
) -> Result<TargetSettings, EngineError> {
    let target = scenario.target(id);
    let reuse = target.connection_reuse;
    let mut max_connections = share(partition, target.max_connections);
    let is_owned = matches!(reuse, ConnectionReuse::PerVu | ConnectionReuse::Iteration);
    if is_owned && scenario.model() == RunModel::Closed {
        max_connections = max_connections.max(worker_peak);
    }
    if max_connections == 0 && worker_peak > 0 {
        return Err(share_of_zero("max_connections", target.max_connections, partition));
    }
    let addresses = wire.addresses.get(id.index()).copied().unwrap_or(0);
    if addresses == 0 {
        return Err(EngineError::NoAddress { target: id });
    }
    Ok(TargetSettings {
        max_connections,
        max_connecting: scenario.limits.max_connecting,
        reuse,
        connect_ns: target.connection_timeout_ns,
        tls_ns: target.tls_timeout_ns,
        idle_ns: target.idle_timeout_ns,
        max_requests: target.max_requests_per_connection.unwrap_or(u64::MAX),
        max_age_ns: target.max_connection_age_ns,
        retry_stale: target.retry_stale,
        reconnect_delay_ns: target.reconnect_delay_ns,
        addresses,
        streams: wire.streams.get(id.index()).copied().unwrap_or(Streams::HTTP1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_fail_by_class_unless_the_request_names_what_it_expects() {
        let mut request = RequestSettings {
            timeout_ns: 1,
            expect_status: vec![],
            bytes_by_target: vec![],
            follow_redirects: 0,
            says_close: false,
            is_idempotent: true,
        };
        assert_eq!(request.failure(204), None);
        assert_eq!(request.failure(399), None);
        assert_eq!(request.failure(404), Some(ErrorKind::Status4xx));
        for status in [0, 99, 500, 599, 600, 999] {
            assert_eq!(request.failure(status), Some(ErrorKind::Status5xx), "{status}");
        }
        for status in [100, 399] {
            assert_eq!(request.failure(status), None, "{status}");
        }
        request.expect_status = vec![201, 404];
        assert_eq!(request.failure(404), None);
        assert_eq!(request.failure(200), Some(ErrorKind::UnexpectedStatus));
    }
}
