//! `checker`: says whether the shop's invariants hold.
//!
//! The verdict goes to standard output, errors to standard error, and the exit code tells a script:
//! 0 all hold, 1 some do not, 2 there is no verdict (wrong usage included).

// A command-line tool speaks to whoever started it.
#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use shop_checker::report::Report;
use shop_checker::sources::{Databases, Ledger, Place};
use shop_checker::{Error, acknowledged, quiet, reconcile};

const EXAMPLES: &str = "\
Examples:
  checker reconcile                                    what `make up` runs, as it is now
  checker reconcile --settled-within 60                wait until it is quiet, at most a minute
  checker reconcile --instance 7 --acknowledged told   also: what clients were told (I8, I9)
  checker reconcile -o json | jq '.findings[] | select(.violations != [])'

A file of acknowledged orders holds `<order id> [STATUS]` per line: what a client saw answered 200,
and a status that it was shown.

Exit codes: 0 every invariant holds, 1 some do not, 2 there is no verdict.";

#[derive(Parser)]
#[command(name = "checker", about = "Checks the shop's invariants", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the four databases and the payment provider's ledger, order by order
    #[command(after_help = EXAMPLES)]
    Reconcile(Reconcile),
}

#[derive(Args)]
struct Reconcile {
    /// Number of the instance; its addresses are 127.77.<I>.0/24
    #[arg(long, value_name = "I", default_value_t = 0)]
    instance: u8,
    /// Folder of the running instance with its secrets [default: .local/run/<I>]
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Orders that clients saw acknowledged
    #[arg(long, value_name = "FILE")]
    acknowledged: Option<PathBuf>,
    /// Wait until the shop is quiet, at most this long; what is not settled then is a violation
    #[arg(long, value_name = "SECONDS")]
    settled_within: Option<u64>,
    /// How to print the verdict
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum Output {
    Table,
    Json,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Wrong usage ends here, with exit code 2.
    let Command::Reconcile(wanted) = Cli::parse().command;
    match run(&wanted).await {
        Ok(report) => {
            print(&report, wanted.output);
            ExitCode::from(u8::from(!report.holds()))
        }
        Err(error) => {
            eprint!("checker: {error}");
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                eprint!(": {inner}");
                cause = inner.source();
            }
            eprintln!();
            ExitCode::from(2)
        }
    }
}

async fn run(wanted: &Reconcile) -> Result<Report, Error> {
    let default = || format!(".local/run/{}", wanted.instance).into();
    let place = Place {
        instance: wanted.instance,
        run: wanted.run_dir.clone().unwrap_or_else(default),
    };
    let told = match &wanted.acknowledged {
        Some(path) => acknowledged::read(path)?,
        None => Vec::new(),
    };
    let rest = match wanted.settled_within {
        Some(seconds) => Some(quiet::wait(&place, Duration::from_secs(seconds)).await?),
        None => None,
    };
    let databases = Databases::open(&place).await?;
    let ledger = Ledger::fetch(&place).await?;
    let mut report = reconcile(&databases, &ledger, &told).await?;
    report.findings.extend(rest);
    Ok(report)
}

fn print(report: &Report, output: Output) {
    match output {
        Output::Table => print!("{report}"),
        Output::Json => match serde_json::to_string_pretty(report) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("checker: {error}"),
        },
    }
}
