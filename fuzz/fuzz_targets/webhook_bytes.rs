//! Fuzzes the law `webhook::webhook_bytes`.
#![no_main]

#[path = "../../tests/it/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::webhook::webhook_bytes(bytes));
