//! What may be said on the command line: whatever is refused is refused before anything begins.

use clap::builder::RangedU64ValueParser;

/// Clients, repetitions: one at least.
pub fn some() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=20_000)
}

/// Certificates of a user, of which there is one a day.
pub fn days() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=10_000)
}

/// A number of users or certificates, also as 1e6.
pub fn many(text: &str) -> Result<u64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if number.fract() == 0.0 && (1.0..=1e9).contains(&number) {
        return Ok(number as u64);
    }
    Err("not a whole number from 1 to 1e9".to_owned())
}

/// Seconds, minutes, requests a second.
pub fn positive(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1e7).contains(&number) {
        return Ok(number);
    }
    Err("not from 0.001 to 10,000,000".to_owned())
}

/// The same, or none.
pub fn positive_or_zero(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(0.0) => Ok(0.0),
        _ => positive(text),
    }
}

/// `host:port` of an address of a node.
pub fn node(text: &str) -> Result<String, String> {
    let Some(address) = text.strip_prefix("http://") else {
        return Err("not http://HOST:PORT; TLS is not spoken here".to_owned());
    };
    let address = address.trim_end_matches('/');
    if address.is_empty() || address.contains(['/', '?', '#', '@']) {
        return Err("not http://HOST:PORT".to_owned());
    }
    let has_port = address
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port {
        address.to_owned()
    } else {
        format!("{address}:80")
    })
}

pub fn test() {
    let is = |number: Result<f64, String>, wanted: f64| {
        assert!((number.unwrap() - wanted).abs() < 1e-9);
    };
    is(positive("0.05"), 0.05);
    is(positive_or_zero("0"), 0.0);
    for wrong in ["0", "-5", "nan", "inf", "1e300", "1e-300", "", "x"] {
        assert!(positive(wrong).is_err(), "{wrong}");
    }
    assert!(positive_or_zero("-0.5").is_err());
    assert_eq!(many("1e4"), Ok(10_000));
    for wrong in ["0", "0.5", "-1", "nan", "1e30"] {
        assert!(many(wrong).is_err(), "{wrong}");
    }
    assert_eq!(node("http://a.example:8080/").unwrap(), "a.example:8080");
    assert_eq!(node("http://[::1]").unwrap(), "[::1]:80");
    for wrong in ["https://a.example", "a.example:80", "http://", "http://a/b"] {
        assert!(node(wrong).is_err(), "{wrong}");
    }
}
