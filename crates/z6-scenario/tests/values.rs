//! What the tables of values become: parameters, secrets, data, random values, templates, extractions.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;

use z6_events::VariableId;
use z6_extract::rows::Table;
use z6_http::template::{Filled, Template, Value, ValueId, Values};
use z6_scenario::journey::BodyPart;
use z6_scenario::values::{MadeBy, Order, Per};
use z6_scenario::{
    Auth, ExtractFrom, Files, Loaded, NoFiles, OnEnd, Overrides, Request, Scenario, Scope,
    SecretSource, ValueSource, projected_table,
};

/// Files and variables of the environment.
#[derive(Default)]
struct World {
    files: BTreeMap<&'static str, Vec<u8>>,
    environment: BTreeMap<&'static str, &'static str>,
}

impl World {
    fn file(mut self, name: &'static str, content: impl AsRef<[u8]>) -> World {
        self.files.insert(name, content.as_ref().to_vec());
        self
    }
}

impl Files for World {
    fn read(&self, path: &str, max_bytes: u64) -> Result<Vec<u8>, String> {
        match self.files.get(path) {
            Some(bytes) if bytes.len() as u64 <= max_bytes => Ok(bytes.clone()),
            Some(_) => Err(format!("it holds more than {max_bytes} bytes")),
            None => Err("No such file or directory".to_owned()),
        }
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.environment.get(name).map(|value| (*value).to_owned())
    }
}

const BASE: &str = "runtime.iterations = 1\ntarget.base_url = 'http://h'\n";

fn load(text: &str, world: &World) -> Loaded {
    load_with(text, world, &[])
}

fn load_with(text: &str, world: &World, params: &[(&str, &str)]) -> Loaded {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let overrides = Overrides { params: params.iter().map(pair).collect(), ..Overrides::default() };
    Scenario::load(text, world, &overrides)
        .unwrap_or_else(|findings| panic!("{}", findings.render("s.toml", text, false)))
}

fn findings(text: &str, world: &World) -> String {
    match Scenario::load(text, world, &Overrides::default()) {
        Ok(loaded) => loaded.warnings.render("s.toml", text, false),
        Err(findings) => findings.render("s.toml", text, false),
    }
}

/// The one request of a scenario with these lines.
fn request(lines: &str) -> (Request, Scenario) {
    let text = format!("{BASE}{lines}");
    let scenario = load(&text, &World::default()).scenario;
    (scenario.requests[0].clone(), scenario)
}

/// Each value is its name between `<` and `>`; a number is 7.
struct Names<'s>(&'s Scenario, Vec<String>);

impl<'s> Names<'s> {
    fn of(scenario: &'s Scenario) -> Names<'s> {
        let sources = scenario.values.sources.iter();
        let name = |source: &ValueSource| format!("<{}>", scenario.values.name_of(*source));
        Names(scenario, sources.map(name).collect())
    }

    fn filled(&self, template: &Template) -> String {
        let (mut filled, mut out) = (Filled::default(), Vec::new());
        let part = template.fill(self, &mut filled).unwrap();
        template.write(&filled, &part, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn body(&self, request: &Request) -> String {
        let rendering = request.rendering.as_ref().unwrap();
        let parts = rendering.body.iter().flatten().map(|part| match part {
            BodyPart::Text(template) => self.filled(template),
            BodyPart::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        });
        parts.collect()
    }
}

impl Values for Names<'_> {
    fn value(&self, id: ValueId) -> Option<Value<'_>> {
        match self.0.values.source(id)? {
            ValueSource::Vu | ValueSource::Step => Some(Value::literal(b"7")),
            _ => Some(Value::text(self.1[usize::from(id.0)].as_bytes())),
        }
    }
}

#[test]
fn a_request_without_placeholders_is_a_plain_one() {
    let text = format!(
        "{BASE}[parameters]\nid = 'a b'\n[[requests]]\nname = 'a'\nmethod = 'POST'\n\
         path = '/x y/{{{{param.id}}}}'\nheaders = {{ A = '{{{{param.id}}}}' }}\n\
         query = {{ q = 'b&c', n = 1 }}\njson = {{ id = '{{{{param.id}}}}', n = [1, 2.50], t = true }}\n"
    );
    let scenario = load(&text, &World::default()).scenario;
    let request = &scenario.requests[0];
    assert_eq!(request.path, "/x y/a%20b?q=b%26c&n=1");
    assert_eq!(request.headers[0], ("A".to_owned(), "a b".to_owned()));
    let body = String::from_utf8(request.body.clone().unwrap().bytes).unwrap();
    assert_eq!(body, r#"{"id":"a b","n":[1,2.50],"t":true}"#);
    let content_type = ("Content-Type".to_owned(), "application/json".to_owned());
    assert_eq!(request.headers[1], content_type);
    assert!(request.rendering.is_none() && scenario.values.sources.is_empty());
}

#[test]
fn parameters_come_from_the_command_line_the_environment_and_defaults() {
    let text = "[parameters]\nurl = { default = 'http://a', env = 'URL' }\nusers = 2\n\
                [runtime]\niterations = 1\nvus = '{{param.users}}'\nprng_seed = '{{ param.users }}'\n\
                [target]\nbase_url = '{{param.url}}/x'\n\
                [[requests]]\nname = 'a'\npath = '/'\n";
    let shown = |loaded: &Loaded| {
        let scenario = &loaded.scenario;
        let url = scenario.targets[0].base_url.text.clone();
        (url, scenario.targets[0].max_connections, scenario.runtime.prng_seed)
    };
    let mut world = World::default();
    let expected = |url: &str, users| (url.to_owned(), users, Some(u64::from(users)));
    assert_eq!(shown(&load(text, &world)), expected("http://a/x", 2));
    world.environment.insert("URL", "http://b");
    let loaded = load(text, &world);
    assert_eq!(shown(&loaded), expected("http://b/x", 2));
    let pairs = [("url", "http://b"), ("users", "2")];
    assert_eq!(loaded.parameters, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let given = load_with(text, &world, &[("url", "http://c"), ("users", "1"), ("users", "5")]);
    assert_eq!(shown(&given), expected("http://c/x", 5));
    // What is in force is enough to load the scenario again, without the environment.
    let overrides = Overrides { params: given.parameters.clone(), ..Overrides::default() };
    let pairs = overrides.pairs();
    assert_eq!(pairs[0], ("param.url".to_owned(), "http://c".to_owned()));
    let again = Overrides::from_pairs(pairs).unwrap();
    let again = Scenario::load(text, &NoFiles, &again).unwrap();
    assert_eq!(again.scenario, given.scenario);
}

#[test]
fn a_parameter_in_the_base_url_leaves_the_plan_as_it_is() {
    let text = "[parameters]\nurl = 'http://a'\nid = '1'\nruntime.iterations = 1\n\
                target.base_url = '{{param.url}}'\n[[requests]]\nname = 'a'\npath = '/{{param.id}}/{{vu}}'\n";
    let text = text.replace("runtime.iterations", "[runtime]\niterations");
    let text = text.replace("target.base_url", "[target]\nbase_url");
    let digest = |params: &[(&str, &str)]| {
        let loaded = load_with(&text, &World::default(), params);
        z6_scenario::plan::plan_digest(&loaded.scenario, 1)
    };
    assert_eq!(digest(&[]), digest(&[("url", "http://b")]));
    assert_ne!(digest(&[]), digest(&[("id", "2")]));
}

#[test]
fn values_are_escaped_by_where_they_stand() {
    let (request, scenario) = request(
        "[random]\nref = { type = 'uuid' }\n[[requests]]\nname = 'a'\nmethod = 'POST'\n\
         path = '/a b/{{ref}}?x={{ref | raw}}'\nquery = { 'q s' = 'é{{ref}}' }\n\
         headers = { X = '{{ref}} {{vu}}' }\n\
         json = { one = '{{ref}}', number = '{{vu}}', both = '\"{{ref}}\" {{vu}}' }\n",
    );
    let names = Names::of(&scenario);
    let rendering = request.rendering.as_ref().unwrap();
    // `raw` lets `<` through, which is visible ASCII: the server has to refuse it.
    assert_eq!(names.filled(&rendering.path), "/a%20b/%3Cref%3E?x=<ref>&q%20s=%C3%A9%3Cref%3E");
    assert_eq!(names.filled(&rendering.headers[0].1), "<ref> 7");
    assert_eq!(rendering.headers[1].0, "Content-Type");
    let json = r#"{"one":"<ref>","number":7,"both":"\"<ref>\" 7"}"#;
    assert_eq!(names.body(&request), json);
    assert_eq!(request.path, "/a b/{{ref}}?x={{ref | raw}}&q%20s=%C3%A9{{ref}}");
    assert_eq!(rendering.reads.len(), 2);
    assert_eq!(rendering.needs, []);
}

#[test]
fn text_bodies_are_what_their_content_type_says() {
    let of = |media_type: &str, body: &str| {
        let (request, scenario) = request(&format!(
            "random.r = {{ type = 'uuid' }}\n[[requests]]\nname = 'a'\nmethod = 'POST'\npath = '/'\n\
             headers = {{ Content-Type = '{media_type}' }}\nbody = '{body}'\n"
        ));
        Names::of(&scenario).body(&request)
    };
    assert_eq!(of("application/json; charset=utf-8", r#"{"a": {{r}}}"#), r#"{"a": "<r>"}"#);
    assert_eq!(of("application/hal+json", r#"["{{r}}"]"#), r#"["<r>"]"#);
    assert_eq!(of("application/x-www-form-urlencoded", "a={{r}}"), "a=%3Cr%3E");
    assert_eq!(of("text/plain", "a={{r}}"), "a=<r>");
}

#[test]
fn files_with_placeholders_are_filled_in_and_others_are_not() {
    let text = format!(
        "{BASE}random.r = {{ type = 'uuid' }}\n\
         requests = [{{ name = 'a', method = 'POST', path = '/', body_file = 'a' }},\n\
         {{ name = 'b', method = 'POST', path = '/', body_file = 'b' }},\n\
         {{ name = 'c', method = 'POST', path = '/', body_file = 'a', templates = false }}]\n"
    );
    let world = World::default().file("a", "x {{r}}").file("b", b"\xff{{r}}");
    let scenario = load(&text, &world).scenario;
    assert_eq!(Names::of(&scenario).body(&scenario.requests[0]), "x <r>");
    assert_eq!(scenario.requests[0].body.as_ref().unwrap().file, None);
    assert_eq!((scenario.files.len(), scenario.files[0].name.as_str()), (1, "a"));
    assert_eq!(scenario.requests[1].body.as_ref().unwrap().bytes, b"\xff{{r}}");
    assert_eq!(scenario.requests[2].body.as_ref().unwrap().bytes, b"x {{r}}");
    assert!(scenario.requests[2].rendering.is_none());
}

#[test]
fn forms_and_parts() {
    let text = format!(
        "{BASE}random.r = {{ type = 'uuid' }}\n\
         requests = [{{ name = 'a', method = 'POST', path = '/', form = {{ a = ['x y', '{{{{r}}}}'], b = 1 }} }},\n\
         {{ name = 'b', method = 'POST', path = '/', multipart = {{ t = 'v', f = {{ file = 'dir/p.bin' }} }} }},\n\
         {{ name = 'c', method = 'POST', path = '/', multipart = {{ t = '{{{{r}}}}', 'a\"' = 'x' }} }}]\n"
    );
    let scenario = load(&text, &World::default().file("dir/p.bin", "PPP")).scenario;
    let names = Names::of(&scenario);
    assert_eq!(names.body(&scenario.requests[0]), "a=x+y&a=%3Cr%3E&b=1");
    let media_type = "application/x-www-form-urlencoded";
    assert_eq!(scenario.requests[0].headers[0].1, media_type);
    let plain = &scenario.requests[1];
    assert!(plain.rendering.is_none());
    let media_type = &plain.headers[0].1;
    let boundary = media_type.strip_prefix("multipart/form-data; boundary=").unwrap();
    let body = String::from_utf8(plain.body.clone().unwrap().bytes).unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nv\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"p.bin\"\r\n\
         Content-Type: application/octet-stream\r\n\r\nPPP\r\n--{boundary}--\r\n"
    );
    assert_eq!(body, expected);
    assert_eq!(scenario.files[0].name, "dir/p.bin");
    let body = names.body(&scenario.requests[2]);
    assert!(body.contains("\r\n\r\n<r>\r\n") && body.contains("name=\"a%22\""), "{body}");
    let again = load(&text, &World::default().file("dir/p.bin", "PPP")).scenario;
    assert_eq!(again, scenario);
}

#[test]
fn authentication_is_a_field_or_is_made_for_each_sending() {
    let auth = |auth: &str| {
        let lines = format!(
            "secrets.k = {{ env = 'K' }}\n[[requests]]\nname = 'a'\npath = '/'\nauth = {{ {auth} }}\n"
        );
        request(&lines).0
    };
    let fixed = auth("basic = { user = 'Aladdin', password = 'open sesame' }");
    assert_eq!(fixed.headers[0].1, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(fixed.rendering.is_none());
    let bearer = auth("bearer = '{{secret.k}}'");
    assert_eq!(bearer.headers[0].1, "Bearer {{secret.k}}");
    let bearer = bearer.rendering.unwrap();
    assert_eq!((bearer.auth, bearer.reads.len()), (None, 1));
    let basic = auth("basic = { user = 'a', password = '{{secret.k}}' }").rendering.unwrap();
    assert!(matches!(basic.auth, Some(Auth::Basic { .. })));
    assert_eq!(basic.reads, [ValueId(0)]);
    let keys = "aws_sigv4 = { access_key = 'a', secret_key = '{{secret.k}}', region = 'r', service = 's' }";
    let signed = auth(keys).rendering.unwrap();
    assert!(matches!(signed.auth, Some(Auth::AwsSigV4(_))));
}

#[test]
fn secrets_are_named_and_not_read() {
    let (_, scenario) = request(
        "secrets = { a = { env = 'A' }, b = { file = 'b.txt' } }\n\
         requests = [{ name = 'x', path = '/{{secret.b}}' }]\n",
    );
    let from: Vec<&SecretSource> = scenario.values.secrets.iter().map(|s| &s.from).collect();
    let expected =
        [SecretSource::Environment("A".to_owned()), SecretSource::File("b.txt".to_owned())];
    assert_eq!(from, [&expected[0], &expected[1]]);
    assert_eq!(scenario.values.sources, [ValueSource::Secret(1)]);
}

#[test]
fn data_files_are_tables_with_an_order() {
    let text = format!(
        "{BASE}[[data]]\nname = 'users'\nfile = 'users.jsonl'\nper = 'vu'\nunique = true\n\
         secret = ['password']\n\
         [[data]]\nname = 'terms'\nfile = 'terms'\nformat = 'tsv'\ncolumns = ['term', 'hits']\n\
         order = 'random'\nweight = 'hits'\nattach = false\n\
         [[requests]]\nname = 'a'\npath = '/{{{{users.email}}}}/{{{{users.password}}}}/{{{{terms.term}}}}'\n"
    );
    let world = World::default()
        .file("users.jsonl", "{\"email\":\"a\",\"password\":1}\n{\"email\":\"b\",\"password\":2}\n")
        .file("terms", "shoes\t2\nbags\t0.5\n");
    let scenario = load(&text, &world).scenario;
    let [users, terms] = scenario.values.data.as_slice() else { panic!() };
    assert_eq!((users.per, users.is_unique, users.on_end), (Per::Vu, true, OnEnd::StopRun));
    assert_eq!((users.order.clone(), &users.secret), (Order::Sequential, &vec![1]));
    assert_eq!((terms.per, terms.on_end, terms.weight), (Per::Iteration, OnEnd::Repeat, Some(1)));
    assert!(matches!(terms.order, Order::Random(Some(_))));
    assert_eq!(terms.table.field(1, 0), Some(&b"bags"[..]));
    // What a log holds is enough to load the scenario again.
    struct OfLog<'s>(&'s Scenario);
    impl Files for OfLog<'_> {
        fn read(&self, path: &str, _max_bytes: u64) -> Result<Vec<u8>, String> {
            panic!("{path} is read")
        }
        fn table(&self, data: &str) -> Option<std::sync::Arc<Table>> {
            let index = self.0.values.data.iter().position(|file| file.name == data)?;
            let open = self.0.values.open_columns(index as u16);
            let file = self.0.values.data[index].projected(&open, 1_000, &|_| [0; 16]);
            assert!(!String::from_utf8_lossy(&file).contains("bags"));
            projected_table(&file).map(std::sync::Arc::new)
        }
    }
    let again = Scenario::load(&text, &OfLog(&scenario), &Overrides::default()).unwrap().scenario;
    assert_eq!(again.requests, scenario.requests);
    assert_eq!(again.values.sources, scenario.values.sources);
    let [users, terms] = again.values.data.as_slice() else { panic!() };
    assert_eq!(terms.order, scenario.values.data[1].order);
    assert_eq!(
        (users.table.field(1, 0), users.table.field(1, 1)),
        (Some(&b"b"[..]), Some(&b""[..]))
    );
}

#[test]
fn random_values_are_made_as_their_type_says() {
    let (_, scenario) = request(
        "[random]\na = { type = 'integer', min = -2, max = 3 }\n\
         b = { type = 'decimal', min = -0.5, max = 1, digits = 3, per = 'vu' }\n\
         c = { type = 'text', length = [2, 3] }\n\
         [[requests]]\nname = 'a'\npath = '/'\n",
    );
    let by: Vec<&MadeBy> = scenario.values.random.iter().map(|value| &value.by).collect();
    assert_eq!(by[0], &MadeBy::Integer { min: -2, max: 3 });
    assert_eq!(by[1], &MadeBy::Decimal { min: -500, max: 1000, digits: 3 });
    assert!(matches!(by[2], MadeBy::Text { min: 2, max: 3, alphabet } if alphabet.len() == 62));
    let per: Vec<Per> = scenario.values.random.iter().map(|value| value.per).collect();
    assert_eq!(per, [Per::Step, Per::Vu, Per::Step]);
}

#[test]
fn extractions_give_variables() {
    let text = format!(
        "{BASE}[[requests]]\nname = 'a'\npath = '/'\n\
         extract.token = {{ json = '$.t', secret = true, scope = 'vu' }}\n\
         extract.id = {{ header = 'Location', regex = '/(.*)', default = 'x', when = 'always' }}\n\
         extract.again = {{ value = '{{{{token}}}}' }}\n\
         [[requests]]\nname = 'b'\npath = '/{{{{id}}}}/{{{{token | default(\"n\")}}}}'\n\
         extract.again = {{ status = true }}\n\
         checks.one = 'status == 200 && json(\"$.id\") == id'\n\
         checks.two = {{ that = 'body_bytes < 10', fails = false }}\n\
         [sequence]\nsteps = [{{ request = 'a' }}, {{ request = 'b' }}]\n"
    );
    let scenario = load(&text, &World::default()).scenario;
    let variables: Vec<(&str, Scope, bool)> = scenario
        .values
        .variables
        .iter()
        .map(|variable| (variable.name.as_str(), variable.scope, variable.is_secret))
        .collect();
    let expected = [
        ("token", Scope::Vu, true),
        ("id", Scope::Iteration, false),
        // Made from a secret value.
        ("again", Scope::Iteration, true),
    ];
    assert_eq!(variables, expected);
    let [a, b] = scenario.requests.as_slice() else { panic!() };
    assert!(a.rendering.is_none());
    let extract = &a.reading.extracts[1];
    assert_eq!(
        (extract.variable, extract.is_required, extract.is_always),
        (VariableId(1), false, true)
    );
    assert_eq!(extract.default.as_deref(), Some(&b"x"[..]));
    assert!(matches!(a.reading.extracts[2].from, ExtractFrom::Value(_)));
    assert_eq!(b.rendering.as_ref().unwrap().needs, [VariableId(1)]);
    assert_eq!(b.reading.checks.len(), 2);
    assert_eq!((b.reading.checks[0].fails, b.reading.checks[1].fails), (true, false));
}

#[test]
fn with_cookies_every_request_is_filled_in() {
    let (request, scenario) =
        request("cookies.scope = 'vu'\nrequests = [{ name = 'a', path = '/a b' }]\n");
    assert_eq!(scenario.populations[0].cookies, Some(Scope::Vu));
    let rendering = request.rendering.unwrap();
    assert_eq!((rendering.path.fixed(), rendering.reads.len()), ("/a%20b", 0));
    assert_eq!(request.path, "/a b");
}

#[test]
fn places_of_errors_are_those_of_the_placeholders() {
    let world = World::default().file("b.json", "{\n  \"a\": {{nam}}\n}").file("u.csv", "a,b\n1\n");
    let text = format!(
        "{BASE}[random]\nname = {{ type = 'name' }}\n[[requests]]\nname = 'a'\n\
         path = \"/\\u00e9/{{{{nme}}}}\"\n\
         [[requests]]\nname = 'b'\nmethod = 'POST'\npath = '/'\nbody_file = 'b.json'\n\
         [[data]]\nname = 'u'\nfile = 'u.csv'\n"
    );
    let shown = findings(&text, &world);
    assert!(shown.contains("s.toml:7:19"), "{shown}");
    assert!(shown.contains("there is no value `nme`, did you mean `name`?"), "{shown}");
    assert!(shown.contains("b.json:2:10: there is no value `nam`"), "{shown}");
    assert!(shown.contains("u.csv:2: 1 fields, the header has 2"), "{shown}");
}

/// Which variables of a scenario are secret.
fn secret_variables(lines: &str) -> Vec<String> {
    let world = World::default().file("users.csv", "name,password\na,b\n");
    let scenario = load(&format!("{BASE}{lines}"), &world).scenario;
    let variables = scenario.values.variables.into_iter();
    variables.filter(|variable| variable.is_secret).map(|variable| variable.name).collect()
}

#[test]
fn the_url_of_a_request_with_a_secret_is_secret() {
    const SECRETS: &str = "secrets.x = { env = 'X' }\n\
        data = [{ name = 'users', file = 'users.csv', secret = ['password'] }]\n";
    for (path, is_secret) in [
        ("path = '/{{secret.x}}'", true),
        ("path = '/{{vu | hmac_sha256(secret.x)}}'", true),
        ("path = '/'\nquery = { key = '{{secret.x | base64}}' }", true),
        ("path = '/{{users.password}}'", true),
        ("path = '/{{users.name}}'", false),
        ("path = '/{{vu}}'\nheaders = { A = '{{secret.x}}' }", false),
    ] {
        let lines = format!(
            "{SECRETS}[[requests]]\nname = 'a'\n{path}\nextract.u = {{ url = true }}\n\
             extract.v = {{ value = '{{{{u}}}}/' }}\n"
        );
        let expected: &[&str] = if is_secret { &["u", "v"] } else { &[] };
        assert_eq!(secret_variables(&lines), expected, "{path}");
    }
    // What a secret response, the items of a secret list and the values of set-up bring along.
    let lines = "[[requests]]\nname = 'a'\npath = '/'\n\
         extract.t = { json = '$.t', select = 'all', secret = true }\n\
         [[requests]]\nname = 'b'\npath = '/{{i}}'\nextract.u = { url = true }\n\
         [[requests]]\nname = 'c'\npath = '/{{run.t}}'\nextract.w = { url = true }\n\
         [setup]\nsequence = 's'\n[[sequences]]\nname = 's'\nsteps = [{ request = 'a' }]\n\
         [sequence]\nsteps = [{ request = 'a' }, \
             { foreach = 't', as = 'i', max = 3, request = 'b' }, { request = 'c' }]\n";
    assert_eq!(secret_variables(lines), ["t", "u", "w", "i"]);
}

#[test]
fn what_is_made_from_a_secret_cannot_be_said_to_be_clear() {
    for source in ["url = true", "value = '{{secret.x}}'"] {
        let text = format!(
            "{BASE}secrets.x = {{ env = 'X' }}\n[[requests]]\nname = 'a'\npath = '/{{{{secret.x}}}}'\n\
             extract.u = {{ {source}, secret = false }}\n"
        );
        let found = findings(&text, &World::default());
        assert!(found.contains("`u` is made from `secret.x`, which is secret"), "{found}");
        assert!(found.contains("remove `secret = false`"), "{found}");
    }
}

#[test]
fn cookies_and_credentials_are_secret_unless_an_entry_says_otherwise() {
    let lines = |more: &str| {
        format!(
            "[[requests]]\nname = 'a'\npath = '/'\n\
             extract.a = {{ cookie = 'sid' {more} }}\n\
             extract.b = {{ header = 'set-cookie', regex = 'sid=([^;]*)' {more} }}\n\
             extract.c = {{ trailer = 'Set-Cookie' {more} }}\n\
             extract.d = {{ header = 'Authorization' {more} }}\n\
             extract.e = {{ header = 'proxy-authorization' {more} }}\n\
             extract.f = {{ header = 'Cookie' {more} }}\n\
             extract.g = {{ header = 'Location' {more} }}\n"
        )
    };
    assert_eq!(secret_variables(&lines("")), ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(secret_variables(&lines(", secret = false")), [""; 0]);
    // No warning of a name: the value is secret.
    let text = format!("{BASE}{}", lines("").replace("extract.a", "extract.session"));
    assert_eq!(findings(&text, &World::default()), "");
}
