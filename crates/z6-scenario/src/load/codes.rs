//! The stable codes of findings.

/// The text is not TOML.
pub(crate) const SYNTAX: &str = "syntax";
/// A key that does not exist.
pub(crate) const UNKNOWN_KEY: &str = "unknown_key";
/// A key that exists elsewhere.
pub(crate) const MISPLACED_KEY: &str = "misplaced_key";
/// A value of another type.
pub(crate) const WRONG_TYPE: &str = "wrong_type";
/// A value outside its range.
pub(crate) const OUT_OF_RANGE: &str = "out_of_range";
/// A number with more decimals than its unit resolves.
pub(crate) const TOO_FINE: &str = "too_fine";
/// A required key or table that is not there.
pub(crate) const MISSING_KEY: &str = "missing_key";
/// A word that is none of those allowed.
pub(crate) const UNKNOWN_CHOICE: &str = "unknown_choice";
/// Two parts that cannot be combined.
pub(crate) const CONFLICT: &str = "conflict";
/// Two things of one name.
pub(crate) const DUPLICATE: &str = "duplicate";
/// A reference to nothing.
pub(crate) const UNKNOWN_REFERENCE: &str = "unknown_reference";
/// More entries or bytes than a limit allows.
pub(crate) const TOO_MANY: &str = "too_many";
/// A name that cannot be one.
pub(crate) const BAD_NAME: &str = "bad_name";
/// A URL that cannot be a target.
pub(crate) const BAD_URL: &str = "bad_url";
/// A method that is not a token.
pub(crate) const BAD_METHOD: &str = "bad_method";
/// A path that cannot be sent.
pub(crate) const BAD_PATH: &str = "bad_path";
/// A header name or value that cannot be sent.
pub(crate) const BAD_HEADER: &str = "bad_header";
/// A request that cannot be sent for a reason that has no code of its own.
pub(crate) const BAD_REQUEST: &str = "bad_request";
/// A body file that cannot be read.
pub(crate) const BODY_FILE: &str = "body_file";
/// A placeholder that cannot be read, or a value that cannot stand where it does.
pub(crate) const BAD_TEMPLATE: &str = "bad_template";
/// A placeholder that names nothing.
pub(crate) const UNKNOWN_VALUE: &str = "unknown_value";
/// A parameter without a value, or with one that is not of its type.
pub(crate) const PARAMETER: &str = "parameter";
/// A data file that cannot be read.
pub(crate) const DATA_FILE: &str = "data_file";
/// An extraction that cannot be made.
pub(crate) const BAD_EXTRACT: &str = "bad_extract";
/// A check that cannot be read.
pub(crate) const BAD_CHECK: &str = "bad_check";
/// A `where` that cannot be read, or that nothing can meet.
pub(crate) const BAD_WHERE: &str = "bad_where";
/// Warning: a value that is probably secret is not kept secret.
pub(crate) const CLEAR_TEXT: &str = "clear_text";
/// An address that is none.
pub(crate) const BAD_ADDRESS: &str = "bad_address";
/// A TLS setting that cannot be used.
pub(crate) const BAD_TLS: &str = "bad_tls";
/// Fewer connections than VUs that each keep one.
pub(crate) const CONNECTIONS: &str = "connections";
/// A limit that leaves a worker with nothing.
pub(crate) const WORKER_SHARE: &str = "worker_share";
/// A command line override that does not fit.
pub(crate) const OVERRIDE: &str = "override";
/// A setting of the simulated world that cannot be read.
pub(crate) const BAD_SETTING: &str = "bad_setting";
/// A value that is not, or may not be, there where it is used.
pub(crate) const UNSET: &str = "unset";
/// Unique rows of a file that do not suffice.
pub(crate) const ROWS: &str = "rows";
/// Warning: has no effect.
pub(crate) const NO_EFFECT: &str = "no_effect";
