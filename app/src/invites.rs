//! Invites: made, listed, shown and revoked, by the bot and from the command line. The code lives in the vault; the
//! events go by a random id.

use std::sync::Arc;

use domain::{AccountId, ApiKeyId, InviteCommand, InviteError, InviteId, Tier, Tiers};
use eventlog::{Clock, Context, Database, DatabaseError, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use projections::views::invites::filtered::InviteState;
use projections::views::invites::{self as view, InviteRow};
use uuid::Uuid;
use vault::{CodeError, OrderSeed, Vault, normalise_code, random_code};

/// How long a code can be redeemed by default.
pub const VALID_DAYS: u32 = 30;
/// For how many days a code can be redeemed at most: as long as the longest subscription.
pub const MOST_VALID_DAYS: u32 = 36_500;
/// How many people may use an invite at most.
pub const MOST_USES: u32 = 1_000_000;
/// How many invites can be ordered at once.
pub const MOST_AT_ONCE: u32 = 100;
/// The longest note, in characters.
pub const LONGEST_NOTE: usize = 200;
/// How often a code is drawn, in case another invite has it. A code has 60 random bits.
const DRAWS: u32 = 5;

/// The invites of a database.
#[derive(Clone)]
pub struct Invites {
    db: Database,
    store: Store,
    vault: Vault,
    clock: Clock,
    tiers: Arc<Tiers>,
}

/// An invite to be made.
#[derive(Clone, Debug)]
pub struct Order {
    /// Repeating an order of the same id gives the same invite; None draws one.
    pub invite_id: Option<InviteId>,
    /// What it promises.
    pub tier: Tier,
    /// None draws one.
    pub code: Option<String>,
    /// How many people may use it.
    pub max_uses: u32,
    /// For how many days it can be redeemed.
    pub valid_days: u32,
    /// How long the subscription lasts; 0 is unlimited; None: as the tier says.
    pub subscription_days: Option<u32>,
    /// Who made it; None: the command line, or another service.
    pub created_by: Option<AccountId>,
    /// The key of the service that made it.
    pub made_by_key: Option<ApiKeyId>,
    /// For the admins.
    pub note: Option<String>,
}

impl Order {
    /// The usual invite of a tier: a random code, one use, thirty days to redeem it.
    pub const fn new(tier: Tier) -> Self {
        Self {
            invite_id: None,
            tier,
            code: None,
            max_uses: 1,
            valid_days: VALID_DAYS,
            subscription_days: None,
            created_by: None,
            made_by_key: None,
            note: None,
        }
    }
}

/// An invite that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The id in the events.
    pub invite_id: InviteId,
    /// What people type.
    pub code: String,
    /// What it promises.
    pub tier: Tier,
    /// Until when it can be redeemed.
    pub valid_until: Timestamp,
    /// 0 is unlimited.
    pub subscription_days: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An invite with what the vault knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// As the view has it.
    pub invite: InviteRow,
    /// What people type.
    pub code: Option<String>,
    /// For who made it.
    pub note: Option<String>,
    /// The key of the service that made it; None: an admin or the terminal did.
    pub made_by_key: Option<ApiKeyId>,
}

/// Why no invite was made, found or revoked.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Not twelve of A–Z and 0–9.
    #[error("an invite code is 12 characters A-Z and 0-9")]
    BadCode,
    /// Another invite has it.
    #[error("this code belongs to another invite")]
    CodeTaken,
    /// Nobody could use it.
    #[error("an invite needs at least one use")]
    NoUses,
    /// Nobody could redeem it, or for longer than the calendar goes.
    #[error("an invite is valid for 1 to {} days", MOST_VALID_DAYS)]
    BadValidity,
    /// No invite has this code or id.
    #[error("there is no such invite")]
    Unknown,
    /// The invite refuses for another reason.
    #[error(transparent)]
    Store(StoreError<InviteError>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Invites {
    /// Over this database; a tier says how long its subscription lasts.
    pub fn new(db: &Database, clock: Clock, tiers: Arc<Tiers>) -> Self {
        Self { store: Store::new(db), vault: Vault::new(db), db: db.clone(), clock, tiers }
    }

    /// Makes an invite. The code is stored first: an invite without a code would be lost, a code without an invite is harmless.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn create(&self, order: Order, context: Context) -> Result<Made, OrderError> {
        if order.max_uses == 0 {
            return Err(OrderError::NoUses);
        }
        if !(1..=MOST_VALID_DAYS).contains(&order.valid_days) {
            return Err(OrderError::BadValidity);
        }
        let invite_id = order.invite_id.unwrap_or_else(|| InviteId(Uuid::new_v4()));
        let code = self.keep_code(invite_id, &order).await?;
        let now = self.clock.now();
        let valid_until = now
            .checked_add(SignedDuration::from_hours(i64::from(order.valid_days) * 24))
            .map_err(|_| OrderError::BadValidity)?;
        let subscription_days = order.subscription_days.unwrap_or_else(|| self.tiers.terms(order.tier).days);
        let create = InviteCommand::Create {
            invite_id,
            tier: order.tier,
            max_uses: order.max_uses,
            valid_until,
            subscription_days,
            created_by: order.created_by,
            at: now,
        };
        self.store.invite(invite_id, create, context).await.map_err(OrderError::from)?;
        tracing::info!(invite.id = %invite_id, tier = %order.tier, uses = order.max_uses, "invite made");
        Ok(Made { invite_id, code, tier: order.tier, valid_until, subscription_days, created_at: now })
    }

    async fn keep_code(&self, invite_id: InviteId, order: &Order) -> Result<String, OrderError> {
        if let Some((code, _)) = self.vault.code_of(invite_id).await? {
            return Ok(code);
        }
        let wanted = order.code.as_deref().map(|code| normalise_code(code).ok_or(OrderError::BadCode));
        let (wanted, draws) = match wanted.transpose()? {
            Some(code) => (Some(code), 1),
            None => (None, DRAWS),
        };
        for _ in 0..draws {
            let code = wanted.clone().unwrap_or_else(random_code);
            let (note, key) = (order.note.as_deref(), order.made_by_key.as_ref());
            match self.vault.add_code(invite_id, &code, note, key).await {
                Ok(()) => return Ok(code),
                Err(CodeError::CodeTaken) => {}
                Err(CodeError::Database(error)) => return Err(error.into()),
            }
        }
        Err(OrderError::CodeTaken)
    }

    /// Invites, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub async fn list(&self, limit: i64, offset: i64) -> Result<Vec<Listed>, OrderError> {
        Ok(self.with_codes(view::list(&self.db, limit, offset).await?).await?)
    }

    /// Invites that stand so now, without their redemptions, newest first; those after this invite, where one is named.
    ///
    /// # Errors
    /// The database failed.
    pub async fn filtered(
        &self,
        state: Option<InviteState>,
        after: Option<InviteId>,
        limit: i64,
    ) -> Result<Vec<Listed>, OrderError> {
        let found = view::filtered::filtered(&self.db, state, self.clock.now(), after, limit).await?;
        Ok(self.with_codes(found).await?)
    }

    /// One invite, by its code or its id.
    ///
    /// # Errors
    /// [`OrderError::Unknown`]; the database failed.
    pub async fn show(&self, code_or_id: &str) -> Result<Listed, OrderError> {
        self.show_by_id(self.find(code_or_id).await?).await
    }

    /// One invite, by its id.
    ///
    /// # Errors
    /// [`OrderError::Unknown`]; the database failed.
    pub async fn show_by_id(&self, invite_id: InviteId) -> Result<Listed, OrderError> {
        let invite = view::by_id(&self.db, invite_id).await?.ok_or(OrderError::Unknown)?;
        self.with_codes(vec![invite]).await?.pop().ok_or(OrderError::Unknown)
    }

    /// Revokes an invite, by its code or its id. A login that has reserved it goes on.
    ///
    /// # Errors
    /// [`OrderError::Unknown`]; the database failed.
    pub async fn revoke(&self, code_or_id: &str, context: Context) -> Result<InviteId, OrderError> {
        let invite_id = self.find(code_or_id).await?;
        self.revoke_by_id(invite_id, context).await?;
        Ok(invite_id)
    }

    /// Revokes an invite, by its id. A login that has reserved it goes on.
    ///
    /// # Errors
    /// [`OrderError::Unknown`]; the database failed.
    pub async fn revoke_by_id(&self, invite_id: InviteId, context: Context) -> Result<(), OrderError> {
        let revoke = InviteCommand::Revoke { at: self.clock.now() };
        self.store.invite(invite_id, revoke, context).await.map_err(OrderError::from)
    }

    async fn find(&self, code_or_id: &str) -> Result<InviteId, OrderError> {
        if let Some(code) = normalise_code(code_or_id)
            && let Some(invite_id) = self.vault.invite_of(&code).await?
        {
            return Ok(invite_id);
        }
        code_or_id.trim().parse().map_err(|_| OrderError::Unknown)
    }

    async fn with_codes(&self, invites: Vec<InviteRow>) -> Result<Vec<Listed>, DatabaseError> {
        let ids: Vec<_> = invites.iter().map(|invite| invite.invite_id).collect();
        let mut codes = self.vault.codes_of(&ids).await?;
        let listed = invites.into_iter().map(|invite| {
            let kept = codes.remove(&invite.invite_id);
            let made_by_key = kept.as_ref().and_then(|kept| kept.made_by_key.clone());
            let (code, note) = kept.map(|kept| (kept.code, kept.note)).unzip();
            Listed { invite, code, note: note.flatten(), made_by_key }
        });
        Ok(listed.collect())
    }
}

/// The id of an invite that an order makes: the same for the same order.
pub fn id_of(order: &OrderSeed) -> InviteId {
    let bytes = *order.first_chunk().expect("18 bytes are more than 16");
    InviteId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// The link that opens the bot's chat and redeems the code there.
pub fn link(username: &str, code: &str) -> String {
    format!("https://t.me/{username}?start={code}")
}

impl From<StoreError<InviteError>> for OrderError {
    fn from(error: StoreError<InviteError>) -> Self {
        match error {
            StoreError::Database(error) => Self::Database(error),
            StoreError::Refused(InviteError::Unknown) => Self::Unknown,
            other => Self::Store(other),
        }
    }
}
