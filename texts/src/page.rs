//! What the Mini App says, under the same keys in both languages. The page has these texts as a module, `api/static/table.js`, which
//! is written from here. `{device}` and the like are values that the page inserts.
//!
//! Texts of the server (`error`, `detail`) are not here, because they come in the person's language: see [`crate::http`].

use crate::Language;
use crate::table::{self, texts};

mod en;
mod ru;

texts! {
    title, consent, consent_more, consent_after, back,
    loading, waiting, code_required, password_required, checking, sending_code, left, offline,
    one_phone, one_phone_desktop, number_lead, share_phone, phone_label, phone_example, send_code, phone_bad, phone_foreign, phone_declined, phone_withheld, share_impossible,
    to_scan, to_scan_more, scan_title, scan_title_phone, scan_lead_phone, picture_loading, picture_renewing, picture_late, picture_alt, enlarge, shrink, step_1, step_2, step_3, devices,
    other_ways, open, help_mobile_title, help_mobile, help_mobile_one_phone, help_desktop_title, help_desktop, copy, token_label, copied, copy_failed,
    code_title, sent_to, sent, change_number, other_number, other_number_lead, code_via_app, code_via_sms, code_via_call, code_via_flash_call, code_via_missed_call, code_via_email, code_via_fragment, code_via_other, code_label, code_bad, send, resend, resend_in,
    password_title, password_lead, password_label, password_hint, password_empty, password_refused, password_safe, password_unsafe, password_old, reveal, log_in,
    authorized, authorized_text, closing, ended, ended_text, handed_over, handed_over_text, replaced, replaced_text, not_found, not_found_text, expired, expired_text, cancelled, cancelled_text, rejected, rejected_text, rejected_more, failed, failed_text, stale, stale_text, outside, outside_text, blocked, blocked_text, foreign, foreign_text, retry, close, unexpected,
    cancel, cancel_question, cancel_text, cancel_no,
    access_title, access_what, access_after, access_end, access_advice, access_warning,
}

const fn of(language: Language) -> &'static Texts {
    match language {
        Language::Russian => &ru::TEXTS,
        Language::English => &en::TEXTS,
    }
}

/// The module of the page: `export const TEXTS = { ru: {…}, en: {…} };`.
pub fn module() -> String {
    table::module("texts/src/page", |language| of(language).all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{expect_module, expect_same_values};

    #[test]
    fn the_module_of_the_page_has_these_texts() {
        expect_module("api/static/table.js", &module());
    }

    #[test]
    fn both_languages_insert_the_same_values() {
        expect_same_values(|language| of(language).all());
    }
}
