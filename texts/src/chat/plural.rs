//! Numbers with their words.

/// The Russian form for 1, for 2 to 4, and for the rest.
pub(super) fn ru(count: i64, forms: [&'static str; 3]) -> &'static str {
    match (count % 10, count % 100) {
        (_, 11..=14) => forms[2],
        (1, _) => forms[0],
        (2..=4, _) => forms[1],
        _ => forms[2],
    }
}

/// `1 день`, `2 дня`, `5 дней`.
pub(crate) fn counted_ru(count: i64, forms: [&'static str; 3]) -> String {
    format!("{count} {}", ru(count, forms))
}

/// `1 day`, `2 days`: for words that take an s.
pub(crate) fn counted_en(count: i64, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {one}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_its_form() {
        let days = |count| counted_ru(count, ["день", "дня", "дней"]);
        let said: Vec<String> = [0, 1, 2, 4, 5, 11, 12, 14, 21, 22, 101, 111, 112].map(days).into();
        let expected = [
            "0 дней",
            "1 день",
            "2 дня",
            "4 дня",
            "5 дней",
            "11 дней",
            "12 дней",
            "14 дней",
            "21 день",
            "22 дня",
            "101 день",
            "111 дней",
            "112 дней",
        ];
        assert_eq!(said, expected);
        assert_eq!([0, 1, 2].map(|count| counted_en(count, "day")), ["0 days", "1 day", "2 days"]);
    }
}
