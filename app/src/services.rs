//! Other services: what they call with, and what they may.

pub mod keys;
