//! The Huffman code of strings (RFC 7541 §5.2, appendix B).
//!
//! Owns the code, both ways. It is canonical: the lengths of the codes are enough to know all of them.

use z6_http::canary::is_planted;

use super::HpackError;

/// Length of each symbol's code, bits; the last is EOS.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

const EOS: usize = 256;
const LENGTH_MAX: usize = 30;
/// Codes up to this length are looked up at once.
const SHORT_BITS: usize = 8;

/// Code and length of each symbol.
const CODES: [(u32, u8); 257] = codes();
/// Symbol and length of the code that begins with the index; length 0 if the code is longer.
static SHORT: [(u8, u8); 1 << SHORT_BITS] = short();
/// For each length: one more than the last code of at most this length, aligned to 32 bits, and what to add to
/// a code to find its place in `BY_CODE`.
const LONG: [(u64, u32); LENGTH_MAX + 1] = long();
/// Symbols in the order of their codes.
static BY_CODE: [u16; 257] = by_code();

const fn by_code() -> [u16; 257] {
    let mut order = [0_u16; 257];
    let (mut place, mut length) = (0, 1);
    while length <= LENGTH_MAX {
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                order[place] = symbol as u16;
                place += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    order
}

const fn codes() -> [(u32, u8); 257] {
    let order = by_code();
    let mut codes = [(0_u32, 0_u8); 257];
    let (mut code, mut place, mut before) = (0_u32, 0, LENGTHS[order[0] as usize]);
    while place < 257 {
        let symbol = order[place] as usize;
        code <<= LENGTHS[symbol] - before;
        before = LENGTHS[symbol];
        codes[symbol] = (code, before);
        code += 1;
        place += 1;
    }
    codes
}

const fn short() -> [(u8, u8); 1 << SHORT_BITS] {
    let mut table = [(0_u8, 0_u8); 1 << SHORT_BITS];
    let mut symbol = 0;
    while symbol < EOS {
        let (code, length) = CODES[symbol];
        if length as usize <= SHORT_BITS {
            let free = SHORT_BITS - length as usize;
            let mut rest = 0;
            while rest < 1 << free {
                table[((code as usize) << free) + rest] = (symbol as u8, length);
                rest += 1;
            }
        }
        symbol += 1;
    }
    table
}

const fn long() -> [(u64, u32); LENGTH_MAX + 1] {
    let order = by_code();
    let mut table = [(0_u64, 0_u32); LENGTH_MAX + 1];
    let (mut place, mut end) = (0_usize, 0_u64);
    let mut length = 1;
    while length <= LENGTH_MAX {
        let mut first = None;
        while place < 257 && LENGTHS[order[place] as usize] as usize == length {
            let code = CODES[order[place] as usize].0;
            if first.is_none() {
                first = Some((place as u32).wrapping_sub(code));
            }
            end = (code as u64 + 1) << (32 - length);
            place += 1;
        }
        table[length] = (
            end,
            match first {
                Some(shift) => shift,
                None => 0,
            },
        );
        length += 1;
    }
    table
}

/// Most bytes that a string of `coded_bytes` bytes can decode to: no code is shorter than 5 bits.
#[inline]
pub(crate) const fn decoded_bytes_max(coded_bytes: usize) -> usize {
    coded_bytes * 8 / 5
}

/// Decodes `coded` into the beginning of `out` and returns the length.
///
/// # Errors
/// [`HpackError::Huffman`] for EOS, and for padding that is longer than 7 bits or not the beginning of EOS
/// (RFC 7541 §5.2).
///
/// # Panics
/// If `out` is shorter than [`decoded_bytes_max`].
#[inline]
pub(crate) fn decode(coded: &[u8], out: &mut [u8]) -> Result<usize, HpackError> {
    let mut input = coded;
    // The next bits, from the highest on, and how many there are.
    let (mut window, mut bits) = (0_u64, 0_u32);
    let mut length = 0;
    loop {
        if bits < 32 {
            if let Some((four, rest)) = input.split_first_chunk::<4>() {
                window |= u64::from(u32::from_be_bytes(*four)) << (32 - bits);
                bits += 32;
                input = rest;
            } else {
                while let [byte, rest @ ..] = input {
                    window |= u64::from(*byte) << (56 - bits);
                    bits += 8;
                    input = rest;
                }
                if bits < SHORT_BITS as u32 {
                    return decode_end(window, bits, out, length);
                }
            }
        }
        if bits >= 4 * SHORT_BITS as u32
            && let Some(four) = out[length..].first_chunk_mut::<4>()
        {
            let decoded = decode_short(&mut window, &mut bits, four);
            length += decoded;
            if decoded == four.len() {
                continue;
            }
            if bits < LENGTH_MAX as u32 && !input.is_empty() {
                fill(&mut window, &mut bits, &mut input);
            }
        }
        let (symbol, used) = SHORT[(window >> (64 - SHORT_BITS)) as usize];
        let (symbol, used) = if used > 0 { (symbol, used) } else { long_code(window, bits)? };
        out[length] = symbol;
        length += 1;
        window <<= used;
        bits -= u32::from(used);
    }
}

/// Four symbols, or those before the first with a longer code; returns how many. There are 32 bits at least.
#[inline]
fn decode_short(window: &mut u64, bits: &mut u32, four: &mut [u8; 4]) -> usize {
    for (at, place) in four.iter_mut().enumerate() {
        let (symbol, used) = SHORT[(*window >> (64 - SHORT_BITS)) as usize];
        if used == 0 {
            return at;
        }
        *place = symbol;
        *window <<= used;
        *bits -= u32::from(used);
    }
    four.len()
}

/// Takes bytes while there is room for them.
#[cold]
fn fill(window: &mut u64, bits: &mut u32, input: &mut &[u8]) {
    while *bits <= 56
        && let [byte, rest @ ..] = *input
    {
        *window |= u64::from(*byte) << (56 - *bits);
        *bits += 8;
        *input = rest;
    }
}

/// The last bits, fewer than 8: a code or none, then ones.
#[inline]
fn decode_end(
    mut window: u64,
    mut bits: u32,
    out: &mut [u8],
    mut length: usize,
) -> Result<usize, HpackError> {
    while bits > 0 {
        let filled = window | u64::MAX >> bits;
        if filled == u64::MAX {
            break;
        }
        let (symbol, used) = SHORT[(filled >> (64 - SHORT_BITS)) as usize];
        if used == 0 || u32::from(used) > bits {
            if is_planted("huffman") {
                break;
            }
            return Err(HpackError::Huffman);
        }
        out[length] = symbol;
        length += 1;
        window <<= used;
        bits -= u32::from(used);
    }
    Ok(length)
}

#[cold]
fn long_code(window: u64, bits: u32) -> Result<(u8, u8), HpackError> {
    let aligned = window >> 32;
    for (length, &(end, shift)) in LONG.iter().enumerate().skip(SHORT_BITS + 1) {
        if aligned < end {
            if length as u32 > bits {
                return Err(HpackError::Huffman);
            }
            let code = (aligned >> (32 - length)) as u32;
            let symbol = BY_CODE[code.wrapping_add(shift) as usize];
            return match u8::try_from(symbol) {
                Ok(symbol) => Ok((symbol, length as u8)),
                Err(_) => Err(HpackError::Huffman),
            };
        }
    }
    Err(HpackError::Huffman)
}

/// Length of `text` in the code, bytes.
pub(crate) fn coded_bytes(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|&byte| usize::from(LENGTHS[usize::from(byte)])).sum();
    bits.div_ceil(8)
}

/// Appends `text` in the code.
pub(crate) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut window, mut bits) = (0_u64, 0_u32);
    for &byte in text {
        let (code, length) = CODES[usize::from(byte)];
        window = window << length | u64::from(code);
        bits += u32::from(length);
        while bits >= 8 {
            bits -= 8;
            out.push((window >> bits) as u8);
        }
    }
    if bits > 0 {
        out.push((window << (8 - bits)) as u8 | 0xff >> bits);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, HpackError> {
        let mut out = vec![0; decoded_bytes_max(coded.len())];
        let length = decode(coded, &mut out)?;
        out.truncate(length);
        Ok(out)
    }

    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        assert_eq!(out.len(), coded_bytes(text));
        out
    }

    /// The table as the RFC prints it: symbol, code in hexadecimal, length in bits.
    #[test]
    fn codes_are_those_of_appendix_b() {
        let mut lines = 0;
        for (line, (code, length)) in include_str!("appendix_b.txt").lines().zip(CODES) {
            assert_eq!(line, format!("{lines} {code:x} {length}"));
            lines += 1;
        }
        assert_eq!(lines, 257);
    }

    #[test]
    fn every_symbol_alone_and_between_others_is_decoded() {
        for symbol in 0..=255_u8 {
            for text in [vec![symbol], vec![b'a', symbol, b'0'], vec![symbol; 9]] {
                assert_eq!(decoded(&encoded(&text)), Ok(text));
            }
        }
    }

    /// RFC 7541 §5.2.
    #[test]
    fn padding_is_at_most_seven_ones() {
        assert_eq!(decoded(&[]), Ok(vec![]));
        assert_eq!(decoded(&[0b0001_1111]), Ok(b"a".to_vec()), "code 00011, three ones");
        assert_eq!(decoded(&[0b0001_1110]), Err(HpackError::Huffman));
        assert_eq!(decoded(&[0b0001_1000]), Err(HpackError::Huffman));
        assert_eq!(decoded(&[0xff]), Err(HpackError::Huffman), "eight ones");
        assert_eq!(decoded(&[0b0001_1111, 0xff]), Err(HpackError::Huffman), "eleven ones");
        assert_eq!(decoded(&[0xff; 3]), Err(HpackError::Huffman));
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(HpackError::Huffman), "EOS");
        assert_eq!(decoded(&[0xfe]), Err(HpackError::Huffman), "half a code");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(decoded(&encoded(&text)), Ok(text));
        }

        #[test]
        fn what_decodes_is_the_only_coding_of_its_text(
            coded in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Ok(text) = decoded(&coded) {
                prop_assert_eq!(encoded(&text), coded);
            }
        }
    }
}
