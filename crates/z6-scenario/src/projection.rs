//! A data file as a log holds it: the columns that the scenario uses and that are not secret, and the names
//! of all others. From it a scenario can be loaded again, so that its run can be replayed.
//!
//! Three parts, one behind the other: a line `rows N names M open I,J`, or `cut` instead of `open` if there
//! was no room for all columns, and if the file is known ` of LENGTH DIGEST` behind it; the names of all columns as a row
//! of CSV, M bytes; the rows of the columns at the positions I, J, as CSV. Knows no log.

use z6_extract::rows::{Format, Limits, Reader, Table};

use crate::journey::DataFile;

/// All columns that the scenario uses and that may be in a log are in the file.
const OPEN: &str = "open";
/// There was no room for them.
const CUT: &str = "cut";

/// The name of a projected file in a log: this and the name of its entry.
pub const PROJECTION_PREFIX: &str = "[[data]] ";

impl DataFile {
    /// The file as a log holds it, with the columns `open`: those of
    /// [`open_columns`](crate::ValueTable::open_columns). If that is more than `max_bytes`, or nothing is to
    /// be attached, only the column of weights is in it, if there is one. `keyed` makes a digest of that of
    /// the original file, under a key of the run.
    #[must_use]
    pub fn projected(
        &self,
        open: &[u32],
        max_bytes: u64,
        keyed: &dyn Fn(&[u8]) -> [u8; 16],
    ) -> Vec<u8> {
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let original = self.original.0.map(|facts| {
            let digest = u128::from_be_bytes(keyed(&facts.sha256));
            format!(" of {} {digest:032x}", facts.length)
        });
        let original = original.unwrap_or_default();
        let write = |word, open, max| write(&self.table, (word, &original), open, max);
        let whole = self.is_attached.then(|| write(OPEN, open, max_bytes)).flatten();
        let word = if self.is_attached { CUT } else { OPEN };
        let least = || write(word, self.weight.as_slice(), usize::MAX);
        whole.or_else(least).unwrap_or_default()
    }

    /// Whether the columns `open` are in what a log holds of the file: the same for a file that was
    /// projected before.
    pub(crate) fn is_known(&self, open: &[u32], max_bytes: u64) -> bool {
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        // Columns that a log does not hold are empty.
        let has_field = |column: &u32| {
            let mut rows = 0..self.table.row_count();
            rows.any(|row| self.table.field(row, *column as usize).is_some_and(|f| !f.is_empty()))
        };
        let mut others = open.iter().filter(|column| Some(**column) != self.weight);
        self.is_attached
            && others.any(has_field)
            && write(&self.table, (OPEN, ""), open, max_bytes).is_some()
    }
}

/// None if it becomes longer than `max_bytes`.
fn write(
    table: &Table,
    (word, original): (&str, &str),
    open: &[u32],
    max_bytes: usize,
) -> Option<Vec<u8>> {
    let mut names = Vec::new();
    push_row(table.columns().map(str::as_bytes), &mut names);
    let positions: Vec<String> = open.iter().map(u32::to_string).collect();
    let (rows, length) = (table.row_count(), names.len());
    let mut out = format!("rows {rows} names {length} {word} {}{original}\n", positions.join(","))
        .into_bytes();
    out.extend_from_slice(&names);
    if open.is_empty() {
        return Some(out);
    }
    for row in 0..rows {
        let field = |column: &u32| table.field(row, *column as usize).unwrap_or_default();
        push_row(open.iter().map(field), &mut out);
        if out.len() > max_bytes {
            return None;
        }
    }
    Some(out)
}

/// Appends a row of CSV (RFC 4180), each field in quotes: an empty row is no row.
fn push_row<'f>(fields: impl Iterator<Item = &'f [u8]>, out: &mut Vec<u8>) {
    for (index, field) in fields.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        for &byte in field {
            if byte == b'"' {
                out.push(b'"');
            }
            out.push(byte);
        }
        out.push(b'"');
    }
    out.push(b'\n');
}

/// Whether columns are missing in a projected file for which there was no room.
#[must_use]
pub fn is_cut_projection(file: &[u8]) -> bool {
    let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.split(|byte| *byte == b' ').nth(4) == Some(CUT.as_bytes())
}

/// The table that a projected file stands for: fields of columns that are not in it are empty. None if it
/// is no projected file.
#[must_use]
pub fn projected_table(file: &[u8]) -> Option<Table> {
    let end = file.iter().position(|byte| *byte == b'\n')?;
    let words: Vec<&str> = std::str::from_utf8(file.get(..end)?).ok()?.split(' ').collect();
    let (["rows", rows, "names", length, OPEN | CUT, open]
    | ["rows", rows, "names", length, OPEN | CUT, open, "of", _, _]) = words.as_slice()
    else {
        return None;
    };
    let rows: usize = rows.parse().ok()?;
    let length: usize = length.parse().ok()?;
    let (names, content) = file.get(end + 1..)?.split_at_checked(length)?;
    let limits = Limits { bytes_max: u64::MAX, rows_max: u64::MAX };
    let mut reader = Reader::new(Format::Csv, limits);
    reader.push(names).ok()?;
    let names = reader.finish().ok()?;
    let names: Vec<&str> = names.columns().collect();
    if open.is_empty() {
        return Table::default().among(&names, rows);
    }
    let open: Option<Vec<&str>> =
        open.split(',').map(|at| names.get(at.parse::<usize>().ok()?).copied()).collect();
    let mut reader = Reader::with_columns(Format::Csv, limits, &open?).ok()?;
    reader.push(content).ok()?;
    reader.finish().ok()?.among(&names, rows)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journey::{FileFacts, OnEnd, OriginalFile};
    use crate::values::{Order, Per};

    fn data(text: &str) -> DataFile {
        let mut reader = Reader::new(Format::Csv, Limits::default());
        reader.push(text.as_bytes()).unwrap();
        DataFile {
            name: "users".to_owned(),
            file: "users.csv".to_owned(),
            table: Arc::new(reader.finish().unwrap()),
            per: Per::Vu,
            order: Order::Sequential,
            is_unique: false,
            on_end: OnEnd::Repeat,
            weight: None,
            secret: vec![1],
            is_attached: true,
            original: OriginalFile(Some(FileFacts { length: 1_234, sha256: [5; 32] })),
        }
    }

    fn keyed(digest: &[u8]) -> [u8; 16] {
        assert_eq!(digest, [5; 32]);
        [0xab; 16]
    }

    #[test]
    fn length_and_digest_of_the_original_are_in_the_first_line() {
        let data = data("email,password,x\na@x,geheim,1\n");
        let file = String::from_utf8(data.projected(&[0], 1_000, &keyed)).unwrap();
        let line = format!("rows 1 names 23 open 0 of 1234 {}", "ab".repeat(16));
        assert_eq!(file.lines().next(), Some(line.as_str()));
        let unread = DataFile { original: OriginalFile::default(), ..data };
        let file = String::from_utf8(unread.projected(&[0], 1_000, &keyed)).unwrap();
        assert_eq!(file.lines().next(), Some("rows 1 names 23 open 0"));
    }

    #[test]
    fn open_columns_come_back_and_others_are_empty() {
        let data = data("email,password,\"odd \"\"name\"\"\"\na@x,geheim,\"1\n,2\"\n,streng,\n");
        let file = data.projected(&[0, 2], 1_000, &keyed);
        let table = projected_table(&file).unwrap();
        assert_eq!(table.columns().collect::<Vec<_>>(), ["email", "password", "odd \"name\""]);
        assert_eq!(table.row_count(), 2);
        let row = |row| (0..3).map(|column| table.field(row, column).unwrap()).collect::<Vec<_>>();
        assert_eq!(row(0), [&b"a@x"[..], b"", b"1\n,2"]);
        assert_eq!(row(1), [&b""[..], b"", b""]);
        assert!(!String::from_utf8(file).unwrap().contains("geheim"));
    }

    #[test]
    fn without_room_only_the_number_of_rows_and_the_weights_are_kept() {
        let text = "email,weight\na@x,1\nb@x,2\n";
        let whole = data(text);
        let bare = projected_table(&whole.projected(&[0], 10, &keyed)).unwrap();
        assert_eq!((bare.row_count(), bare.field(1, 0)), (2, Some(&b""[..])));
        assert!(is_cut_projection(&whole.projected(&[0], 10, &keyed)));
        assert!(!is_cut_projection(&whole.projected(&[0], 1_000, &keyed)));
        let unattached = DataFile { is_attached: false, weight: Some(1), ..data(text) };
        let weights = projected_table(&unattached.projected(&[0, 1], 1_000, &keyed)).unwrap();
        assert_eq!((weights.field(1, 0), weights.field(1, 1)), (Some(&b""[..]), Some(&b"2"[..])));
    }

    #[test]
    fn other_texts_are_no_projected_files() {
        for text in [
            "",
            "email\n",
            "rows 1 names 9 open \n\"a\"\n",
            "rows 2 names 4 open 0\n\"a\"\n\"x\"\n",
            "rows 1 names 4 open 1\n\"a\"\n\"x\"\n",
            "rows x names 4 open \n\"a\"\n",
            "rows 1 names 18446744073709551615 open \n\"a\"\n",
        ] {
            assert!(projected_table(text.as_bytes()).is_none(), "{text:?}");
        }
    }
}
