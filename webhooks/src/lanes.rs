//! Lanes: the messages of one webhook about one person, in order. Only the first waiting one of a lane is due. Everything that may change which
//! one that is does so here, one transaction after the other: there are few, and each is about many lanes.

use eventlog::database::{Connection, Database, Transaction};
use uuid::Uuid;

/// A transaction that no other one about lanes runs beside. PostgreSQL ends it soon if the process freezes.
pub(crate) async fn begin(db: &Database) -> Result<Transaction, sqlx::Error> {
    let connection = db.pool().acquire().await?.patient();
    let mut transaction =
        connection.begin("begin; set local idle_in_transaction_session_timeout = '2s'").await?;
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('webhooks', 0))")
        .execute(&mut *transaction)
        .await?;
    Ok(transaction)
}

/// Some lanes.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    webhooks: Vec<Uuid>,
    lanes: Vec<Uuid>,
}

impl FromIterator<(Uuid, Uuid)> for Lanes {
    fn from_iter<I: IntoIterator<Item = (Uuid, Uuid)>>(pairs: I) -> Self {
        let (webhooks, lanes) = pairs.into_iter().unzip();
        Self { webhooks, lanes }
    }
}

impl Lanes {
    /// The first of each lane has left it: the next one is due.
    pub(crate) async fn advance(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        if self.lanes.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "update vault.webhook_deliveries
                set due_at = clock_timestamp()
              where due_at is null
                and delivery_no = any (array(
                      select (select delivery_no from vault.webhook_deliveries e
                               where e.webhook_id = l.webhook_id and e.lane = l.lane and e.state = 'waiting'
                               order by delivery_no limit 1)
                        from unnest($1::uuid[], $2::uuid[]) as l (webhook_id, lane)))",
            &self.webhooks,
            &self.lanes,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Anything has changed in these lanes: the first of each is due, and no other one. It reads the lanes as a whole.
    pub(crate) async fn restore(&self, connection: &mut Connection) -> Result<(), sqlx::Error> {
        sqlx::query!(
            "with firsts as materialized (
               select l.webhook_id, l.lane, min(e.delivery_no) as delivery_no
                 from (select distinct webhook_id, lane from unnest($1::uuid[], $2::uuid[]) as l (webhook_id, lane)) l
                 join vault.webhook_deliveries e using (webhook_id, lane)
                where e.state = 'waiting'
                group by l.webhook_id, l.lane)
             update vault.webhook_deliveries d
                set due_at = case when d.delivery_no = firsts.delivery_no then clock_timestamp() end
               from firsts
              where d.webhook_id = firsts.webhook_id
                and d.lane = firsts.lane
                and d.state = 'waiting'
                and (d.delivery_no = firsts.delivery_no) <> (d.due_at is not null)",
            &self.webhooks,
            &self.lanes,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
