//! SETs that are too large to be read: the library sorts what comes unsorted by insertion, in a time that
//! grows with the square of its members.

use der::asn1::AnyRef;
use der::{Decode as _, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};

/// How many members a SET in a certificate or a request may have. A name of ours has one in each, and tools
/// write a few attributes into a request; so many of each length take less than a millisecond.
pub(crate) const LARGEST_SET: usize = 32;

/// Whether a SET in `bytes` has more members than [`LARGEST_SET`]: wherever it is, at any depth, in one pass
/// that never turns back. What is not DER is passed over as far as what it is in: there the library, which reads
/// the same way, either gives up or does not look.
pub(crate) fn has_large_set(bytes: &[u8]) -> bool {
    let Ok(all) = SliceReader::new(bytes) else {
        return false;
    };
    let mut open = vec![(all, usize::MAX)];
    while let Some((inside, room)) = open.last_mut() {
        if inside.is_finished() {
            open.pop();
            continue;
        }
        let Some(less) = room.checked_sub(1) else {
            return true;
        };
        *room = less;
        let Ok(element) = AnyRef::decode(inside) else {
            open.pop();
            continue;
        };
        if let (Some(room), Ok(members)) =
            (room_in(element.tag()), SliceReader::new(element.value()))
        {
            open.push((members, room));
        }
    }
    false
}

/// How many members an element of this kind may have, if it has any.
fn room_in(tag: Tag) -> Option<usize> {
    match tag {
        // The second are the attributes of a request, a SET without its tag. The library looks whether it says
        // that it has members only after it has sorted them.
        Tag::Set
        | Tag::ContextSpecific {
            number: TagNumber::N0,
            ..
        } => Some(LARGEST_SET),
        tag => tag.is_constructed().then_some(usize::MAX),
    }
}
