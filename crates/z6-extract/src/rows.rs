//! Data files as tables: CSV (RFC 4180), TSV and JSON lines, read in pieces of any size.
//!
//! Owns columns, rows, and the places of errors. Knows nothing of files and of how rows are dealt.
//! A table is one buffer of bytes and the end of each field: four bytes a field beyond the text.

use crate::canary::is_planted;
use thiserror::Error;

use crate::json::{JsonError, members};
use crate::limits::{MAX_COLUMNS, MAX_DATA_BYTES, MAX_DATA_ROWS, MAX_ROW_BYTES};
use crate::value::Kind;

/// How a data file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Fields between commas; one with a comma, a quote or a line break stands in quotes, and a quote
    /// in it is doubled.
    Csv,
    /// Fields between tabs, without quotes.
    Tsv,
    /// A JSON object on each line. A number keeps its digits, and `null` is an empty field.
    JsonLines,
}

/// What is refused as too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub bytes_max: u64,
    /// Rows.
    pub rows_max: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes_max: MAX_DATA_BYTES, rows_max: MAX_DATA_ROWS }
    }
}

/// Why a file is no table. Lines count from 1.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowsError {
    /// The file is longer than [`Limits::bytes_max`], or its fields than 4 GiB.
    #[error("more than {bytes_max} bytes")]
    TooManyBytes {
        /// The limit.
        bytes_max: u64,
    },
    /// More rows than [`Limits::rows_max`].
    #[error("more than {rows_max} rows")]
    TooManyRows {
        /// The limit.
        rows_max: u64,
    },
    /// A row longer than [`MAX_ROW_BYTES`].
    #[error("line {line}: a row of more than {MAX_ROW_BYTES} bytes")]
    RowTooLong {
        /// Where it begins.
        line: u64,
    },
    /// More columns than [`MAX_COLUMNS`].
    #[error("line {line}: more than {MAX_COLUMNS} fields")]
    TooManyColumns {
        /// Where the row begins.
        line: u64,
    },
    /// No line that names the columns.
    #[error("the file is empty: there are no columns")]
    NoColumns,
    /// A column without a name.
    #[error("column {position} has no name")]
    NoColumnName {
        /// From 1.
        position: usize,
    },
    /// Two columns of one name.
    #[error("two columns are called {name:?}")]
    SameColumnName {
        /// Their name.
        name: Box<str>,
    },
    /// A byte that is not UTF-8.
    #[error("line {line}: not UTF-8 (byte {byte})")]
    NotUtf8 {
        /// Line of the file.
        line: u64,
        /// Place in that line, from 1.
        byte: usize,
    },
    /// A row with another number of fields than there are columns.
    #[error("line {line}: {fields} fields, the header has {columns}")]
    Ragged {
        /// Where the row begins.
        line: u64,
        /// Fields of the row.
        fields: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// The file ends inside quotes.
    #[error("line {line}: the file ends inside quotes")]
    OpenQuote {
        /// Where the row begins.
        line: u64,
    },
    /// A field in quotes goes on behind the closing one.
    #[error("line {line}: text behind the closing quote of a field")]
    AfterQuote {
        /// Where the row begins.
        line: u64,
    },
    /// A CR that ends no line.
    #[error("line {line}: a CR without LF")]
    LoneCr {
        /// Where the row begins.
        line: u64,
    },
    /// A line that is not JSON, or is no object.
    #[error("line {line}: {error}")]
    Json {
        /// Line of the file.
        line: u64,
        /// What is wrong with it.
        error: JsonError,
    },
    /// A member that is an array or an object.
    #[error("line {line}: {name:?} is an array or an object")]
    Nested {
        /// Line of the file.
        line: u64,
        /// Name of the member.
        name: Box<str>,
    },
    /// A member that is not a column, or is there twice.
    #[error("line {line}: {name:?} is no column, or is there twice")]
    UnknownMember {
        /// Line of the file.
        line: u64,
        /// Name of the member.
        name: Box<str>,
    },
    /// A column that the object has no member for.
    #[error("line {line}: {name:?} is missing")]
    NoMember {
        /// Line of the file.
        line: u64,
        /// Name of the column.
        name: Box<str>,
    },
}

/// Rows of fields under named columns.
///
/// ```
/// use z6_extract::rows::{Format, Limits, Reader};
///
/// let mut reader = Reader::new(Format::Csv, Limits::default());
/// reader.push(b"email,name\r\na@x.example,\"Doe, Ann\"\r\n").unwrap();
/// let table = reader.finish().unwrap();
/// let name = table.column("name").unwrap();
/// assert_eq!((table.row_count(), table.field(0, name)), (1, Some(&b"Doe, Ann"[..])));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    columns: Vec<Box<str>>,
    /// Where each column is in a row of `ends`; [`LEFT_OUT`] for one that only has a name.
    places: Vec<u32>,
    /// Fields of a row in `ends`.
    width: usize,
    rows: usize,
    /// All fields, row by row. UTF-8.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<u32>,
}

/// The place of a column whose fields are not there.
const LEFT_OUT: u32 = u32::MAX;

impl Table {
    /// Names of the columns, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = &str> {
        self.columns.iter().map(|name| &**name)
    }

    /// The position of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|other| &**other == name)
    }

    /// Number of rows, without the header.
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// A field, if there are this row and column; empty in a column that only has a name.
    pub fn field(&self, row: usize, column: usize) -> Option<&[u8]> {
        let place = *self.places.get(column)?;
        if row >= self.rows {
            return None;
        }
        if place == LEFT_OUT {
            return Some(&[]);
        }
        let at = row.checked_mul(self.width)?.checked_add(usize::try_from(place).ok()?)?;
        let end = usize::try_from(*self.ends.get(at)?).ok()?;
        let before = at.checked_sub(1).and_then(|before| self.ends.get(before));
        self.bytes.get(before.map_or(Some(0), |&end| usize::try_from(end).ok())?..end)
    }

    /// The same rows as part of a table of further columns, of which only the names are known; a table
    /// without columns gets `rows` rows. None if a column of this table is not among `names`, a name is
    /// there twice, or the number of rows is another.
    #[must_use]
    pub fn among(mut self, names: &[&str], rows: usize) -> Option<Table> {
        let columns = std::mem::take(&mut self.columns);
        if !columns.is_empty() && rows != self.rows {
            return None;
        }
        self.places.clear();
        let mut found = 0;
        for name in names {
            if self.column(name).is_some() {
                return None;
            }
            let place = columns.iter().position(|column| **column == **name);
            found += usize::from(place.is_some());
            self.places.push(place.and_then(|place| u32::try_from(place).ok()).unwrap_or(LEFT_OUT));
            self.columns.push((*name).into());
        }
        self.rows = rows;
        (found == columns.len()).then_some(self)
    }

    fn name_columns<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Result<(), RowsError> {
        for name in names {
            if name.is_empty() {
                return Err(RowsError::NoColumnName { position: self.columns.len() + 1 });
            }
            if self.column(name).is_some() {
                return Err(RowsError::SameColumnName { name: name.into() });
            }
            self.places.push(u32::try_from(self.width).unwrap_or(LEFT_OUT));
            self.columns.push(name.into());
            self.width += 1;
        }
        Ok(())
    }
}

/// Reads a table from the pieces of a file.
#[derive(Debug)]
pub struct Reader {
    rows: Rows,
    /// None for JSON lines.
    record: Option<Record>,
    /// A line whose end has not come yet.
    line: Vec<u8>,
    /// Bytes so far.
    bytes: u64,
}

/// The table, and where the file is read.
#[derive(Debug)]
struct Rows {
    table: Table,
    limits: Limits,
    /// Number of the line that is read.
    line: u64,
}

/// A row of CSV or TSV that is read.
#[derive(Debug)]
struct Record {
    reader: csv_core::Reader,
    bytes: Vec<u8>,
    bytes_used: usize,
    ends: Vec<usize>,
    ends_used: usize,
    /// Bytes of the file so far.
    read: usize,
    /// The line on which it begins; none before it does.
    line: Option<u64>,
    /// Where in it, if there are quotes.
    place: Option<Place>,
}

/// A place in CSV. The library reads what is not CSV as if it were (RFC 4180 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    FieldStart,
    Plain,
    InQuotes,
    /// Behind a quote in quotes: the closing one, or the first of two.
    BehindQuote,
    BehindCr,
}

impl Place {
    /// The place behind these bytes of the row that begins on `line`.
    fn after(self, bytes: &[u8], line: u64) -> Result<Place, RowsError> {
        bytes.iter().try_fold(self, |place, byte| match (place, byte) {
            (Place::InQuotes, b'"') => Ok(Place::BehindQuote),
            (Place::InQuotes, _) => Ok(Place::InQuotes),
            (Place::BehindCr, byte) if *byte != b'\n' => Err(RowsError::LoneCr { line }),
            (_, b',' | b'\n') => Ok(Place::FieldStart),
            (_, b'\r') => Ok(Place::BehindCr),
            (Place::FieldStart | Place::BehindQuote, b'"') => Ok(Place::InQuotes),
            (Place::BehindQuote, _) => Err(RowsError::AfterQuote { line }),
            _ => Ok(Place::Plain),
        })
    }
}

impl Reader {
    /// Reads a file whose first row names the columns; in JSON lines, the first object does.
    pub fn new(format: Format, limits: Limits) -> Reader {
        let mut builder = csv_core::ReaderBuilder::new();
        let record = match format {
            Format::Csv => Some(Record::new(builder.build(), Some(Place::FieldStart))),
            Format::Tsv => Some(Record::new(builder.delimiter(b'\t').quoting(false).build(), None)),
            Format::JsonLines => None,
        };
        let rows = Rows { table: Table::default(), limits, line: 1 };
        Reader { rows, record, line: Vec::new(), bytes: 0 }
    }

    /// Reads a file without a row of names.
    ///
    /// # Errors
    /// If there are no names, too many, or one is empty or there twice.
    pub fn with_columns(
        format: Format,
        limits: Limits,
        names: &[&str],
    ) -> Result<Reader, RowsError> {
        let mut reader = Reader::new(format, limits);
        if names.is_empty() {
            return Err(RowsError::NoColumns);
        }
        if names.len() > MAX_COLUMNS {
            return Err(RowsError::TooManyColumns { line: 1 });
        }
        reader.rows.table.name_columns(names.iter().copied())?;
        Ok(reader)
    }

    /// Makes room for the fields of a file of so many bytes, so that they are not moved.
    pub fn reserve(&mut self, file_bytes: u64) {
        let bytes = file_bytes.min(self.rows.limits.bytes_max).min(u64::from(u32::MAX));
        self.rows.table.bytes.reserve(usize::try_from(bytes).unwrap_or(0));
    }

    /// Takes the next piece of the file.
    ///
    /// # Errors
    /// If it cannot become a table. Then the reader is of no more use.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), RowsError> {
        self.bytes = self.bytes.saturating_add(piece.len() as u64);
        let bytes_max = self.rows.limits.bytes_max;
        if self.bytes > bytes_max {
            return Err(RowsError::TooManyBytes { bytes_max });
        }
        // Whole lines are read where they stand: no UTF-8 sequence is cut, and nothing is copied.
        let Some(last) = memchr::memrchr(b'\n', piece) else { return self.keep(piece) };
        let (mut whole, rest) = piece.split_at(last + 1);
        if !self.line.is_empty() {
            let first = memchr::memchr(b'\n', whole).map_or(whole.len(), |at| at + 1);
            let (end, others) = whole.split_at(first);
            self.keep(end)?;
            let line = std::mem::take(&mut self.line);
            if end.len() > 1 || !is_planted("rows") {
                self.read_lines(&line)?;
            }
            self.line = line;
            self.line.clear();
            whole = others;
        }
        self.read_lines(whole)?;
        self.keep(rest)
    }

    /// The table, after the last piece.
    ///
    /// # Errors
    /// If the file ends inside quotes, has no columns, or its last line cannot be a row.
    pub fn finish(mut self) -> Result<Table, RowsError> {
        let line = std::mem::take(&mut self.line);
        self.read_lines(&line)?;
        if let Some(record) = &mut self.record {
            record.finish(&mut self.rows)?;
        }
        if self.rows.table.columns.is_empty() {
            return Err(RowsError::NoColumns);
        }
        let mut table = self.rows.table;
        table.bytes.shrink_to_fit();
        table.ends.shrink_to_fit();
        Ok(table)
    }

    fn keep(&mut self, piece: &[u8]) -> Result<(), RowsError> {
        if self.line.len() + piece.len() > MAX_ROW_BYTES {
            return Err(RowsError::RowTooLong { line: self.rows.line });
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    /// Reads whole lines; the last one of the file may lack its end.
    fn read_lines(&mut self, text: &[u8]) -> Result<(), RowsError> {
        let Err(error) = std::str::from_utf8(text) else { return self.read_text(text) };
        // The lines before come first: what is refused does not depend on the pieces.
        let good = text.get(..error.valid_up_to()).unwrap_or_default();
        let start = memchr::memrchr(b'\n', good).map_or(0, |end| end + 1);
        let line = self.rows.line + line_ends(good);
        self.read_text(good.get(..start).unwrap_or_default())?;
        Err(RowsError::NotUtf8 { line, byte: good.len() - start + 1 })
    }

    fn read_text(&mut self, mut text: &[u8]) -> Result<(), RowsError> {
        let is_start =
            self.rows.line == 1 && self.record.as_ref().is_none_or(|record| record.line.is_none());
        if is_start {
            text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        }
        match &mut self.record {
            Some(record) => record.read(text, &mut self.rows),
            None => self.rows.read_objects(text),
        }
    }
}

impl Rows {
    /// Appends a row whose fields end at `ends`; the first one may name the columns.
    fn row(&mut self, line: u64, bytes: &[u8], ends: &[usize]) -> Result<(), RowsError> {
        let starts = [0].into_iter().chain(ends.iter().copied());
        if self.table.columns.is_empty() {
            let name = |(start, &end)| bytes.get(start..end).unwrap_or_default();
            let names = starts.zip(ends).map(name);
            return self
                .table
                .name_columns(names.map(|name| str::from_utf8(name).unwrap_or_default()));
        }
        let (fields, columns) = (ends.len(), self.table.columns.len());
        if fields != columns {
            return Err(RowsError::Ragged { line, fields, columns });
        }
        let before = self.room_for_row(bytes.len())?;
        self.table.bytes.extend_from_slice(bytes);
        self.table.ends.extend(ends.iter().map(|&end| before + u32::try_from(end).unwrap_or(0)));
        self.table.rows += 1;
        Ok(())
    }

    /// The bytes so far, if a row of so many more may come.
    fn room_for_row(&self, bytes: usize) -> Result<u32, RowsError> {
        let rows_max = self.limits.rows_max;
        if self.table.row_count() as u64 >= rows_max {
            return Err(RowsError::TooManyRows { rows_max });
        }
        let before = self.table.bytes.len();
        match (u32::try_from(before), u32::try_from(before + bytes)) {
            (Ok(before), Ok(_)) => Ok(before),
            _ => Err(RowsError::TooManyBytes { bytes_max: u64::from(u32::MAX) }),
        }
    }

    fn read_objects(&mut self, text: &[u8]) -> Result<(), RowsError> {
        for line in text.split_inclusive(|&byte| byte == b'\n') {
            if line.len() > MAX_ROW_BYTES {
                return Err(RowsError::RowTooLong { line: self.line });
            }
            if !line.trim_ascii().is_empty() {
                self.object(line)?;
            }
            self.line += 1;
        }
        Ok(())
    }

    /// Appends the object on a line; the first one may name the columns.
    fn object(&mut self, text: &[u8]) -> Result<(), RowsError> {
        let line = self.line;
        let wrong = |error| RowsError::Json { line, error };
        let mut found = Vec::new();
        members(text, &mut |name, value| found.push((name, value))).map_err(wrong)?;
        if found.is_empty() && self.table.columns.is_empty() {
            return Err(RowsError::NoColumns);
        }
        if found.len() > MAX_COLUMNS {
            return Err(RowsError::TooManyColumns { line });
        }
        if self.table.columns.is_empty() {
            let names = found.iter().map(|(name, _)| &**name);
            self.table.name_columns(names)?;
        }
        let mut row: Vec<_> = self.table.columns.iter().map(|_| None).collect();
        for (name, value) in &found {
            if let Kind::Array | Kind::Object = value.kind {
                return Err(RowsError::Nested { line, name: (&**name).into() });
            }
            match self.table.column(name).and_then(|column| row.get_mut(column)) {
                Some(slot @ None) => *slot = Some(value),
                _ => return Err(RowsError::UnknownMember { line, name: (&**name).into() }),
            }
        }
        self.room_for_row(text.len())?;
        for (value, name) in row.iter().zip(&self.table.columns) {
            let value = value.ok_or_else(|| RowsError::NoMember { line, name: name.clone() })?;
            if value.kind != Kind::Null {
                value.append_to(&mut self.table.bytes);
            }
            self.table.ends.push(u32::try_from(self.table.bytes.len()).unwrap_or(u32::MAX));
        }
        self.table.rows += 1;
        Ok(())
    }
}

impl Record {
    fn new(reader: csv_core::Reader, place: Option<Place>) -> Record {
        let (bytes, ends) = (vec![0; 1024], vec![0; 32]);
        Record { reader, bytes, bytes_used: 0, ends, ends_used: 0, read: 0, line: None, place }
    }

    /// These bytes of the row that begins on `line` are read.
    fn pass(&mut self, bytes: &[u8], line: u64) -> Result<(), RowsError> {
        if let Some(place) = self.place {
            self.place = Some(place.after(bytes, line)?);
        }
        Ok(())
    }

    /// Reads more of the file, which is not at its end.
    fn read(&mut self, mut text: &[u8], rows: &mut Rows) -> Result<(), RowsError> {
        while !text.is_empty() {
            let line = match self.line {
                Some(line) => line,
                None => {
                    let breaks = text.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
                    let (empty, rest) = text.split_at(breaks.count());
                    for piece in empty.split_inclusive(|byte| *byte == b'\n') {
                        self.pass(piece, rows.line)?;
                        rows.line += line_ends(piece);
                    }
                    text = rest;
                    if text.is_empty() {
                        return Ok(());
                    }
                    *self.line.insert(rows.line)
                }
            };
            let read = self.step(text, line, rows)?;
            text = text.get(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// The end of the file.
    fn finish(&mut self, rows: &mut Rows) -> Result<(), RowsError> {
        let Some(line) = self.line else { return Ok(()) };
        // A line break ends the row, unless it stands inside quotes.
        while self.step(b"\n", line, rows)? == 0 {}
        if self.line.is_some() { Err(RowsError::OpenQuote { line }) } else { Ok(()) }
    }

    /// Reads up to the end of a row; returns how many bytes that were.
    fn step(&mut self, text: &[u8], line: u64, rows: &mut Rows) -> Result<usize, RowsError> {
        use csv_core::ReadRecordResult;
        let bytes = self.bytes.get_mut(self.bytes_used..).unwrap_or_default();
        let ends = self.ends.get_mut(self.ends_used..).unwrap_or_default();
        let (result, read, written, ended) = self.reader.read_record(text, bytes, ends);
        let passed = text.get(..read).unwrap_or_default();
        rows.line += line_ends(passed);
        self.pass(passed, line)?;
        self.bytes_used += written;
        self.ends_used += ended;
        self.read += read;
        if self.read > MAX_ROW_BYTES {
            return Err(RowsError::RowTooLong { line });
        }
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull => self.bytes.resize(2 * self.bytes.len(), 0),
            ReadRecordResult::OutputEndsFull if self.ends.len() >= MAX_COLUMNS => {
                return Err(RowsError::TooManyColumns { line });
            }
            ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
            ReadRecordResult::Record => {
                let bytes = self.bytes.get(..self.bytes_used).unwrap_or_default();
                let ends = self.ends.get(..self.ends_used).unwrap_or_default();
                rows.row(line, bytes, ends)?;
                (self.bytes_used, self.ends_used, self.read, self.line) = (0, 0, 0, None);
            }
            ReadRecordResult::End => self.line = None,
        }
        Ok(read)
    }
}

/// Number of line ends in a text.
fn line_ends(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}
