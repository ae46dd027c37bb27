-- What outlives a person who was erased: that they are blocked, and which invites they have used. Nothing else of them is
-- kept, and whose it is cannot be read from it without the master key and the Telegram id.
--
--   (none) ── erased ──▶ remembered ── the same person comes back, and is blocked anew ──▶ remembered, not blocked

create table vault.remembered (
  who bytea primary key check (length(who) = 32),
  blocked boolean not null,
  used_invites uuid[] not null
);
comment on table vault.remembered is 'erased people, as far as a reset must not be a way around a block or a used invite';
comment on column vault.remembered.who is 'a keyed HMAC of the Telegram id';
comment on column vault.remembered.blocked is 'the account was blocked when it was erased; false once a new account is blocked in its place';
comment on column vault.remembered.used_invites is 'invites that accounts of this person have used';
