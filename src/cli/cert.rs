//! `antiphon cert`: certificates and requests, for human eyes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, stdin};
use std::process::ExitCode;

use antiphon_protocol::inspect::{Inspection, inspect};
use clap::Subcommand;
use serde::Serialize;

use super::{CliError, output};

#[derive(Debug, Subcommand)]
pub(super) enum CertCommand {
    /// Print an ID-Cert or a CSR (PEM, DER or Base64) and what rules it breaks; fails if it breaks
    /// any
    Show {
        /// The file; - for standard input
        file: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    kind: &'a str,
    fields: BTreeMap<String, &'a str>,
    findings: &'a [String],
}

pub(super) fn run(command: CertCommand) -> Result<ExitCode, CliError> {
    let CertCommand::Show { file, json } = command;
    let bytes = match file.as_str() {
        "-" => {
            let mut bytes = Vec::new();
            stdin().lock().read_to_end(&mut bytes)?;
            bytes
        }
        path => fs::read(path).map_err(|error| CliError::File(file.clone(), error))?,
    };
    let inspection = inspect(&bytes).map_err(|error| CliError::NothingToInspect(file, error))?;
    if json {
        print_json(&inspection)?;
    } else {
        print_text(&inspection)?;
    }
    Ok(match inspection.findings.as_slice() {
        [] => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn print_json(inspection: &Inspection) -> Result<(), CliError> {
    let fields = inspection.fields.iter();
    output::json(&Shown {
        kind: inspection.kind.as_str(),
        fields: fields
            .map(|(name, value)| (name.replace(' ', "_"), value.as_str()))
            .collect(),
        findings: &inspection.findings,
    })
}

fn print_text(inspection: &Inspection) -> Result<(), CliError> {
    output::line(inspection.kind.as_str())?;
    for (name, value) in &inspection.fields {
        output::line(format!("  {name:<16} {value}"))?;
    }
    match inspection.findings.as_slice() {
        [] => output::line("sound: it breaks no rule"),
        findings => {
            output::line("not sound:")?;
            let mut findings = findings.iter();
            findings.try_for_each(|finding| output::line(format!("  - {finding}")))
        }
    }
}
