//! Takes people over, in batches:
//!
//! 1. Whom has an import taken before? Who was erased here since stays erased.
//! 2. Each new person gets an account, and so do those who invited them: the events name both by it.
//! 3. Note that the import has begun with them, with the ends of their blocks.
//! 4. Append what they had there, one append for each person.
//! 5. Note that they are taken.

use std::collections::{HashMap, HashSet};

use domain::account::{ImportCommand, ImportedPerson, Origin, PastChange};
use domain::{Account, AccountCommand, AccountError, AccountEvent, AccountId, Role};
use eventlog::StoreError;
use futures::{StreamExt, TryStreamExt, stream};
use vault::{PersonImport, PersonMark, Subject};

use crate::parent::USERS;
use crate::past::Past;
use crate::people::{People, Person};
use crate::report::{Kind, Report};
use crate::{BATCH_SIZE, COMMANDS, Import, ImportError};

/// What is known of the people of a batch, by their Telegram ids.
struct Known {
    imports: HashMap<i64, PersonImport>,
    subjects: HashMap<i64, Subject>,
    /// Those who were known before this batch.
    before: HashSet<i64>,
}

/// How a person came over.
struct Outcome {
    events: Vec<AccountEvent>,
    was_known: bool,
    was_taken: bool,
}

impl Import<'_> {
    /// Takes everybody over who is not here yet.
    pub(crate) async fn take_people(&self, people: &People, report: &mut Report) -> Result<(), ImportError> {
        for (number, batch) in people.people.chunks(BATCH_SIZE).enumerate() {
            self.take_batch(batch, report).await?;
            let done = number * BATCH_SIZE + batch.len();
            tracing::info!("people: {done} of {}", people.people.len());
        }
        Ok(())
    }

    async fn take_batch(&self, batch: &[Person], report: &mut Report) -> Result<(), ImportError> {
        let known = self.known(batch).await?;
        let (erased, due): (Vec<_>, Vec<_>) = batch
            .iter()
            .partition(|person| known.imports.get(&person.telegram_id) == Some(&PersonImport::Erased));
        for person in erased {
            let why = "they were taken over before, and erased here since: they stay erased";
            report.not_taken(Kind::People, USERS.name, person.name(), why);
        }
        if !self.dry_run {
            self.begin(&due, &known).await?;
        }
        let outcomes: Vec<Option<Outcome>> = stream::iter(due.iter().map(|person| self.take(person, &known)))
            .buffered(COMMANDS)
            .try_collect()
            .await?;
        let mut taken = Vec::new();
        for (person, outcome) in due.iter().zip(outcomes) {
            match outcome {
                Some(outcome) => {
                    taken.push(self.mark(person.telegram_id));
                    tell(person, &outcome, report);
                }
                None => {
                    let why = "they are being erased here right now: they stay erased";
                    report.not_taken(Kind::People, USERS.name, person.name(), why);
                }
            }
        }
        if !self.dry_run {
            self.app.vault.people_were_imported(&taken).await?;
        }
        Ok(())
    }

    fn mark(&self, telegram_id: i64) -> PersonMark {
        self.app.keys.person_hmac(telegram_id)
    }

    /// Steps 1 and 2.
    async fn known(&self, batch: &[Person]) -> Result<Known, ImportError> {
        let others = batch.iter().flat_map(|person| {
            person.invited_by.into_iter().chain(person.history.iter().filter_map(|past| past.changed_by))
        });
        let all: HashSet<i64> = batch.iter().map(|person| person.telegram_id).chain(others).collect();
        let marks: Vec<PersonMark> = all.iter().map(|id| self.mark(*id)).collect();
        let found = self.app.vault.imported_people(&marks).await?;
        let imports: HashMap<i64, PersonImport> =
            all.iter().filter_map(|id| Some((*id, *found.get(&self.mark(*id))?))).collect();
        let wanted: Vec<i64> =
            all.into_iter().filter(|id| imports.get(id) != Some(&PersonImport::Erased)).collect();
        let before = self.app.vault.subjects_of(&wanted).await?;
        let subjects = match self.dry_run {
            true => before.clone(),
            false => self.app.vault.subjects_for(&wanted).await?,
        };
        Ok(Known { imports, subjects, before: before.into_keys().collect() })
    }

    /// Step 3.
    async fn begin(&self, due: &[&Person], known: &Known) -> Result<(), ImportError> {
        let mut people = Vec::new();
        let mut blocks = Vec::new();
        for person in due.iter().filter(|person| !known.imports.contains_key(&person.telegram_id)) {
            let Some(subject) = known.subjects.get(&person.telegram_id) else { continue };
            people.push((self.mark(person.telegram_id), subject.account_id));
            let until = person.block.and_then(|block| block.until);
            blocks.extend(until.map(|until| (subject.account_id, until)));
        }
        Ok(self.app.vault.begin_to_import_people(&people, &blocks).await?)
    }

    /// Step 4. None: they are being erased.
    async fn take(&self, person: &Person, known: &Known) -> Result<Option<Outcome>, ImportError> {
        let was_taken = known.imports.get(&person.telegram_id) == Some(&PersonImport::Taken);
        let was_known = known.before.contains(&person.telegram_id);
        if was_taken && person.history.is_empty() {
            return Ok(Some(Outcome { events: Vec::new(), was_known, was_taken }));
        }
        let Some(subject) = known.subjects.get(&person.telegram_id) else {
            // A dry run gives nobody an account.
            let stranger = self.person(person, None, known, was_taken);
            let events = Account::default().decide(command(stranger)).unwrap_or_default();
            return Ok(Some(Outcome { events, was_known, was_taken }));
        };
        let account_id = subject.account_id;
        let account = match was_known {
            true => self.app.store.load_account(account_id).await?,
            false => Account::default(),
        };
        let order = command(self.person(person, Some(subject), known, was_taken));
        let events = match account.decide(order.clone()) {
            Ok(events) => events,
            Err(AccountError::Erased) => return Ok(None),
            Err(error) => return Err(StoreError::Refused(error).into()),
        };
        let was_known = account.is_registered() && !account.is_imported();
        // An import that died has appended what this person had, and not noted it.
        let was_taken = was_taken || account.is_imported();
        if !self.dry_run && !events.is_empty() {
            match self.app.store.account(account_id, order, self.context.clone()).await {
                Ok(()) => {}
                Err(StoreError::Refused(AccountError::Erased)) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(Outcome { events, was_known, was_taken }))
    }

    /// As the account takes them. Of somebody who was taken before, only what happened since.
    fn person(
        &self,
        person: &Person,
        subject: Option<&Subject>,
        known: &Known,
        was_taken: bool,
    ) -> ImportedPerson {
        let profile = serde_json::to_string(&person.profile).expect("a profile is plain data");
        let seal = |text: &str| match subject {
            Some(subject) => subject.seal(text),
            // It is counted, and never stored.
            None => domain::Sealed(text.to_owned()),
        };
        let invited_by = person.invited_by.and_then(|id| known.account(id));
        let rest = (!was_taken).then_some(());
        ImportedPerson {
            account_id: subject.map_or(AccountId(uuid::Uuid::nil()), |subject| subject.account_id),
            telegram_id: seal(&person.telegram_id.to_string()),
            profile: seal(&profile),
            origin: Origin { since: person.since, invited_by },
            role: rest.map_or(Role::User, |()| person.role),
            block: rest.and(person.block),
            subscription: rest.and(person.subscription),
            history: person.history.iter().map(|past| past_change(past, known, &seal)).collect(),
            at: self.app.clock.now(),
        }
    }
}

impl Known {
    fn account(&self, telegram_id: i64) -> Option<AccountId> {
        self.subjects.get(&telegram_id).map(|subject| subject.account_id)
    }
}

fn command(person: ImportedPerson) -> AccountCommand {
    AccountCommand::Import(ImportCommand::Person(Box::new(person)))
}

fn past_change(past: &Past, known: &Known, seal: &dyn Fn(&str) -> domain::Sealed) -> PastChange {
    let Past { changed_at, change, from_tier, to_tier, changed_by, notes } = past;
    PastChange {
        changed_at: *changed_at,
        change: *change,
        from_tier: *from_tier,
        to_tier: *to_tier,
        changed_by: changed_by.and_then(|id| known.account(id)),
        reason: notes.as_deref().map(seal),
    }
}

fn tell(person: &Person, outcome: &Outcome, report: &mut Report) {
    let count =
        |wanted: fn(&AccountEvent) -> bool| outcome.events.iter().filter(|event| wanted(event)).count();
    let history = count(|event| matches!(event, AccountEvent::SubscriptionHistoryImported { .. }));
    report.took(Kind::History, history);
    report.were_here(Kind::History, person.history.len() - history);
    if outcome.was_taken {
        report.were_here(Kind::People, 1);
        report.were_here(Kind::Subscriptions, usize::from(person.subscription.is_some()));
        report.were_here(Kind::Roles, usize::from(person.role != Role::User));
        report.were_here(Kind::Blocks, usize::from(person.block.is_some()));
        return;
    }
    report.took(Kind::People, 1);
    let subscribed = count(|event| matches!(event, AccountEvent::SubscriptionImported { .. }));
    let roles = count(|event| matches!(event, AccountEvent::RoleChanged { .. }));
    let blocks = count(|event| matches!(event, AccountEvent::AccountBlocked { .. }));
    report.took(Kind::Subscriptions, subscribed);
    report.took(Kind::Roles, roles);
    report.took(Kind::Blocks, blocks);
    if outcome.was_known {
        report.changed(
            USERS.name,
            person.name(),
            "they had written here before: their name stays as it is here",
        );
        if person.subscription.is_some() && subscribed == 0 {
            let why = "they have had a subscription here: it stays as it is";
            report.not_taken(Kind::Subscriptions, USERS.name, person.name(), why);
        }
        if person.role != Role::User && roles == 0 {
            let why = format!("they have a role here already: they were not made {}", person.role.name());
            report.not_taken(Kind::Roles, USERS.name, person.name(), why);
        }
    }
}
