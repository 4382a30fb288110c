//! The expression language: comparisons joined by `&&`, `||`, `!` and parentheses.
//!
//! Owns the grammar, how an expression is evaluated, and how its errors are shown. It does not know which
//! names there are and what they mean: that is a [`Vocabulary`], one for each kind of expression. That of
//! filters is in the crate `z6-analysis`; those of checks ([`Check`]) and of `where` ([`Part`]) are here.
//! docs/ANALYZE.md describes the language.
//!
//! Reading order: `error`, `lexer` (text to tokens), `vocabulary`, `parser`, `tree` (what is evaluated),
//! `sets` (which values pass), `check`, `part`.

mod check;
mod error;
mod lexer;
mod parser;
mod part;
mod sets;
mod tree;
mod vocabulary;

pub use check::{
    Body, Check, CheckScratch, LastValue, Operand, Outcome, Term, Test, Unreadable, Words,
    number_of,
};
pub use error::{ExpressionError, ExpressionErrorKind, meant};
pub use lexer::{Comparison, Decimal};
pub use parser::parse;
pub use part::{Asked, Known, Part};
pub use sets::{NumberSet, TextSet};
pub use tree::Expression;
pub use vocabulary::{Search, Side, Spanned, Value, Vocabulary, Wording};

pub use crate::load::suggest::nearest;
pub use z6_extract::compare_numbers;

/// Most bytes of an expression.
pub const EXPRESSION_BYTES_MAX: usize = 16 * 1024;
/// How deep parentheses and `!` may be nested.
pub const EXPRESSION_DEPTH_MAX: usize = 64;
