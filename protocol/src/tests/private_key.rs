//! What an encrypted private key costs those who guess its passphrase.

use pkcs8::{EncryptedPrivateKeyInfo, SecretDocument};
use rand_core::OsRng;

use super::support::{ALGORITHMS, key};
use crate::PrivateKey;

#[test]
fn an_encrypted_key_is_read_back_and_costs_16_mib_for_each_guess() {
    for algorithm in ALGORITHMS {
        let key = key(algorithm);
        let pem = key.to_encrypted_pkcs8_pem("passphrase", &mut OsRng);
        let pem = pem.unwrap();
        let again = PrivateKey::from_encrypted_pkcs8_pem(&pem, "passphrase").unwrap();
        assert_eq!(again.public_key(), key.public_key());
        let (_, document) = SecretDocument::from_pem(&pem).unwrap();
        let info = EncryptedPrivateKeyInfo::try_from(document.as_bytes()).unwrap();
        let scrypt = info.encryption_algorithm.pbes2().unwrap().kdf.scrypt();
        let scrypt = scrypt.unwrap();
        assert_eq!(scrypt.cost_parameter, 1 << 14);
        assert_eq!((scrypt.block_size, scrypt.parallelization), (8, 5));
    }
}
