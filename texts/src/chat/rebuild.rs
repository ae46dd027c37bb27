//! What the bot says to admins who have a view built again. People call a view a table.

use super::plural::{counted_en, counted_ru};

/// One language.
pub struct RebuildTexts {
    pub list: fn(&[RebuildLine<'_>]) -> String,
    /// There is no such view.
    pub unknown: fn(view: &str, views: &[&str]) -> String,
    pub question: fn(&RebuildQuestion<'_>) -> String,
    pub rebuild: &'static str,
    pub only_look: &'static str,
    pub decline: &'static str,
    pub declined: &'static str,
    pub stop: &'static str,
    /// How a rebuild stands.
    pub state: fn(&RebuildState<'_>) -> String,
}

/// A view in the list.
pub struct RebuildLine<'a> {
    pub view: &'a str,
    /// About how many rows it has.
    pub rows: i64,
    /// Events that it does not show yet.
    pub behind: i64,
    pub parked: i64,
    /// A rebuild of it waits or runs.
    pub is_rebuilt: bool,
}

/// Before a rebuild is ordered.
pub struct RebuildQuestion<'a> {
    pub view: &'a str,
    /// About how many rows it has.
    pub rows: i64,
    /// The events of the log.
    pub events: i64,
    /// How many a second were read the last time.
    pub events_per_second: Option<i64>,
}

/// A rebuild, or a look at what one would change.
pub struct RebuildState<'a> {
    pub view: &'a str,
    pub dry_run: bool,
    pub step: RebuildStep<'a>,
}

/// How far it is.
pub enum RebuildStep<'a> {
    Waiting,
    Reading {
        position: i64,
        end: i64,
        events_per_second: i64,
    },
    /// The log is read.
    Writing,
    Done {
        rows: i64,
        differ: i64,
        missing: i64,
        extra: i64,
    },
    Failed(&'a str),
    Cancelled,
}

pub(super) const RU: RebuildTexts = RebuildTexts {
    list: |lines| {
        let line = |it: &RebuildLine<'_>| {
            let mut text = format!("• {}: {}", it.view, rows_ru(it.rows));
            if it.behind > 0 {
                text += &format!(", отстаёт на {}", events_ru(it.behind));
            }
            if it.parked > 0 {
                text += &format!(", не учтено: {}", it.parked);
            }
            if it.is_rebuilt {
                text += ", пересобирается";
            }
            text
        };
        let lines: Vec<String> = lines.iter().map(line).collect();
        format!("🧱 Какую таблицу пересобрать?\n\n{}", lines.join("\n"))
    },
    unknown: |view, views| {
        format!("❌ Нет таблицы {view}\n\n/admin_rebuild ТАБЛИЦА\n\nЕсть {}.", views.join(", "))
    },
    question: |it| {
        let last =
            it.events_per_second.map(|speed| format!(" В прошлый раз: {} в секунду.", events_ru(speed)));
        format!(
            "🧱 Пересобрать таблицу {}?\n\nНовая таблица будет собрана из журнала рядом с действующей и заменит её. \
             Пока она собирается, все читают прежнюю, и никто не увидит ошибки.\n\nВ таблице {}, в журнале {}.{}",
            it.view,
            rows_ru(it.rows),
            events_ru(it.events),
            last.unwrap_or_default()
        )
    },
    rebuild: "🧱 Пересобрать",
    only_look: "🔍 Только проверить",
    decline: "Не нужно",
    declined: "👌 Таблица остаётся прежней",
    stop: "⏹ Остановить",
    state: |it| {
        let (view, name) = (it.view, if it.dry_run { "Проверка" } else { "Пересборка" });
        match it.step {
            RebuildStep::Waiting => format!("🧱 {name} таблицы {view}\n\nВ очереди, скоро начнётся."),
            RebuildStep::Reading { position, end, events_per_second } => format!(
                "🧱 {name} таблицы {view}\n\n{}\nПрочитано событий: {position} из {end}, {events_per_second} в секунду.",
                bar(position, end),
            ),
            RebuildStep::Writing => {
                format!("🧱 {name} таблицы {view}\n\nЖурнал прочитан, осталось сверить таблицы.")
            }
            RebuildStep::Done { rows, differ, missing, extra } => {
                let title = match it.dry_run {
                    true => format!("🔍 Таблица {view} проверена, ничего не изменено"),
                    false => format!("✅ Таблица {view} пересобрана"),
                };
                let found = match differ {
                    0 => format!("По журналу в ней {}, все совпали.", rows_ru(rows)),
                    _ => format!(
                        "По журналу в ней {}. Отличалось: {differ} (не хватало {missing}, лишних {extra}).",
                        rows_ru(rows)
                    ),
                };
                format!("{title}\n\n{found}")
            }
            RebuildStep::Failed(why) => {
                format!("❌ {name} таблицы {view} не удалась\n\n{why}\n\nТаблица осталась прежней.")
            }
            RebuildStep::Cancelled => {
                format!("🚫 {name} таблицы {view} остановлена\n\nТаблица осталась прежней.")
            }
        }
    },
};

pub(super) const EN: RebuildTexts = RebuildTexts {
    list: |lines| {
        let line = |it: &RebuildLine<'_>| {
            let mut text = format!("• {}: {}", it.view, counted_en(it.rows, "row"));
            if it.behind > 0 {
                text += &format!(", {} behind", counted_en(it.behind, "event"));
            }
            if it.parked > 0 {
                text += &format!(", {} parked", it.parked);
            }
            if it.is_rebuilt {
                text += ", being rebuilt";
            }
            text
        };
        let lines: Vec<String> = lines.iter().map(line).collect();
        format!("🧱 Which table should I rebuild?\n\n{}", lines.join("\n"))
    },
    unknown: |view, views| {
        format!("❌ There is no table {view}\n\n/admin_rebuild TABLE\n\nThere are {}.", views.join(", "))
    },
    question: |it| {
        let last =
            it.events_per_second.map(|speed| format!(" Last time: {} a second.", counted_en(speed, "event")));
        format!(
            "🧱 Rebuild the table {}?\n\nA new table is built from the log beside the live one and takes its place. Until \
             then everybody reads the old one, and nobody sees an error.\n\nThe table has {}, the log {}.{}",
            it.view,
            counted_en(it.rows, "row"),
            counted_en(it.events, "event"),
            last.unwrap_or_default()
        )
    },
    rebuild: "🧱 Rebuild",
    only_look: "🔍 Only check",
    decline: "No, leave it",
    declined: "👌 The table stays as it is",
    stop: "⏹ Stop",
    state: |it| {
        let (view, name) = (it.view, if it.dry_run { "Check" } else { "Rebuild" });
        match it.step {
            RebuildStep::Waiting => format!("🧱 {name} of the table {view}\n\nQueued, it begins soon."),
            RebuildStep::Reading { position, end, events_per_second } => format!(
                "🧱 {name} of the table {view}\n\n{}\nRead {position} of {}, {events_per_second} a second.",
                bar(position, end),
                counted_en(end, "event"),
            ),
            RebuildStep::Writing => {
                format!("🧱 {name} of the table {view}\n\nThe log is read, the tables are being compared.")
            }
            RebuildStep::Done { rows, differ, missing, extra } => {
                let title = match it.dry_run {
                    true => format!("🔍 Checked the table {view}, nothing was changed"),
                    false => format!("✅ Rebuilt the table {view}"),
                };
                let rows = counted_en(rows, "row");
                let found = match differ {
                    0 => format!("The log makes {rows}, and all were the same."),
                    _ => format!(
                        "The log makes {rows}. {differ} differed ({missing} missing, {extra} that should not be there)."
                    ),
                };
                format!("{title}\n\n{found}")
            }
            RebuildStep::Failed(why) => {
                format!("❌ {name} of the table {view} failed\n\n{why}\n\nThe table is as it was.")
            }
            RebuildStep::Cancelled => {
                format!("🚫 {name} of the table {view} stopped\n\nThe table is as it was.")
            }
        }
    },
};

fn rows_ru(count: i64) -> String {
    counted_ru(count, ["запись", "записи", "записей"])
}

fn events_ru(count: i64) -> String {
    counted_ru(count, ["событие", "события", "событий"])
}

/// `▓▓▓▓░░░░░░ 40 %`
fn bar(position: i64, end: i64) -> String {
    let percent = (100 * position).checked_div(end).unwrap_or(100).clamp(0, 100);
    let full = usize::try_from(percent / 10).unwrap_or_default();
    format!("{}{} {percent} %", "▓".repeat(full), "░".repeat(10 - full))
}
