//! What a generated scenario reads from responses and uses later: values, extractions, checks, cookies, a
//! login that is renewed, and what follows a failure. Knows nothing of the load.

use super::dice::Dice;
use super::sketch::Sketch;

/// What one request gives and others use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// Lines of the request that gives.
    pub(super) gives: &'static str,
    /// Lines of those that use.
    pub(super) uses: &'static str,
    /// It needs a body that is JSON, or one that is not.
    body: Option<Content>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Json,
    Text,
}

const LINKS: [Link; 12] = [
    Link {
        gives: "extract.id = { json = '$.id' }",
        uses: "checks.id = 'json(\"$.id\") == id'",
        body: Some(Content::Json),
    },
    Link {
        gives: "extract.n9 = { json = '$.list[?@.ok == true && @.n > 4].n', default = '7' }",
        uses: "checks.n9 = 'json(\"$.m\") > 3 && json(\"$.n\") == n9'",
        body: Some(Content::Json),
    },
    Link {
        gives: "extract.deep = { json = '$..items[-2].name', regex = '^([a-z]{3,20})[0-9]$' }",
        uses: "checks.deep = { that = 'json(\"$.a\") ~ \"{{deep}}\" || status == 404', fails = false }",
        body: Some(Content::Json),
    },
    Link {
        gives: "extract.some = { json = '$.all[*]', select = 'random' }",
        uses: "checks.some = '!(json(\"$.x\") != some) && json(\"$.error\") == none'",
        body: Some(Content::Json),
    },
    Link {
        gives: "extract.page = { regex = 'id=\"([a-z0-9]{70,80})\"' }",
        uses: "checks.page = 'body ~ \"{{page}}\" && body_bytes >= 100'",
        body: Some(Content::Text),
    },
    Link {
        gives: "extract.csrf = { html = 'form input[name=\"csrf\"]', attribute = 'value', secret = true }",
        uses: "checks.csrf = 'text() ~ \"{{csrf}}\"'",
        body: Some(Content::Text),
    },
    Link {
        gives: "extract.mark = { between = ['<!--', '-->'], select = 1 }",
        uses: "checks.mark = 'body matches \"[a-f]{4}\" && body ~ \"<{{mark}}>\"'",
        body: Some(Content::Text),
    },
    Link {
        gives: "extract.place = { header = 'X-Place', regex = '^(/o/[0-9]+)$' }",
        uses: "checks.place = 'header(\"X-Place\") == place'",
        body: None,
    },
    Link {
        gives: "extract.sid = { cookie = 'sid', when = 'always' }",
        uses: "checks.sid = 'cookie(\"sid\") == sid && status < 500'",
        body: None,
    },
    Link {
        gives: "extract.kept = { value = 'kept {{n}}' }",
        uses: "checks.kept = 'header(\"X-Kept\") == kept'",
        body: None,
    },
    Link {
        gives: "checks.own = 'header(\"X-Ref\") == \"r {{ref}}\" && status in [200, 404, 503]'",
        uses: "checks.own = 'header(\"X-Vu\") matches \"^[0-9]+$\"'",
        body: None,
    },
    Link {
        gives: "extract.first = { status = true }",
        uses: "checks.first = 'trailer(\"X-Sum\") ~ \"{{vu}}\"'",
        body: None,
    },
];

/// What gives the list that steps go through.
const EVERY: &str = "extract.every = { header = 'X-Every', select = 'all', required = false }";

/// `start`, and how it is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) on_status: bool,
    pub(super) every_ms: Option<u64>,
}

/// `end`: the request that gives, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    repeat: &'static str,
    /// The condition of a second step.
    condition: Option<&'static str>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct JourneySketch {
    pub(super) links: Vec<Link>,
    pub(super) login: Option<Login>,
    pub(super) cookies: Option<&'static str>,
    pub(super) on_failure: Option<&'static str>,
    /// What is done at the end of a VU.
    pub(super) end: Option<End>,
    /// Repeats are ranges that begin with 1.
    pub(super) has_ranges: bool,
    /// Requests that use values have some in their path, header and body.
    pub(super) fills_in: bool,
    /// What decides on each step; on those past the end, nothing.
    pub(super) flow: Vec<StepFlow>,
}

/// What decides on a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum StepFlow {
    /// Nothing.
    #[default]
    Always,
    /// A condition.
    If(&'static str),
    /// A condition, again and again, and the pause between, milliseconds.
    While(&'static str, u64),
    Until(&'static str, u64),
    /// A request of its own for each item of a list, and the pause between, milliseconds.
    ForEach(u64),
    /// A draw between it and another request, of this weight.
    Choose(usize, u64),
}

const CONDITIONS: [&str; 8] = [
    "last.failed",
    "last.failed != true && step > 1",
    "last.status == 200",
    "last.status != none || vu in [0, 2, 5]",
    "iteration < 2",
    "n > 4",
    "!(n < 3) && last.status < 500",
    "ref matches \"^[0-7]\"",
];

impl StepFlow {
    pub(super) const fn is_loop(self) -> bool {
        matches!(self, StepFlow::While(..) | StepFlow::Until(..) | StepFlow::ForEach(_))
    }

    /// The lines of its step.
    pub(super) fn lines(self, request: usize, repeat: u32) -> Vec<String> {
        let own = format!("request = \"r{request}\"");
        let pause = |ms| format!("max = {repeat}\npause_ms = {ms}");
        match self {
            StepFlow::Always => vec![own],
            StepFlow::If(text) => vec![own, format!("if = '{text}'")],
            StepFlow::While(text, ms) => vec![own, format!("while = '{text}'"), pause(ms)],
            StepFlow::Until(text, ms) => vec![own, format!("until = '{text}'"), pause(ms)],
            StepFlow::ForEach(ms) => {
                let each = "request = \"each\"\nforeach = \"every\"\nas = \"one\"";
                vec![each.to_owned(), pause(ms)]
            }
            StepFlow::Choose(other, weight) => vec![format!(
                "choose = [{{ weight = 5, request = \"r{request}\" }}, {{ weight = {weight}, request = \"r{other}\" }}]"
            )],
        }
    }
}

/// Draws what decides on the steps of a sequence: in half of those that read responses.
pub(super) fn draw_flow(dice: &mut Dice, sketch: &mut Sketch) {
    let sent: Vec<usize> = sketch.sequence.iter().map(|(request, _)| *request).collect();
    let Some(journey) = sketch.journey.as_mut().filter(|_| dice.chance(50)) else { return };
    journey.flow = sent
        .iter()
        .enumerate()
        .map(|(index, _)| {
            let text = dice.pick(&CONDITIONS);
            match dice.between(0, 8) {
                0 | 1 => StepFlow::If(text),
                2 => StepFlow::While(text, dice.pick(&[0, 0, 30])),
                3 | 4 => StepFlow::Until(text, dice.pick(&[0, 0, 30])),
                5 if index > 0 => StepFlow::Choose(dice.pick(&sent), dice.between(1, 9)),
                6 if index > 0 => StepFlow::ForEach(dice.pick(&[0, 0, 30])),
                _ => StepFlow::Always,
            }
        })
        .collect();
}

/// Draws what VUs do at their end: in half of those that read responses.
pub(super) fn draw_end(dice: &mut Dice, sketch: &mut Sketch, is_open: bool) {
    let Some(journey) = sketch.journey.as_mut().filter(|_| !is_open && dice.chance(50)) else {
        return;
    };
    let repeat = dice.pick(&["1", "2", "[1, 3]"]);
    let condition = dice.pick(&[None, Some("last.failed"), Some("last.status == 200")]);
    journey.end = Some(End { repeat, condition });
}

/// Draws what a scenario reads and uses: in three of ten. Its first step gives what the others use.
pub(super) fn draw(dice: &mut Dice, sketch: &mut Sketch, is_open: bool) {
    if !dice.chance(30) {
        return;
    }
    if sketch.sequence.is_empty() {
        sketch.sequence = (0..sketch.requests.len()).map(|request| (request, 1)).collect();
    }
    let content = dice.pick(&[Content::Json, Content::Text]);
    let mut journey = JourneySketch {
        has_ranges: dice.chance(40),
        fills_in: dice.chance(70),
        ..JourneySketch::default()
    };
    for link in LINKS {
        if link.body.is_none_or(|body| body == content) && dice.chance(45) {
            journey.links.push(link);
        }
    }
    if !is_open && dice.chance(60) {
        let every_ms = dice.chance(40).then(|| dice.skewed(50, 2_000));
        journey.login = Some(Login { on_status: every_ms.is_none() || dice.chance(70), every_ms });
    }
    journey.cookies = dice.pick(&[None, None, Some("vu"), Some("iteration")]);
    journey.on_failure = dice.pick(&[
        None,
        None,
        None,
        Some("continue"),
        Some("continue"),
        Some("end_iteration"),
        Some("end_iteration"),
        Some("end_iteration"),
        Some("stop_vu"),
    ]);
    // A response without a body gives nothing.
    let (giver, _) = sketch.sequence[0];
    if sketch.requests[giver].method == "HEAD" {
        sketch.requests[giver].method = "GET";
    }
    sketch.journey = Some(journey);
}

impl JourneySketch {
    /// The tables of the scenario. `giver`: the request that gives what others use.
    pub(super) fn tables(&self, giver: Option<usize>) -> String {
        let mut text = String::from(
            "\n[random]\nn = { type = \"integer\", min = 1, max = 9 }\n\
             ref = { type = \"uuid\", per = \"iteration\" }\n",
        );
        if self.login.is_some() {
            text += "\n[[sequences]]\nname = \"sign_in\"\nsteps = [{ request = \"login\" }]\n";
        }
        if let (Some(End { repeat, condition }), Some(giver)) = (self.end, giver) {
            text += &format!(
                "\n[[sequences]]\nname = \"sign_out\"\nsteps = [\n{{ request = \"r{giver}\", repeat = {repeat} }},\n"
            );
            if let Some(condition) = condition {
                text += &format!("{{ request = \"r{giver}\", if = '{condition}' }},\n");
            }
            text += "]\n";
        }
        text
    }

    /// The keys of `[sequence]`, or of a population.
    pub(super) fn keys(&self, giver: Option<usize>, is_open: bool) -> String {
        let mut text = String::new();
        if self.end.is_some() && giver.is_some() && !is_open {
            text += "end = \"sign_out\"\n";
        }
        if let Some(Login { on_status, every_ms }) = self.login.filter(|_| !is_open) {
            text += "start = \"sign_in\"\n";
            let status = if on_status { ", on_status = [401]" } else { "" };
            let every = every_ms.map_or_else(String::new, |ms| {
                format!(", every_seconds = {}.{:03}", ms / 1_000, ms % 1_000)
            });
            text += &format!("renew = {{ sequence = \"sign_in\"{status}{every} }}\n");
        }
        if let Some(word) = self.on_failure {
            text += &format!("on_failure = \"{word}\"\n");
        }
        text
    }

    /// The request of `start`.
    pub(super) fn login_request(&self, timeout: &str) -> String {
        match self.login {
            None => String::new(),
            Some(_) => format!(
                "\n[[requests]]\nname = \"login\"\nmethod = \"POST\"\npath = \"/login\"\n{timeout}\n\
                 json = {{ vu = \"{{{{vu}}}}\", n = \"{{{{n}}}}\", text = \"n {{{{n}}}}\" }}\n\
                 extract.token = {{ json = \"$.token\", secret = true }}\n"
            ),
        }
    }

    fn has_each(&self) -> bool {
        self.flow.iter().any(|flow| matches!(flow, StepFlow::ForEach(_)))
    }

    /// The request for the items of a list.
    pub(super) fn each_request(&self, timeout: &str) -> String {
        if !self.has_each() {
            return String::new();
        }
        format!("\n[[requests]]\nname = \"each\"\npath = \"/each/{{{{one}}}}\"\n{timeout}\n")
    }

    /// The header field that a request has because of the journey.
    pub(super) fn header(&self, gives: bool) -> Option<(&'static str, &'static str)> {
        match (self.login, self.fills_in) {
            (Some(_), _) => Some(("X-Token", "{{token}}")),
            (None, true) if !gives => Some(("X-Ref", "{{ref}}-{{vu}}-{{iteration}}")),
            (None, _) => None,
        }
    }

    /// What stands behind the path of a request.
    pub(super) fn path_end(&self, gives: bool) -> &'static str {
        let has_id = self.links.iter().any(|link| link.gives.starts_with("extract.id "));
        match (self.fills_in, gives) {
            (true, false) if has_id => "/{{id}}",
            (true, _) => "{{n}}",
            (false, _) => "",
        }
    }

    /// Extractions and checks of a request.
    pub(super) fn lines(&self, gives: bool) -> impl Iterator<Item = &'static str> {
        let links = self.links.iter().map(move |link| if gives { link.gives } else { link.uses });
        links.chain(Some(EVERY).filter(|_| gives && self.has_each()))
    }
}
