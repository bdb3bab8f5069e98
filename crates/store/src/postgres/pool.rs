//! The connections of this process: so many at once, opened when they are needed, the latest used first.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::PATIENCE;
use super::connection::Connection;
use crate::StoreError;
use crate::postgres_tls::Reach;

pub(super) struct Pool {
    reach: Reach,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Pool {
    pub(super) fn new(reach: Reach, connections: usize) -> Self {
        Self { reach, turns: Arc::new(Semaphore::new(connections)), idle: Mutex::default() }
    }

    /// Waits for the right to one connection: in the order in which it was asked for, without a thread.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        let unavailable = |reason: &str| StoreError::Unavailable { reason: reason.to_owned() };
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| unavailable("every connection was in use for too long"))?;
        turn.map_err(|_| unavailable("the store is closed"))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, for whoever has a turn; may block.
    pub(super) fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle().pop();
        idle.map_or_else(|| Connection::open(&self.reach), Ok)
    }

    /// Takes a connection back that is in no transaction.
    pub(super) fn put(&self, connection: Connection) {
        if !self.turns.is_closed() {
            self.idle().push(connection);
        }
    }

    /// A connection was lost. Those that lie here were most likely lost with it.
    pub(super) fn drop_idle(&self) {
        let idle = std::mem::take(&mut *self.idle());
        drop(idle);
    }

    pub(super) fn close(&self) {
        self.turns.close();
        self.drop_idle();
    }
}
