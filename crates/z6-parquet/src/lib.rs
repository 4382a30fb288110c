//! The requests of event logs as Apache Parquet: the columns of `export --format csv`, typed, and the times that
//! follow from them.
//!
//! Its own crate for the packages that it needs: no other part of Z6 depends on them. Knows requests, not where they
//! come from. docs/PARQUET.md has the columns and how to query them.

mod columns;

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type};
use z6_analysis::AnalyzeError;
use z6_analysis::analyze::Selection;
use z6_analysis::export::{Exported, each_request};
use z6_events::EventSource;
use z6_scenario::Scenario;

use columns::{Cell, Column, Kind};

/// Requests of a row group: so many are kept in memory until they are written.
const GROUP_ROWS: usize = 65_536;

/// Writes the selected requests of a log, or of the logs of a run, as one Parquet file.
///
/// Memory is that of one row group, 65,536 requests: about 30 MB, and the values that were extracted.
///
/// # Errors
/// The log cannot be read, the filter does not fit the scenario, or `out` fails.
pub fn export_parquet<W: Write + Send>(
    source: &mut impl EventSource,
    scenario: &Scenario,
    selection: &Selection,
    out: W,
) -> Result<Exported, AnalyzeError> {
    let has_shards = source.loops().shards_of_run() > 1;
    let columns = columns::of(scenario, has_shards);
    let mut writer = RowsWriter::new(columns, out).map_err(failed)?;
    let exported = each_request(source, scenario, selection, |row, values| {
        writer.take(|column| column.cell(row, values)).map_err(failed)
    })?;
    writer.finish().map_err(failed)?;
    Ok(exported)
}

/// What the output could not take.
fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}

/// The cells of one column that wait to be written: of missing ones only that they are missing.
enum Cells {
    Numbers(Vec<i64>),
    Texts(Vec<ByteArray>),
    Flags(Vec<bool>),
}

impl Cells {
    const fn new(kind: Kind) -> Cells {
        match kind {
            Kind::Number => Cells::Numbers(Vec::new()),
            Kind::Text => Cells::Texts(Vec::new()),
            Kind::Flag => Cells::Flags(Vec::new()),
        }
    }

    /// Takes a cell; whether it holds something.
    fn push(&mut self, cell: Cell) -> bool {
        match (self, cell) {
            // The bits of the number: the column is of unsigned numbers.
            (Cells::Numbers(all), Cell::Number(number)) => all.push(number.cast_signed()),
            (Cells::Texts(all), Cell::Text(text)) => all.push(text),
            (Cells::Flags(all), Cell::Flag(flag)) => all.push(flag),
            _ => return false,
        }
        true
    }
}

/// One column, and what of it waits to be written.
struct Waiting<'s> {
    column: Column<'s>,
    cells: Cells,
    /// By row: 1 where there is a cell, otherwise 0.
    levels: Vec<i16>,
}

impl Waiting<'_> {
    fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        match &mut self.cells {
            Cells::Numbers(cells) => write::<Int64Type, W>(group, cells, &levels),
            Cells::Texts(cells) => write::<ByteArrayType, W>(group, cells, &levels),
            Cells::Flags(cells) => write::<BoolType, W>(group, cells, &levels),
        }
    }
}

/// Writes the next column of a row group, and empties it.
fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    cells: &mut Vec<T::T>,
    levels: &[i16],
) -> Result<(), ParquetError> {
    let next = group.next_column()?;
    let mut column =
        next.ok_or_else(|| ParquetError::General("the schema has fewer columns".to_owned()))?;
    column.typed::<T>().write_batch(cells, Some(levels), None)?;
    cells.clear();
    column.close()
}

/// A Parquet file that is being written.
struct RowsWriter<'s, W: Write + Send> {
    columns: Vec<Waiting<'s>>,
    rows: usize,
    file: SerializedFileWriter<W>,
}

impl<'s, W: Write + Send> RowsWriter<'s, W> {
    fn new(columns: Vec<Column<'s>>, out: W) -> Result<RowsWriter<'s, W>, ParquetError> {
        let fields = columns.iter().map(Column::field).collect::<Result<Vec<_>, _>>()?;
        let schema = Type::group_type_builder("request").with_fields(fields).build()?;
        let file = SerializedFileWriter::new(out, Arc::new(schema), properties(&columns))?;
        let waiting = |column: Column<'s>| Waiting {
            cells: Cells::new(column.kind()),
            column,
            levels: Vec::new(),
        };
        Ok(RowsWriter { columns: columns.into_iter().map(waiting).collect(), rows: 0, file })
    }

    /// Takes the cells of a row.
    fn take(&mut self, cell: impl Fn(&Column<'s>) -> Cell) -> Result<(), ParquetError> {
        for Waiting { column, cells, levels } in &mut self.columns {
            levels.push(i16::from(cells.push(cell(column))));
        }
        self.rows += 1;
        if self.rows == GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        for column in &mut self.columns {
            column.write(&mut group)?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    fn finish(mut self) -> Result<(), ParquetError> {
        if self.rows > 0 {
            self.write_group()?;
        }
        let mut out = self.file.into_inner()?;
        Ok(out.flush()?)
    }
}

/// Texts are few different ones: they have dictionaries. Numbers rise, or are alike: their differences are small.
fn properties(columns: &[Column<'_>]) -> WriterPropertiesPtr {
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("z6 {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::UNCOMPRESSED);
    for column in columns.iter().filter(|column| column.kind() == Kind::Number) {
        let path = ColumnPath::new(vec![column.name().to_owned()]);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    Arc::new(builder.build())
}
