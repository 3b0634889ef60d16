//! Argon2id (RFC 9106), off the actors' threads.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use rand_core::OsRng;

use super::{AccountsError, Password};
use crate::workers::Workers;

/// How many may wait for their turn. At about 20 ms each this is a wait of a few seconds, after
/// which a client would rather be told to come back.
const QUEUE: usize = 128;

/// Hashes and verifies: as many at a time as there are cores, since each takes 19 MiB and a core.
#[derive(Debug, Clone)]
pub(super) struct Hasher {
    workers: Workers,
    /// What passwords of unknown users are compared with, so that they take as long.
    decoy: Arc<str>,
}

impl Hasher {
    pub(super) fn new() -> Result<Self, AccountsError> {
        let decoy = hash(&Password::new("nobody has this one".to_owned()))?;
        Ok(Self {
            workers: Workers::new(QUEUE),
            decoy: decoy.into(),
        })
    }

    /// Hashes a password to be kept, as a PHC string.
    pub(super) async fn hash(self, password: Password) -> Result<String, AccountsError> {
        self.workers.run(move || hash(&password)).await?
    }

    /// Whether `password` is the one that was kept. Where nothing is kept, the answer is no, in
    /// the same time.
    pub(super) async fn verify(
        self,
        password: Password,
        kept: Option<String>,
    ) -> Result<bool, AccountsError> {
        let decoy = Arc::clone(&self.decoy);
        let verifying = self.workers.run(move || {
            let is_known = kept.is_some();
            let phc = kept.as_deref().unwrap_or(&decoy);
            let phc = PasswordHash::new(phc).map_err(hashing)?;
            let is_right = Argon2::default().verify_password(password.as_bytes(), &phc);
            Ok(is_known && is_right.is_ok())
        });
        verifying.await?
    }
}

fn hash(password: &Password) -> Result<String, AccountsError> {
    let salt = SaltString::generate(&mut OsRng);
    let phc = Argon2::default().hash_password(password.as_bytes(), &salt);
    Ok(phc.map_err(hashing)?.to_string())
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` asks for.
fn hashing(error: impl ToString) -> AccountsError {
    AccountsError::Hashing(error.to_string())
}
