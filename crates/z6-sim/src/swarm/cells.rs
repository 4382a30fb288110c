//! Which faults cannot occur to which connections, and why.

use z6_scenario::simulation::FaultKind;

use crate::coverage::RequestState;

const ATTEMPT: &str = "it occurs to an attempt, and counts before there is a connection";
const SERVER: &str = "the server answers, or fails to, once it has the whole request";
const BEGINS: &str = "it counts where the first bytes of the answer arrive";
const HEAD: &str = "no byte of the body is sent";
const NOTHING: &str = "it comes before the first byte of the answer";
const PART: &str = "a part of the answer comes before it";
const ASKED: &str = "the connection's request was received and is not answered";
const SOCKET: &str = "nothing is read or written without a connection";
const HTTP2: &str = "it occurs to streams of HTTP/2";
const FORMS: &str = "HTTP/2 has neither chunks nor more than one form of a head";
const WRITE: &str = "it occurs to writes, and only a request is written";

/// Why this fault never occurs to a connection in this state; none if it can.
#[must_use]
pub const fn impossible(kind: FaultKind, state: RequestState) -> Option<&'static str> {
    match kind {
        FaultKind::ConnectRefused
        | FaultKind::ConnectTimeout
        | FaultKind::ConnectUnreachable
        | FaultKind::ProxyRefused
        | FaultKind::OutOfPorts
        | FaultKind::OutOfDescriptors
        | FaultKind::AlpnHttp1 => attempt(state),
        FaultKind::ResetBefore | FaultKind::CloseBefore => before(state, NOTHING),
        FaultKind::ResetInHead if matches!(state, RequestState::InBody) => Some(HEAD),
        FaultKind::ResetInHead | FaultKind::ResetInBody | FaultKind::CloseInBody => within(state),
        FaultKind::Trickle
        | FaultKind::Garbage
        | FaultKind::WrongLength
        | FaultKind::InterimFlood
        | FaultKind::Unsolicited
        | FaultKind::NoAnswer
        | FaultKind::BadRedirect
        | FaultKind::MissingValue
        | FaultKind::CheckFailed
        | FaultKind::ExpiredToken => before(state, BEGINS),
        FaultKind::BrokenChunk | FaultKind::Irregular => match state {
            RequestState::Http2 => Some(FORMS),
            state => before(state, BEGINS),
        },
        FaultKind::GoAway
        | FaultKind::GoAwayError
        | FaultKind::RefuseStream
        | FaultKind::ResetStream
        | FaultKind::LowerStreams
        | FaultKind::Pings
        | FaultKind::SettingsLate
        | FaultKind::ShrinkWindow
        | FaultKind::TinyWindows
        | FaultKind::TableResize => match state {
            RequestState::Http2 => None,
            _ => Some(HTTP2),
        },
        FaultKind::PartialRead | FaultKind::WouldBlock => socket(state),
        FaultKind::PartialWrite => write(state),
        FaultKind::ServerStall
        | FaultKind::LateTimer
        | FaultKind::DuplicateStamp
        | FaultKind::LogStall
        | FaultKind::LogShortWrite
        | FaultKind::LogFull => None,
    }
}

const fn attempt(state: RequestState) -> Option<&'static str> {
    match state {
        RequestState::NoConnection => None,
        RequestState::Connecting
        | RequestState::Writing
        | RequestState::AwaitingHead
        | RequestState::InHead
        | RequestState::InBody
        | RequestState::Idle
        | RequestState::Http2 => Some(ATTEMPT),
    }
}

/// Faults that a client meets before it has seen anything of the answer.
const fn before(state: RequestState, why: &'static str) -> Option<&'static str> {
    match state {
        RequestState::AwaitingHead | RequestState::Http2 => None,
        RequestState::InHead | RequestState::InBody => Some(why),
        RequestState::Idle => Some(ASKED),
        RequestState::Writing => Some(SERVER),
        RequestState::NoConnection | RequestState::Connecting => Some(SERVER),
    }
}

/// Faults that end an answer of which a part came.
const fn within(state: RequestState) -> Option<&'static str> {
    match state {
        RequestState::AwaitingHead
        | RequestState::InHead
        | RequestState::InBody
        | RequestState::Http2 => None,
        RequestState::Idle => Some(PART),
        RequestState::NoConnection | RequestState::Connecting | RequestState::Writing => {
            Some(SERVER)
        }
    }
}

/// Bytes that belong to no request are read while the next request is written, too.
const fn socket(state: RequestState) -> Option<&'static str> {
    match state {
        RequestState::NoConnection | RequestState::Connecting => Some(SOCKET),
        RequestState::Writing
        | RequestState::AwaitingHead
        | RequestState::InHead
        | RequestState::InBody
        | RequestState::Idle
        | RequestState::Http2 => None,
    }
}

const fn write(state: RequestState) -> Option<&'static str> {
    match state {
        RequestState::Writing | RequestState::Http2 => None,
        RequestState::NoConnection => Some(SOCKET),
        RequestState::Connecting
        | RequestState::AwaitingHead
        | RequestState::InHead
        | RequestState::InBody
        | RequestState::Idle => Some(WRITE),
    }
}
