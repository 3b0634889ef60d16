//! KeyPackages made by MLS libraries are accepted, and are of use to who claims them.

use mls_rs::identity::x509::{CertificateChain, DerCertificate};
use mls_rs::identity::{Credential, CredentialType, SigningIdentity};
use mls_rs::time::MlsTime;
use mls_rs::{CipherSuite, Client, ExtensionList, IdentityProvider, MlsMessage};
use mls_rs::{CipherSuiteProvider as _, CryptoProvider as _};
use mls_rs_crypto_rustcrypto::RustCryptoProvider;
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _, VLBytes};
use openmls::prelude::{
    Capabilities, Ciphersuite, CredentialWithKey, ExtensionType, KeyPackage, KeyPackageIn,
    ProtocolVersion, SignatureScheme,
};
use openmls_rust_crypto::OpenMlsRustCrypto;
use openmls_traits::OpenMlsProvider as _;
use openmls_traits::signatures::{Signer, SignerError};

use crate::support::ClientKey;
use crate::support::node::TestNode;

const ALICE: &str = "alice@a.example";

/// A client's key as openmls asks for it.
struct ClientSigner<'a>(&'a ClientKey);

impl Signer for ClientSigner<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload))
    }

    fn signature_scheme(&self) -> SignatureScheme {
        match self.0 {
            ClientKey::P256(_) => SignatureScheme::ECDSA_SECP256R1_SHA256,
            ClientKey::Ed25519(_) => SignatureScheme::ED25519,
        }
    }
}

#[actix_web::test]
async fn packages_of_openmls_are_taken_and_come_back_sound() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    node.api.register("bob").await;
    let bob = node.api.trust("bob", "laptop", &ClientKey::p256()).await;
    let provider = OpenMlsRustCrypto::default();
    for (suite, key) in [
        (1, ClientKey::ed25519()),
        (2, ClientKey::p256()),
        (3, ClientKey::ed25519()),
    ] {
        let alice = node.api.trust("alice", &format!("s{suite}"), &key).await;
        let make = |last_resort: bool| {
            let chain = VLBytes::new(alice.id_cert.clone());
            let kind = openmls::prelude::CredentialType::X509;
            let content = chain.tls_serialize_detached().unwrap();
            let credential = CredentialWithKey {
                credential: openmls::prelude::Credential::new(kind, content),
                signature_key: key.public_key_bytes().into(),
            };
            let capabilities = Capabilities::builder()
                .credentials(vec![kind])
                .extensions(vec![ExtensionType::LastResort])
                .build();
            let builder = KeyPackage::builder().leaf_node_capabilities(capabilities);
            let builder = if last_resort {
                builder.mark_as_last_resort()
            } else {
                builder
            };
            let suite = Ciphersuite::try_from(suite).unwrap();
            let made = builder.build(suite, &provider, &ClientSigner(&key), credential);
            made.unwrap()
                .key_package()
                .tls_serialize_detached()
                .unwrap()
        };
        let (once, last) = (make(false), make(true));
        let published = node.api.publish(&alice, &[once.clone()]).await;
        assert_eq!(published.status(), 201, "{:?}", published.text().await);
        let put = node.api.put_last_resort(&alice, &last).await;
        assert_eq!(put.status(), 204, "{:?}", put.text().await);
        let tail = format!("{ALICE}?cipher_suite={suite}");
        for expected in [once, last] {
            let claimed = node.api.claim(&bob, &tail).await;
            assert_eq!(claimed, [expected.clone()]);
            let parsed = KeyPackageIn::tls_deserialize_exact(&claimed[0]).unwrap();
            let sound = parsed.validate(provider.crypto(), ProtocolVersion::Mls10);
            assert!(sound.is_ok());
        }
    }
}

/// An application that takes anybody's word: what is judged here is the packages.
#[derive(Debug, Clone)]
struct Anybody;

impl IdentityProvider for Anybody {
    type Error = mls_rs::mls_rs_codec::Error;

    fn validate_member(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: mls_rs_core::identity::MemberValidationContext<'_>,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn validate_external_sender(
        &self,
        _: &SigningIdentity,
        _: Option<MlsTime>,
        _: Option<&ExtensionList>,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn identity(
        &self,
        identity: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<Vec<u8>, Self::Error> {
        Ok(identity.signature_key.as_bytes().to_vec())
    }

    fn valid_successor(
        &self,
        _: &SigningIdentity,
        _: &SigningIdentity,
        _: &ExtensionList,
    ) -> Result<bool, Self::Error> {
        Ok(true)
    }

    fn supported_types(&self) -> Vec<CredentialType> {
        vec![CredentialType::X509]
    }
}

#[actix_web::test]
async fn who_claims_a_package_of_mls_rs_can_add_its_owner_to_a_group() {
    let node = TestNode::start().await;
    node.api.register("alice").await;
    node.api.register("bob").await;
    let bob = node.api.trust("bob", "laptop", &ClientKey::p256()).await;
    let crypto = RustCryptoProvider::new();
    for number in [1, 2, 3] {
        let suite = CipherSuite::from(number);
        let provider = crypto.cipher_suite_provider(suite).unwrap();
        let client = |cert: Vec<u8>, secret, public| {
            let chain = CertificateChain::from(vec![DerCertificate::new(cert)]);
            let identity = SigningIdentity::new(Credential::X509(chain), public);
            Client::builder()
                .crypto_provider(crypto.clone())
                .identity_provider(Anybody)
                .signing_identity(identity, secret, suite)
                .build()
        };
        let (secret, public) = provider.signature_key_generate().unwrap();
        let seed = &secret.as_bytes()[..32];
        let key = if number == 2 {
            ClientKey::P256(p256::ecdsa::SigningKey::from_slice(seed).unwrap())
        } else {
            ClientKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(
                seed.try_into().unwrap(),
            ))
        };
        let session = node.api.trust("alice", &format!("s{number}"), &key).await;
        let alice = client(session.id_cert.clone(), secret, public);
        let (none, nothing) = (ExtensionList::new(), ExtensionList::new());
        let message = alice
            .generate_key_package_message(none, nothing, None)
            .unwrap();
        let published = node
            .api
            .publish(&session, &[message.to_bytes().unwrap()])
            .await;
        assert_eq!(published.status(), 201, "{:?}", published.text().await);

        let tail = format!("{ALICE}?cipher_suite={number}");
        let claimed = node.api.claim(&bob, &tail).await.remove(0);
        let message = MlsMessage::from_bytes(&[&[0, 1, 0, 5], &claimed[..]].concat()).unwrap();
        let (secret, public) = provider.signature_key_generate().unwrap();
        let adder = client(bob.id_cert.clone(), secret, public);
        let mut group = adder
            .create_group(ExtensionList::new(), ExtensionList::new(), None)
            .unwrap();
        let adding = group.commit_builder().add_member(message).unwrap();
        let commit = adding.build().unwrap();
        let welcome = &commit.welcome_messages[0];
        assert!(alice.join_group(None, welcome, None).is_ok());
    }
}
