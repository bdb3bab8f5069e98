//! A connection that is driven by whoever waits for its answers.
//!
//! The driver wants its half of a connection polled beside the requests. A task would do that on another thread, and every
//! statement would be handed to that thread and back. Here the blocking thread that runs a rule writes to the socket and reads
//! from it by itself, by a runtime of the connection's own.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, Error, Row, Socket, Statement};

use super::value::{typed, untyped};
use super::{NO_ANSWER, PATIENCE, text};
use crate::postgres_tls::{Reach, TlsStream};
use crate::{StoreError, Value};

type Request = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Rows that are there as soon as nothing is queued any more.
pub(super) type Kept = Arc<Mutex<Vec<Row>>>;

/// A connection. It lies in the pool or belongs to one thread.
pub(super) struct Connection {
    client: Arc<Client>,
    /// Nothing once the connection is gone.
    driver: RefCell<Option<tokio_postgres::Connection<Socket, TlsStream>>>,
    /// Prepared under names, by their SQL; unless a pooler is in between.
    statements: Option<RefCell<HashMap<String, Statement>>>,
    /// Requests that nobody has waited for yet, in their order. They go out with the next one.
    queue: RefCell<Vec<Queued>>,
    /// Whether anything was sent since [`Connection::rest`].
    sent: Cell<bool>,
    runtime: Option<Runtime>,
}

struct Queued {
    request: Request,
    is_sent: bool,
}

impl Connection {
    /// Connects; blocks.
    pub(super) fn open(reach: &Reach) -> Result<Self, StoreError> {
        let failed = |reason: String| StoreError::Unavailable { reason };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| failed(text(&e)))?;
        let opened =
            runtime.block_on(async { tokio::time::timeout(PATIENCE, reach.config.connect(reach.tls.clone())).await });
        let (client, driver) = match opened {
            Ok(opened) => opened.map_err(|e| failed(text(&e)))?,
            Err(_) => return Err(failed(NO_ANSWER.to_owned())),
        };
        Ok(Self {
            client: Arc::new(client),
            driver: RefCell::new(Some(driver)),
            statements: reach.prepare.then(RefCell::default),
            queue: RefCell::default(),
            sent: Cell::new(false),
            runtime: Some(runtime),
        })
    }

    /// Lets the driver write what there is to write, and read what has come.
    fn drive(&self, cx: &mut Context<'_>) {
        let mut driver = self.driver.borrow_mut();
        if driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
            // Requests that wait are told so.
            *driver = None;
        }
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        match &self.runtime {
            Some(runtime) => runtime.block_on(future),
            None => unreachable!("only a dropped connection has no runtime"),
        }
    }

    /// Waits for the answer to a request, and for those to all that were queued before it: the error is that of the first
    /// that failed.
    fn wait<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.sent.set(true);
        let mut queue = std::mem::take(&mut *self.queue.borrow_mut());
        let (mut request, mut answer, mut failed) = (pin!(request), None, None);
        // The first time a request is polled it is put into the driver's queue: in this order.
        let mut settle = |cx: &mut Context<'_>| {
            queue.retain_mut(|queued| match queued.request.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(())) => false,
                Poll::Ready(Err(error)) => {
                    failed.get_or_insert(error);
                    false
                }
            });
            if answer.is_none()
                && let Poll::Ready(ready) = request.as_mut().poll(cx)
            {
                answer = Some(ready);
            }
            queue.is_empty() && answer.is_some()
        };
        self.block_on(poll_fn(|cx| {
            let is_settled = settle(cx) || {
                self.drive(cx);
                settle(cx)
            };
            if is_settled { Poll::Ready(()) } else { Poll::Pending }
        }));
        match (failed, answer) {
            (None, Some(answer)) => answer,
            (Some(error), _) => Err(error),
            (None, None) => unreachable!("it was waited for"),
        }
    }

    /// Waits for the answers to all that was queued.
    pub(super) fn settle(&self) -> Result<(), Error> {
        if self.queue.borrow().is_empty() {
            return Ok(());
        }
        self.wait(std::future::ready(Ok(())))
    }

    fn push(&self, request: Request, is_sent: bool) {
        self.queue.borrow_mut().push(Queued { request, is_sent });
    }

    fn batch_request(&self, sql: &'static str) -> Request {
        let client = Arc::clone(&self.client);
        Box::pin(async move { client.batch_execute(sql).await })
    }

    /// Runs statements without parameters before the next request.
    pub(super) fn queue_batch(&self, sql: &'static str) {
        self.push(self.batch_request(sql), false);
    }

    /// Runs statements without parameters.
    pub(super) fn batch(&self, sql: &str) -> Result<(), Error> {
        self.wait(self.client.batch_execute(sql))
    }

    /// Sends statements without parameters, and leaves the answer to whoever waits next.
    pub(super) fn send_batch(&self, sql: &'static str) {
        let mut request = self.batch_request(sql);
        let is_done = self.block_on(poll_fn(|cx| {
            let is_done = request.as_mut().poll(cx).is_ready();
            self.drive(cx);
            Poll::Ready(is_done)
        }));
        if !is_done {
            self.push(request, true);
        }
    }

    /// From here on it is asked what was sent.
    pub(super) fn rest(&self) {
        self.sent.set(false);
    }

    pub(super) fn has_sent(&self) -> bool {
        self.sent.get()
    }

    /// Forgets what was queued and has not gone out.
    pub(super) fn drop_queue(&self) {
        self.queue.borrow_mut().retain(|queued| queued.is_sent);
    }

    fn prepared(&self, sql: &str) -> Result<Option<Statement>, Error> {
        let Some(statements) = &self.statements else { return Ok(None) };
        if let Some(known) = statements.borrow().get(sql) {
            return Ok(Some(known.clone()));
        }
        let statement = self.wait(self.client.prepare(sql))?;
        statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(Some(statement))
    }

    /// Prepares a statement without running it.
    pub(super) fn prepare(&self, sql: &str) -> Result<(), Error> {
        self.wait(self.client.prepare(sql)).map(drop)
    }

    pub(super) fn query(&self, sql: &str, params: &[Value]) -> Result<Vec<Row>, Error> {
        match self.prepared(sql)? {
            Some(statement) => self.wait(self.client.query(&statement, &untyped(params))),
            None => self.wait(self.client.query_typed(sql, &typed(params))),
        }
    }

    pub(super) fn execute(&self, sql: &str, params: &[Value]) -> Result<u64, Error> {
        match self.prepared(sql)? {
            Some(statement) => self.wait(self.client.execute(&statement, &untyped(params))),
            None => self.wait(self.client.execute_typed(sql, &typed(params))),
        }
    }

    /// Runs a query before the next request, and keeps its answer.
    pub(super) fn queue_query(&self, sql: &'static str, params: &[Value]) -> Result<Kept, Error> {
        let (statement, client, params) = (self.prepared(sql)?, Arc::clone(&self.client), params.to_vec());
        let kept = Kept::default();
        let keep = Arc::clone(&kept);
        let request = async move {
            let rows = match statement {
                Some(statement) => client.query(&statement, &untyped(&params)).await?,
                None => client.query_typed(sql, &typed(&params)).await?,
            };
            *keep.lock().unwrap_or_else(PoisonError::into_inner) = rows;
            Ok(())
        };
        self.push(Box::pin(request), false);
        Ok(kept)
    }

    /// Runs a statement before the next request. `changes` hears if it changed anything.
    pub(super) fn queue_statement(
        &self,
        sql: &'static str,
        params: &[Value],
        changes: Option<Arc<AtomicBool>>,
    ) -> Result<(), Error> {
        let (statement, client, params) = (self.prepared(sql)?, Arc::clone(&self.client), params.to_vec());
        let request = async move {
            let changed = match statement {
                Some(statement) => client.execute(&statement, &untyped(&params)).await?,
                None => client.execute_typed(sql, &typed(&params)).await?,
            };
            if let Some(changes) = changes.filter(|_| changed > 0) {
                changes.store(true, Ordering::Relaxed);
            }
            Ok(())
        };
        self.push(Box::pin(request), false);
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Whoever drops the last handle of a store may be a task, which must not wait for a runtime to end.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
