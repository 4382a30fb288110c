//! What Z6 runs in the comparisons: one GET as the other clients send it, and what features cost beside it.

use super::clients::Load;

/// A JSON response of 1,000 bytes; the identifier that is taken out stands at its end.
pub(crate) const ORDER: &str = concat!(
    r#"{"customer":{"name":"Ada Lovelace","street":"12 St James Square","city":"London","zip":"SW1Y 4LE"},"#,
    r#""items":[{"sku":"A-1","quantity":2,"price":12.5,"text":"A box of pencils, hexagonal, twelve pieces"},"#,
    r#"{"sku":"B-2","quantity":1,"price":99.0,"text":"A lamp with an arm of 80 cm, to be screwed to a table"},"#,
    r#"{"sku":"C-3","quantity":7,"price":3.25,"text":"Paper, ruled, 100 sheets, 80 g, white, without acids"},"#,
    r#"{"sku":"D-4","quantity":1,"price":249.0,"text":"A chair of beech wood with a seat of woven paper yarn"}],"#,
    r#""totals":{"net":418.5,"tax":79.52,"gross":498.02,"currency":"GBP","discounts":[0,0,0,0,0,0,0,0,0,0]},"#,
    r#""history":[{"at":"2026-01-02T03:04:05Z","what":"created"},{"at":"2026-01-02T03:04:06Z","what":"reserved"},"#,
    r#"{"at":"2026-01-02T03:04:07Z","what":"paid"},{"at":"2026-01-02T03:04:08Z","what":"confirmed"}],"#,
    r#""note":"Leave it with the neighbours, or behind the shed, if there is no answer at the door before noon.","state":"confirmed","#,
    r#""id":"b3f1c2de-0a4e-4d55-9d5e-6f2b8a7c9e10"}"#,
);

/// Length of the body of a POST, bytes.
const POST_BYTES: usize = 800;

/// The number of VUs of the run is that of its connections.
fn runtime(load: &Load) -> String {
    let Load { seconds, tls, .. } = load;
    let verify = if *tls { "verify_cert = false\n" } else { "" };
    format!(
        "[runtime]\nduration_seconds = {seconds}\nprng_seed = 1\n[target]\nbase_url = '{}'\n{verify}\
         max_connections = {}\n",
        load.base_url(),
        load.connections
    )
}

fn constant(vus: u32) -> String {
    format!("type = 'constant'\nvus = {vus}\n")
}

/// GETs of a body of the given length.
pub(super) fn get(load: &Load) -> String {
    format!(
        "{}[schedule]\n{}[[requests]]\nname = 'get'\npath = '/{}'\ntimeout_ms = 10000\n",
        runtime(load),
        constant(load.connections),
        load.body_bytes
    )
}

/// The same with stamps of arrival.
pub(super) fn stamped(load: &Load) -> String {
    get(load).replacen("[runtime]\n", "[runtime]\narrival_stamps = 'on'\n", 1)
}

/// The same requests by four populations, each with ten tags.
pub(super) fn populations(load: &Load) -> String {
    const POPULATIONS: u32 = 4;
    let mut text = runtime(load);
    for i in 0..POPULATIONS {
        let tags: Vec<String> = (0..10).map(|tag| format!("t{tag} = 'of {i}'")).collect();
        let vus = (load.connections + i) / POPULATIONS;
        if vus == 0 {
            continue;
        }
        text.push_str(&format!(
            "[[populations]]\nname = 'population {i}'\ntags = {{ {} }}\n[populations.schedule]\n{}",
            tags.join(", "),
            constant(vus)
        ));
    }
    let path = load.body_bytes;
    text + &format!("[[requests]]\nname = 'get'\npath = '/{path}'\ntimeout_ms = 10000\n")
}

/// A POST of a body that is the same each time.
pub(super) fn post(load: &Load) -> String {
    let body = "x".repeat(POST_BYTES);
    format!(
        "{}[schedule]\n{}[[requests]]\nname = 'post'\nmethod = 'POST'\npath = '/orders'\n\
         headers = {{ \"Content-Type\" = 'text/plain' }}\nbody = '{body}'\ntimeout_ms = 10000\n",
        runtime(load),
        constant(load.connections)
    )
}

/// The same with six values filled in, and the identifier taken out of the response.
pub(super) fn filled(load: &Load) -> String {
    // Two UUIDs of 36 bytes, two numbers of three digits, a word of three letters and a text of eight.
    let slots = [
        ("{{one}}", 36),
        ("{{two}}", 36),
        ("{{quantity}}", 3),
        ("{{size}}", 3),
        ("{{sku}}", 3),
        ("{{word}}", 8),
    ];
    let filled: usize = slots.iter().map(|(_, bytes)| bytes).sum();
    let between = "x".repeat((POST_BYTES - filled) / slots.len());
    let mut body: String = slots.iter().map(|(slot, _)| format!("{slot}{between}")).collect();
    body.push_str(&"x".repeat((POST_BYTES - filled) % slots.len()));
    format!(
        "{}[random]\none = {{ type = 'uuid' }}\ntwo = {{ type = 'uuid' }}\n\
         quantity = {{ type = 'integer', min = 100, max = 999 }}\n\
         size = {{ type = 'integer', min = 100, max = 999 }}\n\
         sku = {{ type = 'choice', from = ['A-1', 'B-2', 'C-3'] }}\nword = {{ type = 'text', length = 8 }}\n\
         [schedule]\n{}[[requests]]\nname = 'post'\nmethod = 'POST'\npath = '/orders'\n\
         headers = {{ \"Content-Type\" = 'text/plain' }}\nbody = '{body}'\ntimeout_ms = 10000\n\
         extract.id = {{ json = '$.id' }}\n",
        runtime(load),
        constant(load.connections)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_json_of_a_thousand_bytes() {
        let order: serde_json::Value = serde_json::from_str(ORDER).unwrap();
        assert_eq!(order["id"].as_str().unwrap().len(), 36);
        assert!((950..=1_050).contains(&ORDER.len()), "{}", ORDER.len());
        // It stands in a configuration between these.
        assert!(!ORDER.contains(['\'', '$']));
    }

    #[test]
    fn each_is_a_scenario() {
        let load = Load {
            address: ([127, 0, 0, 1], 80).into(),
            body_bytes: 13,
            connections: 64,
            threads: 1,
            seconds: 2,
            tls: false,
        };
        for text in [get, stamped, populations, post, filled].map(|make| make(&load)) {
            if let Err(error) = z6_scenario::Scenario::from_toml(&text) {
                panic!("{error}\n{text}");
            }
        }
    }
}
