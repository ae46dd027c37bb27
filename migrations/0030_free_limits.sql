-- The limits of people without a subscription are in no event, so nothing said whether somebody had changed them by hand.
-- Whoever writes them now writes their SHA-256 beside them, and `replay verify` compares the two.
--
--   settings ── leader ──▶ free_limits.limits, free_limits.written_sha256
--
-- A leader of the version before writes `limits` alone, and only where they differ from its settings. `replay verify` says so
-- until a leader of this version leads.

alter table free_limits add column written_sha256 bytea;
update free_limits set written_sha256 = sha256(convert_to(limits::text, 'UTF8'));
alter table free_limits alter column written_sha256 set not null;

comment on table free_limits is 'what people without a subscription have; one row';
comment on column free_limits.one is 'there is one row';
comment on column free_limits.limits is 'as the tiers say today; written by the leader';
comment on column free_limits.written_sha256 is 'SHA-256 of the text of limits, as the leader wrote them';
