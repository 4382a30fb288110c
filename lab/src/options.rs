//! Parses the options of a command: `--name value` and flags.

use std::collections::BTreeMap;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

/// The options that were given.
#[derive(Debug, Default)]
pub(crate) struct Options {
    values: BTreeMap<String, String>,
}

impl Options {
    /// Reads `arguments`; `names` take a value, `flags` do not.
    ///
    /// # Errors
    /// For anything else.
    pub(crate) fn parse(arguments: &[String], names: &[&str], flags: &[&str]) -> Result<Options> {
        let mut values = BTreeMap::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let known = |list: &[&str]| {
                argument.strip_prefix("--").filter(|name| list.contains(name)).map(str::to_owned)
            };
            if let Some(name) = known(flags) {
                values.insert(name, String::new());
            } else if let Some(name) = known(names) {
                let value = rest.next().with_context(|| format!("{argument} needs a value"))?;
                values.insert(name, value.clone());
            } else {
                let all: Vec<String> =
                    names.iter().chain(flags).map(|name| format!("--{name}")).collect();
                bail!("unknown argument `{argument}`; there are {}", all.join(", "));
            }
        }
        Ok(Options { values })
    }

    /// Whether a flag was given.
    pub(crate) fn has(&self, flag: &str) -> bool {
        self.values.contains_key(flag)
    }

    /// The value of an option, or its default.
    ///
    /// # Errors
    /// If it is not of that kind.
    pub(crate) fn value<T: FromStr>(&self, name: &str, default: T) -> Result<T> {
        let Some(value) = self.values.get(name) else { return Ok(default) };
        value.parse().ok().with_context(|| format!("--{name}: `{value}` does not fit"))
    }

    /// The values of an option that takes several with commas between them, or its default.
    ///
    /// # Errors
    /// If one is not of that kind.
    pub(crate) fn list<T: FromStr + Clone>(&self, name: &str, default: &[T]) -> Result<Vec<T>> {
        let Some(values) = self.values.get(name) else { return Ok(default.to_vec()) };
        let read = |value: &str| {
            value.parse().ok().with_context(|| format!("--{name}: `{value}` does not fit"))
        };
        values.split(',').map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&words, &["rounds", "only"], &["direct"])
    }

    #[test]
    fn values_lists_flags_and_defaults() {
        let options = parse("--rounds 7 --direct --only 1,64").unwrap();
        assert_eq!(options.value("rounds", 5).unwrap(), 7);
        assert_eq!(options.value("seconds", 5).unwrap(), 5);
        assert_eq!(options.list("only", &[0]).unwrap(), [1, 64]);
        assert_eq!(options.list("bodies", &[13]).unwrap(), [13]);
        assert!(options.has("direct") && !options.has("other"));
    }

    #[test]
    fn what_is_unknown_missing_or_of_another_kind_is_refused() {
        for line in ["--hurry", "fast", "--rounds"] {
            assert!(parse(line).is_err(), "{line}");
        }
        assert!(parse("--rounds x").unwrap().value("rounds", 5).is_err());
        assert!(parse("--only 1,,2").unwrap().list("only", &[1]).is_err());
    }
}
