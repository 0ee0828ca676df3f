//! What fuzzing found worth keeping, and each input that once broke a law, held to the laws again.
use crate::laws;

/// Replays `fuzz/corpus` of a target; each has a law of its name or the one given.
macro_rules! replays {
    ($($target:ident: $law:expr,)+) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), |bytes| {
                let _ = $law(bytes);
            });
        })+

        /// No target of fuzz/Cargo.toml is forgotten here.
        #[test]
        fn every_target_is_replayed() {
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
