//! Values out of responses, cookies, and rows of data files, as values: bytes in, bytes out.
//!
//! Owns what a scenario may ask of a response. It imports no other Z6 crate and knows no sockets,
//! clocks, files, variables or draws: time, positions and bytes are arguments. A [`Program`] is
//! compiled when a scenario is loaded and run after each response, in bounded time and memory. With
//! JSON paths, patterns, boundaries and header fields it allocates nothing once its memory has
//! grown to the size of the values.
//!
//! Modules, in reading order:
//!
//! - [`limits`]: the bounds of all of it.
//! - `number`: numbers compared as decimals ([`compare_numbers`]).
//! - `value`: a value and its kind ([`Value`]).
//! - `json`: JSON paths (RFC 9535) over bytes ([`JsonPath`]).
//! - `pattern`: regular expressions ([`Pattern`]).
//! - `between`: texts between two boundaries ([`Between`]).
//! - `html`: elements of pages by CSS selectors ([`Html`], with the feature `html`).
//! - `cookie`: `Set-Cookie` and a jar ([`SetCookie`], [`Jar`]).
//! - `program`: a source, a pattern and a choice, run over a response ([`Program`]).
//! - [`rows`]: data files as tables.
//! - `sample`: the way back, texts in which an extraction finds a value (with the feature `sample`).
//! - `fuzzing`: bodies of the fuzz targets.
//!
//! ```
//! use z6_extract::{JsonPath, Program, Response, Select, Source};
//!
//! let ids = JsonPath::compile("$.items[*].id").unwrap();
//! let program = Program::new(Source::Json(ids)).select(Select::Last);
//! let mut scratch = program.scratch();
//! let body = br#"{"items": [{"id": 3}, {"id": 12.50}]}"#;
//! let response = Response { status: 200, body, ..Response::default() };
//! assert_eq!(program.run(&response, &mut scratch, |_| 0).unwrap().bytes, b"12.50");
//! ```
#![forbid(unsafe_code)]

mod between;
#[doc(hidden)]
pub mod canary;
mod cookie;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "html")]
mod html;
#[cfg(not(feature = "html"))]
#[path = "no_html.rs"]
mod html;
mod json;
pub mod limits;
mod number;
mod pattern;
mod program;
pub mod rows;
#[cfg(feature = "sample")]
pub mod sample;
mod value;

pub use between::Between;
pub use cookie::{Destination, Jar, Refused, SameSite, SetCookie, Stored};
pub use html::{Html, HtmlError, SelectorError};
pub use json::{
    JsonCache, JsonError, JsonErrorKind, JsonPath, PathError, PathErrorKind, check_json, list_item,
};
pub use number::compare_numbers;
pub use pattern::{Pattern, PatternCache, PatternError};
pub use program::{List, Missing, Program, Response, Scratch, Select, Source};
pub use value::{Kind, Value};
