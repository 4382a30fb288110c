//! `where` of an assertion: which requests it is about.
//!
//! Text in, a yes or no for each request out. All that the fold knows of a request when it ends can be asked:
//! what the scenario says of it, and the status of its response. Knows no rows and no figures.

use std::ops::Range;

use z6_events::{Population, RequestId, TargetId};

use super::error::{ExpressionError, ExpressionErrorKind};
use super::lexer::Comparison;
use super::sets::{NumberSet, TextSet};
use super::tree::Expression;
use super::vocabulary::{Search, Side, Spanned, Value, Vocabulary, Wording};
use crate::model::{Request, Target, Users};

type Result<T> = std::result::Result<T, ExpressionError>;

/// What requests are told apart by.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The requests of the scenario.
    pub requests: &'a [Request],
    /// Its targets.
    pub targets: &'a [Target],
    /// Its populations: one without a name where there is no `[[populations]]`.
    pub populations: &'a [Users],
}

impl<'a> Known<'a> {
    /// All that a scenario has.
    #[must_use]
    pub fn of(scenario: &'a crate::Scenario) -> Known<'a> {
        let crate::Scenario { requests, targets, populations, .. } = scenario;
        Known { requests, targets, populations }
    }
}

/// A request, as far as the scenario knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Whose it is.
    pub population: Population,
    /// Which it is.
    pub request: RequestId,
    /// Where it goes.
    pub target: TargetId,
}

/// Some of the requests of a scenario. Asking allocates nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    text: String,
    expression: Expression<BoundTest>,
}

impl Part {
    /// Compiles an expression for the requests of a scenario.
    ///
    /// # Errors
    /// The first thing that is wrong with it: also a name that the scenario does not have.
    pub fn compile(text: &str, known: Known<'_>) -> Result<Part> {
        let expression = super::parse(text, &mut Requests)?;
        let expression = expression.try_map(&|test| test.bind(known))?;
        Ok(Part { text: text.to_owned(), expression })
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a request belongs to it; `status` is that of its complete response.
    #[inline]
    #[must_use]
    pub fn has(&self, asked: Asked, status: Option<u16>) -> bool {
        self.expression.holds(|test| test.has(asked, status))
    }

    /// The populations that send requests which can belong to it.
    #[must_use]
    pub fn populations(&self, known: Known<'_>) -> Vec<Population> {
        let all = (0..).map(Population).zip(known.populations);
        all.filter(|(id, users)| self.can_be_sent(known, *id, users)).map(|(id, _)| id).collect()
    }

    /// Whether any request of these users can belong to it, whatever its response.
    fn can_be_sent(&self, known: Known<'_>, population: Population, users: &Users) -> bool {
        let statuses = self.statuses();
        let targets = (0..).map(TargetId).take(known.targets.len());
        (0..).map(RequestId).zip(known.requests).any(|(request, template)| {
            let goes = |id: &TargetId| template.target.is_none_or(|own| own == *id);
            let mut targets = targets.clone().filter(goes);
            users.flow.sends(request)
                && targets.any(|target| {
                    let asked = Asked { population, request, target };
                    statuses.iter().any(|status| self.has(asked, *status))
                })
        })
    }

    /// Statuses that between them meet each test that any status meets.
    fn statuses(&self) -> Vec<Option<u16>> {
        let mut statuses = vec![None, Some(100), Some(999)];
        self.expression.each(&mut |test| {
            let BoundTest::Status { set, .. } = test else { return };
            let ends = match set {
                NumberSet::Range(low, high) => vec![*low, *high],
                NumberSet::OneOf { values, .. } => values.clone(),
            };
            for end in ends {
                let around = end.saturating_sub(1)..=end.saturating_add(1);
                let around = around.filter(|status| (100..=999).contains(status));
                statuses.extend(around.map(|status| u16::try_from(status).ok()));
            }
        });
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Text(TextField),
    Status,
}

/// What is a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TextField {
    Name,
    Method,
    Target,
    Population,
    /// The tag of this name.
    Tag(String),
}

/// The fields without tags, in the order of the documentation.
const FIELDS: [&str; 6] = ["name", "method", "target", "population", "tag.NAME", "status"];

impl Field {
    fn named(name: &str) -> Option<Field> {
        Some(match name {
            "name" => Field::Text(TextField::Name),
            "method" => Field::Text(TextField::Method),
            "target" => Field::Text(TextField::Target),
            "population" => Field::Text(TextField::Population),
            "status" => Field::Status,
            _ => {
                let tag = name.strip_prefix("tag.").filter(|tag| !tag.is_empty())?;
                Field::Text(TextField::Tag(tag.to_owned()))
            }
        })
    }

    fn name(&self) -> String {
        match self {
            Field::Text(TextField::Name) => "name".to_owned(),
            Field::Text(TextField::Method) => "method".to_owned(),
            Field::Text(TextField::Target) => "target".to_owned(),
            Field::Text(TextField::Population) => "population".to_owned(),
            Field::Text(TextField::Tag(tag)) => format!("tag.{tag}"),
            Field::Status => "status".to_owned(),
        }
    }

    const fn needs(&self) -> &'static str {
        match self {
            Field::Text(_) => "a text in quotes",
            Field::Status => "a number",
        }
    }

    /// Whether each request has a value.
    const fn is_always_there(&self) -> bool {
        match self {
            Field::Text(TextField::Tag(_)) | Field::Status => false,
            Field::Text(
                TextField::Name | TextField::Method | TextField::Target | TextField::Population,
            ) => true,
        }
    }
}

/// A test on one field. `negated` turns the answer round, also that about a missing value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Text { of: TextField, set: TextSet, missing: bool, negated: bool },
    Status { set: NumberSet, negated: bool },
}

impl Test {
    /// Either of two tests of one field.
    fn or(self, other: Test) -> Test {
        match (self, other) {
            (
                Test::Text { of, set: TextSet::OneOf(mut texts), missing, negated },
                Test::Text { set: TextSet::OneOf(more), missing: also, .. },
            ) => {
                texts.extend(more);
                Test::Text { of, set: TextSet::OneOf(texts), missing: missing || also, negated }
            }
            (Test::Status { set, negated }, Test::Status { set: more, .. }) => {
                Test::Status { set: set.or(more), negated }
            }
            (first, _) => first,
        }
    }

    fn bind(&self, known: Known<'_>) -> Result<BoundTest> {
        let Known { requests, targets, populations } = known;
        let (of, set, missing, negated) = match self {
            Test::Status { set, negated } => {
                return Ok(BoundTest::Status { set: set.clone(), negated: *negated });
            }
            Test::Text { of, set, missing, negated } => (of, set, *missing, *negated),
        };
        let names = || requests.iter().map(|request| request.name.as_str());
        let methods = || requests.iter().map(|request| request.method.as_str());
        Ok(match of {
            TextField::Name => {
                set.check("request", names())?;
                BoundTest::Request(names().map(|name| set.has(name) != negated).collect())
            }
            TextField::Method => {
                set.check("method", methods())?;
                BoundTest::Request(methods().map(|method| set.has(method) != negated).collect())
            }
            TextField::Target => {
                set.check("target", targets.iter().map(|target| target.name.as_str()))?;
                let passes = |target: &Target| set.has(&target.name) != negated;
                BoundTest::Target(targets.iter().map(passes).collect())
            }
            TextField::Population => {
                let names = || populations.iter().map(|users| users.name.as_str());
                set.check("population", names().filter(|name| !name.is_empty()))?;
                BoundTest::Population(names().map(|name| set.has(name) != negated).collect())
            }
            TextField::Tag(name) => {
                let of_requests = requests.iter().flat_map(|request| &request.tags);
                let of_users = populations.iter().flat_map(|users| &users.tags);
                let tags = of_requests.chain(of_users);
                set.check_tag(name, tags.map(|tag| (tag.name.as_str(), tag.value.as_str())))?;
                let passes =
                    |value: Option<&str>| value.map_or(missing, |value| set.has(value)) != negated;
                let each = populations.iter().flat_map(|users| {
                    requests.iter().map(|request| passes(request.tag(name).or(users.tag(name))))
                });
                BoundTest::Tagged { passes: each.collect(), requests: requests.len() }
            }
        })
    }
}

/// A test with all names resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
enum BoundTest {
    /// By request.
    Request(Box<[bool]>),
    /// By target.
    Target(Box<[bool]>),
    Population(Box<[bool]>),
    /// By population and request.
    Tagged {
        passes: Box<[bool]>,
        requests: usize,
    },
    Status {
        set: NumberSet,
        negated: bool,
    },
}

impl BoundTest {
    #[inline]
    fn has(&self, asked: Asked, status: Option<u16>) -> bool {
        let Asked { population, request, target } = asked;
        match self {
            BoundTest::Request(passes) => passes.get(request.index()) == Some(&true),
            BoundTest::Target(passes) => passes.get(target.index()) == Some(&true),
            BoundTest::Population(passes) => passes.get(usize::from(population.0)) == Some(&true),
            BoundTest::Tagged { passes, requests } => {
                let of_users = usize::from(population.0) * requests;
                request.index() < *requests && passes.get(of_users + request.index()) == Some(&true)
            }
            BoundTest::Status { set, negated } => set.has(status.map(u64::from)) != *negated,
        }
    }
}

/// The vocabulary of `where`.
struct Requests;

impl Vocabulary for Requests {
    type Field = Field;
    type Test = Test;
    type List = (Field, Option<Test>);

    const WORDING: Wording = Wording {
        what: "condition",
        unit_hint: "a status is a number of three digits",
        minus_hint: Some("a status is a number of three digits"),
        has_points: true,
        has_matches: false,
        joined: "status >= 500 && status < 600",
    };

    fn field(&mut self, name: &str) -> Option<Field> {
        Field::named(name)
    }

    fn compare(
        &mut self,
        left: Spanned<Side<'_, Field>>,
        comparison: Comparison,
        right: Spanned<Side<'_, Field>>,
    ) -> Result<Test> {
        let whole = left.span.start..right.span.end;
        let kind = match (left.it, right.it) {
            (Side::Field(field), Side::Value(value)) => {
                return test(&field, comparison, value, right.span);
            }
            (Side::Value(value), Side::Field(field)) => {
                return test(&field, comparison.swapped(), value, left.span);
            }
            (Side::Value(Value::Word(word)), Side::Value(_)) => {
                return Err(ExpressionError::unknown_field(word, left.span, &FIELDS));
            }
            (Side::Field(_), Side::Field(_)) => ExpressionErrorKind::TwoFields,
            (Side::Value(_), Side::Value(_)) => ExpressionErrorKind::NoField,
        };
        Err(needs_value(kind, whole))
    }

    fn searched(&mut self, left: Spanned<Side<'_, Field>>) -> Result<Field> {
        field_of(left)
    }

    fn search(
        &mut self,
        field: Spanned<Field>,
        _: Search,
        wanted: Spanned<Option<Side<'_, Field>>>,
    ) -> Result<Test> {
        match (field.it, wanted.it) {
            (Field::Text(of), Some(Side::Value(Value::Text(part)))) => {
                let set = TextSet::Contains(part.to_owned());
                Ok(Test::Text { of, set, missing: false, negated: false })
            }
            (field @ Field::Text(_), _) => Err(mismatch(&field, wanted.span)),
            (field @ Field::Status, _) => Err(bad_operator(&field, "contains", wanted.span)),
        }
    }

    fn list(
        &mut self,
        left: Spanned<Side<'_, Field>>,
        _: Range<usize>,
    ) -> Result<(Field, Option<Test>)> {
        Ok((field_of(left)?, None))
    }

    fn item(
        &mut self,
        (field, union): &mut (Field, Option<Test>),
        item: Spanned<Side<'_, Field>>,
    ) -> Result<()> {
        let Side::Value(value) = item.it else { return Err(mismatch(field, item.span)) };
        let one = test(field, Comparison::Equal, value, item.span)?;
        *union = Some(match union.take() {
            None => one,
            Some(before) => before.or(one),
        });
        Ok(())
    }

    fn listed(&mut self, (_, union): (Field, Option<Test>)) -> Test {
        // The list is not empty.
        union.unwrap_or(Test::Status { set: NumberSet::Range(1, 0), negated: false })
    }

    fn flag(&mut self, side: Spanned<Side<'_, Field>>) -> Result<Option<Test>> {
        field_of(side).map(|_| None)
    }
}

/// `field comparison value`; `span` is the value's.
fn test(
    field: &Field,
    comparison: Comparison,
    value: Value<'_>,
    span: Range<usize>,
) -> Result<Test> {
    let negated = comparison == Comparison::NotEqual;
    let orders = comparison.is_of_order();
    if orders && matches!(field, Field::Text(_)) {
        return Err(bad_operator(field, comparison.name(), span));
    }
    if value == Value::None && field.is_always_there() {
        let kind = ExpressionErrorKind::NeverMissing { field: field.name(), owner: "request" };
        return Err(ExpressionError::new(kind, span));
    }
    match (field, value) {
        (Field::Text(of), Value::Text(text)) => {
            let set = TextSet::OneOf(vec![(text.to_owned(), span)]);
            Ok(Test::Text { of: of.clone(), set, missing: false, negated })
        }
        (Field::Text(of), Value::None) => {
            let set = TextSet::OneOf(Vec::new());
            Ok(Test::Text { of: of.clone(), set, missing: true, negated })
        }
        (Field::Status, Value::Number(number)) => {
            Ok(Test::Status { set: NumberSet::from_comparison(comparison, number, 1), negated })
        }
        (Field::Status, Value::None) if !orders => {
            Ok(Test::Status { set: NumberSet::missing(), negated })
        }
        _ => Err(mismatch(field, span)),
    }
}

fn field_of(side: Spanned<Side<'_, Field>>) -> Result<Field> {
    match side.it {
        Side::Field(field) => Ok(field),
        Side::Value(Value::Word(word)) => {
            Err(ExpressionError::unknown_field(word, side.span, &FIELDS))
        }
        Side::Value(_) => Err(needs_value(ExpressionErrorKind::NoField, side.span)),
    }
}

fn needs_value(kind: ExpressionErrorKind, span: Range<usize>) -> ExpressionError {
    let hint = || Some("compare a field with a value: `name == \"buy\"`".to_owned());
    ExpressionError::new(kind, span).or_hint(hint)
}

fn bad_operator(field: &Field, operator: &'static str, span: Range<usize>) -> ExpressionError {
    let kind = ExpressionErrorKind::BadOperator { field: field.name(), operator };
    let operators = match field {
        Field::Status => "numbers have ==, !=, <, <=, >, >= and in",
        Field::Text(_) => "texts have ==, !=, in and contains",
    };
    ExpressionError::new(kind, span).or_hint(|| Some(operators.to_owned()))
}

fn mismatch(field: &Field, span: Range<usize>) -> ExpressionError {
    let kind = ExpressionErrorKind::TypeMismatch { field: field.name(), needs: field.needs() };
    ExpressionError::new(kind, span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    const SCENARIO: &str = "runtime.duration_seconds = 1\n\
        targets = [{ name = 'api', base_url = 'http://a' }, { name = 'cdn', base_url = 'http://b' }]\n\
        [[requests]]\nname = 'home'\npath = '/'\ntags = { kind = 'page' }\n\
        [[requests]]\nname = 'buy'\nmethod = 'POST'\npath = '/'\ntarget = 'api'\n\
        tags = { kind = 'call', area = 'orders' }\n\
        [[requests]]\nname = 'logo'\npath = '/'\ntarget = 'cdn'\n";

    /// Which of `home` at api, `buy` at api with 503, `logo` at cdn unanswered.
    fn which(text: &str) -> [bool; 3] {
        let scenario = Scenario::from_toml(SCENARIO).unwrap();
        let known = Known::of(&scenario);
        let part = Part::compile(text, known).unwrap();
        let rows = [(0, 0, Some(200)), (1, 0, Some(503)), (2, 1, None)];
        rows.map(|(request, target, status)| {
            let (request, target) = (RequestId(request), TargetId(target));
            part.has(Asked { population: Population(0), request, target }, status)
        })
    }

    #[test]
    fn each_field_tells_requests_apart() {
        for (text, expected) in [
            ("name == 'home'", [true, false, false]),
            ("name != 'home'", [false, true, true]),
            ("name in ['home', \"logo\"]", [true, false, true]),
            ("name ~ 'o'", [true, false, true]),
            ("method == 'POST'", [false, true, false]),
            ("target == 'cdn'", [false, false, true]),
            ("tag.kind == 'page'", [true, false, false]),
            ("tag.kind != 'page'", [false, true, true]),
            ("tag.kind == none", [false, false, true]),
            ("tag.kind in ['call', none]", [false, true, true]),
            ("tag.area contains 'ord'", [false, true, false]),
            ("status >= 500", [false, true, false]),
            ("status == none", [false, false, true]),
            ("status != 200", [false, true, true]),
            ("status in [200, none]", [true, false, true]),
            ("500 <= status && tag.kind == 'call' || target == 'cdn'", [false, true, true]),
            ("!(name == 'buy')", [true, false, true]),
        ] {
            assert_eq!(which(text), expected, "{text}");
        }
    }

    #[test]
    fn what_no_request_can_meet_is_known() {
        let scenario = Scenario::from_toml(SCENARIO).unwrap();
        let known = Known::of(&scenario);
        for (text, can) in [
            ("name == 'buy' && target == 'api'", true),
            ("name == 'buy' && target == 'cdn'", false),
            ("name == 'home' && target == 'cdn'", true),
            ("name == 'home' && tag.area == 'orders'", false),
            ("name ~ 'nothing'", false),
            ("status == 503 && status != none", true),
            ("status > 200 && status < 202 && status != 201", false),
            ("status < 100", false),
            ("status >= 1000", false),
            ("status == 200.5", false),
            ("status > 200.5 && status < 201.5", true),
            ("!(status < 600) && !(status >= 600)", true),
        ] {
            assert_eq!(
                Part::compile(text, known).unwrap().populations(known).len() == 1,
                can,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        let scenario = Scenario::from_toml(SCENARIO).unwrap();
        let known = Known::of(&scenario);
        for (text, message, span) in [
            ("name == 'bye'", "the scenario has no request \"bye\"", 8..13),
            ("tag.knid == 'page'", "the scenario has no tag \"knid\"", 12..18),
            ("tag.kind == 'pages'", "the scenario has no tag value \"pages\"", 12..19),
            ("target == 'x'", "the scenario has no target \"x\"", 10..13),
            ("nam == 'buy'", "unknown field `nam`", 0..3),
            ("name < 'buy'", "`name` cannot be compared with `<`", 7..12),
            ("name == none", "every request has `name`: it is never `none`", 8..12),
            ("status == 'x'", "`status` must be compared with a number", 10..13),
            ("status ~ '5'", "`status` cannot be compared with `contains`", 9..12),
            ("name", "`name` is not true or false", 0..4),
            ("", "the condition is empty", 0..0),
        ] {
            let error = Part::compile(text, known).unwrap_err();
            assert_eq!((error.kind.to_string().as_str(), error.span), (message, span), "{text}");
        }
    }
}
