//! The binary `qr-login`.

use std::process::ExitCode;

use anyhow::anyhow;
use qr_login::cli::Cli;
use qr_login::config::{BadSetting, BadSettings};
use terminal::harmless;

fn main() -> ExitCode {
    vault::private_memory::close();
    // This comes first, because later code reads the environment. A missing `.env` is fine, a broken one is an error.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return fail(&anyhow!(".env: {error}"));
    }
    let cli = Cli::read();
    if let Err(bad) = telemetry::start_log() {
        return fail(&cli.bad_settings(BadSetting::new(bad.setting, bad.problem)).into());
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow!("the runtime does not start: {error}")),
    };
    match runtime.block_on(cli.run()) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// One line, or one for each bad setting.
fn fail(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<BadSettings>() {
        Some(BadSettings(bad)) => {
            bad.iter().for_each(|bad| eprintln!("qr-login: {}", harmless(&bad.to_string())))
        }
        None => eprintln!("qr-login: {}", harmless(&format!("{error:#}"))),
    }
    ExitCode::FAILURE
}
