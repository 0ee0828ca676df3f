//! Rows 7 and 9: after a kill, and with a long history.

use crate::load::{Connection, HOOKS, Until, event, flood, webhooks};
use crate::measure::median;
use crate::number::{commas, number};
use crate::program::{Folder, Server};
use crate::table::{self, Goal};
use crate::{Run, millis, receiver};
use bytes::Bytes;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Row 7: from a kill at full speed to the last waiting delivery.
pub async fn kill(run: &Run) {
    let time = Duration::from_secs(3) / run.scale as u32;
    let (mut seconds, mut waiting) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let folder = Folder::new();
        let server = Server::start(&folder);
        let (receiver, arrivals) = receiver::start(1_000_000).await;
        webhooks(server.address, &server.administrator, receiver, 10).await;
        let (address, key) = (server.address, server.producer.clone());
        let until = Until::After(time * 10);
        let sending =
            tokio::spawn(
                async move { flood((address, &key), 64, until, |n| event(n, n % 10)).await },
            );
        tokio::time::sleep(time).await;
        let killed = Instant::now();
        server.kill();
        let accepted = sending.await.expect("the senders do not panic").accepted;
        let before = arrivals.count();
        let _server = Server::start(&folder);
        let all = |arrivals: &receiver::Arrivals| {
            accepted.iter().all(|number| arrivals.first(*number).is_some())
        };
        assert!(arrivals.wait(all).await, "an accepted event was lost");
        // What arrived before the kill, but was not recorded, is sent again.
        let mut count = 0;
        while count != arrivals.count() {
            count = arrivals.count();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(count > before, "nothing was waiting at the kill");
        seconds.push((arrivals.last() - killed).as_secs_f64());
        waiting.push((count - before) as f64);
    }
    let seconds = median(seconds);
    table::row(
        "7",
        "from a kill -9 at full speed to the last waiting delivery, with the restart",
        &format!("{} s, {} were waiting", number(seconds), number(median(waiting))),
        "",
        &[Goal { value: seconds, must: 5.0, aim: 1.0, unit: |of| format!("{of} s") }],
    );
}

/// Row 9: a page of a long history.
pub async fn page(run: &Run) {
    const PAGES: usize = 200;
    let rows = 1_000_000 / run.scale;
    let folder = Folder::new();
    let server = Server::start(&folder);
    let (receiver, arrivals) = receiver::start(1).await;
    webhooks(server.address, &server.administrator, receiver, 1).await;
    let producer = (server.address, server.producer.as_str());
    flood(producer, 1, Until::Events(1), |number| event(number, 0)).await;
    assert!(arrivals.wait(|arrivals| arrivals.count() == 1).await, "the event did not arrive");
    let mut reader = Connection::open(server.address, &server.administrator).await;
    let hooks = json(reader.send("GET", HOOKS, Bytes::new()).await);
    let id = hooks["data"][0]["id"].as_str().expect("an id").to_owned();
    let list = format!("{HOOKS}/{id}/deliveries?limit=20");
    while json(reader.send("GET", &list, Bytes::new()).await)["data"] == Value::Array(Vec::new()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop();
    copy_deliveries(&folder, rows);

    let server = Server::start(&folder);
    let mut reader = Connection::open(server.address, &server.administrator).await;
    let (mut path, mut times) = (list, Vec::new());
    for _ in 0..PAGES {
        let start = Instant::now();
        let answer = reader.send("GET", &path, Bytes::new()).await;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let page = json(answer);
        assert_eq!(page["data"].as_array().map(Vec::len), Some(20));
        let next = page["links"]["next"]["href"].as_str().expect("there are more pages");
        path = next.split_once(&server.address.to_string()).expect("its own address").1.to_owned();
    }
    let first = times[0];
    let each = median(times);
    table::row(
        "9",
        &format!("a page of 20 deliveries of a webhook that has {}", commas(rows)),
        &format!("{} (the first after the start: {})", millis(each), millis(first)),
        "",
        &[Goal { value: each, must: 2.0, aim: 0.5, unit: |of| format!("{of} ms") }],
    );
}

fn json(answer: Option<(hyper::StatusCode, Bytes)>) -> Value {
    let (status, body) = answer.expect("the server runs");
    assert_eq!(status, 200, "{body:?}");
    serde_json::from_slice(&body).expect("JSON")
}

/// Adds copies of the only delivery of a store, half a second apart.
fn copy_deliveries(folder: &Folder, rows: usize) {
    let store = rusqlite::Connection::open(folder.path("data/hooksieve.db")).expect("a store");
    // All columns but those that differ between the copies.
    let columns = "SELECT name FROM pragma_table_info('delivery') \
        WHERE name NOT IN ('seq', 'id', 'triggered_at')";
    let mut columns = store.prepare(columns).expect("the tables of a store");
    let columns = columns.query_map([], |row| row.get::<_, String>(0)).expect("names");
    let columns: Vec<_> = columns.map(|name| name.expect("a name")).collect();
    let columns = columns.join(", ");
    let copy = format!(
        "WITH RECURSIVE copies (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < {rows})
         INSERT INTO delivery (id, triggered_at, {columns})
             SELECT id || n, triggered_at - n * 500000000, {columns} FROM delivery, copies"
    );
    store.execute_batch(&copy).expect("there is one delivery");
}
