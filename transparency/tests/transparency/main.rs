//! The tree against the standards and other implementations of them, and the keeper against a real PostgreSQL.

mod agreement;
mod heads;
mod keeper;
mod log_witness;
mod tampering;
mod test_witness;
mod vectors;
mod witnesses;
mod world;
