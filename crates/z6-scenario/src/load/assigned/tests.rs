//! Each test is a few requests that extract and use variables, an order of them, and what is said of it.

use z6_http::template::{Template, TextKind};

use super::*;
use crate::Scenario;
use crate::journey::{DataFile, Extract, ExtractFrom, OnEnd, Renew, Repeat, Variable};
use crate::values::Order;

/// A request by name: what it extracts (`?` behind a name that may be missing), and what it uses (`?` before a
/// name in a check, `=` in an extraction, `|` with a default).
type Given = (&'static str, &'static str, &'static str);

struct Case {
    requests: Vec<Request>,
    values: ValueTable,
    uses: Vec<Use>,
}

impl Case {
    fn new(given: &[Given]) -> Case {
        let list: Vec<String> =
            given.iter().map(|(name, ..)| format!("{{ name = '{name}', path = '/' }}")).collect();
        let text = format!(
            "runtime.iterations = 1\ntarget.base_url = 'http://h'\nrequests = [{}]\n",
            list.join(", ")
        );
        let requests = Scenario::from_toml(&text).unwrap().requests;
        let mut case = Case { requests, values: ValueTable::default(), uses: Vec::new() };
        for (request, (_, extracts, uses)) in given.iter().enumerate() {
            for name in extracts.split_whitespace() {
                let variable = case.variable(name.trim_end_matches('?'));
                let text = Template::compile("x", TextKind::Plain, |_| None).unwrap();
                case.requests[request].reading.extracts.push(Extract {
                    variable,
                    text: String::new(),
                    from: ExtractFrom::Value(text),
                    default: None,
                    is_required: !name.ends_with('?'),
                    is_always: false,
                    is_clear: false,
                    is_list: false,
                });
            }
            for name in uses.split_whitespace() {
                let variable = case.variable(name.trim_start_matches(['?', '=', '|']));
                let when = match name.as_bytes()[0] {
                    b'?' => When::Check,
                    b'=' => When::Extract,
                    _ => When::Sending,
                };
                let has_default = name.starts_with('|');
                let (source, span) = (ValueSource::Variable(variable), None);
                case.uses.push(Use { request, source, span, has_default, when });
            }
        }
        case
    }

    fn variable(&mut self, name: &str) -> VariableId {
        let variables = &mut self.values.variables;
        let index = variables.iter().position(|variable| variable.name == name);
        let index = index.unwrap_or_else(|| {
            let (name, scope, is_secret) = (name.to_owned(), Scope::Iteration, false);
            variables.push(Variable { name, scope, is_secret });
            variables.len() - 1
        });
        VariableId(index as u16)
    }

    fn steps(&self, names: &str) -> Vec<SequenceStep> {
        let step = |name: &str| {
            let (name, max) =
                name.split_once('*').map_or((name, 1), |(n, m)| (n, m.parse().unwrap()));
            let index = self.requests.iter().position(|request| request.name == name).unwrap();
            let (request, repeat) = (RequestId(index as u16), Repeat { min: 1, max });
            SequenceStep { request, repeat, on_failure: None, think_time: None }
        };
        names.split_whitespace().map(step).collect()
    }

    /// What is said of the lists `start`, steps and `renew`.
    fn said(&mut self, start: &str, steps: &str, renew: &str) -> Vec<String> {
        self.said_of([start, steps, renew, ""])
    }

    /// The same, with `end`.
    fn said_of(&mut self, [start, steps, renew, end]: [&str; 4]) -> Vec<String> {
        let renew = self.steps(renew);
        let renew = Renew { steps: renew, on_status: vec![401], every_ns: None };
        let flow = Flow {
            start: self.steps(start),
            steps: self.steps(steps),
            renew: Some(renew).filter(|renew| !renew.steps.is_empty()),
            end: self.steps(end),
            ..Flow::default()
        };
        let renewals = flow.renew.iter().flat_map(|renew| &renew.steps);
        for step in flow.start.iter().chain(renewals) {
            for variable in extracted(&self.requests, step.request) {
                self.values.variables[usize::from(variable.0)].scope = Scope::Vu;
            }
        }
        let mut cx = Context::new("");
        check(
            &mut cx,
            (std::slice::from_ref(&flow), &Phases::default()),
            &self.requests,
            &self.values,
            &self.uses,
            &[],
        );
        cx.findings.finish().list.into_iter().map(|finding| finding.message).collect()
    }
}

fn said(given: &[Given], [start, steps, renew]: [&str; 3]) -> Vec<String> {
    Case::new(given).said(start, steps, renew)
}

const LOGIN: Given = ("login", "token", "");
const PROFILE: Given = ("profile", "", "token");

#[test]
fn what_comes_first_is_there() {
    let quiet: [&[Given]; 4] = [
        &[LOGIN, PROFILE],
        &[LOGIN, ("profile", "", "?token")],
        &[LOGIN, ("profile", "copy", "=token")],
        &[LOGIN, ("profile", "token", "token")],
    ];
    for given in quiet {
        for lists in
            [["", "login profile", ""], ["login", "profile", ""], ["login", "login profile", ""]]
        {
            // A response that replaces the token leaves one for the next iteration.
            assert_eq!(said(given, lists), [""; 0], "{given:?} {lists:?}");
        }
    }
}

#[test]
fn what_comes_later_or_never_is_not() {
    let later = "`token` is not set here: it is extracted by `login`, which comes later";
    assert_eq!(said(&[LOGIN, PROFILE], ["", "profile login", ""]), [later]);
    assert_eq!(said(&[LOGIN, PROFILE], ["profile", "login profile", ""]), [later]);
    assert_eq!(said(&[LOGIN, PROFILE], ["", "profile", "login"]), [later]);
    let never = "`token` is not set here: it is extracted by `login`, which no step sends";
    assert_eq!(said(&[LOGIN, PROFILE], ["", "profile", ""]), [never]);
    let own = "`token` is not set here: it is extracted from the response to this request";
    assert_eq!(said(&[("login", "token", "token")], ["", "login", ""]), [own]);
    let check = "`token` is not set here: it is extracted from this response, after its checks";
    assert_eq!(said(&[("login", "token", "?token")], ["", "login", ""]), [check]);
    assert_eq!(said(&[("login", "token a", "=token")], ["", "login", ""]), [""; 0]);
    assert_eq!(said(&[LOGIN, ("profile", "", "|token")], ["", "profile login", ""]), [""; 0]);
}

#[test]
fn what_a_response_may_not_have_may_be_unset() {
    let login = ("login", "token?", "");
    let maybe = "`token` may be unset here: `login` sets it only if the response has it";
    assert_eq!(said(&[login, PROFILE], ["", "login profile", ""]), [maybe]);
    assert_eq!(said(&[login, PROFILE], ["login", "profile", ""]), [maybe]);
    assert_eq!(said(&[login, ("profile", "", "|token")], ["", "login profile", ""]), [""; 0]);
    assert_eq!(said(&[login, ("profile", "", "?token")], ["", "login profile", ""]), [""; 0]);
    // What a later step leaves unset is so in the next iteration.
    let again = ("again", "token?", "");
    let maybe = "`token` may be unset here: `again` sets it only if the response has it";
    assert_eq!(said(&[LOGIN, PROFILE, again], ["login", "profile again", ""]), [maybe]);
    assert_eq!(said(&[LOGIN, PROFILE, again], ["login", "profile", "again"]), [maybe]);
    assert_eq!(said(&[LOGIN, PROFILE, again], ["", "login profile again", ""]), [""; 0]);
}

#[test]
fn repeats_see_what_they_left() {
    let next = ("next", "cursor?", "cursor");
    let first = ("first", "cursor", "");
    let maybe = "`cursor` may be unset here: `next` sets it only if the response has it";
    assert_eq!(said(&[first, next], ["", "first next", ""]), [""; 0]);
    assert_eq!(said(&[first, next], ["", "first next*3", ""]), [maybe]);
}

#[test]
fn a_variable_of_an_iteration_ends_with_it() {
    // `login` runs in each iteration, after the use.
    let later = "`token` is not set here: it is extracted by `login`, which comes later";
    let mut case = Case::new(&[LOGIN, PROFILE]);
    case.values.variables[0].scope = Scope::Vu;
    assert_eq!(case.said("", "profile login", ""), [later], "the first iteration has none");
    // A renewal sees nothing of an iteration.
    let cart = ("cart", "cart", "");
    let renew = ("renew", "token", "cart");
    let never = "`cart` is not set here: it is extracted by `cart`, which comes later";
    assert_eq!(said(&[LOGIN, PROFILE, cart, renew], ["login", "cart profile", "renew"]), [never]);
}

#[test]
fn requests_drawn_by_weight_see_only_what_lives_as_long_as_the_vu() {
    let alone = "`token` is not set here: it is extracted by `login`, in another iteration";
    assert_eq!(said(&[LOGIN, PROFILE], [""; 3]), [alone]);
    let mut case = Case::new(&[LOGIN, PROFILE]);
    case.values.variables[0].scope = Scope::Vu;
    let maybe = "`token` may be unset here: `login` may not have been sent before";
    assert_eq!(case.said("", "", ""), [maybe]);
}

#[test]
fn start_and_renewals_are_outside_of_iterations() {
    let mut case = Case::new(&[LOGIN, PROFILE]);
    let mut reader = z6_extract::rows::Reader::new(
        z6_extract::rows::Format::Csv,
        z6_extract::rows::Limits::default(),
    );
    reader.push(b"email\na\n").unwrap();
    let table = std::sync::Arc::new(reader.finish().unwrap());
    for (name, per) in [("users", Per::Vu), ("terms", Per::Iteration)] {
        case.values.data.push(DataFile {
            name: name.to_owned(),
            file: String::new(),
            table: table.clone(),
            per,
            order: Order::Sequential,
            is_unique: false,
            on_end: OnEnd::Repeat,
            secret: Vec::new(),
            is_attached: true,
            original: crate::journey::OriginalFile::default(),
            weight: None,
        });
    }
    let column = |data| ValueSource::Column { data, column: 0 };
    for source in [column(0), column(1), ValueSource::Iteration, ValueSource::Step] {
        let (request, span, has_default, when) = (0, None, false, When::Sending);
        case.uses.push(Use { request, source, span, has_default, when });
    }
    let expected = [
        "`terms.email` has no row in `start`, `renew` and `end`",
        "`iteration` has no value in `start`, `renew` and `end`",
    ];
    assert_eq!(case.said("login", "profile", ""), expected);
    assert_eq!(case.said("login", "profile", "login"), expected);
    assert_eq!(case.said_of(["", "login profile", "", "login"]), expected);
    assert_eq!(case.said("", "login profile", ""), [""; 0]);
}

/// What an iteration sets is gone at the end, unless it is kept for the VU.
#[test]
fn the_end_knows_what_lives_as_long_as_the_vu() {
    let given = [LOGIN, PROFILE];
    assert_eq!(Case::new(&given).said_of(["login", "profile", "", "profile"]), [""; 0]);
    assert_eq!(Case::new(&given).said_of(["", "login profile", "", ""]), [""; 0]);
    let gone = "`token` is not set here: it is extracted by `login`, and kept for an iteration";
    assert_eq!(Case::new(&given).said_of(["", "login", "", "profile"]), [gone]);
    assert_eq!(Case::new(&given).said_of(["", "login", "", "login profile"]), [""; 0]);
}

#[test]
fn many_requests_and_variables_are_read_in_time() {
    let given: Vec<Given> = vec![LOGIN; 3_000];
    let mut case = Case::new(&given[..1]);
    case.requests = vec![case.requests[0].clone(); 3_000];
    for (index, request) in case.requests.iter_mut().enumerate() {
        request.reading.extracts[0].variable = VariableId(index as u16);
        let (name, scope, is_secret) = (format!("v{index}"), Scope::Vu, false);
        case.values.variables.push(Variable { name, scope, is_secret });
        let source = ValueSource::Variable(VariableId(index as u16));
        let (span, has_default, when) = (None, false, When::Sending);
        case.uses.push(Use { request: index, source, span, has_default, when });
    }
    assert_eq!(case.said("", "", "").len(), 1_001);
}
