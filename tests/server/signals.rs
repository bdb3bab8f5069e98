//! How it ends.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::program::Program;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_signals_let_open_requests_finish() {
    for signal in ["TERM", "INT"] {
        let mut program = Program::configured();
        program.start().await;
        let port = program.port();
        // A request of which the second half comes after the signal.
        let body = serde_json::json!({ "username": "admin", "email": "admin@example.com" }).to_string();
        let mut open = TcpStream::connect(("127.0.0.1", port)).unwrap();
        open.set_read_timeout(Some(LIMIT)).unwrap();
        write!(
            open,
            "POST /api/signup/setup HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{}",
            body.len(),
            &body[..10]
        )
        .unwrap();
        // And a connection on which nothing goes on, which must not hold up the end.
        let idle = TcpStream::connect(("127.0.0.1", port)).unwrap();
        program.agent().get("/healthz").await.expect(204);

        program.process().signal(signal);
        program.process().wait_for_line("stopping", LIMIT).unwrap();
        // Nobody new is let in.
        for _ in 0..1000 {
            if TcpStream::connect(("127.0.0.1", port)).is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        open.write_all(&body.as_bytes()[10..]).unwrap();
        let mut answer = String::new();
        open.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let status = program.process().wait_for_exit(LIMIT).unwrap();
        assert_eq!(status.code(), Some(0), "{}", program.log());
        assert!(!program.log().contains("panicked"), "{}", program.log());
        drop(idle);

        // What was answered is stored.
        program.start().await;
        program.agent().get("/api/signup/setup").await.expect(404);
        program.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_it_at_once() {
    let mut program = Program::configured();
    program.start().await;
    let mut open = TcpStream::connect(("127.0.0.1", program.port())).unwrap();
    write!(
        open,
        "POST /api/signup/setup HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n"
    )
    .unwrap();
    program.agent().get("/healthz").await.expect(204);
    program.process().signal("TERM");
    program.process().wait_for_line("stopping", LIMIT).unwrap();
    program.process().signal("TERM");
    let status = program.process().wait_for_exit(LIMIT).unwrap();
    assert_eq!(status.code(), Some(1), "{}", program.log());
}
