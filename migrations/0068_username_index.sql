-- People whose usernames begin alike are found and put in order from the index alone: a hundred thousand of them lie on fewer pages
-- there than in the table. (An index of an expression answers alone only where it holds the expression's columns, too.)

create function create_username_index(slot text) returns void
language plpgsql
set search_path = public, pg_temp
as $$
declare
    relation text := 'users_' || slot;
    username text := relation || '_username';
begin
    execute format('create index %I on slots.%I ((lower(username) collate "C")) include (username, created_at, account_id)', username, relation);
    -- An expression of an index has statistics of its own.
    execute format('alter index slots.%I alter column 1 set statistics 0', username);
end $$;
comment on function create_username_index(text) is 'makes the index by which people are searched by username';
revoke execute on function create_username_index(text) from public;

create or replace function create_search_indexes(slot text) returns void
language plpgsql
set search_path = public, pg_temp
set maintenance_work_mem = '128MB'
as $$
declare
    relation text := 'users_' || slot;
    trigrams name;
begin
    execute format('create index %I on slots.%I (created_at, account_id)', relation || '_created', relation);
    execute format('create index %I on slots.%I (subscription_type, created_at, account_id)', relation || '_tier', relation);
    execute format('create index %I on slots.%I (subscription_status, created_at, account_id)', relation || '_status', relation);
    execute format('create index %I on slots.%I (role, created_at, account_id) where role <> ''user''', relation || '_role', relation);
    execute format('create index %I on slots.%I (created_at, account_id) where is_blocked', relation || '_blocked', relation);
    execute format('create index %I on slots.%I (subscription_expires_at, account_id)', relation || '_expires', relation);
    execute format('create index %I on slots.%I (subscription_status, subscription_expires_at, account_id)', relation || '_status_expires', relation);
    execute format('create index %I on slots.%I (search, account_id)', relation || '_search', relation);
    perform create_username_index(slot);
    -- Whoever owns the database may have it: it is trusted. Where it is not installed, or may not be had, nothing is lost.
    begin
        create extension if not exists pg_trgm with schema slots;
    exception when others then null;
    end;
    select n.nspname into trigrams from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm';
    if trigrams is not null then
        -- Without a pending list: no search and no change pays for many others.
        execute format('create index %I on slots.%I using gin (search %I.gin_trgm_ops) with (fastupdate = off)',
                       relation || '_trigrams', relation, trigrams);
    end if;
end $$;

-- A second for a million people, in which the projector waits. A slot without the index is being loaded, and gets it at the end.
do $$
declare
    slot text;
begin
    foreach slot in array array['a', 'b'] loop
        if to_regclass('slots.users_' || slot || '_username') is not null then
            execute format('drop index slots.%I', 'users_' || slot || '_username');
            perform create_username_index(slot);
        end if;
    end loop;
end $$;
