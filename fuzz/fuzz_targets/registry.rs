//! Fuzzes the laws `registry::program` and `registry::accepted_is_readable`.
#![no_main]

#[path = "../../tests/it/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    laws::registry::program(bytes);
    laws::registry::accepted_is_readable(bytes);
});
