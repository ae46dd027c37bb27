//! What the HTTP API says to people: Russian, English for a language other than ru; none given: Russian.

use domain::invite::InviteError;
use domain::login::{CancelReason, FailReason, Refusal};

use crate::Language;

mod alarm;

pub use alarm::Alarm;

/// Every sentence of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the sentences below say it")]
pub enum Text {
    OpenFromChat,
    LaunchDataStale,
    NotYours,
    SessionUnknown,
    NoQr,
    BadRequest,
    NotFound,
    Internal,
    Unavailable,
    TooManyRequests,
    WrongSecret,
    Blocked,
    Support,
    RetryAuthorized,
    TooManyTries { wait_minutes: i64 },
    Invite(InviteError),
    Expired,
    Cancelled { reason: CancelReason, with_invite: bool },
    Rejected,
    Failed(FailReason),
    PasswordWrong,
    PasswordStale,
    Refused(Refusal),
    NoPasswordAsked,
    NoCodeAsked,
    BadPhone,
    ContactUnsigned,
    ContactOfAnother,
    NumberNotTyped,
    BadCode,
    CodeLimit,
    CodeLimitWithoutQr,
    CodeLost,
    NoCodeWithoutQr,
    CodeSoon { wait_seconds: i64 },
    OnePhoneOff,
    LaunchUsed,
    AdminSessionOver,
    AdminsOnly,
    RebuildRuns,
    RebuildUnknown,
    ViewUnknown,
    NothingParked,
    AuditorsOnly,
    PersonUnknown,
    InviteUnknown,
    LastAdmin,
    NamedInSettings,
    NotKnown,
    SessionElsewhere,
    YouAreLastAdmin,
    RangeTooLong,
    WebhookUnknown,
    DeliveryUnknown,
    WebhookAddress,
    WebhookNotPublic,
    WebhooksTooMany,
    WebhookBusy,
}

impl Text {
    /// The sentence.
    pub fn say(self, language: Language) -> String {
        let (ru, en) = match self {
            Self::TooManyTries { wait_minutes } => {
                return match language {
                    Language::Russian => {
                        format!("⏳ Слишком много попыток. Попробуйте через {wait_minutes} мин.")
                    }
                    Language::English => format!("⏳ Too many tries. Try again in {wait_minutes} min."),
                };
            }
            Self::CodeSoon { wait_seconds } => {
                return match language {
                    Language::Russian => {
                        format!("⏳ Новый код можно запросить через {wait_seconds} с.")
                    }
                    Language::English => format!("⏳ Another code can be sent in {wait_seconds} s."),
                };
            }
            Self::OpenFromChat => (
                "Откройте эту страницу кнопкой из чата с ботом: так Telegram подтвердит, что это вы.",
                "Open this page with the button in the chat with the bot, so that Telegram can confirm it’s you.",
            ),
            Self::LaunchDataStale => (
                "Страница открыта слишком давно. Закройте её и откройте заново кнопкой из чата с ботом.",
                "This page was opened too long ago. Close it and open it again with the button in the chat with the bot.",
            ),
            Self::NotYours => (
                "Этот вход начал другой человек. Отправьте боту /login, чтобы начать свой.",
                "Somebody else started this login. Send /login to the bot to start your own.",
            ),
            Self::SessionUnknown => (
                "❌ Сессия не найдена. Отправьте боту /login, чтобы начать новый вход.",
                "❌ Session not found. Send /login to the bot to start a new login.",
            ),
            Self::NoQr => (
                "QR кода сейчас нет: вход завершён или код ещё не готов.",
                "There is no QR code right now: the login has ended, or the code isn’t ready yet.",
            ),
            Self::BadRequest => ("Запрос составлен неверно.", "The request is malformed."),
            Self::NotFound => ("Здесь ничего нет.", "There is nothing here."),
            Self::Internal => (
                "У нас что-то сломалось. Попробуйте ещё раз через минуту.",
                "Something broke on our side. Try again in a minute.",
            ),
            Self::Unavailable => (
                "Сервис ненадолго недоступен. Попробуйте ещё раз через несколько секунд.",
                "The service is unavailable for a moment. Try again in a few seconds.",
            ),
            Self::TooManyRequests => (
                "⏳ Слишком много запросов. Попробуйте ещё раз через несколько секунд.",
                "⏳ Too many requests. Try again in a few seconds.",
            ),
            Self::WrongSecret => {
                ("Секрет вебхука не указан или неверен.", "The webhook's secret is missing or wrong.")
            }
            Self::Blocked => ("⛔ Доступ заблокирован", "⛔ Access is blocked"),
            Self::Support => ("Поддержка: {}", "Support: {}"),
            Self::RetryAuthorized => ("Этот вход уже завершён успешно.", "This login has already succeeded."),
            Self::Invite(InviteError::Unknown | InviteError::NoUses) => {
                ("❌ Инвайт код не найден", "❌ Invite code not found")
            }
            Self::Invite(InviteError::Expired) => (
                "❌ Срок действия инвайт кода истёк. Обратитесь к администратору за новым кодом",
                "❌ The invite code has expired. Ask the administrator for a new one",
            ),
            Self::Invite(InviteError::UsedUp | InviteError::NotReserved) => (
                "❌ Инвайт код уже использован. Обратитесь к администратору за новым кодом",
                "❌ The invite code is used up. Ask the administrator for a new one",
            ),
            Self::Invite(InviteError::Revoked) => (
                "❌ Инвайт код отозван. Обратитесь к администратору за новым кодом",
                "❌ The invite code was revoked. Ask the administrator for a new one",
            ),
            Self::Invite(InviteError::AlreadyUsedByYou) => {
                ("ℹ️ Вы уже использовали этот код", "ℹ️ You have already used this code")
            }
            Self::Expired => (
                "⏰ Время входа истекло. Нажмите «Попробовать снова» или отправьте боту /login.",
                "⏰ The time to log in is over. Press “Try again” or send /login to the bot.",
            ),
            Self::Cancelled { reason: CancelReason::Person, with_invite: true } => (
                "🚫 Вход отменён. Ничего не подключено, инвайт код не потрачен.",
                "🚫 Login cancelled. Nothing was linked, and the invite code can still be used.",
            ),
            Self::Cancelled { reason: CancelReason::Person, with_invite: false } => {
                ("🚫 Вход отменён. Ничего не подключено.", "🚫 Login cancelled. Nothing was linked.")
            }
            Self::Cancelled { reason: CancelReason::NewerLogin, .. } => (
                "🔁 Начат новый вход, этот отменён. Нажмите последнюю кнопку в чате с ботом.",
                "🔁 A newer login was started, so this one is cancelled. Press the latest button in the chat with the bot.",
            ),
            Self::Cancelled { reason: CancelReason::Blocked, .. } => {
                ("⛔ Доступ заблокирован", "⛔ Access is blocked")
            }
            Self::Cancelled { reason: CancelReason::Erased, .. } => (
                "🚫 Вход отменён: данные аккаунта удалены.",
                "🚫 Login cancelled: the account's data was erased.",
            ),
            Self::Rejected => (
                "🚨 Вход подтвердил другой аккаунт. Ничего не подключено. Никогда не сканируйте и не пересылайте чужие коды входа.",
                "🚨 Another account confirmed the login. Nothing was linked. Never scan other people’s login codes, and never forward yours.",
            ),
            Self::Failed(FailReason::TelegramUnreachable) => (
                "Telegram не отвечал до конца входа. Попробуйте снова чуть позже.",
                "Telegram did not answer in time. Try again a little later.",
            ),
            Self::Failed(FailReason::FloodWait) => (
                "Telegram просит подождать: слишком много запросов. Попробуйте снова позже.",
                "Telegram asks us to wait: too many requests. Try again later.",
            ),
            Self::Failed(FailReason::NotRegistered) => (
                "На этом номере нет аккаунта Telegram. Проверьте номер и попробуйте снова.",
                "There is no Telegram account with this number. Check it and try again.",
            ),
            Self::Failed(FailReason::SessionLost) => (
                "Telegram закрыл сессию во время входа. Попробуйте снова.",
                "Telegram ended the session during the login. Try again.",
            ),
            Self::Failed(FailReason::InviteGone) => (
                "Инвайт код больше не закреплён за этим входом. Отправьте боту /login с кодом.",
                "The invite code is no longer reserved for this login. Send /login with the code to the bot.",
            ),
            Self::Failed(FailReason::Internal) => {
                ("У нас что-то сломалось. Попробуйте снова.", "Something broke on our side. Try again.")
            }
            Self::PasswordWrong => ("❌ Неверный пароль", "❌ Wrong password"),
            Self::PasswordStale => (
                "Пароль не был проверен: запрос Telegram устарел. Введите пароль ещё раз.",
                "The password was not checked: Telegram’s request had expired. Enter the password once more.",
            ),
            Self::Refused(Refusal::Wrong) => ("❌ Неверный код", "❌ Wrong code"),
            Self::Refused(Refusal::Stale) => {
                ("❌ Код устарел. Запросите новый.", "❌ The code has expired. Ask for a new one.")
            }
            Self::Refused(Refusal::NumberInvalid) => (
                "❌ Telegram не знает такого номера. Проверьте номер и код страны.",
                "❌ Telegram doesn’t know this number. Check it and the country code.",
            ),
            Self::Refused(Refusal::NoCode) => (
                "❌ Telegram не присылает на этот номер код из цифр. Войдите по QR коду.",
                "❌ Telegram doesn’t send a code of digits to this number. Log in with the QR code.",
            ),
            Self::Refused(Refusal::NumberBanned) => {
                ("❌ Этот номер заблокирован в Telegram.", "❌ This number is banned from Telegram.")
            }
            Self::Refused(Refusal::TooMany) => (
                "⏳ Telegram просит подождать: слишком много попыток. Попробуйте позже.",
                "⏳ Telegram asks you to wait: too many tries. Try again later.",
            ),
            Self::Refused(Refusal::Unclear) => {
                ("Telegram не ответил. Попробуйте ещё раз.", "Telegram did not answer. Try again.")
            }
            Self::NoPasswordAsked => ("Пароль сейчас не нужен.", "No password is needed right now."),
            Self::NoCodeAsked => ("Код сейчас не нужен.", "No code is needed right now."),
            Self::BadPhone => (
                "Введите номер в международном формате: + и от 7 до 15 цифр.",
                "Enter the number in the international format: + and 7 to 15 digits.",
            ),
            Self::ContactUnsigned => (
                "Telegram не подтвердил этот номер. Поделитесь номером ещё раз.",
                "Telegram has not confirmed this number. Share it once more.",
            ),
            Self::ContactOfAnother => (
                "Это номер другого аккаунта. Нужен номер, на который зарегистрирован ваш Telegram.",
                "This number belongs to another account. Use the number of your own Telegram.",
            ),
            Self::NumberNotTyped => (
                "Номер нельзя ввести вручную: поделитесь своим номером кнопкой на этой странице.",
                "The number can’t be typed here: share your own with the button on this page.",
            ),
            Self::BadCode => ("Введите цифры кода.", "Enter the code's digits."),
            Self::CodeLimit => (
                "⏳ Слишком много кодов. Войдите по QR коду или попробуйте позже.",
                "⏳ Too many codes. Log in with the QR code or try again later.",
            ),
            Self::CodeLimitWithoutQr => (
                "⏳ Слишком много кодов. Введите последний код или отмените вход, начните его снова и подтвердите по QR коду.",
                "⏳ Too many codes. Enter the last code, or cancel the login, start it again and confirm it with the QR code.",
            ),
            Self::CodeLost => (
                "❌ Присланный код входа больше не действует. Отсканируйте QR код или запросите новый код.",
                "❌ The login code you got no longer works. Scan the QR code or ask for a new code.",
            ),
            Self::NoCodeWithoutQr => (
                "❌ Telegram не присылает на этот номер код из цифр. Введите последний код или отмените вход, начните его снова и подтвердите по QR коду.",
                "❌ Telegram doesn’t send a code of digits to this number. Enter the last code, or cancel the login, start it again and confirm it with the QR code.",
            ),
            Self::OnePhoneOff => ("Вход по коду выключен.", "Logging in by code is switched off."),
            Self::LaunchUsed => (
                "Эта страница уже открывала сеанс. Закройте её и откройте заново кнопкой из чата с ботом.",
                "This page has already started a session. Close it and open it again with the button in the chat with the bot.",
            ),
            Self::AdminSessionOver => (
                "Сеанс закончился. Закройте страницу и откройте её заново кнопкой из чата с ботом.",
                "Your session is over. Close the page and open it again with the button in the chat with the bot.",
            ),
            Self::AdminsOnly => ("⛔ Это доступно только администраторам.", "⛔ This is for admins only."),
            Self::RebuildRuns => (
                "⏳ Эта таблица уже пересобирается. Дождитесь конца или остановите пересборку.",
                "⏳ This table is already being rebuilt. Wait until that ends, or stop it.",
            ),
            Self::RebuildUnknown => ("Такой пересборки здесь нет.", "There is no rebuild here by this id."),
            Self::ViewUnknown => ("Такой таблицы здесь нет.", "There is no table here of this name."),
            Self::NothingParked => (
                "По этому ключу или по этой причине ничего не отложено.",
                "Nothing is parked by this key or for this cause.",
            ),
            Self::PersonUnknown => ("Такого человека здесь нет.", "There is nobody here by this id."),
            Self::InviteUnknown => ("Такого инвайта здесь нет.", "There is no invite here by this id."),
            Self::LastAdmin => (
                "⚠️ Это последний администратор. Сначала назначьте другого.",
                "⚠️ This is the last admin. Make another one first.",
            ),
            Self::NamedInSettings => {
                (language.texts().admin.named_in_settings, language.texts().admin.named_in_settings)
            }
            Self::RangeTooLong => (
                "Слишком длинный срок. Выберите дни или недели либо более короткий срок.",
                "This is too long. Choose days or weeks, or a shorter time.",
            ),
            Self::WebhookUnknown => ("Такого вебхука здесь нет.", "There is no webhook here by this id."),
            Self::DeliveryUnknown => (
                "У вебхука нет такого сообщения, или оно не отложено.",
                "The webhook has no such message, or it isn’t parked.",
            ),
            Self::WebhookAddress => (
                "Адрес должен начинаться с https:// и быть не длиннее 2000 символов, без имени, пароля и #.",
                "The address has to begin with https:// and have 2,000 characters at most, without a user, a password and #.",
            ),
            Self::WebhookNotPublic => (
                "Адрес ведёт во внутреннюю сеть. Нужен сервер, доступный из интернета.",
                "The address leads into a private network. It has to be a server that the internet can reach.",
            ),
            Self::WebhooksTooMany => (
                "Вебхуков уже 100. Сначала удалите один из них.",
                "There are 100 webhooks already. Delete one first.",
            ),
            Self::WebhookBusy => (
                "Секрет этого вебхука как раз меняют. Попробуйте через минуту.",
                "The secret of this webhook is being changed right now. Try again in a minute.",
            ),
            Self::AuditorsOnly => (
                "⛔ Это доступно только администраторам и аудиторам.",
                "⛔ This is for admins and auditors only.",
            ),
            Self::NotKnown => (
                "О вас здесь ничего не известно. Чтобы начать, напишите боту.",
                "Nothing is known about you here. To start, write to the bot.",
            ),
            Self::SessionElsewhere => (
                "Сессия передана другому сервису. Завершить её можно в Telegram: Настройки → Устройства.",
                "The session was handed over to another service. You can end it in Telegram: Settings → Devices.",
            ),
            Self::YouAreLastAdmin => (
                "Вы последний администратор: сначала назначьте другого.",
                "You are the last admin: make somebody else one first.",
            ),
        };
        match language {
            Language::Russian => ru,
            Language::English => en,
        }
        .to_owned()
    }
}
