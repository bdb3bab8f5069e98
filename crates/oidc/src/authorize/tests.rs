use super::*;
use crate::error::ErrorCode;
use crate::params::Params;
use crate::redirect_uri::{Pattern, Purpose};
use crate::resource::UserScopes;
use proptest::prelude::*;

const NOW: i64 = 1_000_000;
const CHALLENGE: &str = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
const BASE: &str = "client_id=app&response_type=code&redirect_uri=https%3A%2F%2Fapp.example%2Fcb";

fn policy() -> Policy<'static> {
    Policy { allow_insecure_callbacks: true, allow_plain_pkce: false, user_scopes: UserScopes::default() }
}

fn client() -> ClientView {
    ClientView {
        id: "app".into(),
        redirect_uris: Pattern::parse_list(Purpose::Redirect, &["https://app.example/cb", "https://*.app.example/cb"])
            .0,
        is_public: false,
        pkce_required: false,
        requires_reauthentication: false,
        skip_consent: false,
        allowed_groups: None,
        apis: Vec::new(),
    }
}

fn read(query: &str) -> AuthorizationRequest {
    AuthorizationRequest::new(Params::parse(query).unwrap()).unwrap()
}

fn valid(extra: &str) -> ValidRequest {
    read(&format!("{BASE}&{extra}")).validate(Some(&client()), policy()).unwrap()
}

fn rejected(extra: &str) -> ClientError {
    match read(&format!("{BASE}&{extra}")).validate(Some(&client()), policy()) {
        Err(Rejection::Client(error)) => *error,
        other => panic!("{extra}: {other:?}"),
    }
}

fn session(auth_time: i64) -> SessionView {
    SessionView { user_id: "u1".into(), sid: "s1".into(), auth_time, amr: vec!["otp".into()], limited: false }
}

fn user() -> UserView {
    UserView { id: "u1".into(), disabled: false, group_ids: vec!["g1".into()] }
}

fn consent(keys: &str) -> Consent {
    Consent::default().merged(&crate::ScopeSet::parse(keys).unwrap())
}

#[test]
fn reads_a_full_request() {
    let request = valid(&format!(
        "scope=openid+name+email&state=s&nonce=n&response_mode=fragment&max_age=60&prompt=login+consent&acr_values=1&id_token_hint=h\
         &claims=%7B%7D&audience=x&login_hint=y&{CHALLENGE}"
    ));
    assert_eq!(request.scopes.to_string(), "openid email");
    assert_eq!(request.redirect_uri.as_str(), "https://app.example/cb");
    assert!(request.redirect_uri_sent && request.wants_acr && request.challenge.is_some());
    assert_eq!((request.state.as_deref(), request.nonce.as_deref(), request.max_age), (Some("s"), Some("n"), Some(60)));
    assert_eq!(request.response_mode, ResponseMode::Fragment);
    assert_eq!(request.prompt, Prompt { login: true, consent: true, ..Prompt::default() });
    assert_eq!(request.id_token_hint.as_deref(), Some("h"));
    let bare = valid("id_token_hint=h");
    assert!(bare.scopes.is_empty() && bare.state.is_none() && bare.id_token_hint.is_none());
}

#[test]
fn case_008_unsafe_requests_never_redirect() {
    let params = |query: &str| Params::parse(query).unwrap();
    assert!(AuthorizationRequest::new(params("response_type=code")).is_err());
    assert!(AuthorizationRequest::new(params("client_id=a&client_id=a")).is_err());
    assert!(AuthorizationRequest::new(params("client_id=a&redirect_uri=x&redirect_uri=y")).is_err());
    let page = |query: &str, client: Option<&ClientView>| match read(query).validate(client, policy()) {
        Err(Rejection::Page(error)) => error,
        other => panic!("{query}: {other:?}"),
    };
    assert_eq!(page(BASE, None).code(), ErrorCode::InvalidClient);
    let other = ClientView { id: "other".into(), ..client() };
    assert_eq!(page(BASE, Some(&other)).code(), ErrorCode::InvalidClient);
    for query in [
        "client_id=app&response_type=code&scope=openid",
        "client_id=app&response_type=code",
        "client_id=app&response_type=code&redirect_uri=https%3A%2F%2Fevil.example%2Fcb",
        "client_id=app&response_type=code&redirect_uri=https%3A%2F%2Fevil.example%2Fcb&prompt=none",
        "client_id=app&redirect_uri=javascript:alert(1)",
        "client_id=app&redirect_uri=",
    ] {
        assert_eq!(page(query, Some(&client())).code(), ErrorCode::InvalidRequest, "{query}");
    }
    let text = page("client_id=app&redirect_uri=https%3A%2F%2Fevil.example%2Fcb", Some(&client()));
    assert!(text.page_text().contains("is not registered for this client"));
    assert!(text.page_text().contains("https://evil.example/cb"));
    let strict = Policy { allow_insecure_callbacks: false, ..policy() };
    let insecure =
        ClientView { redirect_uris: Pattern::parse_list(Purpose::Redirect, &["http://lan/cb"]).0, ..client() };
    let request = read("client_id=app&response_type=code&redirect_uri=http%3A%2F%2Flan%2Fcb");
    assert!(request.validate(Some(&insecure), policy()).is_ok());
    assert!(matches!(request.validate(Some(&insecure), strict), Err(Rejection::Page(_))));
}

#[test]
fn one_literal_callback_may_be_left_out_without_openid() {
    let only = |entry: &str| ClientView { redirect_uris: vec![Pattern::parse(entry).unwrap()], ..client() };
    let request = read("client_id=app&response_type=code&scope=email");
    let valid = request.validate(Some(&only("https://app.example/cb")), policy()).unwrap();
    assert_eq!((valid.redirect_uri.as_str(), valid.redirect_uri_sent), ("https://app.example/cb", false));
    assert!(request.validate(Some(&only("https://app.example/*")), policy()).is_err());
    assert!(
        read("client_id=app&response_type=code&scope=email+openid")
            .validate(Some(&only("https://app.example/cb")), policy())
            .is_err()
    );
}

#[test]
fn a_known_fault_goes_to_the_client_if_it_may_know() {
    let fault = || Some(OAuthError::new(ErrorCode::InvalidRequestObject, "It is expired."));
    let told = read(BASE).with_fault(fault()).validate(Some(&client()), policy()).unwrap_err();
    assert!(matches!(&told, Rejection::Client(error) if error.error.code() == ErrorCode::InvalidRequestObject));
    // Where the address is missing it may be in the object: the page says what is wrong with that.
    let shown = read("client_id=app").with_fault(fault()).validate(Some(&client()), policy()).unwrap_err();
    assert!(matches!(&shown, Rejection::Page(error) if error.code() == ErrorCode::InvalidRequestObject));
    let bad = read("client_id=app&redirect_uri=https%3A%2F%2Fevil.example%2Fcb").with_fault(fault());
    let shown = bad.validate(Some(&client()), policy()).unwrap_err();
    assert!(matches!(&shown, Rejection::Page(error) if error.code() == ErrorCode::InvalidRequest));
}

#[test]
fn errors_that_the_client_may_know() {
    for (extra, code) in [
        ("scope=a&scope=b", ErrorCode::InvalidRequest),
        ("state=a&state=b", ErrorCode::InvalidRequest),
        ("response_mode=query&response_mode=fragment", ErrorCode::InvalidRequest),
        ("response_type=code", ErrorCode::InvalidRequest),
        ("response_mode=web_message", ErrorCode::UnsupportedResponseMode),
        ("registration=x", ErrorCode::RegistrationNotSupported),
        ("resource=relative", ErrorCode::InvalidTarget),
        ("resource=https://api.example/%23x", ErrorCode::InvalidTarget),
        ("resource=https://api.example", ErrorCode::InvalidRequest),
        ("resource=https://a&resource=https://b", ErrorCode::InvalidTarget),
        ("scope=openid&prompt=none+login", ErrorCode::InvalidRequest),
        ("scope=openid&prompt=create", ErrorCode::InvalidRequest),
        ("scope=openid&max_age=-1", ErrorCode::InvalidRequest),
        ("max_age=1.5", ErrorCode::InvalidRequest),
        ("code_challenge_method=S256", ErrorCode::InvalidRequest),
        (
            "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=plain",
            ErrorCode::InvalidRequest,
        ),
    ] {
        assert_eq!(rejected(extra).error.code(), code, "{extra}");
    }
    let missing_type = read("client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&state=x&response_mode=fragment");
    let Err(Rejection::Client(error)) = missing_type.validate(Some(&client()), policy()) else { panic!() };
    assert_eq!(error.error.code(), ErrorCode::UnsupportedResponseType);
    assert_eq!((error.response_mode, error.state.as_deref()), (ResponseMode::Fragment, Some("x")));
    assert_eq!(valid("prompt=create").prompt, Prompt::default(), "not defined without openid");
    assert_eq!(valid("max_age=99999999999999999999999").max_age, Some(u64::MAX));
    assert_eq!(valid("state=x").state.as_deref(), Some("x"), "a short state is a state");
}

#[test]
fn case_016_pkce_is_required_before_sign_in() {
    let public = ClientView { is_public: true, ..client() };
    let required = ClientView { pkce_required: true, ..client() };
    for client in [&public, &required] {
        let rejection = read(BASE).validate(Some(client), policy()).unwrap_err();
        assert!(matches!(&rejection, Rejection::Client(_)));
        assert_eq!(rejection.error().code(), ErrorCode::InvalidRequest);
        assert!(read(&format!("{BASE}&{CHALLENGE}")).validate(Some(client), policy()).is_ok());
    }
}

#[test]
fn a_session_and_consent_issue_at_once() {
    let (session, user, consent) = (session(NOW - 10), user(), consent("openid email"));
    let facts = Facts { session: Some(&session), user: Some(&user), consent: Some(&consent), ..Facts::none(NOW) };
    let Decision::Issue(issue) = decide(&valid("scope=openid+email"), &client(), &facts) else { panic!() };
    assert_eq!((issue.auth_time, issue.requested_at, issue.consent_is_new), (NOW - 10, NOW, false));
    assert_eq!((issue.user_id.as_str(), issue.sid.as_str(), issue.amr), ("u1", "s1", vec!["otp".to_owned()]));
    assert!(matches!(decide(&valid("scope=openid+groups"), &client(), &facts), Decision::Consent(_)));
    let skipping = ClientView { skip_consent: true, ..client() };
    let Decision::Issue(issue) = decide(&valid("scope=openid+groups"), &skipping, &facts) else { panic!() };
    assert!(issue.consent_is_new, "it is recorded all the same");
    assert!(matches!(decide(&valid("scope=openid&prompt=consent"), &skipping, &facts), Decision::Consent(_)));
    let none = Facts { consent: None, ..facts };
    assert!(matches!(decide(&valid(""), &client(), &none), Decision::Consent(_)), "no scopes still asks once");
    let empty = Consent::default();
    let recorded = Facts { consent: Some(&empty), ..facts };
    assert!(matches!(decide(&valid(""), &client(), &recorded), Decision::Issue(_)));
}

#[test]
fn case_020_prompt_none_only_answers_the_client() {
    let (session, user, consent) = (session(NOW - 10), user(), consent("openid"));
    let request = valid("scope=openid&prompt=none");
    let refused = |facts: &Facts<'_>, client: &ClientView| match decide(&request, client, facts) {
        Decision::Refuse(Refusal::Client(error)) => error.code(),
        other => panic!("{other:?}"),
    };
    let all = Facts { session: Some(&session), user: Some(&user), consent: Some(&consent), ..Facts::none(NOW) };
    assert!(matches!(decide(&request, &client(), &all), Decision::Issue(_)));
    assert_eq!(refused(&Facts::none(NOW), &client()), ErrorCode::LoginRequired);
    assert_eq!(refused(&Facts { consent: None, ..all }, &client()), ErrorCode::ConsentRequired);
    let strict = ClientView { requires_reauthentication: true, ..client() };
    assert_eq!(refused(&all, &strict), ErrorCode::LoginRequired);
    let restricted = ClientView { allowed_groups: Some(vec!["g2".into()]), ..client() };
    assert_eq!(refused(&all, &restricted), ErrorCode::AccessDenied);
    let old = valid("scope=openid&prompt=none&max_age=5");
    assert!(matches!(decide(&old, &client(), &all), Decision::Refuse(Refusal::Client(_))));
}

#[test]
fn groups_and_disabled_users_are_denied_on_our_page() {
    let scopes = Target { scopes: crate::ScopeSet::parse("openid").unwrap(), ..Target::default() };
    let (session, user, consent) = (session(NOW), user(), consent("openid"));
    let facts = Facts { session: Some(&session), user: Some(&user), consent: Some(&consent), ..Facts::none(NOW) };
    for (groups, admitted) in
        [(None, true), (Some(vec![]), false), (Some(vec!["g2"]), false), (Some(vec!["g2", "g1"]), true)]
    {
        let client = ClientView {
            allowed_groups: groups.map(|groups: Vec<&str>| groups.into_iter().map(Into::into).collect()),
            ..client()
        };
        let decision = decide(&valid("scope=openid"), &client, &facts);
        match decision {
            Decision::Issue(_) => assert!(admitted),
            Decision::Refuse(Refusal::Page(error)) => {
                assert!(!admitted);
                assert_eq!(error.page_text(), "You are not allowed to access this service.");
            }
            other => panic!("{other:?}"),
        }
        // Case 24: the same rule at the token endpoint.
        assert_eq!(client.check_grant_user(Some(&user)).is_ok(), admitted);
    }
    let disabled = UserView { disabled: true, ..user.clone() };
    let facts = Facts { user: Some(&disabled), ..facts };
    assert!(matches!(decide(&valid("scope=openid"), &client(), &facts), Decision::Refuse(Refusal::Page(_))));
    for user in [Some(&disabled), None] {
        assert_eq!(client().check_grant_user(user).unwrap_err().code(), ErrorCode::InvalidGrant);
    }
    let narrower = Consent { keys: vec!["email".to_owned()] };
    assert_eq!(check_grant_consent(Some(&consent), &scopes, UserScopes::default()), Ok(()));
    for consent in [Some(&narrower), None] {
        assert_eq!(
            check_grant_consent(consent, &scopes, UserScopes::default()).unwrap_err().code(),
            ErrorCode::InvalidGrant
        );
    }
    let gone = Facts { user: None, ..facts };
    assert!(matches!(decide(&valid("scope=openid"), &client(), &gone), Decision::SignIn(_)));
}

#[test]
fn case_022_id_token_hint() {
    let (session, user, consent) = (session(NOW), user(), consent("openid"));
    let facts = Facts { session: Some(&session), user: Some(&user), consent: Some(&consent), ..Facts::none(NOW) };
    let request = valid("scope=openid&id_token_hint=x");
    let refused = |facts: &Facts<'_>| match decide(&request, &client(), facts) {
        Decision::Refuse(Refusal::Client(error)) => error.code(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&facts), ErrorCode::InvalidRequest, "not verified");
    assert_eq!(refused(&Facts::none(NOW)), ErrorCode::InvalidRequest, "also before anybody signs in");
    assert_eq!(refused(&Facts { hint_subject: Some("u2"), ..facts }), ErrorCode::LoginRequired);
    assert!(matches!(decide(&request, &client(), &Facts { hint_subject: Some("u1"), ..facts }), Decision::Issue(_)));
    assert!(matches!(
        decide(&request, &client(), &Facts { hint_subject: Some("u1"), ..Facts::none(NOW) }),
        Decision::SignIn(_)
    ));
}

/// Walks an interaction with one user who signs in at `signed_in_at`, completing whatever is due.
fn walk(request: &ValidRequest, client: &ClientView, signed_in_at: i64, reauthenticated_at: i64) -> (Vec<Step>, Issue) {
    let (session, user) = (session(signed_in_at), user());
    let mut recorded: Option<Consent> = None;
    let Decision::SignIn(outstanding) = decide(request, client, &hinted(request, &Facts::none(NOW))) else { panic!() };
    let mut interaction = begin(outstanding, None, NOW);
    assert_eq!(interaction.user_id, None);
    let mut walked = Vec::new();
    while let Some(step) = interaction.outstanding.current() {
        walked.push(step);
        assert!(walked.len() <= 4, "{walked:?}");
        if step == Step::Consent {
            recorded = Some(Consent::default().merged(&request.scopes));
        }
        let facts = StepFacts {
            needs: &[],
            session: &session,
            consent: recorded.as_ref(),
            reauthenticated_at: Some(reauthenticated_at),
            now: NOW + 500,
        };
        interaction = advance(&interaction, step, request, client, facts).unwrap();
    }
    let facts = Facts {
        session: Some(&session),
        user: Some(&user),
        consent: recorded.as_ref(),
        interaction: Some(&interaction),
        hint_subject: None,
        needs: &[],
        now: NOW + 600,
    };
    match decide(request, client, &facts) {
        Decision::Issue(issue) => (walked, issue),
        other => panic!("{other:?}"),
    }
}

fn hinted<'a>(request: &ValidRequest, facts: &Facts<'a>) -> Facts<'a> {
    assert!(request.id_token_hint.is_none());
    *facts
}

#[test]
fn interactions_lead_to_a_code() {
    use Step::{Authenticate, Consent, Reauthenticate, SelectAccount};
    for (extra, steps) in [
        ("scope=openid", vec![Authenticate, Consent]),
        ("scope=openid&prompt=login", vec![Authenticate, Reauthenticate, Consent]),
        ("scope=openid&prompt=consent", vec![Authenticate, Consent]),
        ("scope=openid&prompt=select_account", vec![Authenticate, SelectAccount, Consent]),
        (
            "scope=openid&prompt=login+consent+select_account",
            vec![Authenticate, SelectAccount, Reauthenticate, Consent],
        ),
        ("scope=openid&max_age=0", vec![Authenticate, Reauthenticate, Consent]),
        ("scope=openid&max_age=1", vec![Authenticate, Consent]),
    ] {
        let (walked, issue) = walk(&valid(extra), &client(), NOW + 5, NOW + 20);
        assert_eq!(walked, steps, "{extra}");
        let proven = steps.contains(&Reauthenticate);
        assert_eq!(issue.auth_time, if proven { NOW + 20 } else { NOW + 5 }, "{extra}");
        assert_eq!(issue.amr, [if proven { "phr" } else { "otp" }], "{extra}");
        assert_eq!(issue.requested_at, NOW, "the original time");
    }
    let strict = ClientView { requires_reauthentication: true, skip_consent: true, ..client() };
    assert_eq!(walk(&valid("scope=openid"), &strict, NOW + 5, NOW + 5).0, [Authenticate, Reauthenticate]);
}

#[test]
fn case_021_fresh_proof_for_login_and_max_age() {
    let (old, user, consent) = (session(NOW - 100), user(), consent("openid"));
    let facts = Facts { session: Some(&old), user: Some(&user), consent: Some(&consent), ..Facts::none(NOW) };
    for extra in
        ["scope=openid&prompt=login", "scope=openid&max_age=0", "scope=openid&max_age=1", "scope=openid&max_age=100"]
    {
        let request = valid(extra);
        let Decision::Reauthenticate(outstanding) = decide(&request, &client(), &facts) else { panic!("{extra}") };
        let interaction = begin(outstanding, Some(&old), NOW);
        let step = |at: Option<i64>| {
            let facts =
                StepFacts { session: &old, needs: &[], consent: Some(&consent), reauthenticated_at: at, now: NOW + 10 };
            advance(&interaction, Step::Reauthenticate, &request, &client(), facts)
        };
        assert_eq!(step(None), Err(StepError::NotReauthenticated));
        assert_eq!(step(Some(NOW - 1)), Err(StepError::NotReauthenticated), "an older proof is a replay");
        let done = step(Some(NOW + 9)).unwrap();
        let Decision::Issue(issue) =
            decide(&request, &client(), &Facts { interaction: Some(&done), now: NOW + 400, ..facts })
        else {
            panic!("{extra}")
        };
        assert_eq!((issue.auth_time, issue.amr), (NOW + 9, vec!["phr".to_owned()]));
        // An interaction whose flag was cleared without a proof doesn't help.
        let forged = InteractionView {
            outstanding: Requirements::default(),
            reauthenticated_at: Some(NOW - 1),
            ..interaction.clone()
        };
        assert!(matches!(
            decide(&request, &client(), &Facts { interaction: Some(&forged), ..facts }),
            Decision::Reauthenticate(_)
        ));
    }
    assert!(matches!(decide(&valid("scope=openid&max_age=101"), &client(), &facts), Decision::Issue(_)));
    let future = session(NOW + 3600);
    let Decision::Issue(issue) = decide(&valid("scope=openid"), &client(), &Facts { session: Some(&future), ..facts })
    else {
        panic!()
    };
    assert_eq!(issue.auth_time, NOW, "a clock that went back doesn't leak into tokens");
}

#[test]
fn a_limited_session_proves_nothing_again() {
    let limited = SessionView { limited: true, ..session(NOW - 5) };
    let (user, consent) = (user(), consent("openid"));
    let facts = Facts { session: Some(&limited), user: Some(&user), consent: Some(&consent), ..Facts::none(NOW) };
    assert!(matches!(decide(&valid("scope=openid"), &client(), &facts), Decision::Issue(_)));
    let strict = ClientView { requires_reauthentication: true, ..client() };
    for (extra, client) in
        [("scope=openid&prompt=login", client()), ("scope=openid&max_age=9999", client()), ("scope=openid", strict)]
    {
        let request = valid(extra);
        let Decision::SignIn(owed) = decide(&request, &client, &facts) else { panic!("{extra}") };
        let interaction = begin(owed, Some(&limited), NOW);
        let step = |session: &SessionView, step: Step| {
            let facts = StepFacts {
                session,
                needs: &[],
                consent: Some(&consent),
                reauthenticated_at: Some(NOW + 1),
                now: NOW + 2,
            };
            advance(&interaction, step, &request, &client, facts)
        };
        // Another code leads nowhere, a passkey does.
        assert!(step(&limited, Step::Authenticate).unwrap().outstanding.authenticate, "{extra}");
        assert!(step(&limited, Step::Reauthenticate).is_err(), "{extra}");
        let passkey = SessionView { limited: false, auth_time: NOW + 1, ..limited.clone() };
        assert!(!step(&passkey, Step::Authenticate).unwrap().outstanding.authenticate, "{extra}");
    }
    let silent = valid("scope=openid&prompt=none&max_age=9999");
    assert!(matches!(decide(&silent, &client(), &facts), Decision::Refuse(Refusal::Client(_))));
}

#[test]
fn another_user_starts_anew() {
    let request = valid("scope=openid&prompt=login+consent");
    let (first, consent) = (session(NOW - 5), consent("openid"));
    let second = SessionView { user_id: "u2".into(), ..first };
    let second_user = UserView { id: "u2".into(), ..user() };
    let done = InteractionView {
        user_id: Some("u1".into()),
        outstanding: Requirements::default(),
        requested_at: NOW - 50,
        reauthenticated_at: Some(NOW - 5),
    };
    let facts = Facts {
        session: Some(&second),
        user: Some(&second_user),
        consent: Some(&consent),
        interaction: Some(&done),
        ..Facts::none(NOW)
    };
    let Decision::Reauthenticate(outstanding) = decide(&request, &client(), &facts) else { panic!() };
    assert_eq!(outstanding.steps(), [Step::Reauthenticate, Step::Consent]);

    let step = StepFacts { session: &second, needs: &[], consent: Some(&consent), reauthenticated_at: None, now: NOW };
    let switched = advance(&done, Step::Authenticate, &request, &client(), step).unwrap();
    assert_eq!((switched.user_id.as_deref(), switched.reauthenticated_at), (Some("u2"), None));
    assert_eq!(switched.outstanding.steps(), [Step::Reauthenticate, Step::Consent]);
    assert_eq!(
        advance(&switched, Step::Consent, &request, &client(), step),
        Err(StepError::Unexpected { expected: Step::Reauthenticate, given: Step::Consent })
    );
    let bound_and_gone = Facts { interaction: Some(&done), ..Facts::none(NOW) };
    assert!(matches!(
        decide(&request, &client(), &bound_and_gone),
        Decision::Refuse(Refusal::Client(error)) if error.code() == ErrorCode::LoginRequired
    ));
}

#[test]
fn consent_that_was_withdrawn_meanwhile_is_asked_again() {
    let request = valid("scope=openid");
    let (session, user) = (session(NOW), user());
    let done = InteractionView {
        user_id: Some("u1".into()),
        outstanding: Requirements::default(),
        requested_at: NOW,
        reauthenticated_at: None,
    };
    let facts = Facts { session: Some(&session), user: Some(&user), interaction: Some(&done), ..Facts::none(NOW) };
    assert!(matches!(decide(&request, &client(), &facts), Decision::Consent(_)));
}

#[test]
fn names_of_the_steps() {
    for step in [Step::Authenticate, Step::SelectAccount, Step::Reauthenticate, Step::Consent] {
        assert_eq!(serde_json::to_value(step).unwrap(), step.as_str());
    }
}

proptest! {
    #[test]
    fn arbitrary_requests_never_panic_and_never_leave_the_registered_host(
        pairs in proptest::collection::vec(("client_id|redirect_uri|scope|state|prompt|max_age|response_mode|response_type|code_challenge|resource|x", "\\PC{0,20}"), 0..12)
    ) {
        let params = Params::from_pairs(pairs.into_iter().chain([("client_id".to_owned(), "app".to_owned())])).unwrap();
        if let Ok(request) = AuthorizationRequest::new(params) {
            let client = ClientView { redirect_uris: vec![Pattern::parse("https://app.example/cb").unwrap()], ..client() };
            let uri = match request.validate(Some(&client), policy()) {
                Ok(valid) => Some(valid.redirect_uri),
                Err(Rejection::Client(error)) => Some(error.redirect_uri),
                Err(Rejection::Page(_)) => None,
            };
            prop_assert!(uri.is_none_or(|uri| uri.as_str() == "https://app.example/cb"));
        }
    }

    /// Removing a group or a consent never gives access.
    #[test]
    fn access_is_monotone(groups in proptest::collection::vec("g[0-3]", 0..4), allowed in proptest::collection::vec("g[0-3]", 0..4), drop in 0usize..4) {
        let client = ClientView { allowed_groups: Some(allowed), skip_consent: true, ..client() };
        let session = session(NOW);
        let request = valid("scope=openid");
        let issued = |groups: Vec<String>| {
            let user = UserView { group_ids: groups, ..user() };
            matches!(decide(&request, &client, &Facts { session: Some(&session), user: Some(&user), ..Facts::none(NOW) }), Decision::Issue(_))
        };
        let mut fewer = groups.clone();
        if drop < fewer.len() {
            fewer.remove(drop);
        }
        prop_assert!(!issued(fewer) || issued(groups));
    }
}
