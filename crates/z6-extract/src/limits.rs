//! The bounds of extraction, cookies and data files.
//!
//! docs/LIMITS.md lists them, and a test compares the page with this file.

/// Arrays and objects inside each other in a JSON document.
pub const MAX_JSON_DEPTH: usize = 128;

/// Segments of a JSON path, such as `.name` or `[3]`.
pub const MAX_PATH_SEGMENTS: usize = 16;

/// Selectors of a JSON path: a segment in brackets has one or more of them.
pub const MAX_PATH_SELECTORS: usize = 64;

/// Filters of a JSON path, parentheses and functions in them, inside each other.
pub const MAX_FILTER_DEPTH: usize = 8;

/// Conditions in the filters of a JSON path.
pub const MAX_FILTER_TESTS: usize = 64;

/// Bytes of a document read to evaluate a path, in multiples of its length. Only descendants, unions,
/// filters and positions from the end read a part of a document more than once.
pub const MAX_JSON_PASSES: usize = 64;

/// Program of one regular expression, bytes.
pub const MAX_PATTERN_BYTES: usize = 256 * 1024;

/// States that the search for one pattern keeps, per worker and direction, bytes. Beyond it they are
/// made anew.
pub const MAX_PATTERN_CACHE_BYTES: usize = 256 * 1024;

/// Matches of a pattern or a selector in one response that are looked at.
pub const MAX_MATCHES: usize = 1_000;

/// One value, bytes. A longer one is missing. This is a default.
pub const MAX_VALUE_BYTES: usize = 16 * 1024;

/// Values of a list.
pub const MAX_LIST_ITEMS: usize = 1_000;

/// All values of a list together, bytes.
pub const MAX_LIST_BYTES: usize = 64 * 1024;

/// CSS selectors: bytes.
pub const MAX_SELECTOR_BYTES: usize = 1024;

/// CSS selectors: blocks inside blocks, as in `:not(:not(a))`.
pub const MAX_SELECTOR_DEPTH: usize = 16;

/// An HTML page, bytes.
pub const MAX_HTML_BYTES: usize = 1024 * 1024;

/// Memory for reading an HTML page, beyond the page and the values found, bytes.
pub const MAX_HTML_MEMORY_BYTES: usize = 1024 * 1024;

/// Cookies of one jar.
pub const MAX_COOKIES: usize = 50;

/// Name and value of a cookie together, bytes (RFC 6265bis §5.7).
pub const MAX_COOKIE_BYTES: usize = 4_096;

/// Value of one attribute of a cookie, bytes (RFC 6265bis §5.6).
pub const MAX_COOKIE_ATTRIBUTE_BYTES: usize = 1_024;

/// Life of a cookie, seconds: 400 days (RFC 6265bis §5.5).
pub const MAX_COOKIE_AGE_SECONDS: i64 = 400 * 24 * 60 * 60;

/// One row of a data file, bytes.
pub const MAX_ROW_BYTES: usize = 1024 * 1024;

/// Columns of a data file.
pub const MAX_COLUMNS: usize = 1_000;

/// Data file, bytes: 1 GiB. This is a default; positions in a table have 32 bits.
pub const MAX_DATA_BYTES: u64 = 1 << 30;

/// Rows of a data file. This is a default.
pub const MAX_DATA_ROWS: u64 = 50_000_000;
