-- The heads of the last commitments: where each person's events end. A person's proof needs their place among all.
--
--   log ──▶ leader, once a day: each person's head ──▶ log_heads (the tree over them) ──▶ event HeadsCommitted (its root)
--
-- The rows of a position are written before its event. The commitment that was signed last stays beside it, since a proof needs
-- one that is signed; those before are deleted.

create table log_heads (
    position bigint   not null,
    level    smallint not null check (level between 0 and 7),
    index    bigint   not null check (index >= 0),
    hashes   bytea    not null check (length(hashes) between 32 and 8192),
    first_id uuid,
    ids      bytea,
    primary key (position, level, index)
);
comment on table  log_heads          is 'the tiles of the tree over the heads of people, full and partial';
comment on column log_heads.position is 'the events up to this position are counted';
comment on column log_heads.level    is '0: hashes of heads, in the order of account ids; above: roots of full tiles of the level below';
comment on column log_heads.index    is 'place in the level, from 0';
comment on column log_heads.hashes   is 'up to 256 hashes of SHA-256';
comment on column log_heads.first_id is 'level 0: the account of its first hash';
comment on column log_heads.ids      is 'level 0: the accounts of its hashes, 16 bytes each';
create index log_heads_first_id on log_heads (position, first_id) where level = 0;

do $$
begin
  if to_regrole('qr_auditor') is not null then
    grant select on log_heads to qr_auditor;
  end if;
end $$;
