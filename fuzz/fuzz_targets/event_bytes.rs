//! Fuzzes the laws `event::event_bytes` and `event::event_sequence`.
#![no_main]

#[path = "../../tests/it/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    laws::event::event_bytes(bytes);
    laws::event::event_sequence(bytes);
});
