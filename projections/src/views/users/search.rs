//! How names are spelled to be searched and sorted: ` ИВАН ilya @ilya_k` is stored as ` ICAN ilya @ilya-k`.
//!
//! PostgreSQL knows letters only where its locale does, and the private one has the locale C. So letters are folded here:
//!
//! - Latin letters become small ones without accents, digits stay.
//! - The Cyrillic letters become the 32 characters from `A` to `` ` ``, in the order of the alphabet, `ё` as `е`. So they are sorted
//!   rightly, and are letters to `pg_trgm` wherever they are letters of ASCII; the last six are not, and only make the index less sharp.
//! - All other letters become small ones and stay what they are. Where the locale is C, no index finds them.
//!
//! A space is before each word, so ` ab` finds the beginning of a word. `@` is before the username.

/// Letters with accents, and what they are folded to.
const ACCENTED: [(&str, &str); 22] = [
    ("àáâãäåāăą", "a"),
    ("çćĉċč", "c"),
    ("ďđð", "d"),
    ("èéêëēĕėęě", "e"),
    ("ĝğġģ", "g"),
    ("ĥħ", "h"),
    ("ìíîïĩīĭįı", "i"),
    ("ĵ", "j"),
    ("ķ", "k"),
    ("ĺļľŀł", "l"),
    ("ñńņň", "n"),
    ("òóôõöøōŏő", "o"),
    ("ŕŗř", "r"),
    ("śŝşšș", "s"),
    ("ţťŧț", "t"),
    ("ùúûüũūŭůűų", "u"),
    ("ŵ", "w"),
    ("ýÿŷ", "y"),
    ("źżž", "z"),
    ("æ", "ae"),
    ("œ", "oe"),
    ("ß", "ss"),
];

/// Letters of other Cyrillic alphabets, and the Russian ones that people write instead.
const CYRILLIC: [(&str, char); 9] = [
    ("ёєѐ", 'е'),
    ("іїѝ", 'и'),
    ("ґғѓ", 'г'),
    ("ўұүӯ", 'у'),
    ("қќ", 'к'),
    ("ңњ", 'н'),
    ("өӧ", 'о'),
    ("һҳ", 'х'),
    ("әӑ", 'а'),
];

/// The text of a person.
pub(super) fn text_of(first_name: Option<&str>, last_name: Option<&str>, username: Option<&str>) -> String {
    let mut text = String::with_capacity(48);
    for word in [first_name, last_name].into_iter().flatten().flat_map(|name| name.split_whitespace()) {
        text.push(' ');
        fold_into(word, &mut text);
    }
    if let Some(username) = username {
        text.push_str(" @");
        fold_into(username, &mut text);
    }
    text
}

/// A word as [`text_of`] spells it.
pub(super) fn folded(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    fold_into(word, &mut text);
    text
}

fn fold_into(word: &str, out: &mut String) {
    for letter in word.chars().flat_map(char::to_lowercase) {
        match letter {
            'а'..='я' => out.push(cyrillic(letter)),
            // They stand for Cyrillic letters.
            '['..='`' => out.push('-'),
            _ if letter.is_ascii_control() => {}
            _ if letter.is_ascii() => out.push(letter),
            _ => {
                let same = |letters: &str| letters.contains(letter);
                if let Some((_, plain)) = CYRILLIC.iter().find(|(letters, _)| same(letters)) {
                    out.push(cyrillic(*plain));
                } else if let Some((_, plain)) = ACCENTED.iter().find(|(letters, _)| same(letters)) {
                    out.push_str(plain);
                } else {
                    out.push(letter);
                }
            }
        }
    }
}

/// From `а` to `я`, as from `A` to `` ` ``.
fn cyrillic(letter: char) -> char {
    let place = u32::from(letter) - u32::from('а');
    char::from_u32(u32::from('A') + place).unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(first_name: &str, last_name: &str, username: &str) -> String {
        text_of(some(first_name), some(last_name), some(username))
    }

    fn some(text: &str) -> Option<&str> {
        (!text.is_empty()).then_some(text)
    }

    #[test]
    fn a_name_is_found_in_either_case_and_with_or_without_accents() {
        for (name, word) in [("ИВАН", "иван"), ("Алёна", "АЛЕНА"), ("José", "JOSE"), ("Олексій", "олексий")]
        {
            assert_eq!(text(name, "", ""), format!(" {}", folded(word)), "{name}");
        }
        assert_eq!(text("Ilya", "K.", "Ilya_K"), " ilya k. @ilya-k");
        assert_eq!(text("", "", ""), "");
        assert_eq!(text("  a\u{a0}b ", "", ""), " a b");
    }

    #[test]
    fn names_are_sorted_as_in_a_dictionary() {
        let sorted = ["Алла", "Ёлка", "Жанна", "Фёдор", "Щукин", "Эмма", "Юля", "Яна", "ann", "Bob", "Zoë"];
        let mut texts = sorted.map(|name| text(name, "", ""));
        let before = texts.clone();
        texts.sort();
        assert_eq!(texts, before);
    }

    #[test]
    fn a_letter_of_one_alphabet_is_no_letter_of_another() {
        let all: String = ('а'..='я').collect();
        let folded = folded(&all);
        assert_eq!(folded.len(), 32);
        assert!(folded.is_ascii() && !folded.contains(|letter: char| letter.is_ascii_lowercase()));
        // What ASCII has there is not in a text.
        assert_eq!(super::folded("[\\]^_`"), "------");
    }
}
