//! The people who exist in the stand-in Telegram: one registry, shared by the Bot API server and the data centres.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

/// Ilya's Telegram id: the person who logs in.
pub const ILYA: i64 = 139_883_458;
/// Anna's Telegram id: the stranger.
pub const ANNA: i64 = 271_828_182;

/// One Telegram account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Telegram id.
    pub id: i64,
    /// First name, never empty.
    pub first_name: String,
    /// Last name, where there is one.
    pub last_name: Option<String>,
    /// Username without the @.
    pub username: Option<String>,
    /// IETF language tag, as the Bot API tells it.
    pub language_code: Option<String>,
    /// Number in international form, with the plus.
    pub phone: String,
    /// The data centre where the account lives.
    pub dc: i32,
    /// The 2-step password, where one is set.
    pub password: Option<Password>,
}

/// A 2-step password and the hint shown for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    /// The password itself.
    pub text: String,
    /// The hint that Telegram shows.
    pub hint: String,
}

impl Password {
    /// A password with its hint.
    pub fn new(text: &str, hint: &str) -> Self {
        Self { text: text.into(), hint: hint.into() }
    }
}

impl Account {
    /// An account with no more than an id, a name, a number and a data centre.
    pub fn new(id: i64, first_name: &str, phone: &str, dc: i32) -> Self {
        Self {
            id,
            first_name: first_name.into(),
            last_name: None,
            username: None,
            language_code: None,
            phone: phone.into(),
            dc,
            password: None,
        }
    }
}

/// What Telegram says of a phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// Belongs to the account with this id.
    Registered(i64),
    /// A good number that nobody has registered.
    Unregistered,
    /// Banned from Telegram.
    Banned,
    /// Not a phone number.
    Invalid,
}

/// The registry; clones share it.
#[derive(Clone)]
pub struct Accounts(Arc<Mutex<Registry>>);

#[derive(Default)]
struct Registry {
    accounts: Vec<Account>,
    banned: HashSet<String>,
}

impl Default for Accounts {
    /// Ilya, then Anna, both on data centre 2.
    fn default() -> Self {
        let person = |id, name: &str, language: &str, phone: &str| Account {
            username: Some(name.to_lowercase()),
            language_code: Some(language.into()),
            ..Account::new(id, name, phone, 2)
        };
        let accounts = Self::empty();
        accounts.insert(person(ILYA, "Ilya", "ru", "+79990000001"));
        accounts.insert(person(ANNA, "Anna", "en", "+79990000002"));
        accounts
    }
}

impl Accounts {
    /// A registry of nobody.
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// Adds an account, or replaces the one with its id.
    pub fn insert(&self, account: Account) {
        let mut registry = self.lock();
        match registry.accounts.iter_mut().find(|known| known.id == account.id) {
            Some(known) => *known = account,
            None => registry.accounts.push(account),
        }
    }

    /// The account with this id.
    pub fn get(&self, id: i64) -> Option<Account> {
        self.lock().accounts.iter().find(|account| account.id == id).cloned()
    }

    /// Everybody, in the order in which they were added.
    pub fn all(&self) -> Vec<Account> {
        self.lock().accounts.clone()
    }

    /// Changes one account in place; false where there is none of that id.
    pub fn update(&self, id: i64, change: impl FnOnce(&mut Account)) -> bool {
        self.lock().accounts.iter_mut().find(|account| account.id == id).map(change).is_some()
    }

    /// Bans a number from Telegram.
    pub fn ban_number(&self, phone: &str) {
        self.lock().banned.insert(digits(phone));
    }

    /// What is known of a number, written with or without plus, spaces and dashes.
    pub fn number(&self, phone: &str) -> Number {
        let digits = digits(phone);
        if !(8..=15).contains(&digits.len()) || phone.chars().any(char::is_alphabetic) {
            return Number::Invalid;
        }
        let registry = self.lock();
        if registry.banned.contains(&digits) {
            return Number::Banned;
        }
        registry
            .accounts
            .iter()
            .find(|account| self::digits(&account.phone) == digits)
            .map_or(Number::Unregistered, |account| Number::Registered(account.id))
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().expect("no account change panics")
    }
}

/// The digits of a number: how Telegram itself compares and writes numbers.
pub(crate) fn digits(phone: &str) -> String {
    phone.chars().filter(char::is_ascii_digit).collect()
}
