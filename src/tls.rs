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

/// Reads certificate and key.
pub fn server_config(files: &TlsFiles) -> Result<ServerConfig, TlsError> {
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
    // One provider, named: with two in the tree there is no default.
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| TlsError::Refused {
            files: Box::new(files.clone()),
            error,
        })
}

/// When the certificate ended, if it has: TLS takes it, and whoever connects does not. Of one that cannot be read
/// nothing is said.
pub fn ended(files: &TlsFiles, now: Timestamp) -> Option<Timestamp> {
    let leaf = CertificateDer::from_pem_file(&files.certificate).ok()?;
    let leaf = Certificate::from_der(&leaf).ok()?;
    let not_after = leaf.tbs_certificate.validity.not_after;
    let not_after = Timestamp::from_secs(not_after.to_unix_duration().as_secs());
    (not_after < now).then_some(not_after)
}
