//! What is on disk stays readable: the bytes of each record, written down.

use super::{Held, Holder, Id, Invite, User};
use crate::tests::assert_golden;

#[test]
fn records_are_stored_as_ever() {
    let user = User {
        fid: "a@b.c".to_owned(),
        password: Some("$p".to_owned()),
        is_administrator: true,
        since: 258,
    };
    assert_golden(
        &user,
        "0105000000000000006140622e630102000000000000002470010201000000000000",
    );
    let foreign = User {
        password: None,
        is_administrator: false,
        ..user
    };
    assert_golden(&foreign, "0105000000000000006140622e6300000201000000000000");
    assert_golden(&Id(1), "010100000000000000");
    let holder = Holder {
        user: 1,
        session: 2,
        session_id: "x".to_owned(),
        expires: 3,
    };
    assert_golden(
        &holder,
        "01010000000000000002000000000000000100000000000000780300000000000000",
    );
    assert_golden(
        &Held([7; 32]),
        "010707070707070707070707070707070707070707070707070707070707070707",
    );
    assert_golden(&Invite { since: 4 }, "010400000000000000");
}
