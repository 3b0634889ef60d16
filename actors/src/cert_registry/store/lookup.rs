//! Who was in force when.

use std::ops::RangeInclusive;

use antiphon_protocol::{ActorCert, ServerCert, SessionId, Snowflake, Timestamp};

use super::Store;
use super::records::{Change, Entry, SessionRecord};
use super::runs::{LastRun, Run, Step};
use crate::cert_registry::server_timeline::{KEPT, Recent};
use crate::cert_registry::timelines::Timeline;
use crate::cert_registry::{LiveCert, RegistryError, ServerCertLife, SessionLife, SessionRef};
use crate::storage::{RecordError, Space, StorageError, key, numbers};

impl Store {
    /// The server certificate in force at `at`, among the entries up to `newest`.
    pub(in crate::cert_registry) fn server_cert_in_force(
        &self,
        at: Timestamp,
        newest: u64,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let step = self.server_steps(at, newest).next().transpose()?;
        let step = step.filter(|step| step.is_valid(at.as_secs()));
        step.map(|step| self.cert(step.sequence)).transpose()
    }

    /// The newest server certificates among the entries up to `newest`; none if there are none.
    pub(in crate::cert_registry) fn recent_server_certs(
        &self,
        newest: u64,
    ) -> Result<Option<Recent>, RegistryError> {
        let ever = Timestamp::from_secs(u64::MAX);
        let mut steps = self.server_steps(ever, newest).take(KEPT);
        let Some(first) = steps.next().transpose()? else {
            return Ok(None);
        };
        // One that cannot be read is the trouble of whoever asks about its time.
        let older = steps.map_while(Result::ok);
        let steps = std::iter::once(first).chain(older).collect();
        let der = self.cert(first.sequence)?;
        Ok(Some(Recent {
            as_of: newest,
            steps,
            newest: der,
        }))
    }

    /// What was logged of server certificates until `at`, among the entries up to `newest`, the newest
    /// first.
    fn server_steps(
        &self,
        at: Timestamp,
        newest: u64,
    ) -> impl Iterator<Item = Result<Step, StorageError>> + use<> {
        let (from, to) = (key(&[0, 0]), key(&[at.as_secs(), u64::MAX]));
        let index = Space::ServerCertIndex;
        let found = self.storage.range::<Change>(index, &from, &to).rev();
        let steps = found.map(move |found| {
            let (by_time, change) = found?;
            let [at, sequence] = numbers(index, &by_time)?;
            Ok(Step {
                sequence,
                at,
                change,
            })
        });
        steps.filter(move |step| step.as_ref().map_or(true, |step| step.sequence <= newest))
    }

    /// The certificates of the user's sessions in force at `at`, among the entries up to `newest`.
    pub(in crate::cert_registry) fn session_certs_in_force(
        &self,
        user: Snowflake,
        at: Timestamp,
        newest: u64,
    ) -> Result<Vec<LiveCert>, RegistryError> {
        let mut certs = Vec::new();
        for found in self
            .storage
            .scan::<SessionRecord>(Space::Sessions, &key(&[user.as_u64()]))
        {
            let (by_user, session) = found?;
            // Spares a range read for sessions of another time.
            let has_begun = session.since <= at.as_secs();
            let has_ended = session
                .ended
                .is_some_and(|end| end.at <= at.as_secs() && end.sequence <= newest);
            if has_begun && !has_ended {
                let found = self.session_cert_in_force(&by_user, at, newest)?;
                let session = SessionRef::of_key(Space::Sessions, &by_user)?;
                certs.extend(found.map(|(sequence, der)| LiveCert {
                    session,
                    sequence,
                    der,
                }));
            }
        }
        Ok(certs)
    }

    /// The same of one session: its others, however many, cost nothing.
    pub(in crate::cert_registry) fn live_cert_of(
        &self,
        session: SessionRef,
        at: Timestamp,
        newest: u64,
    ) -> Result<Option<LiveCert>, RegistryError> {
        let found = self.session_cert_in_force(&session.key(), at, newest)?;
        Ok(found.map(|(sequence, der)| LiveCert {
            session,
            sequence,
            der,
        }))
    }

    /// The newest of a user's sessions, also one that has ended.
    pub(in crate::cert_registry) fn newest_session(
        &self,
        user: Snowflake,
    ) -> Result<Option<Snowflake>, RegistryError> {
        let (space, of_user) = (Space::Sessions, key(&[user.as_u64()]));
        let mut sessions = self.storage.scan::<SessionRecord>(space, &of_user);
        let Some((by_user, _)) = sessions.next_back().transpose()? else {
            return Ok(None);
        };
        Ok(Some(SessionRef::of_key(space, &by_user)?.session))
    }

    /// The timeline of a user, among the entries up to `newest`; none of one that is too long.
    pub(in crate::cert_registry) fn timeline(
        &self,
        user: Snowflake,
        newest: u64,
    ) -> Result<Option<Timeline>, RegistryError> {
        let (space, of_user) = (Space::SessionCertIndex, key(&[user.as_u64()]));
        let runs = self.storage.scan_bytes(space, &of_user).map(|found| {
            let (by_time, run) = found?;
            let [_, session, _, _] = numbers(space, &by_time)?;
            Ok((session, run))
        });
        Ok(Timeline::gather(newest, runs)?)
    }

    /// All sessions of a user, with the certificate that each has at `now`.
    pub(in crate::cert_registry) fn sessions(
        &self,
        user: Snowflake,
        now: Timestamp,
        newest: u64,
    ) -> Result<Vec<SessionLife>, RegistryError> {
        let mut lives = Vec::new();
        for found in self
            .storage
            .scan::<SessionRecord>(Space::Sessions, &key(&[user.as_u64()]))
        {
            let (by_user, session) = found?;
            let damaged = |error: String| StorageError::Damaged {
                space: Space::Sessions,
                error: RecordError::Fields(error),
            };
            let cert = self.session_cert_in_force(&by_user, now, newest)?;
            let cert = cert.map(|(_, der)| ActorCert::from_der(&der)).transpose();
            lives.push(SessionLife {
                session: SessionRef::of_key(Space::Sessions, &by_user)?,
                session_id: SessionId::parse(&session.session_id)
                    .map_err(|error| damaged(error.to_string()))?,
                since: Timestamp::from_secs(session.since),
                ended: session.ended.map(|end| Timestamp::from_secs(end.at)),
                cert: cert.map_err(|error| damaged(error.to_string()))?,
            });
        }
        Ok(lives)
    }

    /// All server certificates among the entries up to `newest`, oldest first.
    pub(in crate::cert_registry) fn server_certs(
        &self,
        newest: u64,
    ) -> Result<Vec<ServerCertLife>, RegistryError> {
        let mut lives: Vec<ServerCertLife> = Vec::new();
        for found in self.storage.scan::<Change>(Space::ServerCertIndex, &[]) {
            let (by_time, _) = found?;
            let [since, sequence] = numbers(Space::ServerCertIndex, &by_time)?;
            if sequence > newest {
                continue;
            }
            let since = Timestamp::from_secs(since);
            if let Some(before) = lives.last_mut() {
                before.retired = Some(since);
            }
            lives.push(ServerCertLife {
                cert: ServerCert::from_der(&self.cert(sequence)?)
                    .map_err(|_| RegistryError::DamagedEntry(sequence))?,
                since,
                retired: None,
            });
        }
        Ok(lives)
    }

    /// The certificate of a session in force at `at`, among the entries up to `newest`, with its
    /// sequence number.
    fn session_cert_in_force(
        &self,
        session: &[u8],
        at: Timestamp,
        newest: u64,
    ) -> Result<Option<(u64, Vec<u8>)>, RegistryError> {
        let step = self.newest_step(session, at.as_secs(), newest)?;
        let step = step.filter(|step| step.is_valid(at.as_secs()));
        let cert = step.map(|step| Ok((step.sequence, self.cert(step.sequence)?)));
        cert.transpose()
    }

    /// The newest step of a session at `at`, among the entries up to `newest`: one backwards range
    /// read, however long the history.
    pub(in crate::cert_registry) fn newest_step(
        &self,
        session: &[u8],
        at: u64,
        newest: u64,
    ) -> Result<Option<Step>, RegistryError> {
        let from = [session, &key(&[0, 0])].concat();
        let to = [session, &key(&[at, u64::MAX])].concat();
        let index = Space::SessionCertIndex;
        for found in self.storage.range::<Run>(index, &from, &to).rev() {
            let (_, run) = found?;
            if let Some(step) = run.newest(at, newest) {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// The last run of a session.
    pub(super) fn last_run(&self, session: SessionRef) -> Result<LastRun, RegistryError> {
        let (space, of_session) = (Space::SessionCertIndex, session.key());
        let mut runs = self.storage.scan::<Run>(space, &of_session);
        Ok(LastRun(runs.next_back().transpose()?))
    }

    /// The certificate that an entry carries.
    pub(in crate::cert_registry) fn cert(&self, sequence: u64) -> Result<Vec<u8>, RegistryError> {
        let entry = self
            .storage
            .get_one_of_many::<Entry>(Space::LogEntries, &key(&[sequence]))?;
        let der = entry.and_then(|entry| entry.event.into_cert());
        der.ok_or(RegistryError::DamagedEntry(sequence))
    }

    /// The certificates that these entries carry, in order; none of one that carries none, or
    /// that comes after one that cannot be read.
    pub(in crate::cert_registry) fn certs(
        &self,
        sequences: RangeInclusive<u64>,
    ) -> impl Iterator<Item = Option<Vec<u8>>> + use<> {
        let (first, last) = (key(&[*sequences.start()]), key(&[*sequences.end()]));
        let found = self
            .storage
            .range::<Entry>(Space::LogEntries, &first, &last);
        let mut found = found.map_while(Result::ok).peekable();
        sequences.map(move |sequence| {
            let (_, entry) = found.next_if(|(number, _)| *number == key(&[sequence]))?;
            entry.event.into_cert()
        })
    }
}
