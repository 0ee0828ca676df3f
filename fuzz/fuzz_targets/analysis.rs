//! Fuzzes the law `analysis::analysis`.
#![no_main]

#[path = "../../tests/it/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::analysis::analysis(bytes));
