//! A response that is being made up: what is wanted of each of its values, and then those.

use z6_extract::sample::{Document, Sampler, Spot};
use z6_extract::{Html, JsonPath};
use z6_scenario::expression::{Comparison, Term};
use z6_scenario::random::Generator;

use super::goal::wish;
use super::wish::{Known, Wish, candidates as candidates_of, choose, contains, draw, fits};

/// Bodies are not padded beyond this, bytes.
const PADDED_BYTES_MAX: usize = 1 << 20;
/// Statuses that responses with a body have, in the order in which they are tried.
const STATUSES: std::ops::RangeInclusive<u16> = 200..=599;

/// Where a value of a response is.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Status,
    BodyBytes,
    Body,
    Header(String),
    Trailer(String),
    Cookie(String),
    Json(Spot),
}

impl Place {
    /// Nothing but a text can be there.
    const fn is_text(&self) -> bool {
        match self {
            Place::Body | Place::Header(_) | Place::Trailer(_) | Place::Cookie(_) => true,
            Place::Status | Place::BodyBytes | Place::Json(_) => false,
        }
    }
}

/// A value, what is wanted of it, and how many there are one behind the other.
#[derive(Debug)]
struct Entry {
    place: Place,
    wishes: Vec<Wish>,
    copies: usize,
    /// The entry that has to be equal to it, and was there before it.
    same_as: Option<usize>,
    chosen: Option<Known>,
}

/// A piece of a body.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    /// 0 if it has to be at the beginning, 2 at the end.
    order: u8,
}

/// The response.
pub(super) struct Draft<'a> {
    entries: Vec<Entry>,
    orders: Vec<(usize, Comparison, usize)>,
    document: Document,
    pieces: Vec<Piece>,
    /// Its body is read as JSON.
    is_json: bool,
    samplers: &'a mut [Sampler],
    draws: Generator,
}

/// The values of a response, before it is known how it is framed.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) status: u16,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) trailers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(samplers: &'a mut [Sampler], draws: Generator) -> Draft<'a> {
        Draft {
            entries: Vec::new(),
            orders: Vec::new(),
            document: Document::default(),
            pieces: Vec::new(),
            is_json: false,
            samplers,
            draws,
        }
    }

    /// The body is read as JSON.
    pub(super) fn read_json(&mut self) {
        self.is_json = true;
    }

    /// A value of an extraction is to be found in a header, a trailer or a cookie.
    pub(super) fn extract(&mut self, term: &Term, wishes: Vec<Wish>, copies: usize) {
        if let Some(index) = self.entry(term, true) {
            let entry = &mut self.entries[index];
            entry.wishes.extend(wishes);
            entry.copies = entry.copies.max(copies);
        }
    }

    /// A value of an extraction is to be found by a path.
    pub(super) fn extract_json(&mut self, path: &JsonPath, wishes: Vec<Wish>, nth: usize) {
        self.is_json = true;
        let spot = self.document.locate(path, nth, &mut |count| draw(&mut self.draws, count));
        if let Some(spot) = spot {
            let index = self.enter(Place::Json(spot));
            self.entries[index].wishes.extend(wishes);
        }
    }

    /// The body is to have what a pattern finds.
    pub(super) fn extract_pattern(&mut self, sampler: usize, inner: Option<usize>, copies: usize) {
        for _ in 0..copies {
            let Some(piece) = self.sampled(sampler) else { return };
            if inner.is_none_or(|inner| self.samplers[inner].finds(&piece.bytes)) {
                self.pieces.push(piece);
            }
        }
    }

    /// The body is to have a value between two boundaries.
    pub(super) fn extract_between(
        &mut self,
        between: &z6_extract::Between,
        wishes: &[Wish],
        copies: usize,
    ) {
        for _ in 0..copies {
            let Some(value) = self.choose(wishes, true) else { return };
            self.pieces.push(Piece { bytes: between.sample(&value.bytes), order: 1 });
        }
    }

    /// The body is to have an element.
    pub(super) fn extract_html(&mut self, html: &Html, wishes: &[Wish], copies: usize) {
        for _ in 0..copies {
            let Some(value) = self.choose(wishes, true) else { return };
            let Some(page) = html.sample(&String::from_utf8_lossy(&value.bytes)) else { return };
            self.pieces.push(Piece { bytes: page.into_bytes(), order: 1 });
        }
    }

    /// Something is wanted of a value.
    pub(super) fn want(&mut self, term: &Term, wish: Wish) {
        let creates = !wish.holds_without();
        if let Some(index) = self.entry(term, creates) {
            let wishes = &mut self.entries[index].wishes;
            if !wishes.contains(&wish) {
                wishes.push(wish);
            }
        }
    }

    /// A comparison of two values is to hold.
    pub(super) fn want_both(&mut self, left: &Term, comparison: Comparison, right: &Term) {
        let creates = comparison != Comparison::NotEqual;
        let (Some(left), Some(right)) = (self.entry(left, creates), self.entry(right, creates))
        else {
            return;
        };
        if comparison != Comparison::Equal {
            self.orders.push((left, comparison, right));
            return;
        }
        let (first, second) = (self.first_of(left), self.first_of(right));
        if first != second {
            let (keeps, joins) = (first.min(second), first.max(second));
            self.entries[joins].same_as = Some(keeps);
        }
    }

    fn first_of(&self, index: usize) -> usize {
        let mut index = index;
        while let Some(before) = self.entries[index].same_as {
            index = before;
        }
        index
    }

    /// The entry of a term. Unless it is to be there, only one that is there already.
    fn entry(&mut self, term: &Term, creates: bool) -> Option<usize> {
        let place = match term {
            Term::Status => Place::Status,
            Term::BodyBytes => Place::BodyBytes,
            Term::Body => Place::Body,
            Term::Header(name) => Place::Header(name.to_ascii_lowercase()),
            Term::Trailer(name) => Place::Trailer(name.to_ascii_lowercase()),
            Term::Cookie(name) => Place::Cookie(name.to_string()),
            Term::Json { path, .. } => {
                self.is_json = true;
                let before = (!creates).then(|| self.document.clone());
                let spot =
                    self.document.locate(path, 0, &mut |count| draw(&mut self.draws, count))?;
                if let Some(before) = before.filter(|before| *before != self.document) {
                    self.document = before;
                    return None;
                }
                Place::Json(spot)
            }
            _ => return None,
        };
        let is_known = matches!(place, Place::Status | Place::BodyBytes | Place::Body)
            || self.entries.iter().any(|entry| entry.place == place);
        (creates || is_known).then(|| self.enter(place))
    }

    fn enter(&mut self, place: Place) -> usize {
        if let Some(index) = self.entries.iter().position(|entry| entry.place == place) {
            return index;
        }
        let entry = Entry { place, wishes: Vec::new(), copies: 1, same_as: None, chosen: None };
        self.entries.push(entry);
        self.entries.len() - 1
    }

    fn choose(&mut self, wishes: &[Wish], is_text: bool) -> Option<Known> {
        choose(wishes, is_text, self.samplers, &mut self.draws)
    }

    fn sampled(&mut self, sampler: usize) -> Option<Piece> {
        let order = match self.samplers.get(sampler)? {
            sampler if sampler.is_of_start() => 0,
            sampler if sampler.is_of_end() => 2,
            _ => 1,
        };
        let found = self.samplers[sampler].sample(&mut |count| draw(&mut self.draws, count))?;
        Some(Piece { bytes: found.text, order })
    }

    /// The response. Its status is `fixed`, or the first of those that fit and `expects` allows.
    pub(super) fn finish(
        mut self,
        fixed: Option<u16>,
        expects: &dyn Fn(u16) -> bool,
        preferred: &[u16],
    ) -> Content {
        let status = fixed.unwrap_or_else(|| self.status(expects, preferred));
        self.settle(&Place::Status, Known::literal(status.to_string()));
        self.choose_all();
        let body = self.body();
        self.content(status, body)
    }

    fn status(&mut self, expects: &dyn Fn(u16) -> bool, preferred: &[u16]) -> u16 {
        let wishes = self.wishes(&Place::Status);
        let mut candidates = Vec::new();
        for wish in &wishes {
            let known: Vec<&Known> = match wish {
                Wish::Is(known) => vec![known],
                Wish::OneOf(all) => all.iter().collect(),
                _ => Vec::new(),
            };
            let text = |known: &Known| std::str::from_utf8(&known.bytes).ok()?.parse::<u16>().ok();
            candidates.extend(known.into_iter().filter_map(text));
        }
        let all: Vec<u16> =
            candidates.iter().copied().chain(preferred.iter().copied()).chain(STATUSES).collect();
        let has_body = !self.pieces.is_empty() || self.is_json;
        let suits = |status: u16| !has_body || !matches!(status, 204 | 304);
        let allowed: Vec<u16> = all.into_iter().filter(|status| expects(*status)).collect();
        let mut suits_all = |status: u16| {
            // What would be chosen is this status or nothing; the generator goes on as for a choice.
            candidates_of(&wishes, false, self.samplers, &mut self.draws);
            let known = Known::literal(status.to_string());
            fits(&wishes, &known, self.samplers)
        };
        let found = allowed.iter().find(|status| suits(**status) && suits_all(**status));
        let found = found.or_else(|| allowed.iter().find(|status| suits_all(**status)));
        found.or(candidates.first()).or(allowed.first()).copied().unwrap_or(200)
    }

    /// Wishes of a place, with those that have to be equal to it.
    fn wishes(&self, place: &Place) -> Vec<Wish> {
        let Some(index) = self.entries.iter().position(|entry| entry.place == *place) else {
            return Vec::new();
        };
        self.wishes_of(self.first_of(index))
    }

    fn wishes_of(&self, first: usize) -> Vec<Wish> {
        let own = (0..self.entries.len()).filter(|index| self.first_of(*index) == first);
        own.flat_map(|index| self.entries[index].wishes.iter().cloned()).collect()
    }

    /// A value is known by now.
    fn settle(&mut self, place: &Place, known: Known) {
        if let Some(index) = self.entries.iter().position(|entry| entry.place == *place) {
            let first = self.first_of(index);
            self.entries[first].wishes.push(Wish::Is(known.clone()));
            self.entries[index].chosen = Some(known);
        }
    }

    fn choose_all(&mut self) {
        for first in 0..self.entries.len() {
            self.choose_group(first);
        }
        for (left, comparison, right) in std::mem::take(&mut self.orders) {
            let known = self.entries[self.first_of(right)].chosen.clone();
            let Some(wish) = known.and_then(|known| wish(comparison, known)) else { continue };
            let first = self.first_of(left);
            self.entries[first].wishes.push(wish);
            self.choose_group(first);
        }
    }

    /// Chooses what is the same value for all that have to be equal.
    fn choose_group(&mut self, first: usize) {
        if self.first_of(first) != first {
            return;
        }
        let own: Vec<usize> =
            (0..self.entries.len()).filter(|index| self.first_of(*index) == first).collect();
        let wishes = self.wishes_of(first);
        let places = || own.iter().map(|index| &self.entries[*index].place);
        let is_built = places().all(|place| matches!(place, Place::Body | Place::BodyBytes));
        if is_built || wishes.iter().all(Wish::holds_without) && own.len() == 1 {
            return;
        }
        let is_text = places().any(Place::is_text);
        let chosen = self.choose(&wishes, is_text);
        for index in own {
            self.entries[index].chosen = chosen.clone();
        }
    }

    fn chosen(&self, place: &Place) -> Option<&Known> {
        self.entries.iter().find(|entry| entry.place == *place)?.chosen.as_ref()
    }

    fn body(&mut self) -> Vec<u8> {
        let wishes = self.wishes(&Place::Body);
        let exact = self.chosen(&Place::Body).cloned();
        let is_exact = wishes.iter().any(|wish| matches!(wish, Wish::Is(_) | Wish::OneOf(_)));
        let exact = exact.or_else(|| is_exact.then(|| self.choose(&wishes, true)).flatten());
        let mut body = match exact {
            Some(exact) => exact.bytes,
            None => self.assembled(&wishes),
        };
        self.pad(&mut body);
        body
    }

    /// A body of pieces, or a document that has them inside.
    fn assembled(&mut self, wishes: &[Wish]) -> Vec<u8> {
        for index in 0..self.entries.len() {
            let Entry { place: Place::Json(spot), chosen: Some(known), .. } = &self.entries[index]
            else {
                continue;
            };
            let is_set = match known.is_text {
                true => self.document.set_text(spot, &known.bytes),
                false => self.document.set_literal(spot, &known.bytes),
            };
            // Where something lies inside there is a value.
            let _ = is_set;
        }
        for wish in wishes {
            match wish {
                Wish::Contains(part) if !contains(&self.text(), part) => {
                    self.pieces.push(Piece { bytes: part.clone(), order: 1 });
                }
                Wish::Matches(sampler) | Wish::Found(sampler) => {
                    let text = self.text();
                    if !self.samplers[*sampler].finds(&text)
                        && let Some(piece) = self.sampled(*sampler)
                    {
                        self.pieces.push(piece);
                    }
                }
                _ => {}
            }
        }
        self.text()
    }

    /// The body as it is up to now.
    fn text(&self) -> Vec<u8> {
        let mut pieces: Vec<&Piece> = self.pieces.iter().collect();
        pieces.sort_by_key(|piece| piece.order);
        let pieces: Vec<&[u8]> = pieces.into_iter().map(|piece| piece.bytes.as_slice()).collect();
        if !self.is_json {
            return pieces.join(&b'\n');
        }
        if pieces.is_empty() {
            return if self.document.is_empty() { b"{}".to_vec() } else { self.document.text() };
        }
        let mut document = self.document.clone();
        if let Some(spare) = document.spare() {
            document.set_text(&spare, &pieces.join(&b' '));
        }
        document.text()
    }

    /// Makes a body as long as it is wanted, if it is shorter.
    fn pad(&mut self, body: &mut Vec<u8>) {
        let wishes = self.wishes(&Place::BodyBytes);
        if wishes.is_empty() {
            return;
        }
        let is_now = Wish::Is(Known::literal(body.len().to_string()));
        if self.choose(&[wishes.as_slice(), &[is_now]].concat(), false).is_some() {
            return;
        }
        let Some(wanted) = self.choose(&wishes, false) else { return };
        let wanted = std::str::from_utf8(&wanted.bytes).ok().and_then(|text| text.parse().ok());
        if let Some(wanted) = wanted.filter(|wanted| *wanted <= PADDED_BYTES_MAX)
            && wanted > body.len()
        {
            body.resize(wanted, b' ');
        }
    }

    fn content(self, status: u16, body: Vec<u8>) -> Content {
        let mut content = Content { status, body, ..Content::default() };
        for Entry { place, copies, chosen, .. } in self.entries {
            let Some(Known { bytes, .. }) = chosen else { continue };
            let (list, name, value) = match place {
                Place::Header(name) => (&mut content.fields, name, bytes),
                Place::Trailer(name) => (&mut content.trailers, name, bytes),
                Place::Cookie(name) => {
                    let cookie = [name.as_bytes(), b"=", &bytes].concat();
                    (&mut content.fields, "set-cookie".to_owned(), cookie)
                }
                Place::Status | Place::BodyBytes | Place::Body | Place::Json(_) => continue,
            };
            if can_be_sent(&name, &value) {
                list.extend(std::iter::repeat_n((titled(&name), value), copies));
            }
        }
        content
    }
}

/// Fields that the server has for itself: they say how the response is framed and coded.
const OWN_FIELDS: [&str; 7] = [
    "connection",
    "content-encoding",
    "content-length",
    "keep-alive",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn can_be_sent(name: &str, value: &[u8]) -> bool {
    let is_text = |byte: &u8| *byte >= b' ' && *byte != 0x7f || *byte == b'\t';
    !OWN_FIELDS.contains(&name) && value.iter().all(is_text)
}

/// `content-type` as `Content-Type`.
fn titled(name: &str) -> String {
    let mut is_first = true;
    let title = |c: char| {
        let c = if is_first { c.to_ascii_uppercase() } else { c };
        is_first = c == '-';
        c
    };
    name.chars().map(title).collect()
}
