//! The scenario format as data: every key with its type, default and range, for documentation.
//! Tests compare docs/SCENARIO.md and docs/LIMITS.md with it.

use super::decimal::unscaled;
use super::keys::{self, Key, Kind, Table};
use super::value::{range_name, type_name};

/// One key of the scenario format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyReference {
    /// Its table as people write it: `[runtime]`, `[[requests]]`.
    pub table: &'static str,
    /// For tables with a `type`: the type the key belongs to; empty if it fits all.
    pub variant: &'static str,
    /// The key as it is written.
    pub name: &'static str,
    /// What it is, with the unit: `a number of seconds`.
    pub kind: String,
    /// Its default; `required`, or empty, if it has none.
    pub default: String,
    /// Its range or its words; empty if any value of the type will do.
    pub range: String,
}

/// Every key of every table, in the order of the tables. Holds all that [`load`](crate::load)
/// accepts and nothing else.
#[must_use]
pub fn reference() -> Vec<KeyReference> {
    let mut rows = Vec::new();
    for table in keys::ALL {
        rows.extend(table.common().map(|key| row(table, "", key)));
        for variant in table.variants {
            rows.extend(variant.all().map(|key| row(table, variant.name, key)));
        }
    }
    rows
}

fn row(table: &Table, variant: &'static str, key: &Key) -> KeyReference {
    let default = match (key.required, key.default, key.default_words) {
        (true, _, _) => "required".to_owned(),
        (false, Some(number), _) => unscaled(number, key.kind.digits()),
        (false, None, Some(words)) => words.to_owned(),
        (false, None, None) => String::new(),
    };
    let kind = match key.kind {
        Kind::Table(spec) | Kind::Tables(spec) => spec.label.to_owned(),
        Kind::Named(spec) => spec.table.label.to_owned(),
        other => type_name(other),
    };
    KeyReference {
        table: table.label,
        variant,
        name: key.name,
        kind,
        default,
        range: range_name(key.kind),
    }
}
