-- Webhooks: what happened to a person is told to other services, in messages by Standard Webhooks 1.0.
--
--   webhooks            made ── WebhookCreated ──▶ on ◀── WebhookChanged ──▶ off
--                                                   └── WebhookDeleted ──┬────┘
--                                                                        ▼
--                                                                     deleted ── its messages are gone ──▶ (none)
--   webhook_secrets     staged ── WebhookCreated, WebhookChanged ──▶ signs ── another one signs; a day ──▶ (none)
--   webhook_deliveries  waiting ──▶ delivered ── a month ──▶ (none)
--                         │ ▲
--                         └─┼─────▶ parked ── a month ──▶ (none)
--                           └─────────┘ replayed
--
-- A row of webhooks is written before its event, and the event puts it into force: at the event's place in the one order of the log.
-- So it is exact which events a webhook gets. In a lane (the messages of one webhook about one person) only the first waiting message
-- has a due_at. All who change which one that is hold the advisory lock 'webhooks', for the length of a transaction.

create table vault.webhooks (
    webhook_id        uuid        primary key,
    state             text        not null default 'made' check (state in ('made', 'on', 'off', 'deleted')),
    url               text        not null,
    next_url          text,
    types             text[]      not null default '{}',
    off_reason        text        check (off_reason in ('order', 'gone')),
    off_at            timestamptz,
    gone_at           timestamptz,
    created_by        text        not null,
    created_at        timestamptz not null default clock_timestamp(),
    last_delivered_at timestamptz,
    check ((state = 'off') = (off_reason is not null)),
    check ((state = 'off') = (off_at is not null))
);
comment on table  vault.webhooks                   is 'where messages go';
comment on column vault.webhooks.webhook_id        is 'random; the stream of its events';
comment on column vault.webhooks.state             is 'see the drawing in 0060_webhooks.sql; made: its event has no effect yet';
comment on column vault.webhooks.url               is 'the address; its path may be a secret of the receiver';
comment on column vault.webhooks.next_url          is 'the address from the next WebhookChanged with a host on; null: it stays';
comment on column vault.webhooks.types             is 'the types of message that it gets; none: all';
comment on column vault.webhooks.off_reason        is 'why it is off: somebody ordered it, or its receiver answered 410';
comment on column vault.webhooks.off_at            is 'since when it is off';
comment on column vault.webhooks.gone_at           is 'when its receiver answered 410; nothing is sent to it from then on';
comment on column vault.webhooks.created_by        is 'who made it, as the actor of an event: key:<id>, an account id, tool:cli:<user>';
comment on column vault.webhooks.created_at        is 'when it was made';
comment on column vault.webhooks.last_delivered_at is 'when it last took a message';

create table vault.webhook_secrets (
    webhook_id  uuid        not null references vault.webhooks on delete cascade,
    secret_id   uuid        not null,
    sealed      bytea       not null,
    staged_at   timestamptz not null default clock_timestamp(),
    signs_since timestamptz,
    valid_until timestamptz,
    primary key (webhook_id, secret_id)
);
comment on table  vault.webhook_secrets             is 'what messages are signed with; two while it changes';
comment on column vault.webhook_secrets.webhook_id  is 'whose';
comment on column vault.webhook_secrets.secret_id   is 'random; it is sealed for this id';
comment on column vault.webhook_secrets.sealed      is 'nonce (24 bytes), ciphertext and tag, XChaCha20-Poly1305, under a key that comes from the root of the master key';
comment on column vault.webhook_secrets.staged_at   is 'when it was drawn';
comment on column vault.webhook_secrets.signs_since is 'since when it signs; null: its event has no effect yet';
comment on column vault.webhook_secrets.valid_until is 'until when it signs beside the one after it; null: there is none after it';

create table vault.webhook_deliveries (
    delivery_no bigint      generated always as identity primary key,
    message_id  text        not null unique,
    webhook_id  uuid        not null references vault.webhooks on delete cascade,
    type        text        not null,
    position    bigint,
    account_id  uuid,
    lane        uuid        not null,
    state       text        not null default 'waiting' check (state in ('waiting', 'delivered', 'parked')),
    due_at      timestamptz,
    attempts    integer     not null default 0,
    give_up_at  timestamptz not null,
    last_status smallint,
    last_error  text,
    created_at  timestamptz not null default clock_timestamp(),
    settled_at  timestamptz,
    check (state = 'waiting' or due_at is null),
    check ((state = 'waiting') = (settled_at is null))
);
comment on table  vault.webhook_deliveries             is 'one message each: an event, told to a webhook; its text is made when it is sent';
comment on column vault.webhook_deliveries.delivery_no is 'their order; for one webhook that of the events';
comment on column vault.webhook_deliveries.message_id  is 'the webhook-id of the message: the same for each try';
comment on column vault.webhook_deliveries.webhook_id  is 'to which webhook';
comment on column vault.webhook_deliveries.type        is 'the type of the message';
comment on column vault.webhook_deliveries.position    is 'of the event; null: a test';
comment on column vault.webhook_deliveries.account_id  is 'whom it is about; null: a test';
comment on column vault.webhook_deliveries.lane        is 'messages of one webhook and lane are sent in order: the account id; random in a test';
comment on column vault.webhook_deliveries.state       is 'see the drawing in 0060_webhooks.sql';
comment on column vault.webhook_deliveries.due_at      is 'when it is sent; null: it is not the first of its lane';
comment on column vault.webhook_deliveries.attempts    is 'how often it was sent';
comment on column vault.webhook_deliveries.give_up_at  is 'a try that fails at this time or later is the last one';
comment on column vault.webhook_deliveries.last_status is 'the HTTP status of the last answer; null: none came';
comment on column vault.webhook_deliveries.last_error  is 'why the last try failed; without the address and without the answer';
comment on column vault.webhook_deliveries.created_at  is 'since when it waits';
comment on column vault.webhook_deliveries.settled_at  is 'when it was delivered or parked';

-- One at a time is staged: the event that puts it into force names none.
create unique index webhook_secrets_staged on vault.webhook_secrets (webhook_id) where signs_since is null;

-- What is due, webhook by webhook: one message of a lane.
create index webhook_deliveries_due on vault.webhook_deliveries (webhook_id, due_at, delivery_no) where state = 'waiting' and due_at is not null;
-- The first of a lane.
create index webhook_deliveries_lane on vault.webhook_deliveries (webhook_id, lane, delivery_no) where state = 'waiting';
-- The history of a webhook; what it has parked.
create index webhook_deliveries_history on vault.webhook_deliveries (webhook_id, delivery_no);
create index webhook_deliveries_parked on vault.webhook_deliveries (webhook_id, delivery_no) where state = 'parked';
-- What an erasure drops.
create index webhook_deliveries_account on vault.webhook_deliveries (account_id) where state <> 'delivered';
-- What is old.
create index webhook_deliveries_settled on vault.webhook_deliveries (settled_at) where state <> 'waiting';
-- The oldest that waits for a webhook.
create index webhook_deliveries_waiting on vault.webhook_deliveries (webhook_id, created_at) where state = 'waiting';

-- Not in the table checkpoints: the program before this one would wait for it, and does not move it.
create table vault.webhook_fan_out (
    one      boolean     primary key default true check (one),
    position bigint      not null,
    moved_at timestamptz not null default clock_timestamp()
);
comment on table  vault.webhook_fan_out          is 'how far the log is turned into messages; one row';
comment on column vault.webhook_fan_out.one      is 'there is one row';
comment on column vault.webhook_fan_out.position is 'the last position of the log that was looked at';
comment on column vault.webhook_fan_out.moved_at is 'when position last moved';

-- Before now there was no webhook.
insert into vault.webhook_fan_out (position) select coalesce(max(position), 0) from log_index;
