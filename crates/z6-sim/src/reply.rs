//! What the simulated server answers: bytes, and how they are cut and ended. Knows no time except pauses.

use z6_scenario::random::Generator;
use z6_scenario::simulation::{FaultKind, Simulation};

use crate::draw::hits;
use crate::location::{self, Places, Redirect};
use crate::truth::Leads;

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
}

/// Faults of answers, in the order in which they are drawn.
pub(crate) const FAULTS: [FaultKind; 14] = [
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
];

/// An answer in parts.
struct Parts {
    head: Vec<u8>,
    body: Vec<u8>,
    status: u16,
    leads: Option<Leads>,
    is_last: bool,
}

impl Reply {
    /// Draws a response; `None` if the request gets none.
    pub(crate) fn draw(
        simulation: &Simulation,
        fault: Option<FaultKind>,
        asked: Asked<'_>,
        places: &Places,
        draws: &mut Generator,
    ) -> Option<Reply> {
        let fault = match fault {
            Some(FaultKind::NoAnswer) => return None,
            Some(FaultKind::ResetBefore) => return Some(Reply::nothing(After::Resets)),
            Some(FaultKind::CloseBefore) => return Some(Reply::nothing(After::Ends)),
            other => other,
        };
        let redirect = match fault {
            Some(FaultKind::BadRedirect) => Some(location::draw_bad(draws)),
            Some(_) | None => {
                hits(simulation.redirects, draws).then(|| places.draw(asked.place, draws))
            }
        };
        let parts = Parts::draw(simulation, fault, asked, redirect, draws);
        Some(parts.spoil(fault, asked, draws))
    }

    fn nothing(after: After) -> Reply {
        Reply {
            pieces: Vec::new(),
            after,
            status: 0,
            leads: None,
            interim_bytes: 0,
            head_bytes: 0,
            whole_bytes: None,
        }
    }
}

impl Parts {
    fn draw(
        simulation: &Simulation,
        fault: Option<FaultKind>,
        asked: Asked<'_>,
        redirect: Option<Redirect>,
        draws: &mut Generator,
    ) -> Parts {
        let status = match &redirect {
            Some(redirect) => redirect.status,
            None => status(simulation, draws),
        };
        let length = draws.uniform(simulation.body_bytes.min, simulation.body_bytes.max);
        let is_chunked = hits(simulation.chunked, draws) || fault == Some(FaultKind::BrokenChunk);
        let has_body = !(asked.is_head || status == 204 || status == 304);
        let mut head = format!("HTTP/1.1 {status} Simulated\r\n").into_bytes();
        for location in redirect.iter().flat_map(|redirect| &redirect.locations) {
            head.extend_from_slice(format!("Location: {location}\r\n").as_bytes());
        }
        let mut body = Vec::new();
        if is_chunked && has_body {
            head.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
            body = chunked(length, fault == Some(FaultKind::BrokenChunk), draws);
        } else {
            if has_body {
                body = vec![b'x'; length as usize];
            }
            let said = match fault {
                Some(FaultKind::WrongLength) if has_body && length > 0 => wrong(length, draws),
                _ => length,
            };
            if status != 204 && status != 304 {
                head.extend_from_slice(format!("Content-Length: {said}\r\n").as_bytes());
            }
        }
        if asked.is_last {
            head.extend_from_slice(b"Connection: close\r\n");
        }
        head.extend_from_slice(b"\r\n");
        if fault == Some(FaultKind::Irregular) {
            head = irregular(&head, draws);
        }
        let leads = redirect.map(|redirect| redirect.leads);
        Parts { head, body, status, leads, is_last: asked.is_last }
    }

    /// The answer with what is wrong about it.
    fn spoil(self, fault: Option<FaultKind>, asked: Asked<'_>, draws: &mut Generator) -> Reply {
        let stays = if self.is_last { After::Ends } else { After::Stays };
        let head_bytes = self.head.len() as u64;
        let whole = head_bytes + self.body.len() as u64;
        let said = said_length(&self.head);
        let has_body = !self.body.is_empty();
        let (status, leads) = (self.status, self.leads);
        let all = [self.head, self.body].concat();
        let reply = |pieces, after, whole_bytes| Reply {
            pieces,
            after,
            status,
            leads: leads.clone(),
            interim_bytes: 0,
            head_bytes,
            whole_bytes,
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

fn status(simulation: &Simulation, draws: &mut Generator) -> u16 {
    if simulation.statuses.is_empty() {
        return 200;
    }
    let mut left = draws.uniform(0, 999_999);
    for entry in &simulation.statuses {
        match left.checked_sub(u64::from(entry.share.millionths())) {
            Some(rest) => left = rest,
            None => return entry.status,
        }
    }
    200
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

fn chunked(length: u64, is_broken: bool, draws: &mut Generator) -> Vec<u8> {
    let mut out = Vec::new();
    let mut left = length;
    while left > 0 {
        let size = draws.uniform(1, CHUNK_BYTES_MAX).min(left);
        left -= size;
        out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        out.resize(out.len() + size as usize, b'x');
        out.extend_from_slice(if is_broken { b"\r?" } else { b"\r\n" });
    }
    out.extend_from_slice(if is_broken { b"zero\r\n\r\n" } else { b"0\r\n\r\n" });
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
        let places = Places::new(&scenario.unwrap());
        let reply = |n| Reply::draw(&simulation, fault, asked, &places, &mut draws.request(n, 0));
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
