//! Data files become tables, or are refused with the place of what is wrong.
#![allow(clippy::unwrap_used, reason = "tests may")]

use z6_extract::limits::{MAX_COLUMNS, MAX_ROW_BYTES};
use z6_extract::rows::{Format, Limits, Reader, RowsError, Table};

const LARGE: Limits = Limits { bytes_max: 100_000_000, rows_max: 1_000_000 };

/// Reads a text whole, and in two pieces cut at every place.
fn read_as(format: Format, text: &[u8]) -> Result<Table, RowsError> {
    let in_two = |cut: usize| {
        let mut reader = Reader::new(format, LARGE);
        let (first, second) = text.split_at(cut);
        reader.push(first)?;
        reader.push(second)?;
        reader.finish()
    };
    let whole = in_two(text.len());
    if text.len() < 1_000 {
        for cut in 0..text.len() {
            assert_eq!(in_two(cut), whole, "cut at {cut}");
        }
    }
    let mut bytewise = Reader::new(format, LARGE);
    let pushed = text.chunks(1).try_for_each(|byte| bytewise.push(byte));
    assert_eq!(pushed.and_then(|()| bytewise.finish()), whole, "byte by byte");
    whole
}

fn read(text: &str) -> Result<Table, RowsError> {
    read_as(Format::Csv, text.as_bytes())
}

/// Columns and rows as text.
fn rows(table: &Table) -> Vec<Vec<&str>> {
    let columns = table.columns().len();
    let row = |row: usize| {
        let field = |column| std::str::from_utf8(table.field(row, column).unwrap()).unwrap();
        (0..columns).map(field).collect()
    };
    [table.columns().collect()].into_iter().chain((0..table.row_count()).map(row)).collect()
}

fn csv(text: &str) -> Vec<Vec<String>> {
    let table = read(text).unwrap();
    rows(&table).into_iter().map(|row| row.into_iter().map(str::to_owned).collect()).collect()
}

#[test]
fn lines_may_end_in_any_usual_way() {
    let expected = [["a", "b"], ["1", "2"], ["", "é"]];
    for text in [
        "a,b\n1,2\n,é\n",
        "a,b\r\n1,2\r\n,é\r\n",
        "a,b\n1,2\n,é",
        "\n\r\na,b\n\n1,2\r\n\r\n,é\n\n\n",
        "\u{feff}a,b\n1,2\n,é\n",
    ] {
        assert_eq!(csv(text), expected, "{text:?}");
    }
}

#[test]
fn quotes_hold_what_would_end_a_field() {
    assert_eq!(csv("a,b\n\"x,y\",\"1\"\"2\"\n"), [["a", "b"], ["x,y", "1\"2"]]);
    assert_eq!(csv("\"a\n\",b\n\"1\r\n2\",\"\"\n"), [["a\n", "b"], ["1\r\n2", ""]]);
    assert_eq!(csv("a\nx\"y\n \"z\"\n"), [["a"], ["x\"y"], [" \"z\""]]);
    assert_eq!(csv("a\n\"x\""), [["a"], ["x"]]);
}

#[test]
fn tabs_separate_and_quotes_mean_nothing() {
    let table = read_as(Format::Tsv, b"a\tb\n\"x\t,y\"\r\n").unwrap();
    assert_eq!(rows(&table), [["a", "b"], ["\"x", ",y\""]]);
}

#[test]
fn objects_on_lines_are_rows() {
    let text = "\u{feff}{\"id\": 7.50, \"name\": \"\\u00e9\\n\"}\r\n\n{\"name\": null, \"\\u0069d\": true}";
    let table = read_as(Format::JsonLines, text.as_bytes()).unwrap();
    assert_eq!(rows(&table), [["id", "name"], ["7.50", "é\n"], ["true", ""]]);
    assert_eq!(table.column("name"), Some(1));
}

#[test]
fn ragged_rows_are_refused_with_their_line() {
    let ragged = |line, fields, columns| Err(RowsError::Ragged { line, fields, columns });
    assert_eq!(read("a,b\n1,2\n1\n"), ragged(3, 1, 2));
    assert_eq!(read("a,b\r\n1,2\r\n1,2,3\r\n"), ragged(3, 3, 2));
    assert_eq!(read("a,b\n\n\"1\n\n\",2\n1,\n\n1"), ragged(8, 1, 2));
    assert_eq!(read("a,b\n1\n").unwrap_err().to_string(), "line 2: 1 fields, the header has 2");
}

#[test]
fn what_is_not_csv_is_refused_with_its_line() {
    assert_eq!(read("a,b\n\"x\"y,2\n"), Err(RowsError::AfterQuote { line: 2 }));
    assert_eq!(read("a,b\n1,\"x\" \n"), Err(RowsError::AfterQuote { line: 2 }));
    assert_eq!(read("a,b\r1,2\r3,4"), Err(RowsError::LoneCr { line: 1 }));
    assert_eq!(read("a\n\"1\"\r2\n"), Err(RowsError::LoneCr { line: 2 }));
    assert_eq!(read("a\r\r\n1\n"), Err(RowsError::LoneCr { line: 1 }));
    let fine = "a,b\r\n\"x \"\"y\"\"\rz\",\"\"\r\n\r\n2,c\"d";
    assert_eq!(csv(fine), [["a", "b"], ["x \"y\"\rz", ""], ["2", "c\"d"]]);
    // In TSV a quote is a character like any other.
    assert!(read_as(Format::Tsv, b"a\tb\n\"x\"y\t2\n").is_ok());
}

#[test]
fn what_is_not_utf8_is_refused_with_line_and_byte() {
    let not_utf8 = |line, byte| Err(RowsError::NotUtf8 { line, byte });
    assert_eq!(read_as(Format::Csv, b"a,b\n1,\xff\n"), not_utf8(2, 3));
    assert_eq!(read_as(Format::Csv, b"a\n\"x\n\xc3\xa9\xc3\"\n"), not_utf8(3, 3));
    assert_eq!(read_as(Format::JsonLines, b"\xff"), not_utf8(1, 1));
    assert_eq!(read_as(Format::Csv, b"\xff\xfea\0,\0b\0\n\0"), not_utf8(1, 1), "UTF-16");
    assert_eq!(read_as(Format::Csv, b"a\n\xc3"), not_utf8(2, 1), "cut off");
    // What comes first in the file is told, whatever the pieces.
    let ragged = Err(RowsError::Ragged { line: 2, fields: 2, columns: 1 });
    assert_eq!(read_as(Format::Csv, b"a\n1,2\n\xff\n"), ragged);
}

#[test]
fn columns_have_names() {
    assert_eq!(read(""), Err(RowsError::NoColumns));
    assert_eq!(read("\n\n"), Err(RowsError::NoColumns));
    assert_eq!(read("a,\n"), Err(RowsError::NoColumnName { position: 2 }));
    assert_eq!(read("a,a\n"), Err(RowsError::SameColumnName { name: "a".into() }));
    assert_eq!(csv("a,b\n"), [["a", "b"]]);
    let mut reader = Reader::with_columns(Format::Csv, LARGE, &["a", "b"]).unwrap();
    reader.push(b"1,2\n").unwrap();
    assert_eq!(rows(&reader.finish().unwrap()), [["a", "b"], ["1", "2"]]);
    let empty = Reader::with_columns(Format::Csv, LARGE, &["a"]).unwrap().finish().unwrap();
    assert_eq!((empty.row_count(), empty.field(0, 0)), (0, None));
    assert_eq!(Reader::with_columns(Format::Csv, LARGE, &[]).unwrap_err(), RowsError::NoColumns);
}

#[test]
fn quotes_have_to_end() {
    assert_eq!(read("a,b\n1,\"2\n"), Err(RowsError::OpenQuote { line: 2 }));
    assert_eq!(read("a,b\n1,\"2\"\"\n\n"), Err(RowsError::OpenQuote { line: 2 }));
}

#[test]
fn objects_have_the_members_of_the_first() {
    let refused = |text: &str| read_as(Format::JsonLines, text.as_bytes()).unwrap_err().to_string();
    let first = "{\"a\":1,\"b\":2}\n";
    assert_eq!(refused(&format!("{first}{{\"a\":1}}")), "line 2: \"b\" is missing");
    let unknown = "line 3: \"c\" is no column, or is there twice";
    assert_eq!(refused(&format!("{first}\n{{\"a\":1,\"b\":2,\"c\":3}}")), unknown);
    let twice = "line 2: \"a\" is no column, or is there twice";
    assert_eq!(refused(&format!("{first}{{\"a\":1,\"a\":2}}")), twice);
    assert_eq!(refused("{\"a\":[1]}"), "line 1: \"a\" is an array or an object");
    assert_eq!(refused("{\"a\":1,}"), "line 1: not JSON (byte 8)");
    assert_eq!(refused("{\"a\":1} x"), "line 1: bytes after the JSON (byte 9)");
    assert_eq!(refused("[1]"), "line 1: not JSON (byte 1)");
    assert_eq!(refused("{\"a\":1"), "line 1: the JSON ends early (byte 7)");
    assert_eq!(refused("{}"), RowsError::NoColumns.to_string());
}

#[test]
fn files_are_bounded() {
    let limits = Limits { bytes_max: 10, rows_max: 2 };
    let full = || {
        let mut reader = Reader::new(Format::Csv, limits);
        reader.push(b"a\n1\n2\n").unwrap();
        reader
    };
    assert_eq!(full().push(b"3\n"), Err(RowsError::TooManyRows { rows_max: 2 }));
    assert_eq!(full().push(b"3\n456"), Err(RowsError::TooManyBytes { bytes_max: 10 }));
    for (format, start) in [(Format::Csv, "a\n"), (Format::JsonLines, "{\"a\":1}\n")] {
        let mut reader = Reader::new(format, LARGE);
        reader.push(start.as_bytes()).unwrap();
        let long = vec![b'x'; MAX_ROW_BYTES + 1];
        assert_eq!(reader.push(&long), Err(RowsError::RowTooLong { line: 2 }));
        let whole = [start.as_bytes(), &long, b"\n"].concat();
        let mut reader = Reader::new(format, LARGE);
        assert_eq!(reader.push(&whole), Err(RowsError::RowTooLong { line: 2 }), "in one piece");
    }
    let lines = format!("a\n\"{}", "x\n".repeat(MAX_ROW_BYTES / 2 + 1));
    let mut reader = Reader::new(Format::Csv, LARGE);
    assert_eq!(reader.push(lines.as_bytes()), Err(RowsError::RowTooLong { line: 2 }));
    let wide = ",x".repeat(2 * MAX_COLUMNS);
    let mut reader = Reader::new(Format::Csv, LARGE);
    assert_eq!(
        reader.push(format!("{wide}\n").as_bytes()),
        Err(RowsError::TooManyColumns { line: 1 })
    );
}

#[test]
fn a_table_among_further_columns_has_their_names_and_its_own_fields() {
    let read = |text: &str| {
        let mut reader = Reader::new(Format::Csv, Limits::default());
        reader.push(text.as_bytes()).unwrap();
        reader.finish().unwrap()
    };
    let table = read("b,d\n1,2\n3,4\n");
    let wide = table.clone().among(&["a", "b", "c", "d"], 2).unwrap();
    assert_eq!(wide.columns().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    let row = |row| (0..4).map(|column| wide.field(row, column).unwrap()).collect::<Vec<_>>();
    assert_eq!(row(1), [&b""[..], b"3", b"", b"4"]);
    assert_eq!((wide.row_count(), wide.field(2, 0), wide.field(0, 4)), (2, None, None));
    assert!(table.clone().among(&["a", "b"], 2).is_none());
    assert!(table.clone().among(&["b", "d"], 3).is_none());
    assert!(table.among(&["b", "b", "d"], 2).is_none());
    let bare = Table::default().among(&["a"], 7).unwrap();
    assert_eq!((bare.row_count(), bare.field(6, 0)), (7, Some(&b""[..])));
}
