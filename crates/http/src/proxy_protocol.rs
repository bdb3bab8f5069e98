//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`): who really connects, said before anything else.
//! Peers that are listed have to say so; others must not, and loopback peers need not, so that health checks work.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How long a peer may take to say it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const LINE: usize = 107;
/// The most that we read of a header of version 2: addresses, and what some proxies tell beside them.
const MOST: usize = 4096;

/// Whether a peer has to send a header (`Some(true)`), may not send one (`Some(false)`), or is not let in (`None`).
pub(crate) fn demands(listed: &[IpNet], peer: IpAddr) -> Option<bool> {
    let peer = peer.to_canonical();
    if listed.iter().any(|net| net.contains(&peer)) { Some(true) } else { peer.is_loopback().then_some(false) }
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no PROXY header")
}

/// Reads a header, and nothing after it. `None`: the proxy speaks for itself (LOCAL, UNKNOWN).
///
/// # Errors
/// There is none, or a malformed one.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if start == SIGNATURE {
        return binary(stream).await;
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE {
            return Err(refused());
        }
        line.push(stream.read_u8().await?);
    }
    text(&line)
}

fn text(line: &[u8]) -> io::Result<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).map_err(|_| refused())?.trim_end_matches("\r\n");
    let mut parts = line.split(' ');
    if parts.next() != Some("PROXY") {
        return Err(refused());
    }
    let family = parts.next().ok_or_else(refused)?;
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let source: IpAddr = parts.next().and_then(|text| text.parse().ok()).ok_or_else(refused)?;
    let target: IpAddr = parts.next().and_then(|text| text.parse().ok()).ok_or_else(refused)?;
    let mut port = || parts.next().and_then(|text| text.parse::<u16>().ok()).ok_or_else(refused);
    let (from, _) = (port()?, port()?);
    let fits = match family {
        "TCP4" => source.is_ipv4() && target.is_ipv4(),
        "TCP6" => source.is_ipv6() && target.is_ipv6(),
        _ => false,
    };
    if fits && parts.next().is_none() { Ok(Some(SocketAddr::new(source, from))) } else { Err(refused()) }
}

async fn binary(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let (command, family) = (stream.read_u8().await?, stream.read_u8().await?);
    let length = usize::from(stream.read_u16().await?);
    if length > MOST {
        return Err(refused());
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match (command, family) {
        // LOCAL: a health check of the proxy's own.
        (0x20, _) => Ok(None),
        (0x21, 0x11) => {
            let block: &[u8; 12] = rest.first_chunk().ok_or_else(refused)?;
            let source = Ipv4Addr::new(block[0], block[1], block[2], block[3]);
            Ok(Some(SocketAddr::from((source, u16::from_be_bytes([block[8], block[9]])))))
        }
        (0x21, 0x21) => {
            let block: &[u8; 36] = rest.first_chunk().ok_or_else(refused)?;
            let source: [u8; 16] = *block.first_chunk().ok_or_else(refused)?;
            Ok(Some(SocketAddr::from((Ipv6Addr::from(source), u16::from_be_bytes([block[32], block[33]])))))
        }
        // Another kind of socket: it says nothing that we could use.
        (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Ok(None),
        _ => Err(refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn header(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, usize) {
        let mut rest = bytes;
        let read = read(&mut rest).await;
        (read, rest.len())
    }

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block].concat()
    }

    #[tokio::test]
    async fn both_versions_name_the_client() {
        let four: SocketAddr = "203.0.113.9:56324".parse().unwrap();
        let six: SocketAddr = "[2001:db8::9]:4124".parse().unwrap();
        let mut block = vec![203, 0, 113, 9, 10, 0, 0, 1, 220, 4, 1, 187];
        // Beside the addresses a proxy may tell more.
        block.extend([0x04, 0, 1, 0]);
        let mut wide = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).octets().to_vec();
        wide.extend([0; 16]);
        wide.extend([16, 28, 1, 187]);
        for (bytes, client) in [
            (b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 443\r\n".to_vec(), Some(four)),
            (b"PROXY TCP6 2001:db8::9 ::1 4124 443\r\n".to_vec(), Some(six)),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2(0x21, 0x11, &block), Some(four)),
            (v2(0x21, 0x21, &wide), Some(six)),
            (v2(0x20, 0x00, b""), None),
        ] {
            let (read, left) = header(&[&bytes[..], b"GET /"].concat()).await;
            assert_eq!(read.unwrap(), client, "{bytes:?}");
            assert_eq!(left, 5, "what follows is left: {bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_is_malformed_is_refused() {
        let long = [b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat();
        for bytes in [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 10.0.0.1 56324\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::9 ::1 4124 443\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 10.0.0.1 56324 99999\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.9 10.0.0.1 1 2 3\r\n".to_vec(),
            b"PROXY".to_vec(),
            long,
            v2(0x21, 0x11, &[1, 2, 3]),
            v2(0x31, 0x11, &[0; 12]),
            v2(0x21, 0x99, &[0; 12]),
            [&SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat(),
        ] {
            assert!(header(&bytes).await.0.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn who_is_listed_has_to_say_so() {
        let listed: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let of = |ip: &str| demands(&listed, ip.parse().unwrap());
        assert_eq!(of("10.1.2.3"), Some(true));
        assert_eq!(of("::ffff:10.1.2.3"), Some(true));
        assert_eq!(of("127.0.0.1"), Some(false));
        assert_eq!(of("203.0.113.9"), None);
        assert_eq!(demands(&["127.0.0.1/32".parse().unwrap()], "127.0.0.1".parse().unwrap()), Some(true));
    }
}
