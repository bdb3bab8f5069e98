//! Replicas behind a pooler that lends its few connections for a transaction each.

use std::path::Path;
use std::time::Duration;

use pid_testkit::pgbouncer::PgBouncer;
use pid_testkit::postgres::fresh_database;
use pid_tests::on_postgres;

use crate::program::BINARY;
use crate::rolling::Fleet;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn three_replicas_share_the_few_connections_of_a_pooler() {
    if !on_postgres() {
        return;
    }
    let database = fresh_database();
    let pooler = PgBouncer::start(database.url(), 4).unwrap();
    let through = format!("{}?prepare=false", pooler.url());
    let fleet = Fleet::start_on(Path::new(BINARY), Some(&through)).await;
    // Four people sign in again and again, at whatever replica, and each answer is the right one.
    for _ in 0..1200 {
        if fleet.rounds() >= 40 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(fleet.rounds() >= 40, "{}", pooler.log());
    fleet.end().await;
}
