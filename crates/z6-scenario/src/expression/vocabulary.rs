//! What a kind of expression brings along: its names and what their tests are.

use std::ops::Range;

use super::error::ExpressionError;
use super::lexer::{Comparison, Decimal};

/// What messages say, and which spellings there are.
#[derive(Debug, Clone, Copy)]
pub struct Wording {
    /// What the expression is, as in "the filter is empty".
    pub what: &'static str,
    /// What is to be done about a number with a unit.
    pub unit_hint: &'static str,
    /// What is to be done about a minus sign, where numbers have none; otherwise numbers may have one.
    pub minus_hint: Option<&'static str>,
    /// Whether names may have a point inside, as in `users.email`.
    pub has_points: bool,
    /// Whether there is `matches`.
    pub has_matches: bool,
    /// Two comparisons that are joined.
    pub joined: &'static str,
}

/// How a text is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// `~` or `contains`: for a part, as it is written.
    Part,
    /// `matches`: for a match of a regular expression.
    Pattern,
}

/// Something and where it stands: bytes of the expression's text.
#[derive(Debug, Clone)]
pub struct Spanned<T> {
    /// What it is.
    pub it: T,
    /// Where it is.
    pub span: Range<usize>,
}

/// One side of a comparison.
#[derive(Debug, Clone)]
pub enum Side<'a, F> {
    /// A name that the vocabulary knows.
    Field(F),
    /// Anything else.
    Value(Value<'a>),
}

/// A value as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A number.
    Number(Decimal),
    /// A text in quotes, without its escapes.
    Text(&'a str),
    /// A word that is no field.
    Word(&'a str),
    /// `true` or `false`.
    Flag(bool),
    /// `none`.
    None,
}

type Result<T> = std::result::Result<T, ExpressionError>;

/// Which names there are in a kind of expression, and what comparisons with them are.
///
/// A method is called as soon as what it is about has been read, so that the first error of the text is
/// the one that is told.
pub trait Vocabulary {
    /// What a name stands for.
    type Field;
    /// What one comparison becomes.
    type Test;
    /// What `in` becomes while its values are read.
    type List;

    /// What its messages say.
    const WORDING: Wording;

    /// The field of a name, none if there is none.
    fn field(&mut self, name: &str) -> Option<Self::Field>;

    /// Whether `name("..")` is a field.
    fn is_function(&self, _name: &str) -> bool {
        false
    }

    /// The field of a name for which [`Vocabulary::is_function`] holds, with the text in its
    /// parentheses; none for `()`.
    ///
    /// # Errors
    /// The argument is not what the function needs.
    fn call(
        &mut self,
        name: Spanned<&str>,
        _argument: Option<Spanned<&str>>,
    ) -> Result<Self::Field> {
        Err(ExpressionError::unknown_field(name.it, name.span, &[]))
    }

    /// Whether `name(..)` is a field of the name of a value in its parentheses.
    fn takes_name(&self, _name: &str) -> bool {
        false
    }

    /// The field of a name for which [`Vocabulary::takes_name`] holds, with the name in its parentheses.
    ///
    /// # Errors
    /// There is no such value.
    fn call_name(&mut self, name: Spanned<&str>, _of: Spanned<&str>) -> Result<Self::Field> {
        Err(ExpressionError::unknown_field(name.it, name.span, &[]))
    }

    /// `left comparison right`.
    ///
    /// # Errors
    /// The sides cannot be compared like this.
    fn compare(
        &mut self,
        left: Spanned<Side<'_, Self::Field>>,
        comparison: Comparison,
        right: Spanned<Side<'_, Self::Field>>,
    ) -> Result<Self::Test>;

    /// The left side of `~`, `contains` and `matches`.
    ///
    /// # Errors
    /// It is no field.
    fn searched(&mut self, left: Spanned<Side<'_, Self::Field>>) -> Result<Self::Field>;

    /// `field ~ wanted`. Where no side can begin, `wanted` is none, and that is an error.
    ///
    /// # Errors
    /// The field cannot be searched like this.
    fn search(
        &mut self,
        field: Spanned<Self::Field>,
        search: Search,
        wanted: Spanned<Option<Side<'_, Self::Field>>>,
    ) -> Result<Self::Test>;

    /// The left side of `in`; `list` is what follows.
    ///
    /// # Errors
    /// It is no field, or one that has no `in`.
    fn list(
        &mut self,
        left: Spanned<Side<'_, Self::Field>>,
        list: Range<usize>,
    ) -> Result<Self::List>;

    /// One value of the list.
    ///
    /// # Errors
    /// The left side never has this value.
    fn item(&mut self, list: &mut Self::List, item: Spanned<Side<'_, Self::Field>>) -> Result<()>;

    /// `left in list`; the list is not empty.
    fn listed(&mut self, list: Self::List) -> Self::Test;

    /// A side on its own; none if it is a field that is not yes or no.
    ///
    /// # Errors
    /// It is no field.
    fn flag(&mut self, side: Spanned<Side<'_, Self::Field>>) -> Result<Option<Self::Test>>;
}
