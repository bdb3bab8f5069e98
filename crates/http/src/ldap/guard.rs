//! What would go, and whether it may without anybody being asked.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pid_core::ldap::Directory;
use pid_core::secret::sha256;
use pid_flows::ldap::Plan;
use pid_flows::ldap::runs::Removal;

use super::write::Differences;

/// Memberships may go unasked up to this number, whatever their share.
const FEW_MEMBERS: usize = 10;

/// What would go: how many, and a digest of who and what, and by which settings. `with_groups`: memberships that end with
/// groups that are gone.
pub(super) fn removal(directory: &Directory, plan: &Plan, differences: &Differences, with_groups: usize) -> Removal {
    let members = differences.iter().map(|(_, difference)| difference.go.len()).sum::<usize>();
    let mut text = STANDARD.encode(directory.print());
    let mut part = |kind: &str, ids: &mut dyn Iterator<Item = &str>| {
        text.push_str(kind);
        // Identifiers have no control characters.
        ids.for_each(|id| text.extend(["\0", id]));
    };
    part("\nusers", &mut plan.gone.iter().map(String::as_str));
    part("\ngroups", &mut plan.gone_groups.iter().map(String::as_str));
    part("\nadmins", &mut plan.admins.lost.iter().map(String::as_str));
    let mut leaving: Vec<(&str, Vec<&str>)> = differences
        .iter()
        .filter(|(_, difference)| !difference.go.is_empty())
        .map(|(at, difference)| {
            (plan.groups[*at].ldap_id.as_str(), difference.go.iter().map(|id| id.as_str()).collect())
        })
        .collect();
    leaving.sort_unstable();
    for (group, mut people) in leaving {
        people.sort_unstable();
        part("\nof\0", &mut std::iter::once(group).chain(people));
    }
    Removal {
        users: plan.gone.len(),
        groups: plan.gone_groups.len(),
        members: with_groups + members,
        admins: plan.admins.lost.len(),
        digest: STANDARD.encode(sha256(text.as_bytes())),
    }
}

/// Whether all that may go unasked. Of the directory's administrators one may always cease to be one, but not the last.
pub(super) fn lets_go(
    directory: &Directory,
    plan: &Plan,
    differences: &Differences,
    removal: &Removal,
    with_groups: usize,
) -> bool {
    let of_members = with_groups + differences.iter().map(|(_, difference)| difference.before).sum::<usize>();
    let admins = &plan.admins;
    let is_few = removal.admins <= 1 && (removal.admins == 0 || admins.after > 0);
    directory.lets_go(removal.users, plan.of.0)
        && directory.lets_go(removal.groups, plan.of.1)
        && (removal.members <= FEW_MEMBERS || directory.lets_go(removal.members, of_members))
        && (is_few || directory.lets_go(removal.admins, admins.before))
}
