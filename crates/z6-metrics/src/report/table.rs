//! Aligned columns: the first few to the left, the others to the right. Color is added after alignment. Cells
//! may come from anywhere: they are made printable.
//!
//! In fewer columns than it needs, a table leaves out optional columns, then moves the others together, then
//! shortens the names in its first column. It never cuts a number.

use z6_events::printable;

use super::fit::{shorten, width};

/// Between two columns.
const GAP: usize = 2;
/// Names are not made shorter than this.
const NAME_MIN: usize = 4;

/// Rows of cells. Cells missing at the end of a row are empty.
#[derive(Debug)]
pub struct Table {
    left: usize,
    /// Columns that may be left out, the first first.
    optional: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose first `left` columns are aligned to the left.
    #[must_use]
    pub fn new(left: usize) -> Table {
        Table { left, optional: Vec::new(), rows: Vec::new() }
    }

    /// The same with columns that [`fitted`](Self::fitted) may leave out, in this order.
    #[must_use]
    pub fn with_optional(self, columns: impl IntoIterator<Item = usize>) -> Table {
        Table { optional: columns.into_iter().collect(), ..self }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell).into_owned()).collect());
    }

    /// One line per row, without line feeds and without trailing blanks.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.aligned(&self.widths(), GAP)
    }

    /// The same in at most `columns` columns, as far as numbers and four columns of each name fit.
    #[must_use]
    pub fn fitted(&self, columns: usize) -> Vec<String> {
        let mut widths = self.widths();
        for column in &self.optional {
            if total(&widths, GAP) <= columns {
                break;
            }
            if let Some(width) = widths.get_mut(*column) {
                *width = None;
            }
        }
        let gap = if total(&widths, GAP) <= columns { GAP } else { 1 };
        let over = total(&widths, gap).saturating_sub(columns);
        if let Some(Some(name)) = widths.first_mut() {
            *name = name.saturating_sub(over).max(NAME_MIN.min(*name));
        }
        self.aligned(&widths, gap)
    }

    /// Of each column.
    fn widths(&self) -> Vec<Option<usize>> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells = |column| self.rows.iter().filter_map(move |row| row.get(column));
        (0..columns).map(|column| cells(column).map(|cell| width(cell)).max()).collect()
    }

    fn aligned(&self, widths: &[Option<usize>], gap: usize) -> Vec<String> {
        self.rows.iter().map(|row| line(row, widths, gap, self.left)).collect()
    }
}

/// Of a line with these columns.
fn total(widths: &[Option<usize>], gap: usize) -> usize {
    let shown = widths.iter().flatten();
    let gaps = shown.clone().count().saturating_sub(1) * gap;
    shown.sum::<usize>() + gaps
}

fn line(row: &[String], widths: &[Option<usize>], gap: usize, left: usize) -> String {
    let mut text = String::new();
    for (column, (cell, columns)) in row.iter().zip(widths).enumerate() {
        let Some(columns) = *columns else { continue };
        if !text.is_empty() {
            text.push_str(&" ".repeat(gap));
        }
        let cell = if column == 0 { shorten(cell, columns) } else { cell.clone() };
        let blanks = " ".repeat(columns.saturating_sub(width(&cell)));
        if column < left {
            text.push_str(&cell);
            text.push_str(&blanks);
        } else {
            text.push_str(&blanks);
            text.push_str(&cell);
        }
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(1).with_optional([2, 1]);
        for row in
            [["request", "sent", "rate", "p99"], ["list_all_users", "1,000", "50/s", "1.23 ms"]]
        {
            table.row(row.map(str::to_owned));
        }
        table
    }

    #[test]
    fn a_table_that_fits_is_printed_whole() {
        assert_eq!(table().fitted(36), table().lines());
        assert_eq!(
            table().lines(),
            ["request          sent  rate      p99", "list_all_users  1,000  50/s  1.23 ms"]
        );
    }

    #[test]
    fn optional_columns_go_first_then_gaps_then_names() {
        assert_eq!(table().fitted(35)[1], "list_all_users  1,000  1.23 ms");
        assert_eq!(table().fitted(29)[1], "list_all_users  1.23 ms");
        assert_eq!(table().fitted(22)[1], "list_all_users 1.23 ms");
        assert_eq!(table().fitted(15)[1], "lis…ers 1.23 ms");
        assert_eq!(table().fitted(0)[1], "li…s 1.23 ms", "numbers stay whole");
    }
}
