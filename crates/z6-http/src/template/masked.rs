//! Templates in which secret values are replaced by their names, to be shown.

use super::{Escape, Slot, Template, ValueId};

impl Template {
    /// The template with a text instead of each placeholder that reads one of the values that `mask` has a
    /// text for, itself or as the key of a filter. The text stands as it is, whatever is escaped there; where a
    /// JSON value stands it is in quotes, as the value is if it is a text, which `mask` says too.
    ///
    /// ```
    /// use z6_http::template::{Template, TextKind, ValueId};
    ///
    /// let find = |name: &str| Some(ValueId(u16::from(name == "key")));
    /// let path = Template::compile("/{{user}}?k={{key | base64}}", TextKind::Target, find)?;
    /// let shown = path.masked(|id| (id == ValueId(1)).then(|| ("<key>".to_owned(), true)));
    /// assert_eq!((shown.fixed(), shown.values().count()), ("/?k=<key>", 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn masked(&self, mask: impl Fn(ValueId) -> Option<(String, bool)>) -> Template {
        let mut masked =
            Template { text: String::new(), slots: Vec::new(), tail: 0..0, allowed: self.allowed };
        for slot in &self.slots {
            masked.push_text(&self.text[slot.before.clone()]);
            match std::iter::once(slot.value).chain(slot.keys()).find_map(&mask) {
                Some((text, is_text)) => {
                    let is_text = is_text || !slot.filters.is_empty();
                    let quote = if slot.escape == Escape::JsonValue && is_text { "\"" } else { "" };
                    [quote, &text, quote].into_iter().for_each(|part| masked.push_text(part));
                }
                None => {
                    let before = masked.tail.clone();
                    masked.push_slot(Slot { before, ..slot.clone() });
                }
            }
        }
        masked.push_text(&self.text[self.tail.clone()]);
        masked
    }

    /// Each placeholder as a template of its own, in the order of the text.
    ///
    /// ```
    /// use z6_http::template::{Template, TextKind, ValueId};
    ///
    /// let path = Template::compile("/{{user}}?k={{key | base64}}", TextKind::Target, |_| Some(ValueId(1)))?;
    /// assert_eq!(path.placeholders().map(|one| one.fixed().len()).collect::<Vec<_>>(), [0, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn placeholders(&self) -> impl Iterator<Item = Template> {
        self.slots.iter().map(|slot| Template {
            text: String::new(),
            slots: vec![Slot { before: 0..0, ..slot.clone() }],
            tail: 0..0,
            allowed: self.allowed,
        })
    }
}
