//! One request head: from bytes to what the server needs of it.
//!
//! Owns the checks httparse leaves to its caller (framing, Host, connection options); must not know
//! routes, sockets or connection state.

use std::mem::MaybeUninit;

use crate::config::MAX_FIELDS;

/// Header whose value a request record carries.
const ID_FIELD: &str = "z6-id";

/// A request that breaks HTTP/1.1; it is answered with `status()` and its text, then closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error("malformed request head: {0}")]
    Syntax(httparse::Error),
    #[error("HTTP version not supported: 1.0 and 1.1 are")]
    Version,
    #[error("the request head is longer than max_request_head_bytes")]
    HeadTooLong,
    #[error("the request has more than {MAX_FIELDS} header fields")]
    TooManyFields,
    #[error("the Content-Length is not one number")]
    ContentLength,
    #[error("both Transfer-Encoding and Content-Length")]
    TwoFramings,
    #[error("Transfer-Encoding in an HTTP/1.0 request")]
    OldTransferEncoding,
    #[error("the only transfer coding understood is chunked")]
    TransferCoding,
    #[error("an HTTP/1.1 request needs exactly one Host field")]
    Host,
    #[error("malformed chunk in the request body")]
    Chunk,
    #[error("a chunk-size line of the request body is too long")]
    ChunkLineTooLong,
    #[error("the trailer section of the request body is too long")]
    TrailersTooLong,
}

impl BadRequest {
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::HeadTooLong | Self::TooManyFields => 431,
            Self::TransferCoding => 501,
            Self::Syntax(_)
            | Self::ContentLength
            | Self::TwoFramings
            | Self::OldTransferEncoding
            | Self::Host
            | Self::Chunk
            | Self::ChunkLineTooLong
            | Self::TrailersTooLong => 400,
        }
    }
}

/// How the end of the request body is found (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Empty,
    Length(u64),
    Chunked,
}

/// What the server needs of a request head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) http_1_0: bool,
    pub(crate) close: bool,
    pub(crate) framing: Framing,
    pub(crate) expects_continue: bool,
    pub(crate) content_type: Option<&'a [u8]>,
    pub(crate) id: Option<&'a [u8]>,
}

#[derive(Default)]
struct Fields<'a> {
    content_length: Option<u64>,
    codings: u32,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    hosts: u32,
    expects_continue: bool,
    content_type: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
}

/// Parses a head from the start of `input`; `None` while it is incomplete, else head and length.
pub(crate) fn parse(input: &[u8]) -> Result<Option<(Head<'_>, usize)>, BadRequest> {
    let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(input, &mut storage) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::Version) => return Err(BadRequest::Version),
        Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
        Err(error) => return Err(BadRequest::Syntax(error)),
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Ok(None);
    };
    let mut fields = Fields::default();
    for field in request.headers.iter() {
        fields.take(field.name, field.value)?;
    }
    Ok(Some((fields.finish(method, target, minor == 0)?, length)))
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: &'a [u8]) -> Result<(), BadRequest> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // By length first: most fields of most requests end here.
        match name.len() {
            4 if is("host") => self.hosts += 1,
            5 if is(ID_FIELD) => self.id = Some(value),
            6 if is("expect") => {
                self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
            10 if is("connection") => self.connection(value),
            12 if is("content-type") => self.content_type = Some(value),
            14 if is("content-length") => self.length(value)?,
            17 if is("transfer-encoding") => self.transfer_encoding(value),
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), BadRequest> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| digits);
        let length = text.and_then(|text| text.parse().ok()).ok_or(BadRequest::ContentLength)?;
        match self.content_length {
            Some(earlier) if earlier != length => Err(BadRequest::ContentLength),
            Some(_) | None => {
                self.content_length = Some(length);
                Ok(())
            }
        }
    }

    fn transfer_encoding(&mut self, value: &[u8]) {
        for coding in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.codings += 1;
            self.chunked = coding.eq_ignore_ascii_case(b"chunked");
        }
    }

    fn framing(&self, http_1_0: bool) -> Result<Framing, BadRequest> {
        match (self.codings, self.content_length) {
            (0, None | Some(0)) => Ok(Framing::Empty),
            (0, Some(length)) => Ok(Framing::Length(length)),
            (_, Some(_)) => Err(BadRequest::TwoFramings),
            (_, None) if http_1_0 => Err(BadRequest::OldTransferEncoding),
            (1, None) if self.chunked => Ok(Framing::Chunked),
            (_, None) => Err(BadRequest::TransferCoding),
        }
    }

    fn finish(
        self,
        method: &'a str,
        target: &'a str,
        http_1_0: bool,
    ) -> Result<Head<'a>, BadRequest> {
        if self.hosts > 1 || (self.hosts == 0 && !http_1_0) {
            return Err(BadRequest::Host);
        }
        Ok(Head {
            method,
            target,
            http_1_0,
            close: self.close || (http_1_0 && !self.keep_alive),
            framing: self.framing(http_1_0)?,
            expects_continue: self.expects_continue && !http_1_0,
            content_type: self.content_type,
            id: self.id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &str) -> Result<Head<'static>, BadRequest> {
        let text = format!("POST /echo HTTP/1.1\r\nHost: h\r\n{fields}\r\n").leak();
        parse(text.as_bytes()).map(|parsed| parsed.expect("complete").0)
    }

    #[test]
    fn framing_follows_the_fields() {
        let framing = |fields: &str| head(fields).map(|head| head.framing);
        assert_eq!(framing(""), Ok(Framing::Empty));
        assert_eq!(framing("Content-Length: 0\r\n"), Ok(Framing::Empty));
        assert_eq!(framing("content-length: 5\r\nContent-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
        let lengths = ["+5", "5, 5", "0x5", "", "5 5", "99999999999999999999"];
        for value in lengths {
            let field = format!("Content-Length: {value}\r\n");
            assert_eq!(framing(&field), Err(BadRequest::ContentLength), "{value}");
        }
        let differing = "Content-Length: 5\r\nContent-Length: 6\r\n";
        assert_eq!(framing(differing), Err(BadRequest::ContentLength));
        let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
        assert_eq!(framing(both), Err(BadRequest::TwoFramings));
        for value in ["gzip", "gzip, chunked", "chunked, chunked", "identity", "chunked, gzip"] {
            let field = format!("Transfer-Encoding: {value}\r\n");
            assert_eq!(framing(&field), Err(BadRequest::TransferCoding), "{value}");
        }
    }

    #[test]
    fn persistence_follows_version_and_options() {
        let close = |text: &str| parse(text.as_bytes()).expect("valid").expect("complete").0.close;
        assert!(!close("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
        assert!(close("GET / HTTP/1.1\r\nHost: h\r\nConnection: te, CLOSE\r\n\r\n"));
        assert!(close("GET / HTTP/1.0\r\n\r\n"));
        assert!(!close("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert!(close("GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"));
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let refusal = |text: &str| parse(text.as_bytes()).expect_err("refused");
        assert_eq!(refusal("GET / HTTP/2.0\r\n\r\n").status(), 505);
        assert_eq!(refusal("GET / HTTP/1.1\r\n\r\n"), BadRequest::Host);
        assert_eq!(refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), BadRequest::Host);
        assert_eq!(refusal("GET / HTTP/1.1\r\nHost : a\r\n\r\n").status(), 400);
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(refusal(old), BadRequest::OldTransferEncoding);
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS));
        assert_eq!(refusal(&many).status(), 431);
    }

    #[test]
    fn an_incomplete_head_is_awaited() {
        let whole = b"GET /x HTTP/1.1\r\nHost: h\r\nZ6-Id: 7\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(parse(&whole[..cut]), Ok(None), "{cut}");
        }
        let (head, length) = parse(whole).expect("valid").expect("complete");
        assert_eq!((head.target, head.id, length), ("/x", Some(b"7".as_slice()), whole.len()));
    }
}
