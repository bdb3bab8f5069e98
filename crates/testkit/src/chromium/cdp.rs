//! The DevTools protocol over two pipes: JSON messages, each ended by a zero byte.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    process::{ChildStdin, ChildStdout},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{Error, record::Record};

/// How long one command may take.
const LIMIT: Duration = Duration::from_secs(30);

type Reply = oneshot::Sender<Result<Value, Error>>;

/// Commands go out from any thread or runtime; a thread of its own reads replies and events.
pub(super) struct Connection {
    input: Mutex<ChildStdin>,
    waiting: Mutex<HashMap<u64, (String, Reply)>>,
    records: Mutex<HashMap<String, Arc<Record>>>,
    next: AtomicU64,
}

impl Connection {
    pub(super) fn new(input: ChildStdin, output: ChildStdout) -> Arc<Self> {
        let connection = Arc::new(Self {
            input: Mutex::new(input),
            waiting: Mutex::default(),
            records: Mutex::default(),
            next: AtomicU64::new(1),
        });
        let reader = connection.clone();
        thread::spawn(move || reader.read(output));
        connection
    }

    /// Sends a command, to a page's session or to the browser, and waits for its result.
    pub(super) async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Result<Value, Error> {
        self.call_within(LIMIT, session, method, params).await
    }

    pub(super) async fn call_within(
        &self,
        limit: Duration,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, Error> {
        let (reply, answer) = oneshot::channel();
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiting).insert(id, (method.to_owned(), reply));
        self.write(id, session, method, &params)?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::new(format!("{method}: Chromium has ended"))),
            Err(_) => {
                lock(&self.waiting).remove(&id);
                Err(Error::new(format!("{method}: no answer within {limit:?}")))
            }
        }
    }

    /// Sends a command whose result does not matter.
    pub(super) fn send(&self, session: Option<&str>, method: &str, params: &Value) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let _ = self.write(id, session, method, params);
    }

    /// From now on the events of `session` go to `record`.
    pub(super) fn listen(&self, session: &str, record: Arc<Record>) {
        lock(&self.records).insert(session.to_owned(), record);
    }

    pub(super) fn forget(&self, session: &str) {
        lock(&self.records).remove(session);
    }

    fn write(&self, id: u64, session: Option<&str>, method: &str, params: &Value) -> Result<(), Error> {
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        lock(&self.input).write_all(&bytes).map_err(|e| Error::new(format!("{method}: Chromium has ended ({e})")))
    }

    fn read(&self, output: ChildStdout) {
        let mut output = BufReader::with_capacity(1 << 16, output);
        let mut bytes = Vec::new();
        while output.read_until(0, &mut bytes).is_ok_and(|n| n > 0) {
            if bytes.last() == Some(&0) {
                bytes.pop();
            }
            if let Ok(message) = serde_json::from_slice(&bytes) {
                self.take(message);
            }
            bytes.clear();
        }
        // Whoever still waits learns of the end by its dropped sender.
        lock(&self.waiting).clear();
    }

    fn take(&self, mut message: Value) {
        if let Some(id) = message["id"].as_u64() {
            let Some((method, reply)) = lock(&self.waiting).remove(&id) else {
                return;
            };
            let result = match message.get("error") {
                Some(error) => Err(Error::new(format!(
                    "{method}: {} {}",
                    error["message"].as_str().unwrap_or_default(),
                    error["data"].as_str().unwrap_or_default()
                ))),
                None => Ok(message["result"].take()),
            };
            let _ = reply.send(result);
        } else if let (Some(session), Some(method)) = (message["sessionId"].as_str(), message["method"].as_str()) {
            if method == "Page.javascriptDialogOpening" {
                // Nobody is there to press the button, and the page stands still until then.
                self.send(Some(session), "Page.handleJavaScriptDialog", &json!({ "accept": true }));
            }
            let record = lock(&self.records).get(session).cloned();
            if let Some(record) = record {
                record.take(method, &message["params"]);
            }
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
