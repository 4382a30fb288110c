//! Runs over TLS against servers made here: the certificate matrix, sessions, ends, large bodies.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod tls_support;

use std::io::{Read, Write};
use std::path::Path;
use std::sync::atomic::Ordering;

use z6_analysis::checks::check_log;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose};
use tls_support::{
    Answer, Authority, Leaf, Server, Setup, run, scenario, self_signed, self_signed_with, summary,
};

fn kinds(finished: &z6::Finished) -> Vec<(String, u64)> {
    finished.metrics.errors.by_kind.0.iter().map(|(kind, n)| (kind.name().to_owned(), *n)).collect()
}

/// One row of the certificate matrix: the kind, and what people are told.
#[track_caller]
fn refused(server: &Server, settings: &str, kind: &str, words: &str) {
    let text = scenario(server.port, settings, "iterations = 2");
    let finished = run(&text);
    assert_eq!(kinds(&finished), [(kind.to_owned(), 2)], "{}", summary(&finished));
    assert_eq!(finished.metrics.requests.succeeded, 0);
    assert!(summary(&finished).contains(words), "{}", summary(&finished));
    if let Some(message) = finished.no_target_message() {
        assert!(message.contains(words), "{message}");
    }
}

#[track_caller]
fn accepted(server: &Server, settings: &str) {
    let finished = run(&scenario(server.port, settings, "iterations = 2"));
    assert_eq!(finished.metrics.requests.succeeded, 2, "{}", summary(&finished));
    let handshake = &finished.metrics.latency.tls_handshake_ns;
    let connect = &finished.metrics.latency.connect_ns;
    assert_eq!((handshake.count, connect.count), (1, 1));
    assert!(handshake.min.unwrap() > 0 && handshake.min <= connect.min);
}

const UNVERIFIED: &str = "verify_cert = false";

#[test]
fn a_trusted_certificate_is_accepted_by_both_versions() {
    let authority = Authority::root("Trusted");
    let bundle = authority.bundle();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let setup = Setup { versions: vec![version], ..Setup::new(authority.leaf(|_| {})) };
        let server = Server::start(setup, Answer::Keep(b"Hello".to_vec()));
        accepted(&server, &format!("ca_bundle = '{}'", bundle.display()));
    }
}

#[test]
fn an_expired_certificate() {
    let authority = Authority::root("Trusted");
    let leaf = authority.leaf(|params| params.not_after = rcgen::date_time_ymd(2001, 1, 1));
    let server = Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    let bundle = format!("ca_bundle = '{}'", authority.bundle().display());
    refused(&server, &bundle, "tls_certificate_expired", "has expired");
    accepted(&server, UNVERIFIED);
}

#[test]
fn a_certificate_that_is_not_valid_yet() {
    let authority = Authority::root("Trusted");
    let leaf = authority.leaf(|params| params.not_before = rcgen::date_time_ymd(4000, 1, 1));
    let server = Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    let bundle = format!("ca_bundle = '{}'", authority.bundle().display());
    refused(&server, &bundle, "tls_certificate_not_yet_valid", "not valid yet");
    accepted(&server, UNVERIFIED);
}

/// RFC 9112 §9.7.
#[test]
fn a_certificate_for_another_host_and_server_name() {
    let authority = Authority::root("Trusted");
    let leaf = authority.leaf_for(&["elsewhere.example"], |_| {});
    let server = Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    let bundle = format!("ca_bundle = '{}'", authority.bundle().display());
    refused(&server, &bundle, "tls_certificate_wrong_host", "for another name");
    refused(&server, &bundle, "tls_certificate_wrong_host", "it is for elsewhere.example");
    accepted(&server, UNVERIFIED);
    accepted(&server, &format!("{bundle}\nserver_name = 'elsewhere.example'"));
    assert_eq!(server.seen.names(), [None, Some("elsewhere.example".to_owned())]);
}

#[test]
fn a_self_signed_certificate() {
    let other = Authority::root("Trusted");
    let bundle = format!("ca_bundle = '{}'", other.bundle().display());
    for is_authority in [false, true] {
        let server =
            Server::start(Setup::new(self_signed(is_authority)), Answer::Keep(b"Hello".to_vec()));
        refused(&server, &bundle, "tls_certificate_self_signed", "is self-signed");
        accepted(&server, UNVERIFIED);
    }
}

/// What `openssl req -x509` makes by default is the certificate of an authority. In the bundle it is
/// trusted as it is; all else about it is checked.
#[test]
fn a_certificate_that_is_in_the_bundle_itself() {
    let folder = tempfile::tempdir().unwrap();
    let start = |leaf| Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    let bundle = |leaf: &Leaf| format!("ca_bundle = '{}'", leaf.bundle(&folder).display());
    for is_authority in [false, true] {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            let leaf = self_signed(is_authority);
            let bundle = bundle(&leaf);
            let setup = Setup { versions: vec![version], ..Setup::new(leaf) };
            let server = Server::start(setup, Answer::Keep(b"Hello".to_vec()));
            accepted(&server, &bundle);
            let other = format!("{bundle}\nserver_name = 'other.example'");
            refused(
                &server,
                &other,
                "tls_certificate_wrong_host",
                "it is for localhost, 127.0.0.1",
            );
        }
        let past =
            |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let leaf = self_signed_with(is_authority, past);
        let bundle = bundle(&leaf);
        refused(&start(leaf), &bundle, "tls_certificate_expired", "since ");
    }
    // One that an authority has signed needs that authority no more.
    let leaf = Authority::root("Other").leaf(|_| {});
    let bundle = bundle(&leaf);
    accepted(&start(leaf), &bundle);
}

#[test]
fn a_renewed_self_signed_certificate_has_a_namesake_in_the_bundle() {
    let folder = tempfile::tempdir().unwrap();
    for is_authority in [false, true] {
        let old = self_signed(is_authority);
        let bundle = format!("ca_bundle = '{}'", old.bundle(&folder).display());
        let setup = Setup::new(self_signed(is_authority));
        let server = Server::start(setup, Answer::Keep(b"Hello".to_vec()));
        let words = "a trusted certificate has the same subject and another key";
        refused(&server, &bundle, "tls_certificate_self_signed", words);
    }
    // So it is with an authority that was made anew under its name.
    let (old, new) = (Authority::root("Same"), Authority::root("Same"));
    let bundle = format!("ca_bundle = '{}'", old.bundle().display());
    let server = Server::start(Setup::new(new.leaf(|_| {})), Answer::Keep(b"Hello".to_vec()));
    let words = "a trusted certificate has the authority's name and another key";
    refused(&server, &bundle, "tls_certificate_untrusted", words);
}

#[test]
fn a_certificate_for_another_use_or_of_an_authority() {
    let authority = Authority::root("Trusted");
    let bundle = format!("ca_bundle = '{}'", authority.bundle().display());
    let start = |leaf| Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    let for_clients = authority
        .leaf(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let kind = "tls_certificate_wrong_purpose";
    let words = "its extended key usage is client authentication";
    refused(&start(for_clients), &bundle, kind, words);
    let between = authority.intermediate("Between").as_server();
    refused(&start(between), &bundle, kind, "it is the certificate of an authority");
}

#[test]
fn a_name_in_the_subject_only() {
    let authority = Authority::root("Trusted");
    let bundle = format!("ca_bundle = '{}'", authority.bundle().display());
    let leaf = authority.leaf_for(&[], |params| {
        params.distinguished_name.push(rcgen::DnType::CommonName, "127.0.0.1");
    });
    let server = Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    refused(&server, &bundle, "tls_certificate_wrong_host", "it has no subjectAltName");
}

#[test]
fn an_untrusted_root() {
    let (trusted, other) = (Authority::root("Trusted"), Authority::root("Other"));
    let mut leaf = other.leaf(|_| {});
    leaf.chain.push(other.der());
    let server = Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    let bundle = format!("ca_bundle = '{}'", trusted.bundle().display());
    refused(&server, &bundle, "tls_certificate_untrusted", "is not trusted");
    accepted(&server, UNVERIFIED);
    // Nor is it among the roots of this machine.
    refused(&server, "", "tls_certificate_untrusted", "is not trusted");
    // Servers leave the root out, as they may (RFC 8446 section 4.4.2).
    let between = other.intermediate("Between");
    let mut leaf = between.leaf(|_| {});
    leaf.chain.push(between.der());
    let server = Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    refused(&server, &bundle, "tls_certificate_untrusted", "is not trusted");
}

#[test]
fn a_missing_intermediate() {
    let root = Authority::root("Trusted");
    let intermediate = root.intermediate("Between");
    let bundle = format!("ca_bundle = '{}'", root.bundle().display());
    let leaf = intermediate.leaf(|_| {});
    let mut whole = intermediate.leaf(|_| {});
    let server = Server::start(Setup::new(leaf), Answer::Keep(b"Hello".to_vec()));
    refused(&server, &bundle, "tls_certificate_incomplete", "an intermediate is missing");
    accepted(&server, UNVERIFIED);
    whole.chain.push(intermediate.der());
    let server = Server::start(Setup::new(whole), Answer::Keep(b"Hello".to_vec()));
    accepted(&server, &bundle);
}

#[test]
fn a_client_certificate_needed_missing_and_wrong() {
    let (root, other) = (Authority::root("Trusted"), Authority::root("Other"));
    let bundle = format!("ca_bundle = '{}'", root.bundle().display());
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let setup = Setup {
            versions: vec![version],
            client_root: Some(root.der()),
            ..Setup::new(root.leaf(|_| {}))
        };
        let server = Server::start(setup, Answer::Keep(b"Hello".to_vec()));
        refused(&server, &bundle, "tls_client_certificate", "wants a client certificate");
        refused(&server, UNVERIFIED, "tls_client_certificate", "wants a client certificate");
        let files = |authority: &Authority| {
            let (certificate, key) = authority.client_files();
            let (certificate, key) = (certificate.display(), key.display());
            format!("{bundle}\nclient_cert = '{certificate}'\nclient_key = '{key}'")
        };
        accepted(&server, &files(&root));
        refused(&server, &files(&other), "tls_client_certificate", "or refuses this one");
    }
}

#[test]
fn a_server_of_old_versions_only() {
    // The alert with which a server of TLS 1.1 answers (RFC 8446 appendix D.2), and its hello.
    let alert = b"\x15\x03\x02\x00\x02\x02\x46".to_vec();
    let mut hello = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02".to_vec();
    hello.extend([7; 32]);
    hello.extend(b"\x00\x00\x2f\x00");
    for bytes in [alert, hello] {
        let server = tls_support::plain_server(move |stream| {
            let mut hello = [0; 16];
            stream.read_exact(&mut hello).unwrap();
            stream.write_all(&bytes).unwrap();
            // Until the client closes.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        for settings in ["", UNVERIFIED] {
            refused(&server, settings, "tls_version", "neither TLS 1.2 nor TLS 1.3");
        }
    }
}

#[test]
fn a_server_without_http_1_1() {
    let setup = Setup {
        protocols: vec![b"h2".to_vec()],
        ..Setup::new(Authority::root("Trusted").leaf(|_| {}))
    };
    let server = Server::start(setup, Answer::Keep(b"Hello".to_vec()));
    refused(
        &server,
        UNVERIFIED,
        "tls_alpn",
        "no version of HTTP that `http_version` offers over TLS",
    );
}

#[test]
fn a_port_without_tls_and_ends_in_the_handshake() {
    let plain = tls_support::plain_server(|stream| {
        let mut hello = [0; 16];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    refused(&plain, "", "tls_handshake", "is this a port for TLS");
    let closing = tls_support::plain_server(|stream| {
        // All of it, so that no reset comes of it.
        let mut head = [0; 5];
        stream.read_exact(&mut head).unwrap();
        let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
        stream.read_exact(&mut vec![0; length]).unwrap();
    });
    refused(&closing, "", "tls_closed", "closed the connection during");
    let resetting = tls_support::plain_server(|stream| {
        let mut some = [0; 1];
        stream.read_exact(&mut some).unwrap();
        // What is unread at the close makes it a reset.
    });
    let finished = run(&scenario(resetting.port, "", "iterations = 2"));
    assert_eq!(kinds(&finished), [("connection_reset".to_owned(), 2)]);
}

#[test]
fn a_silent_server_takes_too_long() {
    let server = tls_support::plain_server(|stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let finished = run(&scenario(server.port, "tls_timeout_ms = 50", "iterations = 1"));
    assert_eq!(kinds(&finished), [("tls_timeout".to_owned(), 1)]);
    let latency = &finished.metrics.latency;
    assert_eq!((latency.connect_ns.count, latency.connect_ns.censored), (0, 1));
    assert_eq!((latency.tls_handshake_ns.count, latency.tls_handshake_ns.censored), (0, 1));
    assert!(latency.connect_ns.min.unwrap() >= 50_000_000);
}

#[test]
fn sessions_are_resumed_unless_that_is_off() {
    let authority = Authority::root("Trusted");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let setup = Setup { versions: vec![version], ..Setup::new(authority.leaf(|_| {})) };
        let server = Server::start(setup, Answer::Keep(b"Hello".to_vec()));
        let each = "verify_cert = false\nconnection_reuse = 'none'";
        let finished = run(&scenario(server.port, each, "iterations = 5"));
        assert_eq!(finished.metrics.connections.opened, 5);
        assert_eq!(server.seen.resumed.swap(0, Ordering::SeqCst), 4);
        let off = format!("{each}\ntls_resumption = false");
        let finished = run(&scenario(server.port, &off, "iterations = 5"));
        assert_eq!(finished.metrics.requests.succeeded, 5);
        assert_eq!(server.seen.resumed.load(Ordering::SeqCst), 0);
    }
}

/// RFC 9112 §9.8.
#[test]
fn a_body_that_reads_to_close_needs_close_notify() {
    let authority = Authority::root("Trusted");
    let start = |answer| Server::start(Setup::new(authority.leaf(|_| {})), answer);
    let body = b"HTTP/1.1 200 OK\r\n\r\nall there is";
    let server = start(Answer::Raw { bytes: body.to_vec(), notify: true });
    let finished = run(&scenario(server.port, UNVERIFIED, "iterations = 3"));
    assert_eq!(finished.metrics.requests.succeeded, 3, "{}", summary(&finished));
    let server = start(Answer::Raw { bytes: body.to_vec(), notify: false });
    let finished = run(&scenario(server.port, UNVERIFIED, "iterations = 3"));
    assert_eq!(kinds(&finished), [("tls_truncated".to_owned(), 3)]);
    // A length says by itself that something is missing, and that nothing is.
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort";
    for notify in [true, false] {
        let server = start(Answer::Raw { bytes: short.to_vec(), notify });
        let finished = run(&scenario(server.port, UNVERIFIED, "iterations = 2"));
        assert_eq!(kinds(&finished), [("incomplete_body".to_owned(), 2)]);
    }
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello";
    let server = start(Answer::Raw { bytes: whole.to_vec(), notify: false });
    let finished = run(&scenario(server.port, UNVERIFIED, "iterations = 2"));
    let failed = kinds(&finished);
    let ends = ["stale_connection", "closed_before_response", "connection_reset"];
    assert!(failed.iter().all(|(kind, _)| ends.contains(&kind.as_str())), "{failed:?}");
}

#[test]
fn our_side_says_close_notify() {
    let server = Server::start(
        Setup::new(Authority::root("Trusted").leaf(|_| {})),
        Answer::Keep(b"Hello".to_vec()),
    );
    accepted(&server, UNVERIFIED);
    // The server counts once its thread has seen the end.
    while server.seen.clean_ends.load(Ordering::SeqCst)
        + server.seen.cut_ends.load(Ordering::SeqCst)
        == 0
    {
        std::thread::yield_now();
    }
    assert_eq!(server.seen.clean_ends.load(Ordering::SeqCst), 1);
}

#[test]
fn large_bodies_go_up_and_come_down() {
    let folder = tempfile::tempdir().unwrap();
    let upload = folder.path().join("upload");
    std::fs::write(&upload, vec![b'u'; 3_000_001]).unwrap();
    let down = vec![b'd'; 5_000_003];
    let authority = Authority::root("Trusted");
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let setup = Setup { versions: vec![version], ..Setup::new(authority.leaf(|_| {})) };
        let server = Server::start(setup, Answer::Keep(down.clone()));
        let text = scenario(server.port, UNVERIFIED, "iterations = 4\nvus = 2")
            .replace("path = '/'", "path = '/', method = 'POST', body_file = 'upload'");
        let source = z6::ScenarioSource::from_text(text).in_folder(folder.path());
        let run = z6::Run::from_source(source, &z6::Overrides::default()).unwrap();
        let finished = run.start().unwrap().wait().unwrap();
        assert_eq!(finished.metrics.requests.succeeded, 8, "{}", summary(&finished));
        assert_eq!(server.seen.body_bytes.load(Ordering::SeqCst), 8 * 3_000_001);
        assert!(finished.metrics.throughput.bytes_received > 8 * 5_000_003);
    }
}

#[test]
fn records_split_in_any_way_make_the_same_response() {
    let authority = Authority::root("Trusted");
    let server = Server::start(
        Setup { dribble: true, ..Setup::new(authority.leaf(|_| {})) },
        Answer::Keep(b"Hello, in single bytes".to_vec()),
    );
    let finished = run(&scenario(server.port, UNVERIFIED, "iterations = 5"));
    assert_eq!(finished.metrics.requests.succeeded, 5, "{}", summary(&finished));
    assert_eq!(finished.metrics.connections.opened, 1);
}

#[test]
fn an_early_response_is_taken_and_the_connection_left() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("upload"), vec![b'u'; 9_999_999]).unwrap();
    let server = Server::start(
        Setup::new(Authority::root("Trusted").leaf(|_| {})),
        Answer::Early(
            b"HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno".to_vec(),
        ),
    );
    let text = scenario(server.port, UNVERIFIED, "iterations = 2")
        .replace("path = '/'", "path = '/', method = 'POST', body_file = 'upload'");
    let source = z6::ScenarioSource::from_text(text).in_folder(folder.path());
    let run = z6::Run::from_source(source, &z6::Overrides::default()).unwrap();
    let finished = run.start().unwrap().wait().unwrap();
    assert_eq!(kinds(&finished), [("status_4xx".to_owned(), 2)], "{}", summary(&finished));
    assert_eq!(finished.metrics.connections.opened, 2);
}

#[test]
fn a_run_over_tls_replays_and_its_checks_hold() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("l.z6log");
    let server = Server::start(
        Setup::new(Authority::root("Trusted").leaf(|_| {})),
        Answer::Keep(b"Hello".to_vec()),
    );
    let settings = "verify_cert = false\nconnection_reuse = 'none'";
    let text = scenario(server.port, settings, "iterations = 5\nvus = 3");
    let run = z6::Run::from_toml(&text).unwrap().log_file(&log);
    let finished = run.start().unwrap().wait().unwrap();
    assert_eq!(finished.metrics.latency.tls_handshake_ns.count, 15);
    let log = z6::Log::open(&log).unwrap();
    let ready = |event: &z6::Event| matches!(event, z6::Event::TcpReady { .. });
    let tcp_ready = log.events().unwrap().filter(|entry| ready(&entry.as_ref().unwrap().2)).count();
    assert_eq!(tcp_ready, 15);
    let replayed = log.replay().unwrap();
    assert!(matches!(replayed, z6::ReplayOutcome::Identical { .. }), "{replayed:?}");
    let checked = check_log(&mut log.blocks().unwrap(), log.scenario()).unwrap();
    assert!(checked.passed(), "{checked}");
    let refolded = log.refold().unwrap();
    assert_eq!(refolded.metrics, finished.metrics);
}

#[test]
fn files_that_cannot_be_used_are_refused_before_anything_is_sent() {
    let authority = Authority::root("Trusted");
    let (certificate, key) = authority.client_files();
    let (_, other_key) = Authority::root("Other").client_files();
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing of use\n").unwrap();
    let client = |certificate: &Path, key: &Path| {
        format!("client_cert = '{}'\nclient_key = '{}'", certificate.display(), key.display())
    };
    let missing = folder.path().join("none.pem");
    let labelled = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let pkcs8 =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let pkcs8 = labelled("pkcs8.key", pkcs8);
    let older = "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
                 DEK-Info: AES-256-CBC,00\n\nMII=\n-----END EC PRIVATE KEY-----\n";
    let older = labelled("older.key", older);
    let other_label =
        "-----BEGIN TRUSTED CERTIFICATE-----\nMII=\n-----END TRUSTED CERTIFICATE-----\n";
    let other_label = labelled("trusted.pem", other_label);
    for (settings, words) in [
        (client(&certificate, &pkcs8), "the private key is encrypted"),
        (client(&certificate, &older), "the private key is encrypted"),
        (client(&certificate, &certificate), "no private key in PEM form, but CERTIFICATE"),
        (client(&key, &key), "holds no certificate in PEM form, but PRIVATE KEY"),
        (
            format!("ca_bundle = '{}'", other_label.display()),
            "holds no certificate in PEM form, but TRUSTED CERTIFICATE",
        ),
        (format!("ca_bundle = '{}'", empty.display()), "but no PEM text at all"),
        (format!("ca_bundle = '{}'", missing.display()), "cannot read `ca_bundle`"),
        (format!("ca_bundle = '{}'", empty.display()), "holds no certificate in PEM form"),
        (client(&empty, &key), "`client_cert`"),
        (client(&certificate, &empty), "holds no private key in PEM form"),
        (client(&certificate, &other_key), "`client_key`"),
    ] {
        let run = z6::Run::from_toml(&scenario(1, &settings, "iterations = 1")).unwrap();
        let checked = run.check().unwrap_err();
        let error = run.start().unwrap_err();
        assert_eq!(error.blame(), z6::Blame::Caller);
        let message = z6::full_message(&error);
        assert!(message.contains("error[bad_tls]: "), "{message}");
        assert!(message.contains(" --> scenario:"), "{message}");
        assert!(message.contains(words), "{message}");
        assert_eq!(message, z6::full_message(&checked));
    }
}
