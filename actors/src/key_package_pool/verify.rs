//! Reading everything in the pool.

use antiphon_protocol::KeyPackage;

use super::store::{Claimed, Package, Place, Rack};
use crate::storage::{Space, Storage};
use crate::verify::{Report, hex};

/// Where a package stands, by its key: session, suite and, of a one-time package, number.
const SESSION: usize = 16;
const SUITE: usize = 18;

/// Looks through the pool.
pub(crate) fn verify(storage: &Storage, report: &mut Report) {
    report.each(storage, Space::Racks, |_, _, _: Rack| ());
    report.each(storage, Space::InitKeys, |report, _, _: Place| {
        report.count("init_keys");
    });
    for (space, name) in [
        (Space::OneTimePackages, "one-time packages"),
        (Space::LastResortPackages, "last resort packages"),
    ] {
        report.each(storage, space, |report, key, package: Package| {
            report.count(name);
            if let Err(what) = check_package(storage, key, &package, report) {
                report.finding(format!("{space:?} {}: {what}", hex(key)));
            }
        });
    }
    let (mut remembered, mut kept) = (0_u64, 0_u64);
    report.each(storage, Space::Claims, |_, _, claimed: Claimed| {
        remembered += u64::from(claimed.count);
    });
    report.each(storage, Space::ClaimedPackages, |_, _, _: Package| {
        kept += 1;
    });
    if remembered != kept {
        report.finding(format!(
            "ClaimedPackages: it has {kept} records, and Claims speak of {remembered}"
        ));
    }
}

/// A package must be known by its `init_key`, or it could be published, and given out, once more.
fn check_package(
    storage: &Storage,
    key: &[u8],
    package: &Package,
    report: &mut Report,
) -> Result<(), &'static str> {
    let (session, suite, number) = (
        key.get(..SESSION),
        key.get(SESSION..SUITE),
        key.get(SUITE..),
    );
    let (Some(session), Some(suite), Some(number)) = (session, suite, number) else {
        return Err("it is not the key of a package");
    };
    let number = match number {
        [] => None,
        number => Some(u64::from_be_bytes(
            number
                .try_into()
                .map_err(|_| "it is not the key of a package")?,
        )),
    };
    let init_key = KeyPackage::init_key_hash_of(&package.bytes).ok_or("it is no KeyPackage")?;
    let place = report.read(storage.get::<Place>(Space::InitKeys, &init_key));
    let place = place.flatten().ok_or("its init_key is not known")?;
    if place.key() != key {
        return Err("its init_key is known for another place");
    }
    let rack = report.read(storage.get::<Rack>(Space::Racks, session));
    let rack = rack.flatten().ok_or("its session has no rack")?;
    if !rack.has(suite) || number.is_some_and(|number| number >= rack.next) {
        return Err("its rack does not know it");
    }
    Ok(())
}
