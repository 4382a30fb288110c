//! What the journey part of the digest covers, and what it leaves out.

use std::collections::BTreeMap;
use std::sync::Arc;

use z6_events::VariableId;
use z6_http::template::{TextKind, ValueId};

use super::*;
use crate::journey::{Extract, OnFailure, SecretSource, ValueTable};
use crate::plan::plan_digest;
use crate::plan::sample::{journey, scenario};
use crate::random::Weights;

type Change = fn(&mut Scenario);

/// Login gives the token that the last request sends.
fn sample() -> Scenario {
    let mut scenario = journey();
    let template = Template::compile("{{token}}", TextKind::Plain, |_| Some(ValueId(3))).unwrap();
    scenario.requests[0].reading.extracts = vec![Extract {
        variable: VariableId(0),
        text: "json = $.token".to_owned(),
        from: ExtractFrom::Value(template.clone()),
        default: None,
        is_required: true,
        is_always: false,
        is_clear: false,
        is_list: false,
    }];
    if let Some(rendering) = &mut scenario.requests[2].rendering {
        rendering.auth = Some(Auth::Basic { user: template.clone(), password: template });
        rendering.body = Some(vec![BodyPart::Bytes(Arc::from(&b"file"[..]))]);
    }
    scenario
}

fn file(scenario: &mut Scenario) -> &mut DataFile {
    &mut scenario.values.data[0]
}

#[test]
fn the_digest_covers_what_values_and_places_depend_on() {
    let changes: [(&str, Change); 25] = [
        ("requests in all", |s| s.runtime.requests = Some(9)),
        ("start", |s| s.populations[0].flow.start[0].repeat.max = 2),
        ("no start", |s| s.populations[0].flow.start.clear()),
        ("fewest repeats", |s| s.populations[0].flow.steps[0].repeat.min = 2),
        ("renewal", |s| s.populations[0].flow.renew = None),
        ("steps of a renewal", |s| {
            s.populations[0].flow.renew.as_mut().unwrap().steps[0].repeat.max = 2;
        }),
        ("end", |s| s.populations[0].flow.end = s.populations[0].flow.start.clone()),
        ("another end", |s| s.populations[0].flow.end = s.populations[0].flow.steps.clone()),
        ("a block of an end", |s| {
            let flow = &mut s.populations[0].flow;
            flow.end = flow.start.clone();
            let kind = BlockKind::Repeat(crate::journey::Repeat::times(2));
            flow.blocks = vec![Block { part: FlowPart::End, steps: 0..1, kind }];
        }),
        ("name of a file", |s| file(s).name.push('s')),
        ("whose a row is", |s| file(s).per = Per::Iteration),
        ("order", |s| file(s).order = Order::Shuffled),
        ("drawn rows", |s| file(s).order = Order::Random(None)),
        ("weights", |s| file(s).order = Order::Random(Some(Weights::new([1, 1])))),
        ("other weights", |s| file(s).order = Order::Random(Some(Weights::new([1, 2])))),
        ("rows that come again", |s| {
            (file(s).is_unique, file(s).on_end) = (false, OnEnd::Repeat);
        }),
        ("content", |s| {
            let limits = z6_extract::rows::Limits::default();
            let mut reader = z6_extract::rows::Reader::new(z6_extract::rows::Format::Csv, limits);
            reader.push(b"email,password\na@x.example,geheim\nB@x.example,hidden\n").unwrap();
            file(s).table = Arc::new(reader.finish().unwrap());
        }),
        ("a column that is secret", |s| file(s).secret = vec![0, 1]),
        ("a random value", |s| {
            s.values.random[0].by = MadeBy::Integer { min: 1, max: 6 };
        }),
        ("how long a random value lasts", |s| s.values.random[0].per = Per::Vu),
        ("kind of a random value", |s| s.values.random[0].by = MadeBy::Uuid),
        ("an extraction", |s| s.requests[0].reading.extracts[0].text.push('s')),
        ("a default", |s| s.requests[0].reading.extracts[0].default = Some(Vec::new())),
        ("a part of a body", |s| {
            let part = BodyPart::Bytes(Arc::from(&b"File"[..]));
            s.requests[2].rendering.as_mut().unwrap().body = Some(vec![part]);
        }),
        ("authentication", |s| s.requests[2].rendering.as_mut().unwrap().auth = None),
    ];
    let mut digests = BTreeMap::from([(plan_digest(&sample(), 1), "nothing")]);
    for (name, change) in changes {
        let mut changed = sample();
        change(&mut changed);
        let same = digests.insert(plan_digest(&changed, 1), name);
        assert_eq!(same, None, "{name} gives the digest of another");
    }
}

#[test]
fn the_digest_leaves_out_where_secrets_are_and_when_steps_are_left_out() {
    let changes: [(&str, Change); 10] = [
        ("source of a secret", |s| {
            s.values.secrets[0].from = SecretSource::File("token.txt".to_owned());
        }),
        ("path of a file", |s| file(s).file = "other/users.csv".to_owned()),
        ("secret columns", |s| {
            let limits = z6_extract::rows::Limits::default();
            let mut reader = z6_extract::rows::Reader::new(z6_extract::rows::Format::Csv, limits);
            reader.push(b"email,password\na@x.example,1\nb@x.example,2\n").unwrap();
            file(s).table = Arc::new(reader.finish().unwrap());
        }),
        ("status that renews", |s| {
            s.populations[0].flow.renew.as_mut().unwrap().on_status = vec![403];
        }),
        ("age that renews", |s| s.populations[0].flow.renew.as_mut().unwrap().every_ns = Some(1)),
        ("the pause after an empty iteration", |s| {
            s.populations[0].flow.empty_iteration_ns = 1;
        }),
        ("what follows a failure", |s| s.populations[0].flow.on_failure = OnFailure::EndIteration),
        ("the same at a step", |s| {
            s.populations[0].flow.steps[0].on_failure = Some(OnFailure::StopRun);
        }),
        ("scope of a variable", |s| {
            s.values.variables[0].scope = crate::Scope::Iteration;
        }),
        ("an extraction that nothing is filled in with", |s| {
            let name = "id".to_owned();
            s.values.variables.push(crate::Variable {
                name,
                scope: crate::Scope::Iteration,
                is_secret: false,
            });
            let mut extract = s.requests[0].reading.extracts[0].clone();
            extract.variable = VariableId(1);
            s.requests[0].reading.extracts.push(extract);
        }),
    ];
    for (name, change) in changes {
        let mut changed = sample();
        change(&mut changed);
        assert_eq!(plan_digest(&changed, 1), plan_digest(&sample(), 1), "{name}");
    }
}

#[test]
fn a_scenario_without_all_this_has_the_digest_without_it() {
    let mut plain = scenario();
    plain.values = ValueTable::default();
    assert!(!is_used(&plain));
    assert!(is_used(&sample()));
    plain.requests[0].reading.checks.push(crate::RequestCheck {
        name: "is ok".to_owned(),
        check: crate::expression::Check::compile("status == 200", &mut |_| None).unwrap(),
        fails: true,
    });
    assert_eq!(plan_digest(&plain, 1), plan_digest(&scenario(), 1));
}

/// The file as one who reads it from a log has it.
fn of_a_log(scenario: &Scenario) -> Scenario {
    let mut again = scenario.clone();
    let open = scenario.values.open_columns(0);
    let held =
        scenario.values.data[0]
            .projected(&open, scenario.limits.max_attachment_bytes, &|_| [0; 16]);
    file(&mut again).table = Arc::new(crate::projected_table(&held).unwrap());
    again
}

#[test]
fn what_a_log_holds_of_a_file_gives_the_same_digest() {
    let changes: [(&str, Change); 5] = [
        ("nothing", |_| ()),
        ("attach = false", |s| file(s).is_attached = false),
        ("a file that is too large", |s| s.limits.max_attachment_bytes = 10),
        ("weights alone", |s| {
            (file(s).weight, file(s).is_attached) = (Some(1), false);
            file(s).order = Order::Random(Some(Weights::new([1, 2])));
        }),
        ("a column of weights that is used", |s| {
            (file(s).weight, file(s).secret) = (Some(1), Vec::new());
            s.limits.max_attachment_bytes = 10;
        }),
    ];
    for (name, change) in changes {
        let mut changed = sample();
        change(&mut changed);
        let again = of_a_log(&changed);
        assert_eq!(plan_digest(&again, 1), plan_digest(&changed, 1), "{name}");
    }
}
