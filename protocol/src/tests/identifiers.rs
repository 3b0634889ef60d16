//! Names, numbers and how they travel.

use proptest::prelude::*;
use rand_core::OsRng;

use crate::{Domain, Fid, LocalName, SessionId, Snowflake, Timestamp, Token, UserId, base64};

#[test]
fn names_are_folded_in_ascii_and_never_beyond() {
    let fid = Fid::parse("Alice.B_%+-1@A.Example").unwrap();
    assert_eq!(fid.to_string(), "alice.b_%+-1@a.example");
    for wrong in [
        "alice",
        "@a",
        "a@",
        "a@b@c",
        "a@b..c",
        "a@.b",
        "a b@c",
        "\u{212a}@a",
        "a@\u{212a}",
    ] {
        assert!(Fid::parse(wrong).is_err(), "{wrong}");
    }
    assert!(LocalName::parse(&"a".repeat(64)).is_ok());
    assert!(LocalName::parse(&"a".repeat(65)).is_err());
    let domain = Domain::parse("node.example.com").unwrap();
    let labels: Vec<_> = domain.labels_top_down().collect();
    assert_eq!(labels, ["com", "example", "node"]);
}

#[test]
fn a_session_id_is_1_to_32_ia5_characters() {
    for good in ["a", "\0", "\x7f", "a/b", &"x".repeat(32)] {
        assert!(SessionId::parse(good).is_ok(), "{good:?}");
    }
    for wrong in ["", "\u{80}", "é", &"x".repeat(33)] {
        assert!(SessionId::parse(wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(SessionId::parse("a\nb").unwrap().to_string(), "a\\nb");
}

#[test]
fn a_user_id_is_canonical_decimal_or_a_fid() {
    assert_eq!(
        UserId::parse("0"),
        Ok(UserId::Snowflake(Snowflake::from_u64(0)))
    );
    assert!(UserId::parse("18446744073709551615").is_ok());
    for wrong in [
        "",
        "00",
        "01",
        "+1",
        "-1",
        "1.0",
        "18446744073709551616",
        "alice",
    ] {
        assert!(UserId::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_snowflake_has_its_millisecond_in_the_top_42_bits() {
    let first = Snowflake::first_at(1_704_067_200_000 + 5);
    assert_eq!(first.as_u64(), 5 << 22);
    assert_eq!(first.successor().as_u64(), (5 << 22) + 1);
    let last_of_millisecond = Snowflake::from_u64((5 << 22) + 0xfff);
    assert_eq!(last_of_millisecond.successor().as_u64(), 6 << 22);
    assert_eq!(Snowflake::first_at(0).as_u64(), 0);
}

#[test]
fn base64_has_one_spelling() {
    assert_eq!(base64::decode("+/8="), Ok(vec![0xfb, 0xff]));
    for wrong in ["-_8=", "+/8", "+/8=\n", " +/8=", "+/9=", "+/8==", "+\n/8="] {
        assert!(base64::decode(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn a_token_is_43_characters_and_shows_nothing_of_itself() {
    let token = Token::random(&mut OsRng);
    let wire = token.to_wire();
    assert_eq!(wire.len(), 43);
    assert_eq!(Token::parse(&wire).unwrap().hash(), token.hash());
    assert!(!format!("{token:?}").contains(&wire));
    for wrong in ["", &wire[1..], &format!("{wire}="), &"A".repeat(44)] {
        assert!(Token::parse(wrong).is_none(), "{wrong}");
    }
}

/// As `head -c 32 /dev/zero | openssl dgst -sha256 -binary | base64` has it.
#[test]
fn the_hash_of_a_token_is_sha_256_of_its_bytes() {
    let hash = Token::parse(&"A".repeat(43)).unwrap().hash();
    let expected = "Zmh6rfhivXdsj8GLjp+OIAiXFIVu4jOzkCpZHQ1fKSU=";
    assert_eq!(base64::encode(hash.as_bytes()), expected);
}

#[test]
fn time_is_printed_in_utc() {
    assert_eq!(
        Timestamp::from_secs(1_800_000_000).to_utc(),
        "2027-01-15T08:00:00Z"
    );
    assert_eq!(
        Timestamp::from_secs(u64::MAX).to_utc(),
        u64::MAX.to_string()
    );
}

proptest! {
    #[test]
    fn numbers_survive_printing(number: u64) {
        let snowflake = Snowflake::from_u64(number);
        prop_assert_eq!(Snowflake::parse(&snowflake.to_string()), Ok(snowflake));
        let timestamp = Timestamp::from_secs(number);
        prop_assert_eq!(Timestamp::parse(&timestamp.to_string()), Ok(timestamp));
    }

    #[test]
    fn a_fid_is_what_the_contract_says(text in "[a-zA-Z0-9@._%+ -]{0,20}") {
        let folded = text.to_lowercase();
        let expected = folded.split_once('@').is_some_and(|(local, domain)| {
            let is_local = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._%+-".contains(c);
            let is_label = |l: &str| !l.is_empty() && l.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            !local.is_empty() && local.chars().all(is_local) && domain.split('.').all(is_label)
        });
        let parsed = Fid::parse(&text);
        prop_assert_eq!(parsed.is_ok(), expected);
        if let Ok(fid) = parsed {
            prop_assert_eq!(fid.to_string(), folded);
        }
    }

    #[test]
    fn timestamps_take_digits_and_nothing_else(text in "[0-9+. -]{0,22}") {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let expected = is_number && text.parse::<u64>().is_ok();
        prop_assert_eq!(Timestamp::parse(&text).is_ok(), expected);
    }
}
