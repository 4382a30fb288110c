//! A response over HTTP/1.1: bytes, and how they are cut and ended.

use z6_scenario::random::Generator;
use z6_scenario::simulation::{FaultKind, Simulation};

use super::{
    Asked, CHUNK_BYTES_MAX, Content, INTERIM_MAX, Maker, TRICKLE_BYTES_MAX, TRICKLE_PAUSE_MAX_NS,
    TRICKLE_PIECES_MAX, UNSOLICITED_PAUSE_MAX_NS,
};
use crate::answer::Meant;
use crate::location::Places;
use crate::truth::Leads;

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
        let content = Content::draw(simulation, fault, asked, places, maker, draws);
        Some(Parts::new(content, asked, draws).spoil(asked, draws))
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
    fn new(content: Content, asked: Asked<'_>, draws: &mut Generator) -> Parts {
        let Content {
            status,
            leads,
            fields,
            trailers,
            body,
            framing,
            has_body,
            said,
            meant,
            fault,
        } = content;
        let mut head = format!("HTTP/1.1 {status} Simulated\r\n").into_bytes();
        for (name, value) in &fields {
            push_field(&mut head, name, value);
        }
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

fn push_field(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
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
    use super::super::FAULTS;
    use super::*;
    use crate::answer::Answers;
    use crate::draw::Draws;
    use crate::location;
    use z6_proto_http1::{Irregularities, Limits, ResponseDecoder};

    const ASKED: Asked<'static> = Asked {
        is_head: false,
        is_last: false,
        is_http2: false,
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
        let (places, mut answers) =
            (Places::new(&scenario), Answers::new(&scenario, 5, z6_events::Phase::Main));
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
