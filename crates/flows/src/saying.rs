//! Sentences that tell more than the usual one of their code. Catalogues of other languages have them by key, with the same
//! arguments, so that whoever reads in one of those is told as much.

use crate::Code;

macro_rules! sayings {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $code:ident, $text:literal;)*) => {
        /// A sentence with arguments, `{ $name }`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Saying {
            $($(#[$doc])* $name,)*
        }

        impl Saying {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name in the catalogues.
            pub fn key(self) -> &'static str {
                match self { $(Self::$name => $key,)* }
            }

            /// What is refused by it.
            pub fn code(self) -> Code {
                match self { $(Self::$name => Code::$code,)* }
            }

            /// The sentence in English.
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

sayings! {
    /// The code for set-up is another.
    WrongSetupCode = "say_wrong_setup_code", SetupCodeRequired, "This is not the set-up code that the server printed";
    /// A session that began by a code is not young any more.
    SignInTooOld = "say_sign_in_too_old", ReauthenticationRequired, "This sign-in is too old to change passkeys. Sign in again, with a passkey or a new login code";
    /// The proof of an address in another browser than that of the sign-up.
    OtherBrowser = "say_other_browser", NotSignedIn, "Open the link in the browser in which you signed up, or sign up again";
    /// Who signed up has to prove their address.
    AwaitsProof = "say_awaits_proof", UserDisabled, "Confirm your email address by the link that was sent to it. Until then you can't sign in";
    /// Who signed up waits for an administrator.
    AwaitsApproval = "say_awaits_approval", UserDisabled, "Your account waits for an administrator's approval. Until then you can't sign in";
    /// A sign-up token can't be used.
    BadSignupToken = "say_bad_signup_token", TokenInvalidOrExpired, "Token is invalid or expired";
    /// The link by which somebody says that a sign-in was not theirs.
    BadLink = "say_bad_link", TokenInvalidOrExpired, "This link is not valid, or too old";
    /// One number too many was tried.
    ThirdWrongNumber = "say_third_wrong_number", DeviceLoginDenied, "This is not the number either, so the sign-in was denied. Start again on the other device";
    /// An API was taken from an app while a device waits for it.
    ApiWithdrawn = "say_api_withdrawn", ValidationFailed, "This app may no longer use the API that it asks for";
    /// An authenticator's answer, with the reason.
    PasskeyAnswer = "say_passkey_answer", InvalidWebauthnResponse, "The passkey's answer could not be used: { $reason }";
    /// The only passkey of the only administrator.
    LastPasskey = "say_last_passkey", LastAdmin, "This is the last passkey of the last administrator. Add another passkey first";
    /// A policy that no administrator's passkey meets.
    LockedOutAdmins = "say_locked_out_admins", LastAdmin, "No administrator could sign in any more: none has a passkey that this policy allows. Add one to an administrator first";
    /// A claim of the protocol.
    ClaimReserved = "say_claim_reserved", ReservedClaim, "The claim \"{ $claim }\" is reserved. Choose another name";
    /// A claim that is given twice.
    ClaimTwice = "say_claim_twice", DuplicateClaim, "The claim \"{ $claim }\" is given twice. Keep one of them";
    /// A secret that would have expired already.
    SecretExpired = "say_secret_expired", ValidationFailed, "The expiry must lie in the future";
    /// A secret for a public client.
    NoSecret = "say_no_secret", ValidationFailed, "A public client has no secret";
    /// A secret for a client behind a proxy.
    ProxyNoSecret = "say_proxy_no_secret", ValidationFailed, "A client behind a proxy has no secret";
    /// One app password too many.
    TooManyAppPasswords = "say_too_many_app_passwords", ValidationFailed, "You have 100 app passwords already. Delete one first";
    /// One secret too many.
    TooManySecrets = "say_too_many_secrets", ValidationFailed, "A client can have at most 20 secrets. Delete one first";
    /// A test without an address.
    NoLogoutUrl = "say_no_logout_url", ValidationFailed, "This client has no back-channel logout URL";
    /// A metadata document of a client that has none.
    NoDocument = "say_no_document", ValidationFailed, "This client was registered here: it has no metadata document";
    /// A metadata document, with the reason.
    BadDocument = "say_bad_document", ValidationFailed, "The metadata document can't be used: { $reason }";
    /// An upload that is too large.
    FileLargerThan = "say_file_larger_than", FileTooLarge, "The file is too large: at most { $mib } MiB";
    /// An upload of another type.
    FileOfType = "say_file_of_type", FileTypeNotSupported, "This type of file is not supported: { $reason }";
    /// A picture, with the reason.
    BadPicture = "say_bad_picture", InvalidImage, "This picture can't be used: { $reason }";
    /// A fetched logo, with the reason.
    BadLogo = "say_bad_logo", LogoTypeNotSupported, "The logo can't be used: { $reason }";
    /// A logo that can't be had, with the reason.
    NoLogo = "say_no_logo", LogoDownloadFailed, "The logo could not be fetched: { $reason }";
    /// What a mail server said.
    MailRefused = "say_mail_refused", MailNotSent, "The mail server did not take the letter: { $reason }";
    /// Two who rotate keys at once.
    KeysBusy = "say_keys_busy", Unavailable, "The signing keys are being changed by somebody else. Try again in a moment";
    /// The place of uploads can't be reached.
    FilesUnavailable = "say_files_unavailable", Unavailable, "The place where pictures are kept is not available right now. Nothing was changed; please try again";
    /// A NUL in a text.
    NulCharacter = "say_nul_character", InvalidRequestBody, "Text must not contain NUL characters";
}

/// A saying with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Which.
    pub saying: Saying,
    arguments: Vec<(&'static str, String)>,
}

impl Said {
    pub(crate) fn new(saying: Saying, arguments: &[(&'static str, &str)]) -> Self {
        let arguments = arguments.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { saying, arguments }
    }

    /// A catalogue's text with the arguments in their places. What an argument says is never read as a place.
    pub fn fill(&self, text: &str) -> String {
        let (mut out, mut rest) = (String::new(), text);
        while let Some((before, place)) = rest.split_once("{ $") {
            out.push_str(before);
            let (name, after) = place.split_once(" }").unwrap_or((place, ""));
            let value = self.arguments.iter().find(|(known, _)| *known == name);
            out.push_str(value.map_or("", |(_, value)| value));
            rest = after;
        }
        out + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_come_to_their_places() {
        let said = Said::new(Saying::ClaimTwice, &[("claim", "{ $claim } \"x\"")]);
        assert_eq!(
            said.fill(Saying::ClaimTwice.text()),
            "The claim \"{ $claim } \"x\"\" is given twice. Keep one of them"
        );
        assert_eq!(said.fill("a { $other } b"), "a  b");
    }
}
