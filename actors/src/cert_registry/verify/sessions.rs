//! The sessions against what the index by time says of each.

use std::collections::VecDeque;

use antiphon_protocol::ActorCert;

use crate::cert_registry::store::{Change, End, Entry, Number, Run, SessionRecord, Step, live_key};
use crate::cert_registry::{Event, SessionRef};
use crate::storage::{Space, Storage, key, numbers};
use crate::verify::{Report, hex};

/// Compares the sessions with what the index by time says of each, in one walk through both.
pub(super) fn check_sessions(storage: &Storage, steps: u64, report: &mut Report) {
    let mut derived = VecDeque::new();
    let mut found = 0_u64;
    report.each(storage, Space::SessionCertIndex, |report, key, run: Run| {
        found += run.steps().len() as u64;
        let by_time = numbers(Space::SessionCertIndex, key);
        let Some([user, session, at, sequence]) = report.read(by_time) else {
            return;
        };
        check_run((at, sequence), key, &run, report);
        let session = SessionRef::from_numbers(user, session);
        for step in run.steps() {
            derive_session(storage, session, *step, &mut derived, report);
        }
        // All but the last are complete.
        while derived.len() > 1 {
            if let Some((session, record)) = derived.pop_front() {
                check_session(storage, session, &record, report);
            }
        }
    });
    for (session, record) in derived {
        check_session(storage, session, &record, report);
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
            let Some([user, number]) = report.read(numbers(Space::Sessions, key)) else {
                return;
            };
            if session.ended.is_none() {
                live += 1;
                let by_id = live_key(user, &session.session_id);
                let found = storage.get::<Number>(Space::LiveSessions, &by_id);
                if report.read(found) != Some(Some(Number(number))) {
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
fn check_run(stands_under: (u64, u64), key: &[u8], run: &Run, report: &mut Report) {
    let place = |step: &Step| (step.at, step.sequence);
    let first = run.steps().first().map(place);
    if first != Some(stands_under) || !run.steps().is_sorted_by_key(place) {
        report.finding(format!("SessionCertIndex {}: it is out of order", hex(key)));
    }
}

type Derived = VecDeque<(SessionRef, SessionRecord)>;

fn derive_session(
    storage: &Storage,
    session: SessionRef,
    step: Step,
    derived: &mut Derived,
    report: &mut Report,
) {
    let Step {
        at,
        sequence,
        change,
    } = step;
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

fn check_session(
    storage: &Storage,
    session: SessionRef,
    derived: &SessionRecord,
    report: &mut Report,
) {
    let key = session.key();
    let found = storage.get::<SessionRecord>(Space::Sessions, &key);
    if let Some(found) = report.read(found)
        && found.as_ref() != Some(derived)
    {
        report.finding(format!(
            "session {}: Sessions does not say what the log says",
            hex(&key)
        ));
    }
}
