//! Who was in force when.

use std::ops::RangeInclusive;

use antiphon_protocol::{ActorCert, ServerCert, Snowflake, Timestamp};

use super::Store;
use super::records::{Change, Entry};
use super::runs::{LastRun, Run, Step};
use crate::cert_registry::server_timeline::{KEPT, Recent};
use crate::cert_registry::timelines::Timeline;
use crate::cert_registry::{LiveCert, RegistryError, ServerCertLife, SessionLife, SessionRef};
use crate::storage::{Space, StorageError, key, numbers};

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

    /// The steps of the user's sessions in force at `at`, among the entries up to `newest`.
    pub(in crate::cert_registry) fn session_steps_in_force(
        &self,
        user: Snowflake,
        at: Timestamp,
        newest: u64,
    ) -> Result<Vec<(Snowflake, Step)>, RegistryError> {
        let steps = self.newest_steps(user, at, newest)?.into_iter();
        let steps = steps.map(|(session, step)| (session.session, step));
        Ok(steps
            .filter(|(_, step)| step.is_valid(at.as_secs()))
            .collect())
    }

    /// The same of one session: its others, however many, cost nothing.
    pub(in crate::cert_registry) fn live_cert_of(
        &self,
        session: SessionRef,
        at: Timestamp,
        newest: u64,
    ) -> Result<Option<LiveCert>, RegistryError> {
        let step = self.newest_step(&session.key(), at.as_secs(), newest)?;
        let step = step.filter(|step| step.is_valid(at.as_secs()));
        let cert = step.map(|step| {
            Ok(LiveCert {
                sequence: step.sequence,
                der: self.cert(step.sequence)?,
            })
        });
        cert.transpose()
    }

    /// The newest of a user's sessions, also one that has ended.
    pub(in crate::cert_registry) fn newest_session(
        &self,
        user: Snowflake,
    ) -> Result<Option<Snowflake>, RegistryError> {
        let mut runs = self.runs_until(user, [u64::MAX; 3]);
        let newest = runs.next().transpose()?;
        Ok(newest.map(|(session, ..)| session.session))
    }

    /// The timeline of a user, among the entries up to `newest`; none of one that is too long.
    pub(in crate::cert_registry) fn timeline(
        &self,
        user: Snowflake,
        newest: u64,
    ) -> Result<Option<Timeline>, RegistryError> {
        let (space, of_user) = (Space::SessionCertIndex, key(&[user.as_u64()]));
        self.storage.count_page(space, &of_user)?;
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
        for (session, step) in self.newest_steps(user, now, newest)? {
            let (since, first) = self.first_cert(session)?;
            let is_valid = step.is_valid(now.as_secs());
            let cert = is_valid.then(|| self.actor_cert(step.sequence));
            lives.push(SessionLife {
                session,
                session_id: first.session_id().clone(),
                since,
                ended: match step.change {
                    Change::Ended => Some(Timestamp::from_secs(step.at)),
                    Change::Cert { .. } => None,
                },
                cert: cert.transpose()?,
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

    /// The newest step of each of a user's sessions at `at`, among the entries up to `newest`, in the order in
    /// which the sessions were first seen. They are walked through from the last; what comes after `at`, and
    /// what is before a session's answer, is jumped over, however long it is.
    fn newest_steps(
        &self,
        user: Snowflake,
        at: Timestamp,
        newest: u64,
    ) -> Result<Vec<(SessionRef, Step)>, RegistryError> {
        let at = at.as_secs();
        let mut steps: Vec<(SessionRef, Step)> = Vec::new();
        let mut runs = self.runs_until(user, [u64::MAX; 3]);
        while let Some(found) = runs.next() {
            let (session, since, run) = found?;
            let number = session.session.as_u64();
            if steps.last().is_some_and(|(known, _)| *known == session) {
                let Some(older) = number.checked_sub(1) else {
                    break;
                };
                runs = self.runs_until(user, [older, u64::MAX, u64::MAX]);
            } else if since > at {
                runs = self.runs_until(user, [number, at, u64::MAX]);
            } else if let Some(step) = run.newest(at, newest) {
                steps.push((session, step));
            }
            // Else all of the run is newer than `newest`.
        }
        steps.reverse();
        Ok(steps)
    }

    /// The runs of a user up to a place (session, logging time, sequence number), the last first: each with its
    /// session, and the time of its first step.
    fn runs_until(
        &self,
        user: Snowflake,
        [session, at, sequence]: [u64; 3],
    ) -> impl Iterator<Item = Result<(SessionRef, u64, Run), StorageError>> + use<> {
        let index = Space::SessionCertIndex;
        let from = key(&[user.as_u64(), 0, 0, 0]);
        let to = key(&[user.as_u64(), session, at, sequence]);
        let found = self.storage.range::<Run>(index, &from, &to).rev();
        found.map(move |found| {
            let (by_time, run) = found?;
            let [user, session, since, _] = numbers(index, &by_time)?;
            Ok((SessionRef::from_numbers(user, session), since, run))
        })
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

    /// The first certificate of a session, and when it was logged.
    pub(in crate::cert_registry) fn first_cert(
        &self,
        session: SessionRef,
    ) -> Result<(Timestamp, ActorCert), RegistryError> {
        let (space, of_session) = (Space::SessionCertIndex, session.key());
        let first = self.storage.scan::<Run>(space, &of_session).next();
        let first = first.transpose()?;
        let first = first.and_then(|(_, run)| run.steps().first().copied());
        let Step { at, sequence, .. } = first.ok_or(RegistryError::NoSuchSession)?;
        Ok((Timestamp::from_secs(at), self.actor_cert(sequence)?))
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

    /// The same of a session's certificate.
    pub(in crate::cert_registry) fn actor_cert(
        &self,
        sequence: u64,
    ) -> Result<ActorCert, RegistryError> {
        ActorCert::from_der(&self.cert(sequence)?)
            .map_err(|_| RegistryError::DamagedEntry(sequence))
    }

    /// The certificates that these entries carry, in order; none of one that carries none, or
    /// that comes after one that cannot be read.
    pub(in crate::cert_registry) fn certs(
        &self,
        sequences: RangeInclusive<u64>,
    ) -> Result<impl Iterator<Item = Option<Vec<u8>>> + use<>, StorageError> {
        let (first, last) = (key(&[*sequences.start()]), key(&[*sequences.end()]));
        for end in [&first, &last] {
            self.storage.count_page(Space::LogEntries, end)?;
        }
        let found = self
            .storage
            .range::<Entry>(Space::LogEntries, &first, &last);
        let mut found = found.map_while(Result::ok).peekable();
        Ok(sequences.map(move |sequence| {
            let (_, entry) = found.next_if(|(number, _)| *number == key(&[sequence]))?;
            entry.event.into_cert()
        }))
    }
}
