-- What a page needs to prove a 2-step password: the parameters that Telegram gave the worker of the login.
--
--   challenges   (none) ── put_challenge ──▶ current ── put_challenge ──▶ current: each serves one try
--                gone with its attempt

-- Unlogged, like the QR tokens: worth nothing after one try.
create unlogged table vault.challenges (
  login_id text not null,
  attempt bigint not null,
  body bytea not null,
  primary key (login_id, attempt),
  foreign key (login_id, attempt) references vault.attempts on delete cascade
);
comment on table vault.challenges is 'the SRP parameters and the hint of the password that a login waits for';
comment on column vault.challenges.login_id is 'the login';
comment on column vault.challenges.attempt is 'which attempt of it';
comment on column vault.challenges.body is 'sealed with the master key: the hint is personal';
