//! The sealed copies in `SESSIONS_DIR` on a disk that is full: a login is none the worse for it, and its file comes later.

use anyhow::Result;
use eventlog::testing::SmallDisk;
use stand_in::accounts::{ANNA, ILYA};

use crate::wait::eventually;
use crate::world::World;

async fn file_comes(world: &World, person: i64) -> Result<()> {
    let file = world.config.sessions_dir.join(format!("user_{person}.session"));
    eventually("the file of the session", async || Ok(file.exists())).await
}

/// 1. The disk of SESSIONS_DIR is full. People log in.
/// 2. The process dies, and the next one finds no room either.
/// 3. There is room: the files of all of them are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_file_had_no_room_gets_it_later_also_from_the_next_process() -> Result<()> {
    let mut world = World::start().await?;
    let Some(disk) = SmallDisk::mount(&world.config.sessions_dir, 64) else { return Ok(()) };
    disk.fill();
    world.log_in(ILYA).await?;
    assert!(world.session_files()?.iter().all(|name| !name.ends_with(".session")));
    disk.empty();
    file_comes(&world, ILYA).await?;

    disk.fill();
    world.log_in(ANNA).await?;
    world.crash_service().await;
    world.start_service().await?;
    // It says that the disk is full.
    eventually("the service is ready", async || Ok(world.readiness().await?.0 == 200)).await?;
    assert!(!world.config.sessions_dir.join(format!("user_{ANNA}.session")).exists());
    disk.empty();
    file_comes(&world, ANNA).await
}

/// Files need no backup: the database has the same.
#[tokio::test]
async fn a_machine_without_any_file_gets_those_of_all_linked_sessions() -> Result<()> {
    let mut world = World::start().await?;
    world.log_in(ILYA).await?;
    file_comes(&world, ILYA).await?;
    world.crash_service().await;
    std::fs::remove_dir_all(&world.config.sessions_dir)?;
    world.start_service().await?;
    file_comes(&world, ILYA).await
}
