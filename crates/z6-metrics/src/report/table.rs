//! Aligned columns: the first few to the left, the others to the right. Widths count characters, so
//! color is added after alignment. Cells may come from anywhere: they are made printable.

use z6_events::printable;

/// Rows of cells. Cells missing at the end of a row are empty.
#[derive(Debug)]
pub struct Table {
    left: usize,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose first `left` columns are aligned to the left.
    #[must_use]
    pub fn new(left: usize) -> Table {
        Table { left, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell).into_owned()).collect());
    }

    /// One line per row, without line feeds and without trailing blanks.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| self.rows.iter().map(|row| width(row, column)).max().unwrap_or(0))
            .collect();
        self.rows.iter().map(|row| line(row, &widths, self.left)).collect()
    }
}

fn width(row: &[String], column: usize) -> usize {
    row.get(column).map_or(0, |cell| cell.chars().count())
}

fn line(row: &[String], widths: &[usize], left: usize) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        if column > 0 {
            text.push_str("  ");
        }
        if column < left {
            text.push_str(&format!("{cell:<width$}"));
        } else {
            text.push_str(&format!("{cell:>width$}"));
        }
    }
    text.trim_end().to_owned()
}
