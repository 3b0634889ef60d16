//! The two certificate profiles: which extensions stand in a certificate, and how.

use der::Encode;
use der::asn1::OctetString;
use der::oid::AssociatedOid;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages};
use x509_cert::ext::{Extension, Extensions};

/// Whom a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// A server: CA, no CA below it, signs certificates.
    Server,
    /// One session of an actor: signs data.
    Actor,
}

impl Profile {
    /// The extensions of the profile: these two, critical, in this order, and no others.
    pub(crate) fn extensions(self) -> der::Result<Extensions> {
        let (basic_constraints, key_usage) = match self {
            Self::Server => (
                BasicConstraints {
                    ca: true,
                    path_len_constraint: Some(0),
                },
                KeyUsage(KeyUsages::KeyCertSign.into()),
            ),
            Self::Actor => (
                BasicConstraints {
                    ca: false,
                    path_len_constraint: None,
                },
                KeyUsage(KeyUsages::DigitalSignature.into()),
            ),
        };
        Ok(vec![critical(&basic_constraints)?, critical(&key_usage)?])
    }
}

fn critical<T: AssociatedOid + Encode>(value: &T) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: T::OID,
        critical: true,
        extn_value: OctetString::new(value.to_der()?)?,
    })
}
