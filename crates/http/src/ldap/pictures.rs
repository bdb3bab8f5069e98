//! Pictures of people of the directory: the bytes, the bytes in base64, or the address of a picture (api.md §20.6). They are
//! read by a search of their own, a few at once, and made anew only when they have changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pid_core::ldap::{Directory, Reason, unique_id};
use pid_core::secret::sha256;
use pid_core::{Ctx, Timestamp};
use pid_flows::Error;
use pid_flows::ldap::{Act, Action, Line, people};
use pid_integrations::fetch::{Limits, NamedBy, Request};
use pid_integrations::images;
use pid_integrations::ldap::{self, PICTURE_PAGE, Search};
use tokio::task::JoinSet;

use super::Stop;
use super::report::Reporter;
use super::write::Hand;
use crate::files::{self, Folder};
use crate::state::App;

/// How long reading all pictures may take.
const TIME: Duration = Duration::from_secs(20 * 60);
/// How long one picture from elsewhere may take.
const FETCH: Duration = Duration::from_secs(15);
/// How long all of them may take.
const FETCH_ALL: Duration = Duration::from_secs(5 * 60);
/// How many are fetched at a time.
const AT_ONCE: usize = 4;
/// Pictures from elsewhere that are fetched in one run, at most; the others come in the next.
const MOST_FETCHED: usize = 200;
/// After so long a picture from elsewhere is looked at again, seconds.
const OLD_SECS: i64 = 24 * 3600;
/// The largest value of a picture, bytes: one in base64.
const LARGEST: usize = images::MAX_PHOTO_UPLOAD / 3 * 4 + 1024;
/// What a picture was made of that was too large to be looked at.
const TOO_LARGE: &str = "too large";

/// A picture's value.
enum Source<'a> {
    Address(&'a str),
    Bytes(Vec<u8>),
}

fn source(value: &[u8]) -> Source<'_> {
    if let Ok(text) = std::str::from_utf8(value).map(str::trim) {
        if text.starts_with("https://") || text.starts_with("http://") {
            return Source::Address(text);
        }
        let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        if let Ok(bytes) = STANDARD.decode(packed) {
            return Source::Bytes(bytes);
        }
    }
    Source::Bytes(value.to_vec())
}

fn hash(text: &[u8]) -> String {
    STANDARD.encode(sha256(text))
}

/// Brings everybody's picture up to date, or imagines it. People and groups are done by then: what the directory says now
/// fails nothing of that.
pub(super) async fn take_over(
    app: &App,
    hand: &Hand,
    directory: &Directory,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    reporter.phase("pictures");
    let mut elsewhere = Vec::new();
    match read(app, hand, directory, &mut elsewhere, reporter).await {
        Err(Stop::Directory(error)) => {
            tracing::warn!(%error, "LDAP: pictures could not be read");
            reporter.add(Line::skipped(false, &error.to_string(), Reason::PicturesNotRead));
        }
        other => other?,
    }
    fetch_all(app, hand, elsewhere, reporter).await
}

/// A picture that is elsewhere.
struct Elsewhere {
    id: String,
    url: String,
    print: String,
}

async fn read(
    app: &App,
    hand: &Hand,
    directory: &Directory,
    elsewhere: &mut Vec<Elsewhere>,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    let mut known = app.db().read(|tx| pid_store::ldap::pictures(tx).map_err(Error::from)).await?;
    let names = &directory.person;
    let mut session = ldap::connect(app.fetcher(), &directory.server, TIME).await?;
    let attributes = vec![names.id.as_str(), names.picture.as_str()];
    let search = Search { base: &directory.base, filter: &directory.people_filter, attributes, page: PICTURE_PAGE };
    let mut pages = session.search(search);
    loop {
        let page = pages.next().await?;
        if page.is_empty() {
            return Ok(());
        }
        for entry in &page {
            let Some(id) = entry.values(&names.id).next().and_then(unique_id) else { continue };
            let before = known.remove(&id);
            match entry.values(&names.picture).find(|value| !value.is_empty()) {
                _ if entry.is_cut => refuse(app, hand, id, before, reporter).await?,
                Some(value) if value.len() > LARGEST => refuse(app, hand, id, before, reporter).await?,
                Some(value) => one(app, hand, id, value, before, elsewhere, reporter).await?,
                None if before.is_some() => {
                    let line = hand.act(app, move |act, ctx| people::set_picture(act, ctx, &id, None, None)).await?;
                    note(line, reporter);
                }
                None => {}
            }
            reporter.tell().await?;
        }
    }
}

/// Passes over a picture that is too large, once.
async fn refuse(
    app: &App,
    hand: &Hand,
    id: String,
    before: Option<(String, Timestamp)>,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    if before.is_some_and(|(source, _)| source == TOO_LARGE) {
        return Ok(());
    }
    let refuse = move |act: &mut Act<'_, '_>, ctx: &Ctx| {
        people::refuse_picture(act, ctx, &id, TOO_LARGE, Reason::PictureTooLarge)
    };
    note(hand.act(app, refuse).await?, reporter);
    Ok(())
}

fn note(line: Option<Line>, reporter: &mut Reporter<'_>) {
    let Some(line) = line else { return };
    if line.action != Action::Skipped {
        reporter.count(|counts| counts.users.pictures += 1);
    }
    reporter.add(line);
}

async fn one(
    app: &App,
    hand: &Hand,
    id: String,
    value: &[u8],
    before: Option<(String, Timestamp)>,
    elsewhere: &mut Vec<Elsewhere>,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    let print = hash(value);
    let is_same = before.as_ref().is_some_and(|(source, _)| *source == print);
    match source(value) {
        Source::Bytes(_) if is_same => Ok(()),
        Source::Bytes(bytes) => store(app, hand, id, print, Ok(bytes), reporter).await,
        Source::Address(url) => {
            let now = app.clock().now();
            let is_fresh = before.is_some_and(|(_, at)| now.secs_since(at) < OLD_SECS);
            if !(is_same && is_fresh) && elsewhere.len() < MOST_FETCHED {
                elsewhere.push(Elsewhere { id, url: url.to_owned(), print });
            }
            Ok(())
        }
    }
}

/// Fetches pictures, a few at a time and not for ever: the others come in the next run.
async fn fetch_all(app: &App, hand: &Hand, elsewhere: Vec<Elsewhere>, reporter: &mut Reporter<'_>) -> Result<(), Stop> {
    let (mut waiting, mut under_way, until) = (elsewhere.into_iter(), JoinSet::new(), Instant::now() + FETCH_ALL);
    loop {
        while under_way.len() < AT_ONCE && Instant::now() < until {
            let Some(one) = waiting.next() else { break };
            let app = app.clone();
            under_way.spawn(async move { (fetch(&app, &one.url).await.ok_or(Reason::PictureNotFetched), one) });
        }
        let Some(joined) = under_way.join_next().await else { return Ok(()) };
        let (content, one) = joined.map_err(Error::internal)?;
        store(app, hand, one.id, one.print, content, reporter).await?;
        reporter.tell().await?;
    }
}

async fn store(
    app: &App,
    hand: &Hand,
    id: String,
    print: String,
    content: Result<Vec<u8>, Reason>,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    let picture = match content {
        Ok(content) => {
            let made = tokio::task::spawn_blocking(move || images::portrait(&content)).await;
            made.map_err(Error::internal)?.map_err(|_| Reason::BadPicture)
        }
        Err(reason) => Err(reason),
    };
    let line = match picture {
        Ok(picture) => {
            let content =
                Arc::new(files::keep(app, Folder::ProfilePictures, picture.content_type, picture.content).await?);
            let set = move |act: &mut Act<'_, '_>, ctx: &Ctx| {
                people::set_picture(act, ctx, &id, Some(&content), Some(&print))
            };
            hand.act(app, set).await?
        }
        Err(reason) => {
            let refuse = move |act: &mut Act<'_, '_>, ctx: &Ctx| people::refuse_picture(act, ctx, &id, &print, reason);
            hand.act(app, refuse).await?
        }
    };
    note(line, reporter);
    Ok(())
}

/// Fetches a picture. Whoever may write an entry of the directory named the address, so it is an outsider's.
async fn fetch(app: &App, url: &str) -> Option<Vec<u8>> {
    let limits = Limits { time: FETCH, body: Some(images::MAX_PHOTO_UPLOAD), redirects: 3 };
    let answer = app.fetcher().send(Request::get(url, NamedBy::Outsider, limits)).await.ok()?;
    answer.status.is_success().then(|| answer.body.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_bytes_base64_or_addresses() {
        assert!(matches!(source(b" https://a.example/x.png "), Source::Address("https://a.example/x.png")));
        assert!(matches!(source(b"aGVs\n bG8="), Source::Bytes(bytes) if bytes == b"hello"));
        assert!(matches!(source(b"\xff\xd8\xff"), Source::Bytes(bytes) if bytes == b"\xff\xd8\xff"));
    }
}
