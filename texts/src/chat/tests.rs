//! The texts of the specification, spelled out here once more and compared to the letter.

use domain::Tiers;

use super::*;

mod every;
mod everything;

fn ru() -> &'static Texts {
    Language::Russian.texts()
}

fn en() -> &'static Texts {
    Language::English.texts()
}

/// The card of a login by a premium invite that waits to be confirmed.
fn card(texts: &Texts, ways: Ways) -> String {
    let limits = Tiers::default().limits(Tier::Premium);
    format!("{}\n\n{}", (texts.card.by_invite)(Tier::Premium, limits), (texts.card.waiting)(ways))
}

fn subscription(active: bool, end: End) -> SubscriptionCard {
    let limits = Tiers::default().limits(Tier::Premium);
    SubscriptionCard { tier: Tier::Premium, limits, active, started: None, end }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn an_accepted_invite_is_answered_to_the_letter() {
    let expected = "\
✅ Инвайт код принят!

🎁 Подписка: Premium
📊 Лимиты:
  • Каналов: 50
  • Постов/день: 1000
  • RAG запросов/день: 1000

👇 Нажмите кнопку ниже для авторизации:

В Mini App будут доступны 3 способа:
  1. Сканировать QR код камерой
  2. Открыть deep link в Telegram
  3. Скопировать токен

⏰ QR код действителен 5 минут";
    assert_eq!(card(ru(), Ways::Three), expected);
    assert_eq!(ru().open_page, "🔐 Открыть QR авторизацию");
}

#[test]
fn the_one_phone_way_is_the_fourth() {
    let expected = card(ru(), Ways::Three)
        .replace("доступны 3 способа", "доступны 4 способа")
        .replace("  3. Скопировать токен\n", "  3. Скопировать токен\n  4. Войти по коду на этом телефоне\n");
    assert_eq!(card(ru(), Ways::Four), expected);
}

#[test]
fn an_accepted_invite_reads_likewise_in_english() {
    let expected = "\
✅ Invite code accepted!

🎁 Subscription: Premium
📊 Limits:
  • Channels: 50
  • Posts/day: 1000
  • RAG requests/day: 1000

👇 Press the button below to authorize:

The Mini App offers 3 ways:
  1. Scan the QR code with a camera
  2. Open the deep link in Telegram
  3. Copy the token

⏰ The QR code is valid for 5 minutes";
    assert_eq!(card(en(), Ways::Three), expected);
}

#[test]
fn a_subscription_is_shown_to_the_letter() {
    let expected = "\
💎 Ваша подписка

📊 Тариф: Premium
🔐 Статус: ✅ Активна

Лимиты:
  • Каналов: 50
  • Постов/день: 1000
  • RAG запросов/день: 1000
  • AI дайджесты: ✅";
    assert_eq!((ru().subscription)(&subscription(true, End::Unknown)), expected);
    let unlimited = (ru().subscription)(&subscription(true, End::Unlimited));
    assert_eq!(unlimited, format!("{expected}\n\n⏳ Срок: бессрочно"));
}

#[test]
fn a_subscription_with_an_end_says_how_long_it_still_runs() {
    let mut card = subscription(true, End::In("22.12.2026".to_owned(), 30));
    card.started = Some("22.11.2026".to_owned());
    let text = (ru().subscription)(&card);
    assert!(
        text.ends_with("\n\n📅 Начало: 22.11.2026\n⏳ Окончание: 22.12.2026 (осталось 30 дней)"),
        "{text}"
    );
    for (days, words) in
        [(1, "остался 1 день"), (3, "осталось 3 дня"), (11, "осталось 11 дней"), (21, "остался 21 день")]
    {
        let text = (ru().subscription)(&subscription(true, End::In("1.1.2027".to_owned(), days)));
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn a_subscription_that_is_over_says_so() {
    let text = (ru().subscription)(&subscription(false, End::Unknown));
    assert!(
        text.starts_with("💎 Ваша подписка\n\n📊 Тариф: Premium\n🔐 Статус: ❌ Истекла\n\nЛимиты:\n"),
        "{text}"
    );
}

#[test]
fn refusals_of_an_invite_are_those_of_the_specification() {
    let refusal = |error| ru().refusal(error, None).unwrap();
    let advice = "\n\nОбратитесь к администратору за новым кодом";
    assert!((ru().unknown_code)(9).starts_with("❌ Инвайт код не найден\n\n"));
    assert_eq!(refusal(InviteError::Expired), format!("❌ Срок действия инвайт кода истёк{advice}"));
    assert_eq!(refusal(InviteError::UsedUp), format!("❌ Инвайт код уже использован{advice}"));
    assert_eq!(refusal(InviteError::Revoked), format!("❌ Инвайт код отозван{advice}"));
    let active = Active { tier: Tier::Premium, until: Some("22.12.2026".to_owned()) };
    assert_eq!(
        ru().refusal(InviteError::AlreadyUsedByYou, Some(&active)).unwrap(),
        "ℹ️ Вы уже использовали этот код\n\n💎 Сейчас активна подписка: Premium до 22.12.2026"
    );
}

#[test]
fn the_other_cases_begin_as_the_specification_says() {
    let cancelled = |reason| (ru().login_cancelled)(reason, BeganWith::Invite, None);
    for (text, expected) in [
        ((ru().blocked)(None), "⛔ Доступ заблокирован"),
        ((ru().too_many_tries)(7), "⏳ Слишком много попыток\n\nПопробуйте снова через 7 минут"),
        ((ru().authorized)(Some(Tier::Premium)), "✅ Авторизация успешна!\n\n🎁 Подписка: Premium"),
        ((ru().login_expired)(BeganWith::Invite), "⏰ Время входа истекло\n\n"),
        (cancelled(CancelReason::Person), "🚫 Вход отменён\n\n"),
        (cancelled(CancelReason::NewerLogin), "🔁 Начат новый вход, этот отменён\n\n"),
        (cancelled(CancelReason::Blocked), "⛔ Доступ заблокирован"),
        (
            (ru().login_rejected)(Some(BeganWith::Invite)),
            "🚨 Вход подтвердил другой аккаунт\n\nНичего не подключено.",
        ),
        (ru().no_subscription.to_owned(), "💎 У вас нет подписки\n\nЧтобы начать, отправьте /login КОД"),
    ] {
        assert!(text.starts_with(expected), "{text}");
    }
    assert_eq!((ru().blocked)(Some("@support")), "⛔ Доступ заблокирован\n\nПоддержка: @support");
}

#[test]
fn what_is_left_counts_the_day_and_the_minute_that_have_begun() {
    let now = at("2026-11-22T10:00:00Z");
    assert_eq!(days_left(now, at("2026-12-22T10:00:00Z")), 30);
    assert_eq!(days_left(now, at("2026-12-22T09:59:59.5Z")), 30);
    assert_eq!(days_left(now, at("2026-11-22T10:00:00.001Z")), 1);
    assert_eq!(days_left(now, at("2026-11-01T00:00:00Z")), 0);
    assert_eq!(minutes_left(now, at("2026-11-22T10:06:01Z")), 7);
    assert_eq!(minutes_left(now, now), 1);
}

#[test]
fn days_are_those_of_the_display_time_zone() {
    let moscow = TimeZone::get("Europe/Moscow").unwrap();
    assert_eq!(day(at("2026-11-22T21:30:00Z"), &moscow), "23.11.2026");
    assert_eq!(moment(at("2026-11-22T21:30:00Z"), &moscow), "23.11 00:30");
    assert_eq!(zone_name(at("2026-11-22T21:30:00Z"), &moscow), "MSK");
}
