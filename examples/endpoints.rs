//! A scenario from a list of endpoints, whatever characters their names and paths have.
//!
//! `cargo run --release -p z6 --example endpoints`
#![allow(clippy::print_stdout, reason = "an example prints something")]

use z6::{BuildError, RequestBuilder, Scenario, TargetBuilder};

/// Names, paths and weights, as another program may have them.
const ENDPOINTS: [(&str, &str, f64); 4] = [
    ("say \"hello\"", "/say?text=\"hello\"&to='you'", 1.0 / 3.0),
    ("größe \\ 大きさ", "/größe/大きさ", 0.5),
    ("item {id}", "/items/{id}", 2.0),
    ("no {{template}}", "/text/{{template}}", 0.1),
];

/// One request for each endpoint, drawn by weight.
pub(crate) fn scenario(base_url: &str) -> Result<Scenario, BuildError> {
    let scenario = Scenario::builder().requests_in_all(100).target(TargetBuilder::new(base_url));
    let requests = ENDPOINTS.map(|(name, path, weight)| {
        // Paths are texts here: `{{` begins no placeholder.
        RequestBuilder::new(name, path).weight(weight).templates(false)
    });
    requests.into_iter().fold(scenario, |scenario, request| scenario.request(request)).build()
}

#[allow(dead_code, reason = "the tests call `scenario`")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scenario = scenario("http://127.0.0.1:8080")?;
    // What a run executes, logs and replays is this text.
    println!("{}", scenario.text);
    Ok(())
}
