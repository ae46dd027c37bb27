//! The last checkpoint of a day goes to the admins' chats: once a day, and only where something was signed.

use transparency::merkle::empty_root;
use transparency::{Checkpoint, SigningKeys};

use super::super::checkpoints::{Told, look};
use super::*;

const DAY: Duration = Duration::from_hours(24);

impl World {
    /// A checkpoint of this size, signed now.
    async fn sign(&self, size: u64) -> String {
        let key_file = std::env::temp_dir().join(format!("qr-login-{}", uuid::Uuid::new_v4()));
        let keys = SigningKeys::load_or_make(&key_file).unwrap();
        std::fs::remove_file(&key_file).unwrap();
        let checkpoint =
            Checkpoint { origin: "login.example/qr-login/7".to_owned(), size, root: empty_root() };
        let note = checkpoint.sign(keys.newest()).to_string();
        sqlx::query("update log_tree set checkpoint = $1, signed_size = $2, signed_at = $3::timestamptz, fault = null")
            .bind(&note)
            .bind(size.cast_signed())
            .bind(self.hand.now().to_string())
            .execute(self.chat.app.db.pool())
            .await
            .unwrap();
        note
    }
}

#[tokio::test]
async fn the_last_checkpoint_of_a_day_goes_to_each_admin_once() {
    let world = World::with(|chat| chat.admins = vec![ILYA]).await;
    let (ilya, anna, ctx) = (world.ilya(), world.anna(), world.ctx());
    ilya.ask("/help").await.unwrap();
    anna.ask("/help").await.unwrap();

    // Nothing was ever signed.
    let mut told = Told::default();
    look(&ctx, &mut told).await.unwrap();

    // Each process looks for itself, and the same day has one message.
    let first = world.sign(5).await;
    for told in [&mut told, &mut Told::default()] {
        look(&ctx, told).await.unwrap();
        world.sign(6).await;
    }
    let sent = ilya.wait_for_message(|message| message.text.starts_with("🔏")).await.unwrap();
    assert!(sent.text.contains(first.trim_end()), "{}", sent.text);

    // The next day it is the newest; while a fault holds there is none; and where nothing was signed since there is none either.
    world.hand.advance(DAY);
    sqlx::query("update log_tree set fault = 'x'").execute(world.chat.app.db.pool()).await.unwrap();
    look(&ctx, &mut told).await.unwrap();
    let newest = world.sign(7).await;
    look(&ctx, &mut told).await.unwrap();
    let second = ilya.wait_for_message(|message| message.text.contains(newest.trim_end())).await.unwrap();
    assert!(second.message_id > sent.message_id);
    world.hand.advance(DAY);
    look(&ctx, &mut told).await.unwrap();
    world.hand.advance(DAY);
    look(&ctx, &mut Told::default()).await.unwrap();
    ilya.ask("/help").await.unwrap();
    assert_eq!((count(&ilya, "🔏"), count(&anna, "🔏")), (2, 0));
}
