-- Which master key this database belongs to. Of machines that start for the first time, the first stamps its key; the others stop
-- and say what to copy.
--
--   (null) ── a start whose key opens everything that is sealed ──▶ stamped ── every later start ──▶ the key file must hold it

alter table installation add column master_key_id text;
comment on column installation.master_key_id is 'id of the last key in the key file of the first start, which survives rotations; null until then';
comment on table installation is 'What this database belongs to: one row, written at the first start, compared at every later one.';
