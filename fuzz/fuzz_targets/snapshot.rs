//! Fuzzes the law `registry::snapshot`.
#![no_main]

#[path = "../../tests/it/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    laws::registry::snapshot(bytes);
});
