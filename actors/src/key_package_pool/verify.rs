//! Reading everything in the pool.

use antiphon_protocol::KeyPackage;

use super::store::{Claimed, Package, Place, Rack};
use crate::storage::{Space, Storage};
use crate::verify::{Report, hex};

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
            let Some(place) = report.read(Place::of_key(space, key)) else {
                return;
            };
            if let Err(what) = check_package(storage, &place, &package, report) {
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
    place: &Place,
    package: &Package,
    report: &mut Report,
) -> Result<(), &'static str> {
    let init_key = KeyPackage::init_key_hash_of(&package.bytes).ok_or("it is no KeyPackage")?;
    let known = report.read(storage.get::<Place>(Space::InitKeys, &init_key));
    let known = known.flatten().ok_or("its init_key is not known")?;
    if known != *place {
        return Err("its init_key is known for another place");
    }
    let rack = storage.get::<Rack>(Space::Racks, &place.session().key());
    let rack = report.read(rack).flatten();
    if !rack.ok_or("its session has no rack")?.has(place) {
        return Err("its rack does not know it");
    }
    Ok(())
}
