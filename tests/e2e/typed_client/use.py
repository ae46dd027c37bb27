"""Uses the client that was generated from the document of the running service, as another service would.

Arguments: the base URL, an API key, the Telegram id of a person without a subscription, and one that nobody has.
"""

import datetime
import sys

from qr_login_client import AuthenticatedClient
from qr_login_client.api.v1 import (
    change_webhook_v1,
    create_webhook_v1,
    delete_webhook_v1,
    end_subscription_v1,
    follow_events_v1,
    get_subscription_v1,
    get_user_v1,
    grant_subscription_v1,
    list_invites_v1,
    list_users_v1,
    list_webhooks_v1,
    make_invites_v1,
    revoke_invite_v1,
)
from qr_login_client.models import (
    EndedSubscription,
    FeedEvents,
    GrantedSubscription,
    InviteOfService,
    InvitePageOfService,
    ListInvitesV1State,
    MadeInvitesOfService,
    MadeWebhook,
    NewInvitesOfService,
    NewWebhookBody,
    ServiceProblem,
    SubscriptionAsOf,
    UserAsOf,
    UserPage,
    WebhookChange,
    WebhookPage,
    WebhookType,
)
from qr_login_client.types import UNSET

base, key, person, nobody = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

with AuthenticatedClient(base_url=base, token=key) as client:
    # 1. A person, with types.
    before = get_subscription_v1.sync(person, client=client)
    assert isinstance(before, SubscriptionAsOf) and not before.active, before
    refused = get_user_v1.sync(nobody, client=client)
    assert isinstance(refused, ServiceProblem) and refused.type_.startswith("urn:qr-login:"), refused

    # 2. An order, sent twice, is done once, and is seen by who asks for its position.
    order = GrantedSubscription.from_dict({"tier": "premium", "days": 30})
    granted = [
        grant_subscription_v1.sync(person, client=client, body=order, idempotency_key="order-17") for _ in range(2)
    ]
    assert isinstance(granted[0], UserAsOf) and granted[0] == granted[1], granted
    after = get_subscription_v1.sync(person, client=client, min_position=granted[0].position)
    assert isinstance(after, SubscriptionAsOf) and after.active and after.limits.max_channels > 0, after
    assert isinstance(after.expires_at, datetime.datetime), after
    left = after.expires_at - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(days=29) < left <= datetime.timedelta(days=30, minutes=1), after

    # 3. Everybody, page by page.
    people: list[int] = []
    cursor = None
    while True:
        page = list_users_v1.sync(client=client, limit=1, **({"after": cursor} if cursor else {}))
        assert isinstance(page, UserPage), page
        people += [user.telegram_id for user in page.items]
        cursor = page.next_
        if cursor is None:
            break
    assert person in people and len(people) == len(set(people)) >= 2, people

    # 4. The feed says the same as the answers.
    events, place = [], 0
    while True:
        page = follow_events_v1.sync(client=client, after=place, type_=["SubscriptionChanged"])
        assert isinstance(page, FeedEvents), page
        if page.next_ == place:
            break
        events, place = events + page.items, page.next_
    assert [event.payload["tier"] for event in events] == ["premium"], events
    assert events[0].position <= granted[0].position, events

    # 5. Invites: two are made at once, one is revoked.
    wanted = NewInvitesOfService.from_dict({"tier": "basic", "count": 2, "note": "order 18"})
    made = make_invites_v1.sync(client=client, body=wanted, idempotency_key="order-18")
    assert isinstance(made, MadeInvitesOfService) and all(invite.code for invite in made.items), made
    gone = revoke_invite_v1.sync(made.items[0].invite_id, client=client)
    assert isinstance(gone, InviteOfService) and gone.state == "revoked", gone
    left_open = list_invites_v1.sync(client=client, state=ListInvitesV1State.OPEN)
    assert isinstance(left_open, InvitePageOfService), left_open
    assert [invite.code for invite in left_open.items if invite.note == "order 18"] == [made.items[1].code], left_open

    # 6. It ends.
    refund = EndedSubscription(reason="order 17 was refunded")
    ended = end_subscription_v1.sync(person, client=client, body=refund)
    assert isinstance(ended, UserAsOf) and ended.subscription_status == "expired", ended

    # 7. A webhook of its own: made, changed, with another secret, and deleted.
    hook = create_webhook_v1.sync(
        client=client, body=NewWebhookBody(url="http://127.0.0.1:9/hooks", types=[WebhookType.USER_ERASED])
    )
    assert isinstance(hook, MadeWebhook) and str(hook.secret).startswith("whsec_"), hook
    rotated = change_webhook_v1.sync(hook.webhook_id, client=client, body=WebhookChange(rotate_secret=True))
    assert isinstance(rotated, MadeWebhook) and rotated.secret not in (hook.secret, None, UNSET), rotated
    off = change_webhook_v1.sync(hook.webhook_id, client=client, body=WebhookChange(enabled=False, types=[]))
    assert isinstance(off, MadeWebhook) and not off.enabled and off.types == [] and off.secret is UNSET, off
    assert delete_webhook_v1.sync_detailed(hook.webhook_id, client=client).status_code == 204
    hooks = list_webhooks_v1.sync(client=client)
    assert isinstance(hooks, WebhookPage) and hooks.items == [], hooks
print("used")
