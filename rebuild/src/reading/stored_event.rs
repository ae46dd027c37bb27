//! An event as the log's COPY tells it.

use std::io;
use std::sync::Arc;

use domain::{AccountEvent, AccountId, DecodeError, Event};
use uuid::Uuid;

use super::copy_out::Values;
use eventlog::log::{Fact, Metadata, as_stored};
use projections::views::Lookups;
use vault::PersonKey;

/// `event_no, stream, stream id, name, version, payload`; the envelope where the key of a row may be in it; `sequence`; the person's
/// key where a fold needs it.
pub(crate) struct StoredEvent<'a> {
    pub stream: &'a str,
    pub sequence: i64,
    stream_id: &'a str,
    name: &'a str,
    pub event: Result<Event, Arc<DecodeError>>,
    account_id: Option<AccountId>,
    person_key: Option<[u8; 32]>,
    stored: &'a [u8],
}

impl<'a> StoredEvent<'a> {
    /// # Errors
    /// It is not what was asked for.
    pub(super) fn of(values: Values<'a>) -> Result<Self, sqlx::Error> {
        let [stream, stream_id, name, version, payload] = values.texts(1)?;
        let event = Event::decode_text(stream, name, version, payload).map_err(Arc::new);
        let account_id = match event {
            Ok(_) => None,
            Err(_) => {
                values.text_or_null(6)?.and_then(|envelope| Metadata::of(&as_stored(envelope)).account_id)
            }
        };
        let (sequence, person_key) = (values.bigint(7)?, values.bytes_or_null(8)?);
        Ok(Self { stream, sequence, stream_id, name, event, account_id, person_key, stored: values.0 })
    }

    /// What a fold sees of it.
    pub fn fact(&self, position: i64) -> Fact<'_> {
        Fact {
            position,
            stream: self.stream,
            stream_id: self.stream_id,
            name: self.name,
            event: &self.event,
            account_id: self.account_id,
        }
    }

    /// Puts the person's key where a fold looks for it, in the place of the one before.
    pub(super) fn look_up(&self, lookups: &mut Lookups) {
        lookups.people.clear();
        if let (Some(key), Ok(account)) = (self.person_key, self.stream_id.parse()) {
            lookups.people.insert(account, PersonKey::new(key));
        }
    }

    /// With what a fold of it needs, for [`Self::from_bytes`].
    pub fn to_bytes(&self, lookups: &Lookups) -> Vec<u8> {
        let inviter = match &self.event {
            Ok(Event::Account(AccountEvent::SubscriptionActivated { invite_id, .. })) => {
                lookups.inviters.get(invite_id)
            }
            _ => None,
        };
        let inviter = inviter.map_or(Uuid::nil(), |account| account.0);
        [inviter.as_bytes(), self.stored].concat()
    }

    /// The event, and what a fold of it needs.
    ///
    /// # Errors
    /// These are other bytes.
    pub fn from_bytes(bytes: &'a [u8], lookups: &mut Lookups) -> io::Result<Self> {
        let Some((inviter, stored)) = bytes.split_first_chunk() else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let event = Self::of(Values(stored)).map_err(io::Error::other)?;
        event.look_up(lookups);
        lookups.inviters.clear();
        let inviter = Uuid::from_bytes(*inviter);
        if let Ok(Event::Account(AccountEvent::SubscriptionActivated { invite_id, .. })) = &event.event
            && !inviter.is_nil()
        {
            lookups.inviters.insert(*invite_id, AccountId(inviter));
        }
        Ok(event)
    }
}
