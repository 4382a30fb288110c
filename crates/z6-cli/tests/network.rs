//! Kinds that need a machine of a certain kind: unreachable hosts and silent ones in a network
//! namespace of the test's own, and descriptors that others hold.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Folder, assert_conserved, figure, outcome};
use z6_testing::{Leash, program_on_path, skip};

/// A run of two requests in a namespace of its own, in which `commands` have set up the network.
/// None if this machine grants no namespace.
fn in_a_network(commands: &str, target: &str) -> Option<String> {
    let folder = Folder::new(&format!(
        "runtime.iterations = 2\n\
         target = {{ base_url = '{target}', reconnect_delay_ms = 1 }}\n\
         requests = [{{ name = 'r', path = '/' }}]"
    ));
    if let Some(program) =
        ["unshare", "ip", "sh"].into_iter().find(|p| program_on_path(p).is_none())
    {
        skip(&format!("{program} is not on the PATH"));
        return None;
    }
    let namespace = ["--user", "--map-root-user", "--net"];
    let mut probe = folder.command("unshare", Leash::default());
    if !outcome(probe.args(namespace).arg("true")).is_success() {
        skip("this machine grants no network namespace");
        return None;
    }
    std::fs::write(
        folder.path("inside.sh"),
        format!(
            "set -e\nip link set lo up\n{commands}\nexec \"$Z6\" run s.toml --output out --json"
        ),
    )
    .unwrap();
    let mut unshare = folder.command("unshare", Leash::default());
    unshare.args(namespace).args(["sh", "inside.sh"]).env("Z6", env!("CARGO_BIN_EXE_z6"));
    let run = outcome(&mut unshare).expect(3);
    assert_conserved(&run.stdout);
    Some(run.stdout)
}

/// Kind, errno in words, and the commands that bring it about.
#[test]
fn what_only_a_network_can_do_wrong() {
    let cases = [
        ("host_unreachable", "No route to host (os error 113)", "unreachable"),
        ("permission_denied", "Permission denied (os error 13)", "prohibit"),
        ("socket_error", "Invalid argument (os error 22)", "blackhole"),
    ];
    for (kind, words, route) in cases {
        let commands = format!("ip route add {route} 192.0.2.1");
        let Some(json) = in_a_network(&commands, "http://192.0.2.1:81") else { return };
        assert_eq!(figure(&json, &format!("/errors/by_kind/{kind}")), 2);
        let example = figure(&json, &format!("/errors/examples/{kind}"));
        assert_eq!(example, format!("r to 192.0.2.1:81: {words}"));
    }
}

/// A host that drops everything: the kernel gives up before our own timer does.
#[test]
fn the_kernel_may_give_up_first() {
    // Packets to a neighbour behind the loopback interface come back, and belong to no socket.
    let commands = "ip addr add 192.0.2.2/32 dev lo\n\
        ip route add 192.0.2.1 dev lo src 192.0.2.2\n\
        echo 1 > /proc/sys/net/ipv4/tcp_syn_retries\n\
        echo 0 > /proc/sys/net/ipv4/tcp_syn_linear_timeouts || true";
    let Some(json) = in_a_network(commands, "http://192.0.2.1:81") else { return };
    let kind = figure(&json, "/errors/examples/connection_timed_out");
    assert_eq!(kind, "r to 192.0.2.1:81: Connection timed out (os error 110)");
}

/// The check before the run cannot know how many descriptors the process was born with.
#[test]
fn descriptors_that_others_hold_are_missing() {
    let folder = Folder::new(
        "runtime.iterations = 2\nruntime.vus = 100\n\
         target = { base_url = 'builtin', max_connections = 100 }\n\
         requests = [{ name = 'r', path = '/hello', timeout_ms = 200 }]",
    );
    // A server without a descriptor to accept with does not answer: hence the timeout. 264 are
    // needed for the run; 200 of 280 are taken.
    let leash = Leash { open_files_max: Some(280), open_files: 200, ..Leash::default() };
    let json =
        outcome(&mut folder.z6_with(leash, &["run", "s.toml", "--output", "out", "--json"])).stdout;
    let missing = figure(&json, "/errors/by_kind/out_of_descriptors").as_u64().unwrap();
    assert!(missing > 0);
    assert_conserved(&json);
    let example = figure(&json, "/errors/examples/out_of_descriptors");
    assert!(example.as_str().unwrap().ends_with("Too many open files (os error 24)"), "{example}");
}
