//! Reading with shapes: the results are the same as without, regardless of what was read before.
use crate::laws;

use hooksieve::event::{AttributePaths, Event, JsonPath, ShapeCache};
use laws::event::{familiar, same_by_shapes};

const BASE: &str = r#"{"id":"e1","data":{"id":"i","size":-12.5,"list":[1,"a",{}],"none":null,"status":"ok"},"type":"t","spaceid":"s","tenantid":"u","done":true}"#;

/// Reads each document with the shapes of all others, and with that of each other one.
fn hold(documents: &[String]) {
    let bytes: Vec<&[u8]> = documents.iter().map(|document| document.as_bytes()).collect();
    let mut carried = ShapeCache::default();
    for _ in 0..40 {
        for bytes in &bytes {
            same_by_shapes(&mut carried, bytes);
        }
    }
    for before in &bytes {
        let known = familiar(before);
        for bytes in &bytes {
            let mut shapes = known.clone();
            for _ in 0..3 {
                same_by_shapes(&mut shapes, bytes);
            }
        }
    }
}

fn with(changes: &[(&str, &str)]) -> Vec<String> {
    let mut documents = vec![BASE.to_owned()];
    for (from, to) in changes {
        assert!(BASE.contains(from), "{from}");
        documents.push(BASE.replacen(from, to, 1));
    }
    documents
}

#[test]
fn reads_values_of_all_kinds() {
    hold(&with(&[
        (r#""i""#, r#""""#),
        (r#""i""#, r#""\u0069""#),
        (r#""i""#, r#""a\"b\\\ud83d\ude00\n""#),
        (r#""i""#, r#""\ud800""#),
        (r#""i""#, r#""\x""#),
        (r#""i""#, "\"\u{1}\""),
        (r#""i""#, "\"é\u{7f}\""),
        (r#""i""#, "null"),
        (r#""i""#, "{}"),
        (r#""i""#, "[]"),
        (r#""t""#, r#""""#),
        (r#""t""#, "0"),
        (r#""u""#, r#""""#),
        (r#""u""#, "false"),
        ("-12.5", "0"),
        ("-12.5", "00"),
        ("-12.5", "-"),
        ("-12.5", "1."),
        ("-12.5", "1e400"),
        ("-12.5", "1e-400"),
        ("-12.5", "12345678901234567890"),
        ("-12.5", "true"),
        ("-12.5", "nul"),
        ("-12.5", "x"),
        ("-12.5", r#""x""#),
        ("-12.5", " 1"),
        ("-12.5", "1 "),
        ("-12.5", "1,2"),
        ("null", r#""null""#),
        ("null", "nullx"),
        ("true", "tru"),
    ]));
}

#[test]
fn reads_members_that_come_and_go() {
    hold(&with(&[
        (r#","done":true"#, ""),
        (r#""id":"e1","#, ""),
        (r#","none":null"#, ""),
        (r#"[1,"a",{}]"#, "[]"),
        (r#"[1,"a",{}]"#, r#"[1,"a",{},{}]"#),
        (r#"[1,"a",{}]"#, r#"["a",1,{}]"#),
        (r#"[1,"a",{}]"#, r#"[1,"a",{"id":"no"}]"#),
        (r#""spaceid":"s""#, r#""spaceid":"s","id":"e2""#),
        (r#""spaceid":"s""#, r#""spaceid":"s","x":"1","x":"2""#),
        (r#""spaceid":"s""#, r#""space\u0069d":"s""#),
        (r#""spaceid":"s""#, r#""spaceid" : "s""#),
        (r#""status":"ok""#, r#""status":"ok","id":"2""#),
        (r#""status":"ok"}"#, r#""status":"ok"}]"#),
        (r#""done":true}"#, "\"done\":true}\n"),
        (r#""done":true}"#, r#""done":true}}"#),
        (r#""done":true}"#, r#""done":true}{"#),
        (r#""done":true}"#, r#""done":true,"#),
    ]));
}

/// Cuts documents at every byte, including the lengths of blocks and pieces.
#[test]
fn reads_truncated_documents() {
    for pad in 0..70 {
        let document = BASE.replacen(r#""e1""#, &format!("\"{}\"", "e".repeat(pad)), 1);
        let known = familiar(document.as_bytes());
        for end in 0..document.len() {
            same_by_shapes(&mut known.clone(), &document.as_bytes()[..end]);
        }
        let mut known = known;
        assert!(same_by_shapes(&mut known, document.as_bytes()));
    }
}

/// Changes every byte of a document in many ways, after reading that document.
#[test]
fn reads_documents_with_every_byte_changed() {
    let known = familiar(BASE.as_bytes());
    for at in 0..BASE.len() {
        for byte in 0..=255 {
            let mut bytes = BASE.as_bytes().to_vec();
            bytes[at] = byte;
            same_by_shapes(&mut known.clone(), &bytes);
            bytes.insert(at, byte);
            same_by_shapes(&mut known.clone(), &bytes);
        }
    }
}

/// More shapes than are kept, shapes that grow, and documents too long to have one.
#[test]
fn reads_more_shapes_than_it_keeps() {
    let mut documents = Vec::new();
    for members in [0, 1, 2, 3, 10, 50, 100, 240, 250, 260, 300, 2000] {
        let more: String = (0..members).map(|n| format!(r#","x{n}":"{n}""#)).collect();
        documents.push(BASE.replacen(r#","done":true"#, &more, 1));
        let wide = " ".repeat(members * 8);
        documents.push(BASE.replacen(r#","done":true"#, &format!(r#","done":{wide}true"#), 1));
        let string = "\\\"a".repeat(members * 8);
        documents.push(BASE.replacen(r#""s""#, &format!("\"{string}\""), 1));
    }
    hold(&documents);
}

/// A cache keeps shapes only for the attribute paths with which they were learned.
#[test]
fn reads_with_alternating_attribute_paths() {
    let layouts = [["spaceid"], ["done"], ["type"], ["spaceid"]]
        .map(|keys| AttributePaths::new([("a", vec![JsonPath::new(keys)])]).unwrap());
    let mut shapes = ShapeCache::default();
    for turn in 0..2_000 {
        let paths = &layouts[turn / (1 + turn / 500 * 7) % layouts.len()];
        let event = Event::read_with(paths, BASE.as_bytes(), &mut shapes).unwrap();
        let expected = Event::read(paths, BASE.as_bytes()).unwrap();
        assert_eq!(event.attribute("a"), expected.attribute("a"));
        assert!(std::ptr::eq(event.attribute_paths(), paths));
    }
}
