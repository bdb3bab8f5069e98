//! A tiny HTTP server for the kit's own tests, on the standard library alone.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

/// A response: status line after `HTTP/1.1 `, header lines, body.
pub struct Answer(pub &'static str, pub Vec<String>, pub String);

impl Answer {
    pub fn ok(kind: &str, body: impl Into<String>) -> Self {
        Self("200 OK", vec![format!("Content-Type: {kind}")], body.into())
    }
}

/// Listens on a free port of 127.0.0.1 until the test program ends; the handler gets method, path with query, and body.
pub fn serve(handler: impl Fn(&str, &str, &str) -> Answer + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let handler = Arc::new(handler);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let handler = handler.clone();
            thread::spawn(move || answer(&stream, &*handler));
        }
    });
    port
}

fn answer(stream: &TcpStream, handler: &dyn Fn(&str, &str, &str) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?, words.next()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let Answer(status, headers, text) = handler(method, path, &String::from_utf8_lossy(&body));
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n", text.len());
    for header in headers {
        head.push_str(&format!("{header}\r\n"));
    }
    let mut stream = stream;
    stream.write_all(format!("{head}\r\n{text}").as_bytes()).ok()
}
