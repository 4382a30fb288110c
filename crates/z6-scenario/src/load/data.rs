//! `[[data]]`: files of rows, read once.

use std::ops::ControlFlow;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use z6_extract::rows::{Format, Limits as RowLimits, Reader, RowsError, Table};

use super::Files;
use super::codes;
use super::decimal::scaled;
use super::diagnostic::quoted;
use super::limits::{MAX_DATA_FILES, MAX_WEIGHT_MICRO};
use super::names::check_value_name;
use super::random::per;
use super::reader::{Context, Section, Span};
use super::sources::{Sources, unknown_column};
use crate::journey::{DataFile, FileFacts, OnEnd, OriginalFile};
use crate::model::Limits;
use crate::random::Weights;
use crate::values::{Order, Per};

/// Reads `[[data]]` with the files that it names.
pub(crate) fn data(
    cx: &mut Context<'_>,
    root: &Section<'_>,
    files: &dyn Files,
    limits: &Limits,
    sources: &mut Sources,
) {
    for section in root.sections(cx, "data", MAX_DATA_FILES) {
        let Some(name) = section.written_text("name") else { continue };
        let span = section.span("name");
        let is_name = check_value_name(cx, name, span.as_ref(), "data");
        let entry = entry(cx, &section, name, files, limits);
        if is_name && sources.add_data(cx, name, span) {
            sources.table.data.push(entry);
            sources.data_at.push(section.heading.clone());
        }
    }
}

fn entry(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    name: &str,
    files: &dyn Files,
    limits: &Limits,
) -> DataFile {
    let file = section.owned("file").unwrap_or_default();
    let mut original = OriginalFile::default();
    let table = files.table(name).or_else(|| {
        let (table, facts) = read(cx, section, &file, files, limits)?;
        original = OriginalFile(Some(facts));
        Some(Arc::new(table))
    });
    let is_known = table.is_some();
    let table = table.unwrap_or_else(|| Arc::new(Table::default()));
    if is_known && table.row_count() == 0 {
        let message = format!("{} has no rows", quoted(&file));
        let hint = "the first line names the columns, unless `columns` does";
        cx.error(codes::DATA_FILE, section.span("file"), message, hint);
    }
    let secret = if is_known { secret(cx, section, &table, &file) } else { Vec::new() };
    let is_unique = section.flag("unique").unwrap_or(false);
    let weight = section.text("weight").and_then(|column| table.column(column));
    DataFile {
        name: name.to_owned(),
        weight: weight.and_then(|column| u32::try_from(column).ok()),
        order: order(cx, section, &table, is_known.then_some(file.as_str()), &secret),
        on_end: on_end(cx, section, is_unique),
        file,
        table,
        per: per(section, Per::Iteration),
        is_unique,
        secret,
        is_attached: section.flag("attach").unwrap_or(true),
        original,
    }
}

fn read(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    file: &str,
    files: &dyn Files,
    limits: &Limits,
) -> Option<(Table, FileFacts)> {
    let span = section.span("file");
    if file.is_empty() || file.chars().any(char::is_control) {
        if section.has("file") && !section.is_bad("file") {
            let message = "`file` is empty or has a control character";
            let hint = "write the path of a file, relative to the scenario";
            cx.error(codes::DATA_FILE, span, message, hint);
        }
        return None;
    }
    let format = format(cx, section, file)?;
    let bounds = RowLimits { bytes_max: limits.max_data_bytes, rows_max: limits.max_data_rows };
    let columns: Vec<&str> = section.texts("columns").iter().map(|(name, _)| &**name).collect();
    if section.is_bad("columns") {
        return None;
    }
    let reader = if section.has("columns") {
        Reader::with_columns(format, bounds, &columns)
    } else {
        Ok(Reader::new(format, bounds))
    };
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => {
            let hint = "`columns` names each column once, in order";
            cx.error(codes::DATA_FILE, section.span("columns"), error.to_string(), hint);
            return None;
        }
    };
    let mut failure = None;
    let mut is_first = true;
    let (mut length_read, mut digest) = (0, Sha256::new());
    let streamed = files.pieces(file, limits.max_data_bytes, &mut |length, piece| {
        if std::mem::take(&mut is_first) {
            reader.reserve(length);
        }
        length_read += piece.len() as u64;
        digest.update(piece);
        match reader.push(piece) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    if let Err(why) = streamed {
        let why: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let message = format!("{} cannot be read: {why}", quoted(file));
        let max = limits.max_data_bytes;
        let hint = format!(
            "paths are relative to the scenario file, and a file has at most {max} bytes \
             (`max_data_bytes` in [limits])"
        );
        cx.error(codes::DATA_FILE, span, message, hint);
        return None;
    }
    let table = match failure {
        Some(error) => Err(error),
        None => reader.finish(),
    };
    match table {
        Ok(table) => {
            let facts = FileFacts { length: length_read, sha256: digest.finalize().into() };
            Some((table, facts))
        }
        Err(error) => {
            cx.error(codes::DATA_FILE, span, located(file, &error), hint(&error));
            None
        }
    }
}

/// The format that is written, or that the name of the file says.
fn format(cx: &mut Context<'_>, section: &Section<'_>, file: &str) -> Option<Format> {
    match section.text("format") {
        Some("csv") => return Some(Format::Csv),
        Some("tsv") => return Some(Format::Tsv),
        Some(_) => return Some(Format::JsonLines),
        None if section.has("format") => return None,
        None => {}
    }
    let end = file.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    match end.as_deref() {
        Some("csv") => Some(Format::Csv),
        Some("tsv" | "tab") => Some(Format::Tsv),
        Some("jsonl" | "ndjson") => Some(Format::JsonLines),
        _ => {
            let message = format!("the name of {} does not say how it is written", quoted(file));
            let hint = "write `format = \"csv\"`, \"tsv\" or \"json_lines\"";
            cx.error(codes::MISSING_KEY, section.span("file"), message, hint);
            None
        }
    }
}

/// What is wrong with a file, its line behind its name.
fn located(file: &str, error: &RowsError) -> String {
    let text = error.to_string();
    match text.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((line, what)) => format!("{file}:{line}: {what}"),
        None => format!("{file}: {text}"),
    }
}

fn hint(error: &RowsError) -> &'static str {
    match error {
        RowsError::TooManyBytes { .. } => "raise `max_data_bytes` in [limits], or use fewer rows",
        RowsError::TooManyRows { .. } => "raise `max_data_rows` in [limits], or use fewer rows",
        RowsError::Ragged { .. } => {
            "a field with a comma stands in quotes; `format` says what stands between the fields"
        }
        RowsError::LoneCr { .. } => "lines end with LF or CRLF; a CR in a field needs quotes",
        RowsError::OpenQuote { .. } | RowsError::AfterQuote { .. } => {
            "a quote in a field in quotes is written twice"
        }
        RowsError::NotUtf8 { .. } => "save it as UTF-8",
        _ => "docs/SCENARIO.md says how data files are written",
    }
}

/// Positions of the columns that are secret.
fn secret(cx: &mut Context<'_>, section: &Section<'_>, table: &Table, file: &str) -> Vec<u32> {
    let mut secret = Vec::new();
    for (column, span) in section.texts("secret") {
        match column_of(cx, table, file, column, span.clone()) {
            Some(column) => secret.push(column),
            None => continue,
        }
    }
    secret.sort_unstable();
    secret.dedup();
    secret
}

fn column_of(
    cx: &mut Context<'_>,
    table: &Table,
    file: &str,
    column: &str,
    span: Option<Span>,
) -> Option<u32> {
    let found = table.column(column).and_then(|column| u32::try_from(column).ok());
    if found.is_none() {
        let (message, hint) = unknown_column(table, file, column);
        cx.error(codes::UNKNOWN_REFERENCE, span, message, hint);
    }
    found
}

/// `order` with its weights. `file`: none if it could not be read.
fn order(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    table: &Table,
    file: Option<&str>,
    secret: &[u32],
) -> Order {
    let word = section.text("order");
    let is_random = word == Some("random");
    if section.has("weight") && !is_random {
        let message = "`weight` needs `order = \"random\"`";
        let hint = "in other orders each row comes as often as the others: remove `weight`";
        cx.error(codes::CONFLICT, section.key_span("weight"), message, hint);
    }
    if is_random && section.flag("unique") == Some(true) {
        let message = "`unique` and `order = \"random\"` cannot be combined";
        let hint = "`order = \"shuffled\"` gives each row once, in a random order";
        cx.error(codes::CONFLICT, section.key_span("unique"), message, hint);
    }
    match word {
        Some("shuffled") => Order::Shuffled,
        Some("random") => {
            let weights = file.and_then(|file| weights(cx, section, table, file, secret));
            Order::Random(weights)
        }
        _ => Order::Sequential,
    }
}

/// The weights that a column has.
fn weights(
    cx: &mut Context<'_>,
    section: &Section<'_>,
    table: &Table,
    file: &str,
    secret: &[u32],
) -> Option<Weights> {
    let name = section.text("weight")?;
    let span = section.span("weight");
    let column = column_of(cx, table, file, name, span.clone())?;
    if secret.contains(&column) {
        let message = format!("column {} is secret and cannot be a weight", quoted(name));
        let hint = "the log holds weights: replay draws the rows by them";
        cx.error(codes::CONFLICT, span, message, hint);
        return None;
    }
    let mut weights = Vec::with_capacity(table.row_count());
    for row in 0..table.row_count() {
        let field = table.field(row, column as usize).unwrap_or_default();
        let text = std::str::from_utf8(field).unwrap_or_default().trim();
        match scaled(text, 6) {
            Ok(weight) if weight <= MAX_WEIGHT_MICRO => weights.push(weight),
            _ => {
                let message = format!(
                    "{file}: row {}: {} is no weight",
                    row + 1,
                    quoted(&String::from_utf8_lossy(field))
                );
                let hint = "a weight is a number from 0 to 1000000, with at most 6 decimal places";
                cx.error(codes::OUT_OF_RANGE, span, message, hint);
                return None;
            }
        }
    }
    if weights.iter().all(|weight| *weight == 0) {
        let message = format!("all weights of column {} are 0", quoted(name));
        cx.error(codes::OUT_OF_RANGE, span, message, "give some row a weight");
        return None;
    }
    Some(Weights::new(weights))
}

fn on_end(cx: &mut Context<'_>, section: &Section<'_>, is_unique: bool) -> OnEnd {
    let word = section.text("on_end");
    let message = match (word, is_unique) {
        (Some("repeat"), true) => "`unique` rows cannot be repeated",
        (Some("stop_vu" | "stop_run"), false) => "rows that are not `unique` do not end",
        (Some("stop_vu"), true) => return OnEnd::StopVu,
        (_, true) => return OnEnd::StopRun,
        (_, false) => return OnEnd::Repeat,
    };
    let hint = "`unique = true` ends with `on_end = \"stop_run\"` or \"stop_vu\", without it the file \
                begins again";
    cx.error(codes::CONFLICT, section.key_span("on_end"), message, hint);
    OnEnd::Repeat
}
