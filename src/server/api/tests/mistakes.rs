//! What responses say about mistakes in requests: where they are, in what was sent.

use super::stage::{Answered, Stage};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

const EVENTS: &str = "/api/v1/events";
const TYPE: &str = "com.qlik.v1.app.created";

fn event(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "s", "type": TYPE, "tenantid": "north"})
}

async fn send(stage: &Stage, headers: &[(&str, &str)], body: impl Into<Body>) -> Answered {
    stage.send(&stage.producer, ("POST", EVENTS), headers, body).await
}

fn first(answer: &Answered, status: u16, member: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.body);
    answer.body["errors"][0][member].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn show_the_line_of_an_event() {
    let stage = Stage::new().await;
    let lines = [("content-type", "application/x-ndjson")];
    let start = format!("\n{}\r\n \n", event("a"));
    let body = format!("{start}  {{\"id\": x}}\n{{}}");
    let results = send(&stage, &lines, body.clone()).await.is(202);
    let error = &results["results"][1]["error"];
    assert_eq!((&error["code"], &error["line"]), (&json!("event-syntax"), &json!(4)));
    let byte = format!(" at byte {}", body.find('x').unwrap());
    assert!(error["title"].as_str().unwrap().ends_with(&byte), "{error}");
    assert_eq!(results["results"][2]["error"]["line"], 5);
    let refused = send(&stage, &lines, "\n\n5").await;
    assert!(first(&refused, 400, "detail").ends_with(" (at line 3)"));
    assert!(first(&refused, 400, "title").ends_with(" at byte 2"));
    assert_eq!(refused.body["results"][0]["error"]["line"], 3);
}

#[tokio::test]
async fn show_the_item_of_an_event() {
    let stage = Stage::new().await;
    for media in ["application/json", "application/cloudevents-batch+json"] {
        let media = [("content-type", media)];
        let body = format!(" [{},\n 5]", event(""));
        let results = send(&stage, &media, body.clone()).await.is(202);
        let error = &results["results"][1]["error"];
        assert_eq!(error["pointer"], "/1");
        let byte = format!(" at byte {}", body.len() - 2);
        assert!(error["title"].as_str().unwrap().ends_with(&byte), "{error}");
        let refused = send(&stage, &media, "[{}]").await;
        assert!(first(&refused, 400, "detail").ends_with(" (at /0)"));
        let refused = send(&stage, &media, "[{},\n{\"a\": x}]").await;
        assert!(first(&refused, 400, "title").ends_with(" (byte 11 of the body)"));
    }
}

#[tokio::test]
async fn name_the_headers_of_binary_mode() {
    let stage = Stage::new().await;
    let json = ("content-type", "application/json");
    let long = "n".repeat(2_049);
    let (kind, tenant) = (("ce-type", TYPE), ("ce-tenantid", "north"));
    for (headers, member, name) in [
        (&[json, ("ce-specversion", "1.0"), tenant][..], "detail", "`ce-type`"),
        (&[json, kind], "detail", "`ce-tenantid`"),
        (&[json, kind, ("ce-tenantid", "south")], "title", "`ce-tenantid` is `south`"),
        (&[json, kind, tenant, ("ce-source", &*long)], "title", "`ce-source`"),
        (&[json, kind, tenant, ("ce-datacontenttype", "a/b")], "detail", "`Content-Type`"),
        (&[json, kind, tenant, ("ce-data", "5")], "detail", "body"),
    ] {
        let text = first(&send(&stage, headers, "{}").await, 400, member);
        assert!(text.contains(name), "{text}");
    }
    let refused = send(&stage, &[json, kind, tenant], " {\"a\": 1e999}").await;
    assert!(first(&refused, 400, "title").ends_with(" at byte 7"), "{}", refused.body);
    let bytes = [("content-type", "application/octet-stream"), kind, tenant];
    let refused = send(&stage, &bytes, vec![0; 900 << 10]).await;
    assert!(first(&refused, 400, "title").contains("Base64"));
}

#[tokio::test]
async fn name_the_encoding_of_a_body() {
    let stage = Stage::new().await;
    for path in [EVENTS, "/api/v1/filters/actions/check"] {
        let headers = [("content-encoding", "gzip")];
        let answer = stage.send(&stage.producer, ("POST", path), &headers, "{}").await;
        answer.refused(415, "unsupported-content-encoding");
        assert!(first(&answer, 415, "title").contains("gzip"));
    }
    let identity = [("content-encoding", "Identity")];
    send(&stage, &identity, event("a").to_string()).await.is(202);
}

#[tokio::test]
async fn name_the_tenants_of_the_event_and_of_the_key() {
    let stage = Stage::new().await;
    let mut foreign = event("a");
    foreign["tenantid"] = "south".into();
    let refused = send(&stage, &[], foreign.to_string()).await;
    refused.refused(400, "event-other-tenant");
    let title = first(&refused, 400, "title");
    assert!(title.contains("`south`") && title.contains("`north`"), "{title}");
    for tenant in ["*", "a\nb", "a\u{202e}b"] {
        foreign["tenantid"] = tenant.into();
        let refused = stage.ask(&stage.any, ("POST", EVENTS), Some(&foreign)).await;
        refused.refused(400, "event-tenant-invalid");
    }
}

#[tokio::test]
async fn name_the_scheme_of_a_key_and_the_description() {
    let stage = Stage::new().await;
    let ask = async |path: &str, authorization: &str| {
        let request = Request::builder().uri(path).header("authorization", authorization);
        let request = request.body(Body::empty()).unwrap();
        let (head, body) = stage.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    };
    for (given, expected) in
        [("Basic dTpw", "scheme `Bearer`"), ("abc", "scheme `Bearer`"), ("Bearer abc", "unknown")]
    {
        let (status, body) = ask(EVENTS, given).await;
        assert!(status == 401 && body.contains(expected), "{body}");
    }
    let (status, body) = ask("/api/v1/unknown", "").await;
    assert!(status == 404 && body.contains("/openapi.json"), "{body}");
}
