//! When all is quiet: is everything as if nobody had ever been killed?

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use projections::verify::verify;
use sqlx::Row;
use stand_in::bot_api::From;
use tokio::time::{Instant, sleep};

use crate::ground::Ground;

pub mod forgotten;

/// How long everything may take to come to rest.
const REST_WITHIN: Duration = Duration::from_secs(120);
/// A retired key that was not confirmed waits 40 s for its next try. Codes live for seconds here: after six of its
/// forty, its time has come.
const HURRY: &str = "update vault.retired_keys set not_before = clock_timestamp() \
     where not_before between clock_timestamp() + interval '1 second' and clock_timestamp() + interval '34 seconds' \
        or reason = 'holder_frozen' and tries = 0";
/// What is still under way, by what it is.
const UNDER_WAY: &str = "
    select 'live logins', count(*) from login_status where status in ('waiting', 'code_required', 'password_required')
    union all select 'attempts', count(*) from vault.attempts
    union all select 'codes', count(*) from vault.qr_tokens
    union all select 'requests', count(*) from vault.requests
    union all select 'challenges', count(*) from vault.challenges
    union all select 'retired keys', count(*) from vault.retired_keys
    union all select 'updates', count(*) from vault.inbox where state = 'waiting'
    union all select 'messages', count(*) from vault.outbox where state in ('waiting', 'sending')
    union all select 'events without a position', count(*) from events e where not exists (select from log_index l where l.event_no = e.event_no)
    union all select 'people to be forgotten', count(*) from events e
               where e.event_type = 'AccountErased' and exists (select from vault.subjects s where s.account_id::text = e.aggregate_id)
    union all select 'events not reacted to', (select count(*) from log_index) - position from checkpoints where consumer = 'reactor'";

/// Waits until nothing is under way.
pub async fn come_to_rest(ground: &Ground) -> Result<()> {
    let until = Instant::now() + REST_WITHIN;
    loop {
        sqlx::query(HURRY).execute(&ground.checked).await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(UNDER_WAY).fetch_all(&ground.checked).await?;
        let mut left: Vec<_> = rows.into_iter().filter(|(_, count)| *count != 0).collect();
        let ended = ended_in_telegram(ground).await?;
        if !ended.is_empty() {
            left.push(("sessions that were ended in Telegram".to_owned(), ended.len() as i64));
        }
        for person in ended {
            ground.check_now(person).await?;
        }
        if left.is_empty() && ground.telegram.bot_api.pending_updates() == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < until, "it does not come to rest: {left:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// Whose linked session is none to Telegram any more: nobody has found out yet.
async fn ended_in_telegram(ground: &Ground) -> Result<Vec<i64>> {
    let logged_in = ground.telegram.mtproto.authorizations();
    let is_in = |person: &i64| logged_in.iter().any(|it| it.account == *person && !it.phone);
    Ok(linked(ground).await?.into_iter().filter(|person| !is_in(person)).collect())
}

/// Whose sessions are linked, in order.
async fn linked(ground: &Ground) -> Result<Vec<i64>> {
    let linked = sqlx::query_scalar(
        "select p.telegram_id from vault.sessions s join vault.subjects p using (account_id) order by 1",
    );
    Ok(linked.fetch_all(&ground.checked).await?)
}

/// Everything that is not as it should be; nothing, if all is well. The sessions of some people were handed over.
pub async fn faults(ground: &Ground, handed_over: &[i64]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let report = verify(&ground.db, |_, _| ()).await?;
    if !report.is_clean() {
        faults.push(format!("the views are not what the log says: {report:?}"));
    }
    let (positions, last): (i64, i64) =
        sqlx::query_as("select count(*), coalesce(max(position), 0) from log_index")
            .fetch_one(&ground.checked)
            .await?;
    if positions != last {
        faults.push(format!("{positions} positions, and the last one is {last}"));
    }
    for (what, sql) in QUERIES {
        let rows = sqlx::query(sql).fetch_all(&ground.checked).await?;
        for row in rows {
            let said: String = row.try_get(0)?;
            faults.push(format!("{what}: {said}"));
        }
    }
    faults.extend(sessions(ground, handed_over).await?);
    faults.extend(messages(ground).await?);
    Ok(faults)
}

/// Each finds what must not be, as one text a row.
const QUERIES: [(&str, &str); 11] = [
    ("an invite is used more often than it may be", "select invite_id::text from invites where used + reserved > max_uses"),
    ("a use is still reserved", "select invite_id::text from invites where reserved <> 0"),
    (
        "an invite's uses are not its confirmed logins",
        "select i.invite_id || ' used ' || i.used || ' confirmed ' || count(e.aggregate_id)
           from invites i
           left join events e on e.event_type = 'AuthorizationConfirmed'
                and e.payload -> 'AuthorizationConfirmed' -> 'invite' ->> 'invite_id' = i.invite_id::text
          group by i.invite_id, i.used having i.used <> count(e.aggregate_id)",
    ),
    (
        "a confirmed login has not exactly one subscription",
        "select c.aggregate_id || ' has ' || count(s.aggregate_id)
           from events c
           left join events s on s.event_type = 'SubscriptionActivated'
                and s.payload -> 'SubscriptionActivated' ->> 'login_id' = c.aggregate_id
          where c.event_type = 'AuthorizationConfirmed'
            -- Who was forgotten between the two has nothing to subscribe with.
            and not exists (select from events f where f.event_type = 'AccountErased' and f.aggregate_id = c.metadata ->> 'account_id')
          group by c.aggregate_id having count(s.aggregate_id) <> 1",
    ),
    (
        "a subscription has no confirmed login",
        "select s.payload -> 'SubscriptionActivated' ->> 'login_id' from events s
          where s.event_type = 'SubscriptionActivated' and not exists (
                select from events c where c.event_type = 'AuthorizationConfirmed'
                   and c.aggregate_id = s.payload -> 'SubscriptionActivated' ->> 'login_id')",
    ),
    (
        "a login failed",
        // Whose invite went to a newer login of the same person, before that one's start has ended this one, was quick.
        "select f.aggregate_id || ' ' || (f.payload -> 'LoginFailed' ->> 'reason') from events f
          where f.event_type = 'LoginFailed' and not (f.payload -> 'LoginFailed' ->> 'reason' = 'invite_gone' and exists (
                select from events n where n.event_type = 'InviteRedeemed' and n.event_no < f.event_no
                   and n.metadata ->> 'account_id' = f.metadata ->> 'account_id'
                   and n.event_no > (select min(event_no) from events s
                                      where s.aggregate_id = f.aggregate_id and s.event_type = 'LoginStarted')
                   and n.metadata ->> 'correlation_id' <> f.aggregate_id))",
    ),
    (
        "a linked session is not that of the last confirmed login",
        "with last as (
           select distinct on (e.metadata ->> 'account_id') e.metadata ->> 'account_id' as account_id, e.aggregate_id as login_id
             from events e join log_index l using (event_no)
            where e.event_type = 'AuthorizationConfirmed' order by 1, l.position desc),
         standing as (
           select * from last where not exists (
                select from events o where o.aggregate_id = last.account_id and (o.event_type = 'AccountErased'
                   or o.event_type in ('LoggedOut', 'AuthorizationRevoked', 'SessionExported')
                      and o.payload -> o.event_type ->> 'login_id' = last.login_id)))
         select coalesce(l.account_id, s.account_id::text) || ' linked ' || coalesce(s.login_id, 'none') || ' confirmed '
                || coalesce(l.login_id, 'none')
           from standing l full join vault.sessions s on s.account_id::text = l.account_id and s.login_id = l.login_id
          where s.login_id is null or l.login_id is null",
    ),
    (
        "the table users disagrees with the vault",
        "select u.telegram_id::text from users u
          where u.is_authenticated
                <> (u.session_exported or exists (select from vault.sessions s where s.account_id = u.account_id))",
    ),
    ("an update was put aside", "select update_id || ' ' || coalesce(why, '') from vault.inbox where state = 'failed'"),
    ("something is parked", "select view || ' ' || key || ' ' || error from parked"),
    (
        "the end of a login was not told, or twice",
        "select e.aggregate_id || ' ' || e.event_type || ' ' || count(o.id)
           from events e
           left join vault.outbox o on o.dedup_key like 'login/' || e.aggregate_id || '/' || e.sequence || '/%'
          where e.event_type in ('LoginExpired', 'LoginCancelled', 'LoginFailed', 'AuthorizationRejected')
          group by e.aggregate_id, e.event_type, e.sequence having count(o.id) <> 1",
    ),
];

/// What people were told that the log does not know: logins whose card they got, and those whose page let them in.
pub async fn unknown_to_the_log(ground: &Ground, told_in: &[String]) -> Result<Vec<String>> {
    let known = |sql| sqlx::query_scalar::<_, String>(sql).fetch_all(&ground.checked);
    let started: HashSet<_> = known("select aggregate_id from events where event_type = 'LoginStarted'")
        .await?
        .into_iter()
        .collect();
    let confirmed: HashSet<_> =
        known("select aggregate_id from events where event_type = 'AuthorizationConfirmed'")
            .await?
            .into_iter()
            .collect();
    let mut faults = Vec::new();
    for person in ground.telegram.accounts.all().into_iter().map(|account| account.id) {
        for message in ground.telegram.person(person).from_bot() {
            let Some(url) = message.web_app_url() else { continue };
            let login = url.split_once("session_id=").map_or(url, |(_, id)| id);
            if !started.contains(login) {
                faults.push(format!("{person} got a card for {login}, which the log does not know"));
            }
        }
    }
    let unconfirmed = told_in.iter().filter(|login| !confirmed.contains(*login));
    faults.extend(
        unconfirmed.map(|login| format!("the page of {login} let in, which the log does not confirm")),
    );
    Ok(faults)
}

/// Who is logged in at Telegram, in the vault and in the directory is the same; what was handed over is elsewhere.
async fn sessions(ground: &Ground, handed_over: &[i64]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let linked = linked(ground).await?;
    let mtproto = &ground.telegram.mtproto;
    let mut at_telegram: Vec<_> =
        mtproto.authorizations().iter().filter(|it| !it.phone).map(|it| it.account).collect();
    at_telegram.sort_unstable();
    let mut expected = [&linked[..], handed_over].concat();
    expected.sort_unstable();
    if at_telegram != expected {
        let (more, fewer) = (without(&at_telegram, &expected), without(&expected, &at_telegram));
        faults.push(format!("logged in at Telegram is also {more:?}, and is not {fewer:?}"));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(ground.dir.path().join("sessions"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let id = name.strip_prefix("user_").and_then(|rest| rest.strip_suffix(".session"));
        match id.and_then(|id| id.parse::<i64>().ok()) {
            Some(id) => files.push(id),
            None => faults.push(format!("a file that nobody wants: {name}")),
        }
    }
    files.sort_unstable();
    if files != linked {
        let (more, fewer) = (without(&files, &linked), without(&linked, &files));
        faults.push(format!("files there are also of {more:?}, and none of {fewer:?}"));
    }
    for twice in mtproto.keys_in_two_places() {
        faults.push(format!("a key was used in two places: {twice:?}"));
    }
    let hanging = mtproto.hanging_acceptances();
    if hanging != 0 {
        faults.push(format!("{hanging} scans are left hanging at Telegram"));
    }
    Ok(faults)
}

/// What the first has and the second has not, or not as often.
fn without(these: &[i64], those: &[i64]) -> Vec<i64> {
    let mut those = those.to_vec();
    let mut left = these.to_vec();
    left.retain(|one| match those.iter().position(|other| other == one) {
        Some(at) => {
            those.swap_remove(at);
            false
        }
        None => true,
    });
    left
}

/// Every message in a chat is one of the outbox; one that nobody knows of is one whose sender died, and was not sent
/// again.
async fn messages(ground: &Ground) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let known: BTreeSet<i64> =
        sqlx::query_scalar("select message_id from vault.outbox where message_id is not null")
            .fetch_all(&ground.checked)
            .await?
            .into_iter()
            .collect();
    let lost: i64 =
        sqlx::query_scalar("select count(*) from vault.outbox where unclear or why like 'it may have%'")
            .fetch_one(&ground.checked)
            .await?;
    let told: Vec<(i64, String, i64)> = sqlx::query_as(
        "select p.telegram_id, case e.event_type
                  when 'SubscriptionActivated' then '✅ Авторизация'
                  when 'AuthorizationRejected' then '🚨'
                  else case e.payload -> 'LoginCancelled' ->> 'reason' when 'newer_login' then '🔁' else '🚫' end end,
                count(*)
           from events e join vault.subjects p on p.account_id::text = e.metadata ->> 'account_id'
          where e.event_type in ('SubscriptionActivated', 'AuthorizationRejected', 'LoginCancelled') group by 1, 2",
    )
    .fetch_all(&ground.checked)
    .await?;
    let people: Vec<i64> =
        sqlx::query_scalar("select telegram_id from vault.subjects").fetch_all(&ground.checked).await?;
    let mut unknown = 0;
    let mut cards: BTreeMap<String, u32> = BTreeMap::new();
    for person in people {
        let chat = ground.telegram.person(person).messages();
        let from_bot: Vec<_> = chat.into_iter().filter(|message| message.from == From::Bot).collect();
        unknown += from_bot.iter().filter(|message| !known.contains(&message.message_id)).count();
        for message in &from_bot {
            if let Some(url) = message.web_app_url() {
                *cards.entry(url.to_owned()).or_default() += 1;
            }
        }
        for sign in ["✅ Авторизация", "🚫", "🔁"] {
            // A notice in the login's own message stands for one that may have been lost.
            let said =
                from_bot.iter().filter(|it| it.edited.is_none() && it.text.starts_with(sign)).count() as i64;
            let happened =
                told.iter().find(|(who, what, _)| *who == person && what == sign).map_or(0, |it| it.2);
            if said > happened {
                faults.push(format!("{person} was told {sign} {said} times, it happened {happened} times"));
            }
        }
    }
    if unknown as i64 > lost {
        faults.push(format!("{unknown} messages that nobody knows to have sent, {lost} unclear ones"));
    }
    let twice = cards.iter().filter(|(_, count)| **count > 1);
    faults.extend(twice.map(|(url, count)| format!("the card of {url} was sent {count} times")));
    Ok(faults)
}

/// What the log says of the login, or the person, that a complaint names, a line an event.
pub async fn story_of(ground: &Ground, complaint: &str) -> Result<String> {
    let story: Option<String> = sqlx::query_scalar(
        "select string_agg(format(E'\\n    %s %s %s attempt %s, by %s', to_char(recorded_at, 'HH24:MI:SS.MS'), aggregate_type, event_type,
                                  payload -> event_type ->> 'attempt', metadata ->> 'actor'), '' order by event_no)
           from events e
          where strpos($1, metadata ->> 'correlation_id') > 0
             or exists (select from vault.subjects s where s.account_id::text = e.metadata ->> 'account_id'
                           and (strpos($1, s.telegram_id::text) > 0 or strpos($1, s.account_id::text) > 0))",
    )
    .bind(complaint)
    .fetch_one(&ground.checked)
    .await?;
    Ok(story.unwrap_or_default())
}
