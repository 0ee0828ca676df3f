use super::{read, read_by};
use crate::event::marks::Plain;
use crate::event::{AttributePaths, JsonPath};

/// Compares both searches for marks on damaged events: they read the same or fail at the same byte.
#[test]
fn reads_the_same_with_plain_and_fast_marks() {
    let places = vec![JsonPath::new(["data", "id"]), JsonPath::new(["data", "attributes", "id"])];
    let paths = &AttributePaths::new([("id", places)]).unwrap();
    let escaped =
        r#"{"t\u0079pe":"a\"b\\","tenantid":"é\ud83d\ude00","data":{"id":"","x":[1e5,-0,"\n"]}}"#;
    let long = format!(
        r#"{{"type":"x","pad":"{}","tenantid":"t","data":{{"id":"{}\n"}}}}"#,
        "a\\\\b".repeat(500),
        "é".repeat(700)
    );
    let plain =
        include_str!("../../../tests/data/events/com.qlik.v1.app.reload.finished.ce10.json");
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let rounds = if cfg!(miri) { 5 } else { 4_000 };
    let (mut good, mut bad) = (0, 0);
    for document in [escaped, &long, plain] {
        for _ in 0..rounds {
            let mut bytes = document.as_bytes().to_vec();
            for _ in 0..random(3) {
                let at = random(bytes.len());
                match random(3) {
                    0 => bytes[at] = b"\"\\{}[]:,0aue \n\x01\x7f\xc3"[random(17)],
                    1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at + 1),
                }
            }
            let Ok(text) = std::str::from_utf8(&bytes) else { continue };
            let fast = format!("{:?}", read(paths, &bytes));
            let slow = format!("{:?}", read_by(paths, text, Plain));
            assert_eq!(fast, slow, "{text}");
            *if fast.starts_with("Ok") { &mut good } else { &mut bad } += 1;
        }
    }
    assert!(4 * good > rounds && 4 * bad > rounds, "{good} good, {bad} bad");
}
