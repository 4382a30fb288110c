//! Checks: expressions over one response and the values of its request, evaluated when it has come.
//!
//! Owns what a check reads and when it fails. It knows no scenario, no variables and no bodies that are
//! still encoded: values, response and the state of its body are arguments. Reading order: this file,
//! `term` (what names stand for, and how it is read), `vocabulary` (text to tests), `test`.

mod term;
mod test;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::fmt;
use z6_events::canary::is_planted;

use z6_extract::{JsonError, Response};
use z6_http::ContentError;
use z6_http::template::{Value, ValueId, Values};

use super::error::ExpressionError;
use super::tree::Expression;
use test::Reader;
use vocabulary::Responses;

pub use term::{Operand, Term, Words, number_of};
pub use test::{CheckScratch, Test};

/// A check, compiled once.
///
/// ```
/// use z6_extract::Response;
/// use z6_http::template::{Value, ValueId, Values};
/// use z6_scenario::expression::{Body, Check, Outcome};
///
/// struct Id;
/// impl Values for Id {
///     fn value(&self, _: ValueId) -> Option<Value<'_>> {
///         Some(Value::literal(b"7"))
///     }
/// }
///
/// // When the scenario is loaded.
/// let mut find = |name: &str| (name == "id").then_some(ValueId(0));
/// let check = Check::compile(r#"status in [200, 201] && json("$.id") == id"#, &mut find)?;
/// assert!(check.reads_body() && !check.reads_fields());
/// // Once for each worker.
/// let mut scratch = check.scratch();
/// // For each response.
/// let response = Response { status: 201, body: br#"{"id": 7.0}"#, ..Response::default() };
/// assert_eq!(check.test(&response, Body::Whole, &Id, &mut scratch), Outcome::Passed);
/// # Ok::<(), z6_scenario::expression::ExpressionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Check {
    text: String,
    expression: Expression<Test>,
    /// Values that are the same in each test.
    constants: Vec<Constant>,
}

/// A value that is the same in each test.
#[derive(Clone, Debug, PartialEq)]
struct Constant {
    id: ValueId,
    bytes: Vec<u8>,
    is_text: bool,
}

/// What there is of a response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// All of it, without its content codings.
    Whole,
    /// It is larger than what is kept.
    TooLarge,
    /// Its content codings cannot be removed.
    Undecodable(ContentError),
}

/// What a check says about a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// What it asks about cannot be read, which is a failure too.
    Unreadable(Unreadable),
}

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// It is larger than what is kept.
    #[error("the body is larger than what is kept of it")]
    TooLarge,
    /// Its content codings cannot be removed.
    #[error("the body: {0}")]
    Undecodable(#[from] ContentError),
    /// It is not JSON, as far as it was read.
    #[error("the body: {0}")]
    Json(#[from] JsonError),
}

impl Check {
    /// Compiles a check. `find` gives the value of a name, none if there is none of that name: it is asked
    /// for all names that are not those of the response, and for those in placeholders.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn compile(
        text: &str,
        find: &mut dyn FnMut(&str) -> Option<ValueId>,
    ) -> Result<Check, ExpressionError> {
        let mut responses = Responses::new(text, find);
        let expression = super::parse(text, &mut responses)?;
        Ok(Check { text: text.to_owned(), expression, constants: Vec::new() })
    }

    /// The same check with some of its values known: those for which `constant` gives bytes, and whether
    /// these are a text or a JSON literal.
    #[must_use]
    pub fn fold(mut self, constant: &mut dyn FnMut(ValueId) -> Option<(Vec<u8>, bool)>) -> Check {
        let ids: Vec<ValueId> = self.values().collect();
        for id in ids {
            let is_known = self.constants.iter().any(|known| known.id == id);
            if let Some((bytes, is_text)) = constant(id).filter(|_| !is_known) {
                self.constants.push(Constant { id, bytes, is_text });
            }
        }
        self
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its tests and how they are joined.
    #[must_use]
    pub const fn expression(&self) -> &Expression<Test> {
        &self.expression
    }

    /// `values`, with those that are the same in each test.
    pub fn known<'k, V: Values>(&'k self, values: &'k V) -> impl Values + 'k {
        Known { constants: &self.constants, values }
    }

    /// Whether it reads the body or its length: only then the body has to be kept and decoded.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.reads(|term| matches!(term, Term::Body | Term::BodyBytes | Term::Json { .. }))
    }

    /// Whether it reads the body as JSON.
    #[must_use]
    pub fn reads_json(&self) -> bool {
        self.reads(|term| matches!(term, Term::Json { .. }))
    }

    /// Whether it reads header or trailer fields, those of cookies included.
    #[must_use]
    pub fn reads_fields(&self) -> bool {
        self.reads(|term| match term {
            Term::Header(_) | Term::Trailer(_) => true,
            Term::Cookie(_) => !is_planted("check"),
            _ => false,
        })
    }

    fn reads(&self, is_read: impl Fn(&Term) -> bool) -> bool {
        let mut reads = false;
        self.expression.each(&mut |test| test.each_term(&mut |term| reads |= is_read(term)));
        reads
    }

    /// The values that it reads and that are not known yet, in the order of the text.
    pub fn values(&self) -> impl Iterator<Item = ValueId> {
        let mut values = Vec::new();
        self.expression.each(&mut |test| test.each_value(&mut |id| values.push(id)));
        values.retain(|id| self.constants.iter().all(|known| known.id != *id));
        values.into_iter()
    }

    /// Memory for this check; each worker has its own. It grows to what is needed and is kept.
    #[must_use]
    pub fn scratch(&self) -> CheckScratch {
        let mut scratch = CheckScratch::default();
        self.expression.each(&mut |test| scratch.make_room(test));
        scratch
    }

    /// Whether it holds for a response. `scratch` is from this check.
    ///
    /// From left to right, and no further than needed: a body that cannot be read is no failure if the
    /// answer does not depend on it. Allocates nothing once `scratch` has grown.
    pub fn test(
        &self,
        response: &Response<'_>,
        body: Body,
        values: &impl Values,
        scratch: &mut CheckScratch,
    ) -> Outcome {
        let values = &Known { constants: &self.constants, values };
        let reader = Reader { response, body, values };
        match self.expression.try_holds(&mut |test| test.holds(&reader, scratch)) {
            Ok(true) => Outcome::Passed,
            Ok(false) => Outcome::Failed,
            Err(unreadable) => Outcome::Unreadable(unreadable),
        }
    }
}

/// Two checks of one text are the same if its names stand for the same values.
impl PartialEq for Check {
    fn eq(&self, other: &Check) -> bool {
        self.text == other.text
            && self.constants == other.constants
            && self.values().eq(other.values())
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The values of a request, and those known beforehand.
struct Known<'k, V> {
    constants: &'k [Constant],
    values: &'k V,
}

impl<V: Values> Values for Known<'_, V> {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        match self.constants.iter().find(|known| known.id == id) {
            Some(known) => Some(Value { bytes: &known.bytes, is_text: known.is_text }),
            None => self.values.value(id),
        }
    }
}
