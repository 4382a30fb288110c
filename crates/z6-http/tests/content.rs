//! Bodies in content codings: what comes out, what is refused, and bombs.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use z6_http::{
    CONTENT_RATIO_FREE_BYTES, ContentError, ContentLimits, decode_content, is_known_coding,
};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn bare(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn decode(coding: &str, body: &[u8]) -> Result<Vec<u8>, ContentError> {
    decode_content(coding, body, &ContentLimits::default()).map(std::borrow::Cow::into_owned)
}

const TEXT: &[u8] = b"the quick brown fox jumps over the lazy dog";

#[test]
fn codings_are_taken_off_in_reverse_order() {
    for (coding, body) in [
        ("", TEXT.to_vec()),
        ("identity", TEXT.to_vec()),
        ("gzip", gzip(TEXT)),
        ("X-GZIP", gzip(TEXT)),
        ("deflate", zlib(TEXT)),
        ("deflate", bare(TEXT)),
        ("gzip, deflate", zlib(&gzip(TEXT))),
        (" deflate ,\tgzip,", gzip(&zlib(TEXT))),
        ("gzip, identity", gzip(TEXT)),
        ("gzip", [gzip(&TEXT[..9]), gzip(b""), gzip(&TEXT[9..])].concat()),
    ] {
        assert_eq!(decode(coding, &body).as_deref(), Ok(TEXT), "{coding}");
    }
    for unknown in ["lzma", "gzip, pack200", "compress", "gzip;q=1", "gzip deflate"] {
        assert_eq!(decode(unknown, TEXT), Err(ContentError::UnknownCoding), "{unknown}");
    }
    for (name, is_known) in [
        ("GZip", true),
        ("identity", true),
        ("br", cfg!(feature = "br")),
        ("zstd", cfg!(feature = "zstd")),
        ("compress", false),
    ] {
        assert_eq!(is_known_coding(name), is_known, "{name}");
    }
    let five = "gzip, gzip, gzip, gzip, gzip";
    assert_eq!(decode(five, TEXT), Err(ContentError::TooManyCodings));
}

#[test]
fn every_optional_part_of_a_gzip_header_is_skipped() {
    // RFC 1952 section 2.3: extra field, name, comment and the header's own checksum.
    let plain = gzip(TEXT);
    let mut head = vec![0x1f, 0x8b, 8, 0b1_1110, 0, 0, 0, 0, 0, 255];
    head.extend_from_slice(b"\x03\x00abcfile.txt\0a comment\0");
    let mut crc = flate2::Crc::new();
    crc.update(&head);
    head.extend_from_slice(&(crc.sum() as u16).to_le_bytes());
    let whole = [&head[..], &plain[10..]].concat();
    assert_eq!(decode("gzip", &whole).as_deref(), Ok(TEXT));
    let checksum_at = head.len() - 1;
    for (at, bits) in [(checksum_at, 1), (3, 0b10_0000), (0, 1), (2, 1)] {
        let mut wrong = whole.clone();
        wrong[at] ^= bits;
        assert_eq!(decode("gzip", &wrong), Err(ContentError::Corrupt), "byte {at}");
    }
}

#[test]
fn a_body_cut_anywhere_is_truncated() {
    for (coding, body) in [("gzip", gzip(TEXT)), ("deflate", zlib(TEXT)), ("deflate", bare(TEXT))] {
        for length in 0..body.len() {
            // A zlib body of one byte, or none, is no zlib body: it is cut DEFLATE data all the same.
            let cut = decode(coding, &body[..length]);
            assert_eq!(cut, Err(ContentError::Truncated), "{coding}, {length} bytes");
        }
    }
}

#[test]
fn checksums_lengths_and_trailing_bytes_are_looked_at() {
    let body = gzip(TEXT);
    for back in 1..=8 {
        let mut wrong = body.clone();
        let at = wrong.len() - back;
        wrong[at] ^= 0x55;
        assert_eq!(decode("gzip", &wrong), Err(ContentError::Corrupt), "{back} from the end");
    }
    let mut wrong = zlib(TEXT);
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    assert_eq!(decode("deflate", &wrong), Err(ContentError::Corrupt));
    for (coding, mut body) in [("gzip", gzip(TEXT)), ("deflate", zlib(TEXT))] {
        body.push(b'x');
        assert_eq!(decode(coding, &body), Err(ContentError::TrailingBytes), "{coding}");
    }
}

#[test]
fn bombs_go_off_at_a_limit() {
    let zeros = vec![0; 4 << 20];
    let bomb = gzip(&zeros);
    assert!(bomb.len() * 500 < zeros.len(), "{} bytes", bomb.len());
    let ratio = Err(ContentError::RatioTooHigh { ratio_max: 100 });
    assert_eq!(decode("gzip", &bomb), ratio);
    assert_eq!(decode("deflate", &zlib(&zeros)), ratio);
    // Compressed twice it is smaller still; what counts is what was received.
    assert_eq!(decode("gzip, gzip", &gzip(&bomb)), ratio);
    let many = gzip(&zeros[..60_000]).repeat(100);
    let limits = ContentLimits { bytes_max: 1_000_000, ratio_max: usize::MAX };
    let large = Err(ContentError::TooLarge { bytes_max: 1_000_000 });
    assert_eq!(decode_content("gzip", &many, &limits), large);
    // A limit is not passed by a body that is not coded at all.
    assert_eq!(decode_content("", &zeros, &limits), large);
}

#[test]
fn limits_are_exact() {
    let text = [7; 1_000];
    let body = gzip(&text);
    let limits = |bytes_max| ContentLimits { bytes_max, ratio_max: 1 };
    assert_eq!(decode_content("gzip", &body, &limits(1_000)).unwrap(), &text[..]);
    let error = decode_content("gzip", &body, &limits(999));
    assert_eq!(error, Err(ContentError::TooLarge { bytes_max: 999 }));
    // Short texts may be as compressible as they like.
    let free = vec![0; CONTENT_RATIO_FREE_BYTES];
    assert_eq!(decode_content("gzip", &gzip(&free), &limits(usize::MAX)).unwrap(), free);
    let more = vec![0; CONTENT_RATIO_FREE_BYTES + 1];
    let more = gzip(&more);
    let error = decode_content("gzip", &more, &limits(usize::MAX));
    assert_eq!(error, Err(ContentError::RatioTooHigh { ratio_max: 1 }));
}

proptest! {
    #[test]
    fn what_was_encoded_comes_back(text: Vec<u8>) {
        for (coding, body) in [("gzip", gzip(&text)), ("deflate", zlib(&text))] {
            prop_assert_eq!(decode(coding, &body), Ok(text.clone()));
        }
    }

    #[test]
    fn any_bytes_are_answered_within_the_limits(
        bytes: Vec<u8>,
        head in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\x00", b"\x78\x9c"]),
        coding in prop::sample::select(vec!["gzip", "deflate", "gzip, deflate"]),
    ) {
        let body = [head, &bytes].concat();
        let limits = ContentLimits { bytes_max: 4_096, ratio_max: 10 };
        if let Ok(text) = decode_content(coding, &body, &limits) {
            prop_assert!(text.len() <= 4_096);
        }
    }
}
