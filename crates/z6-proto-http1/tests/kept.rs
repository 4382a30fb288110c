//! What is kept of a response: the same for every split of its bytes, and nothing beyond its bound.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use z6_proto_http1::{Keep, Limits, ResponseDecoder};

type Kept = (Vec<(String, String)>, Vec<(String, String)>, Option<String>);

const ALL: Keep = Keep { fields: true, body_bytes_max: Some(1_000) };

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads one response in these pieces; a body without a length ends with the last of them.
fn read(keep: Keep, pieces: &[&[u8]]) -> Option<Kept> {
    let mut decoder = ResponseDecoder::new(Limits::default());
    decoder.keep(keep);
    decoder.reset(false);
    let mut last: &[u8] = b"";
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        last = piece;
        assert_eq!(decoder.kept(piece), None, "before the end");
        decoder.decode(piece).unwrap();
    }
    if !decoder.is_complete() {
        decoder.eof().unwrap();
        last = b"";
    }
    let kept = decoder.kept(last)?;
    let texts = |(name, value): (&[u8], &[u8])| (text(name), text(value));
    for (name, _) in kept.fields() {
        let of_name = kept.fields().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let expected: Vec<_> = of_name.map(|(_, value)| value).collect();
        assert!(kept.values(&text(name).to_uppercase()).eq(expected), "{}", text(name));
    }
    assert_eq!(kept.field("Absent"), None);
    Some((
        kept.fields().map(texts).collect(),
        kept.trailer_fields().map(texts).collect(),
        kept.body.map(text),
    ))
}

/// Reads it whole, cut once everywhere, and byte by byte: always the same is kept.
fn read_everyhow(keep: Keep, wire: &[u8]) -> Kept {
    let whole = read(keep, &[wire]).unwrap();
    for at in 1..wire.len() {
        let (one, two) = wire.split_at(at);
        assert_eq!(read(keep, &[one, two]).as_ref(), Some(&whole), "cut at {at}");
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(read(keep, &bytes).as_ref(), Some(&whole));
    whole
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn fields_and_body_are_kept_whatever_the_framing() {
    let (fields, trailers, body) = read_everyhow(
        ALL,
        b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nA:  b \r\nA:\r\n\r\nhello",
    );
    assert_eq!(fields, pairs(&[("Content-Length", "5"), ("A", "b"), ("A", "")]));
    assert_eq!((trailers, body.as_deref()), (vec![], Some("hello")));

    let (fields, trailers, body) = read_everyhow(
        ALL,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0A\r\n\r\n34567\r\n9\r\n0\r\nT: 1\r\nU:2\r\n\r\n",
    );
    assert_eq!(fields, pairs(&[("Transfer-Encoding", "chunked")]));
    assert_eq!(trailers, pairs(&[("T", "1"), ("U", "2")]));
    assert_eq!(body.as_deref(), Some("abc\r\n34567\r\n9"));

    let (_, _, body) = read_everyhow(ALL, b"HTTP/1.0 200 OK\r\nServer: x\r\n\r\nto the end");
    assert_eq!(body.as_deref(), Some("to the end"));
    let (fields, _, body) = read_everyhow(ALL, b"HTTP/1.1 204 No\r\nX: folded\r\n\tline\r\n\r\n");
    assert_eq!(fields, pairs(&[("X", "folded  \tline")]));
    assert_eq!(body.as_deref(), Some(""));
    let (fields, _, body) = read_everyhow(ALL, b"HTTP/1.1 200 OK\nX: y\nContent-Length: 1\n\nz");
    assert_eq!(fields, pairs(&[("X", "y"), ("Content-Length", "1")]));
    assert_eq!(body.as_deref(), Some("z"));
}

#[test]
fn a_body_over_the_bound_is_not_kept_and_is_read_to_its_end() {
    let keep = Keep { fields: true, body_bytes_max: Some(4) };
    for wire in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
    ] {
        let (fields, _, body) = read_everyhow(keep, wire);
        assert_eq!(body, None);
        assert!(fields.len() <= 1);
    }
    let four = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour";
    assert_eq!(read_everyhow(keep, four).2.as_deref(), Some("four"));
}

#[test]
fn nothing_is_kept_unless_it_is_asked_for() {
    let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(read(Keep::default(), &[wire]), None);
    let fields = Keep { fields: true, body_bytes_max: None };
    assert_eq!(read_everyhow(fields, wire).2, None);
}

#[test]
fn memory_is_bounded_lent_and_given_back() {
    let mut decoder = ResponseDecoder::new(Limits::default());
    decoder.keep(Keep { fields: false, body_bytes_max: Some(1 << 20) });
    decoder.reset(false);
    assert_eq!(decoder.lend(Vec::with_capacity(3_000)).capacity(), 0);
    decoder.decode(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n").unwrap();
    decoder.decode(&[b'x'; 2_000]).unwrap();
    assert_eq!(decoder.kept_bytes(), 3_000);
    decoder.decode(&vec![b'x'; 100_000]).unwrap();
    assert!(decoder.kept_bytes() >= 102_000);
    decoder.give_up_body();
    assert_eq!(decoder.kept_bytes(), 0);
    decoder.decode(&vec![b'x'; 98_000]).unwrap();
    assert_eq!(decoder.kept(b"").map(|kept| kept.body), Some(None));
    decoder.reset(false);
    decoder.decode(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").unwrap();
    decoder.decode(&vec![b'x'; 100_000]).unwrap();
    assert_eq!(decoder.kept(b"").and_then(|kept| kept.body).map(<[u8]>::len), Some(100_000));
    decoder.keep(Keep::default());
    assert_eq!(decoder.kept_bytes(), 0);
}
