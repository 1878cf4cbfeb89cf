//! Serves, records and builds npm registries in folders, and can misbehave while doing so.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use registry_mock::{Auth, MockError, Options, Rule, Server, fault, npm, scenario, server};

/// An npm-compatible registry in a folder, to test and demonstrate with.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serves a registry folder until interrupted.
    Serve {
        folder: PathBuf,
        #[arg(long, default_value_t = 4873)]
        port: u16,
        #[command(flatten)]
        manner: Manner,
    },
    /// Serves a registry folder, asking an upstream registry for what it lacks and keeping that.
    Record {
        #[arg(long, value_name = "URL")]
        upstream: String,
        folder: PathBuf,
        #[arg(long, default_value_t = 4873)]
        port: u16,
        #[command(flatten)]
        manner: Manner,
    },
    /// Serves a registry folder on a free port while a command runs; ends with its exit code.
    Run {
        folder: PathBuf,
        #[command(flatten)]
        manner: Manner,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Makes a registry folder from a scenario file.
    Build { scenario: PathBuf, folder: PathBuf },
    /// Runs npm on every scenario below a folder and keeps the locks it gives beside them.
    RecordScenarios {
        folder: PathBuf,
        /// Only those whose path contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// Only those that have no answer yet.
        #[arg(long)]
        missing: bool,
        /// Records only what this npm's major version is to answer.
        #[arg(long, default_value = "npm")]
        npm: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Manner {
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Seconds that answers may be cached.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    max_age: u32,
    /// Asks for this bearer token.
    #[arg(long)]
    token: Vec<String>,
    /// Asks for this user and password.
    #[arg(long, value_name = "USER:PASSWORD")]
    user: Vec<String>,
    /// Leaves tarball addresses as they are in the packuments.
    #[arg(long)]
    no_rewrite: bool,
    /// Misbehaves; may be given more than once.
    ///
    /// FAULT is one of latency=MS, bandwidth=BYTES (a second), slow-headers=MS (a byte),
    /// status=CODE, cut=BYTES, wrong-length=OFF, wrong-bytes, gzip-bomb=BYTES, redirect=URL,
    /// redirect-loop, close, reset, html, endless; after commas come retry-after=V (status),
    /// on=packument|tarball|advisory|ping|other, path=PATTERN, nth=N, from=N, times=N.
    #[arg(long, value_name = "FAULT[,WHERE]", value_parser = fault::parse, allow_hyphen_values = true)]
    fault: Vec<Rule>,
}

impl Manner {
    fn options(self, folder: PathBuf, port: u16) -> Options {
        let tokens = self.token.into_iter().map(Auth::Bearer);
        let users = self.user.into_iter().map(Auth::Basic);
        Options {
            host: self.host,
            port,
            auth: tokens.chain(users).collect(),
            max_age: Some(self.max_age),
            rewrite: !self.no_rewrite,
            faults: self.fault,
            ..Options::new(folder)
        }
    }
}

fn main() -> ExitCode {
    match act(Arguments::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn act(verb: Verb) -> Result<ExitCode, MockError> {
    match verb {
        Verb::Serve {
            folder,
            port,
            manner,
        } => serve(manner.options(folder, port)),
        Verb::Record {
            upstream,
            folder,
            port,
            manner,
        } => serve(Options {
            upstream: Some(upstream),
            ..manner.options(folder, port)
        }),
        Verb::Run {
            folder,
            manner,
            command,
        } => run(manner.options(folder, 0), &command),
        Verb::Build { scenario, folder } => build(&scenario, &folder),
        Verb::RecordScenarios {
            folder,
            only,
            missing,
            npm,
        } => record_scenarios(&folder, &only, missing, &npm),
    }
}

fn serve(options: Options) -> Result<ExitCode, MockError> {
    let server = Server::start(options)?;
    println!("{}/", server.url());
    server.wait();
    Ok(ExitCode::SUCCESS)
}

fn run(options: Options, command: &[String]) -> Result<ExitCode, MockError> {
    let (program, arguments) = command.split_first().expect("clap requires a command");
    let status = server::run(options, program, arguments)?;
    Ok(ExitCode::from(exit_code(status)))
}

/// A command ended by a signal gives 128 and the signal's number, as shells do.
fn exit_code(status: std::process::ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(1);
    }
    status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1)
}

fn record_scenarios(
    folder: &Path,
    only: &str,
    missing: bool,
    npm: &Path,
) -> Result<ExitCode, MockError> {
    let mut scenarios = scenario::find(folder)?;
    scenarios.retain(|path| path.to_string_lossy().contains(only));
    if missing {
        scenarios.retain(|path| !npm::is_recorded(path));
    }
    let recorded = npm::record_all(&scenarios, npm)?;
    println!("{recorded} scenarios recorded");
    Ok(ExitCode::SUCCESS)
}

fn build(scenario: &Path, folder: &Path) -> Result<ExitCode, MockError> {
    scenario::load(scenario)?.registry.write(folder)?;
    Ok(ExitCode::SUCCESS)
}
