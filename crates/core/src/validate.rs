//! Checks of what people and scripts type. All failures are collected, one per field.

use schemars::JsonSchema;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization as _;

/// Why a field was refused (api.md §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldCode {
    /// A required value is missing or empty.
    Required,
    /// Below a minimum (length or number).
    TooShort,
    /// Above a maximum (length or number).
    TooLong,
    /// Not of the form that is asked for.
    InvalidFormat,
    /// Not one of the allowed values.
    Oneof,
    /// Not a UUID.
    Uuid,
    /// Not a client id.
    ClientId,
    /// Not a callback URL pattern (oidc.md §7.3).
    CallbackUrlPattern,
    /// Not 1–525,600 minutes.
    TokenDuration,
    /// Has characters outside printable ASCII.
    Printascii,
    /// Not more than one second and at most 31 days.
    Ttl,
    /// Well-formed, but not acceptable now.
    InvalidValue,
    /// A name that the server keeps for itself.
    Reserved,
    /// Given twice.
    Duplicate,
}

impl FieldCode {
    /// Every code.
    pub const ALL: [Self; 14] = [
        Self::Required,
        Self::TooShort,
        Self::TooLong,
        Self::InvalidFormat,
        Self::Oneof,
        Self::Uuid,
        Self::ClientId,
        Self::CallbackUrlPattern,
        Self::TokenDuration,
        Self::Printascii,
        Self::Ttl,
        Self::InvalidValue,
        Self::Reserved,
        Self::Duplicate,
    ];

    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::InvalidFormat => "invalid_format",
            Self::Oneof => "oneof",
            Self::Uuid => "uuid",
            Self::ClientId => "client_id",
            Self::CallbackUrlPattern => "callback_url_pattern",
            Self::TokenDuration => "token_duration",
            Self::Printascii => "printascii",
            Self::Ttl => "ttl",
            Self::InvalidValue => "invalid_value",
            Self::Reserved => "reserved",
            Self::Duplicate => "duplicate",
        }
    }
}

/// One refused field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldError {
    /// The JSON name of the field.
    pub field: String,
    /// The stable code.
    pub code: FieldCode,
    /// What to do about it, a predicate that follows the field's name ("must not be empty").
    pub message: String,
}

/// Collects refused fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// Nothing refused yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses a field. Only the first refusal of a field counts.
    pub fn refuse(&mut self, field: impl Into<String>, code: FieldCode, message: impl Into<String>) {
        let field = field.into();
        if !self.0.iter().any(|e| e.field == field) {
            self.0.push(FieldError { field, code, message: message.into() });
        }
    }

    /// `Err` with all refusals if there is any.
    pub fn finish(self) -> Result<(), Vec<FieldError>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }

    /// Requires `min..=max` characters (code points). An empty value counts as missing if `min > 0`.
    pub fn length(&mut self, field: &str, value: &str, min: usize, max: usize) {
        let n = value.chars().count();
        if n == 0 && min > 0 {
            self.refuse(field, FieldCode::Required, "must not be empty");
        } else if n < min {
            self.refuse(field, FieldCode::TooShort, format!("must have at least {min} characters"));
        } else if n > max {
            self.refuse(field, FieldCode::TooLong, format!("must have at most {max} characters"));
        }
        self.plain_text(field, value);
    }

    /// Refuses control characters and invisible characters that could disguise a name
    /// (zero-width, bidirectional controls) or break a header or a log line.
    pub fn plain_text(&mut self, field: &str, value: &str) {
        if value.chars().any(is_disguise) {
            self.refuse(field, FieldCode::InvalidFormat, "must not have control or invisible characters");
        }
    }

    /// A username by api.md §13.3: 1–50 characters, ASCII letters and digits, inside also `_ . - @`.
    pub fn username(&mut self, field: &str, value: &str) {
        self.length(field, value, 1, 50);
        let bytes = value.as_bytes();
        let ends = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let inside = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"_.-@".contains(b));
        if !(ends(bytes.first()) && ends(bytes.last()) && inside) {
            self.refuse(
                field,
                FieldCode::InvalidFormat,
                "must begin and end with a letter or digit (A–Z, 0–9) and may have _ . - @ in between",
            );
        }
    }

    /// An e-mail address with a dotted domain (api.md §13.3), looked at as it will be stored.
    pub fn email(&mut self, field: &str, value: &str) {
        if !is_email(&nfc(value)) {
            self.refuse(field, FieldCode::InvalidFormat, "must be an email address like name@example.com");
        }
    }
}

fn is_disguise(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

/// Unicode normalisation form C, applied to names before they are stored or compared.
pub fn nfc(text: &str) -> String {
    text.nfc().collect()
}

/// The form under which names and addresses are unique: NFC, lower case.
pub fn key(text: &str) -> String {
    text.nfc().flat_map(char::to_lowercase).collect()
}

/// Whether text is an address `local@domain` with a dotted domain, of at most 254 bytes (RFC 5321 §4.5.3.1).
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_char = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c);
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 254
        && !local.is_empty()
        && local.len() <= 64
        && local.chars().all(local_char)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.contains('.')
        && domain.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn username(text: &str) -> Option<FieldCode> {
        let mut f = Fields::new();
        f.username("username", text);
        f.finish().err().map(|e| e[0].code)
    }

    #[test]
    fn case_072_usernames() {
        for ok in ["a", "tim", "a_b", "x.y-z@w", "A1"] {
            assert_eq!(username(ok), None, "{ok}");
        }
        assert_eq!(username(""), Some(FieldCode::Required));
        for bad in ["a.", ".a", "ab ", "a\u{200b}b", "ti\u{0301}m", "a b", "é", "a/b", "a\nb"] {
            assert_eq!(username(bad), Some(FieldCode::InvalidFormat), "{bad:?}");
        }
        assert_eq!(username(&"a".repeat(51)), Some(FieldCode::TooLong));
        assert_eq!(username(&"a".repeat(300)), Some(FieldCode::TooLong));
    }

    #[test]
    fn case_072_addresses() {
        for ok in ["a@b.example", "first.last+tag@sub.example.com", "ü@münchen.example"] {
            assert!(is_email(ok), "{ok}");
        }
        for bad in
            ["", "a", "a@localhost", "@b.c", "a@b.", "a@.c", "a b@c.de", "a@b..c", "a\r\n@b.c", "a@b.c\n", "<a@b.c>"]
        {
            assert!(!is_email(bad), "{bad:?}");
        }
        assert_eq!(key("A\u{0308}@B.Example"), "ä@b.example");
    }
}
