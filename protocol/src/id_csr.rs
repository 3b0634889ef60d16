//! Requests for an ID-Cert (PKCS#10, RFC 2986).

use der::Decode;
use der::asn1::ObjectIdentifier;
use der::oid::AssociatedOid;
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};
use x509_cert::request::CertReq;

use crate::sets::{LARGEST_SET, has_large_set};
use crate::signed::{LONGEST_DER, Signed};
use crate::{DistinguishedName, Fid, KeyError, NameError, PublicKey, SessionId};

/// PKCS#9 extensionRequest (RFC 2985 §5.4.2).
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");

/// The same as older tools of Microsoft write it (`szOID_CERT_EXTENSIONS`).
const CERT_EXTENSIONS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.2.1.14");

/// A request as it came: parsed, nothing about it checked.
#[derive(Debug, Clone)]
pub struct IdCsr {
    request: CertReq,
    signed: Signed,
}

/// A request that proves possession of its key, names an actor and asks for nothing that an actor
/// may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedCsr {
    fid: Fid,
    session_id: SessionId,
    public_key: PublicKey,
}

/// Which check a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CsrError {
    /// Not Base64 as it is sent.
    #[error("{}", crate::base64::Base64Error)]
    NotBase64,
    /// Not DER of a PKCS#10 request, or more than that.
    #[error("not a PKCS#10 certification request in DER")]
    NotPkcs10,
    /// More than 4 KiB.
    #[error("longer than {LONGEST_DER} bytes")]
    TooLong,
    /// A SET of more than 32 members.
    #[error("a SET in it has more than {LARGEST_SET} members")]
    LargeSet,
    /// The subject is not a polyproto distinguished name.
    #[error(transparent)]
    Subject(#[from] NameError),
    /// The subject is a server's.
    #[error("the subject names a server, not an actor's session")]
    NotAnActor,
    /// The key, or the signature made with it.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A requested extension cannot be read.
    #[error("a requested extension cannot be read")]
    Extension,
    /// A CA was asked for.
    #[error("the request asks for a certificate authority (basicConstraints cA)")]
    AsksForCa,
    /// `keyCertSign` was asked for.
    #[error("the request asks for the right to sign certificates (keyUsage keyCertSign)")]
    AsksForCertSign,
    /// The actor named is not the one who may ask.
    #[error("the request is for another federation ID than the caller's")]
    OtherFid,
    /// The session named is not the one that asks.
    #[error("the request is for another session ID than the caller's")]
    OtherSessionId,
}

impl IdCsr {
    /// Parses DER of at most 4 KiB; trailing bytes are refused.
    pub fn from_der(bytes: &[u8]) -> Result<Self, CsrError> {
        if bytes.len() > LONGEST_DER {
            return Err(CsrError::TooLong);
        }
        if has_large_set(bytes) {
            return Err(CsrError::LargeSet);
        }
        Ok(Self {
            request: CertReq::from_der(bytes).map_err(|_| CsrError::NotPkcs10)?,
            signed: Signed::from_der(bytes).map_err(|_| CsrError::NotPkcs10)?,
        })
    }

    /// Checks everything that the request says about itself: name, key, signature, and what it
    /// asks for.
    pub fn verify(&self) -> Result<VerifiedCsr, CsrError> {
        let DistinguishedName::Actor { fid, session_id } = self.subject()? else {
            return Err(CsrError::NotAnActor);
        };
        let public_key = self.public_key()?;
        self.check_wishes()?;
        self.signed.verify(&public_key)?;
        Ok(VerifiedCsr {
            fid,
            session_id,
            public_key,
        })
    }

    pub(crate) fn subject(&self) -> Result<DistinguishedName, NameError> {
        DistinguishedName::from_request(&self.request.info.subject)
    }

    pub(crate) fn subject_text(&self) -> String {
        self.request.info.subject.to_string()
    }

    pub(crate) fn public_key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_spki(&self.request.info.public_key)
    }

    /// What is wished for stands in a PKCS#9 extensionRequest or, as polyproto's SDK writes it, as
    /// bare attributes. Wishes are not granted (every actor gets the same extensions), but the
    /// wish to be more than an actor is refused rather than ignored.
    fn check_wishes(&self) -> Result<(), CsrError> {
        for attribute in self.request.info.attributes.iter() {
            for value in attribute.values.iter() {
                let der = || der::Encode::to_der(value).map_err(|_| CsrError::Extension);
                match attribute.oid {
                    EXTENSION_REQUEST | CERT_EXTENSIONS => {
                        let wishes = Extensions::from_der(&der()?);
                        for wish in wishes.map_err(|_| CsrError::Extension)? {
                            check_wish(wish.extn_id, wish.extn_value.as_bytes())?;
                        }
                    }
                    BasicConstraints::OID | KeyUsage::OID => check_wish(attribute.oid, &der()?)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

fn check_wish(oid: ObjectIdentifier, der: &[u8]) -> Result<(), CsrError> {
    match oid {
        BasicConstraints::OID => {
            let wish = BasicConstraints::from_der(der).map_err(|_| CsrError::Extension)?;
            if wish.ca {
                return Err(CsrError::AsksForCa);
            }
        }
        KeyUsage::OID => {
            let wish = KeyUsage::from_der(der).map_err(|_| CsrError::Extension)?;
            if wish.0.contains(KeyUsages::KeyCertSign) {
                return Err(CsrError::AsksForCertSign);
            }
        }
        _ => {}
    }
    Ok(())
}

impl VerifiedCsr {
    /// Whose certificate is asked for.
    pub fn fid(&self) -> &Fid {
        &self.fid
    }

    /// For which client.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// The key to certify.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Refuses a request for somebody other than `fid`.
    pub fn expect_fid(&self, fid: &Fid) -> Result<(), CsrError> {
        if self.fid == *fid {
            Ok(())
        } else {
            Err(CsrError::OtherFid)
        }
    }

    /// Refuses a request for another session than `session_id`.
    pub fn expect_session_id(&self, session_id: &SessionId) -> Result<(), CsrError> {
        if self.session_id == *session_id {
            Ok(())
        } else {
            Err(CsrError::OtherSessionId)
        }
    }
}
