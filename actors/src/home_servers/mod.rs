//! The HomeServers: what other nodes say of their certificates.
//!
//! A certificate of another node is genuine if the home server's certificate of its notBefore has
//! signed it, and in force if the home server still names it. Both are asked over the network,
//! within limits (`fetch`), never inside this node's own network (`addresses`), once for however
//! many wait, and remembered for a while (`kept`).

mod addresses;
mod error;
mod fetch;
mod kept;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use actix::{Actor, ActorFutureExt as _, Addr, AsyncContext as _, Context, Handler};
use actix::{ResponseFuture, WrapFuture as _};
use antiphon_protocol::{ActorCert, Domain, ServerCert};
use reqwest::Url;
use tokio::sync::oneshot;

pub use addresses::{Looking, Names, SystemNames};
pub use error::{HomeServerError, NotFederated};
use fetch::Fetcher;
use kept::Kept;
pub use messages::CheckCert;
use messages::{Answer, Ask, Question, Said};

use crate::clock::SharedClock;

/// How many questions may be under way at once: over all domains, and of one, which may be slow.
const UNDER_WAY: usize = 256;
const OF_ONE_DOMAIN: usize = 32;

/// How the node deals with others.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether it does at all.
    pub enabled: bool,
    /// Whether other nodes may be at addresses that are not public.
    pub allow_private_addresses: bool,
    /// How long answers are kept, in seconds.
    pub cache_seconds: u64,
    /// Domains that are refused.
    pub block: BTreeSet<Domain>,
    /// If not empty, the only domains that are not refused.
    pub allow: BTreeSet<Domain>,
    /// Where to ask for a domain, if not at its own name.
    pub hosts: BTreeMap<Domain, Url>,
    /// The port at which a domain is asked: 443, but in tests.
    pub https_port: u16,
}

/// The actor. See the module.
#[derive(Debug)]
pub struct HomeServers {
    settings: Settings,
    clock: SharedClock,
    fetcher: Fetcher,
    kept: Kept,
    /// Who waits for which question; first who had it asked.
    waiting: HashMap<Question, Vec<oneshot::Sender<Outcome>>>,
}

type Outcome = Result<Answer, HomeServerError>;

impl HomeServers {
    /// An actor that has asked nobody yet.
    pub fn new(
        settings: Settings,
        clock: SharedClock,
        names: Arc<dyn Names>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            fetcher: Fetcher::new(&settings, names)?,
            kept: Kept::new(settings.cache_seconds),
            settings,
            clock,
            waiting: HashMap::new(),
        })
    }

    fn check_policy(&self, domain: &Domain) -> Result<(), NotFederated> {
        let Settings {
            enabled,
            block,
            allow,
            hosts,
            ..
        } = &self.settings;
        if !enabled {
            Err(NotFederated::Disabled)
        } else if block.contains(domain) || !(allow.is_empty() || allow.contains(domain)) {
            Err(NotFederated::Refused)
        } else if !(domain.is_dns_name() || hosts.contains_key(domain)) {
            Err(NotFederated::NoSuchServer)
        } else {
            Ok(())
        }
    }

    fn check_is_valid(&self, cert: &ActorCert) -> Result<(), HomeServerError> {
        let now = self.clock.now();
        let validity = cert.validity();
        if now < validity.not_before {
            Err(HomeServerError::NotYetValid)
        } else if validity.not_after < now {
            Err(HomeServerError::Expired)
        } else {
            Ok(())
        }
    }

    /// Tells everybody who waits for it.
    fn settle(&mut self, question: &Question, outcome: &Result<Said, HomeServerError>) {
        if let Err(HomeServerError::Unreachable(reason)) = outcome {
            tracing::warn!(domain = %question.domain(), reason, "another server did not answer well");
        }
        self.kept.put(question, outcome, self.clock.now());
        let waiting = self.waiting.remove(question).unwrap_or_default();
        for (position, one) in waiting.into_iter().enumerate() {
            let outcome = outcome.clone().map(|said| Answer {
                said,
                is_older: position > 0,
            });
            // Whoever has stopped waiting does not need to know.
            let _ = one.send(outcome);
        }
    }

    /// Whether one more question may be under way.
    fn has_room(&self, domain: &Domain) -> bool {
        let of_domain = self.waiting.keys().filter(|other| other.domain() == domain);
        self.waiting.len() < UNDER_WAY && of_domain.count() < OF_ONE_DOMAIN
    }
}

impl Actor for HomeServers {
    type Context = Context<Self>;
}

impl Handler<CheckCert> for HomeServers {
    type Result = ResponseFuture<Result<(), HomeServerError>>;

    fn handle(&mut self, message: CheckCert, context: &mut Context<Self>) -> Self::Result {
        let CheckCert { cert, in_force } = message;
        let checked = self
            .check_is_valid(&cert)
            .and_then(|()| Ok(self.check_policy(cert.fid().domain())?));
        let myself = context.address();
        Box::pin(async move {
            checked?;
            check_is_genuine(&myself, &cert).await?;
            if in_force {
                check_is_in_force(&myself, &cert).await?;
            }
            Ok(())
        })
    }
}

impl Handler<Ask> for HomeServers {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, message: Ask, context: &mut Context<Self>) -> Self::Result {
        let Ask { question, anew } = message;
        let kept = self.kept.get(&question, self.clock.now()).filter(|_| !anew);
        if let Some(kept) = kept {
            let outcome = kept.clone().map(|said| Answer {
                said,
                is_older: true,
            });
            return Box::pin(std::future::ready(outcome));
        }
        let (done, settled) = oneshot::channel();
        if let Some(waiting) = self.waiting.get_mut(&question) {
            waiting.push(done);
        } else if !self.has_room(question.domain()) {
            return Box::pin(std::future::ready(Err(HomeServerError::Busy)));
        } else {
            self.waiting.insert(question.clone(), vec![done]);
            let asking = self.fetcher.clone().ask(question.clone());
            let settling = asking
                .into_actor(self)
                .map(move |outcome, homes, _| homes.settle(&question, &outcome));
            context.spawn(settling);
        }
        Box::pin(async move { settled.await.map_err(|_| HomeServerError::Stopped)? })
    }
}

/// Checks that the home server's certificate of the time has signed `cert`.
async fn check_is_genuine(
    homes: &Addr<HomeServers>,
    cert: &ActorCert,
) -> Result<(), HomeServerError> {
    let question = Question::ServerCert {
        domain: cert.fid().domain().clone(),
        at: cert.validity().not_before,
    };
    judge(homes, &question, |said| verify(cert, said)).await
}

async fn verify(cert: &ActorCert, said: Said) -> Result<(), HomeServerError> {
    let server: Arc<ServerCert> = match said {
        Said::ServerCert(Some(server)) => server,
        Said::ServerCert(None) | Said::UserCerts(_) => return Err(HomeServerError::NoServerCert),
    };
    let cert = cert.clone();
    // Off the actor's thread, like all mathematics.
    let verifying = tokio::task::spawn_blocking(move || cert.verify(&server));
    Ok(verifying.await.map_err(|_| HomeServerError::Stopped)??)
}

/// Checks that the home server names `cert` among the actor's certificates.
async fn check_is_in_force(
    homes: &Addr<HomeServers>,
    cert: &ActorCert,
) -> Result<(), HomeServerError> {
    let question = Question::UserCerts {
        fid: cert.fid().clone(),
    };
    let is_named = |said: Said| {
        let named = said.names(cert).then_some(());
        std::future::ready(named.ok_or(HomeServerError::NotInForce))
    };
    judge(homes, &question, is_named).await
}

/// Judges what is said. A refusal is always about what was said to this very question: what was kept,
/// or is an answer to somebody who asked before, may be older than the certificate.
async fn judge<V>(
    homes: &Addr<HomeServers>,
    question: &Question,
    verdict: impl Fn(Said) -> V,
) -> Result<(), HomeServerError>
where
    V: Future<Output = Result<(), HomeServerError>>,
{
    let ask = |anew| {
        let question = question.clone();
        homes.send(Ask { question, anew })
    };
    // After what was kept may come the answer to somebody else; the one after that is new enough.
    for anew in [false, true] {
        let answer = ask(anew).await??;
        match verdict(answer.said).await {
            Err(_) if answer.is_older => {}
            verdict => return verdict,
        }
    }
    verdict(ask(true).await??.said).await
}

impl From<NotFederated> for HomeServerError {
    fn from(reason: NotFederated) -> Self {
        Self::NotFederated(reason)
    }
}
