//! What is done to a data directory while no node uses it.

use std::sync::Arc;

use antiphon_actors::clock::SystemClock;
use antiphon_actors::storage::{DataDir, Storage};

use super::CliError;
use crate::config::Config;
use crate::store;

/// A data directory and the store in it.
pub(super) struct Offline {
    // Dropped first: the lock is held until the store is closed.
    pub(super) storage: Storage,
    pub(super) data_dir: Arc<DataDir>,
}

impl Offline {
    /// Takes the data directory of the configuration, which must be there and not in use.
    pub(super) async fn open(config: &Config) -> Result<Self, CliError> {
        check_exists(config)?;
        let data_dir = DataDir::open(&config.data_dir, &config.domain)?;
        Self::with(data_dir, config).await
    }

    /// The same for whoever looks at how it is.
    pub(super) async fn open_as_it_is(config: &Config) -> Result<Self, CliError> {
        check_exists(config)?;
        let data_dir = DataDir::open_as_it_is(&config.data_dir, &config.domain)?;
        Self::with(data_dir, config).await
    }

    async fn with(data_dir: DataDir, config: &Config) -> Result<Self, CliError> {
        let storage = store::open(&data_dir, config, &SystemClock).await?;
        Ok(Self {
            storage,
            data_dir: Arc::new(data_dir),
        })
    }

    /// Closes the store, and then lets go of the directory.
    pub(super) fn close(self) -> Result<(), CliError> {
        self.storage.close()?;
        Ok(())
    }
}

/// Whoever mistypes a directory wants to know, and not to have it made.
pub(super) fn check_exists(config: &Config) -> Result<(), CliError> {
    DataDir::check(&config.data_dir)?;
    if config.data_dir.join("node").exists() {
        Ok(())
    } else {
        Err(CliError::NoData(config.data_dir.clone()))
    }
}
