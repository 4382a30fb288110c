//! Reads one TOML table by its entry in `keys`: every key is checked, typed and
//! range-checked here; sections then query the values. Knows no rule that spans two keys.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use toml_edit::{Item, TableLike};

use super::codes;
use super::decimal::unscaled;
use super::diagnostic::{Diagnostic, Findings, quoted};
use super::keys::{self, Key, Table, Variant};
use super::parameters::Parameters;
use super::suggest;
use super::value::{self, Datum, Field, Member, Scalar, Select};
use super::words;

/// A byte range of the text.
pub(crate) type Span = Range<usize>;

/// The text being loaded and what was found in it so far.
pub(crate) struct Context<'a> {
    pub(crate) text: &'a str,
    pub(crate) findings: Findings,
    /// `[parameters]`, once they are read.
    pub(crate) parameters: Parameters,
    /// Places of the text that are not kept as they are, and what stands there instead.
    pub(crate) masks: Vec<(Span, String)>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(text: &'a str) -> Context<'a> {
        Context {
            text,
            findings: Findings::default(),
            parameters: Parameters::default(),
            masks: Vec::new(),
        }
    }
}

impl Context<'_> {
    /// The text that is kept: without what must not be.
    pub(crate) fn masked(&mut self) -> String {
        self.masks.sort_by_key(|(span, _)| span.start);
        let mut text = self.text.to_owned();
        for (span, instead) in self.masks.iter().rev() {
            text.replace_range(span.clone(), instead);
        }
        text
    }
}

impl Context<'_> {
    /// Reports an error at a place of the text.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        span: Option<Span>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.push(Diagnostic::error(code, span, message).hint(hint));
    }

    /// Reports an error about a value, wherever it came from.
    pub(crate) fn fault(
        &mut self,
        at: &At,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        match at {
            At::File(span) => self.error(code, span.clone(), message, hint),
            At::Flag(flag) => {
                let message = format!("{flag}: {}", message.into());
                self.error(codes::OVERRIDE, None, message, hint);
            }
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone)]
pub(crate) enum At {
    /// The scenario, or its defaults.
    File(Option<Span>),
    /// This command line option.
    Flag(&'static str),
}

/// One key that was present.
struct Entry<'a> {
    key: Option<Span>,
    value: Option<Span>,
    /// None if the value was not acceptable (and reported).
    datum: Option<Datum<'a>>,
}

/// One table, read.
pub(crate) struct Section<'a> {
    spec: &'static Table,
    variant: Option<&'static Variant>,
    /// Where the table begins; none if it is not there.
    pub(crate) heading: Option<Span>,
    entries: BTreeMap<&'static str, Entry<'a>>,
    /// Keys that an unknown key was probably meant to be: not reported as missing too.
    meant: Vec<&'static str>,
    /// Entries that have no key of their own, and may be here.
    others: Vec<Other<'a>>,
}

/// An entry of a table that has no key of its own.
pub(crate) struct Other<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: Option<Span>,
    item: &'a Item,
}

impl<'a> Other<'a> {
    pub(crate) fn is_table(&self) -> bool {
        self.item.is_table_like()
    }

    /// The table, read by these keys.
    pub(crate) fn open(&self, cx: &mut Context<'_>, spec: &'static Table) -> Option<Section<'a>> {
        let table = self.item.as_table_like()?;
        let heading = self.at.clone().or_else(|| self.item.span());
        Some(Section::open(cx, spec, table, heading))
    }

    /// The number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        let integer = self.item.as_integer().map(|integer| integer as f64);
        integer.or_else(|| self.item.as_float())
    }

    pub(crate) fn value_span(&self) -> Option<Span> {
        self.item.span().or_else(|| self.at.clone())
    }
}

impl<'a> Section<'a> {
    /// A table that is not there: all defaults.
    pub(crate) fn absent(spec: &'static Table) -> Section<'a> {
        Section {
            spec,
            variant: None,
            heading: None,
            entries: BTreeMap::new(),
            meant: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Reads `table` and reports all that is wrong with its keys one by one.
    pub(crate) fn open(
        cx: &mut Context<'_>,
        spec: &'static Table,
        table: &'a dyn TableLike,
        heading: Option<Span>,
    ) -> Section<'a> {
        let variant = table.get("type").and_then(Item::as_str).and_then(|name| spec.variant(name));
        let mut section = Section { variant, heading, ..Section::absent(spec) };
        for (name, item) in table.iter() {
            let key_span = table.get_key_value(name).and_then(|(key, _)| key.span());
            let key_span = key_span.or_else(|| item.span());
            match section.find(name) {
                Some(key) => section.take(cx, key, item, key_span),
                None if keys::takes(spec, name, item.is_table_like()) => {
                    section.others.push(Other { name, at: key_span, item });
                }
                None => section.stranger(cx, name, key_span),
            }
        }
        section.report_missing(cx, table);
        section
    }

    /// The key of this name that fits here.
    fn find(&self, name: &str) -> Option<&'static Key> {
        let own = self.variant.into_iter().flat_map(Variant::all);
        self.spec.common().chain(own).find(|key| key.name == name)
    }

    fn take(&mut self, cx: &mut Context<'_>, key: &'static Key, item: &'a Item, at: Option<Span>) {
        let value = item.span().or_else(|| at.clone());
        let datum = value::read(cx, key, item, at.clone());
        self.entries.insert(key.name, Entry { key: at, value, datum });
    }

    /// Reports a key that does not fit here.
    fn stranger(&mut self, cx: &mut Context<'_>, name: &str, span: Option<Span>) {
        if cx.findings.is_full() {
            cx.findings.push(Diagnostic::error(codes::UNKNOWN_KEY, span, "unknown key"));
            return;
        }
        let homes = self.spec.variants.iter().filter(|v| v.all().any(|key| key.name == name));
        let homes: Vec<String> = homes.map(|variant| quoted(variant.name)).collect();
        if homes.is_empty() {
            let (finding, meant) = unknown_key(self.spec, self.variant, name, span.as_ref());
            cx.findings.push(finding);
            self.meant.extend(meant);
            return;
        }
        let Some(variant) = self.variant else {
            return; // The missing or unknown type is reported; which keys fit depends on it.
        };
        let what = self.spec.label.trim_matches(['[', ']']);
        let message = format!(
            "{} belongs to {what} type {}, not to {}",
            quoted(name),
            suggest::listed(&homes, "or"),
            quoted(variant.name)
        );
        let own: Vec<String> = variant.all().map(|key| quoted(key.name)).collect();
        let own = if own.is_empty() {
            "no key of its own".to_owned()
        } else {
            suggest::listed(&own, "and")
        };
        let hint = format!("{} takes {own}", quoted(variant.name));
        cx.error(codes::MISPLACED_KEY, span, message, hint);
    }

    fn report_missing(&self, cx: &mut Context<'_>, table: &dyn TableLike) {
        let own = self.variant.into_iter().flat_map(Variant::all);
        for key in self.spec.common().chain(own).filter(|key| key.required) {
            if self.entries.contains_key(key.name) || self.meant.contains(&key.name) {
                continue;
            }
            let message = format!("{} is missing in {}", quoted(key.name), self.spec.label);
            let finding = Diagnostic::error(codes::MISSING_KEY, self.heading.clone(), message);
            cx.findings.push(finding.maybe_hint(self.missing_hint(key, table)));
        }
    }

    /// What to write for a missing key; for a missing `type`, the types that the keys point to.
    fn missing_hint(&self, key: &Key, table: &dyn TableLike) -> Option<String> {
        if key.name == "type" {
            let fits = |variant: &&Variant| {
                table.iter().all(|(name, _)| variant.all().any(|key| key.name == name))
            };
            let mut names: Vec<String> = Vec::new();
            if !table.is_empty() {
                names.extend(self.spec.variants.iter().filter(fits).map(|v| quoted(v.name)));
            }
            if names.is_empty() {
                names.extend(self.spec.variants.iter().map(|v| quoted(v.name)));
            }
            return Some(format!("`type` is {}", suggest::listed(&names, "or")));
        }
        if let keys::Kind::Tables(spec) = key.kind {
            return Some(format!("write `{}` before each entry", spec.label));
        }
        Some(format!("write `{} = ..`: {}", key.name, value::expectation(key)))
    }

    fn entry(&self, name: &str) -> Option<&Entry<'a>> {
        debug_assert!(self.spec.all_keys().any(|key| key.name == name), "no key {name}");
        self.entries.get(name)
    }

    fn datum(&self, name: &str) -> Option<&Datum<'a>> {
        self.entry(name).and_then(|entry| entry.datum.as_ref())
    }

    /// The `type` that was written and known.
    pub(crate) fn variant_name(&self) -> Option<&'static str> {
        self.variant.map(|variant| variant.name)
    }

    /// Whether the key is there, but with a value that was refused.
    pub(crate) fn is_bad(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|entry| entry.datum.is_none())
    }

    /// Whether the key is there, or another that was probably meant to be it.
    pub(crate) fn has_or_meant(&self, name: &str) -> bool {
        self.has(name) || self.meant.contains(&name)
    }

    /// Whether the key is there, good or bad.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// Names of all keys that are there, in the order of the text.
    pub(crate) fn present(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.entries.keys().copied().collect();
        names.sort_by_key(|name| self.key_span(name).map_or(usize::MAX, |span| span.start));
        names
    }

    /// Entries that have no key of their own, in the order of the text.
    pub(crate) fn others(&self) -> &[Other<'a>] {
        &self.others
    }

    /// Location of the key.
    pub(crate) fn key_span(&self, name: &str) -> Option<Span> {
        self.entry(name).and_then(|entry| entry.key.clone())
    }

    /// Location of the value, or of the table heading if the key is absent.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        self.entry(name).and_then(|entry| entry.value.clone()).or_else(|| self.heading.clone())
    }

    /// Where the value came from.
    pub(crate) fn at(&self, name: &str) -> At {
        At::File(self.span(name))
    }

    /// A number as written, in the unit it is kept in.
    pub(crate) fn written(&self, name: &str) -> Option<u64> {
        match self.datum(name) {
            Some(Datum::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number as written, else its default.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.written(name).or_else(|| self.find(name).and_then(|key| key.default))
    }

    /// The same as 32 bits; the key's maximum keeps it in range.
    pub(crate) fn number_u32(&self, name: &str) -> Option<u32> {
        self.number(name).and_then(|number| u32::try_from(number).ok())
    }

    /// A setting of the simulated world as written, in text form.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        let digits = self.find(name).map_or(0, |key| key.kind.digits());
        match self.datum(name) {
            Some(Datum::Setting(text)) => Some(text.clone()),
            Some(Datum::Number(number)) => Some(unscaled(*number, digits)),
            _ => None,
        }
    }

    pub(crate) fn real(&self, name: &str) -> Option<f64> {
        match self.datum(name) {
            Some(Datum::Real(real)) => Some(*real),
            _ => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.datum(name) {
            Some(Datum::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text as it stands in the scenario: a name, or a text with placeholders.
    pub(crate) fn written_text(&self, name: &str) -> Option<&'a str> {
        match self.datum(name) {
            Some(Datum::Text(Cow::Borrowed(text))) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i64> {
        match self.datum(name) {
            Some(Datum::Integer(integer)) => Some(*integer),
            _ => None,
        }
    }

    pub(crate) fn decimal(&self, name: &str) -> Option<&str> {
        match self.datum(name) {
            Some(Datum::Decimal(text)) => Some(text),
            _ => None,
        }
    }

    /// The least and the greatest number.
    pub(crate) fn range(&self, name: &str) -> Option<(u64, u64)> {
        match self.datum(name) {
            Some(Datum::Range(min, max)) => Some((*min, *max)),
            _ => None,
        }
    }

    pub(crate) fn scalar(&self, name: &str) -> Option<&Scalar> {
        match self.datum(name) {
            Some(Datum::Scalar(scalar)) => Some(scalar),
            _ => None,
        }
    }

    pub(crate) fn select(&self, name: &str) -> Option<Select> {
        match self.datum(name) {
            Some(Datum::Select(select)) => Some(*select),
            _ => None,
        }
    }

    pub(crate) fn any(&self, name: &str) -> Option<&'a Item> {
        match self.datum(name) {
            Some(Datum::Any(item)) => Some(item),
            _ => None,
        }
    }

    pub(crate) fn fields(&self, name: &str) -> &[Field<'a>] {
        match self.datum(name) {
            Some(Datum::Fields(fields)) => fields,
            _ => &[],
        }
    }

    /// The entries of a table with names that the scenario chooses, at most `max`.
    pub(crate) fn members(&self, cx: &mut Context<'_>, name: &str, max: usize) -> Vec<Member<'a>> {
        let Some(Datum::Named(members)) = self.datum(name) else {
            return Vec::new();
        };
        if let Some(member) = members.get(max) {
            let message =
                format!("{} entries of {} are more than {max}", members.len(), quoted(name));
            let hint = "this limit cannot be raised: docs/LIMITS.md";
            cx.error(codes::TOO_MANY, member.name_span.clone(), message, hint);
        }
        members.iter().take(max).cloned().collect()
    }

    pub(crate) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        match self.datum(name) {
            Some(Datum::Flag(flag)) => Some(*flag),
            _ => None,
        }
    }

    pub(crate) fn texts(&self, name: &str) -> &[(Cow<'a, str>, Option<Span>)] {
        match self.datum(name) {
            Some(Datum::Texts(texts)) => texts,
            _ => &[],
        }
    }

    pub(crate) fn counts(&self, name: &str) -> Option<&[(u64, Option<Span>)]> {
        match self.datum(name) {
            Some(Datum::Counts(counts)) => Some(counts),
            _ => None,
        }
    }

    pub(crate) fn pairs(&self, name: &str) -> &[value::Pair<'a>] {
        match self.datum(name) {
            Some(Datum::Pairs(pairs)) => pairs,
            _ => &[],
        }
    }

    /// The table under this key, read; all defaults if it is not there.
    pub(crate) fn section(&self, cx: &mut Context<'_>, name: &str) -> Section<'a> {
        let spec = match self.find(name).map(|key| key.kind) {
            Some(keys::Kind::Table(spec)) => spec,
            _ => &keys::ROOT,
        };
        match self.datum(name) {
            Some(Datum::Tables(tables)) if !tables.is_empty() => {
                Section::open(cx, spec, tables[0].0, tables[0].1.clone())
            }
            _ => Section::absent(spec),
        }
    }

    /// The tables under this key, at most `max`, to be read one by one.
    pub(crate) fn entries(&self, cx: &mut Context<'_>, name: &str, max: usize) -> Vec<Listed<'a>> {
        let Some(Datum::Tables(tables)) = self.datum(name) else {
            return Vec::new();
        };
        let Some(keys::Kind::Tables(spec)) = self.find(name).map(|key| key.kind) else {
            return Vec::new();
        };
        if let Some((_, span)) = tables.get(max) {
            let message = format!("{} {} are more than {max}", tables.len(), spec.label);
            cx.error(codes::TOO_MANY, span.clone(), message, "split the scenario");
        }
        let kept = tables.iter().take(max);
        kept.map(|(table, span)| Listed { spec, table: *table, span: span.clone() }).collect()
    }

    /// The same, all read.
    pub(crate) fn sections(
        &self,
        cx: &mut Context<'_>,
        name: &str,
        max: usize,
    ) -> Vec<Section<'a>> {
        self.entries(cx, name, max).iter().map(|entry| entry.open(cx)).collect()
    }
}

/// One entry of a list of tables, not read yet: read, it takes ten times the memory.
pub(crate) struct Listed<'a> {
    spec: &'static Table,
    table: &'a dyn TableLike,
    span: Option<Span>,
}

impl<'a> Listed<'a> {
    /// The keys of the table under a key, without reading anything.
    pub(crate) fn names_under(&self, key: &str) -> Vec<(&'a str, Option<Span>)> {
        let Some(table) = self.table.get(key).and_then(Item::as_table_like) else {
            return Vec::new();
        };
        let name = |(name, _): (&'a str, &'a Item)| {
            (name, table.get_key_value(name).and_then(|(key, _)| key.span()))
        };
        table.iter().map(name).collect()
    }

    pub(crate) fn open(&self, cx: &mut Context<'_>) -> Section<'a> {
        Section::open(cx, self.spec, self.table, self.span.clone())
    }
}

impl<'a> Member<'a> {
    /// The table, read; a value that stands for one of its keys is read as that key.
    pub(crate) fn open(&self, cx: &mut Context<'_>) -> Option<Section<'a>> {
        let (spec, at) = (&self.spec.table, self.name_span.clone());
        if let Some(table) = self.item.as_table_like() {
            return Some(Section::open(cx, spec, table, at.or_else(|| self.item.span())));
        }
        let key = spec.common().find(|key| Some(key.name) == self.spec.shorthand);
        let Some(key) = key.filter(|_| self.item.is_value()) else {
            let message = format!("{} is no table", quoted(self.name));
            let hint = format!(
                "write `{} = {{ .. }}`: {} takes a table for each name",
                self.name, spec.label
            );
            cx.error(codes::WRONG_TYPE, self.item.span().or(at), message, hint);
            return None;
        };
        let mut section = Section { heading: at.clone(), ..Section::absent(spec) };
        section.take(cx, key, self.item, at);
        Some(section)
    }
}

/// The finding about a key no type of this table has, with the best suggestion there is, and the key
/// of this table that was probably meant.
fn unknown_key(
    spec: &'static Table,
    variant: Option<&'static Variant>,
    name: &str,
    span: Option<&Span>,
) -> (Diagnostic, Option<&'static str>) {
    let here = known_names(spec, variant);
    let place = if spec.label.starts_with('[') { "in" } else { "at" };
    let message = format!("unknown key {} {place} {}", quoted(name), spec.label);
    let finding = |message: String| Diagnostic::error(codes::UNKNOWN_KEY, span.cloned(), message);
    if let Some(hint) = words::hint(spec.label, name) {
        let first = hint.strip_prefix("write `").and_then(|rest| rest.split([' ', '`']).next());
        let first = first.map(|first| first.trim_matches(['[', ']']));
        let meant = here.into_iter().find(|key| Some(*key) == first);
        return (finding(message).hint(hint), meant);
    }
    let near = suggest::nearest(name, here.iter().copied());
    let homes = homes_of(name, spec);
    if !homes.is_empty() && near.is_none() {
        let hint = format!("{} belongs in {}", quoted(name), suggest::listed(&homes, "or"));
        return (finding(message).hint(hint), None);
    }
    let everywhere = || keys::ALL.iter().flat_map(|table| table.all_keys()).map(|key| key.name);
    // Among all keys there is one near to any word of two letters.
    let elsewhere = || suggest::nearest(name, everywhere()).filter(|_| name.len() > 2);
    let Some(near) = near.or_else(elsewhere) else {
        let known: Vec<String> = here.iter().map(|name| quoted(name)).collect();
        let hint = format!("{} takes {}", spec.label, suggest::listed(&known, "and"));
        return (finding(message).hint(hint), None);
    };
    let own = here.contains(&near);
    let hint = if own {
        format!("write {}", quoted(near))
    } else {
        let homes = suggest::listed(&homes_of(near, spec), "or");
        format!("{} belongs in {homes}", quoted(near))
    };
    let message = format!("{message}, did you mean {}?", quoted(near));
    (finding(message).hint(hint), own.then_some(near))
}

/// Names of the keys that fit a table, each once; of every type if the type is not known.
fn known_names(spec: &'static Table, variant: Option<&'static Variant>) -> Vec<&'static str> {
    let own = variant.into_iter().flat_map(Variant::all);
    let any = spec.variants.iter().filter(|_| variant.is_none()).flat_map(Variant::all);
    let mut names: Vec<&'static str> = Vec::new();
    for key in spec.common().chain(own).chain(any) {
        if !names.contains(&key.name) {
            names.push(key.name);
        }
    }
    names
}

/// The tables other than `here` that know the key.
fn homes_of(name: &str, here: &Table) -> Vec<String> {
    let mut homes: Vec<String> = Vec::new();
    for table in keys::ALL.iter().filter(|table| table.all_keys().any(|key| key.name == name)) {
        let label = table.label.to_owned();
        if table.label != here.label && !homes.contains(&label) {
            homes.push(label);
        }
    }
    homes
}
