-- Orders of other services that carry an Idempotency-Key: each is carried out once, and its first answer is given again for a day.
--
--   (none) ── claimed ──▶ in flight ── done ──▶ answered ── a day later ──▶ (none)
--                          │   ▲
--                          │   └── a minute later, for the next request with the key
--                          └────── its process died, or the database failed
--
-- An order that is claimed again has the same random bytes. The ids of what it makes come from them, so what a dead process has
-- done before its answer is found, not done twice.

create table vault.api_requests (
    key_id         text        not null references vault.api_keys,
    request_key    text        not null,
    request_sha256 bytea       not null check (length(request_sha256) = 32),
    random         bytea       not null check (length(random) = 18),
    claimed_at     timestamptz not null,
    in_flight      boolean     not null,
    account_id     uuid,
    status         smallint,
    answer         text,
    created_at     timestamptz not null,
    primary key (key_id, request_key)
);
create index api_requests_by_time on vault.api_requests (created_at);
create index api_requests_account on vault.api_requests (account_id) where account_id is not null;
alter table vault.api_requests alter column answer set statistics 0;
comment on table  vault.api_requests                is 'orders with an Idempotency-Key, with their answers';
comment on column vault.api_requests.key_id         is 'whose order';
comment on column vault.api_requests.request_key    is 'the Idempotency-Key';
comment on column vault.api_requests.request_sha256 is 'SHA-256 of method, path and body: another order with this key is refused';
comment on column vault.api_requests.random         is 'what the ids of its effects are made from';
comment on column vault.api_requests.claimed_at     is 'when a request began to carry it out, by the database''s clock';
comment on column vault.api_requests.in_flight      is 'a request is carrying it out';
comment on column vault.api_requests.account_id     is 'the person whom the answer is about: it is deleted when they are erased; null: nobody';
comment on column vault.api_requests.status         is 'the HTTP status of the answer; null: there is none yet';
comment on column vault.api_requests.answer         is 'the body of the answer, JSON; null: there is none yet';
comment on column vault.api_requests.created_at     is 'when it came first, by the database''s clock';

-- A key sees the codes of the invites that it made, and no others.

alter table vault.invite_codes add column made_by_key text;
comment on column vault.invite_codes.made_by_key is 'the API key that made the invite; null: an admin or the terminal did';

-- A standby that takes over may lack the end of the log, and then goes on with other events at those positions: the log branches.
-- A reader that keeps a position keeps the id of the branch with it. So it is told where its branch parted from the one of now.
--
--   branch ── the sequencer begins in another cluster or timeline ──▶ next branch, the same up to began_after

create table log_branches (
    branch_id   uuid        primary key default gen_random_uuid(),
    number      bigint      not null unique generated always as identity,
    cluster     text,
    began_after bigint      not null,
    began_at    timestamptz not null default clock_timestamp()
);
comment on table  log_branches             is 'the clusters and timelines in which the log was continued';
comment on column log_branches.branch_id   is 'what a reader of the log keeps with its position';
comment on column log_branches.number      is 'their order';
comment on column log_branches.cluster     is 'system identifier/timeline; null before the first sequencer';
comment on column log_branches.began_after is 'the last position that it shares with the branch before';
comment on column log_branches.began_at    is 'when the first sequencer began in it';

-- What was before this migration counts as one branch.
insert into log_branches (cluster, began_after) select cluster, 0 from sequencer;

create function note_log_branch() returns trigger
language plpgsql security definer
set search_path = public, pg_temp
as $$
begin
    if old.cluster is null then
        update log_branches set cluster = new.cluster where cluster is null;
    else
        -- Positions that this very statement gives are of the new branch.
        insert into log_branches (cluster, began_after) values (new.cluster, old.next_position - 1);
    end if;
    return null;
end $$;
comment on function note_log_branch() is 'trigger: the sequencer begins in another cluster or timeline';
revoke execute on function note_log_branch() from public;

create trigger note_log_branch after update of cluster on sequencer
for each row when (old.cluster is distinct from new.cluster) execute function note_log_branch();

do $$
begin
    if to_regrole('qr_auditor') is not null then
        grant select on log_branches to qr_auditor;
    end if;
end $$;
