//! Licence expressions (SPDX 2.3, annex D): whether an allowed choice exists in one.
//!
//! Knows `AND`, `OR`, `WITH`, parentheses, and the `/` that older manifests use for `OR`.

use anyhow::{Result, bail};

/// Whether the terms of `expression` can be met with licences that `is_allowed`. An exception is
/// part of the name that is asked for: `Apache-2.0 WITH LLVM-exception`.
///
/// # Errors
/// If the expression is malformed.
pub(crate) fn permits(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> Result<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, is_allowed };
    let permitted = parser.any_of()?;
    if let Some(word) = parser.words.first() {
        bail!("`{word}` is not expected in `{expression}`");
    }
    Ok(permitted)
}

struct Parser<'a> {
    words: &'a [&'a str],
    is_allowed: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn any_of(&mut self) -> Result<bool> {
        let mut permitted = self.all_of()?;
        while self.take("OR") {
            permitted |= self.all_of()?;
        }
        Ok(permitted)
    }

    fn all_of(&mut self) -> Result<bool> {
        let mut permitted = self.one()?;
        while self.take("AND") {
            permitted &= self.one()?;
        }
        Ok(permitted)
    }

    fn one(&mut self) -> Result<bool> {
        if self.take("(") {
            let permitted = self.any_of()?;
            if !self.take(")") {
                bail!("a parenthesis is not closed");
            }
            return Ok(permitted);
        }
        let licence = self.name()?;
        if self.take("WITH") {
            let exception = self.name()?;
            return Ok((self.is_allowed)(&format!("{licence} WITH {exception}")));
        }
        Ok((self.is_allowed)(licence))
    }

    fn name(&mut self) -> Result<&'a str> {
        match self.words {
            [word, rest @ ..] if !["AND", "OR", "WITH", "(", ")"].contains(word) => {
                self.words = rest;
                Ok(word)
            }
            _ => bail!("a licence is missing"),
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(licence: &str) -> bool {
        ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].contains(&licence)
    }

    #[test]
    fn expressions_mean_what_they_say() {
        let cases = [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("Apache-2.0", false),
            ("MIT OR Apache-2.0", true),
            ("Unlicense/MIT", true),
            ("GPL-2.0 OR AGPL-3.0", false),
            ("MIT AND Apache-2.0", false),
            ("MIT AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("(GPL-3.0 OR Apache-2.0) AND Unicode-3.0", false),
            // AND binds tighter than OR.
            ("MIT OR GPL-3.0 AND Apache-2.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0 WITH other-exception", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ];
        for (expression, expected) in cases {
            assert_eq!(permits(expression, &allowed).unwrap(), expected, "{expression}");
        }
    }

    #[test]
    fn nonsense_is_refused_even_where_an_allowed_licence_stands_in_it() {
        for expression in ["", "OR MIT", "MIT OR", "(MIT", "MIT)", "MIT WITH", "MIT Apache-2.0"] {
            assert!(permits(expression, &allowed).is_err(), "{expression}");
        }
    }
}
