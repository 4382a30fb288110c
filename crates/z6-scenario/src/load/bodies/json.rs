//! `json` of a request as a text, and the check that a text with placeholders is JSON whatever their values
//! are.

use toml_edit::{Item, TableLike, Value};
use z6_http::template::{Template, TextKind, encode};

use super::super::codes;
use super::super::reader::{Context, Span};
use super::super::sources::Sources;
use super::super::text::{Written, compile, compile_value, warn_fixed};
use super::super::value::number_literal;

/// The text of a TOML value as JSON. A text that is one placeholder takes the type of its value.
pub(super) fn template(
    cx: &mut Context<'_>,
    sources: &mut Sources,
    place: &Written<'_>,
    item: &Item,
) -> Option<Template> {
    let mut writer = Writer { sources, place, out: Template::of_text("", TextKind::Json) };
    let is_good = writer.item(cx, item);
    is_good.then_some(writer.out)
}

struct Writer<'s, 'p, 't> {
    sources: &'s mut Sources,
    place: &'p Written<'t>,
    out: Template,
}

impl Writer<'_, '_, '_> {
    /// Appends a value; false if something is wrong with it, which is reported.
    fn item(&mut self, cx: &mut Context<'_>, item: &Item) -> bool {
        match item {
            Item::Value(value) => self.value(cx, value),
            Item::Table(table) => self.object(cx, table),
            Item::ArrayOfTables(tables) => {
                self.out.push_text("[");
                let mut is_good = true;
                for (index, table) in tables.iter().enumerate() {
                    self.comma(index);
                    is_good &= self.object(cx, table);
                }
                self.out.push_text("]");
                is_good
            }
            Item::None => true,
        }
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push_text(",");
        }
    }

    fn object(&mut self, cx: &mut Context<'_>, table: &dyn TableLike) -> bool {
        self.out.push_text("{");
        let mut is_good = true;
        for (index, (name, item)) in table.iter().enumerate() {
            self.comma(index);
            warn_fixed(
                cx,
                "the name of a member",
                &self.place.with(name, item.span()),
                "`body` takes them anywhere",
            );
            self.out.push_text(&format!("{}:", encode(name, TextKind::Json)));
            is_good &= self.item(cx, item);
        }
        self.out.push_text("}");
        is_good
    }

    fn value(&mut self, cx: &mut Context<'_>, value: &Value) -> bool {
        match value {
            Value::String(text) => return self.text(cx, text.value(), value.span()),
            Value::Integer(number) => self.out.push_text(&number.value().to_string()),
            Value::Boolean(flag) => self.out.push_text(&flag.value().to_string()),
            Value::Datetime(time) => {
                self.out.push_text(&encode(&time.value().to_string(), TextKind::Json));
            }
            Value::Float(_) => match number_literal(cx, value) {
                Some(number) => self.out.push_text(&number),
                None => {
                    let message = "JSON has no number that is not finite";
                    cx.error(codes::OUT_OF_RANGE, value.span(), message, "write a finite number");
                    return false;
                }
            },
            Value::Array(list) => {
                self.out.push_text("[");
                let mut is_good = true;
                for (index, value) in list.iter().enumerate() {
                    self.comma(index);
                    is_good &= self.value(cx, value);
                }
                self.out.push_text("]");
                return is_good;
            }
            Value::InlineTable(table) => return self.object(cx, table),
        }
        true
    }

    fn text(&mut self, cx: &mut Context<'_>, text: &str, span: Option<Span>) -> bool {
        let written = self.place.with(text, span);
        if written.has_templates && is_one_placeholder(text) {
            let Some(value) = compile(cx, self.sources, &written, TextKind::Json) else {
                return false;
            };
            self.out.append(&value);
            return true;
        }
        let Some(inner) = compile_value(cx, self.sources, &written, TextKind::JsonString) else {
            return false;
        };
        self.out.push_text("\"");
        self.out.append(&inner);
        self.out.push_text("\"");
        true
    }
}

/// Whether a text is one placeholder and nothing else.
pub(super) fn is_one_placeholder(text: &str) -> bool {
    let find = |_: &str| Some(z6_http::template::ValueId(0));
    text.starts_with("{{")
        && Template::compile(text, TextKind::Plain, find)
            .is_ok_and(|template| template.slot_count() == 1 && template.fixed().is_empty())
}

/// Checks that a text is JSON with a number for each of its placeholders, which fits in a JSON string as
/// well.
pub(super) fn check(
    cx: &mut Context<'_>,
    written: &Written<'_>,
    template: &Template,
) -> Option<()> {
    let sample = template.pieces().collect::<Vec<_>>().join("0");
    let Err(error) = z6_extract::check_json(sample.as_bytes()) else { return Some(()) };
    let prefix = written.file.map_or_else(String::new, |file| format!("{file}: "));
    let kind = error.kind;
    let message = format!("{prefix}the body is not JSON with a value for each placeholder: {kind}");
    let near: String = sample.get(error.at..).unwrap_or_default().chars().take(20).collect();
    let near = if near.is_empty() { "the end".to_owned() } else { super::quoted(&near) };
    let hint = format!(
        "it ends to be JSON before {near} (`0` stands for each placeholder); a placeholder stands in \
         a text or where a value stands"
    );
    cx.error(codes::BAD_TEMPLATE, written.span.clone(), message, hint);
    None
}
