//! Compares `/openapi.json` with real responses: each status must be described, and each body must
//! match its schema.

use crate::client::Answer;
use crate::process::{Folder, Server};
use boon::{Compiler, Schemas};
use serde_json::Value;
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../src/server/api/openapi.json")).unwrap()
});

const URL: &str = "https://hooksieve.example.com/openapi.json";

/// Returns the described path of an address. A path without variables precedes one with variables.
fn template(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap();
    let fits = |template: &str| {
        let (mut given, mut known) = (path.split('/'), template.split('/'));
        loop {
            match (given.next(), known.next()) {
                (None, None) => return true,
                (Some(given), Some(known)) if known.starts_with('{') || given == known => {}
                _ => return false,
            }
        }
    };
    let templates = DOCUMENT["paths"].as_object().unwrap().keys().map(String::as_str);
    templates.filter(|template| fits(template)).min_by_key(|t| t.matches('{').count())
}

fn token(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

/// Checks a response against the description of its operation.
#[track_caller]
pub fn check(method: &str, path: &str, answer: &Answer) {
    let errors = "/components/schemas/Errors".to_owned();
    let Some(template) = template(path) else {
        assert_eq!(answer.status, 404, "{path} is not described");
        return fits(answer, &errors);
    };
    let method = method.to_ascii_lowercase();
    let operation = &DOCUMENT["paths"][template][&method];
    if operation.is_null() {
        assert_eq!(answer.status, 405, "{method} {path} is not described");
        return fits(answer, &errors);
    }
    let status = answer.status.to_string();
    let described = &operation["responses"][&status];
    assert!(!described.is_null(), "{method} {template}: {status} is not described");
    let at = match described["$ref"].as_str() {
        Some(reference) => reference.trim_start_matches('#').to_owned(),
        None => format!("/paths/{}/{method}/responses/{status}", token(template)),
    };
    let described = DOCUMENT.pointer(&at).unwrap();
    for name in described["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        let found = answer.header(name);
        assert!(found.is_some() || name == "Hooksieve-Warnings", "{method} {template}: no {name}");
    }
    match described["content"].is_null() {
        true => assert!(answer.body.is_empty(), "{method} {template} {status} has a body"),
        false => fits(answer, &format!("{at}/content/application~1json/schema")),
    }
}

/// Checks that a body is JSON that matches the schema at a pointer.
#[track_caller]
fn fits(answer: &Answer, pointer: &str) {
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.add_resource(URL, DOCUMENT.clone()).unwrap();
    let index = compiler.compile(&format!("{URL}#{pointer}"), &mut schemas).unwrap();
    let body = answer.json();
    if let Err(error) = schemas.validate(&body, index) {
        panic!("{error:#}\n{body:#}");
    }
}

#[test]
fn serves_the_description_unchanged() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let served = server.client("").get("/openapi.json").is(200);
    assert_eq!(served.json(), *DOCUMENT);
}

/// Every described operation exists: without a key, none responds "no such address".
#[test]
fn describes_only_existing_operations() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let client = server.client("");
    let mut operations = 0;
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if method == "parameters" {
                continue;
            }
            let path = path.replace("{id}", "w").replace("{deliveryId}", "d");
            let path = path.replace("{eventId}", "e");
            let answer = client.ask(&method.to_ascii_uppercase(), &path, "", b"");
            let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
            answer.is(if is_open { 200 } else { 401 });
            operations += 1;
        }
    }
    assert_eq!(operations, 24);
}

/// A schema that accepted everything would make the other tests ineffective.
#[test]
fn refuses_bodies_that_violate_the_schema() {
    let mut schemas = Schemas::new();
    let mut compiler = Compiler::new();
    compiler.add_resource(URL, DOCUMENT.clone()).unwrap();
    let webhook = format!("{URL}#/components/schemas/Webhook");
    let index = compiler.compile(&webhook, &mut schemas).unwrap();
    let mut body = serde_json::json!({
        "id": "w", "url": "u", "name": "n", "level": "tenant", "enabled": true, "eventTypes": [],
        "secretKeyAdded": false,
    });
    assert!(schemas.validate(&body, index).is_ok());
    body["secret"] = "s".into();
    assert!(schemas.validate(&body, index).is_err(), "a response never contains a secret");
}
