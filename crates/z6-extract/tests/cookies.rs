//! A jar stores and sends cookies as RFC 6265bis says.
#![allow(clippy::unwrap_used, reason = "tests may")]

use z6_extract::limits::{MAX_COOKIE_AGE_SECONDS, MAX_COOKIES};
use z6_extract::{Destination, Jar, Refused, Stored};

/// 2015-10-21 07:28:00, in milliseconds.
const NOW: i64 = 1_445_412_480_000;

fn to(url: &str) -> Destination<'_> {
    let (scheme, rest) = url.split_once("://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    Destination { host, path, is_secure: scheme == "https" }
}

fn store(jar: &mut Jar, url: &str, field: &str) -> Result<Stored, Refused> {
    jar.store(field.as_bytes(), &to(url), NOW)
}

fn sent_at(jar: &mut Jar, url: &str, now: i64) -> String {
    let mut value = Vec::new();
    let count = jar.write(&to(url), now, &mut value);
    let value = String::from_utf8(value).unwrap();
    assert_eq!(count, value.split("; ").filter(|one| !one.is_empty()).count());
    value
}

fn sent(jar: &mut Jar, url: &str) -> String {
    sent_at(jar, url, NOW)
}

fn jar_of(url: &str, field: &str) -> Jar {
    let mut jar = Jar::new();
    store(&mut jar, url, field).unwrap();
    jar
}

#[test]
fn a_cookie_without_domain_is_for_its_host_alone() {
    let mut jar = jar_of("http://a.example/", "x=1");
    assert_eq!(sent(&mut jar, "http://A.Example/p"), "x=1");
    assert_eq!(sent(&mut jar, "http://b.a.example/"), "");
    assert_eq!(sent(&mut jar, "http://example/"), "");
}

#[test]
fn a_domain_covers_the_hosts_below_it() {
    let mut jar = jar_of("http://b.a.example/", "x=1; Domain=.A.example");
    for host in ["a.example", "b.a.example", "c.b.a.example"] {
        assert_eq!(sent(&mut jar, &format!("http://{host}/")), "x=1", "{host}");
    }
    for host in ["xa.example", "example", "a.example.org"] {
        assert_eq!(sent(&mut jar, &format!("http://{host}/")), "", "{host}");
    }
}

#[test]
fn domains_that_are_not_the_hosts_are_refused() {
    let domain = |host: &str, domain: &str| {
        store(&mut Jar::new(), &format!("http://{host}/"), &format!("x=1; Domain={domain}"))
    };
    for (host, other) in [("a.example", "b.example"), ("a.example", "b.a.example"), ("xa.b", "a.b")]
    {
        assert_eq!(domain(host, other), Err(Refused::OtherDomain), "{host} {other}");
    }
    for (host, wide) in [("a.com", "com"), ("1.2.3.4", "3.4"), ("1.2.3.4", "4"), ("[::1]", "[::2]")]
    {
        let refused = domain(host, wide).unwrap_err();
        assert!(matches!(refused, Refused::DomainTooWide | Refused::OtherDomain), "{host} {wide}");
    }
    // The host itself is allowed, and then the cookie is for that host alone.
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let mut jar = jar_of(&format!("http://{host}/"), &format!("x=1; Domain={host}"));
        assert_eq!(sent(&mut jar, &format!("http://{host}/")), "x=1", "{host}");
        assert_eq!(sent(&mut jar, &format!("http://a.{host}/")), "", "{host}");
    }
}

#[test]
fn paths_cover_what_is_below_them() {
    let mut jar = jar_of("http://h/", "x=1; Path=/a");
    for (path, expected) in
        [("/a", "x=1"), ("/a/b", "x=1"), ("/a?b", "x=1"), ("/ab", ""), ("/", "")]
    {
        assert_eq!(sent(&mut jar, &format!("http://h{path}")), expected, "{path}");
    }
    let mut jar = jar_of("http://h/", "x=1; Path=/a/");
    assert_eq!(sent(&mut jar, "http://h/a/b"), "x=1");
    assert_eq!(sent(&mut jar, "http://h/a"), "");
}

#[test]
fn without_a_path_it_is_the_folder_of_the_request() {
    for (path, covered) in
        [("/a/b", "/a"), ("/a/b/", "/a/b"), ("/a", "/"), ("/?/x/y", "/"), ("/a/b?/c", "/a")]
    {
        for field in ["x=1", "x=1; Path=", "x=1; Path=nonsense"] {
            let mut jar = jar_of(&format!("http://h{path}"), field);
            assert_eq!(sent(&mut jar, &format!("http://h{covered}")), "x=1", "{path}");
            if covered != "/" {
                assert_eq!(sent(&mut jar, "http://h/"), "", "{path}");
            }
        }
    }
}

#[test]
fn longer_paths_come_first_and_then_older_cookies() {
    let mut jar = Jar::new();
    for field in ["a=1; Path=/", "b=2; Path=/x/y", "c=3; Path=/x", "d=4; Path=/x/y", "5; Path=/"] {
        assert_eq!(store(&mut jar, "http://h/x/y", field), Ok(Stored::Added));
    }
    assert_eq!(sent(&mut jar, "http://h/x/y/z"), "b=2; d=4; c=3; a=1; 5");
    // One that is replaced keeps its place.
    assert_eq!(store(&mut jar, "http://h/", "b=6; Path=/x/y"), Ok(Stored::Replaced));
    assert_eq!(sent(&mut jar, "http://h/x/y/z"), "b=6; d=4; c=3; a=1; 5");
    assert_eq!(jar.len(), 5);
}

#[test]
fn secure_cookies_come_and_go_over_https_only() {
    let mut jar = jar_of("https://h/", "x=1; Secure");
    assert_eq!(sent(&mut jar, "https://h/"), "x=1");
    assert_eq!(sent(&mut jar, "http://h/"), "");
    assert_eq!(store(&mut jar, "http://h/", "y=1; Secure"), Err(Refused::NotSecure));
    // Nor is a secure one replaced or hidden from outside (RFC 6265bis §5.7, step 16).
    assert_eq!(store(&mut jar, "http://h/", "x=2"), Err(Refused::NotSecure));
    assert_eq!(store(&mut jar, "http://h/", "x=2; Path=/a"), Err(Refused::NotSecure));
    assert_eq!(store(&mut jar, "http://h/", "z=2"), Ok(Stored::Added));
    let mut deep = jar_of("https://h/", "x=1; Secure; Path=/a/b");
    assert_eq!(store(&mut deep, "http://h/", "x=2; Path=/a"), Ok(Stored::Added));
}

#[test]
fn prefixes_promise_attributes() {
    let https = |field: &str| store(&mut Jar::new(), "https://a.example/", field);
    for good in [
        "__Secure-x=1; Secure",
        "__Secure-x=1; Secure; Domain=a.example; Path=/a",
        "__Host-x=1; Secure; Path=/",
        "__hOST-x=1; Secure; Path=/",
        "__Hostx=1",
    ] {
        assert_eq!(https(good), Ok(Stored::Added), "{good}");
    }
    for bad in [
        "__Secure-x=1",
        "__secure-x=1",
        "__Host-x=1; Path=/",
        "__Host-x=1; Secure",
        "__Host-x=1; Secure; Path=/a",
        "__Host-x=1; Secure; Path=/; Domain=a.example",
        "=__Host-x; Secure; Path=/",
        "__Secure-x; Secure",
    ] {
        assert_eq!(https(bad), Err(Refused::Prefix), "{bad}");
    }
}

#[test]
fn cookies_expire() {
    let mut jar = jar_of("http://h/", "x=1; Max-Age=10; Expires=Wed, 21 Oct 2015 07:28:01 GMT");
    assert_eq!(sent_at(&mut jar, "http://h/", NOW + 9_999), "x=1");
    assert_eq!(sent_at(&mut jar, "http://h/", NOW + 10_000), "");
    let mut jar = jar_of("http://h/", "x=1; Expires=Wed, 21 Oct 2015 07:28:01 GMT");
    assert_eq!(sent_at(&mut jar, "http://h/", NOW + 999), "x=1");
    assert_eq!(sent_at(&mut jar, "http://h/", NOW + 1_000), "");
    let mut jar = jar_of("http://h/", "x=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(sent_at(&mut jar, "http://h/", NOW + MAX_COOKIE_AGE_SECONDS * 1_000), "");
    let mut jar = jar_of("http://h/", "x=1; Expires=nonsense");
    assert_eq!(sent_at(&mut jar, "http://h/", i64::MAX - 1), "x=1");
}

#[test]
fn an_expired_cookie_removes_the_one_of_its_name_domain_and_path() {
    for gone in ["x=; Max-Age=0", "x=y; Max-Age=-1", "x=y; Expires=Thu, 01 Jan 1970 00:00:00 GMT"] {
        let mut jar = jar_of("http://h/", "x=1");
        store(&mut jar, "http://h/", "x=2; Path=/a").unwrap();
        assert_eq!(store(&mut jar, "http://h/", gone), Ok(Stored::Removed));
        assert_eq!(sent(&mut jar, "http://h/a"), "x=2", "{gone}");
        assert_eq!(store(&mut jar, "http://h/", gone), Ok(Stored::Removed), "none there");
    }
}

#[test]
fn a_full_jar_drops_expired_cookies_then_what_was_used_longest_ago() {
    let mut jar = Jar::new();
    assert_eq!(store(&mut jar, "https://h/", "old=1; Secure; Path=/secure"), Ok(Stored::Added));
    assert_eq!(store(&mut jar, "https://h/", "short=1; Max-Age=1; Path=/short"), Ok(Stored::Added));
    for i in 2..MAX_COOKIES {
        assert_eq!(store(&mut jar, "https://h/", &format!("c{i}=1; Path=/{i}")), Ok(Stored::Added));
    }
    assert_eq!(jar.len(), MAX_COOKIES);
    let later = NOW + 2_000;
    assert_eq!(jar.store(b"n1=1", &to("https://h/"), later), Ok(Stored::Added));
    assert_eq!(
        (jar.len(), sent_at(&mut jar, "https://h/short", NOW)),
        (MAX_COOKIES, "n1=1".to_owned())
    );
    // c2 has just been sent, so c3 goes; the secure one stays although it is the oldest.
    assert_eq!(sent(&mut jar, "https://h/2"), "c2=1; n1=1");
    assert_eq!(jar.store(b"n2=1", &to("https://h/"), later), Ok(Stored::AddedForOther));
    assert_eq!(sent(&mut jar, "https://h/3"), "n1=1; n2=1");
    assert_eq!(sent(&mut jar, "https://h/2"), "c2=1; n1=1; n2=1");
    assert_eq!(sent(&mut jar, "https://h/secure"), "old=1; n1=1; n2=1");
}

/// A name without value sends `name=`, with a value of any bytes these bytes.
#[test]
fn values_are_sent_as_they_came() {
    let mut jar = jar_of("http://h/", "a=");
    jar.store(b"b=\"\xff=,\"", &to("http://h/"), NOW).unwrap();
    let mut value = b"Cookie: ".to_vec();
    assert_eq!(jar.write(&to("http://h/"), NOW, &mut value), 2);
    assert_eq!(value, b"Cookie: a=; b=\"\xff=,\"");
    jar.clear();
    assert!(jar.is_empty());
    assert_eq!(format!("{jar:?}"), "Jar { cookies: 0 }");
}

/// Of thousands of cookies a jar keeps its bound, in bounded memory.
#[test]
fn a_jar_is_bounded() {
    let mut jar = Jar::new();
    for i in 0..2_000 {
        let field = format!("c{i}={}", "x".repeat(4_000));
        store(&mut jar, "http://h/", &field).unwrap();
    }
    assert_eq!(jar.len(), MAX_COOKIES);
    assert!(sent(&mut jar, "http://h/").starts_with("c1950="));
    let long = format!("http://h/{}/x", "p".repeat(2_000));
    assert_eq!(store(&mut jar, &long, "x=1"), Err(Refused::TooLarge));
}
