//! Linked sessions: [`log_out`] ends one, [`hand_over`] gives one to another service. Of both orders for the same session
//! exactly one succeeds. [`stay_ended`]: no restored backup undoes that. [`state`] tells what became of one,
//! [`linked`] since when it is linked.

pub mod hand_over;
pub mod linked;
pub mod log_out;
pub mod state;
pub mod stay_ended;
