//! What the server says about a connection over HTTP/2 beside its streams, and whether the client keeps to it: PINGs,
//! settings, and windows. The account of windows is a second one beside that of `z6-proto-http2`.

use std::collections::{BTreeMap, VecDeque};

use z6_proto_http2::frame::{FrameHeader, FrameKind, flag};
use z6_proto_http2::{STREAMS_ASSUMED, WINDOW_BYTES_INITIAL};
use z6_scenario::simulation::{FaultKind, Simulation};

use super::{Streams, WINDOW_BYTES, flush, go_on, happened, number_of, streams_of};
use crate::draw::hits;
use crate::queue::{SimEvent, WireRef};
use crate::truth::Truth;
use crate::wire::Wires;
use crate::world::Env;

/// Identifiers of settings (RFC 9113 section 6.5.2).
const HEADER_TABLE_SIZE: u16 = 1;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// The step of the draws for what concerns a connection from its begin.
const OF_CONNECTION: u64 = u64::MAX;
/// Settings are late by this at most, nanoseconds.
const LATE_MAX_NS: u64 = 100_000_000;
/// Windows are smaller for this long at most, nanoseconds.
const SHRUNK_MAX_NS: u64 = 50_000_000;
/// A window that is smaller for a while, if it is not empty, and one that stays tiny, bytes.
const SHRUNK_MAX_BYTES: u64 = 8_192;
const TINY_MAX_BYTES: u64 = 2_048;
const PINGS_MAX: u64 = 3;

/// The account of one connection.
#[derive(Debug)]
pub(super) struct Control {
    /// Settings that the client has been told and has not acknowledged.
    announced: VecDeque<Said>,
    /// How many streams the client has acknowledged to be allowed.
    pub(super) allowed: u32,
    windows: Windows,
    /// Bytes and place in the list of the PINGs that are not answered.
    pings: VecDeque<([u8; 8], usize)>,
    /// Streams that had begun when an answer came whose bytes have not come.
    answered_behind: VecDeque<u64>,
    is_shrunk: bool,
    is_tiny: bool,
    /// Nothing is sent before the settings, which are late.
    pub(super) is_quiet: bool,
}

/// What settings say.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    streams: Option<u32>,
    window: Option<u32>,
}

/// What the client may still send, bytes, by its own acknowledgements and what the server has given.
#[derive(Debug)]
struct Windows {
    initial: i64,
    connection: i64,
    streams: BTreeMap<u32, i64>,
}

impl Windows {
    fn resize(&mut self, initial: u32) {
        let change = i64::from(initial) - self.initial;
        self.initial += change;
        self.streams.values_mut().for_each(|left| *left += change);
    }

    fn give(&mut self, stream: u32, bytes: u32) {
        let left = match stream {
            0 => Some(&mut self.connection),
            stream => self.streams.get_mut(&stream),
        };
        if let Some(left) = left {
            *left += i64::from(bytes);
        }
    }

    /// Content comes; what it exceeds.
    fn take(&mut self, stream: u32, bytes: u32) -> Option<i64> {
        let bytes = i64::from(bytes);
        let left = self.streams.entry(stream).or_insert(self.initial);
        let least = (*left).min(self.connection);
        *left -= bytes;
        self.connection -= bytes;
        (bytes > least.max(0)).then_some(least)
    }
}

impl Control {
    pub(super) fn new(simulation: &Simulation) -> Control {
        let streams = Some(simulation.max_concurrent_streams);
        let initial = i64::from(WINDOW_BYTES_INITIAL);
        Control {
            announced: VecDeque::from([Said { streams, window: Some(WINDOW_BYTES) }]),
            allowed: STREAMS_ASSUMED,
            windows: Windows { initial, connection: initial, streams: BTreeMap::new() },
            pings: VecDeque::new(),
            answered_behind: VecDeque::new(),
            is_shrunk: false,
            is_tiny: false,
            is_quiet: false,
        }
    }

    /// The header of a frame of the client goes by, behind the heads of so many streams.
    pub(super) fn note_received(
        &mut self,
        header: &FrameHeader,
        begun: u64,
        connection: u64,
        truth: &mut Truth,
    ) {
        match header.kind {
            FrameKind::HEADERS => {
                self.windows.streams.entry(header.stream).or_insert(self.windows.initial);
            }
            FrameKind::DATA => {
                if let Some(left) = self.windows.take(header.stream, header.length) {
                    let (length, stream) = (header.length, header.stream);
                    truth.broke_streams(format!(
                        "{length} bytes on stream {stream} of connection {connection:x}, whose window \
                         has {left}"
                    ));
                }
            }
            FrameKind::PING if header.has(flag::ACK) => self.answered_behind.push_back(begun),
            FrameKind::SETTINGS if header.has(flag::ACK) => match self.announced.pop_front() {
                Some(Said { streams, window }) => {
                    self.allowed = streams.unwrap_or(self.allowed);
                    if let Some(initial) = window {
                        self.windows.resize(initial);
                    }
                }
                None => truth.broke_streams(format!(
                    "settings are acknowledged on connection {connection:x} that were not sent"
                )),
            },
            _ => {}
        }
    }

    /// A PING of the client, or its answer to one, goes by.
    pub(super) fn note_ping(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        connection: u64,
        truth: &mut Truth,
    ) {
        if header.kind != FrameKind::PING || !header.has(flag::ACK) {
            return;
        }
        let behind = self.answered_behind.pop_front();
        match self.pings.pop_front() {
            Some((bytes, ping)) if bytes == payload => truth.answered_ping(ping, behind),
            asked => truth.broke_streams(format!(
                "PING {payload:?} on connection {connection:x} answers {asked:?}"
            )),
        }
    }

    /// A window update of the server goes out.
    pub(super) fn note_given(&mut self, header: &FrameHeader, payload: &[u8]) {
        if let (FrameKind::WINDOW_UPDATE, Some(bytes)) = (header.kind, payload.first_chunk()) {
            self.windows.give(header.stream, u32::from_be_bytes(*bytes));
        }
    }
}

impl Streams {
    /// The client may have so many streams at once.
    pub(super) fn allow(&mut self, streams: u32) {
        self.http.settings(&[(MAX_CONCURRENT_STREAMS, streams)]);
        self.control.announced.push_back(Said { streams: Some(streams), window: None });
    }

    /// The windows of streams are so large.
    fn resize_windows(&mut self, bytes: u32) {
        self.http.settings(&[(INITIAL_WINDOW_SIZE, bytes)]);
        self.control.announced.push_back(Said { streams: None, window: Some(bytes) });
    }
}

/// A connection begins: whether its settings are late.
pub(super) fn begin(env: &mut Env<'_>, streams: &mut Streams, of: WireRef) {
    let mut draws = env.draws().control(streams.connection, OF_CONNECTION);
    if hits(env.faults().get(FaultKind::SettingsLate), &mut draws) {
        streams.control.is_quiet = true;
        let later = env.after_ns(draws.uniform(1, LATE_MAX_NS));
        env.schedule(later, SimEvent::Settings(of));
        happened(env, FaultKind::SettingsLate);
    }
}

/// A stream begins: what the server says with it.
pub(super) fn stream_begins(
    env: &mut Env<'_>,
    streams: &mut Streams,
    truth: &mut Truth,
    of: WireRef,
    stream: u32,
) {
    let mut draws = env.draws().control(streams.connection, number_of(stream) + 1);
    let faults = env.faults();
    let [pings, shrinks, narrows, resizes] =
        [FaultKind::Pings, FaultKind::ShrinkWindow, FaultKind::TinyWindows, FaultKind::TableResize]
            .map(|kind| hits(faults.get(kind), &mut draws));
    if pings {
        for _ in 0..draws.uniform(1, PINGS_MAX) {
            let payload = draws.next_u64().to_be_bytes();
            streams.http.ping(payload);
            let ping = truth.pinged(streams.connection);
            streams.control.pings.push_back((payload, ping));
            streams.pings.push_back(ping);
        }
        happened(env, FaultKind::Pings);
    }
    if narrows && !streams.control.is_tiny {
        streams.control.is_tiny = true;
        streams.resize_windows(draws.uniform(1, TINY_MAX_BYTES) as u32);
        happened(env, FaultKind::TinyWindows);
    } else if shrinks && !streams.control.is_tiny && !streams.control.is_shrunk {
        streams.control.is_shrunk = true;
        let is_empty = draws.uniform(0, 2) == 0;
        streams.resize_windows(if is_empty {
            0
        } else {
            draws.uniform(1, SHRUNK_MAX_BYTES) as u32
        });
        let again = env.after_ns(draws.uniform(1, SHRUNK_MAX_NS));
        env.schedule(again, SimEvent::WindowsAgain(of));
        happened(env, FaultKind::ShrinkWindow);
    }
    if resizes {
        let bytes = draws.uniform(0, 4_096) as u32;
        streams.http.settings(&[(HEADER_TABLE_SIZE, bytes)]);
        streams.control.announced.push_back(Said::default());
        happened(env, FaultKind::TableResize);
    }
}

/// The windows of streams are as large as before.
pub(crate) fn widen_again(env: &mut Env<'_>, wires: &mut Wires, truth: &mut Truth, of: WireRef) {
    let Some(streams) = streams_of(wires, of) else { return };
    streams.control.is_shrunk = false;
    if !streams.control.is_tiny {
        streams.resize_windows(WINDOW_BYTES);
        flush(env, wires, truth, of);
    }
}

/// Settings that were late are sent, and what waits behind them.
pub(crate) fn send_settings(env: &mut Env<'_>, wires: &mut Wires, truth: &mut Truth, of: WireRef) {
    let Some(streams) = streams_of(wires, of) else { return };
    streams.control.is_quiet = false;
    go_on(env, wires, truth, of);
}
