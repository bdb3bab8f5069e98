//! A real OpenLDAP server (Debian's `slapd`) in a folder of its own, on free ports of 127.0.0.1.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::process::{Error, Process, free_port};

const PROGRAM: &str = "/usr/sbin/slapd";
const SCHEMAS: &str = "/etc/ldap/schema";
const MODULES: &str = "/usr/lib/ldap";

/// Below which everything is.
pub const BASE: &str = "dc=example,dc=org";
/// Who may read and write everything.
pub const MANAGER: &str = "cn=manager,dc=example,dc=org";
/// Their password.
pub const PASSWORD: &str = "manager's s3cret: \u{e4}";

/// What of Active Directory's schema people and groups are read by, under numbers of our own. `memberOf` is a plain
/// attribute here: the server doesn't keep it.
const ACTIVE_DIRECTORY: &str = "
attributetype ( 1.3.6.1.4.1.4203.666.11.77.1 NAME 'objectGUID' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.11.77.2 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.11.77.3 NAME 'userAccountControl' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.11.77.4 NAME 'thumbnailPhoto' SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.4203.666.11.77.5 NAME 'adMemberOf' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
objectclass ( 1.3.6.1.4.1.4203.666.11.77.10 NAME 'adUser' SUP top STRUCTURAL MUST ( cn $ objectGUID ) MAY ( sAMAccountName $ userAccountControl $ thumbnailPhoto $ adMemberOf $ givenName $ sn $ displayName $ mail ) )
objectclass ( 1.3.6.1.4.1.4203.666.11.77.11 NAME 'adGroup' SUP top STRUCTURAL MUST ( cn $ objectGUID ) MAY ( sAMAccountName $ member $ adMemberOf ) )
";

/// A running server; stopped and removed when dropped.
pub struct Slapd {
    port: u16,
    tls_port: u16,
    process: Process,
    root: TempDir,
}

/// An entry in LDIF: values that are not plain text in base64.
#[must_use]
pub fn ldif(dn: &str, attributes: &[(&str, &[u8])]) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &[u8]| {
        let is_plain = value.iter().all(|b| (0x20..0x7f).contains(b))
            && !value.first().is_some_and(|b| b" :<".contains(b))
            && value.last() != Some(&b' ');
        let _ = match std::str::from_utf8(value).ok().filter(|_| is_plain) {
            Some(text) => writeln!(out, "{name}: {text}"),
            None => writeln!(out, "{name}:: {}", STANDARD.encode(value)),
        };
    };
    line("dn", dn.as_bytes());
    for (name, value) in attributes {
        line(name, value);
    }
    out.push('\n');
    out
}

/// A person of OpenLDAP's own schema.
#[must_use]
pub fn person(uid: &str, more: &[(&str, &[u8])]) -> String {
    let mail = format!("{uid}@example.org");
    let given = |name: &str| more.iter().any(|(given, _)| *given == name);
    let mut all: Vec<(&str, &[u8])> = vec![("objectClass", b"inetOrgPerson"), ("uid", uid.as_bytes())];
    let defaults: [(&str, &[u8]); 4] =
        [("mail", mail.as_bytes()), ("givenName", b"Given"), ("sn", b"Sur"), ("cn", uid.as_bytes())];
    all.extend(defaults.into_iter().filter(|(name, _)| !given(name)));
    all.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    ldif(&format!("uid={uid},ou=people,{BASE}"), &all)
}

/// A group by its members' names.
#[must_use]
pub fn group(cn: &str, members: &[&str]) -> String {
    let mut all: Vec<(&str, &[u8])> = vec![("objectClass", b"groupOfNames"), ("cn", cn.as_bytes())];
    all.extend(members.iter().map(|member| ("member", member.as_bytes())));
    ldif(&format!("cn={cn},ou=groups,{BASE}"), &all)
}

/// The name of a person's entry.
#[must_use]
pub fn dn(uid: &str) -> String {
    format!("uid={uid},ou=people,{BASE}")
}

impl Slapd {
    /// Starts one with entries below `ou=people` and `ou=groups`.
    ///
    /// # Errors
    /// When it is not installed, refuses an entry, or does not start; with its log.
    pub fn start(entries: &str) -> Result<Self, Error> {
        let failed = |e: std::io::Error| Error::new(format!("slapd: {e}"));
        let root = tempfile::Builder::new().prefix("pid-slapd-").tempdir().map_err(failed)?;
        let folder = root.path();
        fs::create_dir(folder.join("data")).map_err(failed)?;
        certify(folder).map_err(|e| Error::new(format!("slapd: {e}")))?;
        fs::write(folder.join("ad.schema"), ACTIVE_DIRECTORY).map_err(failed)?;
        fs::write(folder.join("slapd.conf"), configuration(folder)).map_err(failed)?;
        let tree = [
            ldif(
                BASE,
                &[
                    ("objectClass", b"dcObject"),
                    ("objectClass", b"organization"),
                    ("dc", b"example"),
                    ("o", b"Example"),
                ],
            ),
            ldif(&format!("ou=people,{BASE}"), &[("objectClass", b"organizationalUnit"), ("ou", b"people")]),
            ldif(&format!("ou=groups,{BASE}"), &[("objectClass", b"organizationalUnit"), ("ou", b"groups")]),
        ];
        fs::write(folder.join("entries.ldif"), tree.concat() + &manager() + entries).map_err(failed)?;
        let mut load = Command::new(PROGRAM);
        // slapd is slapadd by another name.
        load.args(["-T", "add", "-q", "-f"]).arg(folder.join("slapd.conf")).arg("-l").arg(folder.join("entries.ldif"));
        let mut load = Process::spawn(&mut load, folder.join("load.log"))?;
        let status = load.wait_for_exit(Duration::from_secs(300))?;
        if !status.success() {
            return Err(Error::new(format!("slapadd: {status}\n{}", load.log())));
        }
        let (port, tls_port) = (free_port().map_err(failed)?, free_port().map_err(failed)?);
        let process = serve(folder, port, tls_port)?;
        Ok(Self { port, tls_port, process, root })
    }

    /// Stops it and starts it again on the same data and ports.
    ///
    /// # Errors
    /// When it does not start; with its log.
    pub fn restart(&mut self) -> Result<(), Error> {
        self.process.stop();
        self.process = serve(self.root.path(), self.port, self.tls_port)?;
        Ok(())
    }

    /// Restarts it with access rules (slapd.access(5)) before its own.
    ///
    /// # Errors
    /// When it does not start; with its log.
    pub fn restrict(&mut self, rules: &str) -> Result<(), Error> {
        let text =
            configuration(self.root.path()).replacen("access to dn.base", &format!("{rules}\naccess to dn.base"), 1);
        fs::write(self.root.path().join("slapd.conf"), text).map_err(|e| Error::new(format!("slapd: {e}")))?;
        self.restart()
    }

    /// Stops it; nobody answers then.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// `ldap://…`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    /// `ldaps://…`.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    /// The port without TLS.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of the authority that vouches for it as `localhost`, DER.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn authority(&self) -> Result<Vec<u8>, Error> {
        fs::read(self.root.path().join("authority.der")).map_err(|e| Error::new(format!("slapd: {e}")))
    }

    /// Changes entries: what `ldapmodify` reads.
    ///
    /// # Errors
    /// When the server refuses; with its words.
    pub fn modify(&self, changes: &str) -> Result<(), Error> {
        self.tool("ldapmodify", &["-a"], changes)
    }

    /// Adds entries.
    ///
    /// # Errors
    /// When the server refuses; with its words.
    pub fn add(&self, entries: &str) -> Result<(), Error> {
        self.tool("ldapadd", &[], entries)
    }

    /// Deletes entries.
    ///
    /// # Errors
    /// When the server refuses; with its words.
    pub fn delete(&self, dns: &[&str]) -> Result<(), Error> {
        self.tool("ldapdelete", dns, "")
    }

    /// Gives an entry another name.
    ///
    /// # Errors
    /// When the server refuses; with its words.
    pub fn rename(&self, dn: &str, rdn: &str) -> Result<(), Error> {
        self.tool("ldapmodrdn", &["-r", dn, rdn], "")
    }

    fn tool(&self, program: &str, arguments: &[&str], input: &str) -> Result<(), Error> {
        let failed = |e: std::io::Error| Error::new(format!("{program}: {e}"));
        let file = self.root.path().join("changes.ldif");
        fs::write(&file, input).map_err(failed)?;
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.url(), "-D", MANAGER, "-w", PASSWORD]).args(arguments);
        if !input.is_empty() {
            command.arg("-f").arg(&file);
        }
        let done = command.output().map_err(failed)?;
        if done.status.success() {
            return Ok(());
        }
        Err(Error::new(format!("{program}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr))))
    }
}

fn serve(folder: &Path, port: u16, tls_port: u16) -> Result<Process, Error> {
    let mut command = Command::new(PROGRAM);
    let urls = format!("ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/");
    // In the foreground, silent but for what goes wrong.
    command.args(["-d", "0", "-h", &urls, "-f"]).arg(folder.join("slapd.conf"));
    let mut process = Process::spawn(&mut command, folder.join("log.txt"))?;
    for port in [port, tls_port] {
        process.wait_for_port(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(30))?;
    }
    Ok(process)
}

/// Makes an authority of its own, and a certificate of it for `localhost`.
fn certify(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let authority = params.self_signed(&authority_key)?;
    fs::write(folder.join("authority.pem"), authority.pem())?;
    fs::write(folder.join("authority.der"), authority.der())?;
    let server_key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["localhost".to_owned()])?;
    let server = server.signed_by(&server_key, &Issuer::new(params, authority_key))?;
    fs::write(folder.join("server.pem"), server.pem())?;
    Ok(fs::write(folder.join("server.key"), server_key.serialize_pem())?)
}

fn configuration(folder: &Path) -> String {
    let at = folder.display();
    let schemas = ["core", "cosine", "inetorgperson", "nis"];
    let includes: String = schemas.iter().map(|name| format!("include {SCHEMAS}/{name}.schema\n")).collect();
    // The limit is that of what a server gives without paging.
    format!(
        "{includes}include {at}/ad.schema
pidfile {at}/slapd.pid
modulepath {MODULES}
moduleload back_mdb
TLSCACertificateFile {at}/authority.pem
TLSCertificateFile {at}/server.pem
TLSCertificateKeyFile {at}/server.key
disallow bind_anon
require authc
sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited
database mdb
maxsize 1073741824
suffix \"{BASE}\"
rootdn \"cn=root,{BASE}\"
directory {at}/data
dbnosync
index objectClass,uid,cn,member eq
limits dn.exact=\"{MANAGER}\" size.soft=500 size.hard=500 size.pr=unlimited size.prtotal=unlimited
access to dn.base=\"{MANAGER}\" by anonymous auth by * none
access to * by dn.exact=\"{MANAGER}\" write by * none
"
    )
}

/// The entry of who may read and write everything.
fn manager() -> String {
    let attributes: [(&str, &[u8]); 5] = [
        ("objectClass", b"organizationalRole"),
        ("objectClass", b"simpleSecurityObject"),
        ("cn", b"manager"),
        ("userPassword", PASSWORD.as_bytes()),
        ("description", b"For tests"),
    ];
    ldif(MANAGER, &attributes)
}
