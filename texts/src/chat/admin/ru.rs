//! Russian.

use domain::Role;

use super::{AdminTexts, ChangedBy, Fault, Happened, listed};
use crate::Styled;
use crate::chat::plural::counted_ru;

pub(in crate::chat) const RU: AdminTexts = AdminTexts {
    page: "🛠 Люди, подписки, инвайты и история — в приложении администраторов.",
    open_page: "🛠 Открыть приложение",

    people: |it| {
        let headline = match (&it.query, it.total) {
            (Some(query), _) => format!("🔎 {query}"),
            (None, Some(total)) => format!("👥 {}", counted_ru(total, ["человек", "человека", "человек"])),
            (None, None) => "👥 Люди".to_owned(),
        };
        let list = if it.lines.is_empty() {
            "Никого не нашлось. Ищите по части имени, @username, Telegram ID или ID аккаунта.".to_owned()
        } else {
            it.lines.join("\n")
        };
        let more = if it.cut { "\n\nЭто не все. Уточните запрос." } else { "" };
        Styled::new(format!("{headline}\n\n{list}{more}"))
    },
    newer: "◀️ Новее",
    older: "Раньше ▶️",
    person_usage: "👤 Кого показать?\n\n/admin_user ID\n\nID — это Telegram ID, @username или ID аккаунта.",

    grant_usage: "🎁 Кому и какую подписку выдать?\n\n/admin_grant ID TIER [ДНЕЙ]\n\n\
                  TIER: trial, basic, premium или enterprise. ДНЕЙ: 0 — бессрочно, без числа — срок тарифа.",
    granted: |it| match &it.until {
        Some((day, days)) => {
            let days = counted_ru(i64::from(*days), ["день", "дня", "дней"]);
            format!("🎁 Подписка выдана: {}\n\n{} до {day} ({days})", it.who, it.tier.title())
        }
        None => format!("🎁 Подписка выдана: {}\n\n{}, бессрочно", it.who, it.tier.title()),
    },
    subscription_ended: |who| format!("💎 Подписка закончена: {who}"),
    block_usage: "⛔ Кого заблокировать?\n\n/admin_block ID",
    unblock_usage: "🔓 Кого разблокировать?\n\n/admin_unblock ID",
    role_usage: "👮 Кому какую роль?\n\n/admin_role ID ROLE\n\nROLE: user, admin или auditor.",
    invite_usage: "/admin_invite [TIER [ДНЕЙ [РАЗ]]]\n\n\
                   TIER: trial, basic, premium или enterprise. ДНЕЙ: 0 — бессрочно. РАЗ: сколько раз код сработает.",
    blocked: |who| format!("⛔ Доступ заблокирован: {who}"),
    unblocked: |who| format!("🔓 Доступ снова открыт: {who}"),
    role_given: |who, given| format!("👮 {who}: теперь {}", role(given)),
    fault: |fault| match fault {
        Fault::NoTier(word) => format!("❌ Нет тарифа {word}"),
        Fault::NotDays(word) => format!("❌ Число дней должно быть целым, а не «{word}»"),
        Fault::NotUses(word) => format!("❌ Число использований — целое, от 1, а не «{word}»"),
        Fault::NoRole(word) => format!("❌ Нет роли {word}"),
        Fault::TooMany(word) => format!("❌ Лишнее слово: {word}"),
    },

    undo: "↩️ Отменить",
    undone: |what| format!("↩️ Отменено\n\n{what}"),
    undo_is_late: "Минута прошла: эта кнопка больше не отменяет. Отправьте команду.",
    invite_revoked: |code| format!("🎟 Инвайт код {code} отозван"),
    no_subscription: |who| format!("💎 Снова без подписки: {who}"),

    last_admin: "⚠️ Это последний администратор. Сначала назначьте другого: /admin_role ID admin",
    named_in_settings: "⚠️ Этот администратор назван в настройке ADMIN_IDS. Сначала уберите его оттуда.",
    role_changed: |it| {
        let by = match &it.by {
            ChangedBy::Admin(name) => format!("изменил администратор {name}"),
            ChangedBy::Settings => "по настройке ADMIN_IDS".to_owned(),
            ChangedBy::Operator => "изменил оператор сервиса".to_owned(),
        };
        format!("👮 Роль изменена\n\n{}: {}, {by}", it.who, role(it.role))
    },
    statistics: |it| {
        Styled::new(format!(
            "📈 Статистика\n\n\
             👥 {}: подключено {}, заблокировано {}\n\
             💎 Действующие подписки: {}\n\
             ⏳ Закончатся за сутки: {}, за неделю: {}\n\
             🔐 Входят сейчас: {}\n\
             🎟 Открытые инвайт коды: {}\n\n\
             Сегодня\n{}\n\n\
             За 7 дней\n{}",
            counted_ru(it.people, ["человек", "человека", "человек"]),
            it.authenticated,
            it.blocked,
            listed(&it.subscriptions, str::to_owned),
            it.ending_in_1_day,
            it.ending_in_7_days,
            it.live_logins,
            it.open_invites,
            happened(&it.today),
            happened(&it.week),
        ))
        .bold("Сегодня")
        .bold("За 7 дней")
    },
    parked: |it| {
        let count = i64::try_from(it.count).unwrap_or(i64::MAX);
        format!(
            "⚠️ Событие не удалось обработать\n\nПока не учтено: {} ({}), начиная с позиции {}. Всё остальное \
             работает.\n\nЧто именно: replay lag. После исправления: replay unpark",
            counted_ru(count, ["запись", "записи", "записей"]),
            it.views.join(", "),
            it.position
        )
    },
    unsigned: |fault| {
        format!(
            "⚠️ Журнал больше не подписывается\n\n{fault}\n\nВсё остальное работает. Что делать: docs/trust.md, раздел \
             \u{ab}When nothing is signed\u{bb}"
        )
    },
    checkpoint: |note| {
        let text = format!(
            "🔏 Контрольная точка журнала\n\n{note}\nСохраните это сообщение: по нему видно, если историю до этого места \
             изменят. Как проверить: docs/trust.md"
        );
        Styled::new(text).code(note)
    },
    witness_disagrees: |fault| {
        format!(
            "⚠️ Свидетель видел другую историю журнала\n\n{fault}\n\nТак бывает, если база потеряла последние события \
             или их изменили. Всё остальное работает. Что делать: docs/trust.md, раздел \u{ab}Witnesses\u{bb}"
        )
    },
    refused: |count| {
        let updates = counted_ru(count, ["обновление", "обновления", "обновлений"]);
        format!(
            "⚠️ Обновление от Telegram не удалось прочитать или сохранить\n\nОтложено {updates}, остальные \
             обрабатываются.\n\nЧто именно: таблица vault.refused_updates, там они хранятся неделю"
        )
    },

    webhook_messages_parked: |count| {
        let messages = counted_ru(count, ["сообщение", "сообщения", "сообщений"]);
        format!(
            "⚠️ Другой сервис три дня не принимал вебхуки\n\nОтложено {messages}. Остальные \
             доставляются.\n\nЧто именно: qr-login webhook list. Отправить ещё раз: qr-login webhook replay"
        )
    },
    webhooks_gone: |count| {
        let webhooks = counted_ru(count, ["вебхук", "вебхука", "вебхуков"]);
        format!(
            "⚠️ Получатель вебхуков ответил, что его больше нет (410)\n\nОтключено: {webhooks}. Сообщения туда не \
             отправляются.\n\nЧто именно: qr-login webhook list. Включить снова: qr-login webhook change"
        )
    },

    phone_usage: "☎️ Какой номер проверить?\n\n/debug_test_phone +79990000000",
    phone_by_session: "☎️ Проверка номера\n\nБот спросит Telegram через вашу собственную подключённую сессию: поищет \
                       номер, а если не найдёт, на мгновение добавит его в ваши контакты и удалит.",
    phone_by_code: "☎️ Проверка номера\n\nВаш аккаунт не подключён, поэтому Telegram отправит на этот номер код \
                    входа. Владелец его увидит; бот им не воспользуется и сразу отзовёт.",
    phone_ask: "☎️ Проверить",
    phone_found: "✅ Номер есть в Telegram",
    phone_not_found: "🤷 Номер не найден: не зарегистрирован, забанен или скрыт настройками приватности",
    phone_takes_codes: "✅ Telegram принимает этот номер, но код ушёл не в приложение: зарегистрирован ли кто-то, \
                        неизвестно",
    phone_invalid: "❌ Это не телефонный номер",
    phone_banned: "⛔ Номер забанен в Telegram",
    phone_flood: |minutes| format!("⏳ Telegram просит подождать: {minutes} мин."),
    phone_unreachable: "😔 Telegram не отвечает. Попробуйте позже.",
    phone_no_session: "🔌 Ваша сессия сейчас недоступна. Попробуйте через полминуты.",
    phone_refused: "❌ Telegram отказал и не объяснил почему",
};

/// A role as people call it.
pub(in crate::chat) const fn role(role: Role) -> &'static str {
    match role {
        Role::User => "обычный пользователь",
        Role::Admin => "администратор",
        Role::Auditor => "аудитор",
    }
}

fn happened(it: &Happened) -> String {
    let mut lines = vec![
        format!("👋 Новые люди: {}", it.registered),
        format!("✅ Вошли: {} (по QR коду {}, по номеру {})", it.authorized, it.by_qr, it.by_phone),
    ];
    if !it.unsuccessful.is_empty() {
        let outcomes = listed(&it.unsuccessful, |status| login(status).to_owned());
        lines.push(format!("🚫 Не вошли: {outcomes}"));
    }
    if let Some((half, most)) = it.seconds {
        lines.push(format!("⏱ Половина входит за {half:.0} с, девять из десяти — за {most:.0} с"));
    }
    lines.push(format!(
        "💎 Подписки: начались {}, закончились {}",
        it.subscriptions_started, it.subscriptions_ended
    ));
    lines.push(format!("🎟 Использованные инвайт коды: {}", it.invites_used));
    lines.join("\n")
}

/// How a login that did not succeed ended.
fn login(status: &str) -> &str {
    match status {
        "expired" => "истекли",
        "cancelled" => "отменены",
        "rejected" => "чужой аккаунт",
        "failed" => "с ошибкой",
        other => other,
    }
}
