//! Lists: parameters, filters, order and links.
use hooksieve::webhook::{ListQuery, Rules, Webhook};
use serde_json::{Value, json};

fn webhook(members: Value) -> Webhook {
    let mut document = json!({"name": "n", "url": "https://hooks.example.com/", "eventTypes": []});
    for (name, value) in members.as_object().unwrap() {
        document[name] = value.clone();
    }
    Webhook::read(&document.into(), &Rules::default()).unwrap().webhook
}

fn webhooks() -> Vec<Webhook> {
    vec![
        webhook(json!({
            "id": "a", "name": "Sales ÄB", "createdAt": "2026-01-01T00:00:02Z", "enabled": true,
            "eventTypes": ["com.qlik.v1.app.created", "com.qlik.v1.app.deleted"],
            "createdByUserId": "u1", "updatedByUserId": "u2",
        })),
        webhook(json!({
            "id": "b", "name": "sales*", "createdAt": "2026-01-01T00:00:01Z", "level": "user",
            "ownerId": "u1", "createdByUserId": "u2", "origin": "automations",
            "eventTypes": ["com.qlik.v1.app.created"], "url": "https://b.example.org/x",
        })),
        webhook(json!({
            "id": "c", "name": "Finance", "createdAt": "2026-01-01T00:00:01.5Z",
            "updatedAt": "2026-01-01T00:00:01Z", "origin": "management-console",
        })),
        webhook(json!({"id": "d", "name": "Finance"})),
    ]
}

fn ids(query: &str) -> String {
    let all = webhooks();
    let page = ListQuery::read(query).unwrap().apply(&all);
    page.items().iter().map(|webhook| webhook.id().as_str()).collect()
}

#[test]
fn filters_by_every_parameter() {
    for (query, expected) in [
        ("", "acbd"),
        ("enabled=true", "a"),
        ("enabled=false", "cbd"),
        ("level=user", "b"),
        ("level=tenant", "acd"),
        ("ownerId=u1", "b"),
        ("createdByUserId=u1", "a"),
        ("updatedByUserId=u2", "a"),
        ("eventTypes=com.qlik.v1.app.created", "ab"),
        ("eventTypes=com.qlik.v1.app.deleted,com.qlik.v1.user.created", "a"),
        ("eventTypes=com.qlik.v1.app.deleted&eventTypes=com.qlik.v1.app.created", "ab"),
        ("origins=api", "ad"),
        ("origins=automations,management-console", "cb"),
        ("name=finance", "cd"),
        ("name=fin", ""),
        ("name=fin*", "cd"),
        ("name=*NAN*", "cd"),
        ("name=*", "acbd"),
        ("name=**", "acbd"),
        ("name=f*n*e", "cd"),
        ("name=f*n*n*n*e", ""),
        ("name=fin*inance", ""),
        ("name=sales*", "ab"),
        ("name=sales+%C3%A4b", "a"),
        ("name=sales%20*%C3%84*", "a"),
        ("url=*.EXAMPLE.org/*", "b"),
        ("url=https://hooks.example.com/", "acd"),
        ("name=finance&enabled=false&origins=api", "d"),
    ] {
        assert_eq!(ids(query), expected, "{query}");
    }
}

#[test]
fn sorts_in_every_order() {
    for (query, expected) in [
        ("sort=createdAt", "dbca"),
        ("sort=%2BcreatedAt", "dbca"),
        ("sort=+createdAt", "dbca"),
        ("sort=-createdAt", "acbd"),
        ("sort=name", "cdab"),
        ("sort=-name", "bacd"),
        ("sort=url", "bacd"),
        ("sort=-url", "acdb"),
        ("sort=updatedAt", "abdc"),
        ("sort=-updatedAt", "cabd"),
    ] {
        assert_eq!(ids(query), expected, "{query}");
    }
}

#[test]
fn refuses_invalid_parameters() {
    for (query, expected) in [
        ("limit=0", "/limit list-invalid-value"),
        ("limit=101", "/limit list-invalid-value"),
        ("limit=-1", "/limit list-invalid-value"),
        ("limit=ten", "/limit list-invalid-value"),
        ("limit=", "/limit list-invalid-value"),
        ("limit=1&limit=2", "/limit list-doubled-parameter"),
        ("sort=size", "/sort list-invalid-value"),
        ("sort=--name", "/sort list-invalid-value"),
        ("enabled=yes", "/enabled list-invalid-value"),
        ("level=all", "/level list-invalid-value"),
        ("origins=api,console", "/origins list-invalid-value"),
        ("origins=", "/origins list-invalid-value"),
        ("eventTypes=a,,b", "/eventTypes list-invalid-value"),
        ("name=", "/name list-invalid-value"),
        ("ownerId=", "/ownerId list-invalid-value"),
        ("nmae=x", "/nmae list-unknown-parameter"),
        ("Limit=5", "/Limit list-unknown-parameter"),
        ("next=x", "/next list-invalid-cursor"),
        ("prev=WyJhIl0", "/prev list-invalid-cursor"),
        ("next=a&prev=b", "/next list-invalid-cursor /prev list-doubled-parameter"),
        (
            "limit=x&sort=y&z=1",
            "/z list-unknown-parameter /limit list-invalid-value /sort list-invalid-value",
        ),
    ] {
        let problems = ListQuery::read(query).unwrap_err();
        let found: Vec<_> = problems
            .iter()
            .map(|problem| format!("{} {}", problem.pointer(), problem.code()))
            .collect();
        assert_eq!(found.join(" "), expected, "{query}");
    }
    for (query, help) in [
        ("lmit=5", "did you mean `limit`?"),
        ("level=all", "use one of: user, tenant"),
        ("origins=api,console", "use one of: api, automations, management-console"),
    ] {
        assert_eq!(
            ListQuery::read(query).unwrap_err().iter().next().unwrap().help(),
            help,
            "{query}"
        );
    }
}

/// Names are compared case-insensitively, one letter at a time.
#[test]
fn matches_patterns_of_other_scripts() {
    let all =
        [webhook(json!({"id": "a", "name": "ΟΔΟΣΑ"})), webhook(json!({"id": "b", "name": "ΣΑΣ"}))];
    for (pattern, found) in [("*ΟΔΟΣ*", 1), ("*οδοσ*", 1), ("ΣΑ*Σ", 1), ("σας", 0), ("σασ", 1)]
    {
        let list = ListQuery::read(&format!("name={pattern}")).unwrap();
        assert_eq!(list.apply(&all).items().len(), found, "{pattern}");
    }
}

/// A link fits into the line of a request, regardless of the names of the webhooks.
#[test]
fn keeps_links_short() {
    let long = |id: &str| {
        let url = format!("https://hooks.example.com/{}", "\u{1f310}".repeat(2000));
        webhook(json!({"id": id, "name": "\u{1f310}".repeat(512), "url": url}))
    };
    let all = [long("a"), long("b"), long("c")];
    for sort in ["name", "-url"] {
        let mut link = Some(format!("?limit=1&sort={sort}"));
        let mut seen = 0;
        while let Some(query) = link {
            assert!(query.len() < 2000, "{}", query.len());
            let page = ListQuery::read(&query[1..]).unwrap().apply(&all);
            seen += page.items().len();
            link = page.next("");
        }
        assert_eq!(seen, 3);
    }
}

/// A client that follows the links of pages sees every webhook once.
#[test]
fn writes_links_of_pages() {
    let all = webhooks();
    let path = "/api/v1/webhooks";
    let body = |query: &str| {
        let list = ListQuery::read(query).unwrap();
        serde_json::to_value(list.apply(&all).body(path)).unwrap()
    };
    let query = |link: &Value| link["href"].as_str().unwrap().split_once('?').unwrap().1.to_owned();
    let names = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|w| w["id"].to_string()).collect()
    };

    let whole = body("");
    assert_eq!(whole["links"], json!({"self": {"href": path}}));
    assert_eq!(whole["data"][0], serde_json::to_value(&all[0]).unwrap());

    let first = body("sort=name&limit=2&name=*%26*");
    assert_eq!(first["data"], json!([]));
    assert_eq!(
        first["links"],
        json!({"self": {"href": format!("{path}?sort=name&limit=2&name=*%26*")}})
    );

    let first = body("sort=-name&limit=3&name=*a*");
    assert_eq!(names(&first), ["\"b\"", "\"a\"", "\"c\""]);
    assert!(first["links"]["prev"].is_null());
    let second = body(&query(&first["links"]["next"]));
    assert_eq!(names(&second), ["\"d\""]);
    assert!(second["links"]["next"].is_null());
    assert_eq!(body(&query(&second["links"]["self"])), second);
    let back = body(&query(&second["links"]["prev"]));
    assert_eq!(back["data"], first["data"]);
    assert!(query(&back["links"]["next"]).starts_with("sort=-name&limit=3&name=*a*&next="));
}

/// From page to page and back, in every order, including webhooks without a time.
#[test]
fn follows_links_through_every_order() {
    let all = webhooks();
    let walk = |mut query: String, forth: bool| {
        let mut seen = Vec::new();
        loop {
            let page = ListQuery::read(&query).unwrap().apply(&all);
            seen.push(page.items()[0].id().to_string());
            assert!(seen.len() <= all.len(), "the links form a circle: {query}");
            match if forth { page.next("") } else { page.prev("") } {
                Some(link) => query = link[1..].to_owned(),
                None => return (seen, query),
            }
        }
    };
    for field in ["name", "url", "createdAt", "updatedAt"] {
        for sort in [field.to_owned(), format!("-{field}")] {
            let (mut forth, last) = walk(format!("sort={sort}&limit=1"), true);
            assert_eq!(forth.concat(), ids(&format!("sort={sort}")), "{sort}");
            forth.reverse();
            assert_eq!(walk(last, false).0, forth, "{sort}");
        }
    }
}

/// A page that became empty links to the remaining webhooks.
#[test]
fn links_from_an_empty_page() {
    let mut all = webhooks();
    let next = ListQuery::read("sort=name&limit=2").unwrap().apply(&all).next("").unwrap();
    all.truncate(0);
    let read = |query: &str| ListQuery::read(query.trim_start_matches('?')).unwrap();
    assert_eq!(read(&next).apply(&all).prev(""), None);

    let all = webhooks();
    let last = read(&next).apply(&all).items().len();
    assert_eq!(last, 2);
    // Only webhooks up to the position of the cursor are left.
    let left: Vec<_> = webhooks().into_iter().skip(2).collect();
    let page = read(&next).apply(&left);
    assert!(page.items().is_empty());
    let back = read(&page.prev("").unwrap()).apply(&left);
    assert_eq!(back.items().len(), 2);

    // In the other direction: all webhooks before the position are gone.
    let page = read(&next).apply(&all);
    let prev = page.prev("").unwrap();
    let left: Vec<_> = webhooks().into_iter().take(2).collect();
    let page = read(&prev).apply(&left);
    assert!(page.items().is_empty());
    assert_eq!(read(&page.next("").unwrap()).apply(&left).items().len(), 2);
}

/// A cursor belongs to one order and is refused by others.
#[test]
fn refuses_cursors_of_another_order() {
    let all = webhooks();
    let next = ListQuery::read("sort=name&limit=2").unwrap().apply(&all).next("").unwrap();
    let next = next.trim_start_matches('?');
    assert!(ListQuery::read(next).is_ok());
    assert!(ListQuery::read(&next.replace("sort=name", "sort=%2Bname")).is_ok());
    for sort in ["sort=-name", "sort=url", "sort=createdAt"] {
        let problems = ListQuery::read(&next.replace("sort=name", sort)).unwrap_err();
        assert_eq!(problems.iter().next().unwrap().code(), "list-invalid-cursor");
    }
}
