//! Authentication context classes (OpenID Connect Core §2 `acr`, §3.1.2.1 `acr_values`, §5.5.1.1).
//!
//! We know two: `phr`, phishing-resistant, for a sign-in with a passkey (OpenID Connect Extended Authentication Profile
//! §3), and `0` for a one-time code. What a client lists in `acr_values` or asks for voluntarily is a wish; what it asks
//! for as essential is met, or the request fails.

use crate::error::{ErrorCode, OAuthError};

/// A sign-in that phishing can't take.
pub const PHISHING_RESISTANT: &str = "phr";
/// No claim to any level.
pub const NONE: &str = "0";

/// The classes, for metadata.
pub const SUPPORTED: [&str; 2] = [PHISHING_RESISTANT, NONE];

/// The class of a sign-in by its methods (RFC 8176).
#[must_use]
pub fn of(amr: &[String]) -> &'static str {
    if amr.iter().any(|method| method == "phr") { PHISHING_RESISTANT } else { NONE }
}

/// What a request says about the class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcrRequest {
    /// The classes that are good, best first; empty: any.
    pub values: Vec<String>,
    /// Whether one of them must be met.
    pub essential: bool,
}

impl AcrRequest {
    /// Reads `acr_values`. A claim of the `claims` parameter, `claim`, counts instead if it is there.
    #[must_use]
    pub fn read(acr_values: Option<&str>, claim: Option<Self>) -> Option<Self> {
        claim.or_else(|| {
            let values: Vec<String> = acr_values?.split(' ').filter(|v| !v.is_empty()).map(str::to_owned).collect();
            (!values.is_empty()).then_some(Self { values, essential: false })
        })
    }
}

/// Whether a sign-in is good enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AcrVerdict {
    /// It is, or it need not be.
    Enough,
    /// A passkey ceremony would make it so.
    StepUp,
    /// Nothing would.
    Unmet(OAuthError),
}

/// Judges a sign-in. `interactive` is false for `prompt=none`.
#[must_use]
pub fn judge(request: Option<&AcrRequest>, amr: &[String], interactive: bool) -> AcrVerdict {
    let Some(request) = request.filter(|request| request.essential && !request.values.is_empty()) else {
        return AcrVerdict::Enough;
    };
    let good = |class: &str| request.values.iter().any(|value| value == class);
    // What phishing can't take is also good for somebody who asks for nothing.
    if good(of(amr)) || good(NONE) {
        AcrVerdict::Enough
    } else if good(PHISHING_RESISTANT) && interactive {
        AcrVerdict::StepUp
    } else {
        AcrVerdict::Unmet(OAuthError::new(
            ErrorCode::UnmetAuthenticationRequirements,
            "The sign-in does not meet the 'acr' that the client requires.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn essential_classes_are_met_or_the_request_fails() {
        let (passkey, code) = (list(&["phr"]), list(&["otp"]));
        assert_eq!((of(&passkey), of(&code), of(&[])), ("phr", "0", "0"));
        let essential = |values: &[&str]| AcrRequest { values: list(values), essential: true };
        let verdict = |request: &AcrRequest, amr: &[String], interactive| match judge(Some(request), amr, interactive) {
            AcrVerdict::Unmet(error) => error.code().as_str(),
            AcrVerdict::Enough => "enough",
            AcrVerdict::StepUp => "step up",
        };
        let unmet = "unmet_authentication_requirements";
        assert_eq!(verdict(&essential(&["phr"]), &passkey, false), "enough");
        assert_eq!(verdict(&essential(&["phr"]), &code, true), "step up");
        assert_eq!(verdict(&essential(&["phr"]), &code, false), unmet);
        assert_eq!(verdict(&essential(&["phrh", "urn:gold"]), &passkey, true), unmet);
        assert_eq!(verdict(&essential(&["0"]), &passkey, true), "enough");
        assert_eq!(verdict(&essential(&[]), &code, true), "enough", "any is good");
        let wish = AcrRequest { essential: false, ..essential(&["urn:gold"]) };
        assert_eq!(verdict(&wish, &code, false), "enough", "a wish never fails");
        assert_eq!(judge(None, &code, false), AcrVerdict::Enough);
    }

    #[test]
    fn the_claim_counts_before_the_parameter() {
        let claim = AcrRequest { values: list(&["phr"]), essential: true };
        assert_eq!(AcrRequest::read(Some("1 2"), Some(claim.clone())), Some(claim));
        assert_eq!(AcrRequest::read(Some("1  2"), None).unwrap().values, ["1", "2"]);
        assert_eq!(AcrRequest::read(Some(" "), None), None);
        assert_eq!(AcrRequest::read(None, None), None);
    }
}
