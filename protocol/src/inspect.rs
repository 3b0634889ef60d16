//! ID-Certs and CSRs for human eyes: what one says, and which rules it breaks.

use x509_cert::Certificate;

use crate::profile::Profile;
use crate::signed::LONGEST_DER;
use crate::{DistinguishedName, IdCsr, PublicKey, SerialNumber, base64, id_cert};

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// What it is.
    pub kind: Kind,
    /// Name and value of each field that could be read, in the order to show them.
    pub fields: Vec<(&'static str, String)>,
    /// The rules broken, one sentence each; of a request the first. Empty for a sound document.
    pub findings: Vec<String>,
}

/// The kinds of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The ID-Cert of a server.
    ServerCert,
    /// The ID-Cert of an actor's session.
    ActorCert,
    /// A certification request.
    Csr,
}

/// The longest DER that is looked at: also what is no ID-Cert is shown, but a SET in it takes time that
/// grows with the square of its length.
const LONGEST: usize = 16 * LONGEST_DER;

/// The file holds no certificate or request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "neither an X.509 certificate of at most {LONGEST} bytes nor a PKCS#10 request of at most {LONGEST_DER}, \
     in PEM, DER or Base64"
)]
pub struct NothingToInspect;

impl Kind {
    /// The kind in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServerCert => "server ID-Cert",
            Self::ActorCert => "session ID-Cert",
            Self::Csr => "certification request",
        }
    }
}

/// Inspects a file that holds one certificate or request as PEM, as DER, or as Base64 (bare or as
/// the JSON string of an answer).
pub fn inspect(bytes: &[u8]) -> Result<Inspection, NothingToInspect> {
    let der = to_der(bytes);
    if der.len() > LONGEST {
        return Err(NothingToInspect);
    }
    if let Ok((certificate, _)) = id_cert::parse(&der) {
        return Ok(inspect_certificate(&certificate, &der));
    }
    match IdCsr::from_der(&der) {
        Ok(csr) => Ok(inspect_csr(&csr)),
        Err(_) => Err(NothingToInspect),
    }
}

fn to_der(bytes: &[u8]) -> Vec<u8> {
    if let Ok((_, der)) = der::pem::decode_vec(bytes) {
        return der;
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    match base64::decode(text.trim_matches('"')) {
        Ok(der) if !der.is_empty() => der,
        _ => bytes.to_vec(),
    }
}

fn inspect_certificate(certificate: &Certificate, der: &[u8]) -> Inspection {
    let mut fields = Vec::new();
    let mut findings = Vec::new();
    let mut keep = |finding: id_cert::IdCertError| findings.push(finding.to_string());

    id_cert::check_size(der).unwrap_or_else(&mut keep);
    id_cert::check_is_whole(certificate, der).unwrap_or_else(&mut keep);
    let subject = id_cert::subject(certificate).map_err(&mut keep).ok();
    let is_server = match &subject {
        Some(DistinguishedName::Server(_)) => true,
        Some(DistinguishedName::Actor { .. }) => false,
        // An unreadable subject: what the extensions say decides what to hold it against.
        None => id_cert::check_extensions(certificate, Profile::Server).is_ok(),
    };
    let profile = if is_server {
        Profile::Server
    } else {
        Profile::Actor
    };
    let issuer = id_cert::issuer(certificate).map_err(&mut keep).ok();
    let public_key = id_cert::public_key(certificate).map_err(&mut keep).ok();
    id_cert::check_form(certificate).unwrap_or_else(&mut keep);
    id_cert::check_extensions(certificate, profile).unwrap_or_else(&mut keep);
    id_cert::validity(certificate).map_or_else(&mut keep, drop);

    let tbs = &certificate.tbs_certificate;
    push_name(&mut fields, subject.as_ref(), &tbs.subject.to_string());
    fields.push(("issuer", tbs.issuer.to_string()));
    fields.push(("serial number", tbs.serial_number.to_string()));
    fields.push(("not before", tbs.validity.not_before.to_string()));
    fields.push(("not after", tbs.validity.not_after.to_string()));
    push_key(&mut fields, public_key.as_ref());
    fields.push(("size", format!("{} bytes", der.len())));

    if let (Some(subject), Some(issuer)) = (&subject, &issuer)
        && subject.domain() != issuer
    {
        keep(id_cert::IdCertError::OtherDomain);
    }
    if SerialNumber::from_x509(&tbs.serial_number).is_none() {
        findings.push("the serial number is not positive and below 2^63".to_owned());
    }
    // What is left to know of a sound server certificate is its own signature.
    if is_server
        && findings.is_empty()
        && let Err(error) = id_cert::ServerCert::from_der(der)
    {
        findings.push(error.to_string());
    }
    Inspection {
        kind: if is_server {
            Kind::ServerCert
        } else {
            Kind::ActorCert
        },
        fields,
        findings,
    }
}

fn inspect_csr(csr: &IdCsr) -> Inspection {
    let mut fields = Vec::new();
    let subject = csr.subject();
    push_name(&mut fields, subject.as_ref().ok(), &csr.subject_text());
    push_key(&mut fields, csr.public_key().ok().as_ref());
    Inspection {
        kind: Kind::Csr,
        fields,
        findings: csr.verify().err().iter().map(ToString::to_string).collect(),
    }
}

fn push_name(
    fields: &mut Vec<(&'static str, String)>,
    name: Option<&DistinguishedName>,
    text: &str,
) {
    fields.push(("subject", text.to_owned()));
    match name {
        Some(DistinguishedName::Actor { fid, session_id }) => {
            fields.push(("federation ID", fid.to_string()));
            fields.push(("session ID", session_id.to_string()));
        }
        Some(DistinguishedName::Server(domain)) => fields.push(("domain", domain.to_string())),
        None => {}
    }
}

fn push_key(fields: &mut Vec<(&'static str, String)>, key: Option<&PublicKey>) {
    if let Some(key) = key {
        fields.push(("key", key.algorithm().to_string()));
        if let Ok(fingerprint) = key.fingerprint() {
            fields.push(("key fingerprint", fingerprint));
        }
    }
}
