//! The examples of RFC 7541 appendix C, and blocks that are not valid.

use super::static_table::find;
use super::*;
use crate::meaning::{FieldFault, Meaning};

/// The fields of a block as text, one a line.
#[derive(Default)]
struct Lines(String, Vec<Meaning>);

impl Visitor for Lines {
    fn field(&mut self, meaning: Meaning, name: &[u8], value: &[u8]) {
        let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        self.0 += &format!("{name}: {value}\n");
        self.1.push(meaning);
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<String, HpackError> {
    let mut lines = Lines::default();
    let decoded = decoder.decode(block, &mut lines);
    decoder.invariants();
    decoded.map(|()| lines.0)
}

fn decode_hex(decoder: &mut Decoder, hex: &str) -> String {
    decode(decoder, &bytes(hex)).unwrap()
}

fn decode_new(hex: &str) -> Result<String, HpackError> {
    decode(&mut Decoder::new(TABLE_BYTES_INITIAL), &bytes(hex))
}

/// Appendix C.2.
#[test]
fn representations_one_by_one() {
    let inserted = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    assert_eq!(decode_new(inserted).unwrap(), "custom-key: custom-header\n");
    assert_eq!(decode_new("040c 2f73 616d 706c 652f 7061 7468").unwrap(), ":path: /sample/path\n");
    let never = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    assert_eq!(decode_new(never).unwrap(), "password: secret\n");
    assert_eq!(decode_new("82").unwrap(), ":method: GET\n");
}

const REQUESTS: [&str; 3] = [
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n",
    ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\ncache-control: no-cache\n",
    ":method: GET\n:scheme: https\n:path: /index.html\n:authority: www.example.com\n\
     custom-key: custom-value\n",
];

/// Appendix C.3.
#[test]
fn requests_without_huffman() {
    let decoder = &mut Decoder::new(TABLE_BYTES_INITIAL);
    let blocks = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    assert_eq!(blocks.map(|block| decode_hex(decoder, block)), REQUESTS);
}

/// Appendix C.4.
#[test]
fn requests_with_huffman() {
    let decoder = &mut Decoder::new(TABLE_BYTES_INITIAL);
    let blocks = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    assert_eq!(blocks.map(|block| decode_hex(decoder, block)), REQUESTS);
}

const RESPONSES: [&str; 3] = [
    ":status: 302\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n\
     location: https://www.example.com\n",
    ":status: 307\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:21 GMT\n\
     location: https://www.example.com\n",
    ":status: 200\ncache-control: private\ndate: Mon, 21 Oct 2013 20:13:22 GMT\n\
     location: https://www.example.com\ncontent-encoding: gzip\n\
     set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\n",
];

/// A decoder whose table has 256 bytes, as in appendices C.5 and C.6.
fn small_decoder() -> Decoder {
    let mut decoder = Decoder::new(TABLE_BYTES_INITIAL);
    assert_eq!(decode(&mut decoder, &bytes("3fe1 01")), Ok(String::new()));
    decoder
}

/// Appendix C.5: entries are evicted.
#[test]
fn responses_without_huffman() {
    let decoder = &mut small_decoder();
    let blocks = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a \
         3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 \
         677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 \
         553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
    ];
    assert_eq!(blocks.map(|block| decode_hex(decoder, block)), RESPONSES);
}

/// Appendix C.6.
#[test]
fn responses_with_huffman() {
    let decoder = &mut small_decoder();
    let blocks = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e \
         919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 \
         821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed \
         4ee5 b106 3d50 07",
    ];
    assert_eq!(blocks.map(|block| decode_hex(decoder, block)), RESPONSES);
}

#[test]
fn meanings_stay_with_entries_of_the_table() {
    let decoder = &mut Decoder::new(TABLE_BYTES_INITIAL);
    let mut block = Vec::new();
    for (name, value) in [("content-length", "42"), ("Upper", "x"), ("location", "/a")] {
        block.push(0x40);
        push_string(&mut block, name.as_bytes());
        push_string(&mut block, value.as_bytes());
    }
    block.extend_from_slice(&[0xbe, 0xbf, 0xc0]);
    let mut lines = Lines::default();
    decoder.decode(&block, &mut lines).unwrap();
    let malformed = Meaning::Malformed(FieldFault::Name);
    let once = [Meaning::ContentLength(42), malformed, Meaning::Location];
    assert_eq!(lines.1[..3], once);
    assert_eq!(lines.1[3..], [Meaning::Location, malformed, Meaning::ContentLength(42)]);
}

/// RFC 7541 §4.4: the name may be that of an entry that is evicted.
#[test]
fn name_of_an_entry_outlives_the_entry() {
    let decoder = &mut Decoder::new(TABLE_BYTES_INITIAL);
    let mut block = vec![0x20, 0x3f, 0x11];
    block.extend_from_slice(&[0x40, 2, b'a', b'b', 1, b'1']);
    block.extend_from_slice(&[0x7e, 3, b'2', b'2', b'2']);
    block.push(0xbe);
    assert_eq!(decode(decoder, &block).unwrap(), "ab: 1\nab: 222\nab: 222\n");
}

#[test]
fn invalid_blocks_are_refused() {
    for (hex, error) in [
        ("80", HpackError::Index),
        ("be", HpackError::Index),
        ("ff ff ff ff ff 0f", HpackError::IntegerTooLarge),
        ("ff 00", HpackError::Index),
        ("7e 01 61", HpackError::Index),
        ("40", HpackError::Truncated),
        ("40 03 61 62", HpackError::Truncated),
        ("40 01 61", HpackError::Truncated),
        ("40 01 61 05 62", HpackError::Truncated),
        ("40 01 61 ff ff ff ff ff ff", HpackError::IntegerTooLarge),
        ("40 01 61 81 ff", HpackError::Huffman),
        ("00 84 ff ff ff ff 00", HpackError::Huffman),
        ("82 20", HpackError::SizeUpdate),
        ("3f e2 1f", HpackError::SizeUpdate),
    ] {
        assert_eq!(decode_new(hex), Err(error), "{hex}");
    }
    assert_eq!(decode_new(""), Ok(String::new()));
    assert_eq!(decode_new("3f e1 1f 20 82").unwrap(), ":method: GET\n");
}

/// RFC 7541 §4.2: a smaller table is announced at the beginning of the next block.
#[test]
fn smaller_table_has_to_be_acknowledged_by_a_size_update() {
    let mut decoder = Decoder::new(0);
    assert_eq!(decode(&mut decoder, &bytes("40 01 61 01 62 be")).unwrap(), "a: b\na: b\n");
    decoder.acknowledged(0);
    assert_eq!(decode(&mut decoder, &bytes("82")), Err(HpackError::SizeUpdateMissing));
    assert_eq!(decode(&mut decoder, &bytes("21 82")), Err(HpackError::SizeUpdate));
    assert_eq!(decode(&mut decoder, &bytes("20 82")).unwrap(), ":method: GET\n");
    assert_eq!(decode(&mut decoder, &bytes("be")), Err(HpackError::Index));

    let mut larger = Decoder::new(65_536);
    assert_eq!(decode(&mut larger, &bytes("3f e1 ff 03 82")).unwrap(), ":method: GET\n");
    larger.acknowledged(65_536);
    assert_eq!(decode(&mut larger, &bytes("82")).unwrap(), ":method: GET\n");
}

/// A set of fields as parts, each interned.
fn parts(fields: &[(&str, &str)]) -> (Vec<Part>, Vec<u8>) {
    let (mut parts, mut bytes) = (Vec::new(), Vec::new());
    for (number, (name, value)) in fields.iter().enumerate() {
        let (name, value) = (name.as_bytes(), value.as_bytes());
        let found = find(name, value);
        let from = bytes.len() as u32;
        if found.name == 0 {
            push_string(&mut bytes, name);
        }
        push_string(&mut bytes, value);
        let size = size_in_table(name, value) as u16;
        let (number, name_index, to) = (number as u8, found.name, bytes.len() as u32);
        parts.push(Part::Interned(Interned { number, name_index, size, from, to }));
    }
    (parts, bytes)
}

const NOTHING: Fill<'_> = Fill { id: b"", values: &[] };

fn write(encoder: &mut Encoder, parts: &[Part], bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.write(parts, bytes, NOTHING, &mut out);
    encoder.invariants();
    out
}

#[test]
fn interned_fields_take_one_byte_from_the_second_time_on() {
    let fields = [(":authority", "www.example.com"), ("user-agent", "z6"), ("x-a", "1")];
    let (parts, bytes) = parts(&fields);
    let (mut encoder, mut decoder) = (Encoder::new(true), Decoder::new(TABLE_BYTES_INITIAL));
    let expected = ":authority: www.example.com\nuser-agent: z6\nx-a: 1\n";
    let first = write(&mut encoder, &parts, &bytes);
    assert_eq!(decode(&mut decoder, &first).unwrap(), expected);
    let second = write(&mut encoder, &parts[1..], &bytes);
    assert_eq!(second.len(), 2);
    assert_eq!(decode(&mut decoder, &second).unwrap(), "user-agent: z6\nx-a: 1\n");
    let third = write(&mut encoder, &parts, &bytes);
    assert_eq!(third, [0x80 | 64, 0x80 | 63, 0x80 | 62]);
    assert_eq!(decode(&mut decoder, &third).unwrap(), expected);
}

#[test]
fn fields_that_do_not_fit_stay_literals() {
    let long = "x".repeat(2_000);
    let fields: Vec<(&str, &str)> = vec![("a", &long), ("b", &long), ("c", &long), ("d", "1")];
    let (parts, bytes) = parts(&fields);
    let (mut encoder, mut decoder) = (Encoder::new(true), Decoder::new(TABLE_BYTES_INITIAL));
    let expected: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    for _ in 0..3 {
        let block = write(&mut encoder, &parts, &bytes);
        assert_eq!(decode(&mut decoder, &block).unwrap(), expected);
    }
    let again = write(&mut encoder, &parts, &bytes);
    assert!((1_750..1_800).contains(&again.len()), "only c is written out");
}

/// RFC 7541 §4.2.
#[test]
fn changes_of_the_table_size_are_said_first() {
    let (parts, bytes) = parts(&[("a", "1"), ("b", "2")]);
    let (mut encoder, mut decoder) = (Encoder::new(true), Decoder::new(TABLE_BYTES_INITIAL));
    let mut exchange = |encoder: &mut Encoder| {
        let block = write(encoder, &parts, &bytes);
        assert_eq!(decode(&mut decoder, &block).unwrap(), "a: 1\nb: 2\n");
        block
    };
    exchange(&mut encoder);
    encoder.set_size_max(65_536);
    assert_eq!(exchange(&mut encoder).len(), 2);
    encoder.set_size_max(40);
    assert_eq!(exchange(&mut encoder)[..3], [0x20, 0x3f, 9]);
    assert_eq!(exchange(&mut encoder)[0], 0xbe, "only a fits");
    encoder.set_size_max(0);
    assert_eq!(exchange(&mut encoder)[..2], [0x20, 0x00]);
    encoder.set_size_max(4_096);
    encoder.set_size_max(0);
    encoder.set_size_max(100);
    assert_eq!(exchange(&mut encoder)[..3], [0x20, 0x3f, 69]);
    assert_eq!(exchange(&mut encoder).len(), 2);
    let mut without = Encoder::new(false);
    assert_eq!(write(&mut without, &parts, &bytes), write(&mut without, &parts, &bytes));
}

/// RFC 7541 §7.1.3.
#[test]
fn secrets_are_never_indexed() {
    let first_byte = |name: &[u8], value: &[u8]| {
        let mut out = Vec::new();
        push_literal(&mut out, name, value);
        out[0]
    };
    assert_eq!(first_byte(b"authorization", b"Basic abc"), 0x1f);
    assert_eq!(first_byte(b"cookie", b"id=1"), 0x1f);
    assert_eq!(first_byte(b"proxy-authorization", b"x"), 0x1f);
    assert_eq!(first_byte(b"cookie", b"id=12345678901234567"), 0x0f);
    assert_eq!(first_byte(b"x-a", b"1"), 0x00);
    assert_eq!(first_byte(b":method", b"GET"), 0x82);
}
