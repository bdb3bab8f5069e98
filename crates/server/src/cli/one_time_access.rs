//! `pocket-id one-time-access-token`: recovery for somebody who has lost their passkey.

use pid_flows::{Code, login_codes};

use super::{ctx, open};
use crate::config::Config;

/// Makes a code and gives the two lines to print (ops.md §2).
///
/// # Errors
/// A sentence that says what went wrong.
pub async fn run(config: &Config, username_or_email: &str) -> Result<String, String> {
    let (db, ctx) = (open(config).await?, ctx());
    let whom = username_or_email.to_owned();
    let made = db.write(move |tx| login_codes::create_by_cli(tx, &ctx, &whom)).await;
    db.close().await;
    match made {
        Ok(code) => Ok(format!(
            "A one-time access token valid for 1 hour has been created for \"{username_or_email}\".\n\
             Use the following URL to sign in once: {}/lc/{}",
            config.app_url.origin,
            code.expose()
        )),
        Err(e) if e.code == Code::UserNotFound => {
            Err(format!("user not found: nobody has the username or e-mail address \"{username_or_email}\"."))
        }
        Err(e) => Err(format!("{}.", e.message)),
    }
}
