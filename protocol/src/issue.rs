//! Writing certificates: the only place in which a node's key signs.

use der::Encode;
use der::asn1::BitString;
use x509_cert::{Certificate, TbsCertificate, Version};

use crate::profile::Profile;
use crate::{
    ActorCert, DistinguishedName, Domain, IdCertError, KeyError, PrivateKey, PublicKey,
    SerialNumber, ServerCert, Validity, VerifiedCsr,
};

/// Why a certificate could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The request is for an actor of another domain than the issuer's.
    #[error("the request is for an actor of another domain")]
    OtherDomain,
    /// The validity reaches outside that of the issuer's certificate, or ends before it begins.
    #[error("the validity is empty or reaches outside that of the issuer's certificate")]
    Validity,
    /// The key cannot be encoded.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate cannot be encoded, such as for a date after the year 9999.
    #[error("the certificate cannot be encoded: {0}")]
    Encoding(#[from] der::Error),
    /// The certificate written does not pass our own reading of it.
    #[error("the certificate written is not well-formed: {0}")]
    Unsound(#[from] IdCertError),
}

/// Writes the self-signed certificate of a server.
pub fn server_cert(
    key: &PrivateKey,
    domain: &Domain,
    serial_number: SerialNumber,
    validity: Validity,
) -> Result<ServerCert, IssueError> {
    let subject = DistinguishedName::Server(domain.clone());
    let public_key = key.public_key();
    let der = sign(
        key,
        domain,
        &subject,
        &public_key,
        Profile::Server,
        serial_number,
        validity,
    )?;
    Ok(ServerCert::from_der(&der)?)
}

/// Writes the certificate of an actor's session, signed by the server whose key and certificate
/// are given.
pub fn actor_cert(
    key: &PrivateKey,
    issuer: &ServerCert,
    request: &VerifiedCsr,
    serial_number: SerialNumber,
    validity: Validity,
) -> Result<ActorCert, IssueError> {
    if request.fid().domain() != issuer.domain() {
        return Err(IssueError::OtherDomain);
    }
    if !issuer.validity().encloses(&validity) {
        return Err(IssueError::Validity);
    }
    let subject = DistinguishedName::Actor {
        fid: request.fid().clone(),
        session_id: request.session_id().clone(),
    };
    let der = sign(
        key,
        issuer.domain(),
        &subject,
        request.public_key(),
        Profile::Actor,
        serial_number,
        validity,
    )?;
    Ok(ActorCert::from_der(&der)?)
}

fn sign(
    key: &PrivateKey,
    issuer: &Domain,
    subject: &DistinguishedName,
    public_key: &PublicKey,
    profile: Profile,
    serial_number: SerialNumber,
    validity: Validity,
) -> Result<Vec<u8>, IssueError> {
    if validity.not_before > validity.not_after {
        return Err(IssueError::Validity);
    }
    let signature_algorithm = key.public_key().algorithm().signature_identifier();
    let tbs_certificate = TbsCertificate {
        version: Version::V3,
        serial_number: serial_number.to_x509()?,
        signature: signature_algorithm.clone(),
        issuer: DistinguishedName::Server(issuer.clone()).to_name()?,
        validity: validity.to_x509()?,
        subject: subject.to_name()?,
        subject_public_key_info: public_key.to_spki()?,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(profile.extensions()?),
    };
    let signature = key.sign(&tbs_certificate.to_der()?);
    let certificate = Certificate {
        tbs_certificate,
        signature_algorithm,
        signature: BitString::from_bytes(&signature)?,
    };
    Ok(certificate.to_der()?)
}
