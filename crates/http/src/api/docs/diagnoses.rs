use pid_flows::Code;

use crate::api::diagnoses::DiagnosisDto;
use crate::openapi::{Access, Operation};

fn op(id: &'static str, summary: &'static str) -> Operation {
    Operation::new("Diagnosis", id, summary)
}

pub fn of_client() -> Operation {
    op("listClientDiagnoses", "List why sign-ins to a client failed")
        .path("id", "The client's id.")
        .access(Access::Auditor)
        .about(
            "The latest 50 faults, each once with how often it was seen; then what is observed of the latest sign-ins that went well. \
             Sentences are in the language of `Accept-Language`. Secrets and tokens are never among what is quoted.",
        )
        .answers::<Vec<DiagnosisDto>>(200)
        .refuses(&[Code::NotFound])
}

pub fn clear() -> Operation {
    op("clearClientDiagnoses", "Forget why sign-ins to a client failed")
        .path("id", "The client's id.")
        .nothing(204)
        .refuses(&[Code::NotFound])
}

pub fn all() -> Operation {
    op("listDiagnoses", "List why sign-ins failed")
        .query("id", "Only the fault with this id, as the person was shown it.", &[])
        .access(Access::Auditor)
        .about("The latest 200 faults of all clients, and of client ids that no client has.")
        .answers::<Vec<DiagnosisDto>>(200)
}
