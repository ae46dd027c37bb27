//! Given an event, then reactions.
