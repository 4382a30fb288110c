//! Rows and values of requests: what filters and exports see of them.
#![allow(clippy::unwrap_used, reason = "tests")]

use z6_analysis::values::{Held, RowValues, ValueTrack};
use z6_analysis::{Filter, RequestJoin, RequestRow};
use z6_events::{
    Actor, ByteRange, ConnectionSlot, Event, ExchangeSlot, Irregularities, LoggedValue,
    PlannedRequest, Population, RequestId, Response, Step, TargetId, Tick, VariableId, WorkerId,
};
use z6_scenario::{Files, Overrides, Plan, Scenario};

struct Users;

impl Files for Users {
    fn read(&self, _path: &str, _max_bytes: u64) -> Result<Vec<u8>, String> {
        Ok(b"email\na@x\nb@x\nc@x\nd@x\n".to_vec())
    }
}

/// `order` gives `id` and the secret `token`; `id` lasts for an iteration, `kept` for the VU.
const SCENARIO: &str = "runtime = { iterations = 9, vus = 2 }\ntarget.base_url = 'http://h'\n\
    [[data]]\nname = 'users'\nfile = 'u.csv'\norder = 'shuffled'\n\
    [[requests]]\nname = 'order'\npath = '/{{users.email}}'\n\
    extract.id = { json = '$.id' }\nextract.token = { json = '$.t', secret = true }\n\
    extract.kept = { json = '$.k', scope = 'vu', default = 'none yet' }\n\
    [[requests]]\nname = 'read'\npath = '/{{id}}'\n\
    [sequence]\nsteps = [{ request = 'order' }, { request = 'read' }]\n";

fn scenario() -> Scenario {
    Scenario::load(SCENARIO, &Users, &Overrides::default()).unwrap().scenario
}

struct Run {
    scenario: Scenario,
    join: RequestJoin,
    at: u64,
}

impl Run {
    fn new() -> Run {
        let scenario = scenario();
        let values = ValueTrack::new(&scenario, 42);
        let join = RequestJoin::new(&scenario, 1).with_values(values);
        Run { scenario, join, at: 0 }
    }

    fn event(&mut self, event: &Event, bytes: &[u8]) -> Option<RequestRow> {
        self.at += 1;
        self.join.bytes(bytes);
        self.join.event(WorkerId(0), Tick(self.at), event).unwrap()
    }

    /// One request, and what its response gives.
    fn request(&mut self, step: u64, given: &[(u16, Option<&str>)]) -> RequestRow {
        let request = PlannedRequest {
            population: Population(0),
            actor: Actor(1),
            step: Step(step),
            request: RequestId((step % 2) as u16),
            target: TargetId(0),
            planned: Tick(self.at),
        };
        let (exchange, connection) = (ExchangeSlot(3), ConnectionSlot(0));
        let sent = Event::Sent {
            exchange,
            written_bytes: 9,
            request,
            attempt: 0,
            connection,
            request_bytes: 9,
            length_is_input: true,
        };
        if step == 0 {
            let started = Tick(0);
            let target = TargetId(0);
            self.event(&Event::ConnectStarted { connection, target, address: 0 }, b"");
            self.event(&Event::Connected { connection, started }, b"");
        }
        assert_eq!(self.event(&sent, b""), None);
        for (variable, value) in given {
            let bytes = value.unwrap_or_default().as_bytes();
            let logged = match value {
                None => LoggedValue::Missing,
                Some("?") => LoggedValue::Withheld,
                Some("#") => LoggedValue::Digest { digest: [7; 16], length: 99 },
                Some(_) => LoggedValue::Clear(ByteRange::new(0, bytes.len())),
            };
            let variable = VariableId(*variable);
            let event = Event::Value { exchange, variable, value: logged, count: None };
            self.event(&event, bytes);
        }
        let response = Response {
            first_byte: Tick(self.at),
            status: 200,
            received_bytes: 9,
            unsent_bytes: 0,
            reusable: true,
            unsolicited: false,
            irregularities: Irregularities::NONE,
            arrival: z6_events::ArrivalStamp::NONE,
        };
        self.event(&Event::Done { exchange, response, failure: None }, b"").unwrap()
    }

    fn held(&self, row: &RequestRow, variable: u16) -> Held<'_> {
        self.join.values(row).variable(VariableId(variable))
    }

    fn passes(&self, row: &RequestRow, filter: &str) -> bool {
        let filter = Filter::parse(filter).unwrap().bind(&self.scenario).unwrap();
        assert!(filter.reads_values());
        filter.matches(row, self.join.values(row))
    }
}

#[test]
fn variables_hold_what_responses_gave() {
    let mut run = Run::new();
    let order = run.request(0, &[(0, Some("7.0")), (1, Some("?")), (2, None)]);
    assert_eq!(run.held(&order, 0), Held::Clear(b"7.0"));
    assert_eq!(
        (run.held(&order, 1), run.held(&order, 2)),
        (Held::Hidden, Held::Clear(b"none yet"))
    );
    for (filter, passes) in [
        ("var.id == 7", true),
        ("var.id == '7.0'", true),
        ("var.id == '7'", false),
        ("var.id != 8 && var.id > 6.5 && 8 > var.id", true),
        ("var.id in [1, 'x', 7.00]", true),
        ("var.id ~ '.0'", true),
        ("var.id == none", false),
        ("var.kept == 'none yet' && var.kept != true", true),
        ("var.kept > 1", false),
        ("!(var.kept > 1)", true),
    ] {
        assert_eq!(run.passes(&order, filter), passes, "{filter}");
    }
    let read = run.request(1, &[]);
    assert_eq!(run.held(&read, 0), Held::Clear(b"7.0"), "what it was sent with");
    // Another iteration: what lasts for one is gone, and what is not given again.
    let order = run.request(2, &[(0, None), (1, None), (2, Some("k"))]);
    assert_eq!((run.held(&order, 0), run.held(&order, 1)), (Held::Unset, Held::Unset));
    assert!(run.passes(&order, "var.id == none && var.kept == 'k' && var.id != 7"));
    let order = run.request(4, &[(0, Some("#")), (1, None), (2, None)]);
    assert_eq!((run.held(&order, 0), run.join.digests()), (Held::Hidden, 1));
    assert!(run.passes(&order, "var.id == none"), "a digest is no value");
    run.event(&Event::VuStopped { population: Population(0), actor: Actor(1) }, b"");
    run.event(&Event::Wake, b"");
    assert_eq!(run.held(&order, 0), Held::Unset, "nothing is kept of a VU that is gone");
}

#[test]
fn rows_are_those_of_the_plan() {
    let mut run = Run::new();
    let plan = Plan::new(&run.scenario, 42);
    let mut seen = Vec::new();
    for step in 0..8 {
        let row = run
            .request(step, &[(0, None), (1, None), (2, None)][..if step % 2 == 0 { 3 } else { 0 }]);
        let planned = plan.row(0, Actor(1), Step(step)).unwrap();
        assert_eq!(run.join.values(&row).row(0), Some(planned));
        assert!(run.passes(&row, &format!("row.users == {planned}")));
        assert!(!run.passes(&row, &format!("row.users > {planned} || row.users == none")));
        assert!(run.passes(&row, &format!("row.users in [9, {planned}]")));
        seen.push(planned);
    }
    assert!(seen.windows(2).any(|pair| pair[0] != pair[1]), "{seen:?}");
    // Without what follows them, there is nothing.
    assert_eq!(RowValues::default().row(0), None);
}

#[test]
fn names_and_types_are_checked() {
    let scenario = scenario();
    for (filter, message) in [
        ("row.userz == 1", "the scenario has no data file \"userz\""),
        ("var.idd == 1", "the scenario has no variable \"idd\""),
        ("var.token == 'x'", "`token` is secret: the log withholds its values"),
    ] {
        let error = Filter::parse(filter).unwrap().bind(&scenario).unwrap_err();
        assert_eq!(error.kind.to_string(), message, "{filter}");
    }
    for (filter, message) in [
        ("row.users == 'x'", "`row.users` must be compared with a number"),
        ("row.users ~ '1'", "`row.users` cannot be compared with `contains`"),
        ("var.id > 'x'", "`var.id` cannot be compared with `>`"),
        (
            "var.id == word",
            "`var.id` must be compared with a number, a text in quotes, true or false",
        ),
    ] {
        let error = Filter::parse(filter).unwrap_err();
        assert_eq!(error.kind.to_string(), message, "{filter}");
    }
}
