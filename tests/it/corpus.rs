//! Replays the fuzz corpus: inputs that reach rare code, and each input that once broke a law.
use crate::laws;

/// Defines a test per fuzz target, which checks the law on each input of its corpus.
macro_rules! replays {
    ($($target:ident: $law:expr,)+) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), |bytes| {
                let _ = $law(bytes);
            });
        })+

        /// The list has every target of `fuzz/Cargo.toml`.
        #[test]
        fn replays_every_target() {
            let manifest = std::fs::read_to_string("fuzz/Cargo.toml").unwrap();
            let binaries = manifest.split("[[bin]]\nname = \"").skip(1);
            let names: Vec<_> = binaries.map(|rest| rest.split('"').next().unwrap()).collect();
            assert_eq!(names, [$(stringify!($target)),+]);
        }
    };
}

replays! {
    analysis: laws::analysis::analysis,
    filter_text: laws::text::filter_text,
    limited_text: laws::text::limited_text,
    event_bytes: laws::event::event_bytes,
    history: laws::history::history,
    webhook_bytes: laws::webhook::webhook_bytes,
    conversion: laws::delivery::conversion,
    registry: laws::registry::program,
    snapshot: laws::registry::snapshot,
}

fn replay(target: &str, law: fn(&[u8])) {
    let folder = std::path::Path::new("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort_unstable();
    assert!(files.len() > 20, "{target} has {} inputs", files.len());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        if std::panic::catch_unwind(|| law(&bytes)).is_err() {
            panic!("{} breaks a law of {target}", file.display());
        }
    }
}
