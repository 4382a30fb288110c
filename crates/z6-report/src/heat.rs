//! Latencies over time as an image: a pixel for each column and bucket of the grid, the darker the more
//! requests, by the logarithm of their number.

use z6_metrics::grid::{GridFigures, GridHistogram};

use crate::png::{Image, Rgba};
use crate::scale::Latencies;

/// Shades, the first of them nothing.
const SHADES: u64 = 15;
/// Red, green and blue of all of them: readable on a light and on a dark page.
const HUE: [u8; 3] = [38, 132, 200];

/// The image of one latency; none without values.
pub(crate) fn image(
    grid: &GridFigures,
    axis: &Latencies,
    of: impl for<'a> Fn(&'a z6_metrics::grid::GridColumn) -> &'a GridHistogram,
) -> Option<Image> {
    let (width, height) = (grid.columns.len(), axis.buckets());
    let histograms: Vec<&GridHistogram> = grid.columns.iter().map(&of).collect();
    let most = histograms.iter().flat_map(|one| &one.counts).map(|(_, count)| *count).max()?;
    let mut pixels = vec![0; width * height];
    for (x, histogram) in histograms.iter().enumerate() {
        for (bucket, count) in &histogram.counts {
            let bucket = usize::from(*bucket).clamp(axis.lowest, axis.highest);
            let pixel = &mut pixels[(axis.highest - bucket) * width + x];
            *pixel = (*pixel).max(shade(*count, most));
        }
    }
    let palette = (0..=SHADES).map(|shade| colour(shade as u8)).collect();
    Some(Image { width: width as u32, palette, pixels })
}

fn colour(shade: u8) -> Rgba {
    let [red, green, blue] = HUE;
    [red, green, blue, if shade == 0 { 0 } else { 18 + shade * 14 }]
}

/// From 1 for one request to the last for the most, by the logarithm.
fn shade(count: u64, most: u64) -> u8 {
    // Eighths of an octave.
    let eighths = |count: u64| {
        let count = count.max(1);
        let exponent = u64::from(count.ilog2());
        let part = ((u128::from(count) << 3) >> exponent) as u64 - 8;
        exponent * 8 + part
    };
    let whole = eighths(most).max(1);
    (1 + eighths(count) * (SHADES - 1) / whole) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_grow_with_the_logarithm() {
        assert_eq!((shade(1, 1), shade(1, 1_000_000), shade(1_000_000, 1_000_000)), (1, 1, 15));
        assert_eq!(shade(1_000, 1_000_000), 7);
        assert_eq!(shade(u64::MAX, u64::MAX), 15);
        assert_eq!((colour(0)[3], colour(15)[3]), (0, 228));
    }
}
