//! How an attempt ends. An account has confirmed:
//!
//! 8. check that the account which confirmed is the account which asked
//! 9. the invite's reservation becomes a use; and at the same time
//! 10. the session goes into the vault, and its sealed copy into a file
//! 11. record `AuthorizationConfirmed`: from here on the login cannot be taken back
//! 12. retire the sessions that the person had before, and close the attempt
//!
//! Each step may be repeated. So after a crash between two of them, the worker that takes the attempt over goes on.
//! If the login has ended meanwhile, or ends before an account confirms, the key is logged out at Telegram instead, and only
//! then forgotten.

use app::log_targets::LOGIN_STEPS;
use domain::LoginCommand;
use metrics::histogram;
use telemetry::traces::{InSpan as _, Span};
use tokio::time::Instant;
use vault::RetireReason;

use super::attempt::Attempt;
use super::log_out::LogOut;
use super::record::AttemptRecord;
use super::step::Accepted;
use super::stop::Stop;

impl Attempt {
    /// Steps 8 to 12. Not to be dropped in between because the login has ended: the events decide that.
    ///
    /// # Errors
    /// [`Stop`]: the session is not linked; the key is still there.
    pub async fn finish(&mut self, accepted: Accepted) -> Result<(), Stop> {
        self.confirm(accepted).await?;
        self.complete().await
    }

    /// Steps 8 to 11.
    ///
    /// # Errors
    /// The same.
    pub async fn confirm(&mut self, accepted: Accepted) -> Result<(), Stop> {
        if !self.trace.is_on() {
            self.begin_trace();
        }
        let trace = std::mem::take(&mut self.trace);
        let confirmed = self.check_and_record(accepted).in_span(trace.first()).await;
        match &confirmed {
            Ok(()) => trace.end(None),
            Err(Stop::Over) => trace.end(Some("refused")),
            Err(Stop::Fail(_)) => trace.end(Some("failed")),
            // The worker that claims the attempt next ends it.
            Err(Stop::Fenced | Stop::OutOfReach | Stop::Failed(_)) => {}
        }
        confirmed
    }

    async fn check_and_record(&mut self, accepted: Accepted) -> Result<(), Stop> {
        let accepted_at = Instant::now();
        let telegram_id = self.check_owner(accepted).in_span(Span::new("check account")).await?;
        tracing::info!(target: LOGIN_STEPS, "QR login authorised");
        // Steps 9 and 10. Where one fails, the other is done all the same: then nothing writes the file later on.
        let sealed = self.seal();
        let (used, linked) = tokio::join!(
            self.record.use_invite().in_span(Span::new("use invite")),
            self.record.link_session(sealed, telegram_id).in_span(Span::new("link session")),
        );
        used?;
        linked?;
        // Step 11.
        let (attempt, at) = (self.record.attempt(), self.record.now());
        let command = LoginCommand::Confirm { attempt, method: accepted.method, at };
        self.record.execute(command).in_span(Span::new("record confirmation")).await?;
        let phase = histogram!("qrlogin_login_phase_seconds", "phase" => "link");
        phase.record(accepted_at.elapsed().as_secs_f64());
        Ok(())
    }

    /// Step 8.
    async fn check_owner(&mut self, accepted: Accepted) -> Result<i64, Stop> {
        let telegram_id = self.record.admit().await?;
        if telegram_id == accepted.user_id {
            return Ok(telegram_id);
        }
        let confirmed_by = self.record.account_of(accepted.user_id).await?;
        let met = confirmed_by.map(tracing::field::display);
        tracing::warn!(confirmed_by = met, "QR login was confirmed by another account");
        // The stranger is logged out before that is recorded: their account must not stay open while events are written.
        self.telegram.log_out().await;
        let (attempt, at) = (self.record.attempt(), self.record.now());
        self.record.execute(LoginCommand::Reject { attempt, confirmed_by, at }).await?;
        Err(Stop::Over)
    }

    /// Step 12.
    ///
    /// # Errors
    /// As of [`complete`].
    pub async fn complete(&mut self) -> Result<(), Stop> {
        self.telegram.hang_up().await;
        complete(&self.record).await
    }

    /// Ends an attempt that no account has confirmed, or that came too late: its key is logged out.
    ///
    /// # Errors
    /// [`Stop`]: the worker that claims the attempt next does it again.
    pub async fn give_up(&mut self) -> Result<(), Stop> {
        // The events decide: whatever went wrong here, a login that is confirmed keeps its session.
        if self.record.is_confirmed().await? {
            return self.complete().await;
        }
        let done = self.telegram.log_out().await;
        self.telegram.hang_up().await;
        // Somebody may be scanning the last code right now. A key that was not logged in is logged out once more later.
        let is_gone = done == LogOut::Done || (done == LogOut::WasNotIn && !self.showed_token);
        self.record.unlink_session().await?;
        if !is_gone {
            self.record.retire_session(RetireReason::LoginEnded).await?;
        }
        self.record.close().await?;
        tracing::info!("QR login ended without being linked");
        Ok(())
    }
}

/// Step 12, without Telegram. It is all that is left to do where a worker has died, or frozen, right after step 11. A worker
/// has to know that before it puts the key aside or logs it out.
///
/// # Errors
/// [`Stop`]: the worker that claims the attempt next does it again.
pub async fn complete(record: &AttemptRecord) -> Result<(), Stop> {
    record.retire_replaced().await?;
    record.close().await?;
    // That the login has finished is told with what follows from it: the reactor does that.
    tracing::debug!("QR login's attempt is closed");
    Ok(())
}
