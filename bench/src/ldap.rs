//! A directory at scale: a real OpenLDAP server full of people, synchronised by the real server while somebody signs in
//! again and again.

use std::path::Path;
use std::time::{Duration, Instant};

use pid_testkit::slapd::{BASE, MANAGER, PASSWORD, Slapd, dn, group, person};
use serde_json::json;

use crate::actor::Actor;
use crate::operation::{Alg, Operation};
use crate::options::Options;
use crate::server::{Home, Server};
use crate::world::{self, Script};
use crate::{Result, usage};

const PATH: &str = "/api/application-configuration";
/// So many people are in a group.
const IN_GROUP: usize = 100;

/// What a synchronisation cost.
struct Measured {
    what: &'static str,
    took: Duration,
    memory: f64,
    cpu_ms: f64,
    sign_ins: Vec<f64>,
}

/// Fills a directory, synchronises it three times, prints what that cost.
pub async fn run(binary: &Path, options: &Options, people: usize) -> Result<()> {
    println!("Filling a directory with {people} people …");
    let uid = |n: usize| format!("person{n:06}");
    let mut entries: String = (0..people).map(|n| person(&uid(n), &[])).collect();
    for at in (0..people).step_by(IN_GROUP) {
        let members: Vec<String> = (at..(at + IN_GROUP).min(people)).map(|n| dn(&uid(n))).collect();
        entries += &group(&format!("group{at:06}"), &members.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let directory = Slapd::start(&entries)?;
    drop(entries);
    let home = Home::new(options)?;
    let server = Server::start(binary, &home)?;
    let mut actors = world::set_up(&server).await?;
    let mut actor = actors.swap_remove(0);
    let mut script = Script::new(&server).await?;
    let settings = json!({
        "ldapEnabled": "true", "ldapUrl": directory.url(), "ldapBase": BASE, "ldapBindDn": MANAGER,
        "ldapBindPassword": PASSWORD, "ldapUserSearchFilter": "(objectClass=inetOrgPerson)",
        "ldapAttributeUserUniqueIdentifier": "entryUUID", "ldapAttributeUserUsername": "uid",
        "ldapAttributeUserEmail": "mail", "ldapAttributeUserFirstName": "givenName", "ldapAttributeUserLastName": "sn",
        "ldapAttributeGroupUniqueIdentifier": "entryUUID", "ldapAttributeGroupName": "cn",
    });
    script.patch(PATH, &settings).await?;
    let mut all = Vec::new();
    for what in ["everybody is new", "nothing has changed", "a tenth has changed"] {
        if what == "a tenth has changed" {
            let change = |n| format!("dn: {}\nchangetype: modify\nreplace: sn\nsn: Other\n\n", dn(&uid(n)));
            directory.modify(&(0..people).step_by(10).map(change).collect::<String>())?;
        }
        println!("Synchronising: {what} …");
        all.push(synchronise(what, &server, &mut script, &mut actor).await?);
    }
    let run = script.get(&format!("{PATH}/ldap/runs")).await?[0].clone();
    println!("\nthe last run: {}\n", run["counts"]);
    println!(
        "{:<22} {:>8} {:>12} {:>10} {:>8} {:>22}",
        "", "s", "people/s", "RSS, MiB", "CPU, s", "sign-in, ms p50/p99"
    );
    for m in &mut all {
        let (p50, p99) = percentiles(&mut m.sign_ins);
        let secs = m.took.as_secs_f64();
        println!(
            "{:<22} {secs:>8.1} {:>12.0} {:>10.0} {:>8.1} {:>22}",
            m.what,
            people as f64 / secs,
            m.memory,
            m.cpu_ms / 1000.0,
            format!("{p50:.0}/{p99:.0} ({})", m.sign_ins.len())
        );
    }
    Ok(())
}

/// Synchronises, and meanwhile signs in and watches the memory.
async fn synchronise(what: &'static str, server: &Server, script: &mut Script, actor: &mut Actor) -> Result<Measured> {
    // The sign-in that was under way when the last synchronisation ended was dropped, and its connection with it.
    actor.reconnect().await?;
    let (began, cpu) = (Instant::now(), usage::cpu_ms(server.id())?);
    let mut measured = Measured { what, took: Duration::ZERO, memory: 0.0, cpu_ms: 0.0, sign_ins: Vec::new() };
    let path = format!("{PATH}/sync-ldap");
    let asked = script.ask(&path);
    let mut asked = std::pin::pin!(asked);
    loop {
        let meanwhile = async {
            let began = Instant::now();
            actor.act(Operation::Passkey(Alg::ES256)).await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(began.elapsed().as_secs_f64() * 1000.0)
        };
        tokio::select! {
            done = &mut asked => {
                done?;
                break;
            }
            took = meanwhile => measured.sign_ins.push(took?),
        }
        measured.memory = measured.memory.max(usage::memory(server.id())?.rss);
    }
    measured.took = began.elapsed();
    measured.cpu_ms = usage::cpu_ms(server.id())? - cpu;
    Ok(measured)
}

fn percentiles(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 100).or(times.last()).copied().unwrap_or_default();
    (at(50), at(99))
}
