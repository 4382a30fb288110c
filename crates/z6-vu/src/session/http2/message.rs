//! A request that was made as text, as the fields of HTTP/2 (RFC 9113 section 8.3.1).
//!
//! What is filled in for each sending, and what follows a redirect, is made once for both protocols, as the text
//! that HTTP/1.1 sends. Here its lines become fields.

use z6_http::field::is_same;

/// What is known of a head.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head {
    /// Its length with the empty line.
    pub(super) bytes: usize,
    pub(super) is_head_method: bool,
}

/// Fields of a connection, which HTTP/2 does not have (RFC 9113 section 8.2.2), and the one that is
/// `:authority`.
const LEFT_OUT: [&[u8]; 6] =
    [b"connection", b"host", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// Reads the head that `request` begins with, and writes the names of its fields in lower case.
pub(super) fn read_head(request: &mut [u8]) -> Head {
    let is_head_method = request.starts_with(b"HEAD ");
    let Some(mut at) = line_end(request, 0) else {
        return Head { bytes: request.len(), is_head_method };
    };
    while let Some(end) = line_end(request, at) {
        let line = &mut request[at..end];
        at = end;
        if line == b"\r\n" {
            break;
        }
        let name_bytes = line.iter().position(|byte| *byte == b':').unwrap_or(0);
        line[..name_bytes].make_ascii_lowercase();
    }
    Head { bytes: at, is_head_method }
}

/// The end of the line that begins at `from`, behind its line feed.
fn line_end(text: &[u8], from: usize) -> Option<usize> {
    let length = text.get(from..)?.iter().position(|byte| *byte == b'\n')?;
    Some(from + length + 1)
}

/// Method and target of a head.
pub(super) fn request_line(head: &[u8]) -> (&[u8], &[u8]) {
    let mut words = head.split(|byte| matches!(byte, b' ' | b'\r'));
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// Names and values of the lines of a head that [`read_head`] has read, in order.
pub(super) fn lines(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let first = line_end(head, 0).unwrap_or(head.len());
    head[first..].split(|byte| *byte == b'\n').filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    })
}

/// Whether HTTP/2 has this field as a field.
pub(super) fn is_sent(name: &[u8], value: &[u8]) -> bool {
    !LEFT_OUT.contains(&name) && (name != b"te" || is_same(value, "trailers"))
}

/// The fields of such a head, pseudo-header fields first.
pub(super) fn fields(head: &[u8], is_tls: bool) -> impl Iterator<Item = (&[u8], &[u8])> {
    let (method, target) = request_line(head);
    let authority = lines(head).find(|(name, _)| *name == b"host").map_or(&b""[..], |host| host.1);
    let scheme: &[u8] = if is_tls { b"https" } else { b"http" };
    let pseudo: [(&[u8], &[u8]); 4] = [
        (b":method", method),
        (b":scheme", scheme),
        (b":authority", authority),
        (b":path", target),
    ];
    let sent = lines(head).filter(|(name, value)| is_sent(name, value));
    // Its one value has one spelling (RFC 9113 section 8.2.2).
    let spelled = sent.map(|(name, value)| (name, if name == b"te" { b"trailers" } else { value }));
    pseudo.into_iter().chain(spelled)
}

/// A request as HTTP/1.1 sends it, as what HTTP/2 sends of it, in the same form.
#[cfg(feature = "reactor")]
pub(super) fn as_text(request: &mut [u8]) -> Vec<u8> {
    let bytes = read_head(request).bytes;
    let (head, body) = request.split_at(bytes);
    let (method, target) = request_line(head);
    let mut text = [method, b" ", target, b" HTTP/2\r\n"].concat();
    let is_host = |name: &[u8]| name == b"host";
    for (name, value) in lines(head).filter(|(name, value)| is_host(name) || is_sent(name, value)) {
        for part in [name, b": ", value, b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(body);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_fields_in_lower_case_without_those_of_a_connection() {
        let mut text =
            b"POST /a?b=c HTTP/1.1\r\nHost: shop:81\r\nX-Id: A b\r\nConnection: close\r\n\
                         TE: gzip\r\nContent-Length: 5\r\n\r\nA: b\n"
                .to_vec();
        let head = read_head(&mut text);
        assert_eq!(&text[head.bytes..], b"A: b\n", "the body is as it was");
        assert!(!head.is_head_method);
        let found: Vec<_> = fields(&text[..head.bytes], true).collect();
        let wanted: [(&[u8], &[u8]); 6] = [
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", b"shop:81"),
            (b":path", b"/a?b=c"),
            (b"x-id", b"A b"),
            (b"content-length", b"5"),
        ];
        assert_eq!(found, wanted);
    }

    /// RFC 9113 section 8.2.2.
    #[test]
    fn te_is_trailers_in_lower_case_or_left_out() {
        for (value, wanted) in [("Trailers", Some(&b"trailers"[..])), ("trailers, gzip", None)] {
            let mut text = format!("GET / HTTP/1.1\r\nHost: h\r\nTE: {value}\r\n\r\n").into_bytes();
            let head = read_head(&mut text);
            let te = fields(&text[..head.bytes], false).find(|(name, _)| *name == b"te");
            assert_eq!(te.map(|(_, value)| value), wanted);
        }
    }

    #[test]
    fn text_that_is_no_head_ends_with_its_bytes() {
        for text in ["", "GET", "HEAD / HTTP/1.1\r\n", "HEAD / HTTP/1.1\r\nA", "a\n:b\r\n\r\n"] {
            let mut bytes = text.as_bytes().to_vec();
            let head = read_head(&mut bytes);
            assert!(head.bytes <= bytes.len(), "{text:?}");
            assert_eq!(head.is_head_method, text.starts_with("HEAD "), "{text:?}");
            let _ = fields(&bytes[..head.bytes], false).count();
        }
    }
}
