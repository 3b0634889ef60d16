//! What openmls needs of cryptography to judge a KeyPackage: signatures and SHA-256, and no
//! secrets. A delivery service has none, so everything else is refused.

use openmls_traits::crypto::OpenMlsCrypto;
use openmls_traits::types::{
    AeadType, Ciphersuite, CryptoError, ExporterSecret, HashType, HpkeCiphertext, HpkeConfig,
    HpkeKeyPair, KemOutput, SignatureScheme,
};
use sha2::{Digest as _, Sha256};
use tls_codec::SecretVLBytes;

use crate::CipherSuite;
use crate::signatures::{AwsLc, Verifier as _};

/// See the module.
pub(crate) struct PublicCrypto;

type Refused<T> = Result<T, CryptoError>;

impl OpenMlsCrypto for PublicCrypto {
    fn supports(&self, suite: Ciphersuite) -> Refused<()> {
        let known = CipherSuite::from_number(suite.into());
        known.map(drop).ok_or(CryptoError::UnsupportedCiphersuite)
    }

    fn supported_ciphersuites(&self) -> Vec<Ciphersuite> {
        let numbers = CipherSuite::ALL.map(CipherSuite::number);
        let suites = numbers.into_iter().map(Ciphersuite::try_from);
        suites.filter_map(Result::ok).collect()
    }

    fn hash(&self, hash_type: HashType, data: &[u8]) -> Refused<Vec<u8>> {
        match hash_type {
            HashType::Sha2_256 => Ok(Sha256::digest(data).to_vec()),
            HashType::Sha2_384 | HashType::Sha2_512 => Err(CryptoError::UnsupportedHashAlgorithm),
        }
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        data: &[u8],
        key: &[u8],
        signature: &[u8],
    ) -> Refused<()> {
        let verifies = match scheme {
            SignatureScheme::ECDSA_SECP256R1_SHA256 => AwsLc::p256(key, data, signature),
            SignatureScheme::ED25519 => AwsLc::ed25519(key, data, signature),
            _ => return Err(CryptoError::UnsupportedSignatureScheme),
        };
        verifies.then_some(()).ok_or(CryptoError::InvalidSignature)
    }

    fn hkdf_extract(&self, _: HashType, _: &[u8], _: &[u8]) -> Refused<SecretVLBytes> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn hmac(&self, _: HashType, _: &[u8], _: &[u8]) -> Refused<SecretVLBytes> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn hkdf_expand(&self, _: HashType, _: &[u8], _: &[u8], _: usize) -> Refused<SecretVLBytes> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn aead_encrypt(
        &self,
        _: AeadType,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Refused<Vec<u8>> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn aead_decrypt(
        &self,
        _: AeadType,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Refused<Vec<u8>> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn signature_key_gen(&self, _: SignatureScheme) -> Refused<(Vec<u8>, Vec<u8>)> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn sign(&self, _: SignatureScheme, _: &[u8], _: &[u8]) -> Refused<Vec<u8>> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn hpke_seal(
        &self,
        _: HpkeConfig,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Refused<HpkeCiphertext> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn hpke_open(
        &self,
        _: HpkeConfig,
        _: &HpkeCiphertext,
        _: &[u8],
        _: &[u8],
        _: &[u8],
    ) -> Refused<Vec<u8>> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn hpke_setup_sender_and_export(
        &self,
        _: HpkeConfig,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: usize,
    ) -> Refused<(KemOutput, ExporterSecret)> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn hpke_setup_receiver_and_export(
        &self,
        _: HpkeConfig,
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: &[u8],
        _: usize,
    ) -> Refused<ExporterSecret> {
        Err(CryptoError::CryptoLibraryError)
    }

    fn derive_hpke_keypair(&self, _: HpkeConfig, _: &[u8]) -> Refused<HpkeKeyPair> {
        Err(CryptoError::CryptoLibraryError)
    }
}
