//! Certificates that no `KeyManager` has made.

use antiphon_protocol::{
    ActorCert, ClientKey, Domain, Fid, IdCsr, KeyAlgorithm, PrivateKey, SerialNumber, ServerCert,
    SessionId, Timestamp, Validity, VerifiedCsr, issue,
};
use rand_core::OsRng;

/// The domain of every node in the benches.
pub const DOMAIN: &str = "a.example";

/// Longer than any bench's clock runs.
const YEAR: u64 = 365 * Timestamp::DAY;

/// A server's key, and its first certificate.
pub struct Issuer {
    key: PrivateKey,
    pub cert: ServerCert,
}

impl Issuer {
    pub fn new(algorithm: KeyAlgorithm, from: Timestamp) -> Self {
        let key = PrivateKey::generate(algorithm, &mut OsRng);
        let cert = server_cert(&key, from);
        Self { key, cert }
    }

    /// Another certificate of the server.
    pub fn server_cert(&self, from: Timestamp) -> ServerCert {
        server_cert(&self.key, from)
    }

    pub fn actor_cert(&self, csr: &VerifiedCsr, from: Timestamp) -> ActorCert {
        let validity = Validity {
            not_before: from,
            not_after: self.cert.validity().not_after,
        };
        let serial = SerialNumber::random(&mut OsRng);
        issue::actor_cert(&self.key, &self.cert, csr, serial, validity).unwrap()
    }
}

fn server_cert(key: &PrivateKey, from: Timestamp) -> ServerCert {
    let domain = Domain::parse(DOMAIN).unwrap();
    let validity = Validity {
        not_before: from,
        not_after: from.plus_secs(YEAR),
    };
    let serial = SerialNumber::random(&mut OsRng);
    issue::server_cert(key, &domain, serial, validity).unwrap()
}

/// What a client asks to have certified.
pub fn csr(key: &ClientKey, name: &str, session_id: &str) -> VerifiedCsr {
    let fid = Fid::parse(&format!("{name}@{DOMAIN}")).unwrap();
    let session_id = SessionId::parse(session_id).unwrap();
    let csr = key.csr(&fid, &session_id).unwrap();
    IdCsr::from_der(&csr).unwrap().verify().unwrap()
}
