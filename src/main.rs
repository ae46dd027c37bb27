//! The binary `qr-login`.

use std::process::ExitCode;

use app::terminal::harmless;
use qr_login::cli::Cli;
use qr_login::telemetry;

fn main() -> ExitCode {
    vault::private_memory::close();
    // This comes first, because later code reads the environment. A missing `.env` is fine, a broken one is an error.
    if let Err(error) = dotenvy::dotenv()
        && !error.not_found()
    {
        return fail(&format!(".env: {error}"));
    }
    let cli = Cli::read();
    if let Err(error) = telemetry::start_log() {
        return fail(&error.to_string());
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime does not start: {error}")),
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("{error:#}")),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("qr-login: {}", harmless(why));
    ExitCode::FAILURE
}
