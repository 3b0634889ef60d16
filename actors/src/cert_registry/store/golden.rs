//! What is on disk stays readable: the bytes of each record, written down.

use super::{Change, End, Entry, Event, Number, SessionRecord};
use crate::tests::assert_golden;

#[test]
fn records_are_stored_as_ever() {
    let entry = |event| Entry {
        at: 258,
        previous: [7; 32],
        event,
    };
    let (user, session, der) = (1, 2, vec![0x30, 0]);
    assert_golden(
        &entry(Event::ServerCert { der: der.clone() }),
        "01020100000000000007070707070707070707070707070707070707070707070707070707070707070000000002000000000000003000",
    );
    let cert = Event::SessionCert {
        user,
        session,
        der: der.clone(),
    };
    assert_golden(
        &entry(cert),
        "0102010000000000000707070707070707070707070707070707070707070707070707070707070707010000000100000000000000020000000000000002000000000000003000",
    );
    assert_golden(
        &entry(Event::SessionEnded { user, session }),
        "01020100000000000007070707070707070707070707070707070707070707070707070707070707070200000001000000000000000200000000000000",
    );
    assert_golden(
        &entry(Event::ForeignCert { user, session, der }),
        "0102010000000000000707070707070707070707070707070707070707070707070707070707070707030000000100000000000000020000000000000002000000000000003000",
    );
    let valid = Change::Cert {
        not_before: 1,
        not_after: 2,
    };
    assert_golden(&valid, "010000000001000000000000000200000000000000");
    assert_golden(&Change::Ended, "0101000000");
    let session = SessionRecord {
        session_id: "x".to_owned(),
        since: 1,
        ended: Some(End { at: 2, sequence: 3 }),
    };
    assert_golden(
        &session,
        "0101000000000000007801000000000000000102000000000000000300000000000000",
    );
    assert_golden(&Number(1), "010100000000000000");
}
