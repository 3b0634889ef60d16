//! Where pools begin: what was given out is gone, so that nobody need look for it again. Kept in
//! memory, as far as this program has looked; a restart looks once more.

use std::collections::HashMap;

use antiphon_protocol::CipherSuite;

use crate::cert_registry::SessionRef;

/// Of more pools than this none is remembered.
const MANY: usize = 4096;

/// For pools of a session and a suite, a number below which there is no package.
#[derive(Debug, Default)]
pub(super) struct Fronts(HashMap<(SessionRef, CipherSuite), u64>);

impl Fronts {
    pub(super) fn of(&self, session: SessionRef, suite: CipherSuite) -> u64 {
        self.0.get(&(session, suite)).copied().unwrap_or(0)
    }

    /// Takes note of where a pool begins now. Only once what was before is certain to go.
    pub(super) fn note(&mut self, session: SessionRef, suite: CipherSuite, front: u64) {
        if self.0.len() >= MANY {
            self.0.clear();
        }
        self.0.insert((session, suite), front);
    }
}
