//! What the messages of a webhook are signed with: `whsec_` and the base64 of 32 random bytes. Stored sealed, shown once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;
use vault::DerivedKeys;
use zeroize::Zeroizing;

const PREFIX: &str = "whsec_";
const LENGTH: usize = 32;

/// How long the secret before signs beside a new one.
pub(crate) const BOTH_SIGN_FOR: SignedDuration = SignedDuration::from_hours(24);

/// Signs messages: with one secret, or with two while it changes.
pub(crate) struct Signer(Vec<standardwebhooks::Webhook>);

/// A new secret, sealed.
pub(crate) fn draw(keys: &DerivedKeys, webhook_id: Uuid, secret_id: Uuid) -> Vec<u8> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    getrandom::fill(&mut *bytes).expect("the system has a source of randomness");
    keys.seal_webhook_secret(&bound_to(webhook_id, secret_id), &*bytes)
}

/// For the receiver; None where it was not sealed for this webhook.
pub(crate) fn open(
    keys: &DerivedKeys,
    webhook_id: Uuid,
    secret_id: Uuid,
    sealed: &[u8],
) -> Option<SecretString> {
    let plain = keys.open_webhook_secret(&bound_to(webhook_id, secret_id), sealed)?;
    let encoded = Zeroizing::new(STANDARD.encode(&*plain));
    Some(format!("{PREFIX}{}", *encoded).into())
}

impl Signer {
    /// With these sealed secrets, the newest first. Those that do not open are left out.
    pub(crate) fn of<'a>(
        keys: &DerivedKeys,
        webhook_id: Uuid,
        sealed: impl IntoIterator<Item = (Uuid, &'a [u8])>,
    ) -> Self {
        let open = |(secret_id, sealed): (Uuid, &[u8])| {
            let plain = keys.open_webhook_secret(&bound_to(webhook_id, secret_id), sealed)?;
            standardwebhooks::Webhook::from_bytes(plain.to_vec()).ok()
        };
        Self(sealed.into_iter().filter_map(open).collect())
    }

    /// Whether there is anything to sign with.
    pub(crate) fn can_sign(&self) -> bool {
        !self.0.is_empty()
    }

    /// The header `webhook-signature`: one signature a secret, with a space between.
    pub(crate) fn sign(&self, message_id: &str, sent_at: Timestamp, body: &str) -> String {
        let sign = |webhook: &standardwebhooks::Webhook| {
            webhook.sign(message_id, sent_at.as_second(), body.as_bytes()).expect("a body is UTF-8")
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

fn bound_to(webhook_id: Uuid, secret_id: Uuid) -> Vec<u8> {
    format!("qr-login/webhook secret/1\n{webhook_id}\n{secret_id}").into_bytes()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_signs_for_its_own_webhook_alone() {
        let (keys, webhook_id, secret_id) = (DerivedKeys::random(), Uuid::new_v4(), Uuid::new_v4());
        let sealed = draw(&keys, webhook_id, secret_id);
        let text = open(&keys, webhook_id, secret_id, &sealed).unwrap();
        let sealed = [(secret_id, &*sealed)];
        let signer = Signer::of(&keys, webhook_id, sealed);
        let at = Timestamp::constant(1_700_000_000, 0);
        let expected = standardwebhooks::Webhook::new(text.expose_secret()).unwrap();
        assert_eq!(signer.sign("msg_1", at, "{}"), expected.sign("msg_1", 1_700_000_000, b"{}").unwrap());
        assert!(!Signer::of(&keys, Uuid::new_v4(), sealed).can_sign());
        assert!(!Signer::of(&DerivedKeys::random(), webhook_id, sealed).can_sign());
    }
}
