//! The tables of values: `[parameters]`, `[secrets]`, `[[data]]`, `[random]`, `[cookies]`, and what
//! requests send and read with them.

use super::{Choices, Key, Kind, Named, Table, Variant, count, key, text};
use crate::load::limits;

/// Whether rows and random values stay for a VU, an iteration or a step.
const PER: Choices = &["vu", "iteration", "step"];
/// For how long a variable or a cookie is kept.
const SCOPES: Choices = &["iteration", "vu"];

const fn template(name: &'static str) -> Key {
    key(name, Kind::Template)
}
const fn flag(name: &'static str) -> Key {
    key(name, Kind::Flag)
}
const fn choice(name: &'static str, words: Choices) -> Key {
    key(name, Kind::Choice(words))
}

pub(crate) static PARAMETERS: Named = Named {
    table: Table {
        label: "[parameters]",
        keys: &[&[
            key("default", Kind::Scalar),
            text("env"),
            choice("type", &["text", "integer", "number", "flag"]).or_words("that of the default"),
        ]],
        variants: &[],
    },
    shorthand: Some("default"),
};

pub(crate) static SECRETS: Named = Named {
    table: Table { label: "[secrets]", keys: &[&[text("env"), text("file")]], variants: &[] },
    shorthand: None,
};

pub(crate) static DATA: Table = Table {
    label: "[[data]]",
    keys: &[&[
        text("name").required(),
        text("file").required(),
        choice("format", &["csv", "tsv", "json_lines"]).or_words("by the file's name"),
        key("columns", Kind::Texts).or_words("the first line"),
        choice("per", PER).or_words("iteration"),
        choice("order", &["sequential", "shuffled", "random"]).or_words("sequential"),
        text("weight"),
        flag("unique").or_words("false"),
        choice("on_end", &["repeat", "stop_vu", "stop_run"]).or_words("repeat or stop_run"),
        key("secret", Kind::Texts),
        flag("attach").or_words("true"),
    ]],
    variants: &[],
};

static RANDOM_KEYS: [Key; 2] = [
    choice(
        "type",
        &["integer", "decimal", "choice", "text", "hex", "uuid", "name", "email", "words"],
    )
    .required(),
    choice("per", PER).or_words("step"),
];

pub(crate) static RANDOM: Named = Named {
    table: Table {
        label: "[random]",
        keys: &[&RANDOM_KEYS],
        variants: &[
            Variant {
                name: "integer",
                keys: &[&[
                    key("min", Kind::Integer).required(),
                    key("max", Kind::Integer).required(),
                ]],
            },
            Variant {
                name: "decimal",
                keys: &[&[
                    key("min", Kind::Decimal).required(),
                    key("max", Kind::Decimal).required(),
                    count("digits", 0, 18).or(2),
                ]],
            },
            Variant {
                name: "choice",
                keys: &[&[
                    key("from", Kind::Texts).required(),
                    key("weights", Kind::Counts { min: 0, max: limits::MAX_CHOICE_WEIGHT })
                        .or_words("all the same"),
                ]],
            },
            Variant {
                name: "text",
                keys: &[&[
                    key("length", Kind::Range { min: 0, max: limits::MAX_RANDOM_LENGTH })
                        .required(),
                    text("alphabet").or_words("letters and digits"),
                ]],
            },
            Variant {
                name: "hex",
                keys: &[&[count("length", 1, limits::MAX_RANDOM_LENGTH).required()]],
            },
            Variant {
                name: "words",
                keys: &[&[
                    key("count", Kind::Range { min: 1, max: limits::MAX_RANDOM_WORDS }).required()
                ]],
            },
            Variant { name: "uuid", keys: &[] },
            Variant { name: "name", keys: &[] },
            Variant { name: "email", keys: &[] },
        ],
    },
    shorthand: None,
};

pub(crate) static COOKIES: Table = Table {
    label: "[cookies]",
    keys: &[&[choice("scope", &["iteration", "vu", "off"]).or_words("off")]],
    variants: &[],
};

pub(crate) static LOG: Table = Table {
    label: "[log]",
    keys: &[&[choice("values", &["clear", "digest"]).or_words("clear")]],
    variants: &[],
};

/// Keys of `[[requests]]` that make and read values.
pub(super) static REQUEST_KEYS: [Key; 8] = [
    key("query", Kind::Fields),
    key("form", Kind::Fields),
    key("json", Kind::Any),
    key("multipart", Kind::Named(&MULTIPART)),
    key("auth", Kind::Table(&AUTH)),
    flag("templates").or_words("true"),
    key("extract", Kind::Named(&EXTRACT)),
    key("checks", Kind::Named(&CHECKS)),
];

pub(crate) static MULTIPART: Named = Named {
    table: Table {
        label: "[requests.multipart]",
        keys: &[&[
            template("value"),
            text("file"),
            text("filename").or_words("the name of the file"),
            text("content_type").or_words("by kind"),
        ]],
        variants: &[],
    },
    shorthand: Some("value"),
};

pub(crate) static AUTH: Table = Table {
    label: "[requests.auth]",
    keys: &[&[
        template("bearer"),
        key("basic", Kind::Table(&BASIC)),
        key("aws_sigv4", Kind::Table(&AWS_SIGV4)),
    ]],
    variants: &[],
};

pub(crate) static BASIC: Table = Table {
    label: "[requests.auth.basic]",
    keys: &[&[template("user").required(), template("password").required()]],
    variants: &[],
};

pub(crate) static AWS_SIGV4: Table = Table {
    label: "[requests.auth.aws_sigv4]",
    keys: &[&[
        template("access_key").required(),
        template("secret_key").required(),
        template("session_token"),
        template("region").required(),
        template("service").required(),
    ]],
    variants: &[],
};

pub(crate) static EXTRACT: Named = Named {
    table: Table {
        label: "[requests.extract]",
        keys: &[&[
            text("json"),
            text("html"),
            text("attribute").or_words("the text"),
            text("header"),
            text("trailer"),
            text("cookie"),
            text("regex"),
            key("between", Kind::Texts),
            flag("body"),
            flag("status"),
            flag("url"),
            flag("sha256"),
            template("value"),
            key("select", Kind::Select).or_words("first"),
            text("default"),
            flag("required").or_words("true"),
            choice("when", &["success", "always"]).or_words("success"),
            flag("secret").or_words("by source"),
            choice("scope", SCOPES).or_words("by use"),
        ]],
        variants: &[],
    },
    shorthand: None,
};

pub(crate) static CHECKS: Named = Named {
    table: Table {
        label: "[requests.checks]",
        keys: &[&[template("that").required(), flag("fails").or_words("true")]],
        variants: &[],
    },
    shorthand: Some("that"),
};
