//! What a process and its database *are* at the moment in which Prometheus asks. It goes to a recorder of its own, which is
//! dropped with the answer: so a value that cannot be measured now is left out, and no old value is shown.

use jiff::Timestamp;
use metrics::{gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;
use projections::lag::Progress;
use telemetry::catalogue;

use super::disk::{Disk, Folder};
use super::process::Usage;
use super::serving::Serving;
use super::stored::Stored;

/// What was measured.
pub struct Seen<'a> {
    /// When the process began.
    pub began_at: Timestamp,
    /// Whether `/readyz` would say yes.
    pub is_ready: bool,
    /// None while the process waits for its database at its start.
    pub serving: Option<&'a Serving>,
    /// None while the database does not answer.
    pub progress: Option<Progress>,
    /// The rest of what the database knows; None also where it takes too long to count.
    pub stored: Option<Stored>,
    /// The disks that answered.
    pub disks: Vec<(Folder, Disk)>,
}

/// As Prometheus reads it.
pub fn render(seen: &Seen<'_>) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        catalogue::describe();
        of_process(seen);
        if let Some(serving) = seen.serving {
            of_serving(serving);
        }
        gauge!("qrlogin_database_up").set(flag(seen.progress.is_some()));
        if let Some(progress) = &seen.progress {
            of_log(progress);
        }
        if let Some(stored) = &seen.stored {
            of_stored(stored);
        }
    });
    recorder.handle().render()
}

fn of_process(seen: &Seen<'_>) {
    gauge!("qrlogin_ready").set(flag(seen.is_ready));
    gauge!("qrlogin_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("qrlogin_process_start_time_seconds").set(seen.began_at.as_second() as f64);
    let usage = Usage::now();
    if let Some(bytes) = usage.resident_bytes {
        gauge!("qrlogin_process_resident_memory_bytes").set(bytes as f64);
    }
    if let Some(fds) = usage.open_fds {
        gauge!("qrlogin_process_open_fds").set(fds as f64);
    }
    if let Some(fds) = usage.max_fds {
        gauge!("qrlogin_process_max_fds").set(fds as f64);
    }
    for (folder, disk) in &seen.disks {
        gauge!("qrlogin_disk_free_bytes", "folder" => folder.name).set(disk.free_bytes as f64);
        gauge!("qrlogin_disk_size_bytes", "folder" => folder.name).set(disk.size_bytes as f64);
        gauge!("qrlogin_disk_full", "folder" => folder.name).set(flag(disk.is_full()));
    }
}

fn of_serving(serving: &Serving) {
    let pool = serving.db.pool();
    gauge!("qrlogin_database_pool_connections").set(f64::from(pool.size()));
    gauge!("qrlogin_database_pool_idle_connections").set(pool.num_idle() as f64);
    gauge!("qrlogin_database_pool_max_connections").set(f64::from(pool.max_size()));
    gauge!("qrlogin_database_pool_waiting").set(pool.waiting() as f64);
    gauge!("qrlogin_bot_token_refused").set(flag(serving.token.is_refused()));
}

fn of_log(progress: &Progress) {
    gauge!("qrlogin_log_position").set(progress.end as f64);
    gauge!("qrlogin_log_unplaced_events").set(progress.unplaced as f64);
    gauge!("qrlogin_log_unplaced_seconds").set(progress.age(progress.unplaced_since).as_secs_f64());
    for consumer in &progress.consumers {
        let name = &consumer.consumer;
        gauge!("qrlogin_lag_events", "consumer" => name.clone()).set(consumer.behind as f64);
        let age = progress.age(consumer.waiting_since);
        gauge!("qrlogin_lag_seconds", "consumer" => name.clone()).set(age.as_secs_f64());
        let parked = progress.parked.get(name).copied().unwrap_or_default();
        gauge!("qrlogin_parked", "view" => name.clone()).set(parked as f64);
    }
}

fn of_stored(stored: &Stored) {
    gauge!("qrlogin_logins_live").set(stored.live_logins as f64);
    gauge!("qrlogin_checkpoint_position").set(stored.signed_size as f64);
    gauge!("qrlogin_checkpoint_fault").set(flag(stored.has_fault));
    let messages = &stored.messages;
    gauge!("qrlogin_inbox_waiting").set(messages.inbox.waiting as f64);
    gauge!("qrlogin_inbox_oldest_seconds").set(messages.inbox.oldest.as_secs_f64());
    for (priority, queue) in messages.outbox {
        gauge!("qrlogin_outbox_waiting", "priority" => priority).set(queue.waiting as f64);
        gauge!("qrlogin_outbox_oldest_seconds", "priority" => priority).set(queue.oldest.as_secs_f64());
    }
    let webhooks = &stored.webhooks;
    gauge!("qrlogin_webhook_deliveries_waiting").set(webhooks.waiting as f64);
    gauge!("qrlogin_webhook_oldest_seconds").set(webhooks.oldest.as_secs_f64());
    gauge!("qrlogin_webhook_deliveries_parked").set(webhooks.parked as f64);
    gauge!("qrlogin_webhooks_gone").set(webhooks.gone as f64);
    gauge!("qrlogin_webhook_lag_events").set(webhooks.behind as f64);
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}
