//! The signals that end the service: Ctrl-C and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};

/// Ends with Ctrl-C or SIGTERM.
pub async fn stop() {
    let mut terminated = signal(SignalKind::terminate()).expect("a signal handler can be set");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

/// From now on SIGHUP, SIGUSR1 and SIGUSR2 are only logged. Without a handler they would end the process.
pub fn outlive_others() {
    let others = [
        (SignalKind::hangup(), "SIGHUP"),
        (SignalKind::user_defined1(), "SIGUSR1"),
        (SignalKind::user_defined2(), "SIGUSR2"),
    ];
    for (kind, name) in others {
        let mut signals = signal(kind).expect("a signal handler can be set");
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                tracing::info!("{name} changes nothing here; SIGTERM stops the service");
            }
        });
    }
}
