-- The tree over the log (RFC 6962), and what was signed of it last.
--
--   log_index ──▶ leader: leaf = the canonical line of position n ──▶ log_tiles    (each 256 hashes that are full)
--                                                              └────▶ log_tree     (the right edge, the last checkpoint)
--
--   log_tree.fault      null ──▶ why nothing is signed ──▶ null    (the log does not extend what was signed, another key, …)
--   log_tree.walk_fault null ──▶ what a walk has found ──▶ null    (the next walk finds nothing, or the log branches)
--
-- Everything but log_tree.checkpoint can be made again from the log.

create table log_tiles (
    level  smallint not null check (level between 0 and 7),
    index  bigint   not null check (index >= 0),
    hashes bytea    not null check (length(hashes) = 8192),
    primary key (level, index)
);
comment on table  log_tiles        is 'the full tiles of the tree, as C2SP tlog-tiles serves them; a branch makes them anew';
comment on column log_tiles.level  is '0: hashes of leaves; above: roots of tiles of the level below';
comment on column log_tiles.index  is 'place in the level, from 0';
comment on column log_tiles.hashes is '256 hashes of SHA-256';

create table log_tree (
    one         bool    primary key default true check (one),
    epoch       bigint  not null default 0,
    size        bigint  not null default 0 check (size >= 0),
    edge        bytea   not null default '',
    origin      text,
    public_key  bytea   check (length(public_key) = 32),
    signed_size bigint  check (signed_size >= 0),
    checkpoint  text,
    signed_at   timestamptz,
    fault       text,
    fault_since timestamptz,
    walked_at   timestamptz,
    walk_fault  text,
    built_for   bigint  not null default 0
);
comment on table  log_tree             is 'where the tree stands; one row';
comment on column log_tree.one         is 'there is one row';
comment on column log_tree.epoch       is 'who may write here: taking over adds one, and whoever has an older number is fenced';
comment on column log_tree.size        is 'leaves in the tree: the positions up to this one';
comment on column log_tree.edge        is 'the hashes of the partial tiles, from level 0 upwards';
comment on column log_tree.origin      is 'the name of the log before any event LogBranched; null before the first start';
comment on column log_tree.public_key  is 'Ed25519, before any event CheckpointKeyChanged; null before the first start';
comment on column log_tree.signed_size is 'the size of the last checkpoint';
comment on column log_tree.checkpoint  is 'the last checkpoint: a signed note';
comment on column log_tree.signed_at   is 'when the last checkpoint was signed';
comment on column log_tree.fault       is 'why nothing is signed, in one line; null: checkpoints are signed';
comment on column log_tree.fault_since is 'since when nothing is signed';
comment on column log_tree.walked_at   is 'when the whole log was last compared with the tree, and nothing was found';
comment on column log_tree.walk_fault  is 'what the last comparison has found, in one line: nothing is signed; null: nothing';
comment on column log_tree.built_for   is 'the position of the event LogBranched that the tree was built anew for; 0: of none';

insert into log_tree default values;

do $$
begin
  if to_regrole('qr_auditor') is not null then
    grant select on log_tiles, log_tree to qr_auditor;
  end if;
end $$;
