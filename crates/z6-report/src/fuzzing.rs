//! The body of the fuzz target `page`: any bytes as a log, whose seals are repaired first, as a page. Run by a test
//! over the committed corpus too.

use z6_events::LogReader;
use z6_events::forge::resealed;
use z6_metrics::{EndFacts, Fold, RunFacts};
use z6_scenario::Scenario;

use crate::{Facts, run_page};

/// The most that histograms by name may take, bytes.
const HISTOGRAM_BYTES: u64 = 16 << 20;

/// The page of a log. Nothing of the log is markup: the page has no more scripts than any, and each tag that opens is
/// one of ours.
///
/// # Panics
/// If not.
pub fn fuzz_page(data: &[u8]) {
    let log = resealed(data);
    let Ok(mut reader) = LogReader::new(&log[..]) else { return };
    let Ok(mut scenario) = Scenario::from_toml(&reader.header().scenario_text) else { return };
    let bytes = &mut scenario.limits.max_histogram_bytes;
    *bytes = HISTOGRAM_BYTES.min(*bytes);
    let targets: Vec<String> = scenario.targets.iter().map(|one| one.name.clone()).collect();
    let facts = Facts::from_header(reader.header(), &targets);
    let mut fold = Fold::new(&scenario, RunFacts::from_header(reader.header(), String::new()));
    fold.resolved(&reader.header().addresses);
    let Ok(ending) = z6_events::walk(&mut reader, &mut fold) else { return };
    let Ok(metrics) = fold.finish(EndFacts::from_ending(&ending)) else { return };
    let page = run_page(&metrics, &facts);
    for tag in ["<script", "<style", "<html", "<body", "<main"] {
        assert_eq!(page.matches(tag).count(), 1, "{tag}");
    }
    // What is not ours, script and style apart, begins no tag.
    let between = |start: &str, end: &str| {
        let from = page.find(start).unwrap_or(0);
        let length = page[from..].find(end).unwrap_or(0);
        from..from + length
    };
    let ours = [between("<script", "</script"), between("<style", "</style")];
    for (at, _) in
        page.match_indices('<').filter(|(at, _)| !ours.iter().any(|one| one.contains(at)))
    {
        let next = page[at + 1..].chars().next();
        let begins_tag = |c: char| c.is_ascii_alphabetic() || c == '/' || c == '!';
        assert!(next.is_some_and(begins_tag), "{}", &page[at..]);
    }
    let is_plain = |c: char| !c.is_control() || c == '\n' || c == '\t' || c == '\r';
    assert!(page.chars().all(is_plain), "a control character on a page");
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read the corpus")]
mod tests {
    use super::fuzz_page;

    #[test]
    fn page_corpus() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../z6-analysis/tests/corpus/log");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            fuzz_page(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0);
    }
}
