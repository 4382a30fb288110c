//! What the simulated server answers: bytes, and how they are cut and ended. Knows no time except pauses.

use z6_scenario::random::Generator;
use z6_scenario::simulation::{FaultKind, Simulation};

use crate::answer::{Answer, Answers, Framing, Meant, Question, Spoilt};
use crate::draw::hits;
use crate::location::{self, Places, Redirect};
use crate::truth::Leads;
use crate::wire::Asks;

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

const INTERIM: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
/// Bytes that belong to no request. They are not a response: a client could not tell one from the response to
/// the request that is in progress when they arrive.
const UNSOLICITED: &[u8] = b"bytes without request\r\n";

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The connection stays.
    Stays,
    /// The server closes its side.
    Ends,
    /// The server resets the connection.
    Resets,
}

/// What the request is, as far as the answer depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) is_head: bool,
    /// This is the last request of the connection: the client said so, or the server says so.
    pub(crate) is_last: bool,
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

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Pauses, nanoseconds, each with the bytes that follow it.
    pub(crate) pieces: Vec<(u64, Vec<u8>)>,
    pub(crate) after: After,
    pub(crate) status: u16,
    /// Where it redirects to, if it has a `Location`.
    pub(crate) leads: Option<Leads>,
    /// Bytes of the interim responses before the final one.
    pub(crate) interim_bytes: u64,
    /// Bytes up to the end of the final head.
    pub(crate) head_bytes: u64,
    /// Bytes of the whole response; none if it is not one.
    pub(crate) whole_bytes: Option<u64>,
    /// What its content means, if something is read of it.
    pub(crate) meant: Option<Meant>,
    /// What is wrong with it.
    pub(crate) fault: Option<FaultKind>,
}

/// Faults of answers, in the order in which they are drawn.
pub(crate) const FAULTS: [FaultKind; 17] = [
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
];

/// An answer in parts.
struct Parts {
    head: Vec<u8>,
    body: Vec<u8>,
    status: u16,
    leads: Option<Leads>,
    is_last: bool,
    meant: Option<Meant>,
    fault: Option<FaultKind>,
}

impl Reply {
    /// Draws a response; `None` if the request gets none.
    pub(crate) fn draw(
        simulation: &Simulation,
        fault: Option<FaultKind>,
        asked: Asked<'_>,
        places: &Places,
        maker: &mut Maker<'_>,
        draws: &mut Generator,
    ) -> Option<Reply> {
        match fault {
            Some(FaultKind::NoAnswer) => return None,
            Some(FaultKind::ResetBefore) => return Some(Reply::nothing(After::Resets, fault)),
            Some(FaultKind::CloseBefore) => return Some(Reply::nothing(After::Ends, fault)),
            Some(_) | None => {}
        }
        let redirect = match fault {
            Some(FaultKind::ExpiredToken) => None,
            Some(FaultKind::BadRedirect) => Some(location::draw_bad(draws)),
            Some(_) | None => {
                hits(simulation.redirects, draws).then(|| places.draw(asked.place, draws))
            }
        };
        let parts = Parts::draw(simulation, fault, asked, redirect, maker, draws);
        Some(parts.spoil(asked, draws))
    }

    fn nothing(after: After, fault: Option<FaultKind>) -> Reply {
        Reply {
            pieces: Vec::new(),
            after,
            status: 0,
            leads: None,
            interim_bytes: 0,
            head_bytes: 0,
            whole_bytes: None,
            meant: None,
            fault,
        }
    }
}

impl Parts {
    fn draw(
        simulation: &Simulation,
        fault: Option<FaultKind>,
        asked: Asked<'_>,
        redirect: Option<Redirect>,
        maker: &mut Maker<'_>,
        draws: &mut Generator,
    ) -> Parts {
        let drawn = if redirect.is_some() { None } else { status(simulation, draws) };
        let length = draws.uniform(simulation.body_bytes.min, simulation.body_bytes.max);
        let is_chunked = hits(simulation.chunked, draws) || fault == Some(FaultKind::BrokenChunk);
        let framing = Framing { is_head: asked.is_head, is_chunked, is_last: asked.is_last };
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
        let mut head = format!("HTTP/1.1 {status} Simulated\r\n").into_bytes();
        for location in redirect.iter().flat_map(|redirect| &redirect.locations) {
            push_field(&mut head, "Location", location.as_bytes());
        }
        let (fields, trailers, own, meant) = match answer {
            Some(Answer { fields, trailers, body, meant, .. }) => {
                (fields, trailers, body, Some(meant))
            }
            None => (Vec::new(), Vec::new(), None, None),
        };
        for (name, value) in &fields {
            push_field(&mut head, name, value);
        }
        let body = own.unwrap_or_else(|| vec![b'x'; length as usize]);
        let framing = Framing { is_chunked: is_chunked || !trailers.is_empty(), ..framing };
        let has_body = framing.has_body(status);
        let said = match fault {
            Some(FaultKind::WrongLength) if has_body && !framing.is_chunked && !body.is_empty() => {
                wrong(body.len() as u64, draws) as usize
            }
            _ => body.len(),
        };
        let body = match (has_body, framing.is_chunked) {
            (false, _) => Vec::new(),
            (true, false) => body,
            (true, true) => chunked(&body, &trailers, fault == Some(FaultKind::BrokenChunk), draws),
        };
        for (name, value) in framing.fields(status, said) {
            push_field(&mut head, &name, &value);
        }
        head.extend_from_slice(b"\r\n");
        if fault == Some(FaultKind::Irregular) {
            head = irregular(&head, draws);
        }
        let leads = redirect.map(|redirect| redirect.leads);
        // A part of the body, perhaps, is not what was meant.
        let meant = meant.filter(|_| fault != Some(FaultKind::WrongLength));
        Parts { head, body, status, leads, is_last: asked.is_last, meant, fault }
    }

    /// The answer with what is wrong about it.
    fn spoil(self, asked: Asked<'_>, draws: &mut Generator) -> Reply {
        let stays = if self.is_last { After::Ends } else { After::Stays };
        let head_bytes = self.head.len() as u64;
        let whole = head_bytes + self.body.len() as u64;
        let said = said_length(&self.head);
        let has_body = !self.body.is_empty();
        let (status, leads, meant, fault) = (self.status, self.leads, self.meant, self.fault);
        let all = [self.head, self.body].concat();
        let reply = |pieces, after, whole_bytes| Reply {
            pieces,
            after,
            status,
            leads: leads.clone(),
            interim_bytes: 0,
            head_bytes,
            whole_bytes,
            meant: meant.clone(),
            fault,
        };
        let cut = |from: u64, to: u64, draws: &mut Generator| {
            all[..draws.uniform(from, to.max(from)) as usize].to_vec()
        };
        match fault {
            Some(FaultKind::ResetInHead) => {
                reply(vec![(0, cut(1, head_bytes - 1, draws))], After::Resets, None)
            }
            Some(FaultKind::ResetInBody | FaultKind::CloseInBody) => {
                let after = match fault {
                    Some(FaultKind::CloseInBody) => After::Ends,
                    _ => After::Resets,
                };
                // Without a body to speak of it ends inside the head.
                let (from, to) =
                    if has_body { (head_bytes, whole - 1) } else { (1, head_bytes - 1) };
                reply(vec![(0, cut(from, to, draws))], after, None)
            }
            Some(FaultKind::Trickle) => reply(trickle(&all, draws), stays, Some(whole)),
            Some(FaultKind::Garbage) => {
                let garbage = (0..draws.uniform(1, 300)).map(|_| draws.next_u64() as u8).collect();
                // What begins like an answer is none either way: the first byte is no `H`.
                let mut garbage: Vec<u8> = garbage;
                garbage[0] |= 0x80;
                reply(vec![(0, garbage)], stays, None)
            }
            Some(FaultKind::WrongLength) if has_body && said.is_some() => {
                let said = head_bytes + said.unwrap_or(0);
                if said > whole {
                    reply(vec![(0, all)], After::Ends, None)
                } else {
                    reply(vec![(0, all)], stays, Some(said))
                }
            }
            Some(FaultKind::BrokenChunk) if has_body => reply(vec![(0, all)], stays, None),
            Some(FaultKind::InterimFlood) => {
                let count = draws.uniform(1, INTERIM_MAX);
                let mut bytes = INTERIM.repeat(count as usize);
                let before = bytes.len() as u64;
                bytes.extend_from_slice(&all);
                let is_read = count <= u64::from(asked.interim_max);
                Reply {
                    interim_bytes: before,
                    head_bytes: before + head_bytes,
                    ..reply(vec![(0, bytes)], stays, is_read.then_some(before + whole))
                }
            }
            Some(FaultKind::Unsolicited) => {
                let pause_ns = draws.uniform(0, 1) * draws.uniform(1, UNSOLICITED_PAUSE_MAX_NS);
                reply(vec![(0, all), (pause_ns, UNSOLICITED.to_vec())], stays, Some(whole))
            }
            Some(_) | None => reply(vec![(0, all)], stays, Some(whole)),
        }
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

fn push_field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
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

/// The same head with at least one irregularity.
fn irregular(head: &[u8], draws: &mut Generator) -> Vec<u8> {
    let which = draws.uniform(1, 15);
    let (version, spaces) =
        (["1.1", "1.2"][(which & 1) as usize], [" ", "   "][(which >> 1 & 1) as usize]);
    let mut text = String::from_utf8_lossy(head).replacen("1.1 ", &format!("{version}{spaces}"), 1);
    if which & 4 != 0 {
        text = text.replacen("\r\n", "\r\nX-Folded: a\r\n\tb\r\n", 1);
    }
    if which & 8 != 0 {
        text = text.replace("\r\n", "\n");
    }
    text.into_bytes()
}

/// Another length than `length`.
fn wrong(length: u64, draws: &mut Generator) -> u64 {
    let more = draws.uniform(1, 1_000);
    if draws.uniform(0, 1) == 0 { length + more } else { length - more.min(length) }
}

/// What the head gives as the length.
fn said_length(head: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(head).ok()?;
    let (_, rest) = text.split_once("Content-Length: ")?;
    rest.split('\r').next()?.parse().ok()
}

fn chunked(
    body: &[u8],
    trailers: &[(String, Vec<u8>)],
    is_broken: bool,
    draws: &mut Generator,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut left = body;
    while !left.is_empty() {
        let size = draws.uniform(1, CHUNK_BYTES_MAX).min(left.len() as u64);
        let (chunk, rest) = left.split_at(size as usize);
        left = rest;
        out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(if is_broken { b"\r?" } else { b"\r\n" });
    }
    if is_broken {
        out.extend_from_slice(b"zero\r\n\r\n");
        return out;
    }
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        push_field(&mut out, name, value);
    }
    out.extend_from_slice(b"\r\n");
    out
}

fn trickle(all: &[u8], draws: &mut Generator) -> Vec<(u64, Vec<u8>)> {
    let mut pieces = Vec::new();
    let mut rest = all;
    while !rest.is_empty() {
        let size = match pieces.len() {
            TRICKLE_PIECES_MAX.. => rest.len(),
            _ => (draws.uniform(1, TRICKLE_BYTES_MAX) as usize).min(rest.len()),
        };
        let (piece, after) = rest.split_at(size);
        pieces.push((draws.uniform(0, TRICKLE_PAUSE_MAX_NS), piece.to_vec()));
        rest = after;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draws;
    use z6_proto_http1::{Irregularities, Limits, ResponseDecoder};

    const ASKED: Asked<'static> = Asked {
        is_head: false,
        is_last: false,
        interim_max: 16,
        place: location::Asked { target: z6_events::TargetId(0), path: "/a" },
    };

    fn replies(
        settings: &[(&str, &str)],
        fault: Option<FaultKind>,
        asked: Asked<'_>,
    ) -> Vec<Reply> {
        let mut simulation = Simulation::default();
        settings.iter().for_each(|(key, value)| simulation.set(key, value).unwrap());
        let draws = Draws::new(5);
        let scenario = z6_scenario::Scenario::from_toml(
            "runtime.iterations = 1\ntarget.base_url = 'http://a'\n\
             requests = [{ name = 'a', path = '/a' }]",
        );
        let scenario = std::sync::Arc::new(scenario.unwrap());
        let (places, mut answers) = (Places::new(&scenario), Answers::new(&scenario, 5));
        let mut maker = Maker { answers: &mut answers, asks: None, url: "" };
        let reply = |n| {
            let mut draws = draws.request(n, 0);
            Reply::draw(&simulation, fault, asked, &places, &mut maker, &mut draws)
        };
        (0..200).filter_map(reply).collect()
    }

    fn read(reply: &Reply, is_head: bool) -> Option<(u64, u64)> {
        let bytes: Vec<u8> = reply.pieces.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        let mut decoder = ResponseDecoder::new(Limits::default());
        decoder.reset(is_head);
        let decoded = decoder.decode(&bytes).ok().filter(|decoded| decoded.complete)?;
        Some((decoded.consumed as u64, bytes.len() as u64))
    }

    #[test]
    fn whole_answers_are_whole_to_a_reader_and_others_are_not() {
        let settings = [
            ("chunked", "0.5"),
            ("statuses", "204=0.1,404=0.3"),
            ("redirects", "0.2"),
            ("body_bytes", "0..900"),
        ];
        for fault in FAULTS.into_iter().map(Some).chain([None]) {
            for is_head in [false, true] {
                for reply in replies(&settings, fault, Asked { is_head, ..ASKED }) {
                    let read = read(&reply, is_head);
                    assert_eq!(
                        read.map(|(whole, _)| whole),
                        reply.whole_bytes,
                        "{fault:?} {reply:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn irregular_answers_are_all_irregular() {
        for reply in replies(&[], Some(FaultKind::Irregular), ASKED) {
            let mut decoder = ResponseDecoder::new(Limits::default());
            assert!(decoder.decode(&reply.pieces[0].1).is_ok_and(|decoded| decoded.complete));
            assert_ne!(decoder.irregularities(), Irregularities::NONE, "{reply:?}");
        }
    }

    #[test]
    fn statuses_come_in_their_shares() {
        let replies = replies(&[("statuses", "503=0.5")], None, ASKED);
        let failed = replies.iter().filter(|reply| reply.status == 503).count();
        assert!((70..130).contains(&failed), "{failed}");
    }
}
