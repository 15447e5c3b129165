//! What the command line takes and what it refuses.
#![allow(clippy::unwrap_used)]

use clap::CommandFactory;
use clap::error::ErrorKind;

use super::*;

fn parse(line: &str) -> Result<Cli, ErrorKind> {
    Cli::try_parse_from(line.split_whitespace()).map_err(|error| error.kind())
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn cert_issues_or_inspects() {
    let Command::Cert(cert) = parse("meshctl cert --as debug --ttl 5m").unwrap().command else {
        panic!("not cert");
    };
    let issue = cert.issue.unwrap();
    assert_eq!(issue.account, "debug");
    assert_eq!(issue.ttl, Duration::from_secs(300));
    let Command::Cert(cert) = parse("meshctl cert inspect a.pem").unwrap().command else {
        panic!("not cert");
    };
    assert!(matches!(cert.command, Some(CertCommand::Inspect(_))));
}

#[test]
fn lifetimes_beyond_what_the_authority_gives_are_refused() {
    for (ttl, expected) in [("10s", 10), ("60s", 60), ("24h", 86_400), ("90m", 5400)] {
        assert_eq!(parse_ttl(ttl), Ok(Duration::from_secs(expected)), "{ttl}");
    }
    for ttl in [
        "",
        "9s",
        "25h",
        "60",
        "s",
        "-5m",
        "1d",
        "99999999999999999999h",
        "5µs",
    ] {
        assert!(parse_ttl(ttl).is_err(), "{ttl}");
    }
}

#[test]
fn a_port_that_others_can_reach_is_refused() {
    assert!(parse("meshctl forward order --as debug --listen 127.0.0.1:9000").is_ok());
    for listen in ["0.0.0.0:9000", "10.1.2.3:0", "[::]:1", "9000", "localhost"] {
        let line = format!("meshctl forward order --as debug --listen {listen}");
        assert_eq!(
            parse(&line).unwrap_err(),
            ErrorKind::ValueValidation,
            "{listen}"
        );
    }
}

#[test]
fn the_account_is_required() {
    for line in ["meshctl forward order", "meshctl cert --ttl 60s"] {
        assert_eq!(
            parse(line).unwrap_err(),
            ErrorKind::MissingRequiredArgument,
            "{line}"
        );
    }
}

#[test]
fn every_command_has_help_with_examples() {
    fn check(command: &mut clap::Command) {
        let help = command.render_help().to_string();
        assert!(help.contains("Examples:"), "{help}");
        assert!(help.contains("Exit codes:"), "{help}");
        for subcommand in command
            .get_subcommands_mut()
            .filter(|c| c.get_name() != "help")
        {
            check(subcommand);
        }
    }
    check(&mut Cli::command());
}
