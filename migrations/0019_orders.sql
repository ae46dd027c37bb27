-- What people order in the chat gets a random id. Before, ids of logins and invites were computed from the person's chat with the
-- master key, so that an order that came twice meant one login; whoever held log and key could find out by trying whose login one
-- was, also after the person was erased. Now the id is drawn when the order comes first, and kept here.
--
--   (none) ── the order comes ──▶ kept ── it comes again: the same id
--                                  │
--                                  └── 30 days later, or when the person is erased ──▶ (none)

create table vault.orders (
    chat bigint not null,
    origin text not null,
    random bytea not null check (length(random) = 18),
    created_at timestamptz not null default clock_timestamp(),
    primary key (chat, origin)
);
alter table vault.orders alter column chat set statistics 0;
alter table vault.orders alter column origin set statistics 0;
alter table vault.orders alter column random set statistics 0;
comment on table vault.orders is 'orders that people gave in the chat: each means one login or one invite, however often it comes';
comment on column vault.orders.chat is 'the private chat, which is the person''s Telegram id';
comment on column vault.orders.origin is 'the update, or the message whose button was pressed and what the button said';
comment on column vault.orders.random is 'what the id of the login or the invite is made from';
comment on column vault.orders.created_at is 'when it came first';
