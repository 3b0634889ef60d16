//! The sessions: what the index by time says of each, against the live ones.

use antiphon_protocol::SessionId;

use crate::cert_registry::SessionRef;
use crate::cert_registry::store::{Change, Number, Run, Step, Store, live_key};
use crate::storage::{Space, Storage, numbers};
use crate::verify::{Report, hex};

/// Walks through the sessions in the index by time, and compares them with the live ones.
pub(super) fn check_sessions(storage: &Storage, steps: u64, report: &mut Report) {
    let mut walk = Walk {
        store: Store::new(storage.clone()),
        storage,
        last: None,
        live: 0,
    };
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
            walk.take(session, *step, report);
        }
    });
    walk.end_session(report);
    if found != steps {
        report.finding(format!(
            "SessionCertIndex: it has {found} steps, and the log makes {steps}"
        ));
    }
    let (mut listed, live) = (0_u64, walk.live);
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

/// Where the walk through the sessions is.
struct Walk<'a> {
    store: Store,
    storage: &'a Storage,
    /// The session of which steps are being read.
    last: Option<Known>,
    /// How many were live in the end.
    live: u64,
}

/// What is known of a session.
struct Known {
    session: SessionRef,
    session_id: SessionId,
    has_ended: bool,
}

impl Walk<'_> {
    fn take(&mut self, session: SessionRef, step: Step, report: &mut Report) {
        let sequence = step.sequence;
        if self
            .last
            .as_ref()
            .is_none_or(|last| last.session != session)
        {
            self.end_session(report);
            if step.change == Change::Ended {
                return report.finding(format!("entry {sequence}: its session never began"));
            }
            match self.store.actor_cert(sequence) {
                Ok(cert) => {
                    report.count("sessions");
                    self.last = Some(Known {
                        session,
                        session_id: cert.session_id().clone(),
                        has_ended: false,
                    });
                }
                Err(error) => {
                    report.finding(format!("session {}: {error}", hex(&session.key())));
                }
            }
        } else if let Some(last) = &mut self.last {
            if last.has_ended {
                report.finding(format!("entry {sequence}: its session had ended before"));
            }
            last.has_ended |= step.change == Change::Ended;
        }
    }

    /// Compares the session of which all was read with the live ones.
    fn end_session(&mut self, report: &mut Report) {
        let Some(ended) = self.last.take() else {
            return;
        };
        if ended.has_ended {
            return;
        }
        self.live += 1;
        let SessionRef { user, session } = ended.session;
        let by_id = live_key(user, &ended.session_id);
        let found = self.storage.get::<Number>(Space::LiveSessions, &by_id);
        if report.read(found) != Some(Some(Number(session.as_u64()))) {
            report.finding(format!(
                "session {}: LiveSessions does not have it",
                hex(&ended.session.key())
            ));
        }
    }
}
