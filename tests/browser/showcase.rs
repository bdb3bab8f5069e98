//! A house with people and apps in it as one meets them, photographed for README and gallery.

use pid_testkit::chromium::role;
use serde_json::{Value, json};

use crate::looks::Gallery;
use crate::stage::Stage;

/// Apps: name, what they are for, colour, and what is drawn on it, 24 units wide.
const APPS: [(&str, &str, &str, &str); 9] = [
    (
        "Nextcloud",
        "Files, calendars and contacts",
        "#1d6fb8",
        "<circle cx='7' cy='13' r='3.5'/><circle cx='12' cy='11' r='5'/><circle cx='17' cy='13' r='3.5'/>",
    ),
    (
        "Immich",
        "Photos of everybody's phones",
        "#5b4bb7",
        "<circle cx='12' cy='7' r='3'/><circle cx='7' cy='11' r='3'/><circle cx='17' cy='11' r='3'/><circle cx='9' cy='16.5' r='3'/><circle cx='15' cy='16.5' r='3'/>",
    ),
    ("Jellyfin", "Films and series", "#0f766e", "<path d='M8 5.5v13l11-6.5z'/>"),
    (
        "Paperless",
        "Every document of the house, scanned and found again by a word of it",
        "#3f7d35",
        "<path d='M7 4h7l4 4v12H7z'/>",
    ),
    (
        "Home Assistant",
        "Lights, heating and the garden gate",
        "#0b8bb5",
        "<path d='M12 4 3.5 11.5H6V20h4.5v-5h3v5H18v-8.5h2.5z'/>",
    ),
    (
        "Vaultwarden",
        "Passwords for what still has some",
        "#1e3a8a",
        "<path d='M7 11V8a5 5 0 0 1 10 0v3h1.5v9h-13v-9zm2.5 0h5V8a2.5 2.5 0 0 0-5 0z'/>",
    ),
    (
        "Mealie",
        "What is for dinner",
        "#c2410c",
        "<path d='M3.5 11h17a8.5 8.5 0 0 1-5 7.5V20h-7v-1.5A8.5 8.5 0 0 1 3.5 11zM8 9V4h1.5v5zm3.5 0V4H13v5zM15 9V4h1.5v5z'/>",
    ),
    ("Grafana", "How warm the cellar is", "#b45309", "<path d='M4 20v-7h3.5v7zm6.2 0V4h3.6v16zm6.3 0V9H20v11z'/>"),
    ("Matrix", "Family chat", "#111827", "<path d='M4 5h16v11h-8l-5 4v-4H4z'/>"),
];

const PEOPLE: [(&str, &str, &str); 7] = [
    ("grace", "Grace", "Hopper"),
    ("annie", "Annie", "Easley"),
    ("radia", "Radia", "Perlman"),
    ("alan", "Alan", "Kay"),
    ("mary", "Mary", "Jackson"),
    ("tim", "Tim", "Berners-Lee"),
    ("hedy", "Hedy", "Lamarr"),
];

fn logo(colour: &str, drawing: &str) -> Vec<u8> {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' width='96' height='96'>\
         <rect width='24' height='24' rx='6' fill='{colour}'/><g fill='#fff'>{drawing}</g></svg>"
    )
    .into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_with_people_in_it_looks_right() {
    let mut gallery = Gallery::default();
    let stage = Stage::empty().await;
    let admin = stage.app.admin().await;
    let script = stage.app.script();
    let ada = json!({ "firstName": "Ada", "lastName": "Lovelace", "displayName": "Ada Lovelace" });
    script.patch(&format!("/api/users/{}", admin.id()), &ada, None).await.expect(200);
    let mut members = vec![admin.id().to_owned()];
    for (username, first, last) in PEOPLE {
        let person = json!({ "username": username, "email": format!("{username}@example.com"), "firstName": first,
            "lastName": last, "displayName": format!("{first} {last}") });
        members.push(script.post("/api/users", &person).await.expect(201).id());
    }
    let mut groups = Vec::new();
    for (name, shown, of) in [("family", "Family", &members[..4]), ("book_club", "Book Club", &members[3..])] {
        let group =
            script.post("/api/user-groups", &json!({ "name": name, "friendlyName": shown })).await.expect(201).id();
        script.put(&format!("/api/user-groups/{group}/users"), &json!({ "userIds": of })).await.expect(200);
        groups.push(group);
    }
    let mut clients: Vec<Value> = Vec::new();
    for (name, description, colour, drawing) in APPS {
        let host = name.to_lowercase().replace(' ', "");
        let client = stage
            .client(json!({ "name": name, "description": description, "isGroupRestricted": name == "Nextcloud",
                "launchURL": format!("https://{host}.example.com") }))
            .await;
        let path = format!("/api/oidc/clients/{}/logo", client["id"].as_str().unwrap());
        script.upload(&path, "logo.svg", &logo(colour, drawing)).await.expect(204);
        clients.push(client);
    }
    let cloud = clients[0]["id"].as_str().unwrap();
    let allowed = json!({ "userGroupIds": groups[..1] });
    script.put(&format!("/api/oidc/clients/{cloud}/allowed-user-groups"), &allowed).await.expect(200);
    let out = json!({ "backchannelLogoutURL": "https://nextcloud.example.com/apps/user_oidc/backchannel-logout/1" });
    script.patch(&format!("/api/oidc/clients/{cloud}"), &out, None).await.expect(200);

    let tab = stage.tab().await;
    let _passkeys = tab.authenticator().await.unwrap();
    stage.open(&tab, "/login").await;
    gallery.look(&tab, "house-sign-in").await;
    stage.sign_in_as(&admin.agent).await;
    tab.goto(&stage.authorize(&clients[0], &[])).await.unwrap();
    tab.wait_for(role("button", "Sign in")).await.unwrap();
    gallery.look(&tab, "house-consent").await;
    stage.open(&tab, "/settings/apps").await;
    gallery.look(&tab, "house-apps").await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{cloud}")).await;
    gallery.look(&tab, "house-client").await;
    stage.open(&tab, &format!("/settings/admin/oidc-clients/{cloud}#user-groups")).await;
    gallery.look(&tab, "house-client-groups").await;
    stage.open(&tab, "/settings/admin/users").await;
    gallery.look(&tab, "house-users").await;
    gallery.finish();
}
