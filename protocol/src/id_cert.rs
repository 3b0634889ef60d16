//! ID-Certs (X.509 v3, RFC 5280), as read from DER.
//!
//! Reading a certificate checks its form: names, extensions, key, algorithms. Whether it is
//! genuine is asked of a [`ServerCert`] with [`ActorCert::verify`]; a [`ServerCert`] is
//! self-signed and has proved that much when it exists.

use der::{Decode, Encode};
use x509_cert::{Certificate, Version};

use crate::profile::Profile;
use crate::sets::{LARGEST_SET, has_large_set};
use crate::signed::{LONGEST_DER, Signed};
use crate::{
    DistinguishedName, Domain, Fid, KeyError, NameError, PublicKey, SerialNumber, SessionId,
    Validity,
};

/// The ID-Cert of a home server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCert {
    parts: Parts,
}

/// The ID-Cert of one session of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorCert {
    parts: Parts,
    fid: Fid,
    session_id: SessionId,
}

/// Which check a certificate failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdCertError {
    /// Not DER of an X.509 certificate, or more than that.
    #[error("not an X.509 certificate in DER")]
    NotX509,
    /// More than 4 KiB.
    #[error("longer than {LONGEST_DER} bytes")]
    TooLong,
    /// A SET of more than 32 members.
    #[error("a SET in it has more than {LARGEST_SET} members")]
    LargeSet,
    /// It has bytes that are of none of its fields.
    #[error("it has bytes that X.509 has no place for")]
    Stuffed,
    /// Not version 3.
    #[error("the X.509 version is not 3")]
    Version,
    /// The serial number is not positive or longer than 20 octets.
    #[error("the serial number is not a positive number of at most 20 octets")]
    Serial,
    /// The issuer is not a server's distinguished name.
    #[error("issuer: {0}")]
    Issuer(NameError),
    /// The subject is not a polyproto distinguished name.
    #[error("subject: {0}")]
    Subject(NameError),
    /// The issuer is an actor.
    #[error("the issuer is an actor's session, not a server")]
    IssuedByActor,
    /// A server's certificate was expected.
    #[error("the subject is not a server")]
    NotAServer,
    /// An actor's certificate was expected.
    #[error("the subject is not an actor's session")]
    NotAnActor,
    /// Subject and issuer spell different domains.
    #[error("subject and issuer spell different domains")]
    OtherDomain,
    /// notBefore is after notAfter.
    #[error("notBefore is after notAfter")]
    Validity,
    /// The subject's key.
    #[error("key: {0}")]
    Key(KeyError),
    /// issuerUniqueID or subjectUniqueID is there.
    #[error("the certificate has an issuerUniqueID or a subjectUniqueID")]
    UniqueId,
    /// The extensions are not exactly those of the profile.
    #[error(
        "the extensions are not exactly basicConstraints and keyUsage, critical, in this order and with the values of a {0} certificate"
    )]
    Extensions(&'static str),
    /// The signature algorithm inside is another one than outside.
    #[error("the signature algorithms inside and outside the signed part differ")]
    Algorithms,
    /// The server is not the issuer named.
    #[error("the issuer is not the server's subject")]
    OtherIssuer,
    /// The certificate is valid at a time when its issuer's is not.
    #[error("the validity reaches outside that of the issuer's certificate")]
    OutsideIssuer,
    /// The signature.
    #[error("signature: {0}")]
    Signature(KeyError),
}

/// What both kinds have.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    der: Vec<u8>,
    signed: Signed,
    issuer: Domain,
    serial_number: Option<SerialNumber>,
    validity: Validity,
    public_key: PublicKey,
}

impl ServerCert {
    /// Its signature is verified with its own key.
    fn read(bytes: &[u8]) -> Result<(Self, Certificate), IdCertError> {
        check_size(bytes)?;
        let (certificate, signed) = parse(bytes)?;
        let DistinguishedName::Server(domain) = subject(&certificate)? else {
            return Err(IdCertError::NotAServer);
        };
        let parts = Parts::of(bytes, &certificate, signed, Profile::Server)?;
        if parts.issuer != domain {
            return Err(IdCertError::OtherDomain);
        }
        parts
            .signed
            .verify(&parts.public_key)
            .map_err(IdCertError::Signature)?;
        Ok((Self { parts }, certificate))
    }

    /// The server's domain.
    pub fn domain(&self) -> &Domain {
        &self.parts.issuer
    }
}

impl ActorCert {
    /// Its signature is checked by [`Self::verify`].
    fn read(bytes: &[u8]) -> Result<(Self, Certificate), IdCertError> {
        check_size(bytes)?;
        let (certificate, signed) = parse(bytes)?;
        let DistinguishedName::Actor { fid, session_id } = subject(&certificate)? else {
            return Err(IdCertError::NotAnActor);
        };
        let parts = Parts::of(bytes, &certificate, signed, Profile::Actor)?;
        if parts.issuer != *fid.domain() {
            return Err(IdCertError::OtherDomain);
        }
        let read = Self {
            parts,
            fid,
            session_id,
        };
        Ok((read, certificate))
    }

    /// Verifies that `server` issued this certificate: name, signature, and a validity inside its
    /// own.
    pub fn verify(&self, server: &ServerCert) -> Result<(), IdCertError> {
        if self.parts.issuer != server.parts.issuer {
            return Err(IdCertError::OtherIssuer);
        }
        if !server.parts.validity.encloses(&self.parts.validity) {
            return Err(IdCertError::OutsideIssuer);
        }
        self.parts
            .signed
            .verify(&server.parts.public_key)
            .map_err(IdCertError::Signature)
    }

    /// Whether both are the same certificate: what is signed is equal. The signatures may differ,
    /// since anybody can turn an ECDSA signature (r, s) into (r, −s), which verifies as well.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.parts.signed.body() == other.parts.signed.body()
    }

    /// The actor.
    pub fn fid(&self) -> &Fid {
        &self.fid
    }

    /// The actor's client.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }
}

/// The same for both kinds.
macro_rules! accessors {
    ($kind:ty) => {
        impl $kind {
            /// Reads one of at most 4 KiB. A server's has proved that its own key signed it.
            pub fn from_der(bytes: &[u8]) -> Result<Self, IdCertError> {
                Self::read(bytes).map(|(cert, _)| cert)
            }

            /// Reads one from outside, each byte of which must be of one of its fields. The parser passes over some
            /// that are of none, and a log may have such a certificate from before anybody looked.
            pub fn from_outside(bytes: &[u8]) -> Result<Self, IdCertError> {
                let (cert, certificate) = Self::read(bytes)?;
                check_is_whole(&certificate, bytes)?;
                Ok(cert)
            }

            /// The certificate as DER.
            pub fn as_der(&self) -> &[u8] {
                &self.parts.der
            }

            /// The certified key.
            pub fn public_key(&self) -> &PublicKey {
                &self.parts.public_key
            }

            /// notBefore and notAfter.
            pub fn validity(&self) -> Validity {
                self.parts.validity
            }

            /// The serial number, where it is below 2^63 as this node writes it.
            pub fn serial_number(&self) -> Option<SerialNumber> {
                self.parts.serial_number
            }
        }
    };
}
accessors!(ServerCert);
accessors!(ActorCert);

impl Parts {
    fn of(
        der: &[u8],
        certificate: &Certificate,
        signed: Signed,
        profile: Profile,
    ) -> Result<Self, IdCertError> {
        check_form(certificate)?;
        check_extensions(certificate, profile)?;
        Ok(Self {
            der: der.to_vec(),
            signed,
            issuer: issuer(certificate)?,
            serial_number: SerialNumber::from_x509(&certificate.tbs_certificate.serial_number),
            validity: validity(certificate)?,
            public_key: public_key(certificate)?,
        })
    }
}

// The single checks, each usable alone, so that `inspect` can list all that fail.

pub(crate) fn check_size(bytes: &[u8]) -> Result<(), IdCertError> {
    if bytes.len() > LONGEST_DER {
        return Err(IdCertError::TooLong);
    }
    if has_large_set(bytes) {
        return Err(IdCertError::LargeSet);
    }
    Ok(())
}

pub(crate) fn parse(bytes: &[u8]) -> Result<(Certificate, Signed), IdCertError> {
    let certificate = Certificate::from_der(bytes).map_err(|_| IdCertError::NotX509)?;
    let signed = Signed::from_der(bytes).map_err(|_| IdCertError::NotX509)?;
    Ok((certificate, signed))
}

/// Whether what was read is all that is there.
pub(crate) fn check_is_whole(certificate: &Certificate, bytes: &[u8]) -> Result<(), IdCertError> {
    match certificate.to_der() {
        Ok(der) if der == bytes => Ok(()),
        _ => Err(IdCertError::Stuffed),
    }
}

pub(crate) fn subject(certificate: &Certificate) -> Result<DistinguishedName, IdCertError> {
    DistinguishedName::from_certificate(&certificate.tbs_certificate.subject)
        .map_err(IdCertError::Subject)
}

pub(crate) fn issuer(certificate: &Certificate) -> Result<Domain, IdCertError> {
    match DistinguishedName::from_certificate(&certificate.tbs_certificate.issuer) {
        Ok(DistinguishedName::Server(domain)) => Ok(domain),
        Ok(DistinguishedName::Actor { .. }) => Err(IdCertError::IssuedByActor),
        Err(error) => Err(IdCertError::Issuer(error)),
    }
}

pub(crate) fn public_key(certificate: &Certificate) -> Result<PublicKey, IdCertError> {
    PublicKey::from_spki(&certificate.tbs_certificate.subject_public_key_info)
        .map_err(IdCertError::Key)
}

pub(crate) fn validity(certificate: &Certificate) -> Result<Validity, IdCertError> {
    let validity = Validity::from_x509(&certificate.tbs_certificate.validity);
    if validity.not_before <= validity.not_after {
        Ok(validity)
    } else {
        Err(IdCertError::Validity)
    }
}

/// Version, serial number, algorithms, and the absence of the unique IDs.
pub(crate) fn check_form(certificate: &Certificate) -> Result<(), IdCertError> {
    let tbs = &certificate.tbs_certificate;
    let serial = tbs.serial_number.as_bytes();
    let is_positive = serial.first().is_some_and(|first| first & 0x80 == 0)
        && serial.iter().any(|byte| *byte != 0);
    if tbs.version != Version::V3 {
        Err(IdCertError::Version)
    } else if !is_positive || serial.len() > 20 {
        Err(IdCertError::Serial)
    } else if tbs.signature != certificate.signature_algorithm {
        Err(IdCertError::Algorithms)
    } else if tbs.issuer_unique_id.is_some() || tbs.subject_unique_id.is_some() {
        Err(IdCertError::UniqueId)
    } else {
        Ok(())
    }
}

pub(crate) fn check_extensions(
    certificate: &Certificate,
    profile: Profile,
) -> Result<(), IdCertError> {
    let name = match profile {
        Profile::Server => "server",
        Profile::Actor => "session",
    };
    let expected = profile.extensions().ok();
    if expected.is_some() && certificate.tbs_certificate.extensions == expected {
        Ok(())
    } else {
        Err(IdCertError::Extensions(name))
    }
}
