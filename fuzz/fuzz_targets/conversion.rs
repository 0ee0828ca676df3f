//! Fuzzes the law `delivery::conversion`.
#![no_main]

#[path = "../../tests/it/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    laws::delivery::conversion(bytes);
});
