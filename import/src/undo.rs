//! Gives sessions back to the Python system (`qr-login import --undo`), for as long as nobody has used them here:
//!
//! 1. The file is still where it was, with the same key: it stays as it is. Where it is gone, it is written anew (0600, layout 7).
//! 2. The vault forgets the key, unless somebody has borrowed it a moment ago.
//! 3. Record `SessionReturned`: `users` shows the person as not linked.
//! 4. Remove the sealed copy from SESSIONS_DIR.
//!
//! People, subscriptions and invites stay: what is in the log stays there. A session that somebody has used here stays, too: Telegram
//! would kill a key that both systems use.

use std::path::Path;

use domain::AccountCommand;
use domain::account::ImportCommand;
use login_worker::imported;
use vault::{ImportedSession, ImportedState, Linked};

use crate::people::day;
use crate::report::{FILES, Kind, Report};
use crate::telethon::{self, Refused, in_use::OpenFiles, write};
use crate::{Import, ImportError};

impl Import<'_> {
    /// Gives back what can be given back. In the report, what is taken is what went back.
    ///
    /// # Errors
    /// [`ImportError`]: the same command goes on.
    pub async fn undo(&self, folder: &Path) -> Result<Report, ImportError> {
        let mut report = Report::undo(self.app.clock.now(), self.dry_run);
        self.check_folder()?;
        let open_files = OpenFiles::look();
        if open_files.is_partial {
            report.note(OpenFiles::PARTIAL);
        }
        for session in self.app.vault.imported_sessions().await? {
            let row = telethon::file_name(session.telegram_id);
            match self.give_back(folder, &session, &open_files, &mut report).await? {
                None => report.took(Kind::Sessions, 1),
                Some(why) => report.not_taken(Kind::Sessions, FILES, row, why),
            }
        }
        Ok(report)
    }

    /// Why it does not go back; None: it does.
    async fn give_back(
        &self,
        folder: &Path,
        session: &ImportedSession,
        open_files: &OpenFiles,
        report: &mut Report,
    ) -> Result<Option<String>, ImportError> {
        const USED: &str = "it stays here: end it here, and log in there anew";
        match &session.state {
            ImportedState::Ended => {
                return Ok(Some("it was ended here: there is none to give back".to_owned()));
            }
            ImportedState::Used { since } => {
                return Ok(Some(format!("it was used here on {}: {USED}", day(*since))));
            }
            ImportedState::Returned => {}
            ImportedState::Unused { linked } => {
                if let Err(why) = self.check_file(folder, session, linked, open_files, report) {
                    return Ok(Some(why));
                }
                let (account, login) = (session.account_id, &session.login_id);
                if !self.dry_run && !self.app.vault.give_back(account, login).await? {
                    return Ok(Some(format!("it was used here a moment ago: {USED}")));
                }
            }
        }
        if !self.dry_run {
            self.record_return(session).await?;
        }
        Ok(None)
    }

    /// Step 1.
    fn check_file(
        &self,
        folder: &Path,
        session: &ImportedSession,
        linked: &Linked,
        open_files: &OpenFiles,
        report: &mut Report,
    ) -> Result<(), String> {
        let Linked { account_id, login_id, sealed, .. } = linked;
        let opened = imported::opened(self.master, self.network, *account_id, login_id, sealed);
        let (dc_id, key) = opened.ok_or("it does not open with this master key")?;
        let name = telethon::file_name(session.telegram_id);
        let address = imported::address(self.network, dc_id);
        match telethon::read(folder, session.telegram_id, open_files, self.app.clock.now()) {
            Ok(there) if *there.key == *key && there.dc_id == dc_id => Ok(()),
            Ok(_) => Err("the file holds another key by now: it stays as it is".to_owned()),
            Err(Refused::Missing(_)) => {
                if !self.dry_run {
                    let address = address.ok_or("this network does not have its data centre")?;
                    write::write_new(&folder.join(&name), dc_id, address, &key)
                        .map_err(|error| format!("the file is gone and cannot be written: {error}"))?;
                }
                report.changed(FILES, name, "the file was gone: it is written anew, with the key alone");
                Ok(())
            }
            Err(refused) => Err(format!("{refused}: first see to this")),
        }
    }

    /// Steps 3 and 4.
    async fn record_return(&self, session: &ImportedSession) -> Result<(), ImportError> {
        let ImportedSession { account_id, telegram_id, login_id, .. } = session;
        let context = self.context.clone().with_login(login_id);
        let order = ImportCommand::ReturnSession { login_id: login_id.clone(), at: self.app.clock.now() };
        match self.app.store.account(*account_id, AccountCommand::Import(order), context).await {
            // It went back before an event said that it had come, or its end is recorded already.
            Ok(()) | Err(eventlog::StoreError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
        self.app.vault.imported_sessions_were_recorded(std::slice::from_ref(login_id)).await?;
        let (vault, directory) = (&self.app.vault, self.sessions_dir);
        Ok(login_worker::update_session_file(vault, directory, *account_id, *telegram_id).await?)
    }
}
