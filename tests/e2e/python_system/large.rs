//! Many people, each with a session: how long their import takes is printed, and asserted by nobody.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use login_worker::AuthKey;

use super::parent::{PythonSystem, settle};
use super::{taken, world};

/// How many: `IMPORT_PEOPLE`, fewer by default.
fn people() -> usize {
    std::env::var("IMPORT_PEOPLE").ok().and_then(|number| number.parse().ok()).unwrap_or(1_000)
}

pub fn folder_of(system: &PythonSystem) -> &Path {
    system.sessions.path()
}

/// So many people with a session each, every second with a subscription, all with a step of history, and an invite for every tenth,
/// of which half are used.
pub async fn fill(system: &mut PythonSystem, people: usize) -> Result<()> {
    system
        .run(&format!(
            "insert into users (telegram_id, first_name, is_authenticated, subscription_type, subscription_started_at, subscription_expires)
             select 400000000 + n, 'Person ' || n, true, case n % 2 when 0 then 'premium' else 'free' end,
                    now() - interval '10 days', now() + interval '20 days'
               from generate_series(1, {people}) n;
             insert into subscription_history (user_id, action, new_type, changed_at)
             select n, 'created', 'premium', now() - interval '10 days' from generate_series(1, {people}) n;
             insert into invite_codes (code, created_by, used_by, default_subscription)
             select 'CODE' || lpad(n::text, 8, '0'), 1, case n % 2 when 0 then n else null end, 'premium'
               from generate_series(1, {people} / 10) n"
        ))
        .await?;
    // Telethon's layout; the key in it is found by its bytes, and each person gets another one.
    let pattern: AuthKey = std::array::from_fn(|at| (at as u8) ^ 0x5a);
    let template = system.sessions.path().join("template");
    import::telethon::write::write_new(&template, 2, "127.0.0.1:443".parse()?, &pattern)?;
    let bytes = std::fs::read(&template)?;
    std::fs::remove_file(&template)?;
    let at =
        bytes.windows(pattern.len()).position(|window| window == pattern).expect("the key is in one page");
    for number in 1..=people {
        let mut own = bytes.clone();
        own[at..at + 8].copy_from_slice(&number.to_be_bytes());
        let path = system.file(400_000_000 + i64::try_from(number)?);
        std::fs::write(&path, own)?;
        settle(&path)?;
    }
    Ok(())
}

#[tokio::test]
async fn many_people_with_sessions_come_over_in_one_go() -> Result<()> {
    let world = world(None).await?;
    let mut system = PythonSystem::new().await?;
    let people = people();
    fill(&mut system, people).await?;

    let began = Instant::now();
    let (output, file) = system.try_import(&world, &[]).await?;
    println!("{people} people with sessions took {:.1} s", began.elapsed().as_secs_f64());
    println!("{}", String::from_utf8_lossy(&output.stderr));
    let report = serde_json::from_slice(&std::fs::read(file)?)?;

    let all = u64::try_from(people)?;
    assert_eq!(
        (taken(&report, "people"), taken(&report, "sessions")),
        ((all, 0, 0), (all, 0, 0)),
        "{report:#}"
    );
    assert_eq!(taken(&report, "invites").0, all / 10);
    Ok(())
}
