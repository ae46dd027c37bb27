-- Rebuilds of views that admins order, and who had which parked rows folded again.
--
--   rebuild_runs      waiting ──▶ running ──▶ done | failed | cancelled
--                        │ ▲         │
--                        │ └─────────┘ the process that carried it out died, or somebody else rebuilds the view
--                        └──▶ cancelled
--
--   parked_replays    began ──▶ ended_at
--
-- One run a view is waiting or running. The leader carries it out; the leader after it goes on with what that one had begun.

create table rebuild_runs (
    rebuild_id        uuid             primary key,
    view              text             not null,
    dry_run           boolean          not null,
    status            text             not null default 'waiting'
                                       check (status in ('waiting', 'running', 'done', 'failed', 'cancelled')),
    asked_by          uuid             not null,
    asked_at          timestamptz      not null default clock_timestamp(),
    due_at            timestamptz      not null default clock_timestamp(),
    tries             integer          not null default 0,
    epoch             bigint,
    started_at        timestamptz,
    position          bigint,
    end_position      bigint,
    events_per_second double precision,
    stop_asked        boolean          not null default false,
    ended_at          timestamptz,
    error             text,
    report            jsonb,
    chat_message      integer,
    chat_told         boolean          not null default false
);
comment on table  rebuild_runs                   is 'rebuilds of views that admins ordered; old ones are deleted';
comment on column rebuild_runs.rebuild_id        is 'of the events RebuildOrdered and RebuildCancelled';
comment on column rebuild_runs.view              is 'which view';
comment on column rebuild_runs.dry_run           is 'whether it only looks what would change';
comment on column rebuild_runs.status            is 'see the drawing in 0056_rebuild_runs.sql';
comment on column rebuild_runs.asked_by          is 'the account of the admin';
comment on column rebuild_runs.asked_at          is 'when it was ordered';
comment on column rebuild_runs.due_at            is 'it does not begin before';
comment on column rebuild_runs.tries             is 'how often it has begun';
comment on column rebuild_runs.epoch             is 'of the leader that carries it out; drawn from reader_epoch';
comment on column rebuild_runs.started_at        is 'when it last began';
comment on column rebuild_runs.position          is 'how far the log is read';
comment on column rebuild_runs.end_position      is 'how far the log is going to be read';
comment on column rebuild_runs.events_per_second is 'how fast the log is read, or was';
comment on column rebuild_runs.stop_asked        is 'whether an admin wants it to end';
comment on column rebuild_runs.ended_at          is 'when it ended';
comment on column rebuild_runs.error             is 'why it failed, or was not carried out';
comment on column rebuild_runs.report            is 'how the rows differed; personal data is left out';
comment on column rebuild_runs.chat_message      is 'the bot''s message to the admin that shows how far it is; null: none does';
comment on column rebuild_runs.chat_told         is 'whether that message has been given the outcome';

create unique index rebuild_runs_live on rebuild_runs (view) where status in ('waiting', 'running');
create index rebuild_runs_by_view on rebuild_runs (view, asked_at desc);
create index rebuild_runs_in_chat on rebuild_runs (asked_at) where chat_message is not null and not chat_told;

create table parked_replays (
    replay_id    uuid        primary key,
    began_at     timestamptz not null default clock_timestamp(),
    ordered_by   text        not null,
    view         text        not null,
    key          text,
    cause        text        not null,
    replayed     integer     not null default 0,
    still_parked integer     not null default 0,
    ended_at     timestamptz
);
comment on table  parked_replays              is 'who had which parked rows folded again, and with what success';
comment on column parked_replays.replay_id    is 'of the event ParkedReplayOrdered, where an admin ordered it';
comment on column parked_replays.began_at     is 'when';
comment on column parked_replays.ordered_by   is 'an account id, or tool:replay:<database role>';
comment on column parked_replays.view         is 'which view';
comment on column parked_replays.key          is 'the one row; null: all rows with the cause';
comment on column parked_replays.cause        is 'why they were parked, without the values of one row';
comment on column parked_replays.replayed     is 'how many rows were folded again and are not parked any more';
comment on column parked_replays.still_parked is 'how many were parked again';
comment on column parked_replays.ended_at     is 'when it was done; null: it goes on, or its process died';

create index parked_replays_by_time on parked_replays (began_at desc, replay_id);

create function parked_cause(error text) returns text
language sql immutable
return regexp_replace(error, ' \((line|column) [^)]*\)', '', 'g');
comment on function parked_cause(text) is 'why a row was parked, without where in this one payload or row: rows with one fault have one cause';

do $$
begin
    if to_regrole('qr_auditor') is not null then
        grant select on rebuild_runs, parked_replays to qr_auditor;
    end if;
end $$;
