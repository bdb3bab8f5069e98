//! The addresses that only lead on: `/` and `/settings`.

use super::{PageError, PageRequest, redirect};
use crate::state::App;
use axum::extract::State;
use axum::response::Response;
use pid_core::settings::Settings;
use pid_oidc::return_path;

/// The page of one's own account: where people land unless the configuration says otherwise.
pub const ACCOUNT: &str = "/settings/account";

/// Where signed-in people land: the configured path, if it is one of ours that leads further (ui.md §1.1).
fn home_page(settings: &Settings) -> String {
    let configured = return_path::check(settings.home_page()).unwrap_or(ACCOUNT);
    let path = configured.split(['?', '#']).next().unwrap_or_default();
    if matches!(path, "/" | "/settings") { ACCOUNT.to_owned() } else { configured.to_owned() }
}

/// `GET /`: to the settings; while nobody is set up to the set-up; else to the sign-in page and back.
pub async fn root(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    if request.session.is_none() && app.setup_is_open().await.map_err(|e| request.refuse(&e))? {
        return Ok(redirect("/setup"));
    }
    request.signed_in()?;
    Ok(redirect("/settings"))
}

/// `GET /settings`: to the home page.
pub async fn settings(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    request.signed_in()?;
    Ok(redirect(&home_page(&app.settings())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_page_is_a_path_of_ours_that_leads_further() {
        let home = |path: &str| home_page(&Settings::new([("homePageUrl".to_owned(), path.to_owned())]));
        assert_eq!(home_page(&Settings::default()), ACCOUNT);
        assert_eq!(home("/settings/admin/users"), "/settings/admin/users");
        assert_eq!(home("/settings/apps"), "/settings/apps");
        assert_eq!(home("/settings/account?x=1#passkeys"), "/settings/account?x=1#passkeys");
        for circle in ["/", "/settings", "/settings?a=b", "https://evil.example/", "//evil.example", "x"] {
            assert_eq!(home(circle), ACCOUNT, "{circle}");
        }
    }
}
