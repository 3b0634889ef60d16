//! Reading the whole log: its chain, every signature, and the indexes against it.

use std::collections::{HashSet, VecDeque};

use antiphon_protocol::{ActorCert, Domain, SerialNumber, ServerCert, Timestamp};
use sha2::{Digest as _, Sha256};

use super::new_event::Facts;
use super::store::{
    self, ByTime, Change, End, Entry, Number, Run, SessionRecord, Step, Store, key, live_key,
    number_at,
};
use super::{Event, RegistryError};
use crate::accounts::Verifier;
use crate::storage::{Record as _, Space, Storage, StorageError, WriteSet};
use crate::verify::{Report, hex};

/// How many changes are made at once while indexes are rebuilt.
const AT_ONCE: usize = 1024;

/// What is derived from the log.
const INDEXES: [Space; 5] = [
    Space::ServerCertIndex,
    Space::SessionCertIndex,
    Space::Sessions,
    Space::LiveSessions,
    Space::SerialNumbers,
];

/// Looks through the log and its indexes; returns the newest server certificate.
pub(crate) fn verify(
    storage: &Storage,
    domain: &Domain,
    accounts: &Verifier,
    report: &mut Report,
) -> Option<ServerCert> {
    let mut log = Log {
        store: Store::new(storage.clone()),
        storage,
        domain,
        accounts,
        server_certs: Vec::new(),
        serial_numbers: HashSet::new(),
        expected: [0; 2],
        steps: 0,
    };
    log.walk(report);
    log.check_counts(report);
    check_sessions(storage, log.steps, report);
    log.server_certs.pop().map(|(_, cert)| cert)
}

/// What is known while the log is read from its beginning.
struct Log<'a> {
    store: Store,
    storage: &'a Storage,
    domain: &'a Domain,
    accounts: &'a Verifier,
    /// With their logging times.
    server_certs: Vec<(Timestamp, ServerCert)>,
    /// The serial numbers of this node's certificates.
    serial_numbers: HashSet<SerialNumber>,
    /// How many records of each of [`COUNTED`] there should be.
    expected: [u64; 2],
    /// How many steps of sessions there should be.
    steps: u64,
}

const COUNTED: [Space; 2] = [Space::ServerCertIndex, Space::SerialNumbers];

impl Log<'_> {
    fn walk(&mut self, report: &mut Report) {
        let (mut sequence, mut hash, mut at) = (0, [0; 32], 0);
        for found in self.storage.scan_bytes(Space::LogEntries, &[]) {
            let Some((stored_at, bytes)) = report.read(found) else {
                break;
            };
            sequence += 1;
            let number = number_at(&stored_at, 0);
            if stored_at.len() != 8 || number != sequence {
                report.finding(format!("log: entry {sequence} is missing"));
                sequence = number;
            }
            report.count("log entries");
            let canonical = match store::canonical(&bytes) {
                Ok(canonical) => canonical,
                Err(error) => {
                    report.finding(format!("entry {sequence}: {error}"));
                    continue;
                }
            };
            match Entry::from_bytes(&canonical) {
                Ok(entry) => {
                    if entry.previous != hash {
                        report.finding(format!(
                            "entry {sequence}: it is not chained to the entry before"
                        ));
                    }
                    if entry.at < at {
                        report.finding(format!("entry {sequence}: time goes back in the log"));
                    }
                    at = entry.at;
                    self.check(sequence, &entry, &bytes, report);
                }
                Err(error) => report.finding(format!("entry {sequence}: {error}")),
            }
            hash = Sha256::digest(&canonical).into();
        }
        report.note(format!("the log ends at entry {sequence}, {}", hex(&hash)));
    }

    fn check(&mut self, sequence: u64, entry: &Entry, stored: &[u8], report: &mut Report) {
        let wrong = |what: &dyn std::fmt::Display| format!("entry {sequence}: {what}");
        let at = Timestamp::from_secs(entry.at);
        match &entry.event {
            Event::ServerCert { der } => match ServerCert::from_der(der) {
                Ok(cert) => {
                    report.count("server certificates");
                    if cert.domain() != self.domain {
                        report.finding(wrong(&"it is another domain's certificate"));
                    }
                    if cert.validity().not_before > at {
                        report.finding(wrong(&"it was logged before its notBefore"));
                    }
                    self.check_serial_number(sequence, cert.serial_number(), report);
                    self.server_certs.push((at, cert));
                }
                Err(error) => report.finding(wrong(&error)),
            },
            Event::SessionCert { user, session, der }
            | Event::ForeignCert { user, session, der } => {
                let cert = match ActorCert::from_der(der) {
                    Ok(cert) => cert,
                    Err(error) => return report.finding(wrong(&error)),
                };
                match self.accounts.fid_of(*user) {
                    Ok(Some(fid)) if fid == cert.fid().to_string() => {}
                    Ok(_) => report.finding(wrong(&"it is not the certificate of its user")),
                    Err(error) => report.finding(wrong(&error)),
                }
                let by_user = key(&[*user, *session]);
                let session = self.storage.get::<SessionRecord>(Space::Sessions, &by_user);
                match session {
                    Ok(Some(session)) if session.session_id == cert.session_id().as_str() => {}
                    Ok(_) => report.finding(wrong(&"it is not the certificate of its session")),
                    Err(error) => report.finding(wrong(&error)),
                }
                if matches!(entry.event, Event::SessionCert { .. }) {
                    report.count("session certificates");
                    self.check_serial_number(sequence, cert.serial_number(), report);
                    self.check_signature(sequence, &cert, report);
                } else {
                    // The key that signed it is another server's, and not kept.
                    report.count("certificates of other servers");
                }
            }
            Event::SessionEnded { .. } => report.count("ends of sessions"),
        }
        self.check_index(sequence, entry, stored, report);
    }

    fn check_serial_number(
        &mut self,
        sequence: u64,
        serial_number: Option<SerialNumber>,
        report: &mut Report,
    ) {
        if let Some(serial_number) = serial_number
            && !self.serial_numbers.insert(serial_number)
        {
            report.finding(format!(
                "entry {sequence}: its serial number {serial_number} was used before"
            ));
        }
    }

    /// Verifies a certificate with the server's key of its notBefore.
    fn check_signature(&self, sequence: u64, cert: &ActorCert, report: &mut Report) {
        let not_before = cert.validity().not_before;
        let newest = self.server_certs.iter().rev();
        let mut in_force = newest.skip_while(|(since, _)| *since > not_before);
        match in_force.next().map(|(_, server)| cert.verify(server)) {
            Some(Ok(())) => {}
            Some(Err(error)) => report.finding(format!(
                "entry {sequence}: under the server key of its notBefore: {error}"
            )),
            None => report.finding(format!(
                "entry {sequence}: there was no server key at its notBefore"
            )),
        }
    }

    /// Looks for what the indexes should say of an entry.
    fn check_index(&mut self, sequence: u64, entry: &Entry, stored: &[u8], report: &mut Report) {
        let by_serial_number = store::index_by_serial_number(sequence, entry, stored);
        // What cannot be parsed was found already.
        let by_serial_number = by_serial_number.ok().flatten();
        let by_time = Facts::read(sequence, entry)
            .and_then(|facts| store::index_by_time(sequence, entry, facts.change));
        let by_time = match by_time {
            Ok(ByTime::Server(record)) => Some(record),
            Ok(ByTime::Session { session, step }) => {
                self.check_step(&session, step, report);
                None
            }
            Err(_) => None,
        };
        for (space, key, bytes) in by_time.into_iter().chain(by_serial_number) {
            if let Some(position) = COUNTED.iter().position(|counted| *counted == space)
                && let Some(expected) = self.expected.get_mut(position)
            {
                *expected += 1;
            }
            match self.storage.get_bytes(space, &key) {
                Ok(Some(found)) if found == bytes => {}
                Ok(_) => report.finding(format!(
                    "entry {sequence}: {space:?} does not say what the log says"
                )),
                Err(error) => report.finding(format!("entry {sequence}: {error}")),
            }
        }
    }

    fn check_step(&mut self, session: &[u8], step: Step, report: &mut Report) {
        self.steps += 1;
        let sequence = step.sequence;
        match self.store.newest_step(session, step.at, sequence) {
            Ok(found) if found == Some(step) => {}
            Ok(_) => report.finding(format!(
                "entry {sequence}: SessionCertIndex does not say what the log says"
            )),
            Err(error) => report.finding(format!("entry {sequence}: {error}")),
        }
    }

    /// Since all that should be there is there, a right number means that nothing else is.
    fn check_counts(&self, report: &mut Report) {
        for (space, expected) in COUNTED.into_iter().zip(self.expected) {
            let mut found = 0_u64;
            for record in self.storage.scan_bytes(space, &[]) {
                if report.read(record).is_none() {
                    break;
                }
                found += 1;
            }
            if found != expected {
                report.finding(format!(
                    "{space:?}: it has {found} records, and the log makes {expected}"
                ));
            }
        }
    }
}

/// Compares the sessions with what the index by time says of each, in one walk through both.
fn check_sessions(storage: &Storage, steps: u64, report: &mut Report) {
    let mut derived = VecDeque::new();
    let mut found = 0_u64;
    report.each(storage, Space::SessionCertIndex, |report, key, run: Run| {
        found += run.steps().len() as u64;
        check_run(key, &run, report);
        for step in run.steps() {
            derive_session(storage, key, *step, &mut derived, report);
        }
        // All but the last are complete.
        while derived.len() > 1 {
            if let Some((session, record)) = derived.pop_front() {
                check_session(storage, &session, &record, report);
            }
        }
    });
    for (session, record) in derived {
        check_session(storage, &session, &record, report);
    }
    if found != steps {
        report.finding(format!(
            "SessionCertIndex: it has {found} steps, and the log makes {steps}"
        ));
    }
    let mut live = 0_u64;
    report.each(
        storage,
        Space::Sessions,
        |report, key, session: SessionRecord| {
            report.count("sessions");
            let first = storage.scan_bytes(Space::SessionCertIndex, key).next();
            if first.is_none() {
                report.finding(format!("session {}: the log does not have it", hex(key)));
            }
            if session.ended.is_none() {
                live += 1;
                let by_id = live_key(number_at(key, 0), &session.session_id);
                let found = storage.get::<Number>(Space::LiveSessions, &by_id);
                if report.read(found) != Some(Some(Number(number_at(key, 1)))) {
                    report.finding(format!(
                        "session {}: LiveSessions does not have it",
                        hex(key)
                    ));
                }
            }
        },
    );
    let mut listed = 0_u64;
    report.each(storage, Space::LiveSessions, |_, _, Number(_)| listed += 1);
    if listed != live {
        report.finding(format!(
            "LiveSessions: it has {listed} records, and {live} sessions are live"
        ));
    }
}

/// A run stands under its first step, and goes on in order.
fn check_run(by_time: &[u8], run: &Run, report: &mut Report) {
    let place = |step: &Step| (step.at, step.sequence);
    let first = run.steps().first().map(place);
    let is_in_place = by_time.len() == size_of::<[u64; 4]>()
        && first == Some((number_at(by_time, 2), number_at(by_time, 3)));
    if !is_in_place || !run.steps().is_sorted_by_key(place) {
        report.finding(format!(
            "SessionCertIndex {}: it is out of order",
            hex(by_time)
        ));
    }
}

type Derived = VecDeque<(Vec<u8>, SessionRecord)>;

fn derive_session(
    storage: &Storage,
    by_time: &[u8],
    step: Step,
    derived: &mut Derived,
    report: &mut Report,
) {
    let Step {
        at,
        sequence,
        change,
    } = step;
    let session = key(&[number_at(by_time, 0), number_at(by_time, 1)]);
    let known = derived.back_mut().filter(|(last, _)| *last == session);
    match (known, change) {
        (Some((_, record)), Change::Ended) if record.ended.is_none() => {
            record.ended = Some(End { at, sequence });
        }
        (Some((_, record)), Change::Cert { .. }) if record.ended.is_none() => {}
        (None, Change::Cert { .. }) => {
            let entry = storage.get::<Entry>(Space::LogEntries, &key(&[sequence]));
            let Some(Event::SessionCert { der, .. } | Event::ForeignCert { der, .. }) =
                report.read(entry).flatten().map(|entry| entry.event)
            else {
                return report.finding(format!("entry {sequence}: it should be a certificate"));
            };
            if let Ok(cert) = ActorCert::from_der(&der) {
                let record = SessionRecord {
                    session_id: cert.session_id().as_str().to_owned(),
                    since: at,
                    ended: None,
                };
                derived.push_back((session, record));
            }
        }
        (Some(_), _) => report.finding(format!("entry {sequence}: its session had ended before")),
        (None, Change::Ended) => {
            report.finding(format!("entry {sequence}: its session never began"));
        }
    }
}

fn check_session(storage: &Storage, key: &[u8], derived: &SessionRecord, report: &mut Report) {
    let found = storage.get::<SessionRecord>(Space::Sessions, key);
    if let Some(found) = report.read(found)
        && found.as_ref() != Some(derived)
    {
        report.finding(format!(
            "session {}: Sessions does not say what the log says",
            hex(key)
        ));
    }
}

/// Whether every entry of the log can be read.
pub(crate) fn check_entries(storage: &Storage) -> Result<(), StorageError> {
    for found in storage.scan::<Entry>(Space::LogEntries, &[]) {
        let (number, entry) = found?;
        Facts::read(number_at(&number, 0), &entry)
            .map_err(|error| StorageError::Unreadable(error.to_string()))?;
    }
    Ok(())
}

/// The newest server certificate, on disk or about to be.
pub fn newest_server_cert(storage: &Storage) -> Result<Option<ServerCert>, RegistryError> {
    let lives = Store::new(storage.clone()).server_certs(u64::MAX)?;
    Ok(lives.into_iter().next_back().map(|life| life.cert))
}

/// Writes the indexes of the log anew.
pub(crate) async fn rebuild_indexes(storage: &Storage) -> Result<(), StorageError> {
    for space in INDEXES {
        storage.clear(space).await?;
    }
    let store = Store::new(storage.clone());
    let mut since_sync = 0;
    for found in storage.scan_bytes(Space::LogEntries, &[]) {
        let (number, stored) = found?;
        let sequence = number_at(&number, 0);
        let entry = Entry::from_bytes(&stored).map_err(|error| StorageError::Damaged {
            space: Space::LogEntries,
            error,
        })?;
        let mut writes = WriteSet::new();
        let indexed = Facts::read(sequence, &entry)
            .and_then(|facts| store.index(sequence, &entry, facts, &mut writes))
            .and_then(|()| store::index_by_serial_number(sequence, &entry, &stored));
        let indexed = indexed.map_err(|error| StorageError::Unreadable(error.to_string()))?;
        if let Some((space, key, bytes)) = indexed {
            writes.put_bytes(space, &key, bytes);
        }
        since_sync += writes.len();
        // The next entry needs to see what this one wrote, which it does at once; on disk it must
        // be in the end.
        let committed = storage.commit(writes);
        if since_sync > AT_ONCE {
            since_sync = 0;
            committed.await?;
        }
    }
    storage.commit(WriteSet::new()).await
}
