//! Files in a bucket: three requests of the S3 API (PutObject, GetObject, DeleteObject), signed in their address by Signature
//! Version 4 and sent by the one outbound client.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pid_core::files::Place;
use rusty_s3::{Credentials, S3Action, UrlStyle};
use url::Url;

use super::{FilesError, LARGEST};
use crate::fetch::{Fetcher, Limits, NamedBy, Request, Response};

/// How long a request may take.
const TIME: Duration = Duration::from_secs(20);
/// How long an address is signed for: clocks differ.
const SIGNED: Duration = Duration::from_secs(300);
/// What of an error is read, bytes.
const ERROR: usize = 64 * 1024;
const CHECKSUM: HeaderName = HeaderName::from_static("x-amz-checksum-sha256");

/// A bucket and who may use it.
#[derive(Clone)]
pub struct S3 {
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
    prefix: String,
    checksums: bool,
}

/// Without the secret.
impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// How a bucket is reached, as the variables say it.
pub struct Wanted<'a> {
    /// The server; Amazon's of the region if there is none.
    pub endpoint: Option<&'a str>,
    /// The region.
    pub region: &'a str,
    /// The bucket.
    pub bucket: &'a str,
    /// The key's id.
    pub key_id: &'a str,
    /// The key.
    pub secret: &'a str,
    /// Whether the bucket is in the path, not in the host.
    pub path_style: bool,
    /// Whether a checksum goes with what is stored, which some servers don't know.
    pub checksums: bool,
    /// What keys begin with.
    pub prefix: &'a str,
}

impl S3 {
    /// A bucket.
    ///
    /// # Errors
    /// A clause that says what can't be.
    pub fn new(wanted: &Wanted<'_>) -> Result<Self, &'static str> {
        let amazon = format!("https://s3.{}.amazonaws.com", wanted.region);
        let endpoint = Url::parse(wanted.endpoint.unwrap_or(&amazon))
            .map_err(|_| "S3_ENDPOINT must be an http or https address")?;
        let style = if wanted.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let bucket = rusty_s3::Bucket::new(endpoint, style, wanted.bucket.to_owned(), wanted.region.to_owned());
        let bucket = bucket.map_err(|_| {
            "S3_ENDPOINT must be an http or https address, and with a bucket in its host (S3_FORCE_PATH_STYLE=false) one with a name"
        })?;
        let prefix = wanted.prefix.trim_matches('/');
        if !prefix.is_empty() && super::checked(prefix).is_err() {
            return Err("the prefix in the bucket may have letters, digits, '-', '_', '.' and '/'");
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let credentials = Credentials::new(wanted.key_id, wanted.secret);
        Ok(Self { bucket, credentials, prefix, checksums: wanted.checksums })
    }
}

pub(super) struct Bucket {
    s3: S3,
    fetcher: Fetcher,
}

impl Bucket {
    pub(super) fn new(s3: S3, fetcher: Fetcher) -> Self {
        Self { s3, fetcher }
    }

    pub(super) fn key(&self, path: &str) -> String {
        format!("{}{path}", self.s3.prefix)
    }

    pub(super) async fn put(&self, key: &str, content_type: &str, bytes: Bytes, hash: &[u8]) -> Result<(), FilesError> {
        let checksum = STANDARD.encode(hash);
        let mut action = self.s3.bucket.put_object(Some(&self.s3.credentials), key);
        let mut headers = HeaderMap::new();
        action.headers_mut().insert("content-type", content_type);
        headers.insert(header::CONTENT_TYPE, value(content_type));
        if self.s3.checksums {
            action.headers_mut().insert("x-amz-checksum-sha256", checksum.as_str());
            headers.insert(CHECKSUM, value(&checksum));
        }
        let answer = self.send(Method::PUT, &action.sign(SIGNED), headers, bytes, ERROR).await?;
        if answer.status == StatusCode::OK { Ok(()) } else { Err(refused(&answer)) }
    }

    pub(super) async fn get(&self, key: &str) -> Result<Bytes, FilesError> {
        let url = self.s3.bucket.get_object(Some(&self.s3.credentials), key).sign(SIGNED);
        let answer = self.send(Method::GET, &url, HeaderMap::new(), Bytes::new(), LARGEST).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            // Also said of a bucket that is missing, which is another trouble.
            StatusCode::NOT_FOUND if code(&answer) != "NoSuchBucket" => {
                Err(FilesError::Missing(Place::S3, key.to_owned()))
            }
            _ => Err(refused(&answer)),
        }
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), FilesError> {
        let url = self.s3.bucket.delete_object(Some(&self.s3.credentials), key).sign(SIGNED);
        let answer = self.send(Method::DELETE, &url, HeaderMap::new(), Bytes::new(), ERROR).await?;
        match answer.status {
            StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            StatusCode::NOT_FOUND if code(&answer) != "NoSuchBucket" => Ok(()),
            _ => Err(refused(&answer)),
        }
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
        most: usize,
    ) -> Result<Response, FilesError> {
        let limits = Limits { time: TIME, body: Some(most), redirects: 0 };
        let request = Request { method, url: url.to_string(), headers, body, named_by: NamedBy::Admin, limits };
        Ok(self.fetcher.send(request).await?)
    }
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// The word of an error document; nothing else of it is repeated.
fn code(answer: &Response) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let word = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(word, _)| word);
    word.chars().take_while(char::is_ascii_alphanumeric).take(64).collect()
}

fn refused(answer: &Response) -> FilesError {
    let code = code(answer);
    let code = if code.is_empty() { code } else { format!(" {code}") };
    FilesError::Refused { status: answer.status.as_u16(), code }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted<'a>() -> Wanted<'a> {
        Wanted {
            endpoint: Some("https://s3.example"),
            region: "eu-1",
            bucket: "pictures",
            key_id: "id",
            secret: "a-secret",
            path_style: false,
            checksums: true,
            prefix: "/id/prod/",
        }
    }

    #[test]
    fn a_bucket_is_in_the_host_or_in_the_path() {
        let s3 = S3::new(&wanted()).unwrap();
        assert_eq!(s3.bucket.object_url("a").as_str(), "https://pictures.s3.example/a");
        assert_eq!(s3.prefix, "id/prod/");
        assert!(!format!("{s3:?}").contains("a-secret"));
        let s3 = S3::new(&Wanted { path_style: true, prefix: "", ..wanted() }).unwrap();
        assert_eq!((s3.bucket.object_url("a").as_str(), &*s3.prefix), ("https://s3.example/pictures/a", ""));
        let s3 = S3::new(&Wanted { endpoint: None, ..wanted() }).unwrap();
        assert_eq!(s3.bucket.base_url().as_str(), "https://pictures.s3.eu-1.amazonaws.com/");
        assert!(S3::new(&Wanted { endpoint: Some("ftp://x"), ..wanted() }).is_err());
        assert!(
            S3::new(&Wanted { endpoint: Some("http://127.0.0.1:9000"), ..wanted() }).is_err(),
            "no name for a bucket"
        );
        assert!(S3::new(&Wanted { prefix: "../other", ..wanted() }).is_err());
    }
}
