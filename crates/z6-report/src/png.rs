//! An image of few colours as PNG (ISO/IEC 15948): a palette with transparency, eight bits a pixel. Knows
//! nothing of what it shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A colour: red, green, blue, and how much of it covers what is below.
pub(crate) type Rgba = [u8; 4];

/// An image by numbers of the palette, row by row from the top.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) width: u32,
    pub(crate) palette: Vec<Rgba>,
    /// A multiple of `width`.
    pub(crate) pixels: Vec<u8>,
}

const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];
/// Bits per sample 8, colours by palette, compression and filter as the standard has them, no interlace.
const FORMAT: [u8; 5] = [8, 3, 0, 0, 0];
/// Of 0 to 10: small first.
const LEVEL: u8 = 9;

impl Image {
    /// The bytes of the file. Of an image without pixels: none.
    pub(crate) fn png(&self) -> Vec<u8> {
        let width = self.width as usize;
        if width == 0 || self.pixels.len() < width {
            return Vec::new();
        }
        let rows = self.pixels.chunks_exact(width);
        let height = (self.pixels.len() / width) as u32;
        let mut header = [self.width.to_be_bytes(), height.to_be_bytes()].concat();
        header.extend(FORMAT);
        let colours: Vec<u8> = self.palette.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
        let alpha: Vec<u8> = self.palette.iter().map(|[.., alpha]| *alpha).collect();
        // Each row begins with its filter: 0, none.
        let data: Vec<u8> =
            rows.flat_map(|row| std::iter::once(0).chain(row.iter().copied())).collect();
        let data = miniz_oxide::deflate::compress_to_vec_zlib(&data, LEVEL);
        let mut file = SIGNATURE.to_vec();
        for (kind, bytes) in [
            (b"IHDR", header.as_slice()),
            (b"PLTE", &colours),
            (b"tRNS", &alpha),
            (b"IDAT", &data),
            (b"IEND", &[]),
        ] {
            file.extend((bytes.len() as u32).to_be_bytes());
            let begin = file.len();
            file.extend(kind);
            file.extend(bytes);
            let sum = crc32fast::hash(&file[begin..]);
            file.extend(sum.to_be_bytes());
        }
        file
    }

    /// As a URL that contains the image.
    pub(crate) fn data_uri(&self) -> String {
        format!("data:image/png;base64,{}", STANDARD.encode(self.png()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_the_chunks_of_the_standard_and_the_pixels() {
        let palette = vec![[0, 0, 0, 0], [10, 20, 30, 255]];
        let image = Image { width: 3, palette, pixels: vec![0, 1, 0, 1, 1, 0] };
        let file = image.png();
        assert_eq!(file[..8], SIGNATURE);
        let mut chunks = Vec::new();
        let mut rest = &file[8..];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let (chunk, after) = after.split_at(4 + length);
            let (sum, after) = after.split_first_chunk::<4>().unwrap();
            assert_eq!(crc32fast::hash(chunk).to_be_bytes(), *sum);
            chunks.push((chunk[..4].to_vec(), chunk[4..].to_vec()));
            rest = after;
        }
        let names: Vec<&[u8]> = chunks.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(names, [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"]);
        assert_eq!(chunks[0].1, [0, 0, 0, 3, 0, 0, 0, 2, 8, 3, 0, 0, 0]);
        assert_eq!(
            (&chunks[1].1[..], &chunks[2].1[..]),
            (&[0, 0, 0, 10, 20, 30][..], &[0, 255][..])
        );
        let data = miniz_oxide::inflate::decompress_to_vec_zlib(&chunks[3].1).unwrap();
        assert_eq!(data, [0, 0, 1, 0, 0, 1, 1, 0]);
        assert!(image.data_uri().starts_with("data:image/png;base64,iVBORw0KGgo"));
    }

    #[test]
    fn nothing_is_no_file() {
        assert!(Image { width: 0, palette: Vec::new(), pixels: Vec::new() }.png().is_empty());
    }
}
