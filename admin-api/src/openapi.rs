//! The contract of the admin API, as OpenAPI 3.1, made from its handlers. `api` serves it with the others'.

use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;

use crate::{
    acts, events, invites, live, parked, projections, session, statistics, summary, user_details, users,
};

#[derive(OpenApi)]
#[openapi(paths(
    session::begin,
    session::end,
    users::list,
    user_details::one,
    acts::grant,
    acts::revoke,
    acts::role,
    acts::block,
    acts::unblock,
    acts::reset,
    invites::list,
    invites::make,
    invites::one,
    invites::revoke,
    projections::views,
    projections::rebuild,
    projections::show,
    projections::cancel,
    parked::list,
    parked::replay,
    parked::history,
    events::list,
    events::of_user,
    events::one,
    live::live,
    summary::summary,
    statistics::over_time,
))]
struct Api;

/// The contract.
pub fn contract() -> Document {
    Api::openapi()
}
