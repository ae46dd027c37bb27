//! The admins' app in a real browser, against the real service: every screen with axe, by the keyboard alone, live, and what it says
//! where something is wrong.

mod acts;
mod app;
mod projections;
mod screens;
mod services;
mod states;
