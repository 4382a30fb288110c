//! Messages as a reader reads them that has all their bytes at hand: the witness that fuzz targets compare the
//! decoders with. Independent of them on purpose; it reads only messages without irregularities, and uses
//! httparse for heads and ten lines for chunks.

use crate::limits::{FIELDS_HARD_MAX, Limits};

/// A body in chunks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chunked {
    pub(super) payload: Vec<u8>,
    /// Bytes of it all.
    pub(super) len: usize,
    pub(super) longest_extension: usize,
    pub(super) trailer_bytes: usize,
}

impl Chunked {
    /// Reads one at the start of `bytes`; none if it is not whole or not well-formed.
    pub(super) fn read(bytes: &[u8]) -> Option<Chunked> {
        let (mut payload, mut at, mut longest_extension) = (Vec::new(), 0, 0);
        loop {
            let line = line(bytes, at)?;
            let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            let size = std::str::from_utf8(&line[..digits]).ok().filter(|_| digits <= 16)?;
            let size = usize::from_str_radix(size, 16).ok()?;
            longest_extension = longest_extension.max(line.len() - digits);
            at += line.len() + 2;
            if size == 0 {
                break;
            }
            let end = at.checked_add(size)?;
            payload.extend_from_slice(bytes.get(at..end)?);
            if bytes.get(end..end + 2)? != b"\r\n" {
                return None;
            }
            at = end + 2;
        }
        let trailers_at = at;
        loop {
            let line = line(bytes, at)?;
            at += line.len() + 2;
            if line.is_empty() {
                let trailer_bytes = at - trailers_at;
                return Some(Chunked { payload, len: at, longest_extension, trailer_bytes });
            }
            line.iter().position(|byte| *byte == b':')?;
        }
    }

    pub(super) fn is_within(&self, limits: &Limits) -> bool {
        self.longest_extension <= limits.chunk_extension_bytes_max
            && self.trailer_bytes <= limits.trailer_bytes_max
    }
}

/// The line that begins there, without its end.
fn line(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    Some(&rest[..end])
}

/// Names and values.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) fields: Fields,
    pub(super) head_bytes: usize,
    /// Where the final head begins: behind the interim ones.
    pub(super) starts_at: usize,
    pub(super) interim: usize,
    pub(super) body: Vec<u8>,
    /// Bytes of it all; none if it is not whole, or lasts to the end of the connection.
    pub(super) len: Option<usize>,
    pub(super) is_to_the_end: bool,
    /// It is in chunks, which are not whole: nothing is said of its body.
    pub(super) is_cut: bool,
}

impl Response {
    /// Reads one at the start of `bytes`, whose final head is whole. Of a body that is not, what there is.
    pub(super) fn read(bytes: &[u8], is_head: bool, limits: &Limits) -> Option<Response> {
        let (mut starts_at, mut interim) = (0, 0);
        loop {
            let rest = &bytes[starts_at..];
            let mut table = vec![httparse::EMPTY_HEADER; limits.fields_max.min(FIELDS_HARD_MAX)];
            let mut response = httparse::Response::new(&mut table);
            let Ok(httparse::Status::Complete(head_bytes)) = response.parse(rest) else {
                return None;
            };
            assert!(head_bytes <= limits.head_bytes_max, "a head of {head_bytes} bytes");
            let status = response.code?;
            if (100..200).contains(&status) && status != 101 {
                (starts_at, interim) = (starts_at + head_bytes, interim + 1);
                continue;
            }
            let pair = |field: &httparse::Header<'_>| {
                (field.name.as_bytes().to_vec(), field.value.trim_ascii().to_vec())
            };
            let fields: Fields = response.headers.iter().map(pair).collect();
            let rest = &rest[head_bytes..];
            let framing = framing(&fields, status, is_head);
            let is_to_the_end = matches!(framing, Framing::ToEnd);
            let is_in_chunks = matches!(framing, Framing::Chunks);
            let (body, len) = match framing {
                Framing::Length(length) => {
                    let there = usize::try_from(length).map_or(rest.len(), |n| n.min(rest.len()));
                    let is_whole = there as u64 == length;
                    (rest[..there].to_vec(), is_whole.then_some(starts_at + head_bytes + there))
                }
                Framing::Chunks => match Chunked::read(rest) {
                    Some(chunked) => {
                        assert!(chunked.is_within(limits), "{chunked:?}");
                        (chunked.payload, Some(starts_at + head_bytes + chunked.len))
                    }
                    None => (Vec::new(), None),
                },
                Framing::ToEnd => (rest.to_vec(), None),
            };
            return Some(Response {
                status,
                fields,
                head_bytes,
                starts_at,
                interim,
                body,
                len,
                is_to_the_end,
                is_cut: is_in_chunks && len.is_none(),
            });
        }
    }
}

impl Response {
    /// The `Location`; none if there are several.
    pub(super) fn location(&self) -> Option<&[u8]> {
        let mut all = values(&self.fields, "location");
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }
}

enum Framing {
    Length(u64),
    Chunks,
    ToEnd,
}

/// The values of all fields of this name.
fn values<'f>(fields: &'f Fields, name: &'f str) -> impl Iterator<Item = &'f [u8]> {
    let named = fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| value.as_slice())
}

/// RFC 9112 section 6.3, of a response that was accepted.
fn framing(fields: &Fields, status: u16, is_head: bool) -> Framing {
    if is_head || status < 200 || status == 204 || status == 304 {
        return Framing::Length(0);
    }
    let codings: Vec<u8> =
        values(fields, "transfer-encoding").flat_map(|one| [b",", one].concat()).collect();
    if !codings.is_empty() {
        let last = codings.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let last = last.into_iter().find(|coding| !coding.is_empty());
        return match last {
            Some(last) if last.eq_ignore_ascii_case(b"chunked") => Framing::Chunks,
            _ => Framing::ToEnd,
        };
    }
    let Some(first) = values(fields, "content-length").next() else { return Framing::ToEnd };
    let first = first.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let first = first.into_iter().find(|length| !length.is_empty()).unwrap_or(b"");
    let is_number = first.iter().all(u8::is_ascii_digit) && !first.is_empty();
    assert!(is_number, "a length of {first:?} was taken");
    let length = std::str::from_utf8(first).ok().and_then(|text| text.parse().ok());
    Framing::Length(length.unwrap_or(u64::MAX))
}

/// A request with its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    /// Bytes of it all, empty lines before it included.
    pub(super) len: usize,
    /// Whether its chunks are within the limits.
    pub(super) is_within: bool,
}

impl Request {
    /// Reads one at the start of `bytes`; none if it is not whole.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Option<Request> {
        let skipped = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let rest = &bytes[skipped..];
        let mut table = vec![httparse::EMPTY_HEADER; limits.fields_max.min(FIELDS_HARD_MAX)];
        let mut request = httparse::Request::new(&mut table);
        let Ok(httparse::Status::Complete(head_bytes)) = request.parse(rest) else { return None };
        let mut hosts = 0;
        let (mut length, mut is_chunked) = (None, false);
        for field in request.headers.iter() {
            match field.name.to_ascii_lowercase().as_str() {
                "host" => hosts += 1,
                "content-length" => length = Some(std::str::from_utf8(field.value).ok()?),
                "transfer-encoding" => is_chunked = true,
                _ => {}
            }
        }
        assert!(hosts == 1 || request.version == Some(0) && hosts == 0, "{hosts} hosts");
        assert!(!is_chunked || length.is_none(), "two framings");
        let behind = &rest[head_bytes..];
        let (body, len, is_within) = if is_chunked {
            let chunked = Chunked::read(behind)?;
            let is_within = chunked.is_within(limits);
            (chunked.payload, chunked.len, is_within)
        } else {
            let length = length.unwrap_or("0");
            assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "a length of {length}");
            let length = length.parse().ok()?;
            (behind.get(..length)?.to_vec(), length, true)
        };
        let (head, len) = (rest[..head_bytes].to_vec(), skipped + head_bytes + len);
        Some(Request { head, body, len, is_within })
    }
}
