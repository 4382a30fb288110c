//! What the names in placeholders stand for: parameters, secrets, columns of data files, random values,
//! variables, and numbers of the place in the run.
//!
//! Names are collected before any text is compiled: data and random values with their tables, variables from
//! the `extract` of all requests. Two things with one name are an error.

use std::collections::BTreeMap;

use toml_edit::{Item, TableLike};
use z6_events::VariableId;
use z6_extract::rows::Table;
use z6_http::template::ValueId;

use super::assigned::{List, Use};
use super::codes;
use super::diagnostic::{Diagnostic, quoted};
use super::limits::{MAX_PLACEHOLDER_VALUES, MAX_VARIABLES};
use super::names::is_value_name;
use super::parameters::{self, Parameters};
use super::reader::{Context, Listed, Span};
use super::render::line_column;
use super::suggest;
use crate::journey::{Scope, ValueSource, ValueTable, Variable};

/// Names that are no one's own: they stand for numbers and instants, or begin other names.
const RESERVED: [&str; 10] =
    ["param", "secret", "vu", "iteration", "step", "now", "run", "last", "row", "var"];
/// Names that mean something else in checks.
const OF_RESPONSES: [&str; 8] =
    ["status", "header", "trailer", "cookie", "json", "body", "text", "body_bytes"];
/// What stands before the name of a secret.
const SECRET: &str = "secret.";
/// What stands before the name of a variable of set-up.
const RUN: &str = "run.";
/// What an item of a list is called where `as` does not say it.
pub(crate) const ITEM: &str = "item";
/// Uses of values that are kept; further ones are not looked at.
const MAX_USES: usize = 100_000;

/// A name that a placeholder may begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    Data(u16),
    Random(u16),
    Variable(u16),
    /// A variable that has an item of a list.
    Item(u16),
}

impl Thing {
    const fn what(self) -> &'static str {
        match self {
            Thing::Data(_) => "a data file",
            Thing::Random(_) => "a random value",
            Thing::Variable(_) => "a variable",
            Thing::Item(_) => "an item of a list",
        }
    }
}

/// The values of a scenario and their names.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) table: ValueTable,
    names: BTreeMap<String, (Thing, Option<Span>)>,
    secrets: BTreeMap<String, u16>,
    ids: BTreeMap<String, ValueId>,
    /// The names of all that placeholders name, by number.
    id_names: Vec<String>,
    /// Where each entry of `[[data]]` begins.
    pub(crate) data_at: Vec<Option<Span>>,
    pub(crate) uses: Vec<Use>,
    /// Of each `foreach`.
    pub(crate) lists: Vec<List>,
    /// What the first `extract` of each variable says of it.
    pub(crate) written: Vec<Option<WrittenVariable>>,
    /// Each `secret = false`.
    pub(crate) clear: Vec<Clear>,
}

/// An entry of `extract` that says that its value is not secret.
#[derive(Debug)]
pub(crate) struct Clear {
    /// Index of its request.
    pub(crate) request: usize,
    pub(crate) variable: VariableId,
    /// Where it says so.
    pub(crate) at: Option<Span>,
}

/// What an entry of `extract` says of its variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrittenVariable {
    pub(crate) is_secret: bool,
    pub(crate) scope: Option<Scope>,
}

impl Sources {
    /// Names a secret.
    pub(crate) fn add_secret(&mut self, name: &str) {
        let index = u16::try_from(self.secrets.len()).unwrap_or(u16::MAX);
        self.secrets.insert(name.to_owned(), index);
    }

    /// Names the next data file.
    pub(crate) fn add_data(
        &mut self,
        cx: &mut Context<'_>,
        name: &str,
        span: Option<Span>,
    ) -> bool {
        let thing = Thing::Data(u16::try_from(self.table.data.len()).unwrap_or(u16::MAX));
        self.add(cx, name, thing, span)
    }

    /// Names the next random value.
    pub(crate) fn add_random(
        &mut self,
        cx: &mut Context<'_>,
        name: &str,
        span: Option<Span>,
    ) -> bool {
        let thing = Thing::Random(u16::try_from(self.table.random.len()).unwrap_or(u16::MAX));
        self.add(cx, name, thing, span)
    }

    fn add(&mut self, cx: &mut Context<'_>, name: &str, thing: Thing, span: Option<Span>) -> bool {
        if RESERVED.contains(&name) {
            let message = format!("{} cannot be the name of {}", quoted(name), thing.what());
            let hint = "this name has a meaning of its own in placeholders or expressions";
            cx.error(codes::BAD_NAME, span, message, hint);
            return false;
        }
        if let Some((other, first)) = self.names.get(name) {
            let line = first.as_ref().map_or(1, |first| line_column(cx.text, first.start).0);
            let message = format!("{} is the name of {} already", quoted(name), other.what());
            let hint = format!("named on line {line}: values have different names");
            cx.error(codes::DUPLICATE, span, message, hint);
            return false;
        }
        if OF_RESPONSES.contains(&name) {
            let message = format!("in checks, {} is part of the response", quoted(name));
            let warning = Diagnostic::warning(codes::NO_EFFECT, span.clone(), message);
            let hint = format!("checks do not see {} of this name: choose another", thing.what());
            cx.findings.push(warning.hint(hint));
        }
        self.names.insert(name.to_owned(), (thing, span));
        true
    }

    /// Names all variables that requests extract, in the order of the text.
    pub(crate) fn collect_variables(&mut self, cx: &mut Context<'_>, requests: &[Listed<'_>]) {
        for request in requests {
            for (name, span) in request.names_under("extract") {
                let is_known = matches!(self.names.get(name), Some((Thing::Variable(_), _)));
                // A name that cannot be one is reported where the table is read.
                if is_known || !is_value_name(name) {
                    continue;
                }
                let index = self.table.variables.len();
                if index == MAX_VARIABLES {
                    let message = format!("more than {MAX_VARIABLES} names are extracted");
                    let hint = "`MAX_VARIABLES` cannot be raised: use names again";
                    cx.error(codes::TOO_MANY, span, message, hint);
                    return;
                }
                let thing = Thing::Variable(u16::try_from(index).unwrap_or(u16::MAX));
                if self.add(cx, name, thing, span) {
                    self.add_variable(name);
                }
            }
        }
    }

    /// Names the variables that have the items of lists: `as` of all steps with `foreach`.
    pub(crate) fn collect_items(&mut self, cx: &mut Context<'_>, root: &dyn TableLike) {
        let sequence = root.get("sequence").into_iter().flat_map(tables);
        let named = root.get("sequences").into_iter().flat_map(tables);
        for steps in sequence.chain(named).filter_map(|sequence| sequence.get("steps")) {
            for step in tables(steps).filter(|step| step.contains_key("foreach")) {
                let name = step.get("as").map_or(Some(ITEM), Item::as_str);
                // A name that cannot be one is reported where the step is read.
                let Some(name) = name.filter(|name| is_value_name(name)) else { continue };
                let span = step.get("as").or_else(|| step.get("foreach")).and_then(Item::span);
                if let Some((Thing::Item(_), _)) = self.names.get(name) {
                    continue;
                }
                let index = self.table.variables.len();
                if index == MAX_VARIABLES {
                    let message = format!("more than {MAX_VARIABLES} names of variables");
                    let hint = "`MAX_VARIABLES` cannot be raised: use names again";
                    cx.error(codes::TOO_MANY, span, message, hint);
                    return;
                }
                let thing = Thing::Item(u16::try_from(index).unwrap_or(u16::MAX));
                if self.add(cx, name, thing, span) {
                    self.add_variable(name);
                }
            }
        }
    }

    /// The variable that has an item of a list under this name.
    pub(crate) fn item(&self, name: &str) -> Option<VariableId> {
        match self.names.get(name)?.0 {
            Thing::Item(index) => Some(VariableId(index)),
            Thing::Data(_) | Thing::Random(_) | Thing::Variable(_) => None,
        }
    }

    fn add_variable(&mut self, name: &str) {
        let name = name.to_owned();
        let variable = Variable { name, scope: Scope::Iteration, is_secret: false };
        self.table.variables.push(variable);
        self.written.push(None);
    }

    /// The variable of this name.
    pub(crate) fn variable(&self, name: &str) -> Option<VariableId> {
        match self.names.get(name)?.0 {
            Thing::Variable(index) => Some(VariableId(index)),
            Thing::Data(_) | Thing::Random(_) | Thing::Item(_) => None,
        }
    }

    /// The number of the value that a placeholder names.
    pub(crate) fn find(&mut self, parameters: &Parameters, name: &str) -> Option<ValueId> {
        if let Some(name) = name.strip_prefix(parameters::PREFIX) {
            return parameters.find(name);
        }
        if let Some(id) = self.ids.get(name) {
            return Some(*id);
        }
        let source = self.source(name)?;
        let index = self.table.sources.len();
        if index == MAX_PLACEHOLDER_VALUES {
            return None;
        }
        let id = ValueId(u16::try_from(index).ok()?);
        self.table.sources.push(source);
        self.ids.insert(name.to_owned(), id);
        self.id_names.push(name.to_owned());
        Some(id)
    }

    fn source(&self, name: &str) -> Option<ValueSource> {
        if let Some(secret) = name.strip_prefix(SECRET) {
            return self.secrets.get(secret).copied().map(ValueSource::Secret);
        }
        if let Some(variable) = name.strip_prefix(RUN) {
            return self.variable(variable).map(ValueSource::Run);
        }
        if let Some((data, column)) = name.split_once('.') {
            return match (name, self.names.get(data)) {
                ("now.unix_ms", _) => Some(ValueSource::NowUnixMs),
                ("now.rfc3339", _) => Some(ValueSource::NowRfc3339),
                (_, Some((Thing::Data(data), _))) => {
                    let table = &self.table.data.get(usize::from(*data))?.table;
                    if table.columns().len() == 0 {
                        // The file could not be read, which is reported; its columns are not known.
                        return Some(ValueSource::Column { data: *data, column: 0 });
                    }
                    let column = u32::try_from(table.column(column)?).ok()?;
                    Some(ValueSource::Column { data: *data, column })
                }
                _ => None,
            };
        }
        match name {
            "vu" => return Some(ValueSource::Vu),
            "iteration" => return Some(ValueSource::Iteration),
            "step" => return Some(ValueSource::Step),
            _ => {}
        }
        match self.names.get(name)?.0 {
            Thing::Random(index) => Some(ValueSource::Random(index)),
            Thing::Variable(index) | Thing::Item(index) => {
                Some(ValueSource::Variable(VariableId(index)))
            }
            Thing::Data(_) => None,
        }
    }

    /// What to say of a name that stands for nothing: message and hint.
    pub(crate) fn unknown(&self, parameters: &Parameters, name: &str) -> (String, String) {
        if name.starts_with(parameters::PREFIX) {
            return parameters::unknown(parameters, name);
        }
        if self.table.sources.len() >= MAX_PLACEHOLDER_VALUES && self.source(name).is_some() {
            let message = format!("placeholders name more than {MAX_PLACEHOLDER_VALUES} values");
            return (message, "`MAX_PLACEHOLDER_VALUES` cannot be raised".to_owned());
        }
        let (first, column) = name.split_once('.').unwrap_or((name, ""));
        if let Some((Thing::Data(data), _)) = self.names.get(first)
            && let Some(data) = self.table.data.get(usize::from(*data))
        {
            return unknown_column(&data.table, &data.file, column);
        }
        let mut known: Vec<String> = parameters.names().collect();
        known.extend(self.secrets.keys().map(|name| format!("{SECRET}{name}")));
        known.extend(["vu", "iteration", "step", "now.unix_ms", "now.rfc3339"].map(str::to_owned));
        for (name, (thing, _)) in &self.names {
            match thing {
                Thing::Random(_) | Thing::Item(_) => known.push(name.clone()),
                Thing::Variable(_) => known.extend([name.clone(), format!("{RUN}{name}")]),
                Thing::Data(data) => {
                    let data = self.table.data.get(usize::from(*data));
                    let columns = data.into_iter().flat_map(|data| data.table.columns());
                    known.extend(columns.take(100).map(|column| format!("{name}.{column}")));
                }
            }
        }
        let is_meant = |known: &&str| known.split_once('.').is_some_and(|(_, last)| last == name);
        let without_prefix = known.iter().map(String::as_str).find(is_meant);
        let near = || suggest::nearest(name, known.iter().map(String::as_str));
        let near = without_prefix.or_else(near);
        let meant = near.map_or_else(String::new, |n| format!(", did you mean {}?", quoted(n)));
        let message = format!("there is no value {}{meant}", quoted(name));
        let hint = "values come from [parameters], [secrets], [[data]], [random] and `extract`; \
                    `templates = false` in the request sends `{{` as it stands";
        (message, hint.to_owned())
    }

    /// What people call a value.
    pub(crate) fn name_of(&self, id: ValueId) -> String {
        self.id_names.get(usize::from(id.0)).cloned().unwrap_or_default()
    }

    /// Keeps where a value is used.
    pub(crate) fn note_use(&mut self, usage: Use) {
        if self.uses.len() < MAX_USES {
            self.uses.push(usage);
        }
    }
}

/// The tables of a list of them, in either notation; or the one table.
fn tables(item: &Item) -> impl Iterator<Item = &dyn TableLike> {
    let in_line = item.as_array().into_iter().flatten();
    let in_line = in_line.filter_map(|value| value.as_inline_table()).map(|t| t as &dyn TableLike);
    let listed = item.as_array_of_tables().into_iter().flatten().map(|t| t as &dyn TableLike);
    item.as_table_like().into_iter().chain(in_line).chain(listed)
}

/// What to say of a column that a file does not have.
pub(crate) fn unknown_column(table: &Table, file: &str, column: &str) -> (String, String) {
    let near = suggest::nearest(column, table.columns().take(1_000));
    let meant = near.map_or_else(String::new, |near| format!("; did you mean {}?", quoted(near)));
    let columns: Vec<String> = table.columns().take(20).map(quoted).collect();
    let message = if column.is_empty() {
        format!("a column of {} is missing behind the name", quoted(file))
    } else {
        format!("no column {} in {}{meant}", quoted(column), quoted(file))
    };
    (message, format!("its columns are {}", suggest::listed(&columns, "and")))
}
