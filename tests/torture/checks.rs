//! The checks at the end: everything has to be as if no process had ever been killed.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use anyhow::{Result, ensure};
use rebuild::verify::verify;
use sqlx::Row;
use stand_in::bot_api::{From, Message};
use tokio::time::{Instant, sleep};

use crate::environment::Environment;

pub mod erased;

/// How long it may take until nothing is under way.
const IDLE_WITHIN: Duration = Duration::from_secs(120);
/// A retired key that was not confirmed waits 40 s for its next try. Codes are valid for seconds here, so 6 s are enough.
const SHORTEN_WAITS: &str = "update vault.retired_keys set not_before = clock_timestamp() \
     where tries > 0 and not_before between clock_timestamp() + interval '1 second' and clock_timestamp() + interval '34 seconds' \
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
    union all select 'people to be erased', count(*) from events e
               where e.event_type = 'AccountErased' and exists (select from vault.subjects s where s.account_id::text = e.aggregate_id)
    union all select 'events not reacted to', (select count(*) from log_index) - position from checkpoints where consumer = 'reactor'";

/// Waits until nothing is under way.
pub async fn wait_until_idle(environment: &Environment) -> Result<()> {
    let until = Instant::now() + IDLE_WITHIN;
    loop {
        sqlx::query(SHORTEN_WAITS).execute(&environment.checked).await?;
        let rows: Vec<(String, i64)> = sqlx::query_as(UNDER_WAY).fetch_all(&environment.checked).await?;
        let mut left: Vec<_> = rows.into_iter().filter(|(_, count)| *count != 0).collect();
        let ended = ended_in_telegram(environment).await?;
        if !ended.is_empty() {
            left.push(("sessions that were ended in Telegram".to_owned(), ended.len() as i64));
        }
        for person in ended {
            environment.check_now(person).await?;
        }
        if left.is_empty() && environment.telegram.bot_api.pending_updates() == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < until, "it does not come to rest: {left:?}");
        sleep(Duration::from_millis(200)).await;
    }
}

/// The people whose linked session has ended at Telegram, which the service has not found out yet.
async fn ended_in_telegram(environment: &Environment) -> Result<Vec<i64>> {
    let logged_in = environment.telegram.mtproto.authorizations();
    let is_in = |person: &i64| logged_in.iter().any(|it| it.account == *person && !it.phone);
    Ok(linked(environment).await?.into_iter().filter(|person| !is_in(person)).collect())
}

/// The people with linked sessions, in order.
async fn linked(environment: &Environment) -> Result<Vec<i64>> {
    let linked = sqlx::query_scalar(
        "select p.telegram_id from vault.sessions s join vault.subjects p using (account_id) order by 1",
    );
    Ok(linked.fetch_all(&environment.checked).await?)
}

/// Everything that is wrong. The sessions of some people were handed over.
pub async fn faults(environment: &Environment, handed_over: &[i64]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let report = verify(&environment.db, |_, _| ()).await?;
    if !report.is_clean() {
        faults.push(format!("the views are not what the log says: {report:?}"));
    }
    let (positions, last): (i64, i64) =
        sqlx::query_as("select count(*), coalesce(max(position), 0) from log_index")
            .fetch_one(&environment.checked)
            .await?;
    if positions != last {
        faults.push(format!("{positions} positions, and the last one is {last}"));
    }
    for (what, sql) in QUERIES {
        let rows = sqlx::query(sql).fetch_all(&environment.checked).await?;
        for row in rows {
            let said: String = row.try_get(0)?;
            faults.push(format!("{what}: {said}"));
        }
    }
    faults.extend(sessions(environment, handed_over).await?);
    faults.extend(messages(environment).await?);
    Ok(faults)
}

/// Each query finds rows that must not exist, as texts.
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
            -- A person who was erased between the two has no subscription.
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
        // It is no fault if a newer login of the same person took the invite before it cancelled this one.
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
                and o.dedup_key not like '%/card_changed'
          where e.event_type in ('LoginExpired', 'LoginCancelled', 'LoginFailed', 'AuthorizationRejected')
          group by e.aggregate_id, e.event_type, e.sequence having count(o.id) <> 1",
    ),
];

/// Logins that people saw, by a card or an authorized page, but that are missing in the log.
pub async fn missing_in_the_log(environment: &Environment, let_in_pages: &[String]) -> Result<Vec<String>> {
    let known = |sql| sqlx::query_scalar::<_, String>(sql).fetch_all(&environment.checked);
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
    for person in environment.telegram.accounts.all().into_iter().map(|account| account.id) {
        for message in environment.telegram.person(person).from_bot() {
            let Some(url) = message.web_app_url() else { continue };
            let login = url.split_once("session_id=").map_or(url, |(_, id)| id);
            if !started.contains(login) {
                faults.push(format!("{person} got a card for {login}, which the log does not know"));
            }
        }
    }
    let unconfirmed = let_in_pages.iter().filter(|login| !confirmed.contains(*login));
    faults.extend(
        unconfirmed.map(|login| format!("the page of {login} let in, which the log does not confirm")),
    );
    Ok(faults)
}

/// Sessions at Telegram, in the vault and in the directory must be the same, except those that were handed over.
async fn sessions(environment: &Environment, handed_over: &[i64]) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let linked = linked(environment).await?;
    let mtproto = &environment.telegram.mtproto;
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
    // There is none before the first login.
    let folder = environment.dir.path().join("sessions");
    for entry in folder.exists().then(|| std::fs::read_dir(&folder)).transpose()?.into_iter().flatten() {
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
    for account in mtproto.whose_acceptances_hang() {
        faults.push(format!("a scan of {account} is left hanging at Telegram"));
    }
    Ok(faults)
}

/// The elements of the first that are missing, or fewer, in the second.
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

/// Every message in a chat is in the outbox. The only other ones are those whose sender died, and they were not sent again.
async fn messages(environment: &Environment) -> Result<Vec<String>> {
    let mut faults = Vec::new();
    let known: BTreeSet<i64> =
        sqlx::query_scalar("select message_id from vault.outbox where message_id is not null")
            .fetch_all(&environment.checked)
            .await?
            .into_iter()
            .collect();
    let lost: i64 =
        sqlx::query_scalar("select count(*) from vault.outbox where unclear or why like 'it may have%'")
            .fetch_one(&environment.checked)
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
    .fetch_all(&environment.checked)
    .await?;
    let people: Vec<i64> =
        sqlx::query_scalar("select telegram_id from vault.subjects").fetch_all(&environment.checked).await?;
    let mut unknown = 0;
    let mut copies: BTreeMap<String, u32> = BTreeMap::new();
    let cards = cards(environment).await?;
    for person in people {
        let chat = environment.telegram.person(person).messages();
        let from_bot: Vec<_> = chat.into_iter().filter(|message| message.from == From::Bot).collect();
        unknown += from_bot.iter().filter(|message| !known.contains(&message.message_id)).count();
        for message in &from_bot {
            if let Some(url) = message.web_app_url() {
                *copies.entry(url.to_owned()).or_default() += 1;
                faults.push(format!("{person} is still offered {url}, which is over"));
            }
            let Some((login, sign)) = cards.get(&message.message_id) else { continue };
            if !message.text.contains(sign) {
                faults.push(format!("the card of {login} does not say {sign}: {}", message.text));
            }
        }
        for sign in ["✅ Авторизация", "🚫", "🔁"] {
            // What a card says is no message.
            let is_told = |it: &&Message| {
                it.edited.is_none() && !cards.contains_key(&it.message_id) && it.text.starts_with(sign)
            };
            let said = from_bot.iter().filter(is_told).count() as i64;
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
    let twice = copies.iter().filter(|(_, count)| **count > 1);
    faults.extend(twice.map(|(url, count)| format!("the card of {url} was sent {count} times")));
    Ok(faults)
}

/// The cards in the chats, by message id: the login of each, and what its card has to say about the end of that.
async fn cards(environment: &Environment) -> Result<BTreeMap<i64, (String, String)>> {
    let cards: Vec<(i64, String, String)> = sqlx::query_as(
        "select o.message_id, l.login_id, case l.status
                  when 'authorized' then '✅'
                  when 'expired' then '⏰'
                  when 'rejected' then '🚨'
                  when 'failed' then '❌'
                  else case l.reason when 'newer_login' then '🔁' when 'blocked' then '⛔' else '🚫' end end
           from login_status l join vault.outbox o on o.dedup_key = 'login/' || l.login_id || '/card'
          where o.message_id is not null",
    )
    .fetch_all(&environment.checked)
    .await?;
    Ok(cards.into_iter().map(|(message, login, sign)| (message, (login, sign))).collect())
}

/// The events of the login or the person that a failure names, one on each line.
pub async fn events_about(environment: &Environment, failure: &str) -> Result<String> {
    let story: Option<String> = sqlx::query_scalar(
        "select string_agg(format(E'\\n    %s %s %s attempt %s, by %s', to_char(recorded_at, 'HH24:MI:SS.MS'), aggregate_type, event_type,
                                  payload -> event_type ->> 'attempt', metadata ->> 'actor'), '' order by event_no)
           from events e
          where strpos($1, metadata ->> 'correlation_id') > 0
             or exists (select from vault.subjects s where s.account_id::text = e.metadata ->> 'account_id'
                           and (strpos($1, s.telegram_id::text) > 0 or strpos($1, s.account_id::text) > 0))",
    )
    .bind(failure)
    .fetch_one(&environment.checked)
    .await?;
    Ok(story.unwrap_or_default())
}
