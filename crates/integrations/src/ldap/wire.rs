//! Between a server and the library that reads what it sends: whole messages within bounds go on, anything else ends the
//! connection. The library reads nested elements by recursion and keeps what it is sent, so a hostile server must not reach
//! it (security case 83).

use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::LdapError;

/// The largest message, bytes: a group of half a million members.
const MESSAGE: usize = 32 * 1024 * 1024;
/// The most that is taken for one request, bytes: of entries beyond it only the names go on, and whoever asked can ask for
/// them one by one.
const ANSWER: usize = 48 * 1024 * 1024;
/// The most that a server may send for one request, whatever becomes of it, bytes.
const FLOOD: usize = 64 * ANSWER;
/// The largest message that is read past, bytes.
const LARGEST: usize = 1024 * 1024 * 1024;
/// What is read of a message that is too large: whose entry it is stands at its beginning, bytes.
const BEGINNING: usize = 16 * 1024;
/// The attribute of an entry that was cut down to its name; none of a directory can be called so.
pub(super) const CUT: &str = "!";
/// How deep elements may be nested; an entry needs six.
const DEPTH: usize = 12;
/// A bind and its answer (RFC 4511 §4.2).
const BIND: (u8, &[u8]) = (0x60, &[0x61]);
/// A search, and its answers (RFC 4511 §4.5, 4.13).
const SEARCH: (u8, &[u8]) = (0x63, &[0x64, 0x65, 0x73, 0x79]);
/// Something further, and its answer (RFC 4511 §4.12). Nobody asks for this after StartTLS, but a server may say by it that it goes.
const EXTENDED: (u8, &[u8]) = (0x77, &[0x78]);

/// A connection, with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Starts passing messages between the server and our end of a pair of sockets. `ended` says why, if this ends it.
pub(super) fn guard(
    stream: Box<dyn Stream>,
    ours: StdUnixStream,
    ended: Arc<OnceLock<String>>,
    tasks: &mut JoinSet<()>,
) -> Result<(), LdapError> {
    let failed = |error: std::io::Error| LdapError::Target(error.to_string());
    ours.set_nonblocking(true).map_err(failed)?;
    let ours = UnixStream::from_std(ours).map_err(failed)?;
    let (mut from_server, mut to_server) = tokio::io::split(stream);
    let (mut from_us, mut to_us) = tokio::io::split(ours);
    let ours = Arc::new(Exchange::default());
    let theirs = Arc::clone(&ours);
    tasks.spawn(async move {
        if let Err(why) = inwards(&mut from_server, &mut to_us, &theirs).await {
            let _ = ended.set(why);
        }
        let _ = to_us.shutdown().await;
    });
    tasks.spawn(async move {
        outwards(&mut from_us, &mut to_server, &ours).await;
        let _ = to_server.shutdown().await;
    });
    Ok(())
}

/// What was asked last, and how much was answered.
#[derive(Default)]
struct Exchange {
    asked: AtomicU8,
    taken: AtomicUsize,
}

async fn outwards(from: &mut ReadHalf<UnixStream>, to: &mut WriteHalf<Box<dyn Stream>>, exchange: &Exchange) {
    while let Ok(Some(Frame::Whole(message))) = frame(from).await {
        exchange.taken.store(0, Ordering::SeqCst);
        exchange.asked.store(operation(&message).map_or(0, |asked| asked.tag), Ordering::SeqCst);
        let sent = async {
            to.write_all(&message).await?;
            to.flush().await
        };
        if sent.await.is_err() {
            return;
        }
    }
}

async fn inwards(
    from: &mut ReadHalf<Box<dyn Stream>>,
    to: &mut WriteHalf<UnixStream>,
    exchange: &Exchange,
) -> Result<(), String> {
    while let Some(frame) = frame(from).await? {
        let asked = exchange.asked.load(Ordering::SeqCst);
        let size = frame.size();
        let mut message = match frame {
            Frame::Whole(message) => message,
            Frame::TooLarge { beginning, .. } => cut(&beginning).ok_or(TOO_LARGE)?,
        };
        let taken = exchange.taken.fetch_add(size, Ordering::SeqCst);
        if taken > FLOOD {
            return Err("the answer is too large".to_owned());
        }
        if taken > ANSWER
            && let Some(name) = cut(&message)
        {
            message = name;
        }
        let Some(answer) = answer(&message) else { return Err(NO_LDAP.to_owned()) };
        if answer.tag == 0x78 {
            let words = result(answer.content).map(|(_, words)| super::words(words)).unwrap_or_default();
            return Err(format!("the server ended the connection: {words}"));
        }
        let fits = [BIND, SEARCH].iter().any(|(request, answers)| *request == asked && answers.contains(&answer.tag));
        if !fits {
            return Err("the server answers what it was not asked".to_owned());
        }
        if to.write_all(&message).await.is_err() {
            break;
        }
    }
    Ok(())
}

const NO_LDAP: &str = "the answer is no LDAP";
const TOO_LARGE: &str = "the server sent a message that is too large";

/// A message as it comes.
#[derive(Debug, PartialEq, Eq)]
enum Frame {
    Whole(Vec<u8>),
    /// More than is taken, of which the beginning was kept and the rest was read past.
    TooLarge {
        beginning: Vec<u8>,
        size: usize,
    },
}

impl Frame {
    fn size(&self) -> usize {
        match self {
            Self::Whole(message) => message.len(),
            Self::TooLarge { size, .. } => *size,
        }
    }
}

/// Tag and length of an element, and what comes after them, whether or not the content is there wholly.
fn head(bytes: &[u8]) -> Option<(u8, usize, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    match first {
        short @ 0..=0x7f => Some((tag, usize::from(short), rest)),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
            Some((tag, bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest))
        }
        _ => None,
    }
}

/// An element with a length of four bytes.
fn long(tag: u8, parts: &[&[u8]]) -> Option<Vec<u8>> {
    let length = u32::try_from(parts.iter().map(|part| part.len()).sum::<usize>()).ok()?;
    Some([&[tag, 0x84][..], &length.to_be_bytes(), &parts.concat()].concat())
}

/// Of the beginning of a message with an entry (RFC 4511 §4.5.2) a message with the entry's name alone, marked as cut;
/// `None`: it is another message.
fn cut(beginning: &[u8]) -> Option<Vec<u8>> {
    let (0x30, _, rest) = head(beginning)? else { return None };
    let (id, rest) = element(rest)?;
    let (0x64, _, rest) = head(rest)? else { return None };
    let (name, _) = element(rest)?;
    if id.tag != 0x02 || name.tag != 0x04 {
        return None;
    }
    let mark = long(0x30, &[&long(0x04, &[CUT.as_bytes()])?, &long(0x31, &[])?])?;
    let entry = long(0x64, &[&long(0x04, &[name.content])?, &long(0x30, &[&mark])?])?;
    long(0x30, &[&long(0x02, &[id.content])?, &entry])
}

/// Reads past so many bytes; tells how many there were.
async fn pass_over(from: &mut (impl AsyncRead + Unpin), length: usize) -> std::io::Result<usize> {
    let mut left = from.take(length as u64);
    let passed = tokio::io::copy(&mut left, &mut tokio::io::sink()).await?;
    Ok(usize::try_from(passed).unwrap_or(usize::MAX))
}

/// Reads the next message, whatever is in it; `None` at the end.
async fn frame(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<Frame>, String> {
    let broke = |_| "the connection broke".to_owned();
    let no_ldap = || NO_LDAP.to_owned();
    let mut head = [0; 2];
    match from.read(&mut head[..1]).await {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(broke(error)),
    }
    from.read_exact(&mut head[1..]).await.map_err(broke)?;
    if head[0] != 0x30 {
        return Err(no_ldap());
    }
    let mut message = head.to_vec();
    let length = match head[1] {
        short @ 0..=0x7f => usize::from(short),
        long @ 0x81..=0x84 => {
            let mut bytes = vec![0; usize::from(long - 0x80)];
            from.read_exact(&mut bytes).await.map_err(broke)?;
            message.extend(&bytes);
            bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))
        }
        _ => return Err(no_ldap()),
    };
    if length > LARGEST {
        return Err(TOO_LARGE.to_owned());
    }
    let wanted = if length > MESSAGE { BEGINNING } else { length };
    // Memory grows with what really comes.
    let mut read = (&mut *from).take(wanted as u64).read_to_end(&mut message).await.map_err(broke)?;
    if length > MESSAGE {
        // Nothing but an entry may be so large: anything else ends it at once.
        if cut(&message).is_none() {
            return Err(TOO_LARGE.to_owned());
        }
        read += pass_over(from, length - wanted).await.map_err(broke)?;
    }
    if read < length {
        return Err("the connection broke in the middle of an answer".to_owned());
    }
    if length > MESSAGE {
        return Ok(Some(Frame::TooLarge { beginning: message, size: length }));
    }
    Ok(Some(Frame::Whole(message)))
}

/// A BER element (X.690 §8.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

/// Reads the first element, and gives the rest.
pub(super) fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    // Tags of several bytes are none of LDAP's.
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (length, rest) = match first {
        short @ 0..=0x7f => (usize::from(short), rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((Element { tag, content }, rest))
}

/// The operation of a message (RFC 4511 §4.1.1).
fn operation(message: &[u8]) -> Option<Element<'_>> {
    let (outer, rest) = element(message)?;
    let (id, operation) = element(outer.content)?;
    let has_id = id.tag == 0x02 && (1..=4).contains(&id.content.len());
    if has_id && rest.is_empty() { element(operation).map(|(operation, _)| operation) } else { None }
}

/// The operation of a message that a server may send, if its elements are whole and not nested too deep.
fn answer(message: &[u8]) -> Option<Element<'_>> {
    let operation = operation(message)?;
    let is_known = [BIND, SEARCH, EXTENDED].iter().any(|(_, answers)| answers.contains(&operation.tag));
    let is_result = matches!(operation.tag, 0x61 | 0x65 | 0x78);
    let is_good = is_known && (!is_result || result(operation.content).is_some()) && is_flat(message);
    is_good.then_some(operation)
}

fn is_flat(bytes: &[u8]) -> bool {
    // Contents that are still to be looked at; there are no more than levels.
    let mut open = vec![bytes];
    while let Some(content) = open.pop() {
        if content.is_empty() {
            continue;
        }
        let Some((inner, rest)) = element(content) else { return false };
        open.push(rest);
        if inner.tag & 0x20 != 0 {
            open.push(inner.content);
        }
        if open.len() > DEPTH {
            return false;
        }
    }
    true
}

/// Code and words of a result (RFC 4511 §4.1.9), with nothing in it that results don't have.
pub(super) fn result(content: &[u8]) -> Option<(u8, &str)> {
    let text = |e: Element<'_>| e.tag & 0x20 == 0 && std::str::from_utf8(e.content).is_ok();
    let (code, rest) = element(content)?;
    let (matched, rest) = element(rest)?;
    let (words, mut rest) = element(rest)?;
    if matched.tag != 0x04 || words.tag != 0x04 || !text(matched) || !text(words) {
        return None;
    }
    while !rest.is_empty() {
        let (more, next) = element(rest)?;
        let is_good = match more.tag {
            // Referrals.
            0xa3 => {
                let mut urls = more.content;
                while !urls.is_empty() {
                    let (url, next) = element(urls)?;
                    if url.tag != 0x04 || !text(url) {
                        return None;
                    }
                    urls = next;
                }
                true
            }
            // Credentials, and the value of an extended response.
            0x87 | 0x8b => true,
            // The name of an extended response.
            0x8a => text(more),
            _ => false,
        };
        if !is_good {
            return None;
        }
        rest = next;
    }
    match code.content {
        [code_byte] if code.tag == 0x0a => Some((*code_byte, std::str::from_utf8(words.content).ok()?)),
        _ => None,
    }
}

/// Asks for TLS on a connection (RFC 4511 §4.14) and reads the answer, not a byte more.
///
/// # Errors
/// The server's words.
pub(super) async fn start_tls(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Result<(), String> {
    let mut request = vec![0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16];
    request.extend(b"1.3.6.1.4.1.1466.20037");
    stream.write_all(&request).await.map_err(|_| "the connection broke".to_owned())?;
    stream.flush().await.map_err(|_| "the connection broke".to_owned())?;
    let message = match frame(stream).await?.ok_or("the server closed the connection")? {
        Frame::Whole(message) => message,
        Frame::TooLarge { .. } => return Err(TOO_LARGE.to_owned()),
    };
    match answer(&message).filter(|answer| answer.tag == 0x78).and_then(|answer| result(answer.content)) {
        Some((0, _)) => Ok(()),
        Some((code, words)) => Err(format!("the server refused StartTLS ({code}): {}", super::words(words))),
        None => Err(NO_LDAP.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with a short or long length.
    fn ber(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag];
        match u8::try_from(content.len()) {
            Ok(n) if n < 0x80 => out.push(n),
            _ => {
                out.push(0x84);
                out.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
            }
        }
        [out, content.to_vec()].concat()
    }

    fn of_server(operation: &[u8]) -> Vec<u8> {
        ber(0x30, &[&ber(0x02, &[1]), operation].concat())
    }

    fn entry(values: &[u8]) -> Vec<u8> {
        let attribute = ber(0x30, &[ber(0x04, b"member"), ber(0x31, values)].concat());
        of_server(&ber(0x64, &[ber(0x04, b"cn=x"), ber(0x30, &attribute)].concat()))
    }

    fn done(code: u8, words: &[u8]) -> Vec<u8> {
        of_server(&ber(0x65, &[ber(0x0a, &[code]), ber(0x04, b""), ber(0x04, words)].concat()))
    }

    fn is_message(bytes: &[u8]) -> bool {
        answer(bytes).is_some()
    }

    #[test]
    fn case_083_messages_are_whole_and_flat() {
        assert!(is_message(&entry(&ber(0x04, b"tim"))));
        assert!(is_message(&entry(&ber(0x04, &[0x30; 70_000]))), "what is in a string is no element");
        assert!(is_message(&done(0, b"")));
        let mut deep = Vec::new();
        for _ in 0..20_000 {
            deep = [&[0x30, 0x84][..], &u32::try_from(deep.len()).unwrap().to_be_bytes(), &deep].concat();
        }
        for bad in [
            entry(&deep),
            entry(&[0x04, 5, b'x']),
            entry(&[0x04, 0x80]),
            entry(&[0x1f, 1, 1]),
            of_server(&ber(0x60, b"")),
            done(0, b"\xff"),
            of_server(&ber(0x65, b"")),
            ber(0x30, &ber(0x02, &[1])),
            ber(0x30, &[ber(0x02, &[0; 9]), ber(0x64, b"")].concat()),
            // Referrals that are none, and what no result has.
            of_server(&ber(0x65, &[&[0x0a, 1, 10, 0x04, 0, 0x04, 0][..], &[0x83, 1, 1]].concat())),
            of_server(&ber(0x65, &[&[0x0a, 1, 10, 0x04, 0, 0x04, 0][..], &[0xa3, 3, 0x04, 1, 0xff]].concat())),
            b"\x30\x00".to_vec(),
        ] {
            assert!(!is_message(&bad), "{:02x?}", &bad[..bad.len().min(32)]);
        }
    }

    #[tokio::test]
    async fn case_083_a_message_is_bounded_and_junk_is_none() {
        let read = async |bytes: &[u8]| frame(&mut &bytes[..]).await;
        let whole = entry(&ber(0x04, b"tim"));
        assert_eq!(read(&whole).await, Ok(Some(Frame::Whole(whole.clone()))));
        assert_eq!(read(b"").await, Ok(None));
        assert_eq!(
            read(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]).await,
            Err("the server sent a message that is too large".into())
        );
        assert_eq!(
            read(&whole[..whole.len() - 1]).await,
            Err("the connection broke in the middle of an answer".into())
        );
        for junk in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"\x15\x03\x01\x00\x02", &[0x30, 0x88, 0, 0], &[0x30, 0x80]]
        {
            assert_eq!(read(junk).await, Err("the answer is no LDAP".into()));
        }
    }

    #[tokio::test]
    async fn case_083_of_an_entry_that_is_too_large_the_name_goes_on() {
        let huge = of_server(&ber(0x64, &[ber(0x04, b"cn=x"), ber(0x30, &vec![0; MESSAGE])].concat()));
        let next = done(0, b"");
        let stream = [huge.clone(), next.clone()].concat();
        let mut from = &stream[..];
        let Ok(Some(Frame::TooLarge { beginning, size })) = frame(&mut from).await else { panic!("it is too large") };
        assert!(size > MESSAGE && beginning.len() < 2 * BEGINNING);
        let name = cut(&beginning).unwrap();
        assert_eq!(answer(&name).unwrap().tag, 0x64);
        assert!(name.len() < 100 && name.windows(4).any(|part| part == b"cn=x"));
        assert_eq!(frame(&mut from).await, Ok(Some(Frame::Whole(next))), "what comes after it is read");
        assert_eq!(frame(&mut &huge[..100_000]).await, Err("the connection broke in the middle of an answer".into()));
        for other in [done(0, b""), b"\x30\x00".to_vec(), Vec::new()] {
            assert_eq!(cut(&other), None);
        }
    }
}
