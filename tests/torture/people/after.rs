//! What people do after a login: they log out, end the session in Telegram, have it handed over, or are erased.

use anyhow::Result;
use stand_in::bot_api::Message;
use tokio::time::{Instant, sleep, timeout};

use super::{CARD_MAX_WAIT, Crowd, MAX_WAIT, PAUSE, Person};

impl Person {
    pub(super) async fn act_after_login(&mut self) -> Result<()> {
        match self.random.within(0..100) {
            0..18 => self.log_out().await,
            18..28 => self.end_in_telegram().await?,
            28..36 => self.hand_over().await,
            36..50 => self.be_erased().await?,
            // The service checks whether the session is valid.
            50..60 => self.crowd.environment.check_now(self.id).await?,
            _ => {}
        }
        Ok(())
    }

    /// `/logout`, repeated if no answer comes.
    async fn log_out(&mut self) {
        for _ in 0..3 {
            let said = self.say("/logout");
            if self.hears(said, &["🔌", "ℹ️"]).await.is_some() {
                Crowd::count(&self.crowd.tally.logged_out);
                return;
            }
            self.unsure = true;
        }
    }

    /// Settings > Devices > Terminate all other sessions; the service finds out when it looks.
    async fn end_in_telegram(&mut self) -> Result<()> {
        self.note("ends all other sessions in Telegram");
        self.crowd.environment.telegram.phone(self.id).end_other_sessions().await?;
        self.is_ended = true;
        Crowd::count(&self.crowd.tally.revoked);
        self.crowd.handed_over.lock().expect("nobody panics while counting").retain(|id| *id != self.id);
        self.crowd.environment.check_now(self.id).await
    }

    /// `qr-login session export`, by an operator. It is refused while the session is in use.
    async fn hand_over(&mut self) {
        let user = self.id.to_string();
        let tool = &self.crowd.environment.tool;
        let order = ["session", "export", "--user", &user, "--format", "telethon", "--yes"];
        let done = tool.tool(&order).await;
        self.note(&format!("is handed over: {:?}", done.as_ref().err().map(ToString::to_string)));
        // It also counts if the command lost the database afterwards, and failed.
        let is_done = done.as_ref().map_or_else(|error| error.to_string().contains("handed over;"), |_| true);
        if is_done {
            Crowd::count(&self.crowd.tally.exported);
            self.crowd.handed_over.lock().expect("nobody panics while counting").push(self.id);
        }
        if is_done && self.is_ended {
            self.crowd.report(format!("a session of {} that was ended in Telegram is handed over", self.id));
        }
    }

    /// `/debug_reset` and its button; from then on this person sends nothing.
    async fn be_erased(&mut self) -> Result<()> {
        let began = Instant::now();
        let mut agreed = false;
        while self.crowd.may_wait(began, MAX_WAIT) {
            if !self.crowd.environment.is_known(self.id).await? {
                let erased = (self.id, self.crowd.environment.now());
                self.note("is erased");
                Crowd::count(&self.crowd.tally.erased);
                self.crowd.erased.lock().expect("nobody panics while counting").push(erased);
                self.is_erased = true;
                return Ok(());
            }
            if !agreed {
                let said = self.say("/debug_reset");
                let Some(question) = self.hears(said, &["⚠️"]).await else { continue };
                let button = question.button("🗑 Сбросить").and_then(|button| button.callback_data());
                if let Some(button) = button {
                    self.note("agrees to be erased");
                    agreed = true;
                    self.chat().press(question.message_id, button).await?;
                }
            }
            sleep(PAUSE).await;
        }
        // If the question came too late, this person did not agree.
        if agreed {
            self.crowd.report(format!("{} is not erased after {} s", self.id, MAX_WAIT.as_secs()));
        }
        self.unsure = true;
        Ok(())
    }

    /// The bot's answer to a message, if it comes in time.
    async fn hears(&self, said: i64, signs: &[&str]) -> Option<Message> {
        let is_answer = |message: &Message| {
            message.message_id > said && signs.iter().any(|sign| message.text.starts_with(sign))
        };
        let chat = self.chat();
        timeout(CARD_MAX_WAIT, chat.wait_for_message(is_answer)).await.ok()?.ok()
    }
}
