//! The proof of a 2-step password (SRP), as the page computes it.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// The body of `POST /qr-auth/password`. It is computed on a thread of its own, because it may take seconds. On the test's
/// only thread the service would lose the lease of the login meanwhile.
pub async fn proof(session: &str, parameters: &Value, password: &str) -> Result<Value> {
    let (session, parameters, password) = (session.to_owned(), parameters.clone(), password.to_owned());
    tokio::task::spawn_blocking(move || compute(&session, &parameters, &password)).await?
}

fn compute(session: &str, parameters: &Value, password: &str) -> Result<Value> {
    let bytes = |name: &str| -> Result<Vec<u8>> {
        Ok(hex::decode(parameters[name].as_str().with_context(|| format!("{name} in {parameters}"))?)?)
    };
    let g = parameters["g"].as_i64().context("g")?;
    let (m1, a) = grammers_crypto::two_factor_auth::calculate_2fa(
        &bytes("salt1")?,
        &bytes("salt2")?,
        &bytes("p")?,
        &i32::try_from(g)?,
        bytes("B")?,
        vec![7; 256],
        password,
    );
    Ok(
        json!({"session_id": session, "srp_id": parameters["srp_id"], "A": hex::encode(a), "M1": hex::encode(m1)}),
    )
}
