//! [`Route`]: what the tables of routes are made of.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::MethodRouter;

use crate::state::ApiState;

/// A route: a method, a path, and what handles it.
pub type Route = (Method, &'static str, MethodRouter<Arc<ApiState>>);
