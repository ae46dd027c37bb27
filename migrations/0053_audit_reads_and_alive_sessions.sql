-- Who reads somebody's history leaves an event in the log. `replay` reads as a role that adds no events, such as qr_auditor. This
-- function adds that one event for it and nothing else: the reader in it is the role that is connected, whatever the caller says.
--
--   replay history --user ID ──▶ note_replay_read(ID) ──▶ AuditRead by tool:replay:<role>, once in a minute
--
-- A stream of its own for each read: its id is made of the reader, what they read, and the minute. So a second one of a minute is no
-- new event, and nobody waits for a lock.

comment on column events.aggregate_type is 'which kind of stream: invite, login, account, audit';

create function note_replay_read(of_account uuid, of_login text, of_invite uuid) returns boolean
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    reader  text := 'tool:replay:' || session_user;
    read_at timestamptz := now();
    person  text;
    target  json;
begin
    if of_account is not null then
        select aggregate_id, json_build_object('account', aggregate_id) into person, target
          from events where aggregate_type = 'account' and aggregate_id = of_account::text and sequence = 1;
    elsif of_login is not null then
        select payload #>> '{LoginStarted,account_id}', json_build_object('login', aggregate_id) into person, target
          from events where aggregate_type = 'login' and aggregate_id = of_login and sequence = 1;
    elsif of_invite is not null then
        select json_build_object('invite', aggregate_id) into target
          from events where aggregate_type = 'invite' and aggregate_id = of_invite::text and sequence = 1;
    end if;
    -- What does not exist has no history.
    if target is null then
        return false;
    end if;
    insert into events (aggregate_type, aggregate_id, sequence, event_type, event_version, payload, metadata)
    values (
        'audit',
        left(encode(sha256(convert_to(
            reader || '|' || target::text || '|' || floor(extract(epoch from read_at) / 60)::text, 'utf8')), 'hex'), 32)::uuid::text,
        1,
        'AuditRead',
        '1',
        json_build_object('AuditRead', json_build_object(
            'target', target,
            'at', to_char(read_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))),
        json_strip_nulls(json_build_object('actor', reader, 'account_id', person, 'correlation_id', of_login)))
    on conflict do nothing;
    return found;
end $$;
comment on function note_replay_read(uuid, text, uuid) is 'appends AuditRead for the connected role and one person, login or invite; false: it is recorded already, or there is no such history';
revoke execute on function note_replay_read(uuid, text, uuid) from public;

do $$
begin
    if to_regrole('qr_auditor') is not null then
        grant execute on function note_replay_read(uuid, text, uuid) to qr_auditor;
    end if;
end $$;

-- A person sees when their linked session was last seen alive.
--
--   alive_at   null: not looked at since it was linked ── Telegram knows it ──▶ when that was

alter table vault.sessions add column alive_at timestamptz;
comment on column vault.sessions.alive_at is 'when Telegram last knew it, by the service''s clock; null: it was not asked since the session was linked';
