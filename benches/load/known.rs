//! Whom one can look up on a node.

use super::Outcome;
use super::client::Request;
use super::kept::Seeded;
use super::seed::fid;

/// Users, and the time for which the node knows something of them.
pub struct Known {
    fids: Fids,
    from: u64,
    until: u64,
}

enum Fids {
    Seeded(u64),
    Listed(Vec<String>),
}

impl Known {
    pub fn seeded(seeded: Seeded) -> Self {
        let Seeded { has, from, until } = seeded;
        Self {
            fids: Fids::Seeded(has.users),
            from,
            until,
        }
    }

    pub fn listed(fids: Vec<String>, from: u64, until: u64) -> Outcome<Self> {
        if fids.is_empty() {
            return Err("there is nobody to look up".to_owned());
        }
        Ok(Self {
            fids: Fids::Listed(fids),
            from,
            until,
        })
    }

    /// Whether each of them had a certificate at each second that is asked for.
    pub fn is_without_gaps(&self) -> bool {
        matches!(self.fids, Fids::Seeded(_))
    }

    pub fn users(&self) -> u64 {
        match &self.fids {
            Fids::Seeded(users) => *users,
            Fids::Listed(fids) => fids.len() as u64,
        }
    }

    /// Asks for the certificates of a user, now or at some second of the past. Which ones is for
    /// `random` to say.
    pub fn look_up(&self, request: &mut Request, random: u64, in_past: bool) {
        let (user, second) = (mix(random), mix(!random));
        let user = user % self.users();
        let listed;
        let fid = match &self.fids {
            Fids::Seeded(_) => {
                listed = fid(user);
                &listed
            }
            Fids::Listed(fids) => &fids[user as usize],
        };
        if in_past {
            let at = self.from + second % (self.until - self.from).max(1);
            request.get(format_args!("/p2core/key/user/{fid}?timestamp={at}"), None);
        } else {
            request.get(format_args!("/p2core/key/user/{fid}"), None);
        }
    }
}

/// Spreads numbers over all 64 bits (splitmix64): the system's random bytes are a call of the
/// kernel for each request.
fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
