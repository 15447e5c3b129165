//! `meshctl`: looks into a mesh and speaks to its services as one of its service accounts.
//!
//! Answers go to standard output, errors to standard error, and the exit code tells a script:
//! 0 done, 1 failed, 2 wrong usage.

// A command-line tool speaks to whoever started it.
#![allow(clippy::print_stdout)]

mod analyze;
mod authority;
mod authz;
mod cert;
mod cli;
mod completions;
mod error;
mod forward;
mod inspect;
mod mtls;
mod observe;
mod place;
mod status;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cert, CertCommand, Cli, Command};
use crate::error::Error;

#[tokio::main]
async fn main() -> ExitCode {
    // Wrong usage ends here, with exit code 2.
    let cli = Cli::parse();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("meshctl: {}", error.chain());
            error.exit_code()
        }
    }
}

async fn run(cli: Cli) -> Result<(), Error> {
    let place = cli.place;
    match cli.command {
        Command::Analyze(command) => analyze::run(&command),
        Command::Authz(authz) => authz::run(&authz),
        Command::Cert(Cert {
            command: Some(CertCommand::Inspect(inspect)),
            ..
        }) => cert::inspect(&place, &inspect).await,
        Command::Cert(Cert {
            issue: Some(issue), ..
        }) => cert::issue(&place, &issue).await,
        Command::Cert(Cert { .. }) => Err(Error::Usage(
            "say as whom with --as, or use cert inspect".to_owned(),
        )),
        Command::Completions(command) => {
            completions::run(&command);
            Ok(())
        }
        Command::Explain(command) => analyze::explain(&command),
        Command::Forward(forward) => forward::run(&place, &forward).await,
        Command::Mtls(command) => mtls::run(&command),
        Command::Status => status::run(&place).await,
    }
}
