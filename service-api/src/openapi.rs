//! The contract of the API for other services, as OpenAPI 3.1, made from its handlers. `api` serves it with the others'.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, OpenApi as Document};
use utoipa::{Modify, OpenApi};

use crate::refusals::{ProblemShape, Refusals};
use crate::{events, invites, subscriptions, users, webhooks};

#[derive(OpenApi)]
#[openapi(
    paths(
        users::list,
        users::one,
        users::subscription,
        subscriptions::grant,
        subscriptions::end,
        invites::list,
        invites::make,
        invites::one,
        invites::revoke,
        events::follow,
        webhooks::list,
        webhooks::make,
        webhooks::one,
        webhooks::change,
        webhooks::delete,
        webhooks::test,
        webhooks::deliveries,
        webhooks::replay_all,
        webhooks::replay,
    ),
    components(schemas(ProblemShape)),
    modifiers(&Shared)
)]
struct Api;

/// What operations share: how a service says who it is, and the answers that are not what was asked for.
struct Shared;

impl Modify for Shared {
    fn modify(&self, document: &mut Document) {
        let key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("qrl_<key id>_<secret>")
            .description(Some(
                "An API key: `qr-login apikey create`, or the tab Services of the admins' app",
            ));
        let components = document.components.get_or_insert_with(Components::new);
        components.add_security_scheme("key", SecurityScheme::Http(key.build()));
        components.responses.extend(Refusals::named().map(|(name, it)| (name.to_owned(), it.into())));
    }
}

/// The contract.
pub fn contract() -> Document {
    Api::openapi()
}
