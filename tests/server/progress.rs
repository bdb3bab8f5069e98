//! What long commands draw in a terminal, and that they draw nothing elsewhere.

use std::collections::BTreeSet;

use pid_tests::on_postgres;

use crate::program::Program;

/// Fills the audit log, so that there is something to do.
async fn fill(program: &Program, rows: i64) {
    const ENTRY: &str =
        "'SIGN_IN', NULL, 'ada', NULL, NULL, NULL, '192.0.2.1', 'A browser with a long name', '', '', '{}', 'ada'";
    if on_postgres() {
        let (client, connection) = tokio_postgres::connect(&program.connection(), tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let rows = format!(
            "INSERT INTO audit_logs SELECT 'e' || n, 1790000000000 + n, {ENTRY} FROM generate_series(1, {rows}) n"
        );
        client.batch_execute(&rows).await.unwrap();
        drop(client);
        driver.await.unwrap().unwrap();
    } else {
        let conn = rusqlite::Connection::open(program.connection()).unwrap();
        let rows = format!(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
             INSERT INTO audit_logs SELECT 'e' || n, 1790000000000 + n, {ENTRY} FROM s"
        );
        conn.execute_batch(&rows).unwrap();
    }
}

/// What a terminal is sent by a command, and what a shell says of its end. `by` is a program that runs it.
fn in_terminal(program: &Program, by: &str, command: &str) -> String {
    let shell =
        format!("exec script --quiet --command \"export TERM=xterm; {by} $0 {command}; echo ended by \\$?\" /dev/null");
    let output = program.run_by(&["sh", "-c", &shell], &[]);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The percentages of a stage, as they were drawn.
fn percentages(shown: &str, stage: &str) -> Vec<u32> {
    let lines = shown.split('\r').filter(|line| line.contains(stage));
    lines.filter_map(|line| line.split_once('%')?.0.split_whitespace().last()?.parse().ok()).collect()
}

/// Whoever looks sees what it is at, and how much of it is done; whoever reads the answer by a program gets that alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_work_says_what_it_is_at_in_a_terminal() {
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    program.stop();
    fill(&program, 60_000).await;
    let shown = in_terminal(&program, "", "backup -p b.zip");
    assert!(shown.contains("Backed up") && shown.contains("ended by 0"), "{shown}");
    // A fast machine is done with a stage between two drawings; of all stages together some are seen.
    let mut distinct = BTreeSet::new();
    for stage in ["Copying the database", "Packing", "Hashing"] {
        let found = percentages(&shown, stage);
        assert!(found.is_sorted() && found.iter().all(|n| *n <= 100), "{found:?}\n{shown}");
        distinct.extend(found);
    }
    assert!(distinct.len() > 1 && shown.contains(" of "), "{distinct:?}\n{shown}");

    let shown = in_terminal(&program, "", "restore --verify -p b.zip");
    assert!(shown.contains("Starting a server on a copy … 0 s") && shown.contains("is whole"), "{shown}");
    assert!(percentages(&shown, "Unpacking").is_sorted(), "{shown}");
    let shown = in_terminal(&program, "", "export -p e.zip");
    let found = percentages(&shown, "Reading the audit log");
    assert!(!found.is_empty() && found.is_sorted() && shown.contains(" rows, "), "{found:?}\n{shown}");

    // Ctrl-C in the middle: the line is taken away, and nothing else is left.
    let mut drawn = false;
    for seconds in ["0.3", "0.6", "1.2", "2.4"] {
        let by = format!("timeout --foreground --preserve-status --signal INT {seconds}");
        let shown = in_terminal(&program, &by, "export -p interrupted.zip");
        assert!(shown.contains("ended by 130"), "{shown}");
        drawn = shown.contains('%');
        if drawn {
            let rest = shown.rsplit_once('%').unwrap().1;
            assert!(rest.contains("\x1b[2K") && rest.ends_with("ended by 130\r\n"), "{shown:?}");
            break;
        }
    }
    assert!(drawn && !program.dir().join("interrupted.zip").exists());

    let output = program.run(&["restore", "--verify", "-p", "b.zip"]);
    let plain = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && plain.contains("is whole"), "{plain}");
    for drawn in ["Starting a server", "%", "\r", "\x1b"] {
        assert!(!plain.contains(drawn), "{plain:?}");
    }
}
