//! All texts of one language, with every value that changes their words. The tables are taken apart field by field: a text that
//! is new does not compile before it is named here.

use domain::account::{Granter, PastChangeKind, SubscriptionChange, SubscriptionStep};

use super::*;

mod parts;

/// What fits on a button of a phone's width without being cut.
const BUTTON: usize = 30;
/// What fits on a button of half that width.
const HALF_BUTTON: usize = 18;
/// Telegram's limits, in characters.
const MESSAGE: usize = 4096;
const TOAST: usize = 200;
const COMMAND: usize = 256;
const MENU: usize = 16;

/// All texts of one language, by the place where they stand.
#[derive(Default)]
pub(super) struct Everything {
    pub messages: Vec<String>,
    buttons: Vec<String>,
    half_buttons: Vec<String>,
    toasts: Vec<String>,
    commands: Vec<String>,
    menus: Vec<String>,
}

const COUNTS: [u32; 8] = [0, 1, 2, 5, 11, 21, 30, 365];
const TIERS: [Tier; 5] = [Tier::Free, Tier::Trial, Tier::Basic, Tier::Premium, Tier::Enterprise];

pub(super) fn everything(language: Language) -> Everything {
    let texts = language.texts();
    let mut all = Everything::default();
    let Texts {
        help: HelpTexts { start, chapter, title },
        login_usage,
        login_placeholder,
        open_page,
        card,
        unknown_code,
        invite_expired,
        invite_used_up,
        invite_revoked,
        invite_already_yours,
        blocked,
        too_many_tries,
        replace_question,
        replace,
        keep,
        kept,
        question_is_over,
        subscription,
        login_goes_on,
        no_subscription,
        no_subscription_yet,
        nothing_to_cancel,
        unknown_command,
        private_only,
        open_chat,
        admins_only,
        broken,
        invite_tier,
        invite_days,
        invite_uses,
        days,
        uses,
        invite_made,
        copy_code,
        take_back,
        invite_stopped,
        stop,
        authorized,
        login_expired,
        login_cancelled,
        login_rejected,
        confirmed_anothers_login,
        login_failed,
        history,
        subscription_changed,
        subscription_revoked,
        subscription_ends,
        authorization_revoked,
        session_exported,
        session_rejected,
        unowned_session,
        account,
        admin,
        rebuild,
        commands,
        description,
        short_description,
    } = texts;

    let about = About { device_name: "qr-login", first_name: "Ilya" };
    all.messages.push(start(&about).text().to_owned());
    for it in Chapter::ALL {
        all.messages.push(chapter(it, &about).text().to_owned());
        all.buttons.push(title(it).to_owned());
    }
    all.cards(card);
    all.messages.extend(COUNTS.map(unknown_code));
    all.messages
        .extend([login_usage, invite_expired, invite_used_up, invite_revoked, kept].map(|it| it.to_string()));
    all.buttons.extend(
        [open_page, login_placeholder, keep, open_chat, copy_code, take_back].map(|it| it.to_string()),
    );
    all.half_buttons.push(stop.to_string());
    let active = Active { tier: Tier::Premium, until: Some("22.12.2026".to_owned()) };
    let unlimited = Active { tier: Tier::Premium, until: None };
    all.messages.extend([Some(&active), Some(&unlimited), None].map(invite_already_yours));
    all.messages.extend([blocked(Some("@support")), blocked(None)]);
    all.messages.extend(COUNTS.map(|count| too_many_tries(count.into())));
    all.messages.extend(COUNTS.map(|count| login_goes_on(count.into())));
    for tier in TIERS {
        all.messages.push(replace_question(&Replacement { running: active.clone(), tier }));
        all.buttons.push(replace(tier));
        all.messages.extend([invite_days(tier), subscription_changed(tier), authorized(Some(tier))]);
        all.messages.extend(COUNTS.map(|count| invite_uses(tier, count)));
    }
    all.toasts.push(question_is_over.to_string());
    all.half_buttons.extend(COUNTS.map(days).into_iter().chain(COUNTS.map(uses)));
    let limits = Tiers::default().limits(Tier::Premium);
    for active in [true, false] {
        let left = COUNTS.map(|count| End::In("22.12.2026".to_owned(), count.into()));
        let ends = [End::Unlimited, End::Passed("22.12.2026".to_owned()), End::Unknown];
        for end in left.into_iter().chain(ends) {
            let started = Some("22.11.2026".to_owned());
            all.messages.push(subscription(&SubscriptionCard {
                tier: Tier::Premium,
                limits,
                active,
                started,
                end,
            }));
        }
    }
    all.messages.extend(
        [
            no_subscription,
            no_subscription_yet,
            nothing_to_cancel,
            unknown_command,
            private_only,
            admins_only,
            broken,
            invite_tier,
            invite_stopped,
            confirmed_anothers_login,
            authorization_revoked,
            session_exported,
            session_rejected,
            description,
            short_description,
        ]
        .map(|it| it.to_string()),
    );
    for days in COUNTS {
        let (code, link) = ("3HBP4Z3ECICZ", "https://t.me/bot?start=3HBP4Z3ECICZ");
        let (tier, valid_until) = (Tier::Trial, "22.12.2026".to_owned());
        let made = MadeInvite { code, link, tier, days, uses: days, valid_until };
        all.messages.push(invite_made(&made).text().to_owned());
    }
    all.messages.push(authorized(None));
    for days in [1, 3] {
        let end = Moment { day: "22.12.2026".to_owned(), time: "13:05 MSK".to_owned() };
        all.messages.push(subscription_ends(&Ending {
            tier: Tier::Premium,
            days,
            end,
            support: Some("@support"),
        }));
    }
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let step = |what| SubscriptionStep { at: at("2026-11-22T10:00:00Z"), tier: Tier::Enterprise, what };
    let granted = |until: Option<&str>, by| SubscriptionChange::Granted { until: until.map(at), by };
    let steps = [
        step(granted(Some("2026-12-22T10:00:00Z"), Granter::Invite)),
        step(granted(None, Granter::Admin)),
        step(granted(None, Granter::Service)),
        step(granted(None, Granter::Import)),
        step(SubscriptionChange::Before(PastChangeKind::Upgraded)),
        step(SubscriptionChange::Expired),
        step(SubscriptionChange::Revoked),
    ];
    all.buttons.push(history.button.to_owned());
    all.messages.push((history.all)(&steps, &TimeZone::UTC));
    all.messages.push(subscription_revoked(Tier::Premium, None));
    let moment = || Moment { day: "22.11.2026".to_owned(), time: "13:05 MSK".to_owned() };
    let session = UnownedSession { device: "qr-login", created: moment(), active: moment() };
    all.messages.push(unowned_session(&session));
    for began_with in [BeganWith::Invite, BeganWith::Subscription] {
        all.messages.extend([
            login_expired(began_with),
            login_rejected(Some(began_with)),
            login_rejected(None),
        ]);
        let reasons =
            [CancelReason::Person, CancelReason::NewerLogin, CancelReason::Blocked, CancelReason::Erased];
        all.messages.extend(reasons.map(|reason| login_cancelled(reason, began_with, Some("@support"))));
        let reasons = [
            FailReason::TelegramUnreachable,
            FailReason::FloodWait,
            FailReason::NotRegistered,
            FailReason::SessionLost,
            FailReason::InviteGone,
            FailReason::Internal,
        ];
        all.messages.extend(reasons.map(|reason| login_failed(reason, began_with)));
    }
    all.account(account);
    all.admin(admin);
    all.rebuild(rebuild);
    all.commands(commands);
    all
}

impl Everything {
    /// Every text with the place where it stands and the room there.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, usize, &String)> {
        let places = [
            ("message", MESSAGE, &self.messages),
            ("button", BUTTON, &self.buttons),
            ("half a button", HALF_BUTTON, &self.half_buttons),
            ("toast", TOAST, &self.toasts),
            ("command", COMMAND, &self.commands),
            ("menu button", MENU, &self.menus),
        ];
        places.into_iter().flat_map(|(place, room, texts)| texts.iter().map(move |text| (place, room, text)))
    }
}
