//! Identifiers. Each is text with a type of its own, so that one cannot be passed for another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Entropy, Timestamp};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes text as it came from the store or a request path. An id that names nothing
            /// simply finds nothing, so no shape is required here.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// A fresh UUID v4 in lower case.
            pub fn generate(entropy: &Entropy) -> Self {
                Self(entropy.uuid())
            }

            /// A fresh UUID v7 in lower case, for rows that are made at every sign-in: see [`Entropy::uuid_at`].
            pub fn generate_at(entropy: &Entropy, now: Timestamp) -> Self {
                Self(entropy.uuid_at(now))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The id as owned text.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

id!(
    /// A person. UUID; its text is the WebAuthn user handle and the OIDC `sub`.
    UserId
);
id!(
    /// A user group. UUID.
    GroupId
);
id!(
    /// An OAuth client. UUID, or 2–128 characters of `[A-Za-z0-9._-]` chosen on creation.
    ClientId
);
id!(
    /// A browser session; the `sid` of ID tokens and logout tokens. UUID.
    SessionId
);
id!(
    /// A protected API. UUID.
    ApiId
);
id!(
    /// A permission of an API. UUID.
    PermissionId
);
id!(
    /// An API key. UUID.
    ApiKeyId
);
id!(
    /// A sign-up token. UUID.
    SignupTokenId
);
id!(
    /// A registered passkey's row. UUID (not the WebAuthn credential id).
    PasskeyId
);
id!(
    /// One authorization of a client by a person: the family of its code and tokens. UUID.
    GrantId
);
id!(
    /// An authorization request that waits for a person. UUID.
    InteractionId
);

/// The person that the static API key acts as (api.md §6.5).
pub const STATIC_API_USER: &str = "00000000-0000-0000-0000-000000000000";

/// Whether text has the 8-4-4-4-12 hexadecimal form of a UUID, in any case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

/// Decodes a client id from a path segment: `~` and unpadded base64url for ids that are not
/// URL-safe, else the segment itself (api.md §4.4). What does not decode is left as it is.
pub fn client_id_from_path(segment: &str) -> ClientId {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    if let Some(encoded) = segment.strip_prefix('~')
        && let Ok(bytes) = URL_SAFE_NO_PAD.decode(encoded)
        && let Ok(text) = String::from_utf8(bytes)
        && !text.contains('\0')
    {
        return ClientId::new(text);
    }
    ClientId::new(segment)
}

/// Encodes a client id for a path segment: the inverse of [`client_id_from_path`].
pub fn client_id_to_path(id: &ClientId) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let plain = id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if plain { id.as_str().to_owned() } else { format!("~{}", URL_SAFE_NO_PAD.encode(id.as_str())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_survive_the_path() {
        for id in ["plain-1.2_3", "https://a.example/c", "~odd"] {
            let id = ClientId::new(id);
            assert_eq!(client_id_from_path(&client_id_to_path(&id)), id);
        }
        assert_eq!(client_id_from_path("~%%%").as_str(), "~%%%");
    }

    #[test]
    fn uuids_are_recognised() {
        assert!(is_uuid("00000000-0000-0000-0000-000000000000"));
        assert!(is_uuid("ABCDEF00-0000-4000-8000-00000000ffff"));
        assert!(!is_uuid("abcdef0000004000800000000000ffff"));
        assert!(!is_uuid("me"));
    }
}
