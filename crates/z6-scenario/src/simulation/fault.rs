//! The faults of the simulated world: their names, and how often each occurs.
//! What a fault does is the simulator's business.

use super::Share;

/// One way in which the simulated world misbehaves. docs/SIMULATION.md says what each does, of what
/// its share is a share, and what Z6 reports for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// Per connection attempt: refused.
    ConnectRefused,
    /// Per connection attempt: never answered.
    ConnectTimeout,
    /// Per connection attempt: no route.
    ConnectUnreachable,
    /// Per connection attempt: no local port is free.
    OutOfPorts,
    /// Per connection attempt: no descriptor is free.
    OutOfDescriptors,
    /// Per request: reset before the first byte of the response.
    ResetBefore,
    /// Per request: reset inside the head.
    ResetInHead,
    /// Per request: reset inside the body.
    ResetInBody,
    /// Per request: closed before the first byte of the response.
    CloseBefore,
    /// Per request: closed inside the body.
    CloseInBody,
    /// Per request: the response comes a few bytes at a time, with pauses.
    Trickle,
    /// Per request: bytes that are not HTTP.
    Garbage,
    /// Per request: a `Content-Length` that is not the body's.
    WrongLength,
    /// Per request: a chunk whose framing is broken.
    BrokenChunk,
    /// Per request: many 1xx responses before the final one.
    InterimFlood,
    /// Per request: bytes that belong to no request, after the response or on the idle connection.
    Unsolicited,
    /// Per request: no response at all.
    NoAnswer,
    /// Per request: a redirect whose `Location` is no URL of a target.
    BadRedirect,
    /// Per read: only a part of what is there, down to 1 byte.
    PartialRead,
    /// Per write: only a part is taken, down to 1 byte.
    PartialWrite,
    /// Per read or write: readiness that yields nothing, a write that takes nothing for a while.
    WouldBlock,
    /// Per 100 ms of virtual time: the whole server stalls for a while.
    ServerStall,
    /// Per 100 ms of virtual time: the loop is woken late.
    LateTimer,
    /// Per 100 ms of virtual time: the clock gives the same tick for a while.
    DuplicateStamp,
    /// Per log block: the writer takes long.
    LogStall,
    /// Per log block: the file takes only a part of a write.
    LogShortWrite,
    /// Per log block: the disk is full.
    LogFull,
    /// Per request: a response that breaks HTTP/1.1 and has one reading only.
    Irregular,
    /// Per request that extracts something: a response without one of the values.
    MissingValue,
    /// Per request with checks: a response for which one of them does not hold.
    CheckFailed,
    /// Per request of an iteration: status 401.
    ExpiredToken,
    /// Per connection attempt through a proxy: no tunnel.
    ProxyRefused,
    /// Per request over HTTP/2: GOAWAY, after which the server takes no more on the connection.
    GoAway,
    /// Per request over HTTP/2: GOAWAY with an error, and the end of the connection.
    GoAwayError,
    /// Per request over HTTP/2: its stream is refused before anything is done for it.
    RefuseStream,
    /// Per request over HTTP/2: its stream is reset before the response or inside it.
    ResetStream,
    /// Per request over HTTP/2: the server allows fewer streams at once for a while.
    LowerStreams,
    /// Per request over HTTP/2: the server sends PINGs.
    Pings,
    /// Per connection over HTTP/2: the settings of the server, and all that follows them, come late.
    SettingsLate,
    /// Per request over HTTP/2: the windows of streams, open ones too, are smaller for a while, or empty.
    ShrinkWindow,
    /// Per request over HTTP/2: the windows of streams, open ones too, are tiny from then on.
    TinyWindows,
    /// Per request over HTTP/2: the server keeps a header table of another size.
    TableResize,
    /// Per connection attempt that asks for HTTP/2: the server selects HTTP/1.1.
    AlpnHttp1,
}

impl FaultKind {
    /// How many there are.
    pub const COUNT: usize = 43;

    /// All of them, in order.
    pub const ALL: [FaultKind; FaultKind::COUNT] = [
        FaultKind::ConnectRefused,
        FaultKind::ConnectTimeout,
        FaultKind::ConnectUnreachable,
        FaultKind::OutOfPorts,
        FaultKind::OutOfDescriptors,
        FaultKind::ResetBefore,
        FaultKind::ResetInHead,
        FaultKind::ResetInBody,
        FaultKind::CloseBefore,
        FaultKind::CloseInBody,
        FaultKind::Trickle,
        FaultKind::Garbage,
        FaultKind::WrongLength,
        FaultKind::BrokenChunk,
        FaultKind::InterimFlood,
        FaultKind::Unsolicited,
        FaultKind::NoAnswer,
        FaultKind::BadRedirect,
        FaultKind::PartialRead,
        FaultKind::PartialWrite,
        FaultKind::WouldBlock,
        FaultKind::ServerStall,
        FaultKind::LateTimer,
        FaultKind::DuplicateStamp,
        FaultKind::LogStall,
        FaultKind::LogShortWrite,
        FaultKind::LogFull,
        FaultKind::Irregular,
        FaultKind::MissingValue,
        FaultKind::CheckFailed,
        FaultKind::ExpiredToken,
        FaultKind::ProxyRefused,
        FaultKind::GoAway,
        FaultKind::GoAwayError,
        FaultKind::RefuseStream,
        FaultKind::ResetStream,
        FaultKind::LowerStreams,
        FaultKind::Pings,
        FaultKind::SettingsLate,
        FaultKind::ShrinkWindow,
        FaultKind::TinyWindows,
        FaultKind::TableResize,
        FaultKind::AlpnHttp1,
    ];

    /// Its name in scenarios and on the command line: `reset_in_body`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FaultKind::ConnectRefused => "connect_refused",
            FaultKind::ConnectTimeout => "connect_timeout",
            FaultKind::ConnectUnreachable => "connect_unreachable",
            FaultKind::OutOfPorts => "out_of_ports",
            FaultKind::OutOfDescriptors => "out_of_descriptors",
            FaultKind::ResetBefore => "reset_before",
            FaultKind::ResetInHead => "reset_in_head",
            FaultKind::ResetInBody => "reset_in_body",
            FaultKind::CloseBefore => "close_before",
            FaultKind::CloseInBody => "close_in_body",
            FaultKind::Trickle => "trickle",
            FaultKind::Garbage => "garbage",
            FaultKind::WrongLength => "wrong_length",
            FaultKind::BrokenChunk => "broken_chunk",
            FaultKind::InterimFlood => "interim_flood",
            FaultKind::Unsolicited => "unsolicited",
            FaultKind::NoAnswer => "no_answer",
            FaultKind::BadRedirect => "bad_redirect",
            FaultKind::PartialRead => "partial_read",
            FaultKind::PartialWrite => "partial_write",
            FaultKind::WouldBlock => "would_block",
            FaultKind::ServerStall => "server_stall",
            FaultKind::LateTimer => "late_timer",
            FaultKind::DuplicateStamp => "duplicate_stamp",
            FaultKind::LogStall => "log_stall",
            FaultKind::LogShortWrite => "log_short_write",
            FaultKind::LogFull => "log_full",
            FaultKind::Irregular => "irregular",
            FaultKind::MissingValue => "missing_value",
            FaultKind::CheckFailed => "check_failed",
            FaultKind::ExpiredToken => "expired_token",
            FaultKind::ProxyRefused => "proxy_refused",
            FaultKind::GoAway => "go_away",
            FaultKind::GoAwayError => "go_away_error",
            FaultKind::RefuseStream => "refuse_stream",
            FaultKind::ResetStream => "reset_stream",
            FaultKind::LowerStreams => "lower_streams",
            FaultKind::Pings => "pings",
            FaultKind::SettingsLate => "settings_late",
            FaultKind::ShrinkWindow => "shrink_window",
            FaultKind::TinyWindows => "tiny_windows",
            FaultKind::TableResize => "table_resize",
            FaultKind::AlpnHttp1 => "alpn_http1",
        }
    }

    /// The fault of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<FaultKind> {
        FaultKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether it can only happen to a connection over HTTP/2.
    #[must_use]
    pub const fn is_of_http2(self) -> bool {
        matches!(
            self,
            FaultKind::GoAway
                | FaultKind::GoAwayError
                | FaultKind::RefuseStream
                | FaultKind::ResetStream
                | FaultKind::LowerStreams
        ) || self.is_of_http2_connection()
    }

    /// Whether it concerns what a server says about a connection over HTTP/2, beside its streams.
    #[must_use]
    pub const fn is_of_http2_connection(self) -> bool {
        matches!(
            self,
            FaultKind::Pings
                | FaultKind::SettingsLate
                | FaultKind::ShrinkWindow
                | FaultKind::TinyWindows
                | FaultKind::TableResize
                | FaultKind::AlpnHttp1
        )
    }

    /// Its place in [`FaultKind::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// How often each fault occurs. [`Default`]: never.
///
/// ```
/// use z6_scenario::simulation::{FaultKind, Faults, Share};
///
/// let mut faults = Faults::default();
/// faults.set(FaultKind::Garbage, Share::parse("0.5")?);
/// assert_eq!(faults.get(FaultKind::Garbage).millionths(), 500_000);
/// assert_eq!(faults.iter().count(), 1);
/// # Ok::<(), z6_scenario::ScenarioError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    shares: [Share; FaultKind::COUNT],
}

impl Default for Faults {
    fn default() -> Faults {
        Faults { shares: [Share::ZERO; FaultKind::COUNT] }
    }
}

impl Faults {
    /// How often this one occurs, as a share of what it can happen to.
    #[must_use]
    pub const fn get(&self, kind: FaultKind) -> Share {
        self.shares[kind.index()]
    }

    /// Sets how often this one occurs.
    pub const fn set(&mut self, kind: FaultKind, share: Share) {
        self.shares[kind.index()] = share;
    }

    /// Those that occur at all, in the order of [`FaultKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (FaultKind, Share)> {
        let all = FaultKind::ALL.into_iter().map(|kind| (kind, self.get(kind)));
        all.filter(|(_, share)| !share.is_zero())
    }

    /// Whether none occurs.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        self.iter().next().is_none()
    }
}
