//! Every stored event, frozen: `golden/<Event>.v<version>.json` holds one payload of each as it stands in databases. These
//! files are never edited. An event that changes its shape gets a new version, a step in `upcast.rs` and a file of its own;
//! the files of its older versions stay, and are read as the event that they became.
//!
//! A new event gets its file by `GOLDEN=new cargo test -p domain golden`, which writes what is missing and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::account::{AccountEvent, Origin, PastChange, PastChangeKind, Role, RoleSource};
use crate::audit::{AuditEvent, AuditTarget};
use crate::event::{DecodeError, Event, StreamKind};
use crate::fixtures::{ADMIN, ANNA, INVITE, day, limits, login, minute, premium, sealed};
use crate::history::{HISTORY_STREAM, HistoryEvent, SignedTree};
use crate::id::{RebuildId, ReplayId};
use crate::invite::InviteEvent;
use crate::login::{CancelReason, CodeVia, FailReason, LoginEvent, Method, Refusal};
use crate::service::{DisabledReason, Scope, ServiceEvent};
use crate::tier::Tier;
use crate::upcast::current_version;

/// One of each, with every field filled in.
pub(crate) fn samples() -> Vec<Event> {
    let invite = invites().map(Event::Invite);
    let login = logins().map(Event::Login);
    let account = accounts().map(Event::Account);
    let service = services().map(Event::Service);
    let history = histories().map(Event::History);
    invite
        .into_iter()
        .chain(login)
        .chain(account)
        .chain(audits().map(Event::Audit))
        .chain(service)
        .chain(history)
        .collect()
}

fn invites() -> [InviteEvent; 5] {
    let (account_id, login_id, attempt, at) = (ANNA, login(1), 1, minute(1));
    [
        InviteEvent::InviteCreated {
            invite_id: INVITE,
            tier: Tier::Premium,
            max_uses: 1,
            valid_until: day(30),
            subscription_days: 30,
            created_by: Some(ADMIN),
            used_before: 0,
            at,
        },
        InviteEvent::InviteRedeemed { account_id, login_id: login_id.clone(), attempt, grant: premium(), at },
        InviteEvent::InviteUsed { account_id, login_id: login_id.clone(), attempt, at },
        InviteEvent::InviteReleased { account_id, login_id, attempt, at },
        InviteEvent::InviteRevoked { at },
    ]
}

fn logins() -> [LoginEvent; 11] {
    let (account_id, invite, invite_id, attempt, at) = (ANNA, Some(premium()), Some(INVITE), 1, minute(1));
    let deadline_at = minute(5);
    let token_sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned();
    let reason = CancelReason::NewerLogin;
    [
        LoginEvent::LoginStarted { account_id, invite, attempt, deadline_at, at },
        LoginEvent::QrIssued { attempt, token_sha256, expires_at: minute(2), at },
        LoginEvent::CodeSent { attempt, via: CodeVia::FlashCall, length: Some(5), deadline_at, at },
        LoginEvent::CodeRejected { attempt, reason: Refusal::Wrong, at },
        LoginEvent::PasswordRequested { attempt, deadline_at, at },
        LoginEvent::PasswordRejected { attempt, reason: Refusal::Wrong, at },
        LoginEvent::AuthorizationConfirmed { account_id, invite, attempt, method: Method::Qr, at },
        LoginEvent::AuthorizationRejected { account_id, invite_id, attempt, confirmed_by: None, at },
        LoginEvent::LoginExpired { account_id, invite_id, attempt, at },
        LoginEvent::LoginCancelled { account_id, invite_id, attempt, reason, at },
        LoginEvent::LoginFailed {
            account_id,
            invite_id,
            attempt,
            reason: FailReason::TelegramUnreachable,
            at,
        },
    ]
}

fn accounts() -> [AccountEvent; 21] {
    let (tier, limits, at, login_id) = (Tier::Premium, limits(Tier::Premium), minute(1), login(1));
    let (started_at, expires_at) = (minute(1), Some(day(30)));
    [
        AccountEvent::AccountRegistered {
            account_id: ANNA,
            telegram_id: sealed("c2VhbGVkIGlk"),
            profile: sealed("c2VhbGVkIG5hbWU"),
            imported: None,
            at,
        },
        AccountEvent::ProfileChanged { profile: sealed("c2VhbGVkIG5hbWU"), at },
        AccountEvent::SubscriptionActivated {
            login_id: login_id.clone(),
            attempt: 1,
            invite_id: INVITE,
            tier,
            limits,
            started_at,
            expires_at,
            at,
        },
        AccountEvent::SubscriptionChanged { tier, limits, started_at, expires_at, change_id: None, at },
        AccountEvent::SubscriptionImported { tier, limits, started_at, expires_at, is_over: true, at },
        AccountEvent::SubscriptionHistoryImported { change: past_change(), at },
        AccountEvent::SubscriptionExpired { tier, at },
        AccountEvent::SubscriptionRevoked { tier, at },
        AccountEvent::RoleChanged { role: Role::Auditor, source: RoleSource::Settings, at },
        AccountEvent::AccountBlocked { until: None, at },
        AccountEvent::AccountUnblocked { at },
        AccountEvent::LoggedOut { login_id: login_id.clone(), at },
        AccountEvent::AuthorizationRevoked { login_id: login_id.clone(), at },
        AccountEvent::SessionExported { login_id: login_id.clone(), at },
        AccountEvent::SessionImported { login_id: login_id.clone(), at },
        AccountEvent::SessionRejected { login_id: login_id.clone(), at },
        AccountEvent::SessionReturned { login_id, at },
        AccountEvent::RebuildOrdered {
            rebuild_id: RebuildId(INVITE.0),
            view: "users".to_owned(),
            dry_run: false,
            at,
        },
        AccountEvent::RebuildCancelled { rebuild_id: RebuildId(INVITE.0), at },
        AccountEvent::ParkedReplayOrdered {
            replay_id: ReplayId(INVITE.0),
            view: "users".to_owned(),
            row: Some(ANNA.to_string()),
            cause: "the person's key does not open the profile".to_owned(),
            at,
        },
        AccountEvent::AccountErased { at },
    ]
}

fn past_change() -> PastChange {
    PastChange {
        changed_at: minute(0),
        change: PastChangeKind::Upgraded,
        from_tier: Some(Tier::Basic),
        to_tier: Some(Tier::Premium),
        changed_by: Some(ADMIN),
        reason: Some(sealed("c2VhbGVkIG5vdGU")),
    }
}

fn audits() -> [AuditEvent; 1] {
    let target = AuditTarget::Account(ANNA);
    [AuditEvent::AuditRead { target, role: Some(Role::Admin), at: minute(1) }]
}

fn histories() -> [HistoryEvent; 3] {
    let (key, other) =
        ("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=");
    let origin = "login.example.com/qr-login/6f1d0c2b9a7e4853".to_owned();
    let root = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=".to_owned();
    [
        HistoryEvent::CheckpointKeyChanged {
            public_key: other.to_owned(),
            previous: key.to_owned(),
            at: minute(1),
        },
        HistoryEvent::LogBranched {
            log_id: "a3b1c5d7e9f00112".to_owned(),
            previous: SignedTree { origin, size: 139_883, root: root.clone() },
            reason: "restored from the backup of Friday".to_owned(),
            at: minute(1),
        },
        HistoryEvent::HeadsCommitted { position: 139_884, accounts: 4_213, root, at: minute(1) },
    ]
}

fn services() -> [ServiceEvent; 5] {
    let (host, types, at) = ("example.org".to_owned(), vec!["login.authorized".to_owned()], minute(1));
    [
        ServiceEvent::ApiKeyCreated {
            name: "billing".to_owned(),
            scopes: vec![Scope::UsersRead, Scope::SubscriptionsWrite],
            expires_at: Some(day(90)),
            at,
        },
        ServiceEvent::ApiKeyRevoked { at },
        ServiceEvent::WebhookCreated { host: host.clone(), types: types.clone(), at },
        ServiceEvent::WebhookChanged {
            host: Some(host),
            types: Some(types),
            enabled: Some(false),
            reason: Some(DisabledReason::Gone),
            rotated: false,
            at,
        },
        ServiceEvent::WebhookDeleted { at },
    ]
}

impl Event {
    /// The stream that a sample belongs to.
    pub(crate) fn stream_id(&self) -> String {
        match self.stream() {
            StreamKind::Invite => INVITE.to_string(),
            StreamKind::Login => login(1).to_string(),
            StreamKind::Account => ANNA.to_string(),
            StreamKind::Audit | StreamKind::Service => INVITE.to_string(),
            StreamKind::History => HISTORY_STREAM.to_owned(),
        }
    }

    const fn stream(&self) -> StreamKind {
        match self {
            Self::Invite(_) => StreamKind::Invite,
            Self::Login(_) => StreamKind::Login,
            Self::Account(_) => StreamKind::Account,
            Self::Audit(_) => StreamKind::Audit,
            Self::Service(_) => StreamKind::Service,
            Self::History(_) => StreamKind::History,
        }
    }

    fn payload(&self) -> Value {
        let payload = match self {
            Self::Invite(event) => serde_json::to_value(event),
            Self::Login(event) => serde_json::to_value(event),
            Self::Account(event) => serde_json::to_value(event),
            Self::Audit(event) => serde_json::to_value(event),
            Self::Service(event) => serde_json::to_value(event),
            Self::History(event) => serde_json::to_value(event),
        };
        payload.expect("events are plain data")
    }
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn golden(event: &Event) -> Value {
    golden_of(event, current_version(event.name()))
}

fn golden_of(event: &Event, version: u32) -> Value {
    let path = directory().join(format!("{}.v{version}.json", event.name()));
    if !path.exists() && std::env::var("GOLDEN").is_ok_and(|wish| wish == "new") {
        let text = serde_json::to_string_pretty(&event.payload()).expect("a value is JSON");
        fs::write(&path, text + "\n").expect("the golden directory can be written");
    }
    let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} has no golden file", event.name()));
    serde_json::from_str(&text).expect("a golden file is JSON")
}

/// The names as the source spells them: an event that somebody adds and forgets here is missed by its name.
fn names_in_the_source() -> BTreeSet<String> {
    let sources = [
        include_str!("invite/event.rs"),
        include_str!("login/event.rs"),
        include_str!("account/event.rs"),
        include_str!("audit/event.rs"),
        include_str!("history/event.rs"),
        include_str!("service/event.rs"),
    ];
    let arms = sources.iter().flat_map(|source| source.lines()).filter_map(|line| {
        let (variant, name) = line.trim().split_once(" { .. } => \"").or(line.trim().split_once(" => \""))?;
        variant.starts_with("Self::").then(|| name.trim_end_matches("\",").to_owned())
    });
    arms.collect()
}

#[test]
fn every_event_has_a_sample_and_a_golden_file_and_no_file_is_left_over() {
    samples().iter().map(golden).for_each(drop);
    let samples: BTreeSet<_> = samples().iter().map(|event| event.name().to_owned()).collect();
    let files: BTreeSet<_> = fs::read_dir(directory())
        .expect("the golden directory is there")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name in UTF-8"))
        .filter(|name| name != "added")
        .collect();

    assert_eq!(samples, names_in_the_source());
    assert_eq!(samples, Event::names().map(str::to_owned).collect());
    let wanted = samples
        .iter()
        .flat_map(|name| (1..=current_version(name)).map(move |version| format!("{name}.v{version}.json")));
    assert_eq!(wanted.collect::<BTreeSet<_>>(), files);
}

#[test]
fn every_event_is_written_as_its_golden_file_says() {
    for event in samples() {
        assert_eq!(event.payload(), golden(&event), "{}", event.name());
    }
}

#[test]
fn every_golden_file_is_read_as_the_event_that_it_was() {
    for event in samples() {
        for version in 1..=current_version(event.name()) {
            let payload = golden_of(&event, version);
            let read = Event::decode(event.stream().name(), event.name(), &version.to_string(), payload);
            assert_eq!(read.expect("it decodes"), event, "version {version}");
        }
    }
}

/// Optional fields that came later: `golden/added/<Event>.v1.<field>.json`.
#[test]
fn a_field_that_came_later_is_written_and_read_as_its_golden_file_says() {
    let limits = limits(Tier::Premium);
    let changed = Event::Account(AccountEvent::SubscriptionChanged {
        tier: Tier::Premium,
        limits,
        started_at: minute(1),
        expires_at: Some(day(30)),
        change_id: Some("update/17".to_owned()),
        at: minute(1),
    });
    let ordered = Event::Account(AccountEvent::RoleChanged {
        role: Role::Admin,
        source: RoleSource::Order,
        at: minute(1),
    });
    let rejected = Event::Login(LoginEvent::AuthorizationRejected {
        account_id: ANNA,
        invite_id: None,
        attempt: 1,
        confirmed_by: Some(ADMIN),
        at: minute(1),
    });
    let registered = Event::Account(AccountEvent::AccountRegistered {
        account_id: ANNA,
        telegram_id: sealed("c2VhbGVkIGlk"),
        profile: sealed("c2VhbGVkIG5hbWU"),
        imported: Some(Origin { since: Some(minute(0)), invited_by: Some(ADMIN) }),
        at: minute(1),
    });
    let blocked = Event::Account(AccountEvent::AccountBlocked { until: Some(day(30)), at: minute(1) });
    let made = Event::Invite(InviteEvent::InviteCreated {
        invite_id: INVITE,
        tier: Tier::Premium,
        max_uses: 3,
        valid_until: day(30),
        subscription_days: 30,
        created_by: None,
        used_before: 2,
        at: minute(1),
    });
    for (stream, field, event) in [
        ("account", "change_id", changed),
        ("account", "source", ordered),
        ("login", "confirmed_by", rejected),
        ("account", "imported", registered),
        ("account", "until", blocked),
        ("invite", "used_before", made),
    ] {
        let name = event.name();
        let path = directory().join(format!("added/{name}.v1.{field}.json"));
        if !path.exists() && std::env::var("GOLDEN").is_ok_and(|wish| wish == "new") {
            let text = serde_json::to_string_pretty(&event.payload()).expect("a value is JSON");
            fs::write(&path, text + "\n").expect("the golden directory can be written");
        }
        let text = fs::read_to_string(path);
        let golden: Value = serde_json::from_str(&text.expect("its golden file")).expect("JSON");
        assert_eq!(event.payload(), golden);
        assert_eq!(Event::decode(stream, name, "1", golden).expect("it decodes"), event);
    }
}

#[test]
fn an_event_is_stored_under_its_own_name() {
    for event in samples() {
        let payload = event.payload();
        let names: Vec<_> = payload.as_object().expect("a tagged object").keys().collect();
        assert_eq!(names, [event.name()]);
    }
}

#[test]
fn no_field_of_any_event_smells_of_a_secret() {
    const SMELLS: [&str; 13] = [
        "token",
        "password",
        "passw",
        "code",
        "phone",
        "secret",
        "key",
        "init_data",
        "hash",
        "session",
        "srp",
        "auth",
        "proof",
    ];
    // A digest, which the specification allows, and a key that is public by its nature.
    const CLEAN: [&str; 2] = ["token_sha256", "public_key"];
    for event in samples() {
        let payload = event.payload();
        let mut fields = BTreeSet::new();
        field_names(&payload[event.name()], &mut fields);
        for field in fields {
            let smells = SMELLS.iter().any(|smell| field.contains(smell));
            assert!(!smells || CLEAN.contains(&field.as_str()), "{}.{field}", event.name());
        }
    }
}

#[test]
fn personal_data_stands_in_events_sealed_alone() {
    const PERSONAL: [&str; 6] = ["first_name", "last_name", "username", "language_code", "name", "note"];
    for event in samples() {
        let mut fields = BTreeSet::new();
        field_names(&event.payload()[event.name()], &mut fields);
        // A key's name is a service's, not a person's.
        if matches!(event, Event::Service(_)) {
            fields.remove("name");
        }
        for field in PERSONAL {
            assert!(!fields.contains(field), "{}.{field}", event.name());
        }
    }
}

#[test]
fn what_is_no_event_is_refused_with_a_reason_that_quotes_nothing() {
    let payload = || golden(&invites().map(Event::Invite)[4]);
    let read = |stream, name, version, payload| Event::decode(stream, name, version, payload).unwrap_err();

    assert!(matches!(read("cart", "InviteRevoked", "1", payload()), DecodeError::Stream(_)));
    assert!(matches!(read("invite", "InviteRevoked", "2", payload()), DecodeError::Version { .. }));
    assert!(matches!(read("login", "InviteRevoked", "1", payload()), DecodeError::Payload { .. }));
    assert!(matches!(read("invite", "InviteUsed", "1", payload()), DecodeError::Payload { .. }));
    let error = read("invite", "InviteRevoked", "1", serde_json::json!({"InviteRevoked": {"at": "private"}}));
    assert!(!error.to_string().contains("private"), "{error}");
}

fn field_names(value: &Value, names: &mut BTreeSet<String>) {
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            names.insert(name.clone());
            field_names(value, names);
        }
    }
}
