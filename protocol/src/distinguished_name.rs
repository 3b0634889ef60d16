//! polyproto distinguished names (pDN).

use std::borrow::Cow;

use der::asn1::{Any, Ia5StringRef, ObjectIdentifier, SetOfVec, Utf8StringRef};
use der::{Encode, Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

use crate::{Domain, Fid, SessionId};

const DC: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.25");
const UID: ObjectIdentifier = ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.1");
const CN: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const UNIQUE_IDENTIFIER: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("0.9.2342.19200300.100.1.44");

/// The name of a server or of one session of an actor.
///
/// Written, it is one attribute per RDN in a fixed order: the domain's labels from the top down as
/// `DC`, and for an actor then `UID` (the federation ID), `CN` (the local name) and
/// `uniqueIdentifier` (the session ID). `DC` and `uniqueIdentifier` are `IA5String`, `UID` and
/// `CN` `UTF8String`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DistinguishedName {
    /// A home server.
    Server(Domain),
    /// One session of an actor.
    Actor {
        /// Who.
        fid: Fid,
        /// With which client.
        session_id: SessionId,
    },
}

/// Why a name is not a polyproto distinguished name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An attribute other than `DC`, `UID`, `CN` and `uniqueIdentifier`.
    #[error("the name has an attribute other than DC, UID, CN and uniqueIdentifier")]
    UnknownAttribute,
    /// An attribute that may stand once stands twice.
    #[error("the name has UID, CN or uniqueIdentifier more than once")]
    Repeated,
    /// A value that is not text.
    #[error("an attribute of the name is not a text in ASCII, UTF-8 or UTF-16 (BMPString)")]
    NotText,
    /// There is no `DC`, or the labels are not a domain.
    #[error("the DC attributes of the name do not spell a domain")]
    Domain,
    /// An actor's name lacks `UID`.
    #[error("the name has no UID with a federation ID")]
    NoUid,
    /// `UID` is not a federation ID.
    #[error("the UID is not a federation ID")]
    Uid,
    /// `DC` and `UID` name different domains.
    #[error("the DC attributes and the UID name different domains")]
    DomainMismatch,
    /// `CN` is missing or is not the local name in `UID`.
    #[error("the CN is not the local name of the UID")]
    CommonName,
    /// `uniqueIdentifier` is missing or is not a session ID.
    #[error("the uniqueIdentifier is not a session ID of 1 to 32 IA5 characters")]
    SessionId,
    /// Order, grouping, string types or letter case are not the ones that are written.
    #[error("the name is not encoded as DC top down, UID, CN, uniqueIdentifier, one per RDN")]
    NotCanonical,
}

/// The attributes of a name in the order found, whatever its order, grouping and string types.
#[derive(Default)]
struct Attributes<'a> {
    dc: Vec<Cow<'a, str>>,
    uid: Option<Cow<'a, str>>,
    cn: Option<Cow<'a, str>>,
    unique_identifier: Option<Cow<'a, str>>,
}

impl DistinguishedName {
    /// The domain of the server, or of the actor's home server.
    pub fn domain(&self) -> &Domain {
        match self {
            Self::Server(domain) => domain,
            Self::Actor { fid, .. } => fid.domain(),
        }
    }

    /// Reads a name as a client's tool may have written it: any order, any grouping, any common
    /// string type, `DC` top down or bottom up.
    pub(crate) fn from_request(name: &Name) -> Result<Self, NameError> {
        Attributes::of(name)?.into_name()
    }

    /// Reads a name that must be encoded exactly as this node writes it.
    pub(crate) fn from_certificate(name: &Name) -> Result<Self, NameError> {
        let parsed = Self::from_request(name)?;
        let canonical = parsed.to_name().map_err(|_| NameError::NotCanonical)?;
        if canonical == *name {
            Ok(parsed)
        } else {
            Err(NameError::NotCanonical)
        }
    }

    /// The name as X.509 carries it.
    pub(crate) fn to_name(&self) -> der::Result<Name> {
        let labels = self.domain().labels_top_down();
        let mut rdns = labels
            .map(|label| rdn(DC, &Ia5StringRef::new(label)?))
            .collect::<der::Result<Vec<_>>>()?;
        if let Self::Actor { fid, session_id } = self {
            rdns.push(rdn(UID, &Utf8StringRef::new(&fid.to_string())?)?);
            rdns.push(rdn(CN, &Utf8StringRef::new(fid.local_name().as_str())?)?);
            let session_id = Ia5StringRef::new(session_id.as_str())?;
            rdns.push(rdn(UNIQUE_IDENTIFIER, &session_id)?);
        }
        Ok(RdnSequence(rdns))
    }
}

impl<'a> Attributes<'a> {
    fn of(name: &'a Name) -> Result<Self, NameError> {
        let mut found = Self::default();
        for attribute in name.0.iter().flat_map(|rdn| rdn.0.iter()) {
            let text = text(&attribute.value)?;
            let once = match attribute.oid {
                DC => {
                    found.dc.push(text);
                    continue;
                }
                UID => &mut found.uid,
                CN => &mut found.cn,
                UNIQUE_IDENTIFIER => &mut found.unique_identifier,
                _ => return Err(NameError::UnknownAttribute),
            };
            if once.replace(text).is_some() {
                return Err(NameError::Repeated);
            }
        }
        Ok(found)
    }

    fn into_name(self) -> Result<DistinguishedName, NameError> {
        let bottom_up = self.dc.iter().rev().cloned().collect::<Vec<_>>().join(".");
        let domain = Domain::parse(&bottom_up).map_err(|_| NameError::Domain)?;
        let Some(uid) = self.uid else {
            return if self.cn.is_none() && self.unique_identifier.is_none() {
                Ok(DistinguishedName::Server(domain))
            } else {
                Err(NameError::NoUid)
            };
        };
        let fid = Fid::parse(&uid).map_err(|_| NameError::Uid)?;
        let top_down = self.dc.join(".").to_ascii_lowercase();
        if *fid.domain() != domain && fid.domain().as_str() != top_down {
            return Err(NameError::DomainMismatch);
        }
        let is_local_name = |cn: Cow<'_, str>| cn.eq_ignore_ascii_case(fid.local_name().as_str());
        if !self.cn.is_some_and(is_local_name) {
            return Err(NameError::CommonName);
        }
        let session_id = self.unique_identifier.ok_or(NameError::SessionId)?;
        let session_id = SessionId::parse(&session_id).map_err(|_| NameError::SessionId)?;
        Ok(DistinguishedName::Actor { fid, session_id })
    }
}

/// The text of a value of any string type that tools write names in; `BMPString` is UTF-16, as Windows has it.
fn text(value: &Any) -> Result<Cow<'_, str>, NameError> {
    let text = match value.tag() {
        Tag::Utf8String
        | Tag::PrintableString
        | Tag::NumericString
        | Tag::Ia5String
        | Tag::VisibleString
        | Tag::TeletexString => std::str::from_utf8(value.value()).ok().map(Cow::Borrowed),
        Tag::BmpString => utf16(value.value()).map(Cow::Owned),
        _ => None,
    };
    text.ok_or(NameError::NotText)
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let (units, odd) = bytes.as_chunks::<2>();
    if !odd.is_empty() {
        return None;
    }
    let units: Vec<_> = units.iter().map(|unit| u16::from_be_bytes(*unit)).collect();
    String::from_utf16(&units).ok()
}

fn rdn<T>(oid: ObjectIdentifier, value: &T) -> der::Result<RelativeDistinguishedName>
where
    T: Encode + Tagged + der::EncodeValue,
{
    let value = Any::encode_from(value)?;
    let mut set = SetOfVec::new();
    set.insert(AttributeTypeAndValue { oid, value })?;
    Ok(RelativeDistinguishedName(set))
}
