//! What a person's own page says, under the same keys in both languages: the page has these texts as a module, `api/static/me/table.js`,
//! which is written from here. And [`told`]: a person's history in words, which the server tells.

use crate::Language;
use crate::table::{self, texts};

mod en;
mod history;
mod ru;

pub use history::{UNTOLD, told};

texts! {
    title, loading, back, close, retry, unexpected, offline,
    session, linked, not_linked, not_linked_text, handed_over, handed_over_text, since, seen, never_seen, device, disconnect, disconnecting, disconnected,
    subscription, none, none_text, until, unlimited, ended, ended_on, channels, groups, posts, rag, voice, digest, priority,
    recent, history, history_all, all, looks, looks_row, looks_more, nothing, nobody_looked, more,
    who_you, who_admin, who_auditor, who_service,
    data, download, download_more, downloaded, copy, copied, copy_failed, data_label, proof, proof_more, proof_ready, proof_label, proof_later, forget, forget_more,
    disconnect_question, disconnect_text, disconnect_no, forget_question, forget_text, forget_text_handed_over, forget_yes, forget_no,
    forgotten, forgotten_text, unknown, unknown_text, stale, stale_text, outside, outside_text, blocked, blocked_text, failed, failed_text,
}

const fn of(language: Language) -> &'static Texts {
    match language {
        Language::Russian => &ru::TEXTS,
        Language::English => &en::TEXTS,
    }
}

/// The module of the page: `export const TEXTS = { ru: {…}, en: {…} };`.
pub fn module() -> String {
    table::module("texts/src/me", |language| of(language).all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::tests::{expect_module, expect_same_values};

    #[test]
    fn the_module_of_the_page_has_these_texts() {
        expect_module("api/static/me/table.js", &module());
    }

    #[test]
    fn both_languages_insert_the_same_values() {
        expect_same_values(|language| of(language).all());
    }
}
