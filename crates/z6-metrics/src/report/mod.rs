//! Reports: figures to text. One function per report; none of them computes a figure.

mod csv;
pub mod fit;
mod json;
mod markdown;
pub mod openmetrics;
mod page;
mod style;
mod summary;
pub mod table;
pub mod units;

pub use csv::timeseries_csv;
pub use json::{json_document, metrics_json};
pub use markdown::{markdown_code, markdown_table, summary_markdown};
pub use style::Style;
pub use summary::summary_text;
