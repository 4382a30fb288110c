//! A response over HTTP/2: what is done to its stream, or to the connection in its place.

use z6_proto_http2::ErrorCode;
use z6_scenario::random::Generator;
use z6_scenario::simulation::{FaultKind, Simulation};

use super::http1::After;
use super::{
    Asked, CHUNK_BYTES_MAX, Content, INTERIM_MAX, Maker, TRICKLE_BYTES_MAX, TRICKLE_PAUSE_MAX_NS,
    TRICKLE_PIECES_MAX, UNSOLICITED_PAUSE_MAX_NS,
};
use crate::answer::Meant;
use crate::location::Places;
use crate::truth::Leads;

/// Why streams are reset.
const CODES: [ErrorCode; 4] = [
    ErrorCode::NO_ERROR,
    ErrorCode::INTERNAL_ERROR,
    ErrorCode::CANCEL,
    ErrorCode::ENHANCE_YOUR_CALM,
];

/// Names and values.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Where the bytes of a response end that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Inside the frames of its head.
    Head,
    /// Behind them.
    Body,
}

/// What the server does about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Sends the response.
    Answers,
    /// Sends the head, then the body a few bytes at a time: pauses, nanoseconds, each with the number of bytes that
    /// follow it. What is left of the body comes after the last.
    Trickles(Vec<(u64, usize)>),
    /// Sends the response and, so much later, a frame of a stream that does not exist.
    Intrudes { pause_ns: u64 },
    /// Resets the stream: before anything, or after the head and so much of the body.
    Resets { code: ErrorCode, after: Option<usize> },
    /// Sends a part of the response, and the connection ends so.
    Breaks { cut: Cut, after: After },
    /// Ends the connection.
    Leaves(After),
    /// Sends bytes that are no frame.
    Babbles(Vec<u8>),
}

/// A response over HTTP/2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamReply {
    pub(crate) doing: Doing,
    /// Interim responses before it.
    pub(crate) interim: u64,
    pub(crate) head: Fields,
    pub(crate) body: Vec<u8>,
    /// Where its DATA frames end in the body, at least.
    pub(crate) frame_ends: Vec<usize>,
    pub(crate) trailers: Fields,
    /// The stream ends with the head.
    pub(crate) ends_with_head: bool,
    pub(crate) status: u16,
    /// Where it redirects to, if it has a `location`.
    pub(crate) leads: Option<Leads>,
    /// What its content means, if something is read of it.
    pub(crate) meant: Option<Meant>,
    /// A client that gets all of it has a response.
    pub(crate) is_whole: bool,
    /// What is wrong with it.
    pub(crate) fault: Option<FaultKind>,
}

impl StreamReply {
    /// Draws a response; `None` if the request gets none.
    pub(crate) fn draw(
        simulation: &Simulation,
        fault: Option<FaultKind>,
        asked: Asked<'_>,
        places: &Places,
        maker: &mut Maker<'_>,
        draws: &mut Generator,
    ) -> Option<StreamReply> {
        if fault == Some(FaultKind::NoAnswer) {
            return None;
        }
        let content = Content::draw(simulation, fault, asked, places, maker, draws);
        Some(StreamReply::new(content, asked, draws))
    }

    fn new(content: Content, asked: Asked<'_>, draws: &mut Generator) -> StreamReply {
        let Content {
            status, leads, fields, trailers, body, framing, has_body, said, meant, ..
        } = content;
        let fault = content.fault;
        let body = if has_body { body } else { Vec::new() };
        let mut head = vec![(b":status".to_vec(), status.to_string().into_bytes())];
        head.extend(lower(fields));
        head.extend(lower(framing.fields(status, said)));
        let trailers = if has_body { lower(trailers) } else { Vec::new() };
        let mut frame_ends = Vec::new();
        if framing.is_chunked {
            let mut end = 0;
            while end < body.len() {
                end += (draws.uniform(1, CHUNK_BYTES_MAX) as usize).min(body.len() - end);
                frame_ends.push(end);
            }
        }
        // An empty body may be no frame, or an empty one.
        let has_no_frame = body.is_empty() && trailers.is_empty();
        let ends_with_head = has_no_frame && (!has_body || draws.uniform(0, 1) == 0);
        let interim = match fault {
            Some(FaultKind::InterimFlood) => draws.uniform(1, INTERIM_MAX),
            _ => 0,
        };
        let doing = doing(fault, body.len(), draws);
        let is_wrong = fault == Some(FaultKind::WrongLength) && said != body.len() && has_body;
        let goes_out =
            matches!(doing, Doing::Answers | Doing::Trickles(_) | Doing::Intrudes { .. });
        let is_whole = goes_out && !is_wrong && interim <= u64::from(asked.interim_max);
        StreamReply {
            doing,
            interim,
            head,
            body,
            frame_ends,
            trailers,
            ends_with_head,
            status,
            leads,
            meant,
            is_whole,
            fault,
        }
    }
}

fn doing(fault: Option<FaultKind>, body_bytes: usize, draws: &mut Generator) -> Doing {
    match fault {
        Some(FaultKind::ResetBefore) => Doing::Leaves(After::Resets),
        Some(FaultKind::CloseBefore) => Doing::Leaves(After::Ends),
        Some(FaultKind::ResetInHead) => Doing::Breaks { cut: Cut::Head, after: After::Resets },
        Some(FaultKind::ResetInBody) => Doing::Breaks { cut: Cut::Body, after: After::Resets },
        Some(FaultKind::CloseInBody) => Doing::Breaks { cut: Cut::Body, after: After::Ends },
        Some(FaultKind::Trickle) => Doing::Trickles(trickle(body_bytes, draws)),
        Some(FaultKind::Garbage) => {
            let length = draws.uniform(1, 300);
            let mut garbage: Vec<u8> = (0..length).map(|_| draws.next_u64() as u8).collect();
            // What begins like a frame is none: it would be longer than any may be.
            garbage[0] |= 0x80;
            Doing::Babbles(garbage)
        }
        Some(FaultKind::Unsolicited) => {
            let pause_ns = draws.uniform(0, 1) * draws.uniform(1, UNSOLICITED_PAUSE_MAX_NS);
            Doing::Intrudes { pause_ns }
        }
        Some(FaultKind::ResetStream) => {
            let code = CODES[draws.uniform(0, CODES.len() as u64 - 1) as usize];
            let has_head = draws.uniform(0, 2) > 0;
            let sent = draws.uniform(0, (body_bytes as u64).saturating_sub(1)) as usize;
            Doing::Resets { code, after: has_head.then_some(sent) }
        }
        Some(_) | None => Doing::Answers,
    }
}

/// Names in lower case (RFC 9113 section 8.2).
fn lower(fields: Vec<(String, Vec<u8>)>) -> Fields {
    let each = fields.into_iter();
    each.map(|(name, value)| (name.to_ascii_lowercase().into_bytes(), value)).collect()
}

fn trickle(body_bytes: usize, draws: &mut Generator) -> Vec<(u64, usize)> {
    let mut pieces = Vec::new();
    let mut left = body_bytes;
    while left > 0 && pieces.len() < TRICKLE_PIECES_MAX {
        let size = (draws.uniform(1, TRICKLE_BYTES_MAX) as usize).min(left);
        pieces.push((draws.uniform(0, TRICKLE_PAUSE_MAX_NS), size));
        left -= size;
    }
    pieces
}
