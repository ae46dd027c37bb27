//! What an operator wants to know of a database before a service runs on it. Nothing here changes anything.

use jiff::Timestamp;

use super::handle::Database;
use crate::error::DatabaseError;
use crate::pool::Standing;

/// What the server does so that a commit is not lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durability {
    /// Such as `15.13`.
    pub version: String,
    /// It takes no writes: it is a standby.
    pub is_standby: bool,
    /// A commit reaches the disk.
    pub fsync: bool,
    /// A page that was half written is repaired.
    pub full_page_writes: bool,
    /// Up to where this role's commits wait: `on`, `remote_apply`, `remote_write`, `local` or `off`.
    pub synchronous_commit: String,
    /// Which standbys a commit waits for; empty: none.
    pub synchronous_standby_names: String,
    /// The standbys, as far as this role may see them.
    pub standbys: Standbys,
}

/// The standbys of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standbys {
    /// How many take its changes now. A backup that streams is one of them, a logical subscriber is not.
    pub attached: i64,
    /// How many slots are kept for one.
    pub slots: i64,
}

/// A right that the service's role lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// `update`, `execute`.
    pub right: String,
    /// `vault.sessions`.
    pub of: String,
}

impl Database {
    /// Checks that the server takes writes.
    ///
    /// # Errors
    /// [`DatabaseError::ReadOnly`]; [`DatabaseError::Sql`].
    pub async fn takes_writes(&self) -> Result<(), DatabaseError> {
        match Standing::of(&self.pool).await?.is_read_only {
            true => Err(DatabaseError::ReadOnly),
            false => Ok(()),
        }
    }

    /// What the server does so that a commit is not lost.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn durability(&self) -> Result<Durability, DatabaseError> {
        let row = sqlx::query!(
            r#"select current_setting('server_version') as "version!",
                      pg_is_in_recovery() as "is_standby!",
                      current_setting('fsync')::bool as "fsync!",
                      current_setting('full_page_writes')::bool as "full_page_writes!",
                      current_setting('synchronous_commit') as "synchronous_commit!",
                      current_setting('synchronous_standby_names') as "synchronous_standby_names!",
                      (select count(*) from pg_stat_replication) as "senders!",
                      (select count(*) from pg_replication_slots where slot_type = 'logical' and active) as "logical!",
                      (select count(*) from pg_replication_slots where slot_type = 'physical') as "slots!""#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Durability {
            version: row.version.split(' ').next().unwrap_or_default().to_owned(),
            is_standby: row.is_standby,
            fsync: row.fsync,
            full_page_writes: row.full_page_writes,
            synchronous_commit: row.synchronous_commit,
            synchronous_standby_names: row.synchronous_standby_names.trim().to_owned(),
            standbys: Standbys { attached: (row.senders - row.logical).max(0), slots: row.slots },
        })
    }

    /// Whether the server takes no writes because it follows another one.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn is_standby(&self) -> Result<bool, DatabaseError> {
        let is_standby = sqlx::query_scalar!(r#"select pg_is_in_recovery() as "is_standby!""#);
        Ok(is_standby.fetch_one(&self.pool).await?)
    }

    /// The time on the server.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn server_time(&self) -> Result<Timestamp, DatabaseError> {
        let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!: jiff_sqlx::Timestamp""#);
        Ok(now.fetch_one(&self.pool).await?.to_jiff())
    }

    /// The role of this connection.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn role(&self) -> Result<String, DatabaseError> {
        Ok(sqlx::query_scalar!(r#"select current_user::text as "role!""#).fetch_one(&self.pool).await?)
    }

    /// Whether this role may make the tables, or change them.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn may_migrate(&self) -> Result<bool, DatabaseError> {
        let may = sqlx::query_scalar!(
            r#"select has_database_privilege(current_database(), 'create')
                      and has_schema_privilege('public', 'create')
                      and coalesce((select pg_has_role(relowner, 'usage')
                                      from pg_class
                                     where relnamespace = to_regnamespace('public') and relname = 'events'),
                                   true) as "may!""#
        );
        Ok(may.fetch_one(&self.pool).await?)
    }

    /// What this role lacks of the rights that `grant_to_service` gives (migration 0021), in a database with tables.
    ///
    /// # Errors
    /// [`DatabaseError::Sql`].
    pub async fn missing_rights(&self) -> Result<Vec<Missing>, DatabaseError> {
        let missing = sqlx::query!(
            r#"with ours as (
                   select relowner as owner
                     from pg_class
                    where relnamespace = to_regnamespace('public') and relname = 'events'
               ),
               relations as (
                   select c.oid,
                          c.relkind,
                          format('%I.%I', n.nspname, c.relname) as name,
                          case
                              when n.nspname = 'vault' then array['select', 'insert', 'update', 'delete']
                              when n.nspname = 'slots' then array['select', 'insert', 'update', 'delete', 'truncate']
                              when c.relname = 'events' then array['select', 'insert']
                              when c.relname in ('log_index', '_sqlx_migrations', 'sequencer') or c.relkind = 'v'
                              then array['select']
                              else array['select', 'insert', 'update', 'delete']
                          end as rights
                     from pg_class c
                     join pg_namespace n on n.oid = c.relnamespace
                     join ours on ours.owner = c.relowner
                    where n.nspname in ('public', 'slots', 'vault')
                      and c.relkind in ('r', 'v')
                      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
               )
               select 'usage' as "right!", name as "name!"
                 from unnest(array['public', 'slots', 'vault']) as name
                where not has_schema_privilege(name, 'usage')
               union all
               select wanted, name
                 from relations, unnest(rights) as wanted
                where not has_table_privilege(oid, wanted)
               union all
               select 'execute', p.oid::regprocedure::text
                 from pg_proc p
                 join ours on ours.owner = p.proowner
                where p.pronamespace in ('public'::regnamespace, 'vault'::regnamespace)
                  and p.proname <> 'grant_to_service'
                  and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
                  and not has_function_privilege(p.oid, 'execute')
                order by 2, 1"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(missing.into_iter().map(|row| Missing { right: row.right, of: row.name }).collect())
    }
}
