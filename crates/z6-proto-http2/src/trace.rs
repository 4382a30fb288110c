//! The bytes of one side of a connection as frames, for a person.
//!
//! Owns nothing of a connection: it looks on, beside the speaker. It knows no sockets and writes no text. What it
//! shows comes from a peer and is not escaped.

use crate::error::{ErrorCode, ProtocolError, ProtocolErrorKind};
use crate::frame::{FrameHeader, FrameKind, flag, number};
use crate::hpack::{Decoder, Visitor};
use crate::limits::{HEADER_TABLE_BYTES_MAX, Limits};
use crate::meaning::Meaning;
use crate::reader::{Piece, Reader};
use crate::settings::SETTING_BYTES;

/// One thing that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced<'a> {
    /// The header of a frame. What else is told of it follows.
    Frame(FrameHeader),
    /// SETTINGS: an entry.
    Setting {
        /// Its identifier.
        id: u16,
        /// Its value.
        value: u32,
    },
    /// A field of the header block that is complete now.
    Field {
        /// Its stream.
        stream: u32,
        /// Its name.
        name: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// Content of DATA, without padding; how it is cut follows the reads.
    Content {
        /// Its stream.
        stream: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// RST_STREAM.
    Reset(ErrorCode),
    /// GOAWAY.
    GoAway {
        /// The last stream that is or will be processed.
        last: u32,
        /// Why.
        code: ErrorCode,
        /// Anything more that is said.
        debug: &'a [u8],
    },
    /// WINDOW_UPDATE: so many bytes more.
    Window(u32),
    /// The payload of another frame.
    Payload(&'a [u8]),
    /// What follows cannot be read as frames, and nothing more is told.
    Unreadable(ProtocolError),
}

/// The name of a setting in RFC 9113 and RFC 8441, if it is one of theirs.
pub fn setting_name(id: u16) -> Option<&'static str> {
    const NAMES: [&str; 6] = [
        "HEADER_TABLE_SIZE",
        "ENABLE_PUSH",
        "MAX_CONCURRENT_STREAMS",
        "INITIAL_WINDOW_SIZE",
        "MAX_FRAME_SIZE",
        "MAX_HEADER_LIST_SIZE",
    ];
    match id {
        8 => Some("ENABLE_CONNECT_PROTOCOL"),
        9 => Some("NO_RFC7540_PRIORITIES"),
        _ => NAMES.get(usize::from(id).checked_sub(1)?).copied(),
    }
}

/// Reads one side of a connection from its first byte on.
#[derive(Clone, Debug)]
pub struct Trace {
    reader: Reader,
    decoder: Decoder,
    limits: Limits,
    is_over: bool,
}

impl Trace {
    /// Of what a client sends, from its preface on.
    pub fn of_client() -> Trace {
        Trace::new(Reader::of_client())
    }

    /// Of what a server sends.
    pub fn of_server() -> Trace {
        Trace::new(Reader::of_server())
    }

    fn new(reader: Reader) -> Trace {
        // The limits are those of who speaks; here only memory counts.
        let limits = Limits {
            continuations_max: 64,
            settings_max: u32::MAX,
            control_frames_max: u32::MAX,
            ..Limits::default()
        };
        let decoder = Decoder::new(HEADER_TABLE_BYTES_MAX as usize);
        Trace { reader, decoder, limits, is_over: false }
    }

    /// Takes bytes as they were sent, in any pieces, and tells what they are.
    pub fn read(&mut self, bytes: &[u8], tell: &mut dyn FnMut(Traced<'_>)) {
        let mut from = 0;
        while !self.is_over {
            match self.reader.next(bytes, &mut from, &self.limits) {
                Ok(None) => return,
                Ok(Some(piece)) => {
                    if let Err(error) = show(&mut self.decoder, piece, tell) {
                        self.is_over = true;
                        tell(Traced::Unreadable(error));
                    }
                }
                Err(error) => {
                    self.is_over = true;
                    tell(Traced::Unreadable(error));
                }
            }
        }
    }
}

/// Tells the fields of a block.
struct Teller<'t> {
    stream: u32,
    tell: &'t mut dyn FnMut(Traced<'_>),
}

impl Visitor for Teller<'_> {
    fn field(&mut self, _: Meaning, name: &[u8], value: &[u8]) {
        (self.tell)(Traced::Field { stream: self.stream, name, value });
    }
}

fn show(
    decoder: &mut Decoder,
    piece: Piece<'_>,
    tell: &mut dyn FnMut(Traced<'_>),
) -> Result<(), ProtocolError> {
    match piece {
        Piece::Header(header) => tell(Traced::Frame(header)),
        Piece::Data { content: [], .. } => {}
        Piece::Data { header, content, .. } => {
            tell(Traced::Content { stream: header.stream, bytes: content });
        }
        Piece::Block { header, block, .. } => {
            let mut teller = Teller { stream: header.stream, tell };
            decoder.decode(block, &mut teller).map_err(|_| ProtocolError {
                kind: ProtocolErrorKind::Compression,
                stream: header.stream,
                detail: u32::from(header.kind.0),
            })?;
        }
        Piece::Control { header, payload } => control(&header, payload, tell),
    }
    Ok(())
}

fn control(header: &FrameHeader, payload: &[u8], tell: &mut dyn FnMut(Traced<'_>)) {
    match header.kind {
        FrameKind::SETTINGS if !header.has(flag::ACK) => {
            for entry in payload.chunks_exact(SETTING_BYTES) {
                let id = u16::from_be_bytes([entry[0], entry[1]]);
                tell(Traced::Setting { id, value: number(&entry[2..]) });
            }
        }
        FrameKind::RST_STREAM => tell(Traced::Reset(ErrorCode(number(payload)))),
        FrameKind::GOAWAY => tell(Traced::GoAway {
            last: number(payload) & 0x7fff_ffff,
            code: ErrorCode(number(payload.get(4..).unwrap_or_default())),
            debug: payload.get(8..).unwrap_or_default(),
        }),
        FrameKind::WINDOW_UPDATE => tell(Traced::Window(number(payload) & 0x7fff_ffff)),
        _ if payload.is_empty() => {}
        _ => tell(Traced::Payload(payload)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{ServerConfig, ServerConnection};
    use crate::{FieldSet, Slices, server::ResponseTemplate};

    fn told(trace: &mut Trace, bytes: &[u8]) -> Vec<String> {
        let mut told = Vec::new();
        trace.read(bytes, &mut |seen| told.push(format!("{seen:?}")));
        told
    }

    /// What a server writes that was asked for `/` on streams 1 and 3.
    fn written() -> Vec<u8> {
        let mut server = ServerConnection::new(ServerConfig::default(), Limits::default());
        let ask = |stream| [0, 0, 3, 1, 5, 0, 0, 0, stream, 0x82, 0x86, 0x84];
        let mut bytes = crate::frame::CLIENT_PREFACE.to_vec();
        bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        bytes.extend(ask(1));
        bytes.extend(ask(3));
        let mut from = 0;
        while server.received(&bytes, &mut from).is_some() {}
        let fields = [("server", "Z")];
        let response = ResponseTemplate::encode(200, &fields, &mut FieldSet::new(0));
        for stream in [1, 3] {
            server.respond(stream, &response, false);
            server.content(stream, b"hi", true);
        }
        server.ping(*b"12345678");
        server.reset(5, ErrorCode::CANCEL);
        server.go_away(3, ErrorCode::NO_ERROR);
        let mut slices = Slices::new();
        server.unwritten(&mut slices);
        slices.as_slice().concat()
    }

    #[test]
    fn every_split_tells_the_same() {
        let bytes = written();
        let whole = told(&mut Trace::of_server(), &bytes);
        let says = |text: &str| whole.iter().filter(|line| line.contains(text)).count();
        assert_eq!(says("Setting { id: 3, value: 128 }"), 1, "{whole:?}");
        assert_eq!(says("Field { stream: 3, name: [115, 101"), 1, "by its position in the table");
        assert_eq!(says("Content { stream: 1, bytes: [104, 105] }"), 1);
        assert_eq!(says("Payload([49, 50"), 1, "PING");
        assert_eq!(says("Reset(ErrorCode(8))"), 1);
        assert_eq!(says("GoAway { last: 3, code: ErrorCode(0), debug: [] }"), 1);
        let mut trace = Trace::of_server();
        let mut by_bytes: Vec<String> = Vec::new();
        for byte in bytes.chunks(1) {
            by_bytes.extend(told(&mut trace, byte));
        }
        let is_whole = |line: &&String| !line.contains("Content");
        let filter = |all: &[String]| all.iter().filter(is_whole).cloned().collect::<Vec<_>>();
        assert_eq!(filter(&by_bytes), filter(&whole));
    }

    #[test]
    fn what_is_no_frame_is_told_once() {
        let mut trace = Trace::of_client();
        assert_eq!(told(&mut trace, b"GET / HTTP/1.1\r\n").len(), 1);
        assert_eq!(told(&mut trace, b"Host: a\r\n\r\n").len(), 0);
    }
}
