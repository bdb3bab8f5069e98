//! One sentence says why: each fault of the table is made against a real server, and the client's page names it.
//!
//! What an app does wrong is done by requests that are wrong in that way; where the fault is an app's own, real ones make it
//! (`parties.rs`). Each fault comes from an address of its own, since what one address makes is looked at in part.

mod around;
mod clients;
mod kept;
mod observed;
mod parties;
mod requests;
mod tokens;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use pid_core::diagnosis::Code;
use pid_tests::{Agent, Person, RelyingParty, TestApp};
use serde_json::{Value, json};

/// A server, and what it should have said of whom.
struct Clinic {
    app: TestApp,
    seen: Cell<u32>,
    expected: RefCell<Vec<(String, Code, Vec<String>)>>,
}

impl Clinic {
    async fn open() -> Self {
        Self::open_with(&[]).await
    }

    async fn open_with(variables: &[(&str, &str)]) -> Self {
        let all = [&[("TRUST_PROXY", "127.0.0.1")], variables].concat();
        let app = TestApp::start_with(&all).await;
        Self { app, seen: Cell::new(0), expected: RefCell::default() }
    }

    /// The same browser or program at another address.
    fn elsewhere(&self, agent: &Agent) -> Agent {
        let n = self.seen.get() + 1;
        self.seen.set(n);
        agent.clone().with_header("x-forwarded-for", &format!("192.0.2.{n}"))
    }

    fn agent(&self) -> Agent {
        self.elsewhere(&self.app.agent())
    }

    async fn person(&self, name: &str) -> Person {
        let mut person = self.app.person(name).await;
        person.agent = self.elsewhere(&person.agent);
        person
    }

    /// A client at an address of its own.
    async fn client(&self, body: Value) -> RelyingParty {
        let rp = RelyingParty::register(&self.app, body).await;
        RelyingParty { agent: self.agent(), ..rp }
    }

    /// Expects a fault of a client (of none that is known without one), whose sentence says all this.
    fn expect(&self, client: Option<&str>, code: Code, says: &[&str]) {
        let says = says.iter().map(|text| (*text).to_owned()).collect();
        self.expected.borrow_mut().push((client.unwrap_or_default().to_owned(), code, says));
    }

    fn of(&self, rp: &RelyingParty, code: Code, says: &[&str]) {
        self.expect(Some(&rp.id), code, says);
    }

    async fn list(&self, client: &str) -> Vec<Value> {
        let path = match client {
            "" => "/api/oidc/diagnoses".to_owned(),
            id => format!("/api/oidc/clients/{id}/diagnoses"),
        };
        self.app.script().get(&path).await.expect(200).json().as_array().unwrap().clone()
    }

    /// Waits for a fault.
    async fn find(&self, client: &str, code: Code) -> Value {
        let mut last = Vec::new();
        for _ in 0..500 {
            last = self.list(client).await;
            let is_it =
                |entry: &&Value| entry["code"] == code.as_str() && (!client.is_empty() || entry["clientID"].is_null());
            if let Some(found) = last.iter().find(is_it) {
                return found.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let rest: Vec<String> = last.iter().map(|entry| format!("{}: {}", entry["code"], entry["says"])).collect();
        panic!("no {} of {client:?}, but {rest:#?}", code.as_str());
    }

    /// Demands all that was expected. Gives the diagnoses that were made.
    async fn close(self) -> BTreeSet<&'static str> {
        let mut made = BTreeSet::new();
        let expected = self.expected.take();
        for (client, code, says) in expected {
            let found = self.find(&client, code).await;
            let text = found["says"].as_str().unwrap();
            for needle in says {
                assert!(text.contains(&needle), "{}: {needle:?} is not in {text:?}", code.as_str());
            }
            assert!(found["mend"].as_str().is_some_and(|mend| mend.len() > 10), "{found}");
            made.insert(code.as_str());
        }
        made
    }
}

/// Demands that these diagnoses are those of the table for some places: none is without a test.
fn are_all_but(made: &BTreeSet<&str>, places: &[pid_core::diagnosis::Place], missing: &[Code]) {
    let wanted: BTreeSet<&str> = Code::ALL
        .iter()
        .filter(|code| places.contains(&code.place()) && !missing.contains(code))
        .map(|code| code.as_str())
        .collect();
    let lacking: Vec<_> = wanted.difference(made).collect();
    assert!(lacking.is_empty(), "no test makes {lacking:?}");
}

/// The path of an authorization request that a test wrote itself.
fn authorize(parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("/authorize?{}", query.extend_pairs(parameters).finish())
}

fn group(name: &str) -> Value {
    json!({ "name": name, "friendlyName": name })
}
