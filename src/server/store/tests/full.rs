//! A full store refuses what does not fit, keeps what it answered, and recovers when there is room.

use super::kill::{Program, lines};
use super::law::{InSqlite, LOG};
use super::program::Operation;
use super::random::{Random, delivery};
use super::{Directory, all, wait};
use crate::server::store::contract::{DeliveryRow, Store, StoreError, WebhookChange, WebhookRow};
use crate::server::store::memory::Memory;
use crate::server::store::sqlite::{Settings, Sqlite};
use hooksieve::delivery::ListQuery;
use hooksieve::event::TenantId;
use hooksieve::webhook::Timestamp;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

const MAX_BYTES: u64 = 512 * 1024;

fn put(id: &str, bytes: usize) -> WebhookChange {
    let document = format!("\"{}\"", "x".repeat(bytes)).into();
    WebhookChange::Put(WebhookRow { id: id.into(), document })
}

fn row(number: u64) -> DeliveryRow {
    let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000 + number);
    DeliveryRow {
        id: format!("d{number}").into(),
        webhook: "w".into(),
        triggered_at: time.into(),
        document: format!("\"{}\"", "x".repeat(2_000)).into(),
        ..delivery(&mut Random(number))
    }
}

/// A write that does not fit undoes none of the writes in its transaction. While the first writes
/// are committed, the others accumulate.
async fn refuses_the_large_only(store: &Sqlite, tenant: &TenantId) {
    let mut revision = 1;
    let commits = (0..60).map(|number| {
        let is_large = number % 3 == 1;
        let change = if is_large { put("large", 900_000) } else { put("w", 10) };
        let commit = store.commit(tenant, revision, change);
        revision += u64::from(!is_large);
        commit
    });
    for (number, result) in all(commits.collect()).await.into_iter().enumerate() {
        match result {
            Ok(_) => assert!(number % 3 != 1, "{number}"),
            Err(error) => {
                assert!(matches!(error, StoreError::Full(_)) && number % 3 == 1, "{number}");
            }
        }
    }
    assert_eq!(store.load(tenant).await.unwrap().revision, 41);
}

#[test]
fn refuses_what_exceeds_its_size_and_recovers() {
    let place = Directory::new();
    let settings = Settings { max_bytes: Some(MAX_BYTES), ..Settings::new(place.path()) };
    let store = Sqlite::open(&settings).unwrap();
    let tenant = "t".into();
    wait(async {
        assert_eq!(store.commit(&tenant, 0, put("w", 10)).await, Ok(1));
        let mut answered = 0;
        let error = loop {
            match store.record(&tenant, vec![row(answered)]).await {
                Ok(()) => answered += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StoreError::Full(_)), "{error:?}");
        assert!(answered > 100, "{answered}");

        let last = row(answered - 1);
        let since = UNIX_EPOCH.into();
        let found = store.delivery(&tenant, &last.webhook, &last.id, since).await;
        assert_eq!(found, Ok(Some(last)), "an answered write is kept");
        let refused = row(answered);
        let found = store.delivery(&tenant, &refused.webhook, &refused.id, since).await;
        assert_eq!(found, Ok(None), "a refused write is not kept");

        // Make room again.
        let end: Timestamp = (UNIX_EPOCH + Duration::from_secs(1_700_000_050)).into();
        assert_eq!(store.expire(end, end, 1_000).await, Ok(50));
        refuses_the_large_only(&store, &tenant).await;
        let batch: Vec<_> =
            (0..20).map(|number| store.record(&tenant, vec![row(1_000 + number)])).collect();
        assert_eq!(all(batch).await, vec![Ok(()); 20]);
        let query = ListQuery::read("limit=1").unwrap();
        let page = store.deliveries(&tenant, &"w".into(), &query, since).await.unwrap();
        assert_eq!(page.rows, [row(1_019)]);
    });
    drop(store);
    let length = std::fs::metadata(place.path().join("hooksieve.db")).unwrap().len();
    assert!(length <= MAX_BYTES, "{length}");
}

/// Runs a child under a shell that limits it, and returns its answers and the failure after them.
#[cfg(unix)]
fn limited(script: &str, program: Program<'_>) -> (Vec<String>, Vec<String>) {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(std::env::current_exe().unwrap());
    let mut process = program.configure(&mut command).spawn().unwrap();
    let mut lines = lines(&mut process);
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The test harness writes to the same stream.
    lines.retain(|line| ["answered", "full", "failed"].iter().any(|word| line.starts_with(word)));
    let answered = lines.iter().take_while(|line| line.starts_with("answered")).count();
    let later = lines.split_off(answered);
    (lines, later)
}

/// The system's limit on the size of a file (EFBIG) cuts a write of the log short. SQLite reports
/// an I/O error, but nothing is lost: reads go on, no write is answered that is not kept, and the
/// next process finds every answered one.
#[cfg(unix)]
#[test]
fn keeps_answered_writes_when_a_file_reaches_its_limit() {
    for blocks in [300, 700, 1_500] {
        let place = Directory::new();
        drop(Sqlite::open(&Settings { log: LOG, ..Settings::new(place.path()) }).unwrap());
        // In units of 512 bytes, or of 1,024 in some shells. Without the trap, the signal would end
        // the process.
        let script = format!(r#"trap "" XFSZ; ulimit -f {blocks}; exec "$0" "$@""#);
        let program = Program { backend: &InSqlite, place: place.path(), seed: blocks };
        let (answered, later) = limited(&script, program);
        assert!(later.iter().any(|line| line == "failed"), "{later:?}");
        program.compare(Memory::new(LOG), &answered, Operation::partial);
    }
}

/// The same on a file system without space (ENOSPC), which SQLite reports as a full store. Needs a
/// kernel that lets a user mount a small file system in a namespace of its own.
#[cfg(target_os = "linux")]
#[test]
fn keeps_answered_writes_when_the_disk_is_full() {
    let outer = Directory::new();
    let place = outer.path().join("small");
    std::fs::create_dir(&place).unwrap();
    let unshare = ["--user", "--map-root-user", "--mount", "--"];
    let mount = format!("mount -t tmpfs -o size=1m tmpfs {}", place.display());
    let probe = Command::new("unshare").args(unshare).args(["sh", "-c", &mount]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("not checked: this machine allows no small file system");
        return;
    }
    // The file system ends with the namespace, so its content is copied out for the comparison.
    let kept = outer.path().join("kept");
    let script = format!(
        r#"exec unshare {} sh -c '{mount}; "$0" "$@"; status=$?; cp -r {} {}; exit $status' "$0" "$@""#,
        unshare.join(" "),
        place.display(),
        kept.display(),
    );
    let program = Program { backend: &InSqlite, place: &place, seed: 5 };
    let (answered, later) = limited(&script, program);
    assert!(later.iter().any(|line| line == "full"), "{later:?}");
    Program { place: &kept, ..program }.compare(Memory::new(LOG), &answered, Operation::partial);
}

/// After the limit is lifted, writes succeed again without a restart.
#[cfg(target_os = "linux")]
#[test]
fn writes_again_after_the_limit_of_a_file_is_lifted() {
    use std::io::{BufRead, BufReader};
    let place = Directory::new();
    drop(Sqlite::open(&Settings { log: LOG, ..Settings::new(place.path()) }).unwrap());
    let mut command = Command::new("sh");
    command.args(["-c", r#"trap "" XFSZ; ulimit -S -f 300; exec "$0" "$@""#]);
    command.arg(std::env::current_exe().unwrap());
    let program = Program { backend: &InSqlite, place: place.path(), seed: 300 };
    let mut process = program.configure(&mut command).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
    let failed = lines.by_ref().find(|line| line == "failed");
    assert!(failed.is_some(), "the limit is reached");
    let id = process.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &id, "--fsize=unlimited"]).status();
    if lifted.is_ok_and(|status| status.success()) {
        let again = lines.by_ref().find(|line| line == "recovered");
        assert!(again.is_some(), "writes succeed again");
    } else {
        eprintln!("not checked: this machine has no prlimit");
    }
    process.kill().unwrap();
    process.wait().unwrap();
}
