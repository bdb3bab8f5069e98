//! The binary `pocket-id`.

use std::process::ExitCode;

use clap::Parser as _;
use pocket_id::cli::{self, Cli, Command};
use pocket_id::config::{self, Config};
use pocket_id::otlp::Exporters;
use pocket_id::telemetry;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command.unwrap_or(Command::Server(cli.start)),
        Err(e) => {
            let _ = e.print();
            // Every failure is 1, also a misspelt option (ops.md §2).
            return if e.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    if matches!(command, Command::Version) {
        return say(concat!("pocket-id ", env!("CARGO_PKG_VERSION")));
    }
    if let Command::Completion { shell } = command {
        return say(&cli::completion(shell));
    }
    let here = std::env::current_dir().unwrap_or_default();
    let environment = config::environment(&here);
    match command {
        Command::Config(cli::config::Command::Check { json }) => return judged(cli::config::check(environment, json)),
        Command::Config(cli::config::Command::Schema) => return say(&cli::config::schema()),
        _ => {}
    }
    let notes = environment.as_ref().map(config::notes).unwrap_or_default();
    let config = match environment.and_then(|env| Config::read(&env)) {
        Ok(config) => config,
        Err(errors) => {
            errors.iter().for_each(|e| complain(&format!("config error: {e}")));
            return ExitCode::FAILURE;
        }
    };
    // The other commands' standard output is their answer.
    let output = if matches!(command, Command::Server(_)) { telemetry::Output::Out } else { telemetry::Output::Err };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(1024 * 1024).build()
    {
        Ok(runtime) => runtime,
        Err(e) => return fail(&format!("The runtime can't start: {e}.")),
    };
    let exporters = match matches!(command, Command::Server(_)).then(|| Exporters::new(&config, runtime.handle())) {
        None => Exporters::default(),
        Some(Ok(exporters)) => exporters,
        Some(Err(text)) => return fail(&text),
    };
    telemetry::init(&config.log_level, config.log_json, output, &exporters);
    if matches!(command, Command::Server(_)) {
        notes.iter().for_each(|note| tracing::warn!("{note}"));
    }
    let done = match command {
        // Answered above.
        Command::Version | Command::Completion { .. } => Ok(()),
        Command::Config(command) => runtime.block_on(cli::config::run(&config, &command)).map(|answer| {
            answer.iter().for_each(|answer| {
                say(answer);
            });
        }),
        Command::Apply(command) => match runtime.block_on(cli::apply::run(&config, &command)) {
            Ok((text, drift)) => {
                say(&text);
                return if drift { ExitCode::from(2) } else { ExitCode::SUCCESS };
            }
            Err(text) => Err(text),
        },
        Command::Doctor(command) => return judged(runtime.block_on(cli::doctor::run(&config, &command))),
        Command::Server(start) => {
            let config = Config { declared: start.declared(), ..config };
            let done = runtime.block_on(cli::server::run(config)).map_err(|e| e.to_string());
            exporters.end();
            done
        }
        Command::Healthcheck { endpoint, unix_socket, verbose } => {
            cli::healthcheck::run(&config, endpoint.as_deref(), unix_socket.as_deref(), verbose)
        }
        Command::KeyRotate(command) => runtime.block_on(cli::key_rotate::run(&config, &command)).map(|answer| {
            say(&answer);
        }),
        Command::Import(command) => runtime.block_on(cli::import::run(&config, &command)).map(|answer| {
            say(&answer);
        }),
        Command::Export(command) => runtime.block_on(cli::export::run(&config, &command)).map(|answer| {
            answer.iter().for_each(|answer| {
                say(answer);
            });
        }),
        Command::Backup(command) => runtime.block_on(cli::backup::run(&config, &command)).map(|answer| {
            answer.iter().for_each(|answer| {
                say(answer);
            });
        }),
        Command::Restore(command) => runtime.block_on(cli::restore::run(&config, &command)).map(|answer| {
            say(&answer);
        }),
        Command::EncryptionKeyRotate(command) => {
            runtime.block_on(cli::encryption_key_rotate::run(&config, &command)).map(|answer| {
                say(&answer);
            })
        }
        Command::Files(command) => runtime.block_on(cli::files::run(&config, &command)).map(|answer| {
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

/// Says a verdict; its code says it as well.
fn judged((text, good): (String, bool)) -> ExitCode {
    say(&text);
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
