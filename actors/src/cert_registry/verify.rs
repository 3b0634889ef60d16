//! Reading the whole log: its chain, every signature, and the indexes against it.

mod sessions;

use std::collections::HashSet;

use antiphon_protocol::{ActorCert, Domain, SerialNumber, ServerCert, Timestamp};
use sha2::{Digest as _, Sha256};

use super::new_event::Facts;
use super::store::{self, ByTime, Entry, Step, Store};
use super::{Event, RegistryError, SessionRef};
use crate::accounts::Verifier;
use crate::storage::{Record as _, Space, Storage, numbers};
use crate::verify::{Report, hex};
use sessions::check_sessions;

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
        expected: [0; 3],
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
    expected: [u64; 3],
    /// How many steps of sessions there should be.
    steps: u64,
}

const COUNTED: [Space; 3] = [
    Space::ServerCertIndex,
    Space::SerialNumbers,
    Space::FormerSessions,
];

impl Log<'_> {
    fn walk(&mut self, report: &mut Report) {
        let (mut sequence, mut hash, mut at) = (0, [0; 32], 0);
        for found in self.storage.scan_bytes(Space::LogEntries, &[]) {
            let Some((stored_at, bytes)) = report.read(found) else {
                break;
            };
            let Some([number]) = report.read(numbers(Space::LogEntries, &stored_at)) else {
                continue;
            };
            sequence += 1;
            if number != sequence {
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
                match self.is_of(SessionRef::from_numbers(*user, *session), &cert) {
                    Ok(true) => {}
                    Ok(false) => report.finding(wrong(&"it is not the certificate of its session")),
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

    /// Whether a certificate has the ID of this session.
    fn is_of(&self, session: SessionRef, cert: &ActorCert) -> Result<bool, RegistryError> {
        let live = self.store.live_session(session.user, cert.session_id())?;
        if live == Some(session) {
            return Ok(true);
        }
        let (_, first) = self.store.first_cert(session)?;
        Ok(first.session_id() == cert.session_id())
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
                self.check_step(session, step, report);
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

    fn check_step(&mut self, session: SessionRef, step: Step, report: &mut Report) {
        self.steps += 1;
        let sequence = step.sequence;
        match self.store.newest_step(&session.key(), step.at, sequence) {
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
