//! `/start`, and the chapters of `/help`.

use crate::Styled;

/// One language.
pub struct HelpTexts {
    pub start: fn(&About<'_>) -> Styled,
    pub chapter: fn(Chapter, &About<'_>) -> Styled,
    /// The name of a chapter, on its button.
    pub title: fn(Chapter) -> &'static str,
}

/// What the help tells about the service.
pub struct About<'a> {
    /// The name of the linked session in Telegram's list of devices.
    pub device_name: &'a str,
    pub first_name: &'a str,
}

/// A chapter of the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chapter {
    /// What `/help` begins with.
    Overview,
    Access,
    Safety,
    Commands,
    Admins,
}

impl Chapter {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Overview, Self::Access, Self::Safety, Self::Commands, Self::Admins];

    /// Its name in the data of a button: stored in chats, never changes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Access => "access",
            Self::Safety => "safety",
            Self::Commands => "commands",
            Self::Admins => "admins",
        }
    }

    /// The chapter of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chapter| chapter.name() == name)
    }
}

pub(super) const RU: HelpTexts = HelpTexts {
    start: |about| {
        let About { device_name, first_name } = about;
        Styled::new(format!(
            "👋 Здравствуйте, {first_name}!\n\n\
             Я подключаю аккаунт Telegram к сервису. Сервис станет новым устройством «{device_name}»: сможет читать \
             ваши чаты и действовать от вашего имени. Отключить его можно в любой момент: /logout\n\n\
             ▶️ Чтобы начать, пришлите инвайт код: его выдаёт администратор.\n\n\
             Подробнее: /help"
        ))
    },
    chapter: chapter_ru,
    title: |chapter| match chapter {
        Chapter::Overview => "← Назад",
        Chapter::Access => "🔓 Доступ и отключение",
        Chapter::Safety => "🛡 Безопасность",
        Chapter::Commands => "⌨️ Команды",
        Chapter::Admins => "🛠 Администратору",
    },
};

fn chapter_ru(chapter: Chapter, about: &About<'_>) -> Styled {
    let About { device_name: device, first_name } = about;
    match chapter {
        Chapter::Overview => Styled::new(format!(
            "👋 Здравствуйте, {first_name}!\n\n\
             Я подключаю ваш аккаунт Telegram к сервису: по инвайт коду вы входите через QR код, и у вас начинается \
             подписка.\n\n\
             🔓 Какой доступ получит сервис\n\
             Он подключится как новое устройство «{device}»: сможет читать чаты и каналы и действовать от вашего \
             имени. Облачный пароль он не получает.\n\n\
             🔌 Как отключить\n\
             В любой момент: /logout или Telegram → Настройки → Устройства → «{device}» → Завершить сеанс.\n\n\
             ▶️ Что дальше\n\
             Получите у администратора инвайт код и пришлите его сюда: сам по себе или как /login КОД"
        ))
        .bold("🔓 Какой доступ получит сервис")
        .bold("🔌 Как отключить")
        .bold("▶️ Что дальше"),
        Chapter::Access => Styled::new(format!(
            "🔓 Доступ и отключение\n\n\
             Что сервис сможет\n\
             \u{20} • читать ваши чаты и каналы\n\
             \u{20} • писать и действовать от вашего имени\n\n\
             Чего он не сможет\n\
             \u{20} • узнать ваш облачный пароль\n\
             \u{20} • завершать другие сеансы в первые сутки\n\n\
             Как отключить\n\
             \u{20} • здесь: /logout\n\
             \u{20} • в Telegram: Настройки → Устройства → «{device}» → Завершить сеанс\n\n\
             Как стереть всё, что мы о вас знаем: /forget"
        ))
        .bold("Что сервис сможет")
        .bold("Чего он не сможет")
        .bold("Как отключить"),
        Chapter::Safety => {
            let warning = "Никогда не сканируйте чужие QR коды входа и не пересылайте свои: кто подтвердит такой код, \
                           тот отдаст доступ к своему аккаунту.";
            Styled::new(format!(
                "🛡 Безопасность\n\n\
                 {warning}\n\n\
                 После входа Telegram спросит, вы ли это. Ответьте «Да, это я», иначе он отключит сервис.\n\n\
                 Telegram внимательно следит за входами через сторонние приложения. Подключайте аккаунт, которым \
                 давно пользуетесь, а не новый и не на виртуальном номере. Не отключайте двухэтапную \
                 аутентификацию.\n\n\
                 Если Telegram ограничил аккаунт, напишите на recover@telegram.org"
            ))
            .quote(warning)
        }
        Chapter::Commands => Styled::new(
            "⌨️ Команды\n\n\
             /login — войти по инвайт коду\n\
             /subscription — моя подписка\n\
             /me — что о вас известно\n\
             /cancel — отменить начатый вход\n\
             /logout — отключить аккаунт\n\
             /forget — забыть меня\n\
             /help — эта справка",
        ),
        Chapter::Admins => Styled::new(
            "🛠 Администратору\n\n\
             /admin — открыть приложение администраторов\n\
             /admin_invite [TIER ДНЕЙ РАЗ] — создать инвайт код\n\
             /admin_users [ЗАПРОС] — список людей, поиск\n\
             /admin_user ID — всё об одном человеке\n\
             /admin_grant ID TIER [ДНЕЙ] — выдать подписку\n\
             /admin_block ID, /admin_unblock ID — закрыть и открыть доступ\n\
             /admin_role ID ROLE — роль: user, admin, auditor\n\
             /admin_stats — статистика\n\
             /debug_status ID, /debug_reset ID — состояние и сброс\n\
             /debug_test_phone +7… — проверить номер\n\n\
             ID — это Telegram ID, @username или ID аккаунта.",
        ),
    }
}

pub(super) const EN: HelpTexts = HelpTexts {
    start: |about| {
        let About { device_name, first_name } = about;
        Styled::new(format!(
            "👋 Hello, {first_name}!\n\n\
             I link your Telegram account to a service. The service becomes a new device, “{device_name}”: it can read \
             your chats and act in your name. You can disconnect it at any time: /logout\n\n\
             ▶️ To begin, send me your invite code. The admin hands the codes out.\n\n\
             More: /help"
        ))
    },
    chapter: chapter_en,
    title: |chapter| match chapter {
        Chapter::Overview => "← Back",
        Chapter::Access => "🔓 Access and how to end it",
        Chapter::Safety => "🛡 Staying safe",
        Chapter::Commands => "⌨️ Commands",
        Chapter::Admins => "🛠 For admins",
    },
};

fn chapter_en(chapter: Chapter, about: &About<'_>) -> Styled {
    let About { device_name: device, first_name } = about;
    match chapter {
        Chapter::Overview => Styled::new(format!(
            "👋 Hello, {first_name}!\n\n\
             I link your Telegram account to a service: with an invite code you log in through a QR code, and your \
             subscription begins.\n\n\
             🔓 What the service can access\n\
             It joins your account as a new device, “{device}”: it can read chats and channels and act in your name. \
             It does not get your cloud password.\n\n\
             🔌 How to end it\n\
             At any time: /logout, or Telegram → Settings → Devices → “{device}” → Terminate session.\n\n\
             ▶️ What next\n\
             Get an invite code from the admin and send it here, on its own or as /login CODE"
        ))
        .bold("🔓 What the service can access")
        .bold("🔌 How to end it")
        .bold("▶️ What next"),
        Chapter::Access => Styled::new(format!(
            "🔓 Access and how to end it\n\n\
             What the service can do\n\
             \u{20} • read your chats and channels\n\
             \u{20} • write and act in your name\n\n\
             What it cannot do\n\
             \u{20} • learn your cloud password\n\
             \u{20} • end your other sessions during the first day\n\n\
             How to end it\n\
             \u{20} • here: /logout\n\
             \u{20} • in Telegram: Settings → Devices → “{device}” → Terminate session\n\n\
             To erase everything we know about you: /forget"
        ))
        .bold("What the service can do")
        .bold("What it cannot do")
        .bold("How to end it"),
        Chapter::Safety => {
            let warning = "Never scan other people's login QR codes, and never forward yours: a person who confirms \
                           such a code hands over access to their account.";
            Styled::new(format!(
                "🛡 Staying safe\n\n\
                 {warning}\n\n\
                 After the login Telegram asks whether it was you. Answer “Yes, it's me”, or it disconnects the \
                 service.\n\n\
                 Telegram keeps a close eye on logins by unofficial apps. Link an account that you have used for a \
                 while, not a new one or one on a virtual number. Keep two-step verification on.\n\n\
                 If Telegram has limited your account, write to recover@telegram.org"
            ))
            .quote(warning)
        }
        Chapter::Commands => Styled::new(
            "⌨️ Commands\n\n\
             /login — log in with an invite code\n\
             /subscription — my subscription\n\
             /me — what we know about you\n\
             /cancel — cancel a login in progress\n\
             /logout — disconnect the account\n\
             /forget — forget me\n\
             /help — this help",
        ),
        Chapter::Admins => Styled::new(
            "🛠 For admins\n\n\
             /admin — open the admins' app\n\
             /admin_invite [TIER DAYS USES] — create an invite code\n\
             /admin_users [QUERY] — list or find people\n\
             /admin_user ID — everything about one person\n\
             /admin_grant ID TIER [DAYS] — grant a subscription\n\
             /admin_block ID, /admin_unblock ID — close and open access\n\
             /admin_role ID ROLE — role: user, admin, auditor\n\
             /admin_stats — statistics\n\
             /debug_status ID, /debug_reset ID — status and reset\n\
             /debug_test_phone +7… — check a phone number\n\n\
             An ID is a Telegram ID, a @username or an account ID.",
        ),
    }
}
