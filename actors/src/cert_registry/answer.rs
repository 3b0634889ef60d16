//! Answers that wait for the disk: whoever makes an entry durable tells who asked, without another turn of
//! the registry in between.

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Message};

use super::RegistryError;
use super::reader::Durable;
use super::store::{Head, Store};
use crate::storage::WriteSet;

/// What is answered to a message that writes.
#[derive(Debug)]
pub struct Answer<T>(Result<Decided<T>, RegistryError>);

/// What is to be on disk before anybody is told of it.
#[derive(Debug)]
struct Decided<T> {
    store: Store,
    writes: WriteSet,
    /// Where an entry is among the writes: from then on lookups see it.
    entry: Option<(Durable, Head)>,
    told: T,
}

impl<T> Answer<T> {
    pub(super) fn refused(error: RegistryError) -> Self {
        Self(Err(error))
    }

    /// Commits `writes` at the end of this turn, and tells `told` once they are on disk.
    pub(super) fn once_durable(
        store: Store,
        writes: WriteSet,
        entry: Option<(Durable, Head)>,
        told: T,
    ) -> Self {
        Self(Ok(Decided {
            store,
            writes,
            entry,
            told,
        }))
    }
}

impl<A, M, T> MessageResponse<A, M> for Answer<T>
where
    A: Actor,
    M: Message<Result = Result<T, RegistryError>>,
    T: Send + 'static,
{
    fn handle(self, _: &mut A::Context, asker: Option<OneshotSender<M::Result>>) {
        let tell = |answer| {
            if let Some(asker) = asker {
                // Whoever has stopped waiting does not need to know.
                let _ = asker.send(answer);
            }
        };
        match self.0 {
            Err(error) => tell(Err(error)),
            Ok(Decided {
                store,
                writes,
                entry,
                told,
            }) => store.commit(writes, |committed| {
                tell(committed.map_err(RegistryError::from).map(|()| {
                    if let Some((durable, head)) = entry {
                        durable.advance(head);
                    }
                    told
                }));
            }),
        }
    }
}
