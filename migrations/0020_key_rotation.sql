-- Rotating the master key beside running processes. A process that has not read a new key must never meet what it seals, so the
-- processes say which keys they have read, and the key seals only once each of them knows it.
--
--   installation   sealing: first ── next key written ──▶ next ── every process opens with it ──▶ sealing: next
--   processes      (none) ── start ──▶ announced ── gone: no sign of life ──▶ (none)

alter table installation
  add column sealing_key_id text,
  add column next_key_id text;
comment on column installation.sealing_key_id is 'id of the key that a rotation has made seal: every start must know it; null before the first rotation';
comment on column installation.next_key_id is 'id of the key that every process has to know before it seals; null: none is waited for';

create table vault.processes (
  id uuid primary key,
  machine text not null,
  holder text,
  opens text[] not null,
  seals text not null,
  sealed_otherwise_until timestamptz,
  seen_at timestamptz not null
);
comment on table vault.processes is 'the running processes, and which master keys each has read';
comment on column vault.processes.id is 'one run of a process';
comment on column vault.processes.machine is 'the name of its machine, and its number there';
comment on column vault.processes.holder is 'its name in vault.present(); null: it has not announced its presence yet';
comment on column vault.processes.opens is 'the ids of the keys that it knows';
comment on column vault.processes.seals is 'the id of the key that it seals with';
comment on column vault.processes.sealed_otherwise_until is 'until when it sealed with another key; null: it never did';
comment on column vault.processes.seen_at is 'its last sign of life';
