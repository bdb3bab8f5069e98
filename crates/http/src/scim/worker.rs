//! One step of a run: the requests that create, replace or remove one resource.

use pid_core::scim::plan::{Known, Meant, State as At, Step, name_there};
use pid_core::scim::{Kind, Remote, Team, Wanted};
use pid_flows::scim::run::Memory;
use pid_integrations::scim::{Failure, Target, Written};

/// What came of a step.
pub(super) struct Done {
    /// What is remembered of it.
    pub(super) memory: Memory,
    pub(super) what: What,
}

/// What was done.
pub(super) enum What {
    Created,
    Updated,
    Deactivated,
    Deleted,
    /// It is as it should be.
    Unchanged,
    /// It was to be replaced, but is there no more: it has to be created.
    Gone,
    /// Nothing had to be done after all.
    Nothing,
    Failed(Failure),
}

/// Takes steps at a target.
pub(super) struct Worker {
    pub(super) target: Target,
    pub(super) kind: Kind,
    /// Whether people who leave are deactivated and never deleted.
    pub(super) deactivates: bool,
}

/// What is remembered of something that was just written.
fn written(known: &Known, wanted: &Wanted, remote_id: &str, remote: Option<&Remote>) -> Memory {
    Memory::Put(Known {
        remote_id: Some(remote_id.to_owned()),
        state: At::There,
        name: name_there(wanted, remote),
        digest: Some(wanted.digest()),
        stamp: remote.and_then(|remote| remote.stamp.clone()),
        failure: None,
        status: None,
        ..known.clone()
    })
}

fn failed(known: Known, failure: Failure) -> Done {
    let (kind, status) = (failure.kind().to_owned(), failure.status());
    Done { memory: Memory::Put(Known { failure: Some(kind), status, ..known }), what: What::Failed(failure) }
}

/// What stands under a remembered id, if it is what we wrote.
fn ours(known: &Known, there: Option<Remote>) -> Result<Option<Remote>, Failure> {
    match there.as_ref().map(|there| known.meant(there)) {
        Some(Meant::It) => Ok(there),
        Some(Meant::Unclear) => Err(Failure::NotRecognised),
        Some(Meant::Another) | None => Ok(None),
    }
}

/// What was there before is to be created anew, once that is remembered.
fn gone(wanted: &Wanted) -> Done {
    Done { memory: Memory::Put(Known::new(wanted)), what: What::Gone }
}

impl Worker {
    /// Takes a step.
    pub(super) async fn take(&self, step: &Step, wanted: Option<&Wanted>) -> Done {
        match (step, wanted) {
            (Step::Create { doubtful, .. }, Some(wanted)) => self.create(wanted, *doubtful).await,
            (Step::Replace { known, seen, .. }, Some(wanted)) => {
                let before = known.clone();
                let replaced = self.replace(wanted, known, seen.as_ref()).await;
                replaced.unwrap_or_else(|failure| {
                    let digest = Some(wanted.digest());
                    failed(Known { digest, ..before }, failure)
                })
            }
            (Step::Remove(known), _) => {
                self.remove(known).await.unwrap_or_else(|failure| failed(known.clone(), failure))
            }
            (Step::Remember(known), _) => Done { memory: Memory::Put(known.clone()), what: What::Nothing },
            (Step::Forget(id), _) => Done { memory: Memory::Forget(id.clone()), what: What::Nothing },
            // A place in the list that there isn't.
            (Step::Create { .. } | Step::Replace { .. }, None) => {
                Done { memory: Memory::Forget(String::new()), what: What::Nothing }
            }
        }
    }

    /// Creates it. `doubtful`: perhaps it was before, so that "it is there already" may speak of our own.
    async fn create(&self, wanted: &Wanted, doubtful: bool) -> Done {
        let known = Known::new(wanted);
        match self.target.create(self.kind, wanted.body()).await {
            Ok(remote) => Done { memory: written(&known, wanted, &remote.id, Some(&remote)), what: What::Created },
            Err(failure) => {
                // Refused for good at the first attempt, it was surely not created; else nobody knows.
                let is_refusal = |status: u16| (400..500).contains(&status) && !matches!(status, 408 | 425);
                let refused = matches!(&failure, Failure::Status { status, .. } if is_refusal(*status));
                let state = if refused && !doubtful { At::Refused } else { At::Pending };
                failed(Known { state, digest: Some(wanted.digest()), ..known }, failure)
            }
        }
    }

    async fn replace(&self, wanted: &Wanted, known: &Known, seen: Option<&Remote>) -> Result<Done, Failure> {
        let Some(id) = &known.remote_id else { return Ok(gone(wanted)) };
        let mut etag = seen.and_then(|seen| seen.etag.clone());
        let mut must_look = seen.is_none();
        for _ in 0..2 {
            if must_look {
                // An id may have been given out anew since it was last compared.
                let there = self.target.get(self.kind, id).await?;
                let Some(there) = ours(known, there)? else { return Ok(gone(wanted)) };
                if there.digest == wanted.digest() {
                    return Ok(Done { memory: written(known, wanted, id, Some(&there)), what: What::Unchanged });
                }
                etag = there.etag;
            }
            match self.target.replace(self.kind, id, wanted.body(), etag.as_deref()).await? {
                Written::Done(remote) => {
                    return Ok(Done { memory: written(known, wanted, id, remote.as_ref()), what: What::Updated });
                }
                Written::Gone => return Ok(gone(wanted)),
                Written::Stale => must_look = true,
            }
        }
        Err(Failure::Status { status: 412, scim_type: None })
    }

    /// Deletes what we created, unless nothing is to be deleted there; what was there before, and people where nobody
    /// is to be deleted, are deactivated. A group is emptied.
    async fn remove(&self, known: &Known) -> Result<Done, Failure> {
        let forget = || Done { memory: Memory::Forget(known.id.clone()), what: What::Nothing };
        let Some(id) = &known.remote_id else { return Ok(forget()) };
        let deletes = known.created && (self.kind == Kind::Group || !self.deactivates);
        for _ in 0..2 {
            let (there, whole) = match self.kind {
                Kind::User if !deletes => self.target.get_whole(id).await?.unzip(),
                kind => (self.target.get(kind, id).await?, None),
            };
            let Some(there) = ours(known, there)? else { return Ok(forget()) };
            let (written, what) = if deletes {
                (self.target.delete(self.kind, id, there.etag.as_deref()).await?, What::Deleted)
            } else if there.is_on {
                let body = match whole {
                    Some(mut whole) => {
                        whole.insert("active".to_owned(), false.into());
                        serde_json::to_vec(&whole).map_err(|_| Failure::Junk)?
                    }
                    None => {
                        let empty = Team { id: known.id.clone(), display_name: there.name, members: Vec::new() };
                        Wanted::Team(empty).body()
                    }
                };
                (self.target.replace(self.kind, id, body, there.etag.as_deref()).await?, What::Deactivated)
            } else {
                (Written::Done(None), What::Nothing)
            };
            match written {
                Written::Stale => {}
                Written::Gone => return Ok(forget()),
                Written::Done(_) if deletes => {
                    return Ok(Done { memory: Memory::Forget(known.id.clone()), what });
                }
                Written::Done(_) => {
                    let off = Known {
                        state: At::Off,
                        digest: None,
                        stamp: None,
                        failure: None,
                        status: None,
                        ..known.clone()
                    };
                    return Ok(Done { memory: Memory::Put(off), what });
                }
            }
        }
        Err(Failure::Status { status: 412, scim_type: None })
    }
}
