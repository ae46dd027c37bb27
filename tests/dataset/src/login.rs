//! One login of the dataset, told in the events and envelopes that the product would have stored.

use domain::login::{CancelReason, LOGIN_TTL, Method};
use domain::{
    AccountEvent, AccountId, Event, InviteEvent, InviteGrant, InviteId, LoginEvent, LoginId, StreamKind,
    Tier, Tiers,
};
use jiff::{SignedDuration, Timestamp};
use projections::views::users::Profile;
use serde_json::{Value, json};
use uuid::Uuid;
use vault::Subject;

/// 2026-01-01 00:00 UTC: when the first login begins.
pub const BEGINNING_MS: i64 = 1_767_225_600_000;
const FIRST_NAMES: [&str; 8] = ["Анна", "Ilya", "Мария", "Дмитрий", "Olga", "Екатерина", "Сергей", "Zoë"];
const LAST_NAMES: [&str; 7] = ["Иванова", "Petrov", "Смирнов", "Кузнецова", "Sokolov", "Лебедев", "Novak"];

/// A person, their login, and how it ends.
pub struct Login {
    number: u64,
    subject: Subject,
    login_id: LoginId,
    /// When it begins, in milliseconds after the beginning.
    begins: i64,
}

/// A stored event.
pub struct Step {
    pub stream: StreamKind,
    pub stream_id: String,
    pub sequence: i64,
    pub name: &'static str,
    pub payload: String,
    pub metadata: String,
}

impl Login {
    pub fn new(number: u64, subject: Subject, begins: i64) -> Self {
        let login_id = login_id(number);
        Self { number, subject, login_id, begins }
    }

    /// Its events, and how many milliseconds after its beginning each is inserted.
    pub fn steps(&self) -> Vec<(i64, Step)> {
        match self.number % 10 {
            0..4 => self.confirmed(),
            4..6 => {
                let end = |at| LoginEvent::LoginExpired {
                    account_id: self.subject.account_id,
                    invite_id: None,
                    attempt: 1,
                    at,
                };
                vec![self.registered(), self.started(None), self.qr_issued(), self.login(300_200, 3, end)]
            }
            _ => {
                let end = |at| LoginEvent::LoginCancelled {
                    account_id: self.subject.account_id,
                    invite_id: None,
                    attempt: 1,
                    reason: CancelReason::Person,
                    at,
                };
                vec![self.registered(), self.started(None), self.login(20_000, 2, end)]
            }
        }
    }

    /// By an invite that this login and its neighbour share.
    fn confirmed(&self) -> Vec<(i64, Step)> {
        let first = self.number.is_multiple_of(2);
        let account_id = self.subject.account_id;
        let (login_id, attempt) = (self.login_id.clone(), 1);
        let grant = InviteGrant {
            invite_id: InviteId(id(b"invite", self.number / 2)),
            tier: [Tier::Premium, Tier::Basic][usize::from(self.number % 4 < 2)],
            subscription_days: 30,
        };
        let limits = Tiers::default().limits(grant.tier);
        let days = |days: i64| SignedDuration::from_hours(24 * days);

        let mut steps = Vec::new();
        if first {
            let at = self.at(100);
            let created = InviteEvent::InviteCreated {
                used_before: 0,
                invite_id: grant.invite_id,
                tier: grant.tier,
                max_uses: 2,
                valid_until: at + days(30),
                subscription_days: 30,
                created_by: self.number.is_multiple_of(3).then(|| account(0)),
                at,
            };
            steps.push((100, self.step(grant.invite_id.to_string(), 1, Event::Invite(created), None)));
        }
        let invite_id = grant.invite_id.to_string();
        let invite = |after, sequence, event| {
            (after, self.step(invite_id.clone(), sequence + i64::from(!first), Event::Invite(event), None))
        };
        let redeemed = InviteEvent::InviteRedeemed {
            account_id,
            login_id: login_id.clone(),
            attempt,
            grant,
            at: self.at(1_900),
        };
        let used =
            InviteEvent::InviteUsed { account_id, login_id: login_id.clone(), attempt, at: self.at(9_000) };
        let confirmed = |at| LoginEvent::AuthorizationConfirmed {
            account_id,
            invite: Some(grant),
            attempt,
            method: Method::Qr,
            at,
        };
        let started_at = self.at(9_040);
        let activated = AccountEvent::SubscriptionActivated {
            login_id,
            attempt,
            invite_id: grant.invite_id,
            tier: grant.tier,
            limits,
            started_at,
            expires_at: Some(started_at + days(30)),
            at: self.at(9_060),
        };
        let caused = format!("login/{}/3", self.login_id);
        steps.extend([
            self.registered(),
            invite(1_900, 2, redeemed),
            self.started(Some(grant)),
            self.qr_issued(),
            invite(9_000, 4, used),
            self.login(9_040, 3, confirmed),
            (9_060, self.step(account_id.to_string(), 2, Event::Account(activated), Some(&caused))),
        ]);
        steps
    }

    fn registered(&self) -> (i64, Step) {
        let person = usize::try_from(self.number).unwrap_or(0);
        let profile = Profile {
            first_name: Some(FIRST_NAMES[person % FIRST_NAMES.len()].to_owned()),
            last_name: (person % 3 > 0).then(|| LAST_NAMES[person % LAST_NAMES.len()].to_owned()),
            username: (person % 4 > 0).then(|| format!("user_{person}")),
            language_code: Some(["ru", "en"][usize::from(person.is_multiple_of(5))].to_owned()),
        };
        let event = AccountEvent::AccountRegistered {
            imported: None,
            account_id: self.subject.account_id,
            telegram_id: self.subject.seal(&self.subject.telegram_id.to_string()),
            profile: self.subject.seal(&json!(profile).to_string()),
            at: self.at(1_000),
        };
        (1_000, self.step(self.subject.account_id.to_string(), 1, Event::Account(event), None))
    }

    fn started(&self, invite: Option<InviteGrant>) -> (i64, Step) {
        self.login(1_905, 1, |at| LoginEvent::LoginStarted {
            account_id: self.subject.account_id,
            invite,
            attempt: 1,
            deadline_at: at + LOGIN_TTL,
            at,
        })
    }

    fn qr_issued(&self) -> (i64, Step) {
        self.login(2_400, 2, |at| LoginEvent::QrIssued {
            attempt: 1,
            token_sha256: format!(
                "{}{}",
                id(b"token1", self.number).simple(),
                id(b"token2", self.number).simple()
            ),
            expires_at: at + SignedDuration::from_secs(30),
            at,
        })
    }

    fn login(&self, after: i64, sequence: i64, event: impl FnOnce(Timestamp) -> LoginEvent) -> (i64, Step) {
        let event = Event::Login(event(self.at(after)));
        (after, self.step(self.login_id.to_string(), sequence, event, None))
    }

    fn step(&self, stream_id: String, sequence: i64, event: Event, caused: Option<&str>) -> Step {
        let account_id = self.subject.account_id.to_string();
        let (stream, payload) = match &event {
            Event::Invite(event) => (StreamKind::Invite, json!(event)),
            Event::Login(event) => (StreamKind::Login, json!(event)),
            Event::Account(event) => (StreamKind::Account, json!(event)),
            Event::Audit(event) => (StreamKind::Audit, json!(event)),
            Event::Service(event) => (StreamKind::Service, json!(event)),
            Event::History(event) => (StreamKind::History, json!(event)),
        };
        let metadata = match event.name() {
            "InviteCreated" => json!({"actor": "tool:cli"}),
            "AccountRegistered" => {
                json!({"actor": account_id, "account_id": account_id, "update_id": self.number.to_string()})
            }
            name => {
                let person = matches!(name, "InviteRedeemed" | "LoginCancelled");
                let mut envelope = json!({
                    "actor": if person { &account_id } else { "system" },
                    "account_id": account_id,
                    "correlation_id": self.login_id,
                });
                if matches!(name, "QrIssued" | "AuthorizationConfirmed") {
                    envelope["epoch"] = Value::String((self.number + 1).to_string());
                    envelope["attempt"] = Value::String("1".to_owned());
                }
                if let Some(caused) = caused {
                    envelope["causation_id"] = Value::String(caused.to_owned());
                }
                envelope
            }
        };
        let name = event.name();
        Step {
            stream,
            stream_id,
            sequence,
            name,
            payload: payload.to_string(),
            metadata: metadata.to_string(),
        }
    }

    /// A moment of this login, as precise as a clock tells it.
    fn at(&self, after: i64) -> Timestamp {
        let nanos = i64::try_from(mixed(self.number) % 1_000_000).unwrap_or(0);
        let moment = Timestamp::from_millisecond(BEGINNING_MS + self.begins + after);
        moment.expect("the dataset ends long before time does") + SignedDuration::from_nanos(nanos)
    }
}

/// The person of this number.
pub fn account(number: u64) -> AccountId {
    AccountId(id(b"person", number))
}

pub fn telegram_id(number: u64) -> i64 {
    5_000_000_000 + i64::try_from(number).unwrap_or(0) * 7
}

pub fn person_key(number: u64) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(id(b"secret", number).as_bytes());
    key[16..].copy_from_slice(id(b"terces", number).as_bytes());
    key
}

fn login_id(number: u64) -> LoginId {
    // 32 characters, as the product's own.
    id(b"loginl", number).simple().to_string().parse().expect("32 characters of hexadecimal")
}

/// Looks as random as a real one.
fn id(kind: &[u8; 6], number: u64) -> Uuid {
    let kind = kind.iter().fold(0, |sum: u64, byte| sum * 256 + u64::from(*byte));
    let (high, low) = (mixed(number ^ kind.rotate_left(16)), mixed(mixed(number) ^ kind));
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes()).into_uuid()
}

/// splitmix64: every bit of the answer depends on every bit of the number.
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
