//! What an operation is, in the words that its `api/docs` file says it with.

use pid_flows::Code;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of a type.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// Who may call an operation (api.md §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Who is signed in, by session or API key.
    User,
    /// Who has a browser session.
    Session,
    /// Administrators, by session or API key.
    Admin,
    /// Administrators and auditors, by session or API key.
    Auditor,
    /// Administrators and user managers, by session or API key.
    Manager,
    /// Administrators, user managers and auditors, by session or API key.
    ManagerOrAuditor,
}

impl Access {
    /// The codes of those who are turned away.
    pub fn refusals(self) -> &'static [Code] {
        match self {
            Self::Public => &[],
            Self::User => &[Code::NotSignedIn, Code::UserDisabled, Code::LimitedSession, Code::ApiKeyScopeInsufficient],
            Self::Session => &[Code::NotSignedIn, Code::UserDisabled, Code::LimitedSession, Code::ApiKeyAuthNotAllowed],
            Self::Manager => &[
                Code::NotSignedIn,
                Code::UserDisabled,
                Code::LimitedSession,
                Code::ApiKeyScopeInsufficient,
                Code::Forbidden,
                Code::PersonOutOfReach,
                Code::GroupOutOfReach,
                Code::GrantsReserved,
            ],
            Self::Admin | Self::Auditor | Self::ManagerOrAuditor => &[
                Code::NotSignedIn,
                Code::UserDisabled,
                Code::LimitedSession,
                Code::ApiKeyScopeInsufficient,
                Code::Forbidden,
            ],
        }
    }

    /// The class in words, as pages and the extension `x-access` show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::User => "user",
            Self::Session => "session",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::Manager => "user-manager",
            Self::ManagerOrAuditor => "user-manager-or-auditor",
        }
    }
}

/// A request's body.
pub enum Body {
    /// JSON; whether it must be there.
    Json(SchemaOf, bool),
    /// A merge patch of such an object (RFC 7396).
    Patch(SchemaOf),
    /// What a browser's WebAuthn call gave, JSON of any content type.
    Credential,
    /// A form with the part `file`.
    Upload,
}

/// An answer that is no refusal.
pub enum Content {
    /// No body.
    Nothing,
    /// JSON.
    Json(SchemaOf),
    /// A file of one of these types.
    File(&'static [&'static str]),
}

/// A parameter of the query.
pub struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
    pub required: bool,
    /// The values that there are; none: any text.
    pub values: &'static [&'static str],
}

/// A list's columns (api.md §9.3).
#[derive(Clone, Copy)]
pub struct Columns {
    pub search: &'static str,
    pub sort: &'static [&'static str],
    pub filters: &'static [&'static str],
}

/// An operation of the API.
pub struct Operation {
    pub tag: &'static str,
    pub id: &'static str,
    pub summary: &'static str,
    pub about: &'static str,
    pub access: Access,
    pub of_browser: bool,
    pub path: Vec<(&'static str, &'static str)>,
    pub query: Vec<Parameter>,
    pub columns: Option<Columns>,
    pub body: Option<Body>,
    pub answers: Vec<(u16, Content)>,
    pub versioned: bool,
    pub conditional: bool,
    pub cached: bool,
    pub refusals: Vec<Code>,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Operation {
    /// An operation for administrators, with its name in clients and in words.
    pub fn new(tag: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            tag,
            id,
            summary,
            about: "",
            access: Access::Admin,
            of_browser: false,
            path: Vec::new(),
            query: Vec::new(),
            columns: None,
            body: None,
            answers: Vec::new(),
            versioned: false,
            conditional: false,
            cached: false,
            refusals: Vec::new(),
        }
    }

    /// More about it, a sentence or two.
    pub fn about(mut self, text: &'static str) -> Self {
        self.about = text;
        self
    }

    /// Who may call it.
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Works with the cookie that an earlier step gave this browser.
    pub fn of_browser(mut self) -> Self {
        self.of_browser = true;
        self
    }

    /// A parameter of the path, if the path has it.
    pub fn path(mut self, name: &'static str, about: &'static str) -> Self {
        self.path.push((name, about));
        self
    }

    /// A parameter of the query.
    pub fn query(mut self, name: &'static str, about: &'static str, values: &'static [&'static str]) -> Self {
        self.query.push(Parameter { name, about, required: false, values });
        self.refuses(&[Code::ValidationFailed])
    }

    /// A parameter of the query that must be there.
    pub fn needs_query(mut self, name: &'static str, about: &'static str) -> Self {
        self.query.push(Parameter { name, about, required: true, values: &[] });
        self.refuses(&[Code::ValidationFailed])
    }

    /// A page of a list: 200 with [`crate::api::dto::PageDto`] of `T`.
    pub fn lists<T: JsonSchema + serde::Serialize>(mut self, columns: Columns) -> Self {
        self.columns = Some(columns);
        self.answers::<crate::api::dto::PageDto<T>>(200)
    }

    /// A JSON body that must be there.
    pub fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body::Json(schema_of::<T>, true));
        self.refuses(&[Code::InvalidRequestBody, Code::ValidationFailed, Code::PayloadTooLarge])
    }

    /// A JSON body, or none.
    pub fn may_take<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body::Json(schema_of::<T>, false));
        self.refuses(&[Code::InvalidRequestBody, Code::ValidationFailed, Code::PayloadTooLarge])
    }

    /// A merge patch of `T` (RFC 7396): what is absent stays, `null` clears.
    pub fn patches<T: JsonSchema>(mut self) -> Self {
        self.body = Some(Body::Patch(schema_of::<T>));
        self.refuses(&[Code::InvalidRequestBody, Code::ValidationFailed, Code::PayloadTooLarge])
    }

    /// What the browser's WebAuthn call gave (WebAuthn L3 §5.1, `toJSON()`).
    pub fn takes_credential(mut self) -> Self {
        self.body = Some(Body::Credential);
        self.refuses(&[Code::PayloadTooLarge, Code::InvalidRequestBody])
    }

    /// A form with the part `file`, a picture.
    pub fn uploads(mut self) -> Self {
        self.body = Some(Body::Upload);
        self.refuses(&[
            Code::InvalidRequestBody,
            Code::ValidationFailed,
            Code::InvalidImage,
            Code::FileTooLarge,
            Code::FileTypeNotSupported,
        ])
    }

    /// An answer with JSON.
    pub fn answers<T: JsonSchema>(mut self, status: u16) -> Self {
        self.answers.push((status, Content::Json(schema_of::<T>)));
        self
    }

    /// An answer without a body.
    pub fn nothing(mut self, status: u16) -> Self {
        self.answers.push((status, Content::Nothing));
        self
    }

    /// An answer with a file.
    pub fn file(mut self, types: &'static [&'static str]) -> Self {
        self.answers.push((200, Content::File(types)));
        self
    }

    /// Caches may ask whether it has changed (RFC 9110 §13.1.2).
    pub fn cached(mut self) -> Self {
        self.cached = true;
        self
    }

    /// Its answer carries the resource's version as `ETag`.
    pub fn versioned(mut self) -> Self {
        self.versioned = true;
        self
    }

    /// It changes or deletes only the version that `If-Match` names (RFC 9110 §13.1.1).
    pub fn conditional(mut self) -> Self {
        self.conditional = true;
        self.refuses(&[Code::VersionMismatch])
    }

    /// It changes only the version that `If-Match` names, and answers with the new one.
    pub fn guarded(self) -> Self {
        self.conditional().versioned()
    }

    /// It refuses with these codes, beside those that come with its access and its body.
    pub fn refuses(mut self, codes: &[Code]) -> Self {
        for code in codes {
            if !self.refusals.contains(code) {
                self.refusals.push(*code);
            }
        }
        self
    }
}
