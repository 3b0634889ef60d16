//! TLS for the network door.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use antiphon_protocol::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::config::{Origin, TlsFiles};

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("{origin}: {key}: {}: {}", path.display(), in_words(error, expected))]
    Pem {
        /// Who named it.
        origin: Origin,
        /// The setting that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// Why it does not.
        error: pem::Error,
    },
    /// Certificate and key do not do.
    #[error(
        "{}: listen.tls_certificate and listen.tls_key: {} and {} cannot be used together: {error}",
        files.origins[0],
        files.certificate.display(),
        files.key.display()
    )]
    Refused {
        /// Both.
        files: Box<TlsFiles>,
        /// Why.
        error: rustls::Error,
    },
}

fn in_words(error: &pem::Error, expected: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        error => format!("is not a PEM file with {expected}: {error}"),
    }
}

/// What the network door shows, and proves that it may.
pub struct Tls {
    /// For whoever accepts connections.
    pub config: ServerConfig,
    /// The last second of the certificate; none where it cannot be read, of which nothing is said.
    not_after: Option<Timestamp>,
}

impl Tls {
    /// Reads certificate and key.
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let [of_certificate, of_key] = &files.origins;
        let unreadable = |origin: &Origin, key, path: &Path, expected| {
            let (origin, path) = (origin.clone(), path.to_owned());
            move |error| TlsError::Pem {
                origin,
                key,
                path,
                expected,
                error,
            }
        };
        let chain = CertificateDer::pem_file_iter(&files.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(unreadable(
                of_certificate,
                "listen.tls_certificate",
                &files.certificate,
                "certificates",
            ))?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(unreadable(
            of_key,
            "listen.tls_key",
            &files.key,
            "a private key",
        ))?;
        let not_after = chain.first().and_then(not_after);
        // One provider, named: with two in the tree there is no default.
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| TlsError::Refused {
                files: Box::new(files.clone()),
                error,
            })?;
        Ok(Self { config, not_after })
    }

    /// When the certificate ended, if it has: TLS takes it, and whoever connects does not.
    pub fn ended(&self, now: Timestamp) -> Option<Timestamp> {
        self.not_after.filter(|not_after| *not_after < now)
    }
}

fn not_after(cert: &CertificateDer<'_>) -> Option<Timestamp> {
    let cert = Certificate::from_der(cert).ok()?;
    let not_after = cert.tbs_certificate.validity.not_after;
    Some(Timestamp::from_secs(not_after.to_unix_duration().as_secs()))
}
