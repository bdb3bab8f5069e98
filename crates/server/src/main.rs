//! The binary `pocket-id`.

use std::process::ExitCode;

use clap::Parser as _;
use pocket_id::cli::{self, Cli, Command};
use pocket_id::config::{self, Config};
use pocket_id::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Server);
    if matches!(command, Command::Version) {
        return say(env!("CARGO_PKG_VERSION"));
    }
    let here = std::env::current_dir().unwrap_or_default();
    let config = match config::environment(&here).and_then(|env| Config::read(&env)) {
        Ok(config) => config,
        Err(errors) => {
            errors.iter().for_each(|e| complain(&format!("config error: {e}")));
            return ExitCode::FAILURE;
        }
    };
    telemetry::init(&config.log_level, config.log_json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(1024 * 1024).build()
    {
        Ok(runtime) => runtime,
        Err(e) => return fail(&format!("The runtime can't start: {e}.")),
    };
    match command {
        Command::Server => match runtime.block_on(cli::server::run(config)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => fail(&e.to_string()),
        },
        Command::Healthcheck { endpoint } => match cli::healthcheck::run(&config, endpoint.as_deref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(e) => fail(&e),
        },
        Command::OneTimeAccessToken { username_or_email } => {
            match runtime.block_on(cli::one_time_access::run(&config, &username_or_email)) {
                Ok(link) => say(&format!("Sign in with this link, valid for one hour:\n{link}")),
                Err(e) => fail(&e),
            }
        }
        Command::Version => say(env!("CARGO_PKG_VERSION")),
    }
}

fn say(text: &str) -> ExitCode {
    use std::io::Write as _;
    let _ = writeln!(std::io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn complain(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn fail(text: &str) -> ExitCode {
    complain(text);
    ExitCode::FAILURE
}
