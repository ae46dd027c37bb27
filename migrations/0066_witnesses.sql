-- Witnesses of the log (C2SP tlog-witness), and the logs that this installation is a witness of.
--
--   log_tree.checkpoint ──▶ leader: sent to each witness ──▶ enough have signed it ──▶ log_tree.cosigned
--
--   log_tree.witnesses_due_since  null ── a later checkpoint is signed than enough witnesses have ──▶ since when ── they sign it ──▶ null
--   log_tree.witness_fault        null ── a witness has seen another history ──▶ which witness ── it signs again ──▶ null
--   witnessed_logs                (none) ── its first checkpoint ──▶ a size and a root ── one that extends it ──▶ a greater size
--
-- The program before this one writes none of the columns: readers then take log_tree.checkpoint.

alter table log_tree
    add column cosigned            text,
    add column cosigned_size       bigint check (cosigned_size >= 0),
    add column cosigned_at         timestamptz,
    add column witnesses_due_since timestamptz,
    add column witness_fault       text,
    add column witness_fault_since timestamptz;
comment on column log_tree.cosigned            is 'the last checkpoint that enough witnesses have signed: a note with their signatures';
comment on column log_tree.cosigned_size       is 'its size';
comment on column log_tree.cosigned_at         is 'when enough witnesses had signed it';
comment on column log_tree.witnesses_due_since is 'since when a later checkpoint waits for its witnesses; null: none does';
comment on column log_tree.witness_fault       is 'which witness has seen another history of this log, in one line; null: none has';
comment on column log_tree.witness_fault_since is 'since when';

create table log_witness (
    one        bool  primary key default true check (one),
    name       text  not null,
    public_key bytea not null check (length(public_key) = 32),
    made_at    timestamptz not null default clock_timestamp()
);
comment on table  log_witness            is 'what this installation signs with as a witness of other logs; one row, from the first start with WITNESS_LOGS on';
comment on column log_witness.one        is 'there is one row';
comment on column log_witness.name       is 'the name of the witness';
comment on column log_witness.public_key is 'Ed25519; the key itself is in DATA_DIR/witness.key';
comment on column log_witness.made_at    is 'when it was made';

create table witnessed_logs (
    origin      text   primary key,
    size        bigint not null check (size >= 0),
    root        bytea  not null check (length(root) = 32),
    note        text   not null,
    cosigned_at timestamptz not null default clock_timestamp()
);
comment on table  witnessed_logs             is 'the last checkpoint of each log that this installation has signed as a witness';
comment on column witnessed_logs.origin      is 'the name of the log';
comment on column witnessed_logs.size        is 'its size; it never gets smaller';
comment on column witnessed_logs.root        is 'the root over so many leaves';
comment on column witnessed_logs.note        is 'the checkpoint, with the signatures of the log and of this witness';
comment on column witnessed_logs.cosigned_at is 'when it was signed here';

create function refuse_to_go_back() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if new.origin <> old.origin or new.size < old.size or new.size = old.size and new.root <> old.root then
        raise exception 'a witness has signed % at size % already', old.origin, old.size;
    end if;
    return new;
end $$;
comment on function refuse_to_go_back() is 'what a witness has signed stays: a row of witnessed_logs only grows';
create trigger refuse_to_go_back before update on witnessed_logs
    for each row execute function refuse_to_go_back();

do $$
begin
  if to_regrole('qr_auditor') is not null then
    grant select on log_witness, witnessed_logs to qr_auditor;
  end if;
end $$;
