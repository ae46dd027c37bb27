//! The tree against the standards and other implementations of them, and the keeper against a real PostgreSQL.

mod agreement;
mod heads;
mod keeper;
mod tampering;
mod vectors;
mod world;
