use super::address::{Callback, Refused, callback, distance, logout};
use super::clients::{Entrance, entrance, unknown};
use super::secrets::{Signed, Us, assertion};
use super::tokens::{AccessToken, Notice, access, notice};
use super::*;

fn registered(entries: &[&str]) -> Vec<String> {
    entries.iter().map(|entry| (*entry).to_owned()).collect()
}

fn of_callback(sent: &str, entries: &[&str]) -> Finding {
    callback(&Callback { sent, registered: &registered(entries), refused: Refused::NotRegistered })
}

#[test]
fn the_table_is_whole() {
    assert!(Code::ALL.len() >= 40, "{}", Code::ALL.len());
    let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
    for code in Code::ALL {
        assert_eq!(Code::parse(code.as_str()), Some(*code));
        assert!(code.told().ends_with('.') && !code.mend().is_empty(), "{code:?}");
    }
    assert!(Place::ALL.iter().all(|place| Code::ALL.iter().any(|code| code.place() == *place)));
}

#[test]
fn an_address_is_held_against_the_nearest_one() {
    let known = "https://cloud.example.com/apps/user_oidc/code";
    for (sent, code, addable) in [
        ("https://cloud.example.com/index.php/apps/user_oidc/code", Code::CallbackIndexPhp, true),
        ("https://cloud.example.com/apps/user_oidc/code/", Code::CallbackSlash, true),
        ("https://cloud.example.com//apps/user_oidc/code", Code::CallbackSlash, true),
        ("https://cloud.example.com/apps/user_OIDC/code", Code::CallbackCase, true),
        ("https://cloud.example.com/apps/user%5Foidc/code", Code::CallbackEncoding, true),
        ("https://cloud.example.com/apps/oidc_login/oidc", Code::CallbackPath, true),
        ("https://cloud.example.com/apps/user_oidc/code?a=b", Code::CallbackQuery, true),
        ("https://cloud.example.com:8443/apps/user_oidc/code", Code::CallbackPort, true),
        ("http://cloud.example.com/apps/user_oidc/code", Code::CallbackScheme, false),
        ("https://evil.example.com/apps/user_oidc/code", Code::CallbackHost, false),
        ("nonsense", Code::CallbackHost, false),
    ] {
        let finding = of_callback(sent, &["https://other.example/cb", known]);
        assert_eq!((finding.code, finding.value("sent")), (code, Some(sent)), "{finding:?}");
        assert_eq!(finding.remedy == Some(Remedy::AddCallback(sent.to_owned())), addable, "{sent}");
        if finding.code != Code::CallbackHost {
            assert_eq!(finding.value("expected"), Some(known));
        }
    }
    assert_eq!(of_callback("https://a.example/x", &["https://*.example/y"]).code, Code::CallbackHost);
    assert_eq!(of_callback("https://a.example/x", &[]).code, Code::CallbackNone);
    let bye = "https://cloud.example.com/bye";
    assert_eq!(
        logout(bye, &registered(&[]), &registered(&[known])).remedy,
        Some(Remedy::AddLogoutCallback(bye.into()))
    );
    assert_eq!(logout("https://evil.example/", &registered(&[]), &registered(&[known])).remedy, None);
}

#[test]
fn a_slip_in_a_client_id_is_seen() {
    let known = [("nextcloud".to_owned(), "Our Cloud".to_owned()), ("wiki".to_owned(), "Wiki".to_owned())];
    let of = |sent: &str| unknown(sent, &known);
    assert_eq!(of("nextcluod").value("expected"), Some("nextcloud"));
    assert_eq!((of(" NextCloud").code, of("nextcloud ").code), (Code::ClientNear, Code::ClientNear));
    assert_eq!(of("our cloud").code, Code::ClientName);
    assert_eq!(of("wifi").code, Code::ClientNear);
    assert_eq!(of("something-else").code, Code::ClientUnknown);
    assert_eq!(of("").code, Code::ClientUnknown);
    assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("a", "a")), (3, 3, 0));
}

#[test]
fn who_may_not_enter_is_told_apart() {
    let groups = registered(&["family", "friends"]);
    let facts = Entrance { person: "tim", disabled: false, allowed: Some(&groups), is_member: false };
    let finding = entrance(&facts).unwrap();
    assert_eq!((finding.code, finding.value("groups")), (Code::NotAllowed, Some("family, friends")));
    assert_eq!(entrance(&Entrance { allowed: Some(&[]), ..facts.clone() }).unwrap().code, Code::AllowedNobody);
    assert_eq!(entrance(&Entrance { disabled: true, ..facts.clone() }).unwrap().code, Code::PersonDisabled);
    assert_eq!(entrance(&Entrance { is_member: true, ..facts.clone() }), None);
    assert_eq!(entrance(&Entrance { allowed: None, ..facts }), None);
}

#[test]
fn clocks_and_audiences_are_told_from_what_was_signed() {
    let us = Us { issuer: "https://id.example.com", internal: "http://pocket-id:1411" };
    let of = |aud: &str, begins, ends| {
        let audiences = registered(&[aud]);
        let facts = Signed {
            audiences: &audiences,
            begins,
            ends,
            algorithm: "ES256",
            algorithm_is_allowed: true,
            issuer_is_known: true,
            us,
            now: 1000,
            ..Signed::default()
        };
        assertion(&facts)
    };
    let good = "https://id.example.com";
    assert_eq!(of(good, Some(1300), Some(1400)).value("seconds"), Some("300"));
    assert_eq!(of(good, Some(500), Some(700)).code, Code::AssertionBehind);
    assert_eq!(of(good, Some(1000), Some(1100)).code, Code::AssertionRefused);
    for (sent, code) in [
        ("https://id.example.com/", Code::IssuerSlash),
        ("http://pocket-id:1411", Code::IssuerInternal),
        ("http://pocket-id:1411/api/oidc/token", Code::IssuerInternal),
        ("http://id.example.com", Code::IssuerInternal),
        ("https://id.example.com:8443", Code::IssuerInternal),
        ("https://login.example.org", Code::AssertionAudience),
        ("https://id.example.com/realms/x", Code::AssertionAudience),
    ] {
        assert_eq!(of(sent, Some(1000), Some(1100)).code, code, "{sent}");
    }
}

#[test]
fn access_tokens_and_notices() {
    let ours = "https://id.example.com";
    let token = AccessToken { sent: true, is_signed: true, issuer: ours, is_ours: true, ..AccessToken::default() };
    let of = |facts: AccessToken<'_>| access(&facts, ours).code;
    assert_eq!(of(AccessToken::default()), Code::TokenMissing);
    assert_eq!(of(AccessToken { is_signed: false, ..token.clone() }), Code::TokenMalformed);
    assert_eq!(of(AccessToken { issuer: "https://id.example.com/", ..token.clone() }), Code::TokenForeign);
    assert_eq!(of(AccessToken { is_identity: true, ..token.clone() }), Code::TokenOfIdentity);
    assert_eq!(of(AccessToken { is_ours: false, ..token.clone() }), Code::TokenKey);
    assert_eq!(of(AccessToken { expired_for: Some(9), ..token.clone() }), Code::TokenExpired);
    assert_eq!(of(token.clone()), Code::OpenidMissing);
    assert_eq!(of(AccessToken { has_openid: true, ..token }), Code::TokenEnded);
    let of = |how| notice("app.example", how).map(|finding| finding.code);
    assert_eq!(of(Notice::Status(204)), None);
    assert_eq!(of(Notice::Status(302)), Some(Code::NoticeRedirect));
    assert_eq!(of(Notice::Status(404)), Some(Code::NoticeRefused));
    assert_eq!(of(Notice::Status(502)), Some(Code::NoticeFailed));
    assert_eq!(of(Notice::Failure("tls_failed")), Some(Code::NoticeTls));
    assert_eq!(of(Notice::Failure("connection_failed")), Some(Code::NoticeDown));
}

#[test]
fn what_is_quoted_is_short_and_harmless() {
    let finding = Finding::new(Code::ClientUnknown).quote("sent", format!("a\r\n\u{202e}{}", "x".repeat(1000)));
    let sent = finding.value("sent").unwrap();
    assert!(
        sent.starts_with("a\u{fffd}\u{fffd}\u{fffd}x") && sent.ends_with('…') && sent.chars().count() == 301,
        "{sent}"
    );
}

#[test]
fn ids_can_be_read_aloud() {
    let one = id(&["app", "x"]);
    assert_eq!(one, id(&["app", "x"]));
    assert_ne!(one, id(&["appx", ""]));
    assert_eq!(one.len(), 9);
    assert_eq!(parse_id(&one.to_lowercase().replace('-', " ")), Some(one));
    assert_eq!((parse_id("short"), parse_id("AAAA-AAA0"), parse_id("AAAAAAAAA")), (None, None, None));
}

#[test]
fn the_same_fault_is_the_same_whatever_was_expected() {
    let one = of_callback("https://a.example/x", &["https://a.example/y"]);
    let other = of_callback("https://a.example/x", &["https://a.example/z"]);
    assert_eq!(one.identity(), other.identity());
    assert_ne!(one.identity(), of_callback("https://a.example/w", &["https://a.example/y"]).identity());
}
