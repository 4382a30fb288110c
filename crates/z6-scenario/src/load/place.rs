//! Where a key stands in a scenario, for faults that show only outside the text: in a file that it names,
//! or on the machine. Knows no rule of the format.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike, Value};

/// The value of `key` in the table, or in entry `entry` of the list of tables, called `table`; the key of
/// the table itself without `key`. None if there is no such thing in `text`.
///
/// ```
/// let text = "[target]\nbase_url = 'https://h'\nca_bundle = 'x.pem'\n";
/// let place = z6_scenario::load::place(text, "target", 0, Some("ca_bundle")).unwrap();
/// assert_eq!(z6_scenario::line_column(text, place.start), (3, 13));
/// ```
#[must_use]
pub fn place(text: &str, table: &str, entry: usize, key: Option<&str>) -> Option<Range<usize>> {
    let document = Document::parse(text).ok()?;
    let root = document.as_table();
    let item = root.get(table)?;
    let Some(key) = key else {
        return root.key(table).and_then(toml_edit::Key::span).or_else(|| item.span());
    };
    let found: &dyn TableLike = match item {
        Item::ArrayOfTables(tables) => tables.get(entry)?,
        Item::Value(Value::Array(list)) => list.get(entry)?.as_inline_table()?,
        _ => item.as_table_like()?,
    };
    let value = found.get(key)?;
    value.span().or_else(|| found.key(key).and_then(toml_edit::Key::span))
}
