-- Who audits: reads events, positions, views and who is who, and nothing that opens a door: no session, no token, no
-- invite code. A group role without a login; `grant qr_auditor to somebody`, or `alter role qr_auditor login password …`.

do $$
begin
  if to_regrole('qr_auditor') is null then
    create role qr_auditor nologin;
  end if;
exception
  -- Two databases of one cluster may be migrated at once.
  when duplicate_object or unique_violation then null;
  when insufficient_privilege then
    raise notice 'the role qr_auditor was not made: whoever may create roles has to, and to run the grants of 0005_auditor.sql';
end $$;

do $$
begin
  if to_regrole('qr_auditor') is null then
    return;
  end if;
  grant usage on schema public, slots, vault to qr_auditor;
  grant select on events, log_index, sequencer to qr_auditor;
  grant select on checkpoints, parked, free_limits to qr_auditor;
  grant select on users, login_status, invites, subscriptions to qr_auditor;
  -- `replay verify` compares what is behind the views.
  grant select on all tables in schema slots to qr_auditor;
  -- The keys that open names, and only those.
  grant select on vault.subjects to qr_auditor;
end $$;
