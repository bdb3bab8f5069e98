//! Lists at scale: a store filled directly, read through the real server.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use serde::Serialize;
use serde_json::Value;

use crate::options::Options;
use crate::server::{Home, Server};
use crate::usage;
use crate::world::Script;
use crate::{Result, options};

const PEOPLE: usize = 100_000;
const GROUPS: usize = 1000;
const CLIENTS: usize = 1000;
const ENTRIES: usize = 1_000_000;
/// Groups of a person, and clients that they use.
const EACH: usize = 3;
/// The most that a page may take.
const GOAL_MS: f64 = 20.0;
/// How often each page is read; the median counts.
const TIMES: usize = 5;
/// Marks a page far from both ends.
const MIDDLE: &str = ": middle";
const DAY_MS: i64 = 24 * 3600 * 1000;

/// A page of a list that was read.
#[derive(Debug, Serialize)]
struct Reading {
    list: &'static str,
    what: String,
    path: String,
    median_ms: f64,
    slowest_ms: f64,
    cpu_ms: f64,
}

/// What was read of all lists.
#[derive(Debug, Default, Serialize)]
struct Readings(Vec<Reading>);

/// Fills a store, reads every list, prints the slowest of each.
pub async fn run(binary: &Path, options: &Options) -> Result<()> {
    if options.engine != options::Engine::Sqlite {
        return Err("--lists fills a SQLite store".into());
    }
    let home = Home::new(options)?;
    let data = home.dir().join("data");
    Server::start(binary, &home)?.stop();
    let store = data.join("pocket-id.db");
    match options.filled.as_deref().filter(|kept| kept.exists()) {
        Some(kept) => {
            println!("Taking the store from {} …", kept.display());
            std::fs::remove_dir_all(&data)?;
            copy_dir(kept, &data)?;
        }
        None => {
            println!("Filling the store …");
            let began = Instant::now();
            fill(&store)?;
            wait_until_counted(binary, &home, &store).await?;
            println!("… in {} s: {} MB", began.elapsed().as_secs(), std::fs::metadata(&store)?.len() / 1_000_000);
            if let Some(kept) = &options.filled {
                copy_dir(&data, kept)?;
            }
        }
    }
    let server = Server::start(binary, &home)?;
    let readings = Reader { script: Script::new(&server).await?, server: &server, readings: Readings::default() };
    let readings = readings.all().await?;
    println!("{readings}");
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&readings)?)?;
    }
    Ok(())
}

/// Lets a server count the entries, as it does by itself some seconds after its start.
async fn wait_until_counted(binary: &Path, home: &Home, store: &Path) -> Result<()> {
    let server = Server::start(binary, home)?;
    let db = Connection::open(store)?;
    let began = Instant::now();
    loop {
        let left = "SELECT count(*) FROM audit_logs WHERE created_at >= (SELECT counted_until FROM audit_counted)";
        let left: i64 = db.query_row(left, [], |row| row.get(0))?;
        if left < 2000 {
            println!("The entries were counted in {} s.", began.elapsed().as_secs());
            server.stop();
            return Ok(());
        }
        if began.elapsed() > Duration::from_secs(600) {
            return Err(format!("{left} entries are not counted after ten minutes").into());
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            _ = std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Ids in no order, so that indexes of them are as they are in life.
fn id(kind: u64, n: usize) -> String {
    let mut x = (kind << 56) ^ (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let y = x ^ (x >> 31);
    format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", y >> 32, y >> 16 & 0xffff, y & 0xfff, kind, n)
}

fn fill(path: &Path) -> Result<()> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "synchronous", "OFF")?;
    db.pragma_update(None, "cache_size", -400_000)?;
    // The server has just made the account of its static key.
    let now: i64 = db.query_row("SELECT max(created_at) FROM users", [], |row| row.get(0))?;
    let tx = db.transaction()?;
    people(&tx, now)?;
    clients(&tx, now)?;
    entries(&tx, now)?;
    tx.commit()?;
    db.pragma_update(None, "wal_checkpoint", "TRUNCATE")
        .or_else(|_| db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"))?;
    Ok(())
}

fn names(n: usize) -> [String; 4] {
    let (first, last) = (format!("Given{}", n * 7919 % 2000), format!("Family{}", n * 104_729 % 20_000));
    [format!("person{n}"), format!("person{n}@example.com"), first, last]
}

fn people(tx: &Connection, now: i64) -> Result<()> {
    let mut group = tx.prepare(
        "INSERT INTO user_groups (id, name, friendly_name, created_at, updated_at, version, member_count) VALUES (?1, ?2, ?3, ?4, ?4, 1, ?5)",
    )?;
    for n in 0..GROUPS {
        let members = i64::try_from(PEOPLE * EACH / GROUPS)?;
        group.execute(params![
            id(2, n),
            format!("group{n}"),
            format!("Group {}", n * 7919 % GROUPS),
            now - DAY_MS + n as i64,
            members
        ])?;
    }
    let mut user = tx.prepare(
        "INSERT INTO users (id, username, username_key, email, email_key, email_verified, first_name, last_name, display_name, is_admin, \
         disabled, created_at, updated_at, version, search_key) VALUES (?1, ?2, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, 1, ?11)",
    )?;
    let mut member = tx.prepare("INSERT INTO user_group_members (user_id, group_id) VALUES (?1, ?2)")?;
    for n in 0..PEOPLE {
        let [name, email, first, last] = names(n);
        let display = format!("{first} {last}");
        // As the server makes it: the other names are part of these.
        let key = format!("{display}\n{email}").to_lowercase();
        let made = now - 300 * DAY_MS + n as i64 * 250_000;
        user.execute(params![
            id(1, n),
            name,
            email,
            n % 10 != 0,
            first,
            last,
            display,
            n % 10_000 == 1,
            n % 50 == 2,
            made,
            key
        ])?;
        for at in 0..EACH {
            member.execute(params![id(1, n), id(2, (n + at * 331) % GROUPS)])?;
        }
    }
    Ok(())
}

fn clients(tx: &Connection, now: i64) -> Result<()> {
    let mut client = tx.prepare(
        "INSERT INTO clients (id, name, description, callback_urls, logout_callback_urls, launch_url, is_public, pkce_enabled, pkce_supported, \
         requires_reauthentication, requires_pushed_authorization_requests, skip_consent, is_group_restricted, client_type, access_token_minutes, \
         refresh_token_minutes, federated_identities, has_logo, has_dark_logo, created_at, updated_at, version) \
         VALUES (?1, ?2, 'Made by the bench', '[\"https://app.example/callback\"]', '[]', ?3, ?4, ?5, ?5, ?6, ?6, ?7, ?8, 'standard', 60, 43200, '[]', 0, 0, ?9, ?9, 1)",
    )?;
    let mut allowed = tx.prepare("INSERT INTO client_groups (client_id, group_id) VALUES (?1, ?2)")?;
    let mut api = tx.prepare(
        "INSERT INTO apis (id, name, resource, allow_cimd_clients, created_at, updated_at, version) VALUES (?1, ?2, ?3, 0, ?4, ?4, 1)",
    )?;
    let mut granted = tx.prepare("INSERT INTO api_grants (client_id, api_id, subject) VALUES (?1, ?2, 'user')")?;
    let mut consent = tx.prepare(
        "INSERT INTO consents (user_id, client_id, keys, created_at, last_used_at) VALUES (?1, ?2, '[\"openid\"]', ?3, ?3)",
    )?;
    for n in 0..CLIENTS {
        let made = now - 200 * DAY_MS + n as i64;
        let launch = (n % 3 == 0).then(|| format!("https://app{n}.example/"));
        let name = format!("App {}", n * 7919 % CLIENTS);
        let restricted = n % 4 == 0;
        client.execute(params![
            id(3, n),
            name,
            launch,
            n % 20 == 0,
            n % 2 == 0,
            n % 30 == 0,
            n % 5 == 0,
            restricted,
            made
        ])?;
        if restricted {
            for at in 0..EACH {
                allowed.execute(params![id(3, n), id(2, (n * 7 + at * 13) % GROUPS)])?;
            }
        }
        api.execute(params![id(4, n), format!("API {n}"), format!("https://api{n}.example"), made])?;
    }
    for n in 0..CLIENTS / 2 {
        granted.execute(params![id(3, n), id(4, 0)])?;
        granted.execute(params![id(3, 0), id(4, n + 1)])?;
    }
    for n in 0..PEOPLE {
        for at in 0..EACH {
            consent.execute(params![id(1, n), id(3, (n + at * 331) % CLIENTS), now - DAY_MS + n as i64])?;
        }
    }
    // One person has used everything.
    for n in (0..CLIENTS).filter(|n| (0..EACH).all(|at| at * 331 % CLIENTS != *n)) {
        consent.execute(params![id(1, 0), id(3, n), now - n as i64])?;
    }
    Ok(())
}

/// Three months of sign-ins from a thousand a day to a few thousand, with what else happens.
fn entries(tx: &Connection, now: i64) -> Result<()> {
    let mut entry = tx.prepare(
        "INSERT INTO audit_logs (id, created_at, event, user_id, username, client_name, ip_address, user_agent, country, city, data, \
         search_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let step = 80 * DAY_MS / ENTRIES as i64;
    for n in 0..ENTRIES {
        let person = n.wrapping_mul(7919) % PEOPLE;
        let (event, at_client) = match n % 20 {
            0..=7 => ("SIGN_IN", false),
            8..=17 => ("CLIENT_AUTHORIZATION", true),
            18 => ("NEW_CLIENT_AUTHORIZATION", true),
            _ if n % 1000 == 19 => ("USER_CREATED", false),
            _ => ("SIGN_OUT", false),
        };
        let client = at_client.then(|| format!("App {}", n.wrapping_mul(31) % CLIENTS));
        let data = client.as_ref().map_or("{}".to_owned(), |name| format!("{{\"clientName\":\"{name}\"}}"));
        let [a, b] = [person / 250, person % 250];
        let (address, country, city) = match n % 5 {
            0..=1 => (format!("10.{}.{}.{b}", a / 250, a % 250), "Internal Network", "LAN"),
            2 => (format!("100.64.{}.{b}", a % 250), "Internal Network", "Tailscale"),
            _ => (format!("203.{}.{}.{b}", a / 250, a % 250), "", ""),
        };
        let agent = format!(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
            80 + person % 60
        );
        let made = now - 80 * DAY_MS + n as i64 * step;
        let name = format!("person{person}");
        let searched =
            format!("{name}\n\n{}\n{address}\n{event}", client.as_deref().unwrap_or_default()).to_lowercase();
        entry.execute(params![
            id(5, n),
            made,
            event,
            id(1, person),
            name,
            client,
            address,
            agent,
            country,
            city,
            data,
            searched
        ])?;
    }
    Ok(())
}

struct Reader<'a> {
    script: Script,
    server: &'a Server,
    readings: Readings,
}

/// What a list can be asked for, beside its pages.
struct Asks {
    list: &'static str,
    path: String,
    sort: &'static [&'static str],
    search: &'static [(&'static str, &'static str)],
    filters: &'static [&'static str],
}

const CLIENT_SORT: &[&str] = &[
    "createdAt",
    "name",
    "pkceEnabled",
    "requiresReauthentication",
    "requiresPushedAuthorizationRequests",
    "skipConsent",
    "isGroupRestricted",
    "pkceSupported",
    "clientType",
];
const CLIENT_FILTERS: &[&str] = &[
    "filters[pkceEnabled]=true",
    "filters[requiresReauthentication]=true",
    "filters[requiresPushedAuthorizationRequests]=false",
    "filters[skipConsent]=true",
    "filters[isGroupRestricted]=true",
    "filters[pkceSupported]=false",
    "filters[clientType]=standard",
];
const APPS: &[(&str, &str)] = &[("none", "zzzz"), ("few", "App 77"), ("many", "app")];

fn asks() -> Vec<Asks> {
    let (one, heavy) = (id(1, 5), id(1, 0));
    let client_sort_and = |extra: &[&'static str]| -> &'static [&'static str] { [CLIENT_SORT, extra].concat().leak() };
    let client_filters_and =
        |extra: &[&'static str]| -> &'static [&'static str] { [CLIENT_FILTERS, extra].concat().leak() };
    let person: &'static str = format!("filters[userID]={one}").leak();
    let plain = |list, path: &str, sort, search, filters| Asks { list, path: path.to_owned(), sort, search, filters };
    vec![
        plain(
            "users",
            "/api/users",
            &[
                "createdAt",
                "username",
                "email",
                "emailVerified",
                "firstName",
                "lastName",
                "displayName",
                "isAdmin",
                "disabled",
            ],
            &[
                ("none", "zzzz"),
                ("few", "person7777"),
                ("some", "family77"),
                ("many", "person"),
                ("two letters", "er"),
                ("one letter", "7"),
            ],
            &[
                "filters[emailVerified]=true",
                "filters[emailVerified]=false",
                "filters[isAdmin]=true",
                "filters[isAdmin]=false",
                "filters[disabled]=true",
                "filters[disabled]=false",
                "filters[disabled]=false&filters[emailVerified]=true",
                "filters[disabled]=false&sort[column]=username&sort[direction]=asc",
                "filters[isAdmin]=true&sort[column]=lastName&sort[direction]=desc",
                "filters[emailVerified]=true&search=person",
                "filters[emailVerified]=false&search=family77",
                "search=person&sort[column]=lastName&sort[direction]=asc",
            ],
        ),
        plain(
            "user groups",
            "/api/user-groups",
            &["createdAt", "friendlyName", "name", "userCount"],
            &[("none", "zzzz"), ("few", "group77"), ("many", "group")],
            &[],
        ),
        plain("clients", "/api/oidc/clients", client_sort_and(&["allowedUserGroupsCount"]), APPS, CLIENT_FILTERS),
        plain(
            "my clients",
            "/api/oidc/users/me/clients",
            client_sort_and(&["lastUsedAt"]),
            APPS,
            client_filters_and(&["filters[hasLaunchURL]=true"]),
        ),
        Asks {
            list: "authorized clients",
            path: format!("/api/oidc/users/{heavy}/authorized-clients"),
            sort: &["lastUsedAt"],
            search: &[],
            filters: &["filters[hasLaunchURL]=true", "filters[hasLaunchURL]=false"],
        },
        plain(
            "APIs",
            "/api/apis",
            &["createdAt", "name", "resource"],
            &[("none", "zzzz"), ("few", "api77"), ("many", "api")],
            &[],
        ),
        Asks {
            list: "an API's clients",
            path: format!("/api/apis/{}/clients", id(4, 0)),
            sort: CLIENT_SORT,
            search: APPS,
            filters: CLIENT_FILTERS,
        },
        Asks {
            list: "assignable clients",
            path: format!("/api/apis/{}/assignable-clients", id(4, 0)),
            sort: CLIENT_SORT,
            search: APPS,
            filters: CLIENT_FILTERS,
        },
        Asks {
            list: "assignable APIs",
            path: format!("/api/api-access/{}/assignable-apis", id(3, 0)),
            sort: &["createdAt", "name", "resource"],
            search: &[("none", "zzzz"), ("few", "api77"), ("many", "api")],
            filters: &[],
        },
        plain("API keys", "/api/api-keys", &["createdAt", "name", "expiresAt", "lastUsedAt"], &[], &[]),
        plain("my audit log", "/api/audit-logs", AUDIT_SORT, &[], &["filters[event]=SIGN_IN"]),
        plain(
            "audit log",
            "/api/audit-logs/all",
            AUDIT_SORT,
            &[("none", "zzzz"), ("few", "app 77"), ("many", "sign_in"), ("all", "person")],
            [
                person,
                "filters[event]=SIGN_IN",
                "filters[event]=USER_CREATED",
                "filters[event]=USER_DELETED",
                "filters[event][]=SIGN_IN&filters[event][]=SIGN_OUT",
                "filters[clientName]=App 77",
                "filters[location]=internal",
                "filters[location]=external",
                "filters[event]=SIGN_IN&filters[location]=external",
                "filters[event]=CLIENT_AUTHORIZATION&filters[clientName]=App 77",
                "filters[event]=USER_CREATED&filters[location]=internal",
                "filters[location]=internal&sort[column]=ipAddress&sort[direction]=asc",
                "filters[event]=SIGN_OUT&search=app",
                "filters[event]=USER_CREATED&filters[location]=external&search=person",
                "search=person&sort[column]=userAgent&sort[direction]=asc",
            ]
            .to_vec()
            .leak(),
        ),
    ]
}

const AUDIT_SORT: &[&str] = &["createdAt", "event", "ipAddress", "country", "city", "userAgent"];

impl Reader<'_> {
    async fn all(mut self) -> Result<Readings> {
        for asks in asks() {
            println!("Reading: {} …", asks.list);
            self.pages(&asks, "plain", "").await?;
            for column in asks.sort {
                for direction in ["asc", "desc"] {
                    let query = format!("sort[column]={column}&sort[direction]={direction}");
                    self.pages(&asks, &format!("by {column}, {direction}"), &query).await?;
                }
            }
            for (hits, text) in asks.search {
                self.pages(&asks, &format!("search that hits {hits}"), &format!("search={text}")).await?;
            }
            for filter in asks.filters {
                self.pages(&asks, filter, filter).await?;
            }
        }
        Ok(self.readings)
    }

    /// The first page, the last, and the one in the middle.
    async fn pages(&mut self, asks: &Asks, what: &str, query: &str) -> Result<()> {
        let path = format!("{}?{query}", asks.path).replace(' ', "%20");
        let first = self.page(asks.list, format!("{what}: first"), path.clone()).await?;
        let pages = first["pagination"]["totalPages"].as_i64().unwrap_or(1);
        if pages > 1 {
            self.page(asks.list, format!("{what}: last"), format!("{path}&page={pages}")).await?;
        }
        if pages > 2 {
            self.page(asks.list, format!("{what}{MIDDLE}"), format!("{path}&page={}", pages / 2)).await?;
        }
        Ok(())
    }

    async fn page(&mut self, list: &'static str, what: String, path: String) -> Result<Value> {
        let mut times = Vec::new();
        let cpu = usage::cpu_ms(self.server.id())?;
        let mut answer = Value::Null;
        for _ in 0..TIMES {
            let began = Instant::now();
            answer = self.script.get(&path).await?;
            times.push(ms(began.elapsed()));
        }
        let cpu_ms = (usage::cpu_ms(self.server.id())? - cpu) / TIMES as f64;
        times.sort_by(f64::total_cmp);
        let (median_ms, slowest_ms) = (times[TIMES / 2], times[TIMES - 1]);
        self.readings.0.push(Reading { list, what, path, median_ms, slowest_ms, cpu_ms });
        Ok(answer)
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl fmt::Display for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n| list | median ms | slowest first or last page | ms | CPU ms | slowest page in the middle | ms | CPU ms |"
        )?;
        writeln!(f, "|---|---:|---|---:|---:|---|---:|---:|")?;
        let mut lists: Vec<&str> = self.0.iter().map(|r| r.list).collect();
        lists.dedup();
        for list in lists {
            let mut of: Vec<&Reading> = self.0.iter().filter(|r| r.list == list).collect();
            of.sort_by(|a, b| a.median_ms.total_cmp(&b.median_ms));
            write!(f, "| {list} | {:.2} ", of[of.len() / 2].median_ms)?;
            for middle in [false, true] {
                match of.iter().rfind(|r| r.what.ends_with(MIDDLE) == middle) {
                    Some(r) => {
                        write!(f, "| {} | {:.1} | {:.0} ", r.what.trim_end_matches(MIDDLE), r.median_ms, r.cpu_ms)?;
                    }
                    None => write!(f, "| – | – | – ")?,
                }
            }
            writeln!(f, "|")?;
        }
        let mut slow: Vec<&Reading> = self.0.iter().filter(|r| r.median_ms > GOAL_MS).collect();
        slow.sort_by(|a, b| b.median_ms.total_cmp(&a.median_ms));
        writeln!(f, "\n{} of {} pages take more than {GOAL_MS} ms", slow.len(), self.0.len())?;
        for r in slow {
            writeln!(f, "- {}, {}: {:.1} ms ({:.1} CPU), {}", r.list, r.what, r.median_ms, r.cpu_ms, r.path)?;
        }
        Ok(())
    }
}
