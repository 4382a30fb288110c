//! Elements of HTML that a CSS selector matches: types, classes, ids and attributes, of descendants and
//! children, and positions. Of a list the first selector counts.

use crate::html::Html;

/// Elements without an end tag (HTML section 13.1.2).
const VOID: [&str; 13] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
];
/// Elements before another one, at most.
const BEFORE_MAX: usize = 1_000;

/// One element of a selector.
#[derive(Debug, Default)]
struct Compound {
    name: String,
    attributes: Vec<(String, String)>,
    classes: Vec<String>,
    /// Elements before it.
    before: usize,
}

impl Html {
    /// A piece of a page in which a value is found. None if the selector needs more than this knows.
    #[must_use]
    pub fn sample(&self, value: &str) -> Option<String> {
        let mut compounds = Reader { rest: self.selector_text().trim() }.selector()?;
        let last = compounds.last_mut()?;
        if let Some(attribute) = self.attribute()
            && !last.attributes.iter().any(|(name, _)| name.eq_ignore_ascii_case(attribute))
        {
            last.attributes.push((attribute.to_owned(), value.to_owned()));
        }
        let text = if self.attribute().is_none() { value } else { "" };
        let (mut page, mut open) = (String::new(), Vec::new());
        for (i, compound) in compounds.iter().enumerate() {
            for _ in 0..compound.before {
                page.push_str("<i></i>");
            }
            compound.write(&mut page);
            if i + 1 == compounds.len() {
                page.push_str(&escaped(text));
            }
            open.push(compound.name.as_str());
        }
        while let Some(name) = open.pop() {
            close(name, &mut page);
        }
        Some(page)
    }
}

fn close(name: &str, page: &mut String) {
    if !VOID.contains(&name) {
        page.push_str(&format!("</{name}>"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Compound {
    fn write(&self, page: &mut String) {
        page.push_str(&format!("<{}", self.name));
        if !self.classes.is_empty() {
            page.push_str(&format!(" class=\"{}\"", escaped(&self.classes.join(" "))));
        }
        for (name, value) in &self.attributes {
            page.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        }
        page.push('>');
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn selector(&mut self) -> Option<Vec<Compound>> {
        let mut all = vec![self.compound()?];
        loop {
            let is_spaced = self.skip_space();
            match self.rest.chars().next() {
                None | Some(',') => return Some(all),
                Some('>') => {
                    self.rest = &self.rest[1..];
                    self.skip_space();
                    all.push(self.compound()?);
                }
                Some(_) if is_spaced => all.push(self.compound()?),
                Some(_) => return None,
            }
        }
    }

    fn compound(&mut self) -> Option<Compound> {
        let mut compound = Compound::default();
        let before = self.rest;
        if !self.take('*') {
            compound.name = self.name().to_lowercase();
        }
        loop {
            if self.take('.') {
                compound.classes.push(self.named()?);
            } else if self.take('#') {
                let id = self.named()?;
                compound.attributes.push(("id".to_owned(), id));
            } else if self.take('[') {
                compound.attributes.push(self.attribute()?);
            } else if self.take(':') {
                self.pseudo(&mut compound)?;
            } else {
                break;
            }
        }
        if compound.name.is_empty() {
            compound.name = "b".to_owned();
        }
        (self.rest.len() < before.len()).then_some(compound)
    }

    /// Behind its bracket.
    fn attribute(&mut self) -> Option<(String, String)> {
        self.skip_space();
        let name = self.named()?;
        self.skip_space();
        let mut value = String::new();
        if !self.rest.starts_with(']') {
            let sign = self.rest.find('=').filter(|at| *at < 2)?;
            self.rest = &self.rest[sign + 1..];
            self.skip_space();
            value = match self.rest.chars().next()? {
                quote @ ('"' | '\'') => {
                    let end = self.rest[1..].find(quote)?;
                    let value = &self.rest[1..=end];
                    self.rest = &self.rest[end + 2..];
                    value.to_owned()
                }
                _ => self.named()?,
            };
        }
        // A flag for upper and lower case may stand before it.
        let end = self.rest.find(']').filter(|end| *end <= 2)?;
        self.rest = &self.rest[end + 1..];
        Some((name, value))
    }

    fn pseudo(&mut self, compound: &mut Compound) -> Option<()> {
        let name = self.named()?;
        match name.as_str() {
            "first-child" | "first-of-type" => Some(()),
            "nth-child" | "nth-of-type" => {
                let position: usize = self.argument()?.trim().parse().ok()?;
                let before = position.checked_sub(1).filter(|before| *before <= BEFORE_MAX)?;
                // Those before it have another type.
                (name == "nth-child" || before == 0).then_some(())?;
                compound.before = before;
                Some(())
            }
            "not" => self.argument().map(|_| ()),
            _ => None,
        }
    }

    fn argument(&mut self) -> Option<&'t str> {
        let inside = self.rest.strip_prefix('(')?;
        let end = inside.find(')')?;
        self.rest = &inside[end + 1..];
        Some(&inside[..end])
    }

    fn named(&mut self) -> Option<String> {
        let name = self.name();
        (!name.is_empty()).then(|| name.to_owned())
    }

    fn name(&mut self) -> &'t str {
        let is_inside = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let end = self.rest.find(|c| !is_inside(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        name
    }

    fn take(&mut self, sign: char) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) -> bool {
        let before = self.rest.len();
        self.rest = self.rest.trim_start();
        self.rest.len() < before
    }
}
