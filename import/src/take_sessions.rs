//! Links the sessions of people who are here, from Telethon's files:
//!
//! 1. Whose session is due? Not that of somebody who has one here, or whose session an import has linked before.
//! 2. Read their files. What cannot be taken is told, and stays what it is. One key in two files is nobody's, unless one of them
//!    says whose it is.
//! 3. Seal them for their owners and keep them in the vault, batch by batch, with a note that they came from here.
//! 4. Record `SessionImported` for each.
//! 5. Write the sealed copies into SESSIONS_DIR.
//! 6. Note that they are recorded. Where this is missing, the next import goes on with step 4.
//!
//! Whether a session is its person's is asked at its first use (`login_worker::imported`).

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use domain::account::ImportCommand;
use domain::{AccountCommand, AccountError, AccountId, LoginId};
use eventlog::StoreError;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use login_worker::imported;
use sha2::{Digest, Sha256};
use vault::{Linked, PersonImport, key_id_of, random_login_id};

use crate::people::{People, Person, SessionWanted};
use crate::report::{FILES, Kind, Report};
use crate::telethon::{self, Refused, TelethonSession, in_use::OpenFiles};
use crate::{BATCH_SIZE, COMMANDS, Import, ImportError};

/// Threads that write copies.
const FILES_AT_ONCE: usize = 8;

/// A session that is due.
struct Due<'a> {
    person: &'a Person,
    /// None in a dry run, for somebody who is not here yet.
    account_id: Option<AccountId>,
}

/// A session that is linked, and not recorded yet.
struct Unrecorded {
    account_id: AccountId,
    telegram_id: i64,
    login_id: LoginId,
}

impl Import<'_> {
    /// Links everybody's session that can be taken.
    pub(crate) async fn take_sessions(
        &self,
        people: &People,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        let Some(folder) = &self.telethon_dir else {
            let linked = people.people.iter().filter(|person| person.session == SessionWanted::Yes).count();
            if linked > 0 {
                let why = format!("without --sessions nobody is linked: {linked} people log in anew");
                report.table_not_taken(FILES, why);
            }
            return Ok(());
        };
        let mut due = Vec::new();
        for batch in people.people.chunks(BATCH_SIZE) {
            due.extend(self.due(batch, folder, report).await?);
        }
        let ids: Vec<i64> = due.iter().map(|due| due.person.telegram_id).collect();
        let (read, saw_all) = read_files(folder.clone(), ids, self.app.clock.now()).await;
        let mut found = Vec::new();
        for (due, session) in due.into_iter().zip(read) {
            match session {
                Ok(session) => found.push((due, session)),
                // Nobody has said that there is one.
                Err(Refused::Missing(_)) if due.person.session == SessionWanted::IfThere => {}
                Err(refused) => not_linked(report, due.person, refused),
            }
        }
        let total = found.len();
        if !saw_all && total > 0 {
            report.note(OpenFiles::PARTIAL);
        }
        let mut done = 0;
        while !found.is_empty() {
            let rest = found.split_off(found.len().min(BATCH_SIZE));
            done += found.len();
            self.link(found, report).await?;
            tracing::info!("sessions: {done} of {total}");
            found = rest;
        }
        tell_of_others(folder, people, report)
    }

    /// Step 1.
    async fn due<'a>(
        &self,
        batch: &'a [Person],
        folder: &Path,
        report: &mut Report,
    ) -> Result<Vec<Due<'a>>, ImportError> {
        let vault = &self.app.vault;
        let ids: Vec<i64> = batch.iter().map(|person| person.telegram_id).collect();
        let mark = |id: i64| self.app.keys.person_hmac(id);
        let imports = vault.imported_people(&ids.iter().map(|id| mark(*id)).collect::<Vec<_>>()).await?;
        let subjects = vault.subjects_of(&ids).await?;
        let accounts: Vec<AccountId> = subjects.values().map(|subject| subject.account_id).collect();
        let imported = vault.imported_sessions_of(&accounts).await?;
        let linked = vault.with_sessions(&accounts).await?;
        let mut due = Vec::new();
        let mut unrecorded = Vec::new();
        for person in batch {
            let telegram_id = person.telegram_id;
            let account_id = subjects.get(&telegram_id).map(|subject| subject.account_id);
            let is_gone = imports.get(&mark(telegram_id)) == Some(&PersonImport::Erased);
            if is_gone || (account_id.is_none() && !self.dry_run) {
                continue;
            }
            let is_linked = account_id.is_some_and(|account| linked.contains(&account));
            if let Some((account_id, (login_id, is_recorded))) =
                account_id.and_then(|account| Some((account, imported.get(&account)?)))
            {
                // One that was ended here stays ended.
                if *is_recorded || !is_linked {
                    report.were_here(Kind::Sessions, 1);
                } else {
                    unrecorded.push(Unrecorded { account_id, telegram_id, login_id: login_id.clone() });
                }
                continue;
            }
            let has_file = folder.join(telethon::file_name(telegram_id)).exists();
            match person.session {
                _ if is_linked && has_file => {
                    not_linked(report, person, "they have a session here, by a login of their own: it stays");
                }
                _ if is_linked => {}
                SessionWanted::Inactive if has_file => {
                    not_linked(
                        report,
                        person,
                        "they are not active there (is_active): their file stays as it is",
                    );
                }
                SessionWanted::LoggedOut if has_file => {
                    let why = "they are not logged in there (is_authenticated): their file stays as it is";
                    not_linked(report, person, why);
                }
                SessionWanted::Inactive | SessionWanted::LoggedOut => {}
                SessionWanted::Yes | SessionWanted::IfThere => due.push(Due { person, account_id }),
            }
        }
        self.record(unrecorded, report).await?;
        Ok(due)
    }

    /// Steps 3 to 6.
    async fn link(
        &self,
        found: Vec<(Due<'_>, TelethonSession)>,
        report: &mut Report,
    ) -> Result<(), ImportError> {
        let mut sessions = Vec::new();
        let mut unrecorded = Vec::new();
        for (Due { person, account_id }, session) in found {
            let login_id = random_login_id();
            let owner = account_id.unwrap_or(AccountId(uuid::Uuid::nil()));
            let sealed =
                imported::sealed(self.master, self.network, owner, &login_id, session.dc_id, &session.key);
            let sealed = sealed.and_then(|sealed| key_id_of(&sealed).map(|key_id| (sealed, key_id)));
            let Some((sealed, key_id)) = sealed else {
                not_linked(report, person, Refused::UnknownDataCentre(session.dc_id));
                continue;
            };
            let Some(account_id) = account_id.filter(|_| !self.dry_run) else {
                report.took(Kind::Sessions, 1);
                continue;
            };
            let telegram_id = person.telegram_id;
            unrecorded.push(Unrecorded { account_id, telegram_id, login_id: login_id.clone() });
            sessions.push(Linked { account_id, login_id, sealed, key_id });
        }
        self.app.vault.link_imported(&sessions).await?;
        self.record(unrecorded, report).await
    }

    /// Steps 4 to 6.
    async fn record(&self, sessions: Vec<Unrecorded>, report: &mut Report) -> Result<(), ImportError> {
        if self.dry_run {
            report.took(Kind::Sessions, sessions.len());
            return Ok(());
        }
        stream::iter(sessions.iter().map(|session| self.record_one(session)))
            .buffer_unordered(COMMANDS)
            .try_collect::<()>()
            .await?;
        self.write_copies(&sessions).await?;
        let logins: Vec<LoginId> = sessions.iter().map(|session| session.login_id.clone()).collect();
        self.app.vault.imported_sessions_were_recorded(&logins).await?;
        report.took(Kind::Sessions, sessions.len());
        Ok(())
    }

    /// Step 5. Of a session that ended meanwhile there is none to copy.
    async fn write_copies(&self, sessions: &[Unrecorded]) -> Result<(), ImportError> {
        let accounts: Vec<AccountId> = sessions.iter().map(|session| session.account_id).collect();
        let linked = self.app.vault.linked_sessions_of(&accounts).await?;
        let id_of: HashMap<AccountId, i64> =
            sessions.iter().map(|session| (session.account_id, session.telegram_id)).collect();
        let copies: Vec<(i64, Linked)> =
            linked.into_iter().filter_map(|linked| Some((*id_of.get(&linked.account_id)?, linked))).collect();
        let share = copies.len().div_ceil(FILES_AT_ONCE).max(1);
        let written = copies
            .chunks(share)
            .map(|copies| login_worker::write_session_files(&self.app.vault, self.sessions_dir, copies));
        Ok(stream::iter(written).buffer_unordered(FILES_AT_ONCE).try_collect::<()>().await?)
    }

    async fn record_one(&self, session: &Unrecorded) -> Result<(), ImportError> {
        let Unrecorded { account_id, login_id, .. } = session;
        let (login_id, at) = (login_id.clone(), self.app.clock.now());
        let context = self.context.clone().with_login(&login_id);
        let command = AccountCommand::Import(ImportCommand::Session { login_id, at });
        match self.app.store.account(*account_id, command, context).await {
            // They are being erased: their session goes with them.
            Ok(()) | Err(StoreError::Refused(AccountError::Erased)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What was found in files, in the order of the ids, and whether the open files of every process could be seen.
type Read = (Vec<Result<TelethonSession, Refused>>, bool);

/// Step 2.
async fn read_files(folder: PathBuf, ids: Vec<i64>, now: Timestamp) -> Read {
    let read = move || {
        let open_files = OpenFiles::look();
        let mut sessions = read_in_parallel(&ids, |id| telethon::read(&folder, id, &open_files, now));
        refuse_doubles(&ids, &mut sessions);
        (sessions, !open_files.is_partial)
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => (Vec::new(), true),
        },
    }
}

/// On as many threads as there are processors; in the order of the ids.
fn read_in_parallel<T: Send>(ids: &[i64], read: impl Fn(i64) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = ids.len().div_ceil(threads).max(1);
    let read = &read;
    std::thread::scope(|scope| {
        let shares = ids
            .chunks(share)
            .map(|ids| scope.spawn(move || ids.iter().map(|id| read(*id)).collect::<Vec<_>>()));
        let running: Vec<_> = shares.collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().expect("a file that is read panics nobody"))
            .collect()
    })
}

/// A file that was copied to another name would have two people use one key.
fn refuse_doubles(ids: &[i64], sessions: &mut [Result<TelethonSession, Refused>]) {
    let mut holders: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
    for (at, session) in sessions.iter().enumerate() {
        if let Ok(session) = session {
            holders.entry(Sha256::digest(&session.key[..]).into()).or_default().push(at);
        }
    }
    for holders in holders.into_values().filter(|holders| holders.len() > 1) {
        let says_whose = |at: &usize| matches!(&sessions[*at], Ok(session) if session.account.is_some());
        let owner = holders.iter().copied().find(says_whose);
        for at in holders.iter().copied().filter(|at| Some(*at) != owner) {
            let other = holders.iter().find(|other| **other != at).map(|other| ids[*other]);
            let name = telethon::file_name(other.unwrap_or_default());
            sessions[at] = Err(Refused::SameKey(name));
        }
    }
}

/// Files of people whom no row names.
fn tell_of_others(folder: &Path, people: &People, report: &mut Report) -> Result<(), ImportError> {
    let known: HashSet<i64> = people.people.iter().map(|person| person.telegram_id).collect();
    let ids =
        telethon::telegram_ids(folder).map_err(|error| ImportError::Sessions(folder.to_owned(), error))?;
    for id in ids.into_iter().filter(|id| !known.contains(id)) {
        let why = "no row of users that was taken has this Telegram id";
        report.not_taken(Kind::Sessions, FILES, telethon::file_name(id), why);
    }
    Ok(())
}

fn not_linked(report: &mut Report, person: &Person, why: impl std::fmt::Display) {
    let row = format!("{} of {}", telethon::file_name(person.telegram_id), person.name());
    report.not_taken(Kind::Sessions, FILES, row, format!("not linked: {why}"));
}
