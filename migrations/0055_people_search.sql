-- Searching, filtering and sorting a million people: a text to search in, and an index for each order.
--
--   names ── projector ──▶ slots.users_*.search ──▶ trigrams where pg_trgm can be had, else beginnings alone
--
--   rebuild:  begin_load (no indexes) ──▶ rows ──▶ end_load (all indexes at once) ──▶ swap
--
-- The text is made of names, so it is personal data: no statistics, no public view, gone with the row. The indexes of a slot with
-- rows are made by the rebuild that the new version of the view asks for, beside the slot that people read.

alter table slots.users_a add column search text collate "C";
alter table slots.users_b add column search text collate "C";
comment on column slots.users_a.search is 'names and username, spelled for search and order (projections/src/views/users/search.rs); null: written by a version before';
comment on column slots.users_b.search is 'as in users_a';
alter table slots.users_a alter column search set statistics 0;
alter table slots.users_b alter column search set statistics 0;

-- Most changes of a row touch no index: where the page has room, they write to none.
alter table slots.users_a set (fillfactor = 90);
alter table slots.users_b set (fillfactor = 90);

-- An empty log needs no rebuild.
update checkpoints set version = 2 where consumer = 'users' and position = 0;

create function drop_search_indexes(slot text) returns void
language plpgsql
set search_path = public, pg_temp
as $$
declare
    one text;
begin
    foreach one in array array['created', 'tier', 'status', 'role', 'blocked', 'expires', 'status_expires', 'search', 'username', 'trigrams'] loop
        execute format('drop index if exists slots.%I', 'users_' || slot || '_' || one);
    end loop;
end $$;
comment on function drop_search_indexes(text) is 'takes from a slot of users what slows down loading it';
revoke execute on function drop_search_indexes(text) from public;

create function create_search_indexes(slot text) returns void
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
    execute format('create index %I on slots.%I ((lower(username) collate "C"))', relation || '_username', relation);
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
    -- An expression of an index has statistics of its own.
    execute format('alter index slots.%I alter column 1 set statistics 0', relation || '_username');
end $$;
comment on function create_search_indexes(text) is 'makes the indexes by which people are searched, filtered and sorted';
revoke execute on function create_search_indexes(text) from public;

create or replace function begin_load(view_name text, slot text) returns void
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    event text;
begin
    if view_name in ('users', 'invites') and slot in ('a', 'b') then
        foreach event in array array['insert', 'update', 'delete'] loop
            execute format('drop trigger if exists tally_%s on slots.%I', event, view_name || '_' || slot);
        end loop;
        delete from slots.tallies t where t.view = view_name and t.slot = begin_load.slot;
    end if;
    if view_name = 'users' then
        perform drop_search_indexes(slot);
    end if;
end $$;

create or replace function end_load(view_name text, slot text) returns void
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    relation text := view_name || '_' || slot;
begin
    if view_name in ('users', 'invites') and slot in ('a', 'b') then
        perform begin_load(view_name, slot);
        execute format('create trigger tally_insert after insert on slots.%I referencing new table as new_rows '
                       'for each statement execute function tally_%s(%L)', relation, view_name, slot);
        execute format('create trigger tally_update after update on slots.%I referencing old table as old_rows new table as new_rows '
                       'for each statement execute function tally_%s(%L)', relation, view_name, slot);
        execute format('create trigger tally_delete after delete on slots.%I referencing old table as old_rows '
                       'for each statement execute function tally_%s(%L)', relation, view_name, slot);
        insert into slots.tallies (view, slot, tally, value, count)
        select view_name, end_load.slot, t.tally, t.value, t.count from count_tallies(view_name, slot) t;
    end if;
    if view_name = 'users' then
        perform create_search_indexes(slot);
    end if;
end $$;

do $$
declare
    slot text;
    has_rows boolean;
begin
    foreach slot in array array['a', 'b'] loop
        execute format('select exists (select from slots.%I)', 'users_' || slot) into has_rows;
        if not has_rows then
            perform end_load('users', slot);
        end if;
    end loop;
end $$;
