-- What this database belongs to, so that a test's data and a real deployment's never meet.
--
--   (empty) --first start--> stamped --every later start--> compared; another network is refused

create table installation (
  one bool primary key default true check (one),
  network text not null
);
comment on table installation is 'What this database belongs to: one row, written at the first start, never changed.';
comment on column installation.one is 'There is one row.';
comment on column installation.network is 'telegram, or the fingerprint of a private MTProto network''s key.';
