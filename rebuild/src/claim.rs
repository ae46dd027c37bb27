//! Who may rebuild a view: one process at a time, with the role of the service or of the owner.

use sqlx::Executor;

use super::error::RebuildError;
use eventlog::database::{Connection, Database, DatabaseError};
use projections::views::AnyView;

/// The right to rebuild views. It ends when this is dropped, or with the process.
pub(super) struct Claim {
    /// It has an open transaction without a snapshot, so it delays no cleanup. A pooler in transaction mode keeps the
    /// server connection for it.
    connection: Connection,
}

impl Claim {
    /// # Errors
    /// [`RebuildError::Busy`].
    pub async fn take(db: &Database, views: &[&'static dyn AnyView]) -> Result<Self, RebuildError> {
        let mut claim = Self::open(db).await?;
        for view in views {
            let name = view.shape().name;
            if !claim.try_add(name).await? {
                return Err(RebuildError::Busy(name));
            }
        }
        Ok(claim)
    }

    async fn open(db: &Database) -> Result<Self, DatabaseError> {
        let mut connection = db.direct().await?;
        let begin = "begin; set local idle_in_transaction_session_timeout = 0";
        connection.execute(begin).await?;
        Ok(Self { connection })
    }

    async fn try_add(&mut self, view: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar!(
            r#"select pg_try_advisory_xact_lock(hashtextextended('rebuild ' || $1, 0)) as "locked!""#,
            view,
        )
        .fetch_one(&mut self.connection)
        .await
    }

    /// Gives the right back.
    pub async fn end(self) {
        self.connection.close().await;
    }
}

/// # Errors
/// [`RebuildError::Role`] names the role that is needed.
pub(super) async fn may_rebuild(db: &Database, views: &[&'static dyn AnyView]) -> Result<(), RebuildError> {
    let names: Vec<&str> = views.iter().map(|view| view.shape().name).collect();
    let refused = sqlx::query!(
        r#"select current_user::text as "role!", pg_get_userbyid(relowner)::text as "owner!"
             from pg_class
            where relnamespace = 'public'::regnamespace
              and relname = any($1)
              and not has_function_privilege('public.point_view(text, text)', 'execute')
            limit 1"#,
        &names as _,
    )
    .fetch_optional(db.pool())
    .await?;
    match refused {
        Some(refused) => Err(RebuildError::Role { role: refused.role, owner: refused.owner }),
        None => Ok(()),
    }
}
