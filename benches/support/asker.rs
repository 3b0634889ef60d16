//! Who asks: one thread with an actix system, so that an actor can be on the asker's thread, as a
//! reader is on its HTTP worker's, or on a thread of its own, as an owner is.

use std::future::Future;

use actix::{Actor, Addr, Arbiter, Context, System, SystemRunner};
use criterion::async_executor::AsyncExecutor;

pub struct Asker(SystemRunner);

impl Asker {
    pub fn new() -> Self {
        Self(System::new())
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }

    /// Starts an actor on the asker's own thread.
    pub fn start_here<A: Actor<Context = Context<A>>>(&self, actor: A) -> Addr<A> {
        self.block_on(async { actor.start() })
    }
}

impl AsyncExecutor for &Asker {
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

/// Starts an actor on a thread of its own. There must be an [`Asker`].
pub fn start_elsewhere<A: Actor<Context = Context<A>> + Send>(actor: A) -> Addr<A> {
    A::start_in_arbiter(&Arbiter::new().handle(), move |_| actor)
}
