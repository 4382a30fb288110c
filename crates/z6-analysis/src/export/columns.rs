//! Columns of rows and values: `row.NAME` for each data file of a scenario, `var.NAME` for each variable.
//! Knows no requests.

use z6_events::VariableId;
use z6_scenario::Scenario;

use super::text::push_number;
use crate::values::{Held, RowValues};

/// The names of the columns, rows first.
#[derive(Debug, Default)]
pub(super) struct ValueColumns {
    rows: Vec<String>,
    variables: Vec<String>,
}

impl ValueColumns {
    pub(super) fn new(scenario: &Scenario) -> ValueColumns {
        let values = &scenario.values;
        ValueColumns {
            rows: values.data.iter().map(|data| format!("row.{}", data.name)).collect(),
            variables: values.variables.iter().map(|one| format!("var.{}", one.name)).collect(),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().chain(&self.variables).map(String::as_str)
    }

    /// Appends the cells of a request with `put`: the name of a column, and what stands there, if anything
    /// does. A text is ready for the format.
    pub(super) fn put(
        &self,
        values: RowValues<'_>,
        ready: fn(&str) -> Vec<u8>,
        mut put: impl FnMut(&str, Option<&[u8]>),
    ) {
        for (name, data) in self.rows.iter().zip(0..) {
            let mut digits = Vec::new();
            let row = values.row(data).map(|row| push_number(&mut digits, row));
            put(name, row.map(|()| digits.as_slice()));
        }
        for (name, id) in self.variables.iter().zip(0..) {
            match values.variable(VariableId(id)) {
                Held::Clear(bytes) => put(name, Some(&ready(&String::from_utf8_lossy(bytes)))),
                Held::Unset | Held::Hidden => put(name, None),
            }
        }
    }
}
