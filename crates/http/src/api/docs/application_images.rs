use pid_flows::Code;

use super::PICTURES;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Application images", id, summary)
}

macro_rules! images {
    ($($name:ident $id:literal $what:literal $access:ident;)*) => {$(
        pub mod $name {
            use super::*;

            pub fn get() -> Operation {
                shaped(op(concat!("get", $id), concat!("Get ", $what)), $id)
                    .access(Access::$access)
                    .file(PICTURES).cached()
                    .refuses(&[Code::ImageNotFound])
            }

            pub fn set() -> Operation {
                shaped(op(concat!("set", $id), concat!("Upload ", $what)), $id).uploads().nothing(204)
            }

            pub fn delete() -> Operation {
                shaped(op(concat!("delete", $id), concat!("Delete ", $what)), $id)
                    .nothing(204)
                    .conditional()
                    .refuses(&[Code::ImageNotFound])
            }
        }
    )*};
}

images! {
    logo "Logo" "the logo" Public;
    email "EmailLogo" "the logo of mails" Public;
    favicon "Favicon" "the favicon" Public;
    background "Background" "the background of sign-in pages" Public;
    default_profile_picture "DefaultProfilePicture" "the picture of people who have none" Auditor;
}

/// The logo comes in two forms.
fn shaped(operation: Operation, id: &str) -> Operation {
    if id == "Logo" {
        operation.query(
            "light",
            "Whether the logo for light backgrounds is meant; else that for dark ones.",
            &["true", "false"],
        )
    } else {
        operation
    }
}
