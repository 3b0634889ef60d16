//! Real nodes in this process, on port 0, with a data directory of their own and a clock that the
//! test may set.

use std::path::Path;
use std::sync::Arc;

use actix::System;
use antiphon::config::{Config, Sources};
use antiphon::node::{Node, NodeError};
use antiphon_actors::clock::{ManualClock, SharedClock, SystemClock};
use antiphon_protocol::Timestamp;
use tempfile::TempDir;

use super::Api;

/// The domain of nodes in tests.
pub const DOMAIN: &str = "a.example";

/// A node that a test started.
pub struct TestNode {
    pub api: Api,
    node: Node,
    settings: Vec<(String, String)>,
    clock: SharedClock,
    data: TempDir,
}

impl TestNode {
    /// A node open for registration, with the system's clock.
    pub async fn start() -> Self {
        Self::with(&[], Arc::new(SystemClock)).await
    }

    /// A node whose clock stands at `now` until the test moves it.
    pub async fn start_at(now: u64) -> (Self, ManualClock) {
        let clock = ManualClock::at(Timestamp::from_secs(now));
        (Self::with(&[], Arc::new(clock.clone())).await, clock)
    }

    /// A node at another domain, open for registration, that asks `other` at its address.
    pub async fn beside(domain: &str, other: &Api, clock: &ManualClock) -> Self {
        let hosts = format!("{{ \"{}\" = \"{}\" }}", other.domain, other.base);
        let settings = [("domain", domain), ("federation.hosts", &hosts)];
        Self::with(&settings, Arc::new(clock.clone())).await
    }

    /// A node with further settings, such as `("registration.mode", "closed")`.
    pub async fn with(settings: &[(&str, &str)], clock: SharedClock) -> Self {
        let data = TempDir::new().unwrap();
        let settings = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        Self::open(data, settings, clock).await.unwrap()
    }

    async fn open(
        data: TempDir,
        settings: Vec<(String, String)>,
        clock: SharedClock,
    ) -> Result<Self, NodeError> {
        assert!(System::try_current().is_some(), "use #[actix_web::test]");
        let mut sources = Sources::default();
        let data_dir = data.path().join("data");
        let given = [
            ("domain", DOMAIN),
            ("data_dir", data_dir.to_str().unwrap()),
            ("listen.address", "127.0.0.1:0"),
            ("registration.mode", "open"),
        ];
        let later = settings.iter().map(|(key, value)| (&**key, &**value));
        for (key, value) in given.into_iter().chain(later) {
            sources.add_flag("test", key, value);
        }
        let config = Config::from_sources(&sources).unwrap();
        let node = Node::start(&config, Arc::clone(&clock)).await?;
        let api = Api::new(format!("http://{}", node.address), config.domain.as_str());
        Ok(Self {
            api,
            node,
            settings,
            clock,
            data,
        })
    }

    /// Stops the node well.
    pub async fn stop(self) {
        self.node.stop().await;
    }

    /// Stops the node well and starts it again on the same data.
    pub async fn restart(self) -> Self {
        self.restart_after(|_| ()).await
    }

    /// The same, with something happening, perhaps to its data, while it is off.
    pub async fn restart_after(self, meanwhile: impl FnOnce(&Path)) -> Self {
        self.node.stop().await;
        meanwhile(&self.data.path().join("data"));
        Self::open(self.data, self.settings, self.clock)
            .await
            .unwrap()
    }

    /// Stops the node well and starts it again with further settings.
    pub async fn restart_with(mut self, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter();
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        self.settings.extend(settings);
        self.restart().await
    }

    /// Gives an order through the control socket.
    pub async fn order<T>(&self, request: antiphon::control::Request) -> T
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let data_dir = self.data.path().join("data");
        let asked = tokio::task::spawn_blocking(move || {
            antiphon::control::ask(&data_dir, &request).unwrap()
        });
        asked.await.unwrap()
    }

    /// Makes a registered user an administrator.
    pub async fn grant_administrator(&self, name: &str) {
        let request = antiphon::control::Request::UserSetAdministrator {
            user: name.to_owned(),
            is_administrator: true,
        };
        let _: antiphon::control::User = self.order(request).await;
    }
}
