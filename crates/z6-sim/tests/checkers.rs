//! The checkers are checked: of a run that is in order they say nothing; if one account is changed,
//! the checker that compares it says so.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use z6_events::{ErrorKind, Event, LogReader, Phase, Population, Response, Tick};
use z6_scenario::Scenario;
use z6_sim::checkers::{Evidence, check_end};
use z6_sim::{
    CheckLevel, Checker, Leads, Meant, MeantValue, NoObserver, SimEnd, SimSpec, Truth,
    TruthRequest, simulate,
};

type Emitted = Vec<Vec<(Tick, Event)>>;

/// A run with what its checkers look at.
struct Run {
    spec: SimSpec,
    end: SimEnd<NoObserver, Vec<u8>>,
    emitted: Emitted,
    arenas: Vec<Vec<u8>>,
}

fn run(world: &str) -> Run {
    let text = format!(
        "runtime = {{ duration_seconds = 3, warmup_seconds = 0.5, vus = 6, workers = 2 }}\n\
         target = {{ base_url = 'http://simulated.invalid', request_id_header = 'Z6-Id' }}\n\
         think_time = {{ type = 'random', min_ms = 1, max_ms = 20 }}\n\
         requests = [{{ name = 'a', path = '/a', follow_redirects = 2 }}, {{ name = 'b', path = '/b', method = 'POST', body = 'x', follow_redirects = 1 }}]\n\
         {world}"
    );
    let scenario = Arc::new(Scenario::from_toml(&text).unwrap());
    let mut spec = SimSpec::new(scenario, 7, 2);
    spec.checks = CheckLevel::EachStep;
    let end = simulate(&spec, NoObserver, Vec::new()).unwrap();
    let mut emitted: Emitted = vec![Vec::new(); 2];
    let mut reader = LogReader::new(end.log.as_slice()).unwrap();
    while let Some(mut block) = reader.next_block().unwrap() {
        let worker = block.header().worker.index();
        emitted[worker].extend(block.events().map(Result::unwrap));
    }
    Run { spec, end, emitted, arenas: Vec::new() }
}

fn calm() -> Run {
    run("simulation.statuses = { 503 = 0.05 }")
}

/// The names of the checkers that object, each once.
fn objections(run: &Run, log: &[u8], emitted: &Emitted, truth: &Truth) -> Vec<Checker> {
    let evidence = Evidence {
        spec: &run.spec,
        header: &run.end.header,
        log,
        phase: Phase::Main,
        emitted,
        arenas: &run.arenas,
        truth,
        digest: run.end.digest,
        stopped_by: run.end.stopped_by,
        aside: &[],
    };
    let mut found: Vec<Checker> = check_end(&evidence).iter().map(|found| found.checker).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// What is said where the emitted events are changed; the log, which is another account, is not.
fn with_events(run: &Run, change: impl FnOnce(&mut Emitted)) -> Vec<Checker> {
    let mut emitted = run.emitted.clone();
    change(&mut emitted);
    objections(run, &run.end.log, &emitted, &run.end.truth)
}

fn with_truth(run: &Run, change: impl FnOnce(&mut Truth)) -> Vec<Checker> {
    let mut truth = run.end.truth.clone();
    change(&mut truth);
    objections(run, &run.end.log, &run.emitted, &truth)
}

/// Index of the n-th event of a kind in the first worker's list.
fn place(run: &Run, nth: usize, of: fn(&Event) -> bool) -> usize {
    let events = run.emitted[0].iter().enumerate().filter(|(_, (_, event))| of(event));
    events.map(|(index, _)| index).nth(nth).unwrap()
}

fn is_done(event: &Event) -> bool {
    matches!(event, Event::Done { failure: None, .. })
}

#[test]
fn nothing_is_said_of_runs_in_order() {
    for world in [
        "simulation.statuses = { 503 = 0.05 }",
        "simulation = { latency = 'uniform:0ms..30ms', servers = 1, keep_alive_requests = 3 }",
        "simulation.faults = { reset_in_body = 0.1, no_answer = 0.01, connect_refused = 0.2 }",
        "simulation = { redirects = 0.4, faults = { bad_redirect = 0.05, reset_in_head = 0.02 } }",
        "simulation.faults = { partial_read = 0.5, partial_write = 0.5, would_block = 0.3 }",
    ] {
        let run = run(world);
        assert_eq!(run.end.violations, [], "{world}");
        assert!(run.end.truth.requests() > 100, "{world}");
        assert_eq!(objections(&run, &run.end.log, &run.emitted, &run.end.truth), [], "{world}");
    }
}

#[test]
fn an_outcome_that_is_missing_or_there_twice_is_found() {
    let run = calm();
    let done = place(&run, 20, is_done);
    let missing = with_events(&run, |events| {
        events[0].remove(done);
    });
    assert!(missing.contains(&Checker::OneOutcome) || missing.contains(&Checker::Transitions));
    assert!(missing.contains(&Checker::ReadBack) && missing.contains(&Checker::Conservation));
    let twice = with_events(&run, |events| {
        let event = events[0][done];
        events[0].insert(done, event);
    });
    assert!(twice.contains(&Checker::Transitions), "{twice:?}");
    let skipped = with_events(&run, |events| {
        for (_, event) in &mut events[0][done..] {
            if let Event::Sent { request, .. } = event {
                request.step.0 += 1;
            }
        }
    });
    assert!(skipped.contains(&Checker::OneOutcome) && skipped.contains(&Checker::Received));
}

#[test]
fn a_connection_that_stays_and_time_that_goes_back_are_found() {
    let run = calm();
    let released = place(&run, 0, |event| matches!(event, Event::ConnectionReleased { .. }));
    let stays = with_events(&run, |events| {
        events[0].remove(released);
    });
    assert!(stays.contains(&Checker::ConnectionLeak), "{stays:?}");
    let back = with_events(&run, |events| events[0][50].0 = Tick(0));
    assert!(back.contains(&Checker::Transitions), "{back:?}");
}

#[test]
fn failures_without_a_cause_and_ends_out_of_time_are_found() {
    let run = calm();
    let done = place(&run, 5, is_done);
    let refused = with_events(&run, |events| {
        if let Event::Done { failure, .. } = &mut events[0][done].1 {
            *failure = Some(ErrorKind::ConnectionRefused);
        }
    });
    assert!(refused.contains(&Checker::Cause), "{refused:?}");
    let finished = place(&run, 0, |event| matches!(event, Event::Finished));
    let late = with_events(&run, |events| {
        for (at, _) in &mut events[0][finished..] {
            *at = at.plus_ns(3_600_000_000_000);
        }
    });
    assert!(late.contains(&Checker::Liveness), "{late:?}");
    let never = with_events(&run, |events| events[0].truncate(finished));
    assert!(never.contains(&Checker::Liveness), "{never:?}");
}

#[test]
fn a_server_that_knows_otherwise_is_heard() {
    let run = calm();
    type Change = fn(&mut Truth);
    let changes: [(&str, Change); 7] = [
        ("first byte", |truth| {
            let answered = truth.list.iter_mut().filter_map(|request| request.answer.as_mut());
            let first = answered.filter_map(|answer| answer.first_read.as_mut()).nth(3).unwrap();
            *first = first.plus_ns(1);
        }),
        ("twice", |truth| truth.list.push(truth.list[3].clone())),
        ("never", |truth| {
            truth.list.remove(3);
        }),
        ("length", |truth| truth.list[3].request_bytes += 1),
        ("before it was sent", |truth| truth.list[3].received = Tick(0)),
        ("status", |truth| truth.list[3].answer.as_mut().unwrap().status = 204),
        ("bytes", |truth| truth.list[3].answer.as_mut().unwrap().bytes += 1),
    ];
    for (what, change) in changes {
        let found = with_truth(&run, change);
        assert!(found.contains(&Checker::Server), "{what}: {found:?}");
    }
}

#[test]
fn bytes_that_the_plan_does_not_give_are_found() {
    let run = calm();
    type Change = fn(&mut Truth);
    let changes: [(&str, Change); 5] = [
        ("another template", |truth| {
            let other = truth.list.iter().find(|request| request.text != truth.list[3].text);
            truth.list[3].text = other.unwrap().text;
        }),
        ("one byte", |truth| truth.texts[0][5] ^= 1),
        ("another step", |truth| truth.list[3].id.as_mut().unwrap().step += 1),
        ("another actor", |truth| truth.list[3].id.as_mut().unwrap().actor ^= 1),
        ("no id", |truth| truth.list[3].id = None),
    ];
    for (what, change) in changes {
        let found = with_truth(&run, change);
        assert!(found.contains(&Checker::Received), "{what}: {found:?}");
    }
}

/// A run whose requests follow redirects; the first of them that was followed.
fn redirected() -> (Run, usize) {
    let run = run("simulation.redirects = 0.3");
    let list = &run.end.truth.list;
    let leads = |request: &&TruthRequest| {
        request.answer.as_ref().is_some_and(|answer| answer.leads.is_some())
    };
    let place = list.iter().position(|request| leads(&request)).unwrap();
    (run, place)
}

#[test]
fn redirects_that_lead_elsewhere_than_they_were_followed_are_found() {
    let (run, place) = redirected();
    assert!(run.end.violations.is_empty());
    assert!(run.emitted[0].iter().any(|(_, event)| matches!(event, Event::Redirected { .. })));
    let path = with_truth(&run, |truth| {
        let leads = &mut truth.list[place].answer.as_mut().unwrap().leads;
        let Some(Leads::To { path, .. }) = leads else { panic!("leads to a target") };
        path.push('x');
    });
    assert_eq!(path, [Checker::Received]);
    let status = with_truth(&run, |truth| {
        let answer = truth.list[place].answer.as_mut().unwrap();
        answer.leads = None;
    });
    assert!(status.contains(&Checker::Redirects), "{status:?}");
    let nowhere = with_truth(&run, |truth| {
        truth.list[place].answer.as_mut().unwrap().leads = Some(Leads::Nowhere);
    });
    assert!(nowhere.contains(&Checker::Redirects), "{nowhere:?}");
    let unfollowed = with_events(&run, |events| {
        let redirected = |(_, event): &(Tick, Event)| matches!(event, Event::Redirected { .. });
        let place = events[0].iter().position(redirected).unwrap();
        events[0].remove(place);
    });
    assert!(unfollowed.contains(&Checker::Transitions), "{unfollowed:?}");
}

#[test]
fn a_latency_that_is_off_is_found() {
    let run = calm();
    let measured = |truth: &Truth| {
        truth.list.iter().rposition(|request| {
            // Planned after the warm-up, whatever its think time was.
            request.received.0 > 600_000_000
                && request
                    .answer
                    .as_ref()
                    .is_some_and(|answer| answer.status == 200 && answer.read.is_some())
        })
    };
    let place = measured(&run.end.truth).unwrap();
    let slow = with_truth(&run, |truth| {
        let read = truth.list[place].answer.as_mut().unwrap().read.as_mut().unwrap();
        *read = read.plus_ns(1_000);
    });
    assert!(slow.contains(&Checker::Latency), "{slow:?}");
    let late = with_truth(&run, |truth| {
        let first = truth.list[place].answer.as_mut().unwrap().first_read.as_mut().unwrap();
        *first = first.plus_ns(1_000_000);
    });
    assert!(late.contains(&Checker::Latency), "{late:?}");
    let failed = with_events(&run, |events| {
        let fails = |(at, event): &&mut (Tick, Event)| {
            at.0 > 700_000_000 && matches!(event, Event::Done { failure: Some(_), .. })
        };
        let (at, _) = events[0].iter_mut().find(fails).unwrap();
        *at = at.plus_ns(1_000);
    });
    assert!(failed.contains(&Checker::Latency), "{failed:?}");
}

#[test]
fn a_log_that_says_otherwise_is_found() {
    let run = calm();
    let mut torn = run.end.log.clone();
    torn.truncate(torn.len() - 10);
    let found = objections(&run, &torn, &run.emitted, &run.end.truth);
    assert!(found.contains(&Checker::ReadBack), "{found:?}");
    let mut flipped = run.end.log.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let found = objections(&run, &flipped, &run.emitted, &run.end.truth);
    for checker in [Checker::ReadBack, Checker::Replay, Checker::Plan] {
        assert!(found.contains(&checker), "{checker:?}: {found:?}");
    }
}

#[test]
fn an_actor_that_ends_without_a_reason_is_found() {
    let run = calm();
    let last_done = run.emitted[0].iter().rposition(|(_, event)| is_done(event)).unwrap();
    let Event::Done { exchange, .. } = run.emitted[0][last_done].1 else { unreachable!() };
    let is_its_send =
        |event: &Event| matches!(event, Event::Sent { exchange: of, .. } if *of == exchange);
    let before = &run.emitted[0][..last_done];
    let sent = before.iter().rposition(|(_, event)| is_its_send(event)).unwrap();
    let gone = with_events(&run, |events| {
        events[0].remove(last_done);
        events[0].remove(sent);
    });
    assert!(gone.contains(&Checker::OneOutcome), "{gone:?}");
}

#[test]
fn arrivals_past_their_limit_and_refused_below_it_are_found() {
    let text = |limit: u32| {
        format!(
            "runtime = {{ duration_seconds = 1 }}\ntarget.base_url = 'http://simulated.invalid'\n\
             requests = [{{ name = 'a', path = '/' }}]\nsimulation.service = 'exponential:20ms'\n\
             schedule = {{ type = 'rate', per_second = 300, arrivals = 'poisson', max_in_flight = {limit} }}"
        )
    };
    let spec = |limit| {
        let scenario = Arc::new(Scenario::from_toml(&text(limit)).unwrap());
        SimSpec { checks: CheckLevel::End, ..SimSpec::new(scenario, 7, 1) }
    };
    let end = simulate(&spec(6), NoObserver, Vec::new()).unwrap();
    assert_eq!(end.violations, []);
    let mut emitted: Emitted = vec![Vec::new()];
    let mut reader = LogReader::new(end.log.as_slice()).unwrap();
    while let Some(mut block) = reader.next_block().unwrap() {
        emitted[0].extend(block.events().map(Result::unwrap));
    }
    let mut run = Run { spec: spec(6), end, emitted, arenas: Vec::new() };
    let caps = |run: &Run| {
        objections(run, &run.end.log, &run.emitted, &run.end.truth).contains(&Checker::Caps)
    };
    assert!(!caps(&run));
    for wrong in [5, 7] {
        run.spec = spec(wrong);
        assert!(caps(&run), "{wrong}");
    }
}

#[test]
fn a_connection_that_is_kept_against_the_servers_word_is_found() {
    let run = run("simulation.keep_alive_requests = 3");
    let announced = run.emitted[0].iter().position(|(_, event)| {
        matches!(event, Event::Done { response: Response { reusable: false, .. }, .. })
    });
    let kept = with_events(&run, |events| {
        if let Event::Done { response: Response { reusable, .. }, .. } =
            &mut events[0][announced.unwrap()].1
        {
            *reusable = true;
        }
    });
    assert!(kept.contains(&Checker::Server), "{kept:?}");
}

#[test]
fn a_turn_that_is_anothers_is_found() {
    let text = "runtime = { duration_seconds = 3, vus = 8 }\n\
         target = { base_url = 'http://simulated.invalid', connection_reuse = 'shared', max_connections = 2 }\n\
         think_time = { type = 'random', min_ms = 1, max_ms = 5 }\n\
         requests = [{ name = 'a', path = '/' }]";
    let scenario = Arc::new(Scenario::from_toml(text).unwrap());
    let mut spec = SimSpec::new(scenario, 7, 1);
    spec.checks = CheckLevel::EachStep;
    let end = simulate(&spec, NoObserver, Vec::new()).unwrap();
    assert!(end.violations.is_empty());
    let mut reader = LogReader::new(end.log.as_slice()).unwrap();
    let mut emitted: Emitted = vec![Vec::new()];
    while let Some(mut block) = reader.next_block().unwrap() {
        emitted[0].extend(block.events().map(Result::unwrap));
    }
    let run = Run { spec, end, emitted, arenas: Vec::new() };
    // Two that wait for a connection change places.
    let swapped = with_events(&run, |emitted| {
        let sent = emitted[0].iter().enumerate();
        let sent = sent.filter(|(_, (_, event))| matches!(event, Event::Sent { .. }));
        let [first, second] = [50, 51].map(|n| sent.clone().nth(n).unwrap().0);
        let request = |event: &Event| match event {
            Event::Sent { request, .. } => *request,
            other => panic!("{other:?}"),
        };
        let requests = [request(&emitted[0][first].1), request(&emitted[0][second].1)];
        for (place, new) in [(first, requests[1]), (second, requests[0])] {
            if let Event::Sent { request, .. } = &mut emitted[0][place].1 {
                *request = new;
            }
        }
    });
    assert!(swapped.contains(&Checker::Turns), "{swapped:?}");
    // A VU ends that has no reason to.
    let ended = with_events(&run, |emitted| {
        let (at, _) = emitted[0][100];
        emitted[0].insert(
            101,
            (at, Event::VuStopped { population: Population(0), actor: z6_events::Actor(3) }),
        );
    });
    assert!(ended.contains(&Checker::Turns), "{ended:?}");
}

/// Values that are secret: no event names bytes of them.
#[test]
fn values_and_checks_that_are_not_as_meant_are_found() {
    let text = "
        runtime = { iterations = 5, vus = 2 }
        target.base_url = 'http://simulated.invalid'
        [[requests]]
        name = 'a'
        path = '/a'
        extract.token = { json = '$.token', secret = true }
        checks.own = 'json(\"$.vu\") == vu'";
    let scenario = Arc::new(Scenario::from_toml(text).unwrap());
    let mut spec = SimSpec::new(scenario, 7, 1);
    spec.checks = CheckLevel::EachStep;
    let end = simulate(&spec, NoObserver, Vec::new()).unwrap();
    assert_eq!((end.violations.len(), end.truth.list.len()), (0, 10));
    let mut reader = LogReader::new(end.log.as_slice()).unwrap();
    let mut emitted: Emitted = vec![Vec::new()];
    while let Some(mut block) = reader.next_block().unwrap() {
        emitted[0].extend(block.events().map(Result::unwrap));
    }
    let run = Run { spec, end, emitted, arenas: Vec::new() };
    let meant = |change: fn(&mut Meant)| {
        with_truth(&run, |truth| {
            let answer = truth.list[3].answer.as_mut().unwrap();
            change(answer.meant.as_mut().unwrap());
        })
    };
    assert_eq!(meant(|_| {}), []);
    assert_eq!(meant(|meant| meant.failed_checks = 1), [Checker::Answers]);
    assert_eq!(meant(|meant| meant.values[0] = MeantValue::Missing), [Checker::Answers]);
    let unlogged = with_events(&run, |events| {
        let value = events[0].iter().position(|(_, event)| matches!(event, Event::Value { .. }));
        events[0].remove(value.unwrap());
    });
    assert!(unlogged.contains(&Checker::Answers), "{unlogged:?}");
}

#[test]
fn every_checker_has_a_name_of_its_own() {
    let mut names = Checker::ALL.map(Checker::name).to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Checker::ALL.len());
}

/// The checkers look at set-up as at the run itself: at its events, and at what the log and the figures say of them.
#[test]
fn what_is_wrong_about_set_up_is_found() {
    let text = "runtime = { iterations = 2, vus = 2, workers = 1 }\n\
                target = { base_url = 'http://simulated.invalid', request_id_header = 'Z6-Id' }\n\
                setup.sequence = 'before'\n\
                sequences = [{ name = 'before', steps = [{ request = 'a', repeat = 3 }] }]\n\
                sequence.steps = [{ request = 'b' }]\n\
                requests = [{ name = 'a', path = '/a' }, { name = 'b', path = '/b' }]";
    let scenario = Arc::new(Scenario::from_toml(text).unwrap());
    let setup = Arc::new(scenario.of_phase(Phase::SetUp, 1).unwrap());
    let (mut spec, setup) = (SimSpec::new(scenario, 7, 1), SimSpec::new(setup, 7, 1));
    spec.checks = CheckLevel::EachStep;
    let end = simulate(&spec, NoObserver, Vec::new()).unwrap();
    assert_eq!(end.violations, []);
    let events = |phase| {
        let (mut found, mut reader) = (Vec::new(), LogReader::new(end.log.as_slice()).unwrap());
        while let Some(mut block) = reader.next_block().unwrap() {
            if block.header().phase == phase {
                found.extend(block.events().map(Result::unwrap));
            }
        }
        vec![found]
    };
    let main = events(Phase::Main);
    let (arenas, nothing) = (Vec::new(), Truth::default());
    let found = |change: &dyn Fn(&mut Emitted)| {
        let mut emitted: Emitted = events(Phase::SetUp);
        change(&mut emitted);
        let run = Evidence {
            spec: &spec,
            header: &end.header,
            log: &end.log,
            phase: Phase::Main,
            emitted: &main,
            arenas: &arenas,
            truth: &end.truth,
            digest: end.digest,
            stopped_by: end.stopped_by,
            aside: &[],
        };
        let aside = [Evidence {
            spec: &setup,
            phase: Phase::SetUp,
            emitted: &emitted,
            truth: &nothing,
            ..run
        }];
        let mut found: Vec<Checker> = check_end(&Evidence { aside: &aside, ..run })
            .iter()
            .map(|found| found.checker)
            .collect();
        found.dedup();
        found
    };
    // Nothing was received as far as this server knows.
    assert_eq!(found(&|_| {}), [Checker::Server]);
    let place = |events: &[(Tick, Event)]| events.iter().position(|(_, event)| is_done(event));
    let missing = found(&|events| {
        let done = place(&events[0]).unwrap();
        events[0].remove(done);
    });
    for checker in [Checker::ReadBack, Checker::Conservation] {
        assert!(missing.contains(&checker), "{missing:?}");
    }
    assert!(missing.contains(&Checker::OneOutcome) || missing.contains(&Checker::Transitions));
    let twice = found(&|events| {
        let done = events[0][place(&events[0]).unwrap()];
        events[0].push(done);
    });
    assert!(twice.contains(&Checker::Transitions), "{twice:?}");
}
