//! The binary `pocket-id`.

use std::process::ExitCode;

use clap::Parser as _;
use pocket_id::cli::{self, Cli, Command};
use pocket_id::config::{self, Config};
use pocket_id::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command.unwrap_or(Command::Server),
        Err(e) => {
            let _ = e.print();
            // Every failure is 1, also a misspelt option (ops.md §2).
            return if e.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    if matches!(command, Command::Version) {
        return say(concat!("pocket-id ", env!("CARGO_PKG_VERSION")));
    }
    let here = std::env::current_dir().unwrap_or_default();
    let config = match config::environment(&here).and_then(|env| Config::read(&env)) {
        Ok(config) => config,
        Err(errors) => {
            errors.iter().for_each(|e| complain(&format!("config error: {e}")));
            return ExitCode::FAILURE;
        }
    };
    // The other commands' standard output is their answer.
    let output = if matches!(command, Command::Server) { telemetry::Output::Out } else { telemetry::Output::Err };
    telemetry::init(&config.log_level, config.log_json, output);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(1024 * 1024).build()
    {
        Ok(runtime) => runtime,
        Err(e) => return fail(&format!("The runtime can't start: {e}.")),
    };
    let done = match command {
        Command::Version => Ok(()),
        Command::Server => runtime.block_on(cli::server::run(config)).map_err(|e| e.to_string()),
        Command::Healthcheck { endpoint, verbose } => cli::healthcheck::run(&config, endpoint.as_deref(), verbose),
        Command::KeyRotate(command) => runtime.block_on(cli::key_rotate::run(&config, &command)).map(|answer| {
            say(&answer);
        }),
        Command::OneTimeAccessToken { username_or_email } => {
            runtime.block_on(cli::one_time_access::run(&config, &username_or_email)).map(|answer| {
                say(&answer);
            })
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => fail(&text),
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
    complain(&format!("Error: {text}"));
    ExitCode::FAILURE
}
