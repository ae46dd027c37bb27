//! What a process with the role `projector` does for the signed log, while it holds the lease: it keeps the tree ([`Keeper`]), sends
//! checkpoints on to witnesses ([`Cosigning`]), walks over the whole log ([`walk`]), and commits heads ([`heads`]). It stops nothing
//! else when it fails.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use eventlog::{Clock, Database, Outage};
use futures::future::BoxFuture;
use tokio::time::sleep;
use vault::lease::Leases;

use crate::cosigning::Cosigning;
use crate::keeper::{Keeper, KeeperError};
use crate::signing::KeeperSettings;
use crate::{heads, walk};

/// How long the others wait after a keeper has died.
const LEASE_TTL: Duration = Duration::from_secs(5);
/// How soon it begins again after a failure.
const AGAIN: Duration = Duration::from_secs(1);

/// Keeps the tree whenever the lease is ours, and walks over the whole log beside it, for as long as it is polled. It stops nothing
/// else when it fails.
pub async fn keep(db: Database, clock: Clock, settings: KeeperSettings, holder: String) {
    let keeping = |_| async {
        let mut outage = Outage::new(
            "the tree over the log is not kept for now; no checkpoint is signed",
            "the tree over the log is kept again",
        );
        loop {
            let kept: BoxFuture<'_, _> = Box::pin(keep_until_failure(&db, &clock, &settings, &mut outage));
            let Err(error) = kept.await;
            outage.failed(&error);
            sleep(AGAIN).await;
        }
    };
    Leases::new(&db, holder).hold("tree", LEASE_TTL, keeping).await;
}

async fn keep_until_failure(
    db: &Database,
    clock: &Clock,
    settings: &KeeperSettings,
    outage: &mut Outage,
) -> Result<Infallible, KeeperError> {
    let mut keeper = Keeper::take_over(db, clock, settings).await?;
    keeper.pass().await?;
    outage.over();
    let walking: BoxFuture<'static, Infallible> =
        Box::pin(walk::walk_daily(db.clone(), settings.kept.clone(), keeper.walked()));
    let committing: BoxFuture<'static, Infallible> = Box::pin(heads::commit_daily(db.clone(), clock.clone()));
    let cosigning: BoxFuture<'static, Infallible> = match &settings.witnesses {
        Some(witnesses) => {
            let (epoch, signed) = (keeper.epoch(), keeper.signed());
            Box::pin(Cosigning::new(db, clock, witnesses, epoch, signed).run())
        }
        None => Box::pin(pending()),
    };
    tokio::select! {
        failed = keeper.run() => failed,
        never = cosigning => match never {},
        never = walking => match never {},
        never = committing => match never {},
    }
}
