//! Russian.

use domain::Tier;
use domain::login::{CancelReason, FailReason};

use super::plural::{self, counted_ru};
use super::term::{days_left_ru, running_ru};
use super::{
    Active, BeganWith, Commands, End, MadeInvite, Replacement, SubscriptionCard, Texts, UnownedSession,
};
use crate::Styled;

pub(super) const TEXTS: Texts = Texts {
    help: &super::help::RU,
    login_usage: "🔑 Чтобы войти, отправьте инвайт код\n\nОтветьте кодом на это сообщение или отправьте /login КОД. \
                  Код выдаёт администратор.",
    login_placeholder: "Инвайт код",
    open_page: "🔐 Открыть QR авторизацию",
    card: &super::card::RU,
    history: &super::history::RU,

    unknown_code,
    invite_expired: "❌ Срок действия инвайт кода истёк\n\nОбратитесь к администратору за новым кодом",
    invite_used_up: "❌ Инвайт код уже использован\n\nОбратитесь к администратору за новым кодом",
    invite_revoked: "❌ Инвайт код отозван\n\nОбратитесь к администратору за новым кодом",
    invite_already_yours,
    blocked,
    too_many_tries,

    replace_question,
    replace: |tier| format!("✅ Заменить на {}", tier.title()),
    keep: "↩️ Оставить как есть",
    kept: "👌 Всё осталось как есть, инвайт код не потрачен.",
    question_is_over: "Эта кнопка уже не действует. Отправьте команду ещё раз.",

    subscription,
    login_goes_on: |minutes| {
        format!(
            "🔐 Вход ещё не закончен: осталось {}. Продолжите по кнопке под сообщением о входе или отмените: /cancel",
            counted_ru(minutes, ["минута", "минуты", "минут"])
        )
    },
    no_subscription: "💎 У вас нет подписки\n\nЧтобы начать, отправьте /login КОД",
    no_subscription_yet: "👋 Мы ещё не знакомы.\n\n💎 У вас нет подписки\n\n\
                          Попросите у администратора инвайт код и отправьте /login КОД",
    nothing_to_cancel: "ℹ️ Сейчас нет входа, который можно отменить",
    unknown_command: "🤔 Такой команды нет\n\nЧто я умею: /help",
    private_only: "👋 Я отвечаю только в личном чате. Напишите мне туда.",
    open_chat: "💬 Открыть чат",
    admins_only: "⛔ Эта команда только для администраторов",
    broken: "😔 Не получилось: у нас неполадка. Попробуйте ещё раз чуть позже.",

    invite_tier: "🎟 Новый инвайт код\n\nКакую подписку он даёт?",
    invite_days: |tier| format!("🎟 Новый инвайт код: {}\n\nНа какой срок подписка?", tier.title()),
    invite_uses: |tier, days| {
        format!("🎟 Новый инвайт код: {}, {}\n\nСколько раз его можно использовать?", tier.title(), term(days))
    },
    days: term,
    uses: times,
    invite_made,
    copy_code: "📋 Скопировать код",
    take_back: "↩️ Отозвать код",
    invite_stopped: "👌 Инвайт код не создан.",
    stop: "✖️ Отмена",

    authorized,
    login_expired: |began_with| {
        format!("⏰ Время входа истекло\n\n{} {}", nothing_linked(began_with.is_invite()), anew(began_with))
    },
    login_cancelled,
    login_rejected: |began_with| {
        format!(
            "🚨 Вход подтвердил другой аккаунт\n\nНичего не подключено. \
             Никогда не сканируйте чужие QR коды входа и не пересылайте свои: \
             кто подтвердит такой код, тот отдаст доступ к своему аккаунту.{}",
            began_with.map(|it| format!("\n\n{}", anew(it))).unwrap_or_default()
        )
    },
    confirmed_anothers_login: "🚨 Вы подтвердили чужой вход\n\nЭтот QR код входа показал вам кто-то другой. \
                               Ничего не подключено, и этот сеанс мы завершаем. Никогда не сканируйте чужие QR коды \
                               входа: кто подтвердит такой код, тот отдаст доступ к своему аккаунту.\n\n\
                               Проверьте устройства: Telegram → Настройки → Устройства.",
    login_failed,
    subscription_changed: |tier| {
        format!("🎁 Администратор изменил вашу подписку: {}\n\nПодробнее: /subscription", tier.title())
    },
    subscription_revoked: |tier, support| {
        let text = format!("💎 Подписка {} закончена досрочно\n\nПодробнее: /subscription", tier.title());
        with_support(text, support)
    },
    subscription_ends: |it| {
        let left = if it.days == 1 {
            "меньше чем через день".to_owned()
        } else {
            format!("через {} дня", it.days)
        };
        let text = format!(
            "⏳ Подписка {} заканчивается {left}: {} в {}\n\nЧтобы продлить её, попросите у администратора новый инвайт код и \
             отправьте его мне.",
            it.tier.title(),
            it.end.day,
            it.end.time
        );
        with_support(text, it.support)
    },
    authorization_revoked: "🔌 Сеанс завершён в Telegram\n\nСервис больше не имеет доступа к вашему аккаунту. \
                            Чтобы подключиться снова, отправьте /login",
    session_rejected: "⚠️ Перенесённая сессия не ваша\n\nПри переносе из прежней системы к вам попала сессия другого \
        аккаунта. Мы её не используем. Чтобы подключить свой аккаунт, отправьте /login",
    session_exported: "📤 Ваша сессия передана другому сервису\n\nЭтот сервис её больше не использует. \
                       Завершить её можно в Telegram → Настройки → Устройства.",
    unowned_session,

    account: &super::account::RU,
    admin: &super::admin::RU,
    rebuild: &super::rebuild::RU,
    commands: Commands {
        login: "Войти по инвайт коду",
        subscription: "Моя подписка",
        me: "Что обо мне известно",
        cancel: "Отменить вход",
        logout: "Отключить аккаунт",
        forget: "Забыть меня",
        help: "Что умеет бот",
        admin: "Открыть приложение администраторов",
        admin_invite: "Создать инвайт код",
        admin_users: "Список людей",
        admin_user: "Всё об одном человеке",
        admin_grant: "Выдать подписку",
        admin_stats: "Статистика",
        admin_block: "Заблокировать",
        admin_unblock: "Разблокировать",
        admin_role: "Изменить роль",
        admin_rebuild: "Пересобрать таблицу из журнала",
        debug_status: "Состояние аккаунта",
        debug_reset: "Полный сброс человека",
        debug_test_phone: "Проверить номер",
    },
    description: "Подключаю аккаунт Telegram к сервису по инвайт коду.\n\nСервис станет новым устройством в вашем \
                  аккаунте: сможет читать чаты и действовать от вашего имени. Облачный пароль он не узнает, а отключить \
                  его можно в любой момент.\n\nНажмите «Старт» и пришлите инвайт код.",
    short_description: "Подключает аккаунт Telegram к сервису по инвайт коду. Отключить можно в любой момент.",
};

fn unknown_code(tries_left: u32) -> String {
    let left = i64::from(tries_left);
    let tries = match left {
        0 => "Это была последняя попытка, следующая — через несколько минут.".to_owned(),
        left => format!(
            "{} {}.",
            plural::ru(left, ["Осталась", "Осталось", "Осталось"]),
            counted_ru(left, ["попытка", "попытки", "попыток"])
        ),
    };
    format!("❌ Инвайт код не найден\n\n{tries}")
}

fn invite_already_yours(active: Option<&Active>) -> String {
    let now = match active {
        Some(active) => {
            format!("💎 Сейчас активна подписка: {}", running_ru(active.tier, active.until.as_deref()))
        }
        None => "💎 Сейчас активной подписки нет".to_owned(),
    };
    format!("ℹ️ Вы уже использовали этот код\n\n{now}")
}

fn blocked(support: Option<&str>) -> String {
    with_support("⛔ Доступ заблокирован".to_owned(), support)
}

fn with_support(text: String, support: Option<&str>) -> String {
    match support {
        Some(contact) => format!("{text}\n\nПоддержка: {contact}"),
        None => text,
    }
}

fn too_many_tries(minutes: i64) -> String {
    let wait = counted_ru(minutes, ["минуту", "минуты", "минут"]);
    format!("⏳ Слишком много попыток\n\nПопробуйте снова через {wait}")
}

fn replace_question(replacement: &Replacement) -> String {
    let Replacement { running: active, tier } = replacement;
    format!(
        "⚠️ У вас уже есть подписка\n\n\
         Сейчас: {}\n\
         Инвайт код даёт: {}\n\n\
         После входа новая подписка заменит нынешнюю, остаток не сохранится. Заменить?",
        running_ru(active.tier, active.until.as_deref()),
        tier.title()
    )
}

fn subscription(card: &SubscriptionCard) -> String {
    let status = if card.active { "✅ Активна" } else { "❌ Истекла" };
    let digest = if card.limits.ai_digest { "✅" } else { "❌" };
    let mut text = format!(
        "💎 Ваша подписка\n\n\
         📊 Тариф: {}\n\
         🔐 Статус: {status}\n\n\
         Лимиты:\n\
         \u{20} • Каналов: {}\n\
         \u{20} • Постов/день: {}\n\
         \u{20} • RAG запросов/день: {}\n\
         \u{20} • AI дайджесты: {digest}",
        card.tier.title(),
        card.limits.max_channels,
        card.limits.posts_per_day,
        card.limits.rag_per_day,
    );
    let start = card.started.as_ref().map(|day| format!("📅 Начало: {day}"));
    let end = match &card.end {
        End::Unlimited => Some("⏳ Срок: бессрочно".to_owned()),
        End::In(day, left) => Some(format!("⏳ Окончание: {day} ({})", days_left_ru(*left))),
        End::Passed(day) => Some(format!("⏳ Окончание: {day}")),
        End::Unknown => None,
    };
    let lines: Vec<String> = start.into_iter().chain(end).collect();
    if !lines.is_empty() {
        text.push_str("\n\n");
        text.push_str(&lines.join("\n"));
    }
    if !card.active {
        text.push_str("\n\nНовая подписка: /login КОД");
    }
    text
}

fn authorized(tier: Option<Tier>) -> String {
    match tier {
        Some(tier) => {
            format!("✅ Авторизация успешна!\n\n🎁 Подписка: {}\n\nПодробнее: /subscription", tier.title())
        }
        None => "✅ Авторизация успешна!\n\nВаш аккаунт снова подключён. Подробнее: /subscription".to_owned(),
    }
}

fn nothing_linked(is_invite_left: bool) -> &'static str {
    if is_invite_left {
        "Ничего не подключено, инвайт код не потрачен."
    } else {
        "Ничего не подключено."
    }
}

fn anew(began_with: BeganWith) -> &'static str {
    match began_with {
        BeganWith::Invite => "Чтобы начать заново, отправьте /login КОД",
        BeganWith::Subscription => "Чтобы начать заново, отправьте /login",
    }
}

fn login_cancelled(reason: CancelReason, began_with: BeganWith, support: Option<&str>) -> String {
    match reason {
        CancelReason::Person | CancelReason::Erased => {
            format!("🚫 Вход отменён\n\n{} {}", nothing_linked(began_with.is_invite()), anew(began_with))
        }
        CancelReason::NewerLogin => {
            "🔁 Начат новый вход, этот отменён\n\nПродолжайте по кнопке под последним сообщением о входе."
                .to_owned()
        }
        CancelReason::Blocked => blocked(support),
    }
}

fn login_failed(reason: FailReason, began_with: BeganWith) -> String {
    let why = match reason {
        FailReason::TelegramUnreachable => "Не удалось связаться с Telegram.",
        FailReason::FloodWait => "Telegram просит подождать: слишком много попыток.",
        FailReason::NotRegistered => "На этот номер не зарегистрирован аккаунт Telegram.",
        FailReason::SessionLost => "Telegram завершил сеанс во время входа.",
        FailReason::InviteGone => "Инвайт код за это время достался другому входу.",
        FailReason::Internal => "У нас неполадка.",
    };
    let is_invite_left = began_with.is_invite() && reason != FailReason::InviteGone;
    format!("❌ Не удалось войти\n\n{why} {} {}", nothing_linked(is_invite_left), anew(began_with))
}

fn unowned_session(session: &UnownedSession<'_>) -> String {
    let UnownedSession { device, created, active } = session;
    format!(
        "⚠️ В вашем аккаунте есть сеанс, о котором мы ничего не знаем\n\n\
         Устройство «{device}», вход {} в {}. Скорее всего, запись об этом входе пропала из-за сбоя у нас. \
         Мы этим сеансом не пользуемся.\n\n\
         Что сделать: Telegram → Настройки → Устройства → «{device}» → Завершить сеанс. Наш нынешний сеанс называется \
         в списке так же, поэтому выберите тот, который последний раз был в сети {} в {}. Если завершите не тот, просто \
         войдите снова: /login\n\n\
         Сами мы его не завершаем: вдруг им пользуется другой сервис, которому вы дали доступ. Тогда оставьте всё как есть.",
        created.day, created.time, active.day, active.time
    )
}

fn invite_made(made: &MadeInvite<'_>) -> Styled {
    Styled::new(format!(
        "✅ Инвайт код создан\n\n\
         🔑 {}\n\
         🔗 {}\n\n\
         🎁 Подписка: {}, {}\n\
         👥 Сработает {}\n\
         📅 Код действителен до {}",
        made.code,
        made.link,
        made.tier.title(),
        term(made.days),
        times(made.uses),
        made.valid_until
    ))
    .code(made.code)
}

fn term(days: u32) -> String {
    match days {
        0 => "бессрочно".to_owned(),
        days => counted_ru(i64::from(days), ["день", "дня", "дней"]),
    }
}

fn times(uses: u32) -> String {
    counted_ru(i64::from(uses), ["раз", "раза", "раз"])
}
