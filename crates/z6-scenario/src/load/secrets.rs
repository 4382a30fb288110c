//! `[secrets]`: names, and where their bytes are when a real run begins. No byte of one is read here.

use super::codes;
use super::diagnostic::quoted;
use super::limits::MAX_PARAMETERS;
use super::names::check_value_name;
use super::reader::{Context, Section};
use super::sources::Sources;
use crate::journey::{Secret, SecretSource};

/// Reads `[secrets]`.
pub(crate) fn secrets(cx: &mut Context<'_>, root: &Section<'_>, sources: &mut Sources) {
    for member in root.members(cx, "secrets", MAX_PARAMETERS) {
        let is_name = check_value_name(cx, member.name, member.name_span.as_ref(), "secret");
        let Some(section) = member.open(cx) else { continue };
        let from = match (section.text("env"), section.text("file")) {
            (Some(variable), None) => SecretSource::Environment(variable.to_owned()),
            (None, Some(file)) => SecretSource::File(file.to_owned()),
            (Some(_), Some(_)) => {
                let message = "`env` and `file` cannot be combined";
                cx.error(codes::CONFLICT, section.key_span("file"), message, "keep one");
                continue;
            }
            (None, None) => {
                if !section.is_bad("env") && !section.is_bad("file") {
                    let message = format!("secret {} comes from nowhere", quoted(member.name));
                    let hint = "write `env = \"NAME\"` or `file = \"PATH\"`: the value of a secret \
                                does not stand in the scenario";
                    cx.error(codes::MISSING_KEY, section.heading.clone(), message, hint);
                }
                SecretSource::Environment(String::new())
            }
        };
        for key in ["env", "file"] {
            let is_wrong = |text: &str| {
                text.is_empty()
                    || text.contains('=') && key == "env"
                    || text.contains(char::is_control)
            };
            if section.text(key).is_some_and(is_wrong) {
                let message =
                    format!("{} of secret {} names nothing", quoted(key), quoted(member.name));
                let hint = "write the name of a variable of the environment, or the path of a file";
                cx.error(codes::BAD_NAME, section.span(key), message, hint);
            }
        }
        if is_name {
            sources.add_secret(member.name);
            sources.table.secrets.push(Secret { name: member.name.to_owned(), from });
        }
    }
}
