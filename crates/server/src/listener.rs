//! Where the server listens (ops.md §3.4): on a socket that systemd hands over, else on one of the file system, else on TCP.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use pid_http::listen::{Listener, Manner};
use pid_http::tls::Tls;
use tokio::net::{TcpListener, UnixListener};

use crate::app::StartError;
use crate::config::Config;

/// A listener, where it is, and what happens on it before HTTP.
pub(crate) struct Listening {
    pub(crate) listener: Listener,
    /// Its address; that of this machine for a socket of the file system.
    pub(crate) address: SocketAddr,
    /// The same in words.
    pub(crate) place: String,
    pub(crate) manner: Manner,
}

/// Binds what the configuration wants.
///
/// # Errors
/// [`StartError`].
pub(crate) async fn bind(config: &Config) -> Result<Listening, StartError> {
    let tls = config.tls.clone().map(Tls::new).transpose().map_err(|cause| StartError::Certificate { cause })?;
    let mut manner = Manner { tls, proxies: config.proxy_protocol.clone(), socket: None };
    if config.systemd_socket {
        let (listener, address, place) = handed_over().map_err(|cause| StartError::Handed { cause })?;
        return Ok(Listening { listener, address, place, manner });
    }
    if let Some(path) = &config.unix_socket {
        let trouble = |cause| StartError::Socket { path: path.display().to_string(), cause };
        let listener = Listener::Unix(unix(path, config.unix_socket_mode).map_err(trouble)?);
        manner.socket = Some(path.clone());
        return Ok(Listening { listener, address: here(), place: path.display().to_string(), manner });
    }
    let address = SocketAddr::new(config.host, config.port);
    let trouble = |cause| StartError::Listen { address, cause };
    let listener = TcpListener::bind(address).await.map_err(trouble)?;
    let address = listener.local_addr().map_err(trouble)?;
    Ok(Listening { listener: Listener::Tcp(listener), address, place: address.to_string(), manner })
}

fn here() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// The one socket of systemd's activation (sd_listen_fds(3)).
fn handed_over() -> Result<(Listener, SocketAddr, String), String> {
    let mut all = listenfd::ListenFd::from_env();
    if all.len() != 1 {
        return Err(format!("SYSTEMD_SOCKET is true, but {} sockets were handed over instead of one", all.len()));
    }
    let trouble = |e: std::io::Error| format!("the socket that was handed over can't be used: {e}");
    if let Ok(Some(tcp)) = all.take_tcp_listener(0) {
        tcp.set_nonblocking(true).map_err(trouble)?;
        let listener = TcpListener::from_std(tcp).map_err(trouble)?;
        let address = listener.local_addr().map_err(trouble)?;
        return Ok((Listener::Tcp(listener), address, format!("{address} (from systemd)")));
    }
    match all.take_unix_listener(0) {
        Ok(Some(unix)) => {
            unix.set_nonblocking(true).map_err(trouble)?;
            let listener = UnixListener::from_std(unix).map_err(trouble)?;
            Ok((Listener::Unix(listener), here(), "a socket of systemd's".to_owned()))
        }
        Ok(None) => Err("the socket that was handed over is gone".to_owned()),
        Err(e) => Err(trouble(e)),
    }
}

/// A socket of the file system. One that was left over goes; one that somebody answers on stays.
fn unix(path: &Path, mode: Option<u32>) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    if let Ok(found) = std::fs::symlink_metadata(path) {
        let answers = || std::os::unix::net::UnixStream::connect(path).is_ok();
        if !found.file_type().is_socket() || answers() {
            return Err(std::io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    if let Some(mode) = mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(listener)
}

/// Tells systemd how it stands with us (sd_notify(3)), if it wants to know.
pub(crate) fn notify(state: &str) {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let Some(place) = std::env::var_os("NOTIFY_SOCKET").filter(|place| !place.is_empty()) else { return };
    let address = match place.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(&place),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address));
    if let Err(error) = sent {
        tracing::warn!(%error, "systemd could not be told: {state}");
    }
}
