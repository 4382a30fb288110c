//! `z6 try`: one VU, one iteration, every request and response.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use z6::{
    Run, Scenario, ShownValue, TrialEnd, TrialEnded as Ended, TrialMoment as Moment,
    TrialOutcome as Outcome, TrialPlace, TrialSent as Sent,
};
use z6_events::{Phase, printable, printable_lines};
use z6_metrics::report::units::{count, duration, plural};
use z6_scenario::Region;

use super::curl;
use crate::args::TryArgs;
use crate::console;
use crate::exit::{Exit, UsageError};

/// Bytes of a body that are shown unless `--whole` is given.
const BODY_BYTES_SHOWN: usize = 4096;

pub(super) fn try_out(args: &TryArgs) -> anyhow::Result<Exit> {
    let source = super::source(&args.scenario.path)?;
    let run = Run::from_source(source, &args.overrides())?;
    console::findings(run.warnings(), run.source().name(), run.source().text());
    let scenario = run.scenario().clone();
    let population = population(&scenario, args)?;
    check_place(&scenario, population, args)?;
    let trial = run.trial().population(population).actor(args.vu).iteration(args.iteration);
    let mut printer = Printer { scenario, args, failed: None, headed: None };
    let end = trial.shows_secrets(args.show_secrets).run(&mut |moment| printer.print(&moment))?;
    if let Some(error) = printer.failed {
        return Err(error.into());
    }
    console::lines(&summary(&end));
    Ok(if end.is_success() { Exit::Success } else { Exit::TrialFailed })
}

/// The number of the population that is asked for.
fn population(scenario: &Scenario, args: &TryArgs) -> Result<u8, UsageError> {
    let Some(name) = &args.population else { return Ok(0) };
    let names = || scenario.populations.iter().map(|users| printable(&users.name).into_owned());
    if !scenario.has_populations() {
        return Err(UsageError("this scenario has no [[populations]]".to_owned()));
    }
    let number = scenario.populations.iter().position(|users| users.name == *name);
    number.and_then(|number| u8::try_from(number).ok()).ok_or_else(|| {
        let names = names().collect::<Vec<_>>().join(", ");
        UsageError(format!("there is no population {}: there are {names}", printable(name)))
    })
}

/// Whether the scenario has such a VU and such an iteration: that depends on no seed.
fn check_place(scenario: &Scenario, population: u8, args: &TryArgs) -> Result<(), UsageError> {
    let plan = z6::Plan::new(scenario, scenario.runtime.prng_seed.unwrap_or(0));
    let plan = plan.of(z6::Population(population));
    let vus = plan.vus().vus_started();
    if plan.model() == z6::Model::Closed && args.vu >= vus {
        return Err(UsageError(format!(
            "this scenario has {}, numbered from 0: there is no VU {}",
            plural(vus, "VU"),
            args.vu
        )));
    }
    let iterations = plan.iterations_of(z6::Actor(args.vu));
    match iterations.filter(|iterations| args.iteration >= *iterations) {
        Some(iterations) => Err(UsageError(format!(
            "VU {} has {} in this scenario, numbered from 0",
            args.vu,
            plural(iterations, "iteration")
        ))),
        None => Ok(()),
    }
}

fn summary(end: &TrialEnd) -> String {
    let mut text = format!("{} succeeded, {} failed", end.succeeded, end.failed);
    if end.not_sent > 0 {
        // Writing to a String cannot fail.
        let _ = write!(text, ", {} not sent", end.not_sent);
    }
    text
}

struct Printer<'a> {
    scenario: Scenario,
    args: &'a TryArgs,
    failed: Option<std::io::Error>,
    /// The place whose heading was printed last.
    headed: Option<TrialPlace>,
}

impl Printer<'_> {
    fn print(&mut self, moment: &Moment) {
        let text = match moment {
            Moment::Sent(sent) if self.args.curl => self.curl(sent) + "\n",
            Moment::Sent(sent) => {
                self.headed = Some(sent.place);
                self.sent(sent)
            }
            Moment::Ended(_) if self.args.curl => return,
            // There was no connection to send it on, or no value to fill it in with.
            Moment::Ended(ended) if self.headed != Some(ended.place) => {
                self.heading(&ended.place) + "\n" + &self.ended(ended)
            }
            Moment::Ended(ended) => self.ended(ended),
            Moment::NotSent { place, why } => {
                format!("{}\n  not sent: {}\n", self.heading(place), printable(why))
            }
        };
        if let Err(error) = console::results(&text) {
            self.failed.get_or_insert(error);
        }
    }

    fn curl(&self, sent: &Sent) -> String {
        let target = self.scenario.target(sent.target);
        let folder = Path::new(&self.args.scenario.path).parent().unwrap_or(Path::new(""));
        let hides = !self.args.show_secrets;
        curl::command(sent, &curl::connection(target, folder, &sent.origin, hides))
    }

    fn heading(&self, place: &TrialPlace) -> String {
        let request = self.scenario.request(place.request);
        let region = match place.region {
            Region::Start => "start".to_owned(),
            Region::Iteration(number) => format!("iteration {number}"),
            Region::Renewal(number) => format!("renewal {number}"),
            Region::End => "end".to_owned(),
        };
        let redirects = match place.redirects {
            0 => String::new(),
            redirects => format!(", redirect {redirects}"),
        };
        let name = printable(&request.name);
        match place.phase {
            Phase::SetUp => return format!("{name} (set-up, step {}{redirects})", place.step),
            Phase::TearDown => {
                return format!("{name} (tear-down, step {}{redirects})", place.step);
            }
            Phase::Main | Phase::Unknown(_) => {}
        }
        let of = match &self.args.population {
            Some(population) => format!("{}, ", printable(population)),
            None => String::new(),
        };
        format!("{name} ({of}VU {}, {region}, step {}{redirects})", self.args.vu, place.step)
    }

    fn sent(&self, sent: &Sent) -> String {
        let mut text = format!("{} to {}\n", self.heading(&sent.place), printable(&sent.origin));
        let (head, body) = split(&sent.bytes);
        push_lines(&mut text, "> ", &head);
        if !body.is_empty() {
            push_lines(&mut text, "> ", &self.body(body));
        }
        text
    }

    fn ended(&self, ended: &Ended) -> String {
        let mut text = String::new();
        if !ended.head.is_empty() {
            let head = String::from_utf8_lossy(&ended.head);
            // The head of a whole response has a limit of its own.
            let head = if ended.is_whole { head } else { self.bounded(&head).into_owned().into() };
            push_lines(&mut text, "< ", &head);
            match &ended.body {
                Some(body) if body.is_empty() => {}
                Some(body) => push_lines(&mut text, "< ", &self.body(kept_text(body, ended))),
                None if ended.is_whole && !ended.is_cut => {
                    push_lines(&mut text, "< ", "(not shown: a secret stands in it)");
                }
                None => push_lines(&mut text, "< ", "(not shown: a secret may stand in it)"),
            }
            let trailers = ended.trailers.trim_ascii();
            if !trailers.is_empty() {
                let trailers = String::from_utf8_lossy(trailers);
                push_lines(&mut text, "< ", &format!("(trailer fields)\n{trailers}"));
            }
            if ended.is_cut {
                push_lines(&mut text, "< ", "(more came, and was not kept)");
            }
        }
        for found in &ended.values {
            let value = match &found.value {
                None => "(nothing found)".to_owned(),
                Some(ShownValue::Secret) => format!("‹{}›", found.name),
                Some(ShownValue::Text(bytes)) => {
                    z6_events::json_string(&String::from_utf8_lossy(bytes))
                }
                Some(ShownValue::Literal(bytes)) => {
                    printable(&String::from_utf8_lossy(bytes)).into_owned()
                }
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {} = {value}", found.name);
        }
        for check in &ended.checks {
            let passed = if check.passed { "passed" } else { "FAILED" };
            let _ = writeln!(text, "  check {} {passed}", z6_events::json_string(&check.name));
        }
        let outcome = match &ended.outcome {
            Outcome::Succeeded { status } => format!("succeeded with {status}"),
            Outcome::Redirected { status } => format!("redirected with {status}"),
            Outcome::Failed { kind, words } if words.is_empty() => match kind.tls_words() {
                Some(words) => format!("FAILED: {}, {words}", kind.name()),
                None => format!("FAILED: {}", kind.name()),
            },
            Outcome::Failed { kind, words } => {
                format!("FAILED: {}, {}", kind.name(), printable(words))
            }
        };
        let _ = writeln!(text, "  {outcome}, {}\n", duration(ended.elapsed_ns));
        text
    }

    /// A body as text, or how long it is.
    fn body<'a>(&self, body: &'a [u8]) -> Cow<'a, str> {
        let Ok(text) = std::str::from_utf8(body) else {
            return format!("({} bytes that are not text)", count(body.len() as u64)).into();
        };
        self.bounded(text)
    }

    /// A text, or its beginning.
    fn bounded<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.args.whole || text.len() <= BODY_BYTES_SHOWN {
            return text.into();
        }
        let is_end = |end: &usize| text.is_char_boundary(*end);
        let end = (0..=BODY_BYTES_SHOWN).rev().find(is_end).unwrap_or(0);
        let more = count((text.len() - end) as u64);
        format!("{}\n({more} bytes more: --whole shows them)", &text[..end]).into()
    }
}

/// A body without a character that was cut where the body was.
fn kept_text<'a>(body: &'a [u8], ended: &Ended) -> &'a [u8] {
    match std::str::from_utf8(body) {
        Err(error) if error.error_len().is_none() && (ended.is_cut || !ended.is_whole) => {
            &body[..error.valid_up_to()]
        }
        _ => body,
    }
}

/// Head and body of a request; the head without its last line end.
pub(super) fn split(bytes: &[u8]) -> (Cow<'_, str>, &[u8]) {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let (head, body) = bytes.split_at(end);
    (String::from_utf8_lossy(head), body)
}

/// Each line with a mark before it.
fn push_lines(text: &mut String, mark: &str, lines: &str) {
    for line in printable_lines(&lines.replace("\r\n", "\n")).lines() {
        text.push_str(format!("{mark}{line}").trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_marked_and_printable() {
        let mut text = String::new();
        push_lines(&mut text, "> ", "GET / HTTP/1.1\r\nA: \u{1b}\r\n\r\n");
        assert_eq!(text, "> GET / HTTP/1.1\n> A: \\u{1b}\n>\n");
    }
}
