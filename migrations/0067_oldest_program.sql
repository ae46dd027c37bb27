-- Which programs may work with these tables. A newer version expands the tables first: the one before goes on, and may be started
-- again beside it. A later migration takes away what only the older version used. It raises the number here, in its own transaction:
--
--   expand: no word of it here ──▶ contract: create or replace view oldest_program as select N::bigint as migration
--
-- N is the newest migration of the oldest program that still works. It is a view, because the service's role may not change it.

create view oldest_program as select 67::bigint as migration;
comment on view   oldest_program           is 'the oldest program that may work with these tables';
comment on column oldest_program.migration is 'the newest migration that this program has';
