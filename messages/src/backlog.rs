//! How much waits in the inbox and in the outbox, and for how long: what the metrics show.

use std::time::Duration;

use eventlog::database::{Database, DatabaseError};

use crate::outbox::Priority;

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// How much.
    pub waiting: i64,
    /// For how long the oldest of it has waited; of a message: since it is due.
    pub oldest: Duration,
}

/// Both queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Updates that wait to be handled.
    pub inbox: Queue,
    /// Messages that wait to be sent, by priority.
    pub outbox: [(&'static str, Queue); 3],
}

/// Measures it.
///
/// # Errors
/// The database failed.
pub async fn measure(db: &Database) -> Result<Backlog, DatabaseError> {
    let inbox = sqlx::query!(
        r#"select (select count(*) from vault.inbox where state = 'waiting') as "waiting!",
                  (select extract(epoch from clock_timestamp() - received_at)::float8
                     from vault.inbox
                    where state = 'waiting'
                    order by update_id
                    limit 1) as oldest"#
    )
    .fetch_one(db.pool())
    .await?;
    let rows = sqlx::query!(
        r#"select priority, count(*) as "waiting!",
                  extract(epoch from clock_timestamp() - min(due_at))::float8 as oldest
             from vault.outbox where state = 'waiting' group by priority"#
    )
    .fetch_all(db.pool())
    .await?;
    let of = |priority: Priority| {
        let row = rows.iter().find(|row| row.priority == priority as i16);
        row.map_or_else(Queue::default, |row| Queue { waiting: row.waiting, oldest: seconds(row.oldest) })
    };
    Ok(Backlog {
        inbox: Queue { waiting: inbox.waiting, oldest: seconds(inbox.oldest) },
        outbox: [Priority::Normal, Priority::Low, Priority::Reminder].map(|it| (it.name(), of(it))),
    })
}

/// What is to be sent later has waited for no time.
fn seconds(oldest: Option<f64>) -> Duration {
    Duration::try_from_secs_f64(oldest.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use eventlog::testing;

    use super::*;
    use crate::{Inbox, Outbox};

    #[tokio::test]
    async fn what_waits_is_counted_by_priority_and_its_age_told() {
        let db = testing::database().await.db;
        let [inbox, outbox] = [measure(&db).await.unwrap().inbox, measure(&db).await.unwrap().outbox[0].1];
        assert_eq!((inbox, outbox), (Queue::default(), Queue::default()));

        let body = serde_json::json!({"text": "x"});
        Inbox::new(&db).put(7, Some(1), &body).await.unwrap();
        Outbox::new(&db).reply("a", 1, &body, None).await.unwrap();
        Outbox::new(&db).reply("b", 1, &body, None).await.unwrap();
        Outbox::new(&db).reply_to_stranger("c", 2, &body, None).await.unwrap();
        for aged in [
            "update vault.inbox set received_at = received_at - interval '1 hour'",
            "update vault.outbox set due_at = due_at - interval '1 minute' where dedup_key = 'b'",
            "update vault.outbox set due_at = due_at + interval '1 minute' where dedup_key = 'c'",
        ] {
            sqlx::query(aged).execute(db.pool()).await.unwrap();
        }

        let backlog = measure(&db).await.unwrap();
        assert_eq!(backlog.inbox.waiting, 1);
        assert!(backlog.inbox.oldest >= Duration::from_secs(3_600));
        let [normal, stranger, reminder] = backlog.outbox;
        assert_eq!((normal.0, normal.1.waiting), ("normal", 2));
        assert!(normal.1.oldest >= Duration::from_secs(60));
        assert_eq!(stranger, ("stranger", Queue { waiting: 1, oldest: Duration::ZERO }));
        assert_eq!(reminder, ("reminder", Queue::default()));
    }
}
