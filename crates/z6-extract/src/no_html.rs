//! What stands for selectors of HTML pages without the feature `html`: any text is taken for a selector, so that
//! a scenario that has them loads, and no page can be read.

use std::convert::Infallible;
use std::ops::ControlFlow;

use thiserror::Error;

/// Why a text is no selector. Without the feature `html` none is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SelectorError(Infallible);

/// A CSS selector, and what of the elements it matches is the value. Without the feature `html` it finds
/// nothing.
#[derive(Clone, Debug)]
pub struct Html {
    #[cfg(feature = "sample")]
    text: Box<str>,
    #[cfg(feature = "sample")]
    attribute: Option<Box<str>>,
}

/// Why a page cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HtmlError {
    /// This program was built without the feature `html`.
    #[error("this program reads no HTML: it was built without the feature `html`")]
    NotBuiltIn,
}

#[cfg_attr(not(feature = "sample"), allow(unused_variables, reason = "nothing is kept"))]
impl Html {
    /// The value is an attribute.
    ///
    /// # Errors
    /// None.
    pub fn attribute_of(selector: &str, attribute: &str) -> Result<Html, SelectorError> {
        Ok(Html {
            #[cfg(feature = "sample")]
            text: selector.into(),
            #[cfg(feature = "sample")]
            attribute: Some(attribute.into()),
        })
    }

    /// The value is the text in the element.
    ///
    /// # Errors
    /// None.
    pub fn text_of(selector: &str) -> Result<Html, SelectorError> {
        Ok(Html {
            #[cfg(feature = "sample")]
            text: selector.into(),
            #[cfg(feature = "sample")]
            attribute: None,
        })
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

    /// The first value.
    ///
    /// # Errors
    /// Always [`HtmlError::NotBuiltIn`].
    pub fn first(&self, _page: &[u8]) -> Result<Option<String>, HtmlError> {
        Err(HtmlError::NotBuiltIn)
    }

    pub(crate) fn visit(
        &self,
        _page: &[u8],
        _found: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<(), HtmlError> {
        Err(HtmlError::NotBuiltIn)
    }
}
