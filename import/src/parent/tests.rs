//! What the text of a column means.

use super::*;

fn row(column: &'static str, value: &str) -> TextRow {
    TextRow::of(USERS, &[(column, value)])
}

#[test]
fn a_time_without_a_zone_is_utc_and_one_with_a_zone_says_it() {
    let wanted = "2026-03-01T09:30:00Z".parse().unwrap();
    for text in
        ["2026-03-01 09:30:00", "2026-03-01 09:30:00+00", "2026-03-01 12:30:00+03", "2026-03-01T09:30"]
    {
        assert_eq!(row("created_at", text).instant("created_at"), Ok(Some(wanted)), "{text}");
    }
    let day = "2026-03-01T00:00:00Z".parse().unwrap();
    assert_eq!(row("created_at", "2026-03-01").instant("created_at"), Ok(Some(day)));
    let fine = row("created_at", "2026-03-01 09:30:00.123456").instant("created_at").unwrap().unwrap();
    assert_eq!(fine.to_string(), "2026-03-01T09:30:00.123456Z");
}

#[test]
fn a_time_without_an_end_is_none_and_one_that_cannot_be_kept_is_told() {
    assert_eq!(row("block_expires", "infinity").instant("block_expires"), Ok(None));
    for text in ["20260-03-01 00:00:00", "0044-03-15 00:00:00 BC", "soon"] {
        let told = row("block_expires", text).instant("block_expires").unwrap_err().to_string();
        assert_eq!(told, format!("block_expires is {text:?}, which is no time that this service can keep"));
    }
}

#[test]
fn a_blank_a_null_and_a_missing_column_say_nothing() {
    assert_eq!(row("username", "  ").text("username"), None);
    assert_eq!(row("username", "ilya").text("first_name"), None);
    assert_eq!(row("username", "ilya").text("api_hash"), None);
    assert_eq!(row("username", "ilya").number("max_channels"), Ok(None));
}

#[test]
fn yes_and_no_are_read_as_postgresql_and_python_write_them() {
    for (text, wanted) in [("true", true), ("False", false), ("1", true), ("0", false)] {
        assert_eq!(row("is_active", text).truth("is_active"), Ok(Some(wanted)));
    }
    assert!(row("is_active", "perhaps").truth("is_active").is_err());
}

#[test]
fn keys_and_phone_numbers_are_not_among_the_columns() {
    for table in [USERS, INVITES, HISTORY] {
        for column in table.columns() {
            assert!(!column.contains("hash") && !column.contains("phone") && !column.contains("session"));
        }
    }
}
