use std::collections::BTreeMap;

use pid_flows::Code;

use crate::api::application_configuration::{DryRunDto, PublicSettingDto, SettingDto};
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Application configuration", id, summary)
}

pub fn public() -> Operation {
    op("getPublicConfiguration", "Get the settings that everybody may know")
        .access(Access::Public)
        .answers::<Vec<PublicSettingDto>>(200)
}

pub fn get() -> Operation {
    op("getConfiguration", "Get all settings")
        .access(Access::Auditor)
        .about("Secrets show as ten `X`; sent back like that they stay.")
        .answers::<Vec<SettingDto>>(200)
        .versioned()
}

pub fn replace() -> Operation {
    op("replaceConfiguration", "Replace the settings")
        .about("Every value is a string. A key of the contract that is absent or empty returns to its default; keys of this server alone stay when they are absent.")
        .takes::<BTreeMap<String, String>>()
        .answers::<Vec<SettingDto>>(200)
        .guarded()
        .refuses(&[Code::UiConfigDisabled, Code::LastAdmin])
        .refuses(&[Code::Declared])
}

pub fn patch() -> Operation {
    op("updateConfiguration", "Change some settings")
        .about("`null` returns a key to its default.")
        .patches::<BTreeMap<String, String>>()
        .answers::<Vec<SettingDto>>(200)
        .guarded()
        .refuses(&[Code::UiConfigDisabled, Code::LastAdmin])
        .refuses(&[Code::Declared])
}

pub fn dry_run() -> Operation {
    op("tryPasskeyPolicy", "Try a policy for passkeys")
        .about("Tells who could not sign in any more with these settings, as far as is known from the last use of their passkeys. Nothing is saved.")
        .takes::<BTreeMap<String, String>>()
        .answers::<DryRunDto>(200)
}

pub fn test_email() -> Operation {
    op("sendTestEmail", "Send a mail to the caller's own address")
        .about("At once. A refusal says what the mail server said.")
        .nothing(204)
        .refuses(&[Code::UserEmailNotSet, Code::MailNotConfigured, Code::MailNotSent])
}
