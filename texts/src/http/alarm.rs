//! What an admin has to repair, as the admins' app tells it.

use crate::Language;
use crate::chat::plural::{counted_en, counted_ru};

/// Something that does not work as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// No process gives positions and projects.
    NobodyLeads,
    /// An event has waited for a view for so long.
    Behind {
        /// How long.
        seconds: i64,
    },
    /// Pages show logins as they stood a while ago.
    LiveLogins,
    /// The bot cannot speak.
    TokenRefused,
    /// Rows of views, or events of the reactor, stand still.
    Parked {
        /// How many.
        count: i64,
    },
    /// Updates of the bot that could not be read or stored.
    RefusedUpdates {
        /// How many.
        count: i64,
    },
}

impl Alarm {
    /// A word for programs.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::NobodyLeads => "nobody_leads",
            Self::Behind { .. } => "behind",
            Self::LiveLogins => "live_logins",
            Self::TokenRefused => "token_refused",
            Self::Parked { .. } => "parked",
            Self::RefusedUpdates { .. } => "refused_updates",
        }
    }

    /// A sentence for people.
    pub fn say(self, language: Language) -> String {
        match language {
            Language::Russian => self.in_russian(),
            Language::English => self.in_english(),
        }
    }

    fn in_russian(self) -> String {
        match self {
            Self::NobodyLeads => {
                "События не обрабатываются: не запущен ни один процесс с ролью projector.".to_owned()
            }
            Self::Behind { seconds } => format!("Данные отстают: одно из событий ждёт уже {seconds} с."),
            Self::LiveLogins => {
                "Страницы входа показывают устаревшее состояние: процесс не успевает за событиями.".to_owned()
            }
            Self::TokenRefused => {
                "Telegram не принимает токен бота. Проверьте BOT_TOKEN в @BotFather.".to_owned()
            }
            Self::Parked { count } => format!(
                "Не удалось обработать событие. Пока не учтено: {}.",
                counted_ru(count, ["запись", "записи", "записей"])
            ),
            Self::RefusedUpdates { count } => format!(
                "От Telegram пришло то, что не удалось прочитать или сохранить. Отложено: {}.",
                counted_ru(count, ["обновление", "обновления", "обновлений"])
            ),
        }
    }

    fn in_english(self) -> String {
        match self {
            Self::NobodyLeads => {
                "Events are not processed: no process with the role projector runs.".to_owned()
            }
            Self::Behind { seconds } => format!("The data is behind: an event has waited for {seconds} s."),
            Self::LiveLogins => {
                "Login pages show an old state: this process does not keep up with the events.".to_owned()
            }
            Self::TokenRefused => {
                "Telegram refuses the bot's token. Check BOT_TOKEN with @BotFather.".to_owned()
            }
            Self::Parked { count } => {
                format!("An event could not be processed. Parked: {}.", counted_en(count, "row"))
            }
            Self::RefusedUpdates { count } => format!(
                "Something from Telegram could not be read or stored. Put aside: {}.",
                counted_en(count, "update")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_says_in_both_languages_how_much_there_is() {
        let parked = Alarm::Parked { count: 2 };
        assert!(parked.say(Language::Russian).ends_with("Пока не учтено: 2 записи."));
        assert!(parked.say(Language::English).ends_with("Parked: 2 rows."));
        assert_eq!(parked.kind(), "parked");
    }
}
