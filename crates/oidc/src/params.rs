//! Request parameters in `application/x-www-form-urlencoded` (query or body), read strictly.
//!
//! RFC 6749 §3.1 and §3.2: a parameter must not come twice, one without a value counts as absent, unknown ones
//! are ignored. Two readers of one request must never see two different values, so a repeated *known* parameter
//! is an error wherever the copies stand (query, body, or one in each).

use crate::error::OAuthError;

/// Most bytes of query and body together.
pub const MAX_BYTES: usize = 64 * 1024;
/// Most parameters in one request.
pub const MAX_PARAMS: usize = 256;

/// Why parameters could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// More than [`MAX_BYTES`].
    #[error("The request parameters are larger than 64 KiB.")]
    TooLarge,
    /// More than [`MAX_PARAMS`].
    #[error("The request has more than 256 parameters.")]
    TooMany,
    /// A `%` that two hexadecimal digits don't follow.
    #[error("The request has a malformed percent-encoding.")]
    Encoding,
    /// The decoded bytes are not UTF-8.
    #[error("The request parameters are not UTF-8.")]
    Utf8,
    /// A NUL, which PostgreSQL keeps in no text.
    #[error("The request parameters contain a NUL character.")]
    Nul,
}

impl From<ParamError> for OAuthError {
    fn from(error: ParamError) -> Self {
        Self::invalid_request(error.to_string())
    }
}

/// A list of decoded parameters in the order of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    list: Vec<(String, String)>,
}

impl Params {
    /// Reads one urlencoded string.
    ///
    /// # Errors
    /// [`ParamError`] for too much input, malformed percent-encoding and bytes that are not UTF-8.
    pub fn parse(input: impl AsRef<[u8]>) -> Result<Self, ParamError> {
        let mut params = Self::default();
        params.read(input.as_ref())?;
        Ok(params)
    }

    /// Reads body and query of one request into one list (body first). The size limit holds for both together.
    ///
    /// # Errors
    /// As [`Params::parse`].
    pub fn from_request(query: Option<&str>, body: Option<&[u8]>) -> Result<Self, ParamError> {
        let (query, body) = (query.unwrap_or_default().as_bytes(), body.unwrap_or_default());
        if query.len() + body.len() > MAX_BYTES {
            return Err(ParamError::TooLarge);
        }
        let mut params = Self::default();
        params.read(body)?;
        params.read(query)?;
        Ok(params)
    }

    /// Takes pairs that are decoded already (a multipart form, the parameters kept with an interaction).
    ///
    /// # Errors
    /// [`ParamError::TooLarge`], [`ParamError::TooMany`] and [`ParamError::Nul`].
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ParamError> {
        let mut params = Self::default();
        let mut bytes = 0;
        for (name, value) in pairs {
            let (name, value) = (name.into(), value.into());
            bytes += name.len() + value.len();
            if bytes > MAX_BYTES {
                return Err(ParamError::TooLarge);
            }
            params.push(name, value)?;
        }
        Ok(params)
    }

    /// Adds the parameters of another list.
    ///
    /// # Errors
    /// [`ParamError::TooLarge`] and [`ParamError::TooMany`].
    pub fn merge(mut self, other: Self) -> Result<Self, ParamError> {
        if self.bytes() + other.bytes() > MAX_BYTES {
            return Err(ParamError::TooLarge);
        }
        for (name, value) in other.list {
            self.push(name, value)?;
        }
        Ok(self)
    }

    /// Of names and values together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    fn push(&mut self, name: String, value: String) -> Result<(), ParamError> {
        if self.list.len() == MAX_PARAMS {
            return Err(ParamError::TooMany);
        }
        if name.contains('\0') || value.contains('\0') {
            return Err(ParamError::Nul);
        }
        self.list.push((name, value));
        Ok(())
    }

    fn read(&mut self, input: &[u8]) -> Result<(), ParamError> {
        if input.len() > MAX_BYTES {
            return Err(ParamError::TooLarge);
        }
        for pair in input.split(|b| *b == b'&').filter(|pair| !pair.is_empty()) {
            let cut = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let name = decode(&pair[..cut])?;
            let value = decode(pair.get(cut + 1..).unwrap_or_default())?;
            self.push(name, value)?;
        }
        Ok(())
    }

    /// True without any parameter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All pairs in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values that are not empty of a parameter that may be repeated (RFC 8707 `resource`).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(n, value)| *n == name && !value.is_empty()).map(|(_, value)| value)
    }

    /// True if the parameter stands more than once, with or without values.
    #[must_use]
    pub fn is_repeated(&self, name: &str) -> bool {
        self.iter().filter(|(n, _)| *n == name).nth(1).is_some()
    }

    /// The first value; absent and empty are the same (RFC 6749 §3.1). For the paths that must go on after a
    /// repetition was refused; everything else uses [`Params::get`].
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    /// The one value; absent and empty are the same (RFC 6749 §3.1).
    ///
    /// # Errors
    /// `invalid_request` if the parameter stands more than once.
    pub fn get(&self, name: &str) -> Result<Option<&str>, OAuthError> {
        if self.is_repeated(name) {
            return Err(repeated(name));
        }
        Ok(self.first(name))
    }

    /// The one value of a parameter that must be there.
    ///
    /// # Errors
    /// `invalid_request` if it is absent, empty or repeated.
    pub fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name)?.ok_or_else(|| OAuthError::invalid_request(format!("The parameter '{name}' is missing.")))
    }

    /// Refuses the request if one of these parameters stands more than once. Others may.
    ///
    /// # Errors
    /// `invalid_request` naming the parameter.
    pub fn refuse_repeated(&self, names: &[&str]) -> Result<(), OAuthError> {
        names.iter().find(|name| self.is_repeated(name)).map_or(Ok(()), |name| Err(repeated(name)))
    }
}

fn repeated(name: &str) -> OAuthError {
    OAuthError::invalid_request(format!("The parameter '{name}' must not be given more than once."))
}

/// Decodes one urlencoded name or value: `+` is a space, every `%` has two hexadecimal digits, the result is UTF-8.
///
/// # Errors
/// [`ParamError::Encoding`] and [`ParamError::Utf8`].
pub fn decode(input: &[u8]) -> Result<String, ParamError> {
    String::from_utf8(decode_bytes(input)?).map_err(|_| ParamError::Utf8)
}

/// As [`decode`], for data that need not be text.
///
/// # Errors
/// [`ParamError::Encoding`].
pub fn decode_bytes(input: &[u8]) -> Result<Vec<u8>, ParamError> {
    let mut out = Vec::with_capacity(input.len());
    let mut bytes = input.iter().copied();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).ok_or(ParamError::Encoding);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                u8::try_from(high * 16 + low).map_err(|_| ParamError::Encoding)?
            }
            other => other,
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use proptest::prelude::*;

    #[test]
    fn reads_names_and_values() {
        let params = Params::parse("a=1&b=x+y%20z&c&d=&&e=%C3%BC=%26").unwrap();
        assert_eq!(params.get("a").unwrap(), Some("1"));
        assert_eq!(params.get("b").unwrap(), Some("x y z"));
        assert_eq!(params.get("c").unwrap(), None);
        assert_eq!(params.get("d").unwrap(), None);
        assert_eq!(params.get("e").unwrap(), Some("ü=&"));
        assert_eq!(params.require("d").unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        assert_eq!(Params::parse("a=%00"), Err(ParamError::Nul));
        assert_eq!(Params::parse("a=%"), Err(ParamError::Encoding));
        assert_eq!(Params::parse("a=%4"), Err(ParamError::Encoding));
        assert_eq!(Params::parse("a=%zz"), Err(ParamError::Encoding));
        assert_eq!(Params::parse("%+1=a"), Err(ParamError::Encoding));
        assert_eq!(Params::parse("a=%c0%af"), Err(ParamError::Utf8));
        assert_eq!(Params::parse(b"a=\xff"), Err(ParamError::Utf8));
    }

    #[test]
    fn limits_hold_for_query_and_body_together() {
        let half = format!("a={}", "x".repeat(MAX_BYTES / 2));
        assert!(Params::parse(&half).is_ok());
        assert_eq!(Params::from_request(Some(&half), Some(half.as_bytes())), Err(ParamError::TooLarge));
        assert_eq!(Params::parse("a&".repeat(MAX_PARAMS + 1)), Err(ParamError::TooMany));
        assert!(Params::parse("a&".repeat(MAX_PARAMS)).is_ok());
    }

    #[test]
    fn case_009_duplicate_parameters() {
        for (query, body) in [
            (Some("client_id=a&client_id=b"), None),
            (Some("client_id=a&client_id=a"), None),
            (Some("client_id=&client_id=a"), None),
            (None, Some("client_id=a&x=1&client_id=b")),
            (Some("client_id=a"), Some("client_id=b")),
            (Some("client%5Fid=a"), Some("client_id=a")),
        ] {
            let params = Params::from_request(query, body.map(str::as_bytes)).unwrap();
            let error = params.get("client_id").unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidRequest, "{query:?} {body:?}");
            assert!(params.refuse_repeated(&["scope", "client_id"]).is_err());
        }
        let params = Params::parse("utm=1&utm=2&client_id=a").unwrap();
        assert_eq!(params.get("client_id").unwrap(), Some("a"));
        assert!(params.refuse_repeated(&["client_id", "scope"]).is_ok(), "what we don't know may repeat");
    }

    proptest! {
        #[test]
        fn never_panics(input in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Params::parse(&input);
        }

        #[test]
        fn encoded_text_comes_back(name in "[a-z]{1,8}", value in "\\PC{0,40}") {
            let text: String = url::form_urlencoded::Serializer::new(String::new()).append_pair(&name, &value).finish();
            let params = Params::parse(&text).unwrap();
            prop_assert_eq!(params.first(&name).unwrap_or_default(), value);
        }
    }
}
