//! For `fuzz/` alone.

/// The query of a status: read without a panic, and the same after it was written anew.
pub fn query(text: &str) {
    crate::routes::fuzz_status_query(text);
}
