//! For `fuzz/` alone.

use teloxide::types::UpdateKind;

use super::button::Button;
use super::commands::parse;
use super::{admin_invite, handler, test_phone, undo};

/// The body of an update, as the inbox gives it to the handler.
pub fn update(body: &str) {
    match handler::read(body) {
        Some(UpdateKind::Message(said)) => message(said.text().unwrap_or_default()),
        Some(UpdateKind::CallbackQuery(query)) => pressed(query.data.as_deref().unwrap_or_default()),
        _ => {}
    }
}

/// The text of a message.
pub fn message(text: &str) {
    let _ = parse(text, "qr_login_bot");
}

/// The data of a button.
pub fn pressed(data: &str) {
    if let Some(step) = admin_invite::Step::parse(data) {
        assert_eq!(admin_invite::Step::parse(&step.data()), Some(step), "{data:?}");
    }
    if let Some(test_phone::Answer::Ask(_, phone)) = test_phone::Answer::parse(data) {
        let digits = phone.strip_prefix('+').expect("an international number");
        assert!(digits.len() <= 15 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{phone:?}");
    }
    if let Some(undo) = undo::Undo::parse(data) {
        assert_eq!(undo::Undo::parse(&undo.data()), Some(undo), "{data:?}");
    }
    let _ = Button::parse(data);
}
