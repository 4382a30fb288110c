//! Bodies of the fuzz targets: any bytes in, no panic, no contradiction. Run by a test over the
//! committed corpus too.

use z6_events::{
    Actor, Cause, Event, ExchangeSlot, NeverSentReason, PlannedRequest, Population, RequestId,
    Step, TargetId, Tick, WorkerId,
};
use z6_metrics::RequestRow;
use z6_scenario::Scenario;

use crate::filter::Filter;
use crate::requests::RequestJoin;

/// A scenario with a few names.
const SCENARIO: &str = "runtime.iterations = 1\n\
    targets = [{ name = 'api', base_url = 'http://a' }, { name = 'cdn', base_url = 'http://b' }]\n\
    requests = [{ name = 'get', path = '/' }, { name = 'create_user', method = 'POST', path = '/' }]";

/// Parses `data` as a filter. An error points into the text and can be shown; a filter answers each
/// request, and its negation answers the other way round.
///
/// # Panics
/// If one of these does not hold.
pub fn fuzz_filter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error:?} points into {text:?}");
            assert!(error.render(text).contains('^'));
            return;
        }
    };
    let Ok(scenario) = Scenario::from_toml(SCENARIO) else { return };
    let bound = match filter.bind(&scenario) {
        Ok(bound) => bound,
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some(), "{error:?} points into {text:?}");
            return;
        }
    };
    let negated = Filter::parse(&format!("!({text})")).and_then(|not| not.bind(&scenario));
    for row in rows(&scenario) {
        let answer = bound.matches(&row);
        // A filter at a limit cannot be negated.
        assert!(negated.as_ref().is_ok_and(|not| not.matches(&row) != answer) || negated.is_err());
    }
}

/// Requests of each kind that come without a connection.
fn rows(scenario: &Scenario) -> Vec<RequestRow> {
    let mut join = RequestJoin::new(scenario, 1);
    let request = |step| PlannedRequest {
        population: Population(0),
        actor: Actor(3),
        step: Step(step),
        request: RequestId((step % 2) as u16),
        target: TargetId((step / 2 % 2) as u16),
        planned: Tick(step * 1_000_000_007),
    };
    let event = |step: u64| match step % 3 {
        0 => Event::NeverSent { request: request(step), reason: NeverSentReason::RunEnded },
        1 => Event::NotOnWire {
            request: request(step),
            cause: Cause { error: z6_events::ErrorKind::ConnectionRefused, detail: 111 },
        },
        _ => Event::InFlightAtStop { exchange: ExchangeSlot(0) },
    };
    let row = |step: u64| {
        let at = Tick(step * 1_000_000_007 + 5_000);
        join.event(WorkerId(0), at, &event(step)).ok().flatten()
    };
    (0..12).filter_map(row).collect()
}
