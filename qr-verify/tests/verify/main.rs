//! The two verifiers, `qr-verify` and `docs/qr_verify.py`, against files that the service makes: what is genuine holds, and whatever is
//! changed is found and named.

mod exports;
mod files;
mod people;
mod proofs;
mod witnesses;
