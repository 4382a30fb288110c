//! What the simulated server answers: what a response says, whatever carries it. Knows no time except pauses.
//!
//! Reading order: this file (status, fields and content), `http1` (bytes, and how they are cut and ended),
//! `http2` (what is done to a stream).

mod http1;
mod http2;

use z6_scenario::random::Generator;
use z6_scenario::simulation::{FaultKind, Simulation};

use crate::answer::{Answer, Answers, Framing, Meant, Question, Spoilt};
use crate::draw::hits;
use crate::location::{self, Places, Redirect};
use crate::truth::Leads;
use crate::wire::Asks;

pub(crate) use http1::{After, Reply};
pub(crate) use http2::{Cut, Doing, Fields, StreamReply};

/// Pieces of an answer that trickles; the rest comes at once.
const TRICKLE_PIECES_MAX: usize = 40;
/// Bytes of such a piece at most.
const TRICKLE_BYTES_MAX: u64 = 16;
/// Pause between such pieces at most, nanoseconds.
const TRICKLE_PAUSE_MAX_NS: u64 = 10_000_000;
/// Unsolicited bytes come so much after the answer at most, nanoseconds.
const UNSOLICITED_PAUSE_MAX_NS: u64 = 20_000_000;
/// Bytes of a chunk at most.
const CHUNK_BYTES_MAX: u64 = 4_096;
/// Interim responses of a flood at most.
const INTERIM_MAX: u64 = 40;

/// The status of a response to a request whose token has expired.
const EXPIRED: u16 = 401;

/// What the request is, as far as the answer depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) is_head: bool,
    /// This is the last request of the connection: the client said so, or the server says so.
    pub(crate) is_last: bool,
    /// It came over HTTP/2.
    pub(crate) is_http2: bool,
    /// Interim responses that the client reads.
    pub(crate) interim_max: u32,
    /// What it asked for.
    pub(crate) place: location::Asked<'a>,
}

/// What makes up the content of responses of which something is read.
#[derive(Debug)]
pub(crate) struct Maker<'a> {
    pub(crate) answers: &'a mut Answers,
    /// None: it is not known what was asked.
    pub(crate) asks: Option<&'a Asks>,
    /// The URL of the request.
    pub(crate) url: &'a str,
}

impl Maker<'_> {
    /// The content of a response; none if nothing is read of it, if it has another status than the request
    /// expects, or if it cannot be spoilt like this.
    fn answer(
        &mut self,
        status: Option<u16>,
        framing: Framing,
        spoilt: Option<Spoilt>,
    ) -> Option<Answer> {
        let Asks { request, values } = self.asks?;
        if status.is_some_and(|status| !self.answers.expects(request.request, status)) {
            return None;
        }
        let url = self.url;
        self.answers.answer(&Question { request, values, url, status, framing, spoilt })
    }

    /// The status of other responses.
    fn status(&self) -> u16 {
        self.asks.map_or(200, |asks| self.answers.expected_status(asks.request.request))
    }
}

/// Faults of answers, in the order in which they are drawn.
pub(crate) const FAULTS: [FaultKind; 18] = [
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
    FaultKind::Irregular,
    FaultKind::MissingValue,
    FaultKind::CheckFailed,
    FaultKind::ExpiredToken,
    FaultKind::ResetStream,
];

/// What a response says.
struct Content {
    status: u16,
    leads: Option<Leads>,
    /// Its fields but those of the framing.
    fields: Vec<(String, Vec<u8>)>,
    trailers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    framing: Framing,
    has_body: bool,
    /// The length that the body is said to have.
    said: usize,
    /// What it means, if something is read of it.
    meant: Option<Meant>,
    /// What is wrong with it.
    fault: Option<FaultKind>,
}

impl Content {
    /// Draws it.
    fn draw(
        simulation: &Simulation,
        fault: Option<FaultKind>,
        asked: Asked<'_>,
        places: &Places,
        maker: &mut Maker<'_>,
        draws: &mut Generator,
    ) -> Content {
        let redirect = match fault {
            Some(FaultKind::ExpiredToken) => None,
            Some(FaultKind::BadRedirect) => Some(location::draw_bad(draws)),
            Some(_) | None => {
                hits(simulation.redirects, draws).then(|| places.draw(asked.place, draws))
            }
        };
        let drawn = if redirect.is_some() { None } else { status(simulation, draws) };
        let length = draws.uniform(simulation.body_bytes.min, simulation.body_bytes.max);
        let is_chunked = hits(simulation.chunked, draws) || fault == Some(FaultKind::BrokenChunk);
        let framing = Framing {
            is_head: asked.is_head,
            is_chunked,
            is_last: asked.is_last,
            is_http2: asked.is_http2,
        };
        let (answer, fault) = match (&redirect, fault) {
            (Some(_), Some(FaultKind::MissingValue | FaultKind::CheckFailed)) => (None, None),
            (Some(_), _) | (None, Some(FaultKind::ExpiredToken)) => (None, fault),
            (None, _) => content(maker, drawn, framing, fault),
        };
        let status = match (&redirect, fault, &answer) {
            (Some(redirect), ..) => redirect.status,
            (None, Some(FaultKind::ExpiredToken), _) => EXPIRED,
            (None, _, Some(answer)) => answer.status,
            (None, _, None) => drawn.unwrap_or_else(|| maker.status()),
        };
        let Redirect { locations, leads, .. } = match redirect {
            Some(redirect) => redirect,
            None => Redirect { status, locations: Vec::new(), leads: Leads::Nowhere },
        };
        let leads = (!locations.is_empty()).then_some(leads);
        let locations = locations.into_iter();
        let mut fields: Vec<(String, Vec<u8>)> =
            locations.map(|text| ("Location".to_owned(), text.into_bytes())).collect();
        let (own_fields, trailers, own, meant) = match answer {
            Some(Answer { fields, trailers, body, meant, .. }) => {
                (fields, trailers, body, Some(meant))
            }
            None => (Vec::new(), Vec::new(), None, None),
        };
        fields.extend(own_fields);
        let body = own.unwrap_or_else(|| vec![b'x'; length as usize]);
        let framing = Framing { is_chunked: is_chunked || !trailers.is_empty(), ..framing };
        let has_body = framing.has_body(status);
        let said = match fault {
            Some(FaultKind::WrongLength) if has_body && !framing.is_chunked && !body.is_empty() => {
                wrong(body.len() as u64, draws) as usize
            }
            _ => body.len(),
        };
        // A part of the body, perhaps, is not what was meant.
        let meant = meant.filter(|_| fault != Some(FaultKind::WrongLength));
        Content { status, leads, fields, trailers, body, framing, has_body, said, meant, fault }
    }
}

/// The content of a response, and what is wrong with it: what cannot be spoilt is as it should be.
fn content(
    maker: &mut Maker<'_>,
    status: Option<u16>,
    framing: Framing,
    fault: Option<FaultKind>,
) -> (Option<Answer>, Option<FaultKind>) {
    let spoilt = match fault {
        Some(FaultKind::MissingValue) => Spoilt::Value,
        Some(FaultKind::CheckFailed) => Spoilt::Check,
        Some(_) | None => return (maker.answer(status, framing, None), fault),
    };
    match maker.answer(status, framing, Some(spoilt)) {
        Some(answer) => (Some(answer), fault),
        None => (maker.answer(status, framing, None), None),
    }
}

/// A status that is drawn; none for the one that the request expects.
fn status(simulation: &Simulation, draws: &mut Generator) -> Option<u16> {
    if simulation.statuses.is_empty() {
        return None;
    }
    let mut left = draws.uniform(0, 999_999);
    for entry in &simulation.statuses {
        match left.checked_sub(u64::from(entry.share.millionths())) {
            Some(rest) => left = rest,
            None => return Some(entry.status),
        }
    }
    None
}

/// Another length than `length`.
fn wrong(length: u64, draws: &mut Generator) -> u64 {
    let more = draws.uniform(1, 1_000);
    if draws.uniform(0, 1) == 0 { length + more } else { length - more.min(length) }
}
