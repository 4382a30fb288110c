//! Golden frames of a simulated run, whose figures are the same everywhere.

use super::*;

/// A shop with some failures, simulated once per test.
fn figures() -> Metrics {
    let scenario = "
metadata.name = 'Shop µ'
runtime = { duration_seconds = 90, vus = 8, prng_seed = 5 }
target.base_url = 'http://shop.invalid'
think_time = { type = 'constant', duration_ms = 20 }
requests = [
    { name = 'list', path = '/' },
    { name = 'a_product_with_a_very_long_name_as_people_write_them', path = '/p', weight = 2 },
]
simulation = { latency = 'uniform:1ms..4ms', service = 'exponential:3ms', statuses = { 503 = 0.01 } }
";
    let run = z6::Run::from_toml(scenario).unwrap();
    run.simulate().start().unwrap().wait().unwrap().metrics
}

fn view(metrics: &Metrics) -> View<'_> {
    View {
        metrics,
        length_seconds: Some(120),
        silent_shard: None,
        state: State::Running,
        page: Page::Requests,
        latency: Latency::Response,
        window_seconds: 10,
        is_utf8: true,
        style: Style::plain(),
    }
}

fn drawn(view: &View<'_>, columns: usize, rows: usize) -> String {
    frame(view, columns, rows).join("\n")
}

#[test]
fn golden_frames() {
    let metrics = figures();
    let view = view(&metrics);
    for (columns, rows) in [(40, 10), (80, 12), (80, 24), (200, 60)] {
        insta::assert_snapshot!(format!("frame_{columns}x{rows}"), drawn(&view, columns, rows));
    }
    let ended = View { state: State::Ended, page: Page::Errors, latency: Latency::Service, ..view };
    insta::assert_snapshot!("frame_errors", drawn(&ended, 80, 24));
    let silent =
        View { state: State::Silent(7), page: Page::Generator, length_seconds: None, ..view };
    insta::assert_snapshot!("frame_generator", drawn(&silent, 80, 24));
    insta::assert_snapshot!("frame_help", drawn(&View { page: Page::Help, ..view }, 80, 24));
    insta::assert_snapshot!("frame_ascii", drawn(&View { is_utf8: false, ..view }, 80, 24));
}

#[test]
fn a_frame_fits_and_shows_no_text_of_others_as_it_is() {
    let mut metrics = figures();
    metrics.run.name.push_str("\u{1b}[31m\u{202e}");
    for (name, _) in &mut metrics.requests.by_name.0 {
        name.push_str("\u{1b}]0;\u{7}漢字");
    }
    for (_, example) in &mut metrics.errors.examples.0 {
        example.push_str("\n\u{9b}31m\u{202e}");
    }
    for page in [Page::Requests, Page::Errors, Page::Generator, Page::Help] {
        for is_utf8 in [true, false] {
            let view = View { page, is_utf8, ..view(&metrics) };
            for (columns, rows) in
                [(1, 1), (2, 3), (20, 5), (40, 10), (79, 13), (80, 24), (300, 99)]
            {
                let lines = frame(&view, columns, rows);
                assert!(lines.len() <= rows, "{page:?} {columns}x{rows}: {}", lines.len());
                for line in lines {
                    assert!(width(&line) <= columns, "{page:?} {columns}x{rows}: {line}");
                    assert!(!line.chars().any(z6_events::is_hidden), "{line:?}");
                    assert!(is_utf8 || line.is_ascii(), "{line}");
                }
            }
        }
    }
}

#[test]
fn colors_add_nothing_but_colors() {
    let metrics = figures();
    let colored = View { style: Style::colored(), ..view(&metrics) };
    let text = drawn(&colored, 80, 24);
    assert!(text.contains("\u{1b}["));
    let stripped = anstream::adapter::strip_str(&text).to_string();
    assert_eq!(stripped, drawn(&view(&metrics), 80, 24));
}

#[test]
fn a_run_without_a_single_second_has_a_frame() {
    let scenario = "runtime.iterations = 1\ntarget.base_url = 'http://shop.invalid'\n\
                    requests = [{ name = 'a', path = '/' }]";
    let run = z6::Run::from_toml(scenario).unwrap();
    let metrics = run.simulate().start().unwrap().wait().unwrap().metrics;
    let text = drawn(&view(&metrics), 80, 12);
    assert!(text.contains("no full second yet") && text.contains("no request failed"), "{text}");
}
