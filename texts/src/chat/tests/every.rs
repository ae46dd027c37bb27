//! Every text of both languages in its place: it fits, it is whole, and its numbers have their words.

use super::everything::everything;
use super::*;

#[test]
fn every_text_fits_its_place_and_loses_nothing_there() {
    for language in Language::ALL {
        for (place, room, text) in everything(language).all() {
            assert!(!text.is_empty() && text.chars().count() <= room, "{language:?} {place}: {text}");
            assert_eq!(text.trim(), text, "Telegram cuts white space off");
            assert!(!text.contains(" \n") && !text.contains("\n\n\n"), "{text}");
            assert!(!text.contains('{') && !text.contains('}'), "a value is missing: {text}");
        }
    }
}

#[test]
fn the_profile_fits_into_telegrams_limits() {
    for language in Language::ALL {
        let texts = language.texts();
        assert!(texts.description.chars().count() <= 512);
        assert!(texts.short_description.chars().count() <= 120, "{}", texts.short_description);
    }
}

#[test]
fn each_language_is_written_in_its_own_letters() {
    let is_cyrillic = |c: char| ('\u{400}'..='\u{4ff}').contains(&c);
    for (_, _, text) in everything(Language::English).all() {
        assert!(!text.contains(is_cyrillic), "{text}");
    }
    let mut of_messages = everything(Language::Russian).messages;
    of_messages.retain(|text| text.chars().any(char::is_alphabetic));
    for text in of_messages {
        assert!(text.contains(is_cyrillic), "{text}");
    }
}

/// A number and the noun after it: `21 дней` and `1 minutes` are wrong wherever they stand.
#[test]
fn every_number_takes_its_form() {
    let one = [
        "день",
        "минута",
        "минуту",
        "попытка",
        "человек",
        "запись",
        "событие",
        "обновление",
        "использование",
    ];
    let few = ["дня", "минуты", "попытки", "человека", "записи", "события", "обновления", "использования"];
    let many = ["дней", "минут", "попыток", "человек", "записей", "событий", "обновлений", "использований"];
    let mut checked = 0;
    for (_, _, text) in everything(Language::Russian).all() {
        let words: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|it| !it.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u32>() else { continue };
            let word = pair[1];
            if !(one.contains(&word) || few.contains(&word) || many.contains(&word)) {
                continue;
            }
            checked += 1;
            let forms: &[&str] = match (number % 10, number % 100) {
                (_, 11..=14) => &many,
                (1, _) => &one,
                (2..=4, _) => &few,
                _ => &many,
            };
            assert!(forms.contains(&word), "{number} {word} in {text}");
        }
    }
    assert!(checked > 100, "{checked}");
    for (_, _, text) in everything(Language::English).all() {
        for noun in
            ["day", "minute", "use", "update", "row", "event", "person", "tries", "people", "invite code"]
        {
            let is_plural = ["tries", "people"].contains(&noun);
            let wrong = if is_plural { format!("1 {noun}") } else { format!("1 {noun}s") };
            let alone = |found: &str| {
                text.match_indices(found).any(|(at, _)| !text[..at].ends_with(|c: char| c.is_ascii_digit()))
            };
            assert!(!alone(&wrong), "{wrong} in {text}");
        }
    }
}

/// What the texts once said, and nobody says.
#[test]
fn no_text_says_what_nobody_says() {
    let never = [
        "Людей: ",
        "Стоят на месте",
        "выходить не из чего",
        "Человеку об этом скажут",
        "Безлимитная",
        "безлимитная",
        "How it stands",
        "What is known of you",
        "we shall meet anew",
        "Trying a number",
        "start anew",
        " is to be ",
    ];
    for language in Language::ALL {
        for (_, _, text) in everything(language).all() {
            let said = never.iter().find(|words| text.contains(**words));
            assert_eq!(said, None, "{text}");
        }
    }
}
