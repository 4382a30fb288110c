//! A closed loop of virtual users without a network, and its events: the input of the benches of engine, log
//! and fold. Every request is answered, in order, 8 us after the one before.

use std::collections::VecDeque;

use z6_events::{ConnectedAs, Event, ExchangeSlot, Irregularities, Partition, Response, Tick};
use z6_scenario::{Plan, Scenario};
use z6_vu::engine::Progress;
use z6_vu::templates::Templates;
use z6_vu::{Command, Engine, Input, Outputs};

/// Virtual users of the loop, with one connection each.
const VUS: usize = 64;

/// Time between two responses, nanoseconds.
const ANSWER_NS: u64 = 8_000;

/// A constant schedule without think time, longer than any bench.
pub(crate) fn scenario() -> Scenario {
    let text = format!(
        r#"
        [runtime]
        duration_seconds = 86400
        vus = {VUS}
        [target]
        base_url = "http://127.0.0.1:8080"
        [[requests]]
        name = "get"
        path = "/hello"
        "#
    );
    Scenario::from_toml(&text).expect("the scenario is valid")
}

/// An engine whose requests are all answered.
pub(crate) struct ClosedLoop {
    engine: Engine,
    out: Outputs,
    now: Tick,
    in_flight: VecDeque<ExchangeSlot>,
    commands: Vec<Command>,
}

impl ClosedLoop {
    /// All virtual users connected and waiting for their first answer; `seen` gets the events.
    pub(crate) fn start(scenario: &Scenario, seen: &mut impl FnMut(Tick, &Event)) -> ClosedLoop {
        let ports = [8080];
        let wire = Templates::encode(scenario, &ports).expect("requests encode").wire(vec![1]);
        let plan = Plan::new(scenario, 42);
        let engine = Engine::new(scenario, plan, Partition::WHOLE, &wire).expect("limits fit");
        let mut this = ClosedLoop {
            engine,
            out: Outputs::default(),
            now: Tick::ZERO,
            in_flight: VecDeque::with_capacity(VUS),
            commands: Vec::new(),
        };
        this.step(Input::Wake, seen);
        assert_eq!(this.in_flight.len(), VUS);
        this
    }

    /// One request of one virtual user: the oldest is answered, the next is sent.
    pub(crate) fn request(&mut self, seen: &mut impl FnMut(Tick, &Event)) {
        self.now = self.now.plus_ns(ANSWER_NS);
        let exchange = self.in_flight.pop_front().expect("there is always one");
        let done = Input::Done {
            exchange,
            response: Response {
                first_byte: self.now,
                status: 200,
                received_bytes: 171,
                unsent_bytes: 0,
                reusable: true,
                unsolicited: false,
                irregularities: Irregularities::NONE,
                arrival: z6_events::ArrivalStamp::NONE,
            },
        };
        self.step(done, seen);
    }

    /// Gives an input to the engine and carries out its commands.
    fn step(&mut self, input: Input, seen: &mut impl FnMut(Tick, &Event)) {
        let progress = self.engine.step(self.now, input, &mut self.out);
        assert_eq!(progress, Progress::Done, "one call fires all that is due");
        self.out.events.iter().for_each(|event| seen(self.now, event));
        let mut commands = std::mem::take(&mut self.commands);
        commands.append(&mut self.out.commands);
        for command in commands.drain(..) {
            match command {
                Command::Connect { connection, .. } => {
                    let started = self.now;
                    self.step(
                        Input::Connected { connection, started, negotiated: ConnectedAs::HTTP1 },
                        seen,
                    );
                }
                Command::Send { exchange, .. } => {
                    self.in_flight.push_back(exchange);
                    self.step(
                        Input::Sent { exchange, written_bytes: 80, request_bytes: None },
                        seen,
                    );
                }
                Command::Cancel { .. } | Command::Close { .. } | Command::Forget { .. } => {
                    unreachable!("nothing ends in this loop")
                }
            }
        }
        self.commands = commands;
    }
}

/// The events of so many requests, in steady state.
#[allow(dead_code, reason = "each bench uses a part")]
pub(crate) fn events(requests: usize) -> Vec<(Tick, Event)> {
    let mut traffic = ClosedLoop::start(&scenario(), &mut |_, _| {});
    let mut events = Vec::with_capacity(2 * requests);
    for _ in 0..requests {
        traffic.request(&mut |at, event| events.push((at, *event)));
    }
    assert_eq!(events.len(), 2 * requests, "one `done` and one `sent` each");
    events
}
