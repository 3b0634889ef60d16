//! Argon2id (RFC 9106), off the actors' threads.

mod given;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Argon2, Block, Params};
use rand_core::OsRng;

use super::AccountsError;
use crate::workers::{WorkError, Workers};

pub use given::{NewPassword, Password, PasswordLength};

/// How many may wait for their turn. At 20 to 30 ms each this is a wait of some seconds, after which a
/// client would rather be told to come back.
const QUEUE: usize = 256;

/// Hashes and verifies: on half of the cores, since each takes 19 MiB and a core for as long as a thousand
/// lookups (docs/decisions/0031).
#[derive(Debug, Clone)]
pub(super) struct Hasher {
    workers: Workers,
    /// What passwords of unknown users are compared with, so that they take as long.
    decoy: Arc<str>,
    memory: Memory,
}

/// The memory of hashes that are done, for those that wait: to take 19 MiB anew takes half as long as the hash
/// itself (docs/decisions/0047).
#[derive(Debug, Clone, Default)]
struct Memory(Arc<Mutex<Vec<Vec<Block>>>>);

impl Memory {
    /// Computes the hash of a password.
    fn hash(&self, argon2: &Argon2<'_>, password: &[u8], salt: Salt<'_>) -> Result<Output, Error> {
        let mut bytes = [0; Salt::MAX_LENGTH];
        let salt = salt.decode_b64(&mut bytes)?;
        let mut memory = self.free().pop().unwrap_or_default();
        memory.resize(argon2.params().block_count(), Block::default());
        let length = argon2.params().output_len();
        let length = length.unwrap_or(Params::DEFAULT_OUTPUT_LEN);
        let hashed = Output::init_with(length, |output| {
            Ok(argon2.hash_password_into_with_memory(password, salt, output, &mut memory)?)
        });
        self.free().push(memory);
        hashed
    }

    /// Gives back what no hash is using.
    fn release(&self) {
        *self.free() = Vec::new();
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Error = argon2::password_hash::Error;

impl Hasher {
    pub(super) fn new() -> Result<Self, AccountsError> {
        // In memory of its own, so that a node to which nobody comes has none.
        let decoy = hash(&Memory::default(), b"nobody has this one").map_err(hashing)?;
        Ok(Self {
            workers: Workers::on_half_of_the_cores(QUEUE),
            decoy: decoy.into(),
            memory: Memory::default(),
        })
    }

    /// Hashes a password to be kept, as a PHC string.
    pub(super) async fn hash(self, password: NewPassword) -> Result<String, AccountsError> {
        let hashed = self.run(move |memory| hash(memory, password.as_bytes()));
        hashed.await?.map_err(hashing)
    }

    /// Whether `password` is the one that was kept. Where nothing is kept, the answer is no, in
    /// the same time.
    pub(super) async fn verify(
        self,
        password: Password,
        kept: Option<String>,
    ) -> Result<bool, AccountsError> {
        let decoy = Arc::clone(&self.decoy);
        let verifying = self.run(move |memory| {
            let is_known = kept.is_some();
            let is_right = verify(memory, &password, kept.as_deref().unwrap_or(&decoy))?;
            Ok(is_known && is_right)
        });
        verifying.await?.map_err(hashing)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Memory) -> T + Send + 'static,
    ) -> Result<T, WorkError> {
        let hasher = self.clone();
        let done = self.workers.run(move || {
            let done = work(&hasher.memory);
            if !hasher.workers.has_waiting() {
                hasher.memory.release();
            }
            done
        });
        done.await
    }
}

fn hash(memory: &Memory, password: &[u8]) -> Result<String, Error> {
    let salt = SaltString::generate(&mut OsRng);
    let argon2 = Argon2::default();
    let phc = PasswordHash {
        algorithm: argon2::ARGON2ID_IDENT,
        version: Some(argon2::Version::default().into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt.as_salt()),
        hash: Some(memory.hash(&argon2, password, salt.as_salt())?),
    };
    Ok(phc.to_string())
}

/// With the parameters that were kept.
fn verify(memory: &Memory, password: &Password, kept: &str) -> Result<bool, Error> {
    let phc = PasswordHash::new(kept)?;
    let (Some(salt), Some(kept)) = (phc.salt, phc.hash) else {
        return Err(Error::PhcStringField);
    };
    let algorithm = phc.algorithm.try_into()?;
    let version = phc.version.map(argon2::Version::try_from).transpose()?;
    let argon2 = Argon2::new(
        algorithm,
        version.unwrap_or_default(),
        Params::try_from(&phc)?,
    );
    // `Output` compares in constant time.
    Ok(memory.hash(&argon2, password.as_bytes(), salt)? == kept)
}

#[allow(clippy::needless_pass_by_value)] // The shape that `map_err` asks for.
fn hashing(error: Error) -> AccountsError {
    AccountsError::Hashing(error.to_string())
}
