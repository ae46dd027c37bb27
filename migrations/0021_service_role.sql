-- The service's role owns nothing. It adds events and reads them; it can neither change nor delete one, nor switch off what
-- refuses that. What needs more is done by functions that run with the rights of the owner, who runs the migrations.
--
--   a role ── grant_to_service(role), after each migration ──▶ may do what the service does, and no more
--
-- Where the service goes on with the owner's role, nothing changes for it.

-- PostgreSQL 14 lets everybody create tables here: one before ours in the search path would be taken for ours.
revoke create on schema public from public;

-- Positions are given by these two alone. `create or replace` undoes this: repeat it after that.
alter function sequence_events(bigint) security definer;
alter function sequence_events(bigint) set search_path = public, pg_temp;
revoke execute on function sequence_events(bigint) from public;
alter function begin_cluster() security definer;
alter function begin_cluster() set search_path = public, pg_temp;
revoke execute on function begin_cluster() from public;

create function point_view(view_name text, slot text) returns void
language plpgsql security definer
set search_path = public, pg_temp
as $$
declare
    definition text;
begin
    if slot not in ('a', 'b')
       or to_regclass('slots.' || quote_ident(view_name || '_' || slot)) is null
       or not exists (select from pg_class where oid = to_regclass('public.' || quote_ident(view_name)) and relkind = 'v') then
        raise exception '% has no slot %', view_name, slot;
    end if;
    -- Only the slot in the definition changes; the grants stay.
    definition := regexp_replace(
        pg_get_viewdef(to_regclass('public.' || quote_ident(view_name))), '\m' || view_name || '_[ab]\M', view_name || '_' || slot, 'g');
    execute format('create or replace view public.%I as %s', view_name, definition);
end $$;
comment on function point_view(text, text) is 'points the public name of a view to one of its two slots';
revoke execute on function point_view(text, text) from public;

create function analyze_slot(view_name text, slot text) returns void
language plpgsql security definer
set search_path = public, pg_temp
as $$
begin
    execute format('analyze slots.%I', view_name || '_' || slot);
end $$;
comment on function analyze_slot(text, text) is 'tells the planner what a slot holds now';
revoke execute on function analyze_slot(text, text) from public;

-- Whoever can connect may take any advisory lock, and ours have names that can be looked up: an auditor could hold up migrations,
-- rebuilds and rotations. Only a superuser can take that right away; for another owner this changes nothing.
do $$
declare
    one regprocedure;
begin
    for one in select oid::regprocedure from pg_proc
                where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^pg_(try_)?advisory_(xact_)?lock' loop
        if (select rolsuper from pg_roles where rolname = current_user) then
            execute format('revoke execute on function %s from public', one);
        end if;
    end loop;
end $$;

create function grant_to_service(service name) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    one record;
begin
    execute format('grant connect, temporary on database %I to %I', current_database(), service);
    execute format('grant usage on schema public, slots, vault to %I', service);
    execute format('grant select, insert, update, delete on all tables in schema vault to %I', service);
    execute format('grant select, insert, update, delete, truncate on all tables in schema slots to %I', service);
    execute format('grant usage, select on all sequences in schema vault to %I', service);
    -- An extension may have put relations and functions of its own there.
    for one in select relname, relkind from pg_class
                where relnamespace = 'public'::regnamespace and pg_has_role(relowner, 'usage') loop
        case
            when one.relname = 'events' then
                execute format('grant select, insert on public.events to %I', service);
            when one.relname = 'sequencer' then
                execute format('grant select, update (epoch, cluster) on public.sequencer to %I', service);
            when one.relname in ('log_index', '_sqlx_migrations', 'cluster_no') or one.relkind = 'v' then
                execute format('grant select on public.%I to %I', one.relname, service);
            when one.relkind = 'r' then
                execute format('grant select, insert, update, delete on public.%I to %I', one.relname, service);
            when one.relkind = 'S' then
                execute format('grant usage, select on sequence public.%I to %I', one.relname, service);
            else null;
        end case;
    end loop;
    for one in select oid::regprocedure as name from pg_proc
                where pronamespace in ('public'::regnamespace, 'vault'::regnamespace)
                  and pg_has_role(proowner, 'usage')
                  and proname <> 'grant_to_service' loop
        execute format('grant execute on function %s to %I', one.name, service);
    end loop;
    if (select rolsuper from pg_roles where rolname = current_user) then
        for one in select oid::regprocedure as name from pg_proc
                    where pronamespace = 'pg_catalog'::regnamespace and proname ~ '^pg_(try_)?advisory_(xact_)?lock' loop
            execute format('grant execute on function %s to %I', one.name, service);
        end loop;
    end if;
end $$;
comment on function grant_to_service(name) is 'lets a role do what the service does; repeated after each migration, for what is new';
revoke execute on function grant_to_service(name) from public;
