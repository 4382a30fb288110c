//! Signing in: the form of `GET /login`, `POST /login`, and `GET /account`, which needs the session.
//!
//! Owns the two ways to sign in. A browser comes with the session that the form gave it, and must send
//! the CSRF token of that form; a client without either of them signs in with its password alone.

use super::signed::Kind;
use super::{Call, HTML, JSON, Problem, Shop, WRONG, form, json_text, made, required};
use crate::reply::Reply;

/// Name of the cookie.
const SESSION: &str = "session";
/// What `/account` and a wrong password are answered with
/// (draft-broyer-http-cookie-auth).
const CHALLENGE: &str =
    "Cookie realm=\"z6-target\", form-action=\"/login\", cookie-name=\"session\"";

impl Shop {
    /// A new session with the form that belongs to it.
    pub(super) fn login_form(&self, call: &Call) -> Reply {
        let visit = visit(call);
        let session = self.signer.sign(Kind::Visitor, &visit);
        let csrf = self.signer.sign(Kind::Csrf, &visit);
        let body = format!(
            "<!doctype html>\n\
             <html lang=\"en\">\n\
             <head><meta charset=\"utf-8\"><title>Sign in</title></head>\n\
             <body>\n\
             <h1>Sign in</h1>\n\
             <form action=\"/login\" method=\"post\">\n\
             <input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\n\
             <label>User <input type=\"text\" name=\"user\"></label>\n\
             <label>Password <input type=\"password\" name=\"password\"></label>\n\
             <button>Sign in</button>\n\
             </form>\n\
             </body>\n\
             </html>\n"
        );
        made(200, HTML, set_session(&session), body)
    }

    /// Signs in any user whose password is not `wrong`.
    pub(super) fn sign_in(&self, call: &Call) -> Result<Reply, Problem> {
        let fields = form::fields(call)?;
        let session = form::cookie(call, SESSION);
        let visit = session.and_then(|session| self.signer.open(Kind::Visitor, session));
        let csrf = fields.get("csrf");
        let by_form = visit.is_some() || csrf.is_some();
        if by_form {
            let of_form = csrf.and_then(|csrf| self.signer.open(Kind::Csrf, csrf));
            if visit.is_none() || of_form != visit {
                return Err(Problem::new(403, "`csrf` is not that of this session's login form"));
            }
        }
        let user = required(fields.get("user"), "user")?;
        if required(fields.get("password"), "password")? == WRONG {
            return Err(Problem::unauthorized("the password of this user is wrong", CHALLENGE));
        }
        let session = self.signer.sign(Kind::User, &format!("{} {user}", self::visit(call)));
        let cookie = set_session(&session);
        Ok(if by_form {
            made(303, HTML, format!("{cookie}Location: /account\r\n"), String::new())
        } else {
            made(200, JSON, cookie, format!("{{\"user\":{}}}\n", json_text(&user)))
        })
    }

    /// Greets the user.
    pub(super) fn account(&self, call: &Call) -> Result<Reply, Problem> {
        let session = form::cookie(call, SESSION);
        let payload = session.and_then(|session| self.signer.open(Kind::User, session));
        let user = payload.as_deref().and_then(|payload| payload.split_once(' '));
        let (_, user) =
            user.ok_or_else(|| Problem::unauthorized("sign in at /login first", CHALLENGE))?;
        let body = format!(
            "<!doctype html>\n\
             <html lang=\"en\">\n\
             <head><meta charset=\"utf-8\"><title>Account</title></head>\n\
             <body>\n\
             <h1>Hello, {}!</h1>\n\
             </body>\n\
             </html>\n",
            escape(user)
        );
        Ok(made(200, HTML, String::new(), body))
    }
}

/// What makes a session different from all others.
fn visit(call: &Call) -> String {
    let (connection, request) = call.nonce;
    format!("{connection}.{request}")
}

fn set_session(session: &str) -> String {
    format!("Set-Cookie: {SESSION}={session}; Path=/; HttpOnly; SameSite=Lax\r\n")
}

/// `text` as HTML text.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
