//! What clients are told and who vouches for them, through the pages: claim mappings and their preview, federated
//! identities, scopes of one's own, and metadata documents.

use pid_testkit::chromium::{Page, role};
use serde_json::{Value, json};

use crate::stage::{Stage, quiet, until};

/// A tab of a client's page, with the administrator signed in.
async fn client_tab(stage: &Stage, client: &Value, hash: &str) -> Page {
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{}#{hash}", client["id"].as_str().unwrap())).await;
    tab
}

async fn stored(stage: &Stage, client: &Value) -> Value {
    let path = format!("/api/oidc/clients/{}", client["id"].as_str().unwrap());
    stage.app.script().get(&path).await.expect(200).json()
}

/// Sends a form and waits until the server took it.
async fn save(tab: &Page, form: &str, said: &str) {
    tab.eval::<()>("document.querySelectorAll('.toast').forEach(toast => toast.remove())").await.unwrap();
    tab.click(&*format!("{form} button[type=submit]")).await.unwrap();
    tab.wait_for_text(said).await.unwrap();
}

async fn save_client(tab: &Page, form: &str) {
    save(tab, form, "OIDC client updated successfully").await;
}

/// Sends a form that is refused, and reads what stands in a place then.
async fn refused(tab: &Page, form: &str, place: &str) -> String {
    tab.click(&*format!("{form} button[type=submit]")).await.unwrap();
    tab.wait_for(&*format!("{place} .field-error")).await.unwrap();
    let said = tab.text(&*format!("{place} .field-error")).await.unwrap();
    // The browser reports the refusal, too.
    tab.clear_console_errors();
    said
}

/// Adds a row to a list and fills it in.
async fn add_row(tab: &Page, list: &str, values: &[&str]) {
    tab.click(&*format!("[data-add-row={list}]")).await.unwrap();
    for (at, value) in values.iter().enumerate() {
        let input = format!("#{list} .list-row:last-child input:nth-of-type({})", at + 1);
        tab.fill(&*input, value).await.unwrap();
    }
}

async fn remove_row(tab: &Page, list: &str) {
    tab.click(&*format!("#{list} .list-row:last-child [data-remove-row]")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn federated_identities_come_and_go() {
    let stage = Stage::empty().await;
    let client = stage.app.client(json!({ "name": "Builder" })).await;
    let tab = client_tab(&stage, &client, "credentials").await;
    let form = "#federated-form";
    tab.click(role("button", "Create")).await.unwrap();
    assert_eq!(refused(&tab, form, "#identities").await, "This field is required");
    tab.fill(role("textbox", "Issuer"), "a cluster").await.unwrap();
    assert_eq!(refused(&tab, form, "#identities").await, "Invalid URL");
    tab.fill(role("textbox", "Issuer"), "https://cluster.example").await.unwrap();
    save_client(&tab, form).await;
    tab.click("[data-add-row=identities]").await.unwrap();
    let second = "#identities .list-row:last-child";
    for (name, value) in [
        ("issuer", "https://ci.example"),
        ("subject", "repo:shop"),
        ("audience", "shop"),
        ("jwks", "https://ci.example/keys"),
    ] {
        tab.fill(&*format!("{second} [name='{name}[]']"), value).await.unwrap();
    }
    tab.click(&*format!("{second} input[role=switch]")).await.unwrap();
    save_client(&tab, form).await;
    let first = json!({ "issuer": "https://cluster.example", "replayProtection": true });
    let other = json!({ "issuer": "https://ci.example", "subject": "repo:shop", "audience": "shop",
        "jwks": "https://ci.example/keys", "replayProtection": false });
    assert_eq!(stored(&stage, &client).await["credentials"]["federatedIdentities"], json!([first, other]));

    // Another form of the page goes on from there, and this one shows what is stored.
    tab.click(role("tab", "General")).await.unwrap();
    tab.fill(role("textbox", "Description"), "Builds").await.unwrap();
    save_client(&tab, "#client-form").await;
    tab.reload().await.unwrap();
    tab.click(role("tab", "Credentials")).await.unwrap();
    assert!(tab.is_visible(role("group", "Identity 2")).await.unwrap());
    assert_eq!(tab.value("#identity-2-subject").await.unwrap(), "repo:shop");
    assert!(!tab.is_checked("#identity-2-replay").await.unwrap());
    tab.click("#identities .list-row:nth-of-type(1) [data-remove-row]").await.unwrap();
    save_client(&tab, form).await;
    let now = stored(&stage, &client).await;
    assert_eq!((&now["credentials"]["federatedIdentities"], &now["description"]), (&json!([other]), &json!("Builds")));
    remove_row(&tab, "identities").await;
    save_client(&tab, form).await;
    assert_eq!(stored(&stage, &client).await["credentials"].get("federatedIdentities"), None);
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_is_made_seen_in_the_preview_and_taken_back_part_by_part() {
    let stage = Stage::empty().await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let tab = client_tab(&stage, &client, "claims").await;
    let form = "#mapping-form";
    add_row(&tab, "rename", &["preferred_username", ""]).await;
    assert!(refused(&tab, form, "#rename").await.contains("This field is required"));
    tab.fill("#rename [name='to[]']", "username").await.unwrap();
    add_row(&tab, "rename", &["preferred_username", "login"]).await;
    assert!(refused(&tab, form, "#rename .list-row:last-child").await.contains("This is there twice"));
    tab.fill("#rename .list-row:last-child [name='from[]']", "name").await.unwrap();
    add_row(&tab, "drop", &["picture"]).await;
    add_row(&tab, "constants", &["tenant", "null"]).await;
    assert!(refused(&tab, form, "#constants").await.contains("leave the claim out instead"));
    tab.fill("#constants [name='value[]']", "home").await.unwrap();
    add_row(&tab, "constants", &["quota", "{\"gb\": 5, \"files\": \"many\"}"]).await;
    add_row(&tab, "group-filter", &["app-*"]).await;
    tab.fill(role("combobox", "Groups are told as"), "ids").await.unwrap();
    save_client(&tab, form).await;
    let mapping = json!({
        "rename": { "preferred_username": "username", "name": "login" },
        "drop": ["picture"],
        "constants": { "tenant": "home", "quota": { "gb": 5, "files": "many" } },
        "groups": { "format": "ids", "filter": ["app-*"] },
    });
    assert_eq!(stored(&stage, &client).await["claimMapping"], mapping);

    tab.click(role("tab", "OIDC Data Preview")).await.unwrap();
    tab.click(role("button", "Show")).await.unwrap();
    tab.wait_for(role("dialog", "OIDC Data Preview")).await.unwrap();
    let told = tab.text("#id-token").await.unwrap();
    assert!(told.contains("username") && told.contains("home") && !told.contains("preferred_username"), "{told}");
    tab.press("Escape").await.unwrap();

    // What is stored is shown again; each part goes by itself, and the others stay.
    tab.reload().await.unwrap();
    tab.click(role("tab", "Claims")).await.unwrap();
    let quota = "#constants .list-row:has([value=quota]) [name='value[]']";
    let shown: Value = serde_json::from_str(&tab.value(quota).await.unwrap()).unwrap();
    assert_eq!(shown, mapping["constants"]["quota"]);
    let mut left = mapping;
    tab.fill(quota, "{\"gb\": 5}").await.unwrap();
    save_client(&tab, form).await;
    left["constants"]["quota"] = json!({ "gb": 5 });
    assert_eq!(stored(&stage, &client).await["claimMapping"], left);
    tab.click("#rename .list-row:has([value=preferred_username]) [data-remove-row]").await.unwrap();
    remove_row(&tab, "drop").await;
    save_client(&tab, form).await;
    (left["rename"], left["drop"]) = (json!({ "name": "login" }), json!([]));
    assert_eq!(stored(&stage, &client).await["claimMapping"], left);
    tab.click("#constants .list-row:has([value=tenant]) [data-remove-row]").await.unwrap();
    remove_row(&tab, "group-filter").await;
    save_client(&tab, form).await;
    (left["constants"], left["groups"]["filter"]) = (json!({ "quota": { "gb": 5 } }), json!([]));
    assert_eq!(stored(&stage, &client).await["claimMapping"], left);
    remove_row(&tab, "constants").await;
    remove_row(&tab, "rename").await;
    tab.fill(role("combobox", "Groups are told as"), "names").await.unwrap();
    save_client(&tab, form).await;
    assert_eq!(stored(&stage, &client).await.get("claimMapping"), None, "nothing is left");
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_mapping_may_not_do_is_said_beside_its_row() {
    let stage = Stage::empty().await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let tab = client_tab(&stage, &client, "claims").await;
    let form = "#mapping-form";
    for (list, good, bad, said) in [
        ("rename", ["email", "mail"], ["name", "email"], "the claim 'email' can't be"),
        ("rename", ["email", "mail"], ["name", "mail"], "two entries give the claim 'mail'"),
        ("constants", ["tenant", "home"], ["sub", "ada"], "the claim 'sub' can't be"),
    ] {
        tab.reload().await.unwrap();
        add_row(&tab, list, &good).await;
        add_row(&tab, list, &bad).await;
        let row = format!("#{list} .list-row:last-child");
        let told = refused(&tab, form, &row).await;
        assert!(told.contains(said), "{told}");
        assert_eq!(tab.count(&format!("{form} .field-error")).await.unwrap(), 1, "beside this row alone");
    }
    tab.reload().await.unwrap();
    add_row(&tab, "drop", &["picture"]).await;
    add_row(&tab, "drop", &["iss"]).await;
    assert!(refused(&tab, form, "#drop .list-row:last-child").await.contains("the claim 'iss' can't be"));
    remove_row(&tab, "drop").await;
    save_client(&tab, form).await;
    assert_eq!(stored(&stage, &client).await["claimMapping"]["drop"], json!(["picture"]));
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_with_one_mapping_lose_nothing_unseen() {
    let stage = Stage::empty().await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let (first, second) = (client_tab(&stage, &client, "claims").await, stage.tab().await);
    stage.open(&second, &format!("/settings/admin/oidc-clients/{}#claims", client["id"].as_str().unwrap())).await;
    add_row(&first, "rename", &["preferred_username", "username"]).await;
    first.fill(role("combobox", "Groups are told as"), "ids").await.unwrap();
    save_client(&first, "#mapping-form").await;
    add_row(&second, "rename", &["name", "login"]).await;
    add_row(&second, "drop", &["picture"]).await;
    second.click("#mapping-form button[type=submit]").await.unwrap();
    second.wait_for_text("Now stored: preferred_username = username").await.unwrap();
    // What only the other tab chose is taken over.
    assert_eq!(second.value(role("combobox", "Groups are told as")).await.unwrap(), "ids");
    second.click(role("button", "Use the stored value")).await.unwrap();
    add_row(&second, "rename", &["name", "login"]).await;
    save_client(&second, "#mapping-form").await;
    let mapping = stored(&stage, &client).await["claimMapping"].clone();
    assert_eq!(mapping["rename"], json!({ "preferred_username": "username", "name": "login" }));
    assert_eq!((&mapping["drop"], &mapping["groups"]["format"]), (&json!(["picture"]), &json!("ids")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_preview_shows_what_the_api_says() {
    let stage = Stage::empty().await;
    stage.configure(json!({ "namedScopes": "[{\"name\":\"work\",\"description\":\"\",\"claims\":[\"team\"]}]" })).await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let tab = client_tab(&stage, &client, "oidc-data-preview").await;
    let person = stage.app.person("tim").await;
    let script = stage.app.script();
    let team = json!([{ "key": "team", "value": "red" }]);
    script.put(&format!("/api/custom-claims/user/{}", person.id()), &team).await.expect(200);
    tab.click(role("button", "Show")).await.unwrap();
    tab.wait_for(role("dialog", "OIDC Data Preview")).await.unwrap();
    tab.fill(role("combobox", "Users"), person.id()).await.unwrap();
    for scope in ["profile", "email", "groups", "work"] {
        tab.click(role("checkbox", scope)).await.unwrap();
    }
    tab.wait_for("#id-token [data-copy=red]").await.unwrap();
    assert_eq!(tab.count("#id-token [data-copy='tim@example.com']").await.unwrap(), 0);
    tab.click(role("tab", "Userinfo")).await.unwrap();
    let shown = tab.attribute("#userinfo .copy-all button", "data-copy").await.unwrap().unwrap();
    let path = format!("/api/oidc/clients/{}/preview/{}", client["id"].as_str().unwrap(), person.id());
    let answer = script.get(&format!("{path}?scopes=openid%20work")).await.expect(200).json();
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), answer["userInfo"]);
    tab.click(role("tab", "Access Token")).await.unwrap();
    assert!(tab.text("#access-token").await.unwrap().contains("openid work"));
    assert!(!tab.is_visible("#userinfo").await.unwrap());
    for scope in ["openid", "work"] {
        tab.click(role("checkbox", scope)).await.unwrap();
    }
    tab.wait_for_text("Choose at least one scope.").await.unwrap();
    assert!(tab.is_visible("#preview-problem .alert-danger").await.unwrap());
    assert_eq!(tab.count("#preview .copy-row").await.unwrap(), 0);
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_sign_in_shows_each_step_and_what_the_app_learns() {
    let stage = Stage::empty().await;
    let callback = stage.url("/apps/user_oidc/code");
    let body = json!({ "name": "Cloud", "callbackURLs": [callback], "isGroupRestricted": true });
    let client = stage.app.client(body).await;
    let tab = client_tab(&stage, &client, "oidc-data-preview").await;
    let person = stage.app.person("tim").await;
    let script = stage.app.script();
    let name = json!([{ "key": "nextcloud_username", "value": "tim.cook" }]);
    script.put(&format!("/api/custom-claims/user/{}", person.id()), &name).await.expect(200);
    let log = script.get("/api/audit-logs/all").await.expect(200).json()["pagination"]["totalItems"].clone();
    tab.click(role("button", "Start test sign-in")).await.unwrap();
    tab.wait_for(role("dialog", "Test sign-in")).await.unwrap();
    tab.wait_for_text("The sign-in does not work.").await.unwrap();
    let failed = tab.text("#test-result li[data-state=no]").await.unwrap();
    assert!(failed.contains("not allowed") && failed.contains("returns to the app with a code"), "{failed}");
    let path = format!("/api/oidc/clients/{}", client["id"].as_str().unwrap());
    script.patch(&path, &json!({ "isGroupRestricted": false }), None).await.expect(200);
    tab.fill(role("combobox", "Person"), person.id()).await.unwrap();
    tab.wait_for_text("The sign-in works.").await.unwrap();
    assert_eq!(tab.count("#test-result .test-steps > li[data-state=yes]").await.unwrap(), 6);
    // The settings of the application that it looks like.
    tab.wait_for(role("heading", "What Nextcloud reads")).await.unwrap();
    let read: Vec<Vec<String>> = tab
        .eval("[...document.querySelector('.test-table').querySelectorAll('tbody tr')].map((tr) => [...tr.cells].map((cell) => cell.innerText))")
        .await
        .unwrap();
    assert!(
        read.contains(&["User ID mapping (custom claim)", "nextcloud_username", "tim.cook"].map(str::to_owned).into())
    );
    tab.click(role("checkbox", "email")).await.unwrap();
    until(async || {
        let rows: String = tab.text(".test-table").await.unwrap();
        if rows.contains("Not told") { Ok(()) } else { Err(rows) }
    })
    .await;
    tab.click(role("checkbox", "Ask the app’s own addresses for an answer, too")).await.unwrap();
    tab.wait_for_text("there is nothing at this address (404)").await.unwrap();
    let after = script.get("/api/audit-logs/all").await.expect(200).json()["pagination"]["totalItems"].clone();
    // The client was changed once.
    assert_eq!(after.as_i64(), log.as_i64().map(|n| n + 1));
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_of_ones_own_are_defined_by_the_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration#oidc").await;
    let (form, done) = ("#scopes-form", "Application configuration updated successfully");
    add_row(&tab, "scope-rows", &["work", "Your team at work", "team,  department"]).await;
    add_row(&tab, "scope-rows", &["openid"]).await;
    let last = "#scope-rows .list-row:last-child";
    assert!(refused(&tab, form, last).await.contains("belongs to OpenID Connect"));
    tab.fill(&*format!("{last} [name='name[]']"), "home").await.unwrap();
    tab.fill(&*format!("{last} [name='claims[]']"), "room, sub").await.unwrap();
    let said = refused(&tab, form, last).await;
    assert!(said.starts_with("Claims") && said.contains("the claim 'sub' belongs to the protocol"), "{said}");
    tab.fill(&*format!("{last} [name='claims[]']"), "room").await.unwrap();
    save(&tab, form, done).await;
    let discovered = async || {
        let document = stage.app.agent().get("/.well-known/openid-configuration").await.expect(200).json();
        let scopes = document["scopes_supported"].as_array().unwrap().clone();
        [json!("work"), json!("home")].map(|scope| scopes.contains(&scope))
    };
    assert_eq!(discovered().await, [true, true]);
    // The other forms go on from there.
    tab.click(role("tab", "General")).await.unwrap();
    tab.fill(role("textbox", "Application Name"), "Our Cloud").await.unwrap();
    save(&tab, "#configuration", done).await;
    tab.reload().await.unwrap();
    tab.click(role("tab", "OIDC")).await.unwrap();
    tab.wait_for("#scope-rows [value='team, department']").await.unwrap();
    remove_row(&tab, "scope-rows").await;
    save(&tab, form, done).await;
    assert_eq!(discovered().await, [true, false]);
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_of_metadata_documents_are_allowed_by_the_page() {
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    stage.sign_in_as(&admin.agent).await;
    let tab = stage.tab().await;
    stage.open(&tab, "/settings/admin/application-configuration#oidc").await;
    let (form, done) = ("#metadata-form", "Application configuration updated successfully");
    let setting = async || {
        let all = stage.app.script().get("/api/application-configuration/all").await.expect(200).json();
        let entry = all.as_array().unwrap().iter().find(|entry| entry["key"] == "cimdUrlAllowlist").unwrap();
        entry["value"].as_str().unwrap().to_owned()
    };
    tab.fill("[data-testid=cimd-url-allowlist-1]", "javascript:alert(1)").await.unwrap();
    assert_eq!(refused(&tab, form, form).await, "Must be a JSON list of URL patterns");
    tab.fill("[data-testid=cimd-url-allowlist-1]", "https://*.example.com/**").await.unwrap();
    save(&tab, form, done).await;
    assert_eq!(setting().await, "[\"https://*.example.com/**\"]");
    tab.reload().await.unwrap();
    assert_eq!(tab.value("[data-testid=cimd-url-allowlist-1]").await.unwrap(), "https://*.example.com/**");
    remove_row(&tab, "cimd-urls").await;
    save(&tab, form, done).await;
    assert_eq!(setting().await, "[]");
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lifetime_of_id_tokens_is_set_and_unset() {
    let stage = Stage::empty().await;
    let client = stage.app.client(json!({ "name": "Wiki" })).await;
    let tab = client_tab(&stage, &client, "general").await;
    for (typed, kept) in [("15", json!(15)), ("", Value::Null), ("90", json!(90)), ("0", Value::Null)] {
        tab.fill(role("spinbutton", "ID token lifetime"), typed).await.unwrap();
        save_client(&tab, "#client-form").await;
        assert_eq!(stored(&stage, &client).await["idTokenDurationMinutes"], kept, "{typed}");
    }
    quiet(&tab, stage.app.url());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_with_the_same_rows_see_each_other() {
    let stage = Stage::empty().await;
    let client = stage.app.client(json!({ "name": "Builder" })).await;
    let (first, second) = (client_tab(&stage, &client, "credentials").await, stage.tab().await);
    let page = format!("/settings/admin/oidc-clients/{}#credentials", client["id"].as_str().unwrap());
    stage.open(&second, &page).await;
    for (tab, issuer) in [(&first, "https://one.example"), (&second, "https://two.example")] {
        add_row(tab, "identities", &[]).await;
        tab.fill("#identities [name='issuer[]']", issuer).await.unwrap();
    }
    save_client(&first, "#federated-form").await;
    second.click("#federated-form button[type=submit]").await.unwrap();
    second.wait_for_text("Now stored: https://one.example = true").await.unwrap();
    second.click(role("button", "Use the stored value")).await.unwrap();
    add_row(&second, "identities", &[]).await;
    second.fill("#identities .list-row:last-child [name='issuer[]']", "https://two.example").await.unwrap();
    save_client(&second, "#federated-form").await;
    let identity = |issuer: &str| json!({ "issuer": issuer, "replayProtection": true });
    let both = json!([identity("https://one.example"), identity("https://two.example")]);
    assert_eq!(stored(&stage, &client).await["credentials"]["federatedIdentities"], both);

    for (tab, scope) in [(&first, "work"), (&second, "home")] {
        stage.open(tab, "/settings/admin/application-configuration#oidc").await;
        add_row(tab, "scope-rows", &[scope, "", "team, room"]).await;
    }
    save(&first, "#scopes-form", "Application configuration updated successfully").await;
    second.click("#scopes-form button[type=submit]").await.unwrap();
    second.wait_for_text("Now stored: work = [\"team\",\"room\"]").await.unwrap();
    second.click(role("button", "Use the stored value")).await.unwrap();
    assert_eq!(second.value("#scope-rows [name='claims[]']").await.unwrap(), "team, room");
}
