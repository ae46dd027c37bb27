//! What the bot says to admins.

use domain::{Role, Tier};

/// One language.
pub struct AdminTexts {
    pub people: fn(total: i64, lines: &[String]) -> String,
    pub person_usage: &'static str,
    pub grant_usage: &'static str,
    pub granted: fn(&Granted<'_>) -> String,
    pub block_usage: &'static str,
    pub unblock_usage: &'static str,
    pub role_usage: &'static str,
    pub blocked: fn(id: &str) -> String,
    pub unblocked: fn(id: &str) -> String,
    pub role_given: fn(id: &str, role: Role) -> String,
    pub last_admin: &'static str,
    pub named_in_settings: &'static str,
    pub role_changed: fn(&RoleChange) -> String,
    pub statistics: fn(&Statistics) -> String,
    pub parked: fn(&Alarm) -> String,
    pub refused: fn(count: i64) -> String,

    pub phone_usage: &'static str,
    pub phone_by_session: &'static str,
    pub phone_by_code: &'static str,
    pub phone_ask: &'static str,
    pub phone_found: &'static str,
    pub phone_not_found: &'static str,
    pub phone_takes_codes: &'static str,
    pub phone_invalid: &'static str,
    pub phone_banned: &'static str,
    pub phone_flood: fn(minutes: u64) -> String,
    pub phone_unreachable: &'static str,
    pub phone_no_session: &'static str,
    pub phone_refused: &'static str,
}

/// The current numbers.
pub struct Statistics {
    pub people: i64,
    /// People with a linked session.
    pub authenticated: i64,
    pub blocked: i64,
    /// Active subscriptions by tier.
    pub subscriptions: Vec<(String, i64)>,
    /// Logins by status.
    pub logins: Vec<(String, i64)>,
    /// Invites that can still be redeemed.
    pub open_invites: i64,
    /// Final uses of invites.
    pub uses: i64,
}

/// A subscription that an admin granted.
pub struct Granted<'a> {
    /// As the admin wrote it.
    pub id: &'a str,
    pub tier: Tier,
    pub term: String,
}

/// A change of a person's role.
pub struct RoleChange {
    /// The person.
    pub who: String,
    pub role: Role,
    pub by: ChangedBy,
}

/// Who changed a role.
pub enum ChangedBy {
    Admin(String),
    /// `ADMIN_IDS`.
    Settings,
    /// An operator at the terminal.
    Operator,
}

/// What was parked. No row says whom it is about.
pub struct Alarm {
    /// How many rows and events are parked.
    pub count: usize,
    /// The views that they belong to, or `reactor`.
    pub views: Vec<String>,
    /// The first event that was parked.
    pub position: i64,
}

pub(super) const RU: AdminTexts = AdminTexts {
    people: |total, lines| format!("👥 Людей: {total}\n\n{}", lines.join("\n")),
    person_usage: "👤 Кого показать?\n\n/admin_user ID",
    grant_usage: "🎁 Кому и что дать?\n\n/admin_grant ID TIER [ДНЕЙ]\n\n\
                  TIER: trial, basic, premium, enterprise. ДНЕЙ: 0 — безлимитно; без числа — срок тарифа.",
    granted: |it| format!("🎁 {}: {}, {}", it.id, it.tier.title(), it.term),
    block_usage: "⛔ Кого заблокировать?\n\n/admin_block ID",
    unblock_usage: "🔓 Кого разблокировать?\n\n/admin_unblock ID",
    role_usage: "👮 Кому какую роль?\n\n/admin_role ID ROLE\n\nROLE: user, admin, auditor.",
    blocked: |id| format!("⛔ Доступ заблокирован: {id}"),
    unblocked: |id| format!("🔓 Доступ снова открыт: {id}"),
    role_given: |id, role| format!("👮 {id}: {}", role_ru(role)),
    last_admin: "⚠️ Это последний администратор. Сначала назначьте другого: /admin_role ID admin",
    named_in_settings: "⚠️ Этот администратор назван в настройке ADMIN_IDS. Сначала уберите его оттуда.",
    role_changed: |it| {
        let by = match &it.by {
            ChangedBy::Admin(name) => format!("изменил администратор {name}"),
            ChangedBy::Settings => "по настройке ADMIN_IDS".to_owned(),
            ChangedBy::Operator => "изменил оператор сервиса".to_owned(),
        };
        format!("👮 Роль изменена\n\n{}: {}, {by}", it.who, role_ru(it.role))
    },
    statistics: |it| {
        format!(
            "📈 Статистика\n\nЛюдей: {}, подключены: {}, заблокированы: {}\nПодписки: {}\nВходы: {}\n\
             Инвайт коды: {} открыто, использований: {}",
            it.people,
            it.authenticated,
            it.blocked,
            listed(&it.subscriptions),
            listed(&it.logins),
            it.open_invites,
            it.uses
        )
    },
    parked: |it| {
        format!(
            "⚠️ Событие не удалось учесть\n\nСтоят на месте: {} ({}), с позиции {}. Всё остальное работает.\n\n\
             Что именно: replay lag. После исправления: replay unpark",
            it.count,
            it.views.join(", "),
            it.position
        )
    },
    refused: |count| {
        format!(
            "⚠️ Обновление от Telegram не удалось прочитать или сохранить\n\nОтложено: {count}. Остальные обрабатываются.\n\n\
             Что именно: таблица vault.refused_updates, там они хранятся неделю"
        )
    },
    phone_usage: "☎️ Какой номер проверить?\n\n/debug_test_phone +79990000000",
    phone_by_session: "☎️ Проверка номера\n\nБот спросит Telegram через вашу собственную подключённую сессию: \
                       найдёт номер, а если не выйдет, на мгновение добавит его в ваши контакты и удалит.",
    phone_by_code: "☎️ Проверка номера\n\nВаш аккаунт не подключён, поэтому Telegram отправит на этот номер код \
                    входа. Владелец его увидит; бот им не воспользуется и сразу отзовёт.",
    phone_ask: "☎️ Проверить",
    phone_found: "✅ Номер есть в Telegram",
    phone_not_found: "🤷 Номер не найден: не зарегистрирован, забанен или скрыт настройками приватности",
    phone_takes_codes: "✅ Telegram принимает этот номер, но код ушёл не в приложение: зарегистрирован ли кто-то, неизвестно",
    phone_invalid: "❌ Это не телефонный номер",
    phone_banned: "⛔ Номер забанен в Telegram",
    phone_flood: |minutes| format!("⏳ Telegram просит подождать: {minutes} мин."),
    phone_unreachable: "😔 Telegram не отвечает. Попробуйте позже.",
    phone_no_session: "🔌 Ваша сессия сейчас недоступна. Попробуйте через полминуты.",
    phone_refused: "❌ Telegram отказал, не назвав понятной причины",
};

pub(super) const EN: AdminTexts = AdminTexts {
    people: |total, lines| format!("👥 People: {total}\n\n{}", lines.join("\n")),
    person_usage: "👤 Who is to be shown?\n\n/admin_user ID",
    grant_usage: "🎁 What is to be granted, and to whom?\n\n/admin_grant ID TIER [DAYS]\n\n\
                  TIER: trial, basic, premium, enterprise. DAYS: 0 is unlimited; without it, the tier's own.",
    granted: |it| format!("🎁 {}: {}, {}", it.id, it.tier.title(), it.term),
    block_usage: "⛔ Who is to be blocked?\n\n/admin_block ID",
    unblock_usage: "🔓 Who is to be unblocked?\n\n/admin_unblock ID",
    role_usage: "👮 Which role, and for whom?\n\n/admin_role ID ROLE\n\nROLE: user, admin, auditor.",
    blocked: |id| format!("⛔ Access is blocked: {id}"),
    unblocked: |id| format!("🔓 Access is open again: {id}"),
    role_given: |id, role| format!("👮 {id}: {}", role.name()),
    last_admin: "⚠️ This is the last admin. Make another one first: /admin_role ID admin",
    named_in_settings: "⚠️ The setting ADMIN_IDS names this admin. Remove them there first.",
    role_changed: |it| {
        let by = match &it.by {
            ChangedBy::Admin(name) => format!("changed by the admin {name}"),
            ChangedBy::Settings => "by the setting ADMIN_IDS".to_owned(),
            ChangedBy::Operator => "changed by an operator of the service".to_owned(),
        };
        format!("👮 A role was changed\n\n{}: {}, {by}", it.who, it.role.name())
    },
    statistics: |it| {
        format!(
            "📈 Statistics\n\nPeople: {}, linked: {}, blocked: {}\nSubscriptions: {}\nLogins: {}\n\
             Invite codes: {} open, uses: {}",
            it.people,
            it.authenticated,
            it.blocked,
            listed(&it.subscriptions),
            listed(&it.logins),
            it.open_invites,
            it.uses
        )
    },
    parked: |it| {
        format!(
            "⚠️ An event could not be taken in\n\nStanding still: {} ({}), from position {} on. Everything else goes on.\n\n\
             Which ones: replay lag. After the fix: replay unpark",
            it.count,
            it.views.join(", "),
            it.position
        )
    },
    refused: |count| {
        format!(
            "⚠️ An update from Telegram could not be read or stored\n\nKept aside: {count}. The others are handled.\n\n\
             Which ones: table vault.refused_updates, which keeps them for a week"
        )
    },
    phone_usage: "☎️ Which number is to be tried?\n\n/debug_test_phone +79990000000",
    phone_by_session: "☎️ Trying a number\n\nThe bot asks Telegram by your own linked session: it looks the number up, and \
                       where that finds nobody, adds it to your contacts for a moment and deletes it.",
    phone_by_code: "☎️ Trying a number\n\nYour account is not linked, so Telegram sends a login code to this number. Its \
                    owner sees that; the bot does not use the code and takes it back at once.",
    phone_ask: "☎️ Try it",
    phone_found: "✅ The number is on Telegram",
    phone_not_found: "🤷 Nobody is found: not registered, banned, or hidden by privacy settings",
    phone_takes_codes: "✅ Telegram takes this number, but the code did not go to an app: whether anybody is registered is \
                        not known",
    phone_invalid: "❌ This is not a phone number",
    phone_banned: "⛔ The number is banned from Telegram",
    phone_flood: |minutes| format!("⏳ Telegram asks to wait: {minutes} min."),
    phone_unreachable: "😔 Telegram does not answer. Please try later.",
    phone_no_session: "🔌 Your session cannot be used now. Please try in half a minute.",
    phone_refused: "❌ Telegram refused without a reason that says anything",
};

const fn role_ru(role: Role) -> &'static str {
    match role {
        Role::User => "обычный пользователь",
        Role::Admin => "администратор",
        Role::Auditor => "аудитор",
    }
}

/// `basic 1, premium 2`.
fn listed(counts: &[(String, i64)]) -> String {
    let items: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    if items.is_empty() { "–".to_owned() } else { items.join(", ") }
}
