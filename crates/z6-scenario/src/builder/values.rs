//! Builders of values: parameters, data files, random values, parts of bodies, extractions.

use super::setters;
use super::text::{Settings, Value, micro};
use crate::journey::{OnEnd, Scope};
use crate::values::Per;

/// One entry of `[parameters]`.
#[derive(Debug, Clone, Default)]
pub struct ParameterBuilder {
    pub(super) settings: Settings,
}

impl ParameterBuilder {
    /// A text that must be given.
    #[must_use]
    pub fn new() -> ParameterBuilder {
        ParameterBuilder { settings: Settings::default() }
    }

    setters! {
        /// The value if nothing else gives one.
        default_value(text: impl Into<String>) => settings, "default", Value::text(text);
        /// A variable of the environment that may give the value.
        env(variable: impl Into<String>) => settings, "env", Value::text(variable);
        /// What values are allowed: `text`, `integer`, `number` or `flag`. Default: text.
        kind(kind: impl Into<String>) => settings, "type", Value::text(kind);
    }
}

fn word_of(per: Per) -> Value {
    Value::text(match per {
        Per::Vu => "vu",
        Per::Iteration => "iteration",
        Per::Step => "step",
    })
}

pub(super) fn scope_word(scope: Scope) -> Value {
    Value::text(match scope {
        Scope::Vu => "vu",
        Scope::Iteration => "iteration",
    })
}

/// One entry of `[[data]]`.
#[derive(Debug, Clone)]
pub struct DataBuilder {
    pub(super) settings: Settings,
}

impl DataBuilder {
    /// A file of rows; placeholders use its columns as `{{name.column}}`.
    #[must_use]
    pub fn new(name: impl Into<String>, file: impl Into<String>) -> DataBuilder {
        let mut settings = Settings::default();
        settings.set("name", "new", Value::text(name));
        settings.set("file", "new", Value::text(file));
        DataBuilder { settings }
    }

    setters! {
        /// How it is written: `csv`, `tsv` or `json_lines`. Default: by the file's name.
        format(format: impl Into<String>) => settings, "format", Value::text(format);
        /// For how long a row stays. Default: for an iteration.
        per(per: Per) => settings, "per", word_of(per);
        /// Whether no row is given out twice. Default: no.
        unique(unique: bool) => settings, "unique", Value::Flag(unique);
        /// What follows when unique rows are used up. Default: the run ends.
        on_end(on_end: OnEnd) => settings, "on_end", Value::text(match on_end {
            OnEnd::Repeat => "repeat",
            OnEnd::StopVu => "stop_vu",
            OnEnd::StopRun => "stop_run",
        });
        /// Whether columns that are used and not secret go into the event log. Default: yes.
        attach(attach: bool) => settings, "attach", Value::Flag(attach);
    }

    /// Adds the name of a column: the file has no line of names.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>) -> Self {
        self.settings.add_item("columns", "column", Value::text(name));
        self
    }

    /// Adds a column whose fields reach no file of the run.
    #[must_use]
    pub fn secret(mut self, column: impl Into<String>) -> Self {
        self.settings.add_item("secret", "secret", Value::text(column));
        self
    }

    /// Gives each pass through the file a random order of its own. Default: as in the file.
    #[must_use]
    pub fn shuffled(mut self) -> Self {
        self.settings.set("order", "shuffled", Value::text("shuffled"));
        self
    }

    /// Draws each row by itself, with replacement, by the weights in a column if one is named.
    #[must_use]
    pub fn random(mut self, weight: Option<&str>) -> Self {
        self.settings.set("order", "random", Value::text("random"));
        if let Some(column) = weight {
            self.settings.set("weight", "random", Value::text(column));
        }
        self
    }
}

/// One entry of `[random]`.
#[derive(Debug, Clone)]
pub struct RandomBuilder {
    pub(super) settings: Settings,
}

impl RandomBuilder {
    fn of(kind: &'static str, values: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let mut settings = Settings::default();
        settings.set("type", kind, Value::text(kind));
        for (key, value) in values {
            settings.set(key, kind, value);
        }
        RandomBuilder { settings }
    }

    /// A whole number from `min` to `max`.
    #[must_use]
    pub fn integer(min: i64, max: i64) -> RandomBuilder {
        let number = |number: i64| Value::Number(number.to_string());
        RandomBuilder::of("integer", [("min", number(min)), ("max", number(max))])
    }

    /// A decimal number from `min` to `max`, with so many decimal places; both are rounded to millionths.
    #[must_use]
    pub fn decimal(min: f64, max: f64, digits: u8) -> RandomBuilder {
        let values = [("min", micro(min)), ("max", micro(max)), ("digits", Value::number(digits))];
        RandomBuilder::of("decimal", values)
    }

    /// One of these texts by weight.
    #[must_use]
    pub fn choice<T: Into<String>>(choices: impl IntoIterator<Item = (T, u32)>) -> RandomBuilder {
        let (from, weights) = choices
            .into_iter()
            .map(|(text, weight)| (Value::text(text), Value::number(weight)))
            .unzip();
        let values = [("from", Value::List(from)), ("weights", Value::List(weights))];
        RandomBuilder::of("choice", values)
    }

    /// So many characters of the alphabet.
    #[must_use]
    pub fn text(min: u32, max: u32, alphabet: impl Into<String>) -> RandomBuilder {
        let length = Value::List(vec![Value::number(min), Value::number(max)]);
        RandomBuilder::of("text", [("length", length), ("alphabet", Value::text(alphabet))])
    }

    /// So many hexadecimal digits.
    #[must_use]
    pub fn hex(digits: u32) -> RandomBuilder {
        RandomBuilder::of("hex", [("length", Value::number(digits))])
    }

    /// A UUID of version 4.
    #[must_use]
    pub fn uuid() -> RandomBuilder {
        RandomBuilder::of("uuid", [])
    }

    /// A first and a last name.
    #[must_use]
    pub fn name() -> RandomBuilder {
        RandomBuilder::of("name", [])
    }

    /// An address under example.com.
    #[must_use]
    pub fn email() -> RandomBuilder {
        RandomBuilder::of("email", [])
    }

    /// So many words.
    #[must_use]
    pub fn words(min: u32, max: u32) -> RandomBuilder {
        let count = Value::List(vec![Value::number(min), Value::number(max)]);
        RandomBuilder::of("words", [("count", count)])
    }

    setters! {
        /// For how long the value stays the same. Default: for a step.
        per(per: Per) => settings, "per", word_of(per);
    }
}

/// A part of a body.
#[derive(Debug, Clone)]
pub struct PartBuilder {
    pub(super) settings: Settings,
}

impl PartBuilder {
    /// A text.
    #[must_use]
    pub fn text(value: impl Into<String>) -> PartBuilder {
        let mut settings = Settings::default();
        settings.set("value", "text", Value::text(value));
        PartBuilder { settings }
    }

    /// A file, sent as it is.
    #[must_use]
    pub fn file(path: impl Into<String>) -> PartBuilder {
        let mut settings = Settings::default();
        settings.set("file", "file", Value::text(path));
        PartBuilder { settings }
    }

    setters! {
        /// The name that is sent with a file. Default: its own.
        filename(name: impl Into<String>) => settings, "filename", Value::text(name);
        /// The media type that is sent.
        content_type(media_type: impl Into<String>) => settings, "content_type", Value::text(media_type);
    }
}

/// What AWS Signature Version 4 needs.
#[derive(Debug, Clone)]
pub struct AwsSigV4Builder {
    pub(super) settings: Settings,
}

impl AwsSigV4Builder {
    /// Keys for a service in a region.
    #[must_use]
    pub fn new(
        access_key: impl Into<String>,
        secret_key: impl Into<String>,
        region: impl Into<String>,
        service: impl Into<String>,
    ) -> AwsSigV4Builder {
        let mut settings = Settings::default();
        settings.set("access_key", "new", Value::text(access_key));
        settings.set("secret_key", "new", Value::text(secret_key));
        settings.set("region", "new", Value::text(region));
        settings.set("service", "new", Value::text(service));
        AwsSigV4Builder { settings }
    }

    setters! {
        /// The token of temporary credentials.
        session_token(token: impl Into<String>) => settings, "session_token", Value::text(token);
    }
}

/// A value that is taken out of a response.
#[derive(Debug, Clone)]
pub struct ExtractBuilder {
    pub(super) settings: Settings,
}

impl ExtractBuilder {
    fn of(key: &'static str, value: Value) -> ExtractBuilder {
        let mut settings = Settings::default();
        settings.set(key, key, value);
        ExtractBuilder { settings }
    }

    /// What a JSON path finds in the body.
    #[must_use]
    pub fn json(path: impl Into<String>) -> ExtractBuilder {
        ExtractBuilder::of("json", Value::text(path))
    }

    /// The text of an element of the page, or with
    /// [`attribute`](ExtractBuilder::attribute) one of its attributes.
    #[must_use]
    pub fn html(selector: impl Into<String>) -> ExtractBuilder {
        ExtractBuilder::of("html", Value::text(selector))
    }

    /// A header field.
    #[must_use]
    pub fn header(name: impl Into<String>) -> ExtractBuilder {
        ExtractBuilder::of("header", Value::text(name))
    }

    /// A trailer field.
    #[must_use]
    pub fn trailer(name: impl Into<String>) -> ExtractBuilder {
        ExtractBuilder::of("trailer", Value::text(name))
    }

    /// A cookie that the response sets.
    #[must_use]
    pub fn cookie(name: impl Into<String>) -> ExtractBuilder {
        ExtractBuilder::of("cookie", Value::text(name))
    }

    /// What a pattern finds in the body: group 1, or all of it.
    #[must_use]
    pub fn pattern(pattern: impl Into<String>) -> ExtractBuilder {
        ExtractBuilder::of("regex", Value::text(pattern))
    }

    /// What stands between two texts in the body.
    #[must_use]
    pub fn between(before: impl Into<String>, after: impl Into<String>) -> ExtractBuilder {
        let bounds = vec![Value::text(before), Value::text(after)];
        ExtractBuilder::of("between", Value::List(bounds))
    }

    /// The body.
    #[must_use]
    pub fn body() -> ExtractBuilder {
        ExtractBuilder::of("body", Value::Flag(true))
    }

    /// The status.
    #[must_use]
    pub fn status() -> ExtractBuilder {
        ExtractBuilder::of("status", Value::Flag(true))
    }

    /// The URL that was requested, after redirects.
    #[must_use]
    pub fn url() -> ExtractBuilder {
        ExtractBuilder::of("url", Value::Flag(true))
    }

    /// The SHA-256 of the body, in hexadecimal.
    #[must_use]
    pub fn sha256() -> ExtractBuilder {
        ExtractBuilder::of("sha256", Value::Flag(true))
    }

    /// A text with placeholders, filled in as for the request that was sent.
    #[must_use]
    pub fn value(text: impl Into<String>) -> ExtractBuilder {
        ExtractBuilder::of("value", Value::text(text))
    }

    setters! {
        /// The attribute of an element that is the value. Default: its text.
        attribute(name: impl Into<String>) => settings, "attribute", Value::text(name);
        /// Searches what was found for a pattern: group 1, or all of it, is the value.
        regex(pattern: impl Into<String>) => settings, "regex", Value::text(pattern);
        /// Chooses the value after so many others. Default: the first.
        nth(position: u32) => settings, "select", Value::number(position);
        /// The value where there is none.
        default(text: impl Into<String>) => settings, "default", Value::text(text);
        /// Whether the request fails without a value. Default: yes.
        required(required: bool) => settings, "required", Value::Flag(required);
        /// Whether the value is kept out of every file. Default: that of a cookie, a field with cookies or
        /// credentials, and what is made from a secret value; nothing else.
        secret(secret: bool) => settings, "secret", Value::Flag(secret);
        /// How long the value is kept.
        scope(scope: Scope) => settings, "scope", scope_word(scope);
    }

    /// Takes the value after a failure as well.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.settings.set("when", "always", Value::text("always"));
        self
    }

    /// Chooses the last value.
    #[must_use]
    pub fn last(mut self) -> Self {
        self.settings.set("select", "last", Value::text("last"));
        self
    }

    /// Takes all values, as a list.
    #[must_use]
    pub fn all(mut self) -> Self {
        self.settings.set("select", "all", Value::text("all"));
        self
    }

    /// Draws one of the values.
    #[must_use]
    pub fn random(mut self) -> Self {
        self.settings.set("select", "random", Value::text("random"));
        self
    }
}
