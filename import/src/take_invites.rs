//! Takes invites over, in batches: their codes are kept, then each is appended with its use, then they are noted as taken. A code
//! that an invite of this service has stays that invite's.

use std::collections::HashMap;

use domain::{AccountId, ImportedInvite, ImportedUse, InviteCommand, InviteId};
use futures::{StreamExt, TryStreamExt, stream};
use uuid::Uuid;
use vault::{CodeOwner, random_login_id};

use crate::invites::Invite;
use crate::parent::INVITES;
use crate::report::{Kind, Report};
use crate::{BATCH_SIZE, COMMANDS, Import, ImportError};

impl Import<'_> {
    /// Takes over every invite that is not here yet.
    pub(crate) async fn take_invites(
        &self,
        invites: &[Invite],
        report: &mut Report,
    ) -> Result<(), ImportError> {
        for batch in invites.chunks(BATCH_SIZE) {
            self.take_invite_batch(batch, report).await?;
        }
        Ok(())
    }

    async fn take_invite_batch(&self, batch: &[Invite], report: &mut Report) -> Result<(), ImportError> {
        let vault = &self.app.vault;
        let codes: Vec<String> = batch.iter().map(|invite| invite.code.clone()).collect();
        let mut owners = vault.code_owners(&codes).await?;
        if !self.dry_run {
            let new = codes.iter().filter(|code| !owners.contains_key(*code));
            let new: Vec<_> = new.map(|code| (InviteId(Uuid::new_v4()), code.clone())).collect();
            vault.begin_to_import_invites(&new).await?;
            owners = vault.code_owners(&codes).await?;
        }
        let accounts = self.accounts_of(batch).await?;
        let mut due = Vec::new();
        for invite in batch {
            match owners.get(&invite.code) {
                Some(CodeOwner::Here(_)) => {
                    let why = "an invite that was made here has this code, and keeps it";
                    report.not_taken(Kind::Invites, INVITES.name, invite.code.clone(), why);
                }
                Some(CodeOwner::Taken(_)) => report.were_here(Kind::Invites, 1),
                Some(CodeOwner::Begun(id)) => due.push((*id, invite)),
                None => report.took(Kind::Invites, 1),
            }
        }
        if self.dry_run {
            report.took(Kind::Invites, due.len());
            return Ok(());
        }
        stream::iter(due.iter().map(|(id, invite)| self.take_invite(*id, invite, &accounts)))
            .buffer_unordered(COMMANDS)
            .try_collect::<()>()
            .await?;
        let ids: Vec<InviteId> = due.iter().map(|(id, _)| *id).collect();
        vault.invites_were_imported(&ids).await?;
        report.took(Kind::Invites, due.len());
        Ok(())
    }

    async fn accounts_of(&self, batch: &[Invite]) -> Result<HashMap<i64, AccountId>, ImportError> {
        let ids = batch.iter().flat_map(|invite| {
            invite.created_by.into_iter().chain(invite.used_by.map(|(telegram_id, _)| telegram_id))
        });
        let subjects = self.app.vault.subjects_of(&ids.collect::<Vec<_>>()).await?;
        Ok(subjects.into_iter().map(|(id, subject)| (id, subject.account_id)).collect())
    }

    async fn take_invite(
        &self,
        invite_id: InviteId,
        invite: &Invite,
        accounts: &HashMap<i64, AccountId>,
    ) -> Result<(), ImportError> {
        let user = invite.used_by.map(|(telegram_id, used_at)| (accounts.get(&telegram_id), used_at));
        let (used_by, unnamed) = match user {
            None => (None, 0),
            Some((Some(account_id), used_at)) => {
                let login_id = random_login_id();
                (Some(ImportedUse { account_id: *account_id, login_id, used_at }), 0)
            }
            // They were erased here since: their use counts, and nobody is named.
            Some((None, _)) => (None, 1),
        };
        // Who has used it has this in their history.
        let context = match &used_by {
            Some(used) => self.context.clone().with_account(used.account_id),
            None => self.context.clone(),
        };
        let order = InviteCommand::Import(ImportedInvite {
            invite_id,
            tier: invite.tier,
            subscription_days: invite.subscription_days,
            max_uses: invite.max_uses,
            used_before: invite.used_before + unnamed,
            used_by,
            valid_until: invite.valid_until,
            created_by: invite.created_by.and_then(|id| accounts.get(&id).copied()),
            at: self.app.clock.now(),
        });
        Ok(self.app.store.invite(invite_id, order, context).await?)
    }
}
