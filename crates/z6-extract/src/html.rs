//! Attributes and texts of the elements of an HTML page that a CSS selector matches.
//!
//! Owns the limits of the parser of `lol_html`, which makes no tree, and which texts are values.

mod references;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::LazyLock;

use cssparser::{ParseError, Parser, ParserInput, Token};
use lol_html::html_content::{Element, TextChunk, TextType};
use lol_html::{ElementContentHandlers, HtmlRewriter, MemorySettings, Settings};
use thiserror::Error;

use self::references::decoded;
use crate::canary::is_planted;
use crate::limits::{
    MAX_HTML_BYTES, MAX_HTML_MEMORY_BYTES, MAX_SELECTOR_BYTES, MAX_SELECTOR_DEPTH,
};

/// Elements whose end tags may be left out, and the elements before which they end then (HTML §13.1.2.4).
const ENDED_BEFORE: &[(&[&str], &[&str])] = &[
    (&["li"], &["li"]),
    (&["dd", "dt"], &["dd", "dt"]),
    (&["rp", "rt"], &["rp", "rt"]),
    (&["option"], &["option", "optgroup", "hr"]),
    (&["optgroup"], &["optgroup", "hr"]),
    (&["tbody", "tfoot", "thead"], &["tbody", "tfoot", "thead"]),
    (&["tr"], &["tr", "tbody", "tfoot", "thead"]),
    (&["td", "th"], &["td", "th", "tr", "tbody", "tfoot", "thead"]),
    (
        &["p"],
        &[
            "address",
            "article",
            "aside",
            "blockquote",
            "dd",
            "details",
            "dialog",
            "div",
            "dl",
            "dt",
            "fieldset",
            "figcaption",
            "figure",
            "footer",
            "form",
            "h1",
            "h2",
            "h3",
            "h4",
            "h5",
            "h6",
            "header",
            "hgroup",
            "hr",
            "li",
            "main",
            "menu",
            "nav",
            "ol",
            "p",
            "pre",
            "search",
            "section",
            "table",
            "tbody",
            "td",
            "tfoot",
            "th",
            "thead",
            "tr",
            "ul",
        ],
    ),
];

/// Elements inside which others of these names are others' parts: an item of a list in an item does not end it.
const SCOPES: &[&str] = &[
    "dl", "menu", "ol", "optgroup", "ruby", "select", "table", "template", "ul", "button", "object",
];

/// Why a text is no selector.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SelectorError(Box<str>);

/// A CSS selector, and what of the elements it matches is the value.
///
/// Selectors are those of `lol_html`: types, classes, ids, attributes, `:not()`, `:nth-child()`,
/// descendants and children, and lists of these. Bytes that are not UTF-8 become U+FFFD.
/// Character references that end with a semicolon are replaced.
///
/// ```
/// use z6_extract::Html;
///
/// let csrf = Html::attribute_of("form input[name=csrf]", "value").unwrap();
/// let page = br#"<form><input name="csrf" value="a&amp;b"></form>"#;
/// assert_eq!(csrf.first(page).unwrap().as_deref(), Some("a&b"));
/// ```
#[derive(Clone, Debug)]
pub struct Html {
    #[cfg(feature = "sample")]
    text: Box<str>,
    selector: lol_html::Selector,
    /// None: the text.
    attribute: Option<Box<str>>,
}

/// Why a page cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HtmlError {
    /// It is larger than [`MAX_HTML_BYTES`].
    #[error("the page is larger than {MAX_HTML_BYTES} bytes")]
    TooLarge,
    /// Reading it takes more memory than [`MAX_HTML_MEMORY_BYTES`].
    #[error("the page needs more than {MAX_HTML_MEMORY_BYTES} bytes to be read")]
    TooComplex,
}

/// Where values go.
type Found<'f> = RefCell<&'f mut dyn FnMut(&str) -> ControlFlow<()>>;

/// What a handler returns to end the reading.
type Handled = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn go_on(flow: ControlFlow<()>) -> Handled {
    if flow.is_break() { Err("enough".into()) } else { Ok(()) }
}

impl Html {
    /// The value is an attribute. Elements without it do not count as matches.
    ///
    /// # Errors
    /// If the selector does not follow the syntax.
    pub fn attribute_of(selector: &str, attribute: &str) -> Result<Html, SelectorError> {
        Html::compile(selector, Some(attribute.into()))
    }

    /// The value is the text in the element and in all elements inside it.
    ///
    /// It ends with the end tag, or, where HTML allows that to be left out, before the element that ends it then
    /// (HTML §13.1.2.4). A match inside a match does not count as one.
    ///
    /// # Errors
    /// If the selector does not follow the syntax.
    pub fn text_of(selector: &str) -> Result<Html, SelectorError> {
        Html::compile(selector, None)
    }

    fn compile(selector: &str, attribute: Option<Box<str>>) -> Result<Html, SelectorError> {
        check(selector).map_err(|why| SelectorError(why.into()))?;
        match selector.parse() {
            Ok(parsed) => Ok(Html {
                #[cfg(feature = "sample")]
                text: selector.into(),
                selector: parsed,
                attribute,
            }),
            Err(error) => Err(SelectorError(error.to_string().into())),
        }
    }

    /// The selector as it was written.
    #[cfg(feature = "sample")]
    pub(crate) fn selector_text(&self) -> &str {
        &self.text
    }

    /// The attribute that is the value; none if the text is.
    #[cfg(feature = "sample")]
    pub(crate) fn attribute(&self) -> Option<&str> {
        self.attribute.as_deref()
    }

    /// The first value, if there is one.
    ///
    /// # Errors
    /// If the page exceeds a limit.
    pub fn first(&self, page: &[u8]) -> Result<Option<String>, HtmlError> {
        let mut first = None;
        self.visit(page, &mut |value| {
            first = Some(value.to_owned());
            if is_planted("html") { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(first)
    }

    /// Calls `found` for each value, until it breaks.
    pub(crate) fn visit(
        &self,
        page: &[u8],
        found: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), HtmlError> {
        if page.len() > MAX_HTML_BYTES {
            return Err(HtmlError::TooLarge);
        }
        let found = RefCell::new(found);
        match &self.attribute {
            Some(name) => self.read(page, [(&self.selector, attributes(name, &found))]),
            None => {
                let texts = RefCell::new(Texts::default());
                // What ends an element comes before what begins the next one.
                self.read(
                    page,
                    [(&*ENDING, ends_of(&texts)), (&self.selector, texts_of(&texts, &found))],
                )?;
                let _ = texts.borrow_mut().end(&found);
                Ok(())
            }
        }
    }

    fn read<'h>(
        &'h self,
        page: &[u8],
        handlers: impl IntoIterator<Item = (&'h lol_html::Selector, ElementContentHandlers<'h>)>,
    ) -> Result<(), HtmlError> {
        let memory = MemorySettings::new().with_max_allowed_memory_usage(MAX_HTML_MEMORY_BYTES);
        let settings = handlers
            .into_iter()
            .fold(Settings::new(), |settings, (selector, handlers)| {
                let selector = std::borrow::Cow::Borrowed(selector);
                settings.append_element_content_handler((selector, handlers))
            })
            .with_memory_settings(memory)
            .with_strict(false);
        let mut rewriter = HtmlRewriter::new(settings, |_: &[u8]| {});
        match rewriter.write(page).and_then(|()| rewriter.end()) {
            Err(lol_html::errors::RewritingError::MemoryLimitExceeded(_)) => {
                Err(HtmlError::TooComplex)
            }
            // The only other error is that of a handler: enough was found.
            _ => Ok(()),
        }
    }
}

/// What is not to reach the parser of `lol_html`: nesting, which it follows by recursion without a bound, and
/// pseudo-elements and `:host()`, of which some set off its debug assertions. It takes no form of either.
fn check(selector: &str) -> Result<(), &'static str> {
    if selector.len() > MAX_SELECTOR_BYTES {
        return Err("The selector is too long.");
    }
    let mut input = ParserInput::new(selector);
    check_block(&mut Parser::new(&mut input), MAX_SELECTOR_DEPTH)
}

fn check_block(input: &mut Parser<'_, '_>, depth_left: usize) -> Result<(), &'static str> {
    const UNSUPPORTED: &str = "Unsupported pseudo-class or pseudo-element in selector.";
    let mut is_after_colon = false;
    while let Ok(token) = input.next_including_whitespace() {
        let is_colon = *token == Token::Colon;
        match token {
            Token::Colon if is_after_colon => return Err(UNSUPPORTED),
            Token::Ident(name) if is_after_colon && is_pseudo_element(name) => {
                return Err(UNSUPPORTED);
            }
            Token::Function(name) if is_after_colon && name.eq_ignore_ascii_case("host") => {
                return Err(UNSUPPORTED);
            }
            Token::Function(_)
            | Token::ParenthesisBlock
            | Token::SquareBracketBlock
            | Token::CurlyBracketBlock => {
                let depth_left =
                    depth_left.checked_sub(1).ok_or("The selector is nested too deeply.")?;
                let mut checked = Ok(());
                // An error of the block itself is one that `lol_html` reports.
                let _ = input.parse_nested_block(|block| {
                    checked = check_block(block, depth_left);
                    Ok::<(), ParseError<'_, ()>>(())
                });
                checked?;
            }
            _ => {}
        }
        is_after_colon = is_colon;
    }
    Ok(())
}

/// Whether the name is a pseudo-element also behind one colon (Selectors Level 4, section 3.6.1).
fn is_pseudo_element(name: &str) -> bool {
    ["after", "before", "first-letter", "first-line"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

fn attributes<'h>(name: &'h str, found: &'h Found<'_>) -> ElementContentHandlers<'h> {
    ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
        let Some(value) = element.get_attribute(name) else { return Ok(()) };
        go_on((found.borrow_mut())(&decoded(&value)))
    })
}

/// All elements that may end another, and those inside which they do not.
static ENDING: LazyLock<lol_html::Selector> = LazyLock::new(|| {
    let names: BTreeSet<&str> =
        ENDED_BEFORE.iter().flat_map(|(_, enders)| *enders).chain(SCOPES).copied().collect();
    let all = names.into_iter().collect::<Vec<_>>().join(",");
    all.parse().unwrap_or_else(|error| unreachable!("{all}: {error}"))
});

/// Ends the element that is read where it ends without an end tag.
fn ends_of(texts: &RefCell<Texts>) -> ElementContentHandlers<'_> {
    ElementContentHandlers::default().element(move |element: &mut Element<'_, '_>| {
        let texts = texts.borrow();
        if !texts.is_open() {
            return Ok(());
        }
        let name = element.tag_name();
        if texts.is_ended_before(&name) {
            texts.is_ended.set(true);
        } else if SCOPES.contains(&name.as_str())
            && let Some(handlers) = element.end_tag_handlers()
        {
            let scopes = Rc::clone(&texts.scopes);
            scopes.set(scopes.get() + 1);
            handlers.push(Box::new(move |_| {
                scopes.set(scopes.get().saturating_sub(1));
                Ok(())
            }));
        }
        Ok(())
    })
}

fn texts_of<'h>(texts: &'h RefCell<Texts>, found: &'h Found<'_>) -> ElementContentHandlers<'h> {
    ElementContentHandlers::default()
        .element(move |element: &mut Element<'_, '_>| {
            let mut texts = texts.borrow_mut();
            let name = element.tag_name();
            if texts.is_open() {
                return Ok(());
            }
            go_on(texts.end(found))?;
            texts.begin(name);
            let is_ended = Rc::clone(&texts.is_ended);
            if let Some(handlers) = element.end_tag_handlers() {
                handlers.push(Box::new(move |_| {
                    is_ended.set(true);
                    Ok(())
                }));
                return Ok(());
            }
            go_on(texts.end(found))
        })
        .text(move |chunk: &mut TextChunk<'_>| {
            texts.borrow_mut().push(chunk);
            Ok(())
        })
}

/// The text of the element that is read.
#[derive(Default)]
struct Texts {
    /// Its name, if there is one.
    name: Option<String>,
    /// Whether its end tag has come. Shared with the handler of that tag alone.
    is_ended: Rc<Cell<bool>>,
    /// How many of [`SCOPES`] are open inside it. Shared with the handlers of their end tags.
    scopes: Rc<Cell<u32>>,
    value: String,
    /// The current text node, as it was sent.
    node: String,
}

impl Texts {
    fn is_open(&self) -> bool {
        self.name.is_some() && !self.is_ended.get()
    }

    fn is_ended_before(&self, next: &str) -> bool {
        let is_it = |(names, enders): &&(&[&str], &[&str])| {
            self.name.as_deref().is_some_and(|name| names.contains(&name)) && enders.contains(&next)
        };
        self.scopes.get() == 0 && ENDED_BEFORE.iter().any(|ended| is_it(&ended))
    }

    fn begin(&mut self, name: String) {
        self.name = Some(name);
        self.is_ended = Rc::default();
        self.scopes = Rc::default();
        self.value.clear();
        self.node.clear();
    }

    fn push(&mut self, chunk: &TextChunk<'_>) {
        if !self.is_open() {
            return;
        }
        self.node.push_str(chunk.as_str());
        if !chunk.last_in_text_node() {
            return;
        }
        match chunk.text_type() {
            TextType::Data | TextType::RCData => {
                self.value.push_str(&decoded(&self.node));
            }
            _ => self.value.push_str(&self.node),
        }
        self.node.clear();
    }

    /// Gives the value of the element, if there is one.
    fn end(&mut self, found: &Found<'_>) -> ControlFlow<()> {
        if self.name.take().is_none() {
            return ControlFlow::Continue(());
        }
        (found.borrow_mut())(&self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(html: &Html, page: &str) -> Vec<String> {
        let mut all = Vec::new();
        html.visit(page.as_bytes(), &mut |value| {
            all.push(value.to_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
        assert_eq!(html.first(page.as_bytes()).unwrap(), all.first().cloned());
        all
    }

    fn texts(selector: &str, page: &str) -> Vec<String> {
        all(&Html::text_of(selector).unwrap(), page)
    }

    #[test]
    fn attributes_are_found() {
        let html = Html::attribute_of("a.x, form > input:not([type=text])", "VALUE").unwrap();
        let page = "<a class='y x' value=1>t</a><a class=x><form><input value='&lt;&#x2F;2&#51;'>\
                    <input type=text value=no><p><input value=no></p><input value></form>";
        assert_eq!(all(&html, page), ["1", "</23", ""]);
    }

    #[test]
    fn texts_are_those_of_the_element_and_inside_it() {
        let page = "<div>a<b> b &amp; c</b><script>1 &amp;&amp; 2</script></div><div></div>d";
        assert_eq!(texts("div", page), ["a b & c1 &amp;&amp; 2", ""]);
        assert_eq!(texts("b", page), [" b & c"]);
        assert_eq!(texts("title", "<title>x &lt; y</title>"), ["x < y"]);
        assert_eq!(texts("div", "<div>a<div>b</div>c</div>d<div>e"), ["abc", "e"]);
        assert_eq!(texts("br", "a<br>b<br/>"), ["", ""]);
    }

    #[test]
    fn end_tags_may_be_missing_where_html_allows_it() {
        assert_eq!(texts("li", "<ul><li>a<li>b <i>c</i></ul>d<ul><li>e</ul>"), ["a", "b c", "e"]);
        assert_eq!(texts("p", "<div><p>a</div>b<p>c"), ["a", "c"]);
        // Also with its parent.
        for page in [
            "<ul><li><p>a<li>b</ul>",
            "<dl><dd><p>a<dt>b</dl>",
            "<table><tr><td><p>a<td>b</table>",
            "<table><tr><td><p>a<tr><td>b</table>",
        ] {
            assert_eq!(texts("p", page), ["a"], "{page}");
        }
        // Also where the next element does not match.
        let page = "<table><tr><td id=c>a<td>b<tr><td id=d>e</table>f<select><option id=o>x<option>y</select>\
                    <dl><dt id=t>k<dd id=v>w<dt>k2</dl><p id=p>one<div>two</div>";
        for (selector, expected) in
            [("#c", "a"), ("#d", "e"), ("#o", "x"), ("#t", "k"), ("#v", "w"), ("#p", "one")]
        {
            assert_eq!(texts(selector, page), [expected], "{selector}");
        }
        // What is inside of a list or table of its own ends nothing outside of it.
        let page = "<ul><li id=a>1<ul><li>2<li>3</ul>4<li>5</ul>";
        assert_eq!(texts("#a", page), ["1234"]);
        let page = "<table><tr><td id=a>1<table><tr><td>2</table>3<td>4</table>";
        assert_eq!(texts("#a", page), ["123"]);
        assert_eq!(texts("tr", "<table><tr><td>a<td>b<tr><td>c</table>"), ["ab", "c"]);
    }

    #[test]
    fn an_entity_may_lie_anywhere() {
        for before in 0..3_000 {
            let page = format!("<p>{}&amp;é</p>", "x".repeat(before));
            let text = Html::text_of("p").unwrap().first(page.as_bytes()).unwrap().unwrap();
            assert!(text.ends_with("x&é") || before == 0, "{before}: {text}");
        }
    }

    #[test]
    fn pages_are_bounded() {
        let html = Html::text_of("b").unwrap();
        assert_eq!(html.first(&vec![b' '; MAX_HTML_BYTES + 1]), Err(HtmlError::TooLarge));
        let deep = "<b>".repeat(MAX_HTML_BYTES / 3);
        assert_eq!(html.first(deep.as_bytes()), Err(HtmlError::TooComplex));
        let long = format!("<b {}>", "a".repeat(MAX_HTML_BYTES - 4));
        assert_eq!(html.first(long.as_bytes()), Ok(Some(String::new())));
        assert_eq!(html.first(b"<b>\xff</b>"), Ok(Some("\u{fffd}".to_owned())));
    }

    #[test]
    fn wrong_selectors_are_told() {
        for wrong in ["", "a[", "a:hover", "a >"] {
            let error = Html::text_of(wrong).unwrap_err();
            assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn pseudo_elements_are_refused_in_every_notation() {
        for before in
            ["p::before", "p:before", "p:/**/:x", r"p:\62 efore", "p:AFTER", ":host(a b)", ":host"]
        {
            for wrong in
                [before.to_owned(), format!("div:not({before})"), format!("div:not(.iv{before}")]
            {
                let error = Html::text_of(&wrong).unwrap_err();
                assert!(error.to_string().contains("pseudo"), "{wrong}: {error}");
            }
        }
        let page = "<p title='::before'>a</p><p class='a::b'>b</p><p class='a:'>c</p>";
        assert_eq!(texts("p[title='::before']", page), ["a"]);
        assert_eq!(texts(r"p.a\:\:b", page), ["b"]);
        assert_eq!(texts(r"p.a\::not(before)", page), ["c"]);
    }

    #[test]
    fn selectors_are_bounded() {
        let nested =
            |depth: usize| format!("{}{}{}", ":not(".repeat(depth), "i", ")".repeat(depth));
        assert!(Html::text_of(&nested(MAX_SELECTOR_DEPTH)).is_ok());
        let error = Html::text_of(&nested(MAX_SELECTOR_DEPTH + 1)).unwrap_err();
        assert_eq!(error.to_string(), "The selector is nested too deeply.");
        let long = |bytes: usize| ["a"].repeat(bytes.div_ceil(2)).join(",");
        assert!(Html::text_of(&long(MAX_SELECTOR_BYTES)).is_ok());
        let error = Html::text_of(&long(MAX_SELECTOR_BYTES + 1)).unwrap_err();
        assert_eq!(error.to_string(), "The selector is too long.");
    }
}
