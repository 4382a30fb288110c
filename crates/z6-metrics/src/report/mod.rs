//! Reports: figures to text. One function per report; none of them computes a figure.

mod csv;
pub mod fit;
mod json;
mod page;
mod style;
mod summary;
pub mod table;
pub mod units;

pub use csv::timeseries_csv;
pub use json::{json_document, metrics_json};
pub use style::Style;
pub use summary::summary_text;
