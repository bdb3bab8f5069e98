//! The table of diagnoses.

/// Where a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// At `/authorize` and on the pages behind it.
    Authorization,
    /// When the app proves who it is: at the token endpoint and its neighbours.
    Client,
    /// When the app redeems a code or a refresh token.
    Token,
    /// When the app shows an access token.
    UserInfo,
    /// When the app sends somebody to sign out.
    Logout,
    /// When we tell the app that a session has ended.
    Notice,
    /// When the app reads our metadata.
    Discovery,
    /// When somebody signs in here on the way to the app.
    SignIn,
    /// After sign-ins that went well: what the app may miss.
    Observation,
}

impl Place {
    /// Every place, in the order in which they come up.
    pub const ALL: [Self; 9] = [
        Self::Discovery,
        Self::Authorization,
        Self::SignIn,
        Self::Client,
        Self::Token,
        Self::UserInfo,
        Self::Logout,
        Self::Notice,
        Self::Observation,
    ];

    /// A stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::Client => "client-authentication",
            Self::Token => "token",
            Self::UserInfo => "userinfo",
            Self::Logout => "logout",
            Self::Notice => "back-channel-logout",
            Self::Discovery => "discovery",
            Self::SignIn => "sign-in",
            Self::Observation => "observation",
        }
    }
}

macro_rules! table {
    ($($variant:ident $name:literal $place:ident [$($value:literal),*] $mend:literal $told:literal;)*) => {
        /// A diagnosis. The documentation of each is how it is told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $told] $variant,)* }

        impl Code {
            /// Every diagnosis, those of one place together.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its stable name: never changed, never used for something else.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Where it shows.
            #[must_use]
            pub const fn place(self) -> Place {
                match self { $(Self::$variant => Place::$place,)* }
            }

            /// The values that its sentence quotes.
            #[must_use]
            pub const fn values(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$($value),*],)* }
            }

            /// The key of how it is mended; several have the same.
            #[must_use]
            pub const fn mend(self) -> &'static str {
                match self { $(Self::$variant => $mend,)* }
            }

            /// How it is told from the facts, in English, for the documentation.
            #[must_use]
            pub const fn told(self) -> &'static str {
                match self { $(Self::$variant => $told,)* }
            }

            /// The diagnosis with this name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }
        }
    };
}

table! {
    IssuerHost "issuer-host" Discovery ["sent", "expected"] "issuer"
        "Metadata were asked for by a host name (`Host`) that is neither that of `APP_URL` nor that of `INTERNAL_APP_URL`.";
    IssuerSlash "issuer-slash" Discovery ["sent", "expected"] "issuer"
        "Metadata were asked for below `//`, or a token or request object was made for the issuer with a slash at its end.";
    IssuerInternal "issuer-internal" Discovery ["sent", "expected"] "issuer"
        "A token or request object was made for another name of this server than that of `APP_URL`.";
    ProxyUnknown "proxy-unknown" Discovery ["sent"] "proxy-unknown"
        "Metadata were asked for by a proxy that says for whom (`X-Forwarded-For`), and is not in `TRUST_PROXY`.";

    ClientNear "client-near" Authorization ["sent", "expected", "name"] "client-id"
        "No client has the `client_id`, and one has nearly the same: a few characters differ, or case or blanks do.";
    ClientName "client-name" Authorization ["sent", "expected"] "client-id"
        "The `client_id` is the name of a client.";
    ClientUnknown "client-unknown" Authorization ["sent"] "client-unknown"
        "No client has the `client_id` or one like it.";
    ClientMissing "client-missing" Authorization [] "client-missing"
        "The request names no client: it has neither a `client_id` nor an `Authorization` header.";
    CallbackSlash "callback-slash" Authorization ["sent", "expected"] "callback"
        "`redirect_uri` and the nearest registered address differ in a slash at the end, or a doubled one.";
    CallbackIndexPhp "callback-index-php" Authorization ["sent", "expected"] "callback"
        "`redirect_uri` and the nearest registered address differ in `index.php`.";
    CallbackCase "callback-case" Authorization ["sent", "expected"] "callback"
        "`redirect_uri` and the nearest registered address differ in upper and lower case.";
    CallbackEncoding "callback-encoding" Authorization ["sent", "expected"] "callback"
        "`redirect_uri` and the nearest registered address are equal once percent-encoding is undone.";
    CallbackPath "callback-path" Authorization ["sent", "expected"] "callback"
        "`redirect_uri` has the host of a registered address and another path.";
    CallbackQuery "callback-query" Authorization ["sent", "expected"] "callback"
        "`redirect_uri` differs from the nearest registered address in its query.";
    CallbackPort "callback-port" Authorization ["sent", "expected"] "callback"
        "`redirect_uri` differs from the nearest registered address in its port.";
    CallbackScheme "callback-scheme" Authorization ["sent", "expected"] "callback-scheme"
        "`redirect_uri` differs from the nearest registered address in its scheme (`http`, `https`, one of an app's own).";
    CallbackHost "callback-host" Authorization ["sent", "expected"] "callback-host"
        "`redirect_uri` differs from every registered address in its host.";
    CallbackNone "callback-none" Authorization ["sent"] "callback"
        "The client has no callback URL yet.";
    CallbackInsecure "callback-insecure" Authorization ["sent"] "callback-insecure"
        "`redirect_uri` is plain `http` to another machine, which is switched off.";
    CallbackUnusable "callback-unusable" Authorization ["sent", "reason"] "callback-unusable"
        "`redirect_uri` is one that no client may have: relative, with a fragment, ambiguous, with a forbidden scheme.";
    CallbackMissing "callback-missing" Authorization [] "callback-missing"
        "There is no `redirect_uri`, and the client has not exactly one callback URL, or asks for `openid`.";
    PkceMissing "pkce-missing" Authorization [] "pkce"
        "The client must use PKCE, and there is no `code_challenge`.";
    PkcePlain "pkce-plain" Authorization [] "pkce-plain"
        "`code_challenge_method` is `plain`, or missing, which means the same.";
    PkceMalformed "pkce-malformed" Authorization [] "pkce"
        "`code_challenge` is not 43 to 128 characters of the allowed ones, or its method is unknown.";
    ResponseType "response-type" Authorization ["sent"] "response-type"
        "`response_type` is another than `code`.";
    ScopeRefused "scope-refused" Authorization ["sent", "reason"] "scope-refused"
        "`scope` or `resource` asks for what the client may not have.";
    RequestObject "request-object" Authorization ["reason"] "request-object"
        "The signed request (`request`) was not accepted.";
    ParRequired "par-required" Authorization [] "par-required"
        "The client, or every client, must push its requests (RFC 9126), and this one was not pushed.";
    ParExpired "par-expired" Authorization [] "par-expired"
        "`request_uri` names a pushed request that is unknown, used or older than a minute and a half.";
    RequestMalformed "request-malformed" Authorization ["reason"] "request-malformed"
        "A parameter is missing, repeated, or has a value that it may not have.";
    NoSession "no-session" Authorization [] "no-session"
        "`prompt=none`, and nobody is signed in in this browser, or not recently enough.";
    OtherPerson "other-person" Authorization ["person"] "other-person"
        "The request is about one person (`id_token_hint` or a `sub` asked for), and another one is signed in.";
    ConsentMissing "consent-missing" Authorization ["person"] "consent-missing"
        "`prompt=none`, and the person has not agreed to what the app asks for.";
    ConsentRefused "consent-refused" Authorization [] "consent-refused"
        "The person cancelled.";
    NotAllowed "not-allowed" Authorization ["person", "groups"] "not-allowed"
        "The client is restricted to groups, and the person is in none of them.";
    AllowedNobody "allowed-nobody" Authorization [] "allowed-nobody"
        "The client is restricted to groups, and no group is chosen.";
    PersonDisabled "person-disabled" Authorization ["person"] "person-disabled"
        "The account is disabled.";
    HintKey "hint-key" Authorization [] "hint-key"
        "`id_token_hint` was signed with a key that is not ours, or is so no more: the app kept a token from before a change of keys, or from another server.";
    HintUnusable "hint-unusable" Authorization [] "hint-unusable"
        "`id_token_hint` is not an ID token of this server.";
    RequestExpired "request-expired" Authorization [] "request-expired"
        "The sign-in was begun more than an hour ago, or was finished already, in another tab for instance.";
    CookieLost "cookie-lost" Authorization ["sent", "expected"] "cookie-lost"
        "A sign-in that is still under way came back without the cookie that was set at its beginning.";
    AnswerLarge "answer-large" Authorization ["bytes"] "answer-large"
        "The address that the browser is sent back to is longer than 4000 bytes: more than many proxies take in one header.";

    PasskeyHost "passkey-host" SignIn ["sent", "expected"] "passkey-host"
        "The browser used a passkey at another origin than those that passkeys are good for: a proxy rewrites the host, or people come by another name.";
    PasskeyUnknown "passkey-unknown" SignIn [] "passkey-unknown"
        "A passkey was shown that nobody has: it was deleted here, or is of another server.";
    WebView "web-view" SignIn ["app"] "web-view"
        "The page was opened inside another app (by its user agent), where passkeys often are not to be had.";

    SecretMissing "secret-missing" Client [] "secret-missing"
        "The client has a secret, and the request brings none: none is configured, or a proxy took the `Authorization` header away.";
    SecretNone "secret-none" Client [] "secret-new"
        "The app sent a secret, and the client has none.";
    SecretWrong "secret-wrong" Client [] "secret-new"
        "The secret is none of the client's, in no usual disguise.";
    SecretExpired "secret-expired" Client ["when"] "secret-new"
        "The secret is one of the client's whose time is over.";
    SecretEncoded "secret-encoded" Client [] "secret-encoded"
        "The secret fits once it is percent-decoded once more, or once less.";
    SecretBlank "secret-blank" Client [] "secret-blank"
        "The secret fits without the blanks, line breaks or quotes around it.";
    SecretForeign "secret-foreign" Client ["name"] "secret-foreign"
        "The secret is that of another client.";
    CredentialsMalformed "credentials-malformed" Client ["reason"] "credentials-malformed"
        "The `Authorization` header or the client assertion can't be read.";
    MethodTwice "method-twice" Client [] "method-twice"
        "The app proves who it is in two ways at once, for instance by header and form.";
    MethodRefused "method-refused" Client ["sent", "expected"] "method-refused"
        "The client may authenticate in one way only, and the app used another.";
    AssertionAhead "assertion-ahead" Client ["seconds"] "clock"
        "`iat` or `nbf` of what the app signed is in the future: its clock is ahead.";
    AssertionBehind "assertion-behind" Client ["seconds"] "clock"
        "`exp` of what the app signed has passed: its clock is behind, or it sent an old one.";
    AssertionAudience "assertion-audience" Client ["sent", "expected"] "assertion-audience"
        "`aud` of the client assertion is not this server.";
    AssertionIssuer "assertion-issuer" Client ["sent", "expected"] "assertion-issuer"
        "`iss` and `sub` of the client assertion are neither the client nor one of its federated identities.";
    AssertionKey "assertion-key" Client [] "assertion-key"
        "No registered key of the client fits the assertion: it has another key now, or we know an old one.";
    AssertionAlgorithm "assertion-algorithm" Client ["sent"] "assertion-algorithm"
        "The assertion is signed with an algorithm that is not accepted from this client.";
    AssertionUsed "assertion-used" Client [] "assertion-used"
        "The assertion was used before: the app, or something between, sends it twice.";
    AssertionRefused "assertion-refused" Client ["reason"] "assertion-refused"
        "The client assertion is wrong in another way.";
    KeysUnreachable "keys-unreachable" Client ["reason"] "keys-unreachable"
        "The client's keys could not be fetched from where they should be.";
    ProofRefused "proof-refused" Client ["reason"] "proof-refused"
        "The proof of a key (DPoP) is missing or was not accepted.";
    FormMissing "form-missing" Client ["reason"] "form-missing"
        "The body is no form: it has another `Content-Type`, or can't be read.";

    CodeUsed "code-used" Token ["seconds"] "code-used"
        "The code was redeemed before. All tokens of that sign-in were revoked.";
    CodeExpired "code-expired" Token ["seconds"] "code-expired"
        "The code is older than it may be.";
    CodeForeign "code-foreign" Token ["name"] "code-foreign"
        "The code was issued to another client.";
    CodeUnknown "code-unknown" Token [] "code-unknown"
        "There is no such code: it was cut off or changed on its way, is of another server, or long expired.";
    CodeCallback "code-callback" Token ["sent", "expected"] "code-callback"
        "`redirect_uri` of the token request is not that of the authorization request.";
    VerifierMissing "verifier-missing" Token [] "verifier"
        "The sign-in began with PKCE, and there is no `code_verifier`.";
    VerifierWrong "verifier-wrong" Token [] "verifier"
        "`code_verifier` does not fit the `code_challenge` of the authorization request.";
    VerifierUnasked "verifier-unasked" Token [] "verifier-unasked"
        "There is a `code_verifier`, and the sign-in began without PKCE.";
    GrantType "grant-type" Token ["sent"] "grant-type"
        "`grant_type` is one that we don't have, or that this client may not use.";
    RefreshUsed "refresh-used" Token ["seconds"] "refresh-used"
        "The refresh token had been exchanged for a new one. All tokens of that sign-in were revoked.";
    RefreshExpired "refresh-expired" Token ["seconds"] "refresh-expired"
        "The refresh token was not used for longer than it lives.";
    RefreshForeign "refresh-foreign" Token ["name"] "code-foreign"
        "The refresh token was issued to another client.";
    RefreshUnknown "refresh-unknown" Token [] "refresh-unknown"
        "There is no such refresh token.";
    GrantEnded "grant-ended" Token [] "grant-ended"
        "The sign-in is over: the person signed out, took their consent back, or the tokens were revoked.";
    DeviceRefused "device-refused" Token ["reason"] "device-refused"
        "The device's code is expired, unknown, or was refused.";

    TokenMissing "token-missing" UserInfo [] "token-missing"
        "There is no access token: the app sends none, or a proxy took the `Authorization` header away.";
    TokenExpired "token-expired" UserInfo ["seconds"] "token-expired"
        "The access token's time is over.";
    TokenEnded "token-ended" UserInfo [] "grant-ended"
        "The access token is good and was ended: by a refresh, a sign-out, or because the person may not enter any more.";
    TokenOfIdentity "token-of-identity" UserInfo [] "token-of-identity"
        "The token is an ID token.";
    TokenForeign "token-foreign" UserInfo ["sent", "expected"] "token-foreign"
        "The token was issued by another server, or by this one under another name.";
    TokenKey "token-key" UserInfo [] "hint-key"
        "The token says that it is ours, and no key of ours has signed it.";
    TokenMalformed "token-malformed" UserInfo [] "token-malformed"
        "What was sent is no token of ours at all.";
    OpenidMissing "openid-missing" UserInfo [] "openid-missing"
        "The access token was not asked for with the scope `openid`.";

    LogoutAddress "logout-address" Logout ["sent", "expected"] "logout-address"
        "`post_logout_redirect_uri` is not registered; another one is.";
    LogoutAddressNone "logout-address-none" Logout ["sent"] "logout-address"
        "`post_logout_redirect_uri` is not registered; none is.";
    LogoutHint "logout-hint" Logout [] "logout-hint"
        "The person was asked whether to sign out, because the app's `id_token_hint` is no ID token of ours for this client.";

    NoticeName "notice-name" Notice ["host"] "notice-unreachable"
        "The host of the back-channel logout URL has no address.";
    NoticeDown "notice-down" Notice ["host"] "notice-unreachable"
        "Nobody answers at the back-channel logout URL.";
    NoticeTimeout "notice-timeout" Notice ["host"] "notice-unreachable"
        "The back-channel logout URL did not answer within ten seconds.";
    NoticeTls "notice-tls" Notice ["host"] "notice-tls"
        "The certificate of the back-channel logout URL was not accepted, or TLS failed.";
    NoticeBlocked "notice-blocked" Notice ["host"] "notice-blocked"
        "The back-channel logout URL leads to an address that this server does not call.";
    NoticeRedirect "notice-redirect" Notice ["host", "status"] "notice-redirect"
        "The back-channel logout URL answers with a redirect, which is not followed.";
    NoticeRefused "notice-refused" Notice ["host", "status"] "notice-refused"
        "The app answers the logout token with a status of 400 to 499.";
    NoticeFailed "notice-failed" Notice ["host", "status"] "notice-failed"
        "The app answers the logout token with a status that means neither yes nor no.";

    GroupsEmpty "groups-empty" Observation ["person"] "groups-empty"
        "The app asked for `groups`, and the person is in no group: the claim is an empty list.";
    GroupsUnasked "groups-unasked" Observation [] "groups-unasked"
        "The app never asked for the scope `groups`: no token or answer says them.";
    EmailUnasked "email-unasked" Observation [] "email-unasked"
        "The app never asked for the scope `email`: no token or answer has an address.";
    EmailMissing "email-missing" Observation ["person"] "email-missing"
        "The app asked for `email`, and the person has none.";
    EmailUnverified "email-unverified" Observation ["person"] "email-unverified"
        "The app asked for `email`, and `email_verified` is false.";
    ClaimNumber "claim-number" Observation ["claim", "person"] "claim-number"
        "A claim of one's own is sent as a number, `true`, `false`, a list or an object, where apps often want text.";
    CodeUnused "code-unused" Observation ["count"] "code-unused"
        "The browser was sent back with a code, and the app never redeemed it.";
    SignInLoop "sign-in-loop" Observation ["person", "count", "algorithm"] "sign-in-loop"
        "The app redeemed codes of the same person several times within two minutes: each time it got tokens, it began anew.";
}
