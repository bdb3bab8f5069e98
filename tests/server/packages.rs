//! What is in `deploy/`, as far as a machine without a container engine can show it: the scripts run, and the binary runs
//! in what they make.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use pid_testkit::process::{Process, free_port};

use crate::program::{BINARY, names};

const LIMIT: Duration = Duration::from_secs(60);
/// The image's user.
const NONROOT: u32 = 65532;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path).canonicalize().unwrap()
}

fn run(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.success(), [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A program in an image's root, which is read-only but for the data folder and `/tmp`, as a user where we may choose.
fn in_image(root: &Path, user: Option<u32>, program: &[&str]) -> Command {
    let script = "mount --bind \"$1\" \"$1\" && mount --bind \"$1/app/data\" \"$1/app/data\" \
        && mount -o remount,ro,bind \"$1\" && mount -t tmpfs tmpfs \"$1/tmp\" && mount --rbind /dev \"$1/dev\" && cd / && root=$1 && shift \
        && exec unshare --root=\"$root\" --wd=/app \"$@\"";
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", script, "sh"]).arg(root);
    if let Some(user) = user.filter(|_| is_root()) {
        command.args([format!("--setgid={user}"), format!("--setuid={user}")]);
    }
    command.args(program).env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command
}

/// Starts the image's program as the image does, and looks into its data folder afterwards.
fn serves(dir: &Path, root: &Path, run_by: impl Fn(&[&str]) -> Command, owner: u32) {
    let port = free_port().unwrap();
    let with = |mut command: Command| {
        let url = format!("http://localhost:{port}");
        command.env("HOST", "127.0.0.1").env("PORT", port.to_string()).env("APP_URL", url);
        command.env("APP_ENV", "production");
        command
    };
    let mut process = Process::spawn(&mut with(run_by(&["/app/pocket-id"])), dir.join("log")).unwrap();
    process.wait_for_line("is ready", LIMIT).unwrap();
    let (healthy, said) = run(&mut with(run_by(&["/app/pocket-id", "healthcheck"])));
    assert!(healthy, "{said}");
    process.signal("TERM");
    assert!(process.wait_for_exit(LIMIT).unwrap().success(), "{}", process.log());
    let data = root.join("app/data");
    assert_eq!(names(&data), ["encryption.key", "pocket-id.db"]);
    if is_root() {
        assert_eq!(std::fs::metadata(data.join("pocket-id.db")).unwrap().uid(), owner);
    }
    let mut elsewhere = with(run_by(&["/app/pocket-id"]));
    let (started, said) = run(elsewhere.env("DB_CONNECTION_STRING", "/app/elsewhere.db"));
    assert!(!started && said.contains("Read-only file system"), "{said}");
}

#[test]
fn the_distroless_image_runs_on_a_read_only_root_as_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let assemble = |arguments: &[&str]| run(Command::new(deploy("image/root")).args(arguments).arg(BINARY).arg(&root));
    let (done, said) = assemble(&[]);
    assert!(!done && said.contains("needs shared libraries"), "a test build is no image's binary: {said}");
    assert!(!root.exists());
    let (done, said) = assemble(&["--with-libraries"]);
    assert!(done, "{said}");
    assert!(!assemble(&["--with-libraries"]).0, "what is there is not mixed with");
    assert_eq!(names(&root.join("app")), ["data", "pocket-id"]);
    assert!(!root.join("bin").exists(), "no shell");

    serves(dir.path(), &root, |program| in_image(&root, Some(NONROOT), program), NONROOT);
}

/// Alpine's shell and tools are BusyBox: with that alone the entry hands over the data folder and goes on as somebody else.
#[test]
fn the_standard_image_starts_as_root_and_goes_on_as_puid() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    let (done, said) = run(Command::new(deploy("image/root")).args(["--with-libraries", BINARY]).arg(&root));
    assert!(done, "{said}");
    std::fs::create_dir(root.join("bin")).unwrap();
    std::fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
    for tool in ["sh", "id", "mkdir", "find", "chown"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(tool)).unwrap();
    }
    // In place of su-exec, which Alpine has as a package of its own and Debian lacks.
    std::fs::copy("/usr/bin/setpriv", root.join("bin/setpriv")).unwrap();
    let (_, libraries) = run(Command::new("ldd").arg("/usr/bin/setpriv"));
    for library in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        std::fs::create_dir_all(root.join(&library[1..]).parent().unwrap()).unwrap();
        std::fs::copy(library, root.join(&library[1..])).unwrap();
    }
    std::fs::copy(deploy("image/entry"), root.join("app/entry")).unwrap();
    let by_entry = |program: &[&str]| {
        let mut command = in_image(&root, None, &[&["/app/entry"], program].concat());
        command.env("PUID", "1234").env("PGID", "2345");
        command
    };
    serves(dir.path(), &root, by_entry, 1234);
    let again = run(&mut by_entry(&["id", "-u"]));
    assert_eq!(again, (true, "1234\n".to_owned()));
}

/// `PUID` and `PGID` count for root only; whoever was chosen otherwise stays who they are.
#[test]
fn the_entry_becomes_puid_and_pgid() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let kept = dir.path().join("data/kept");
    std::fs::write(&kept, "").unwrap();
    let entry = |puid: &str| {
        let mut command = Command::new(deploy("image/entry"));
        command.args(["sh", "-c", "id -u; id -g; id -G"]).current_dir(dir.path()).env("PUID", puid).env("PGID", "2345");
        run(&mut command)
    };
    if !is_root() {
        let me = std::fs::metadata("/proc/self").unwrap().uid();
        assert!(entry("1234").1.starts_with(&format!("{me}\n")));
        return;
    }
    assert_eq!(entry("1234"), (true, "1234\n2345\n2345\n".to_owned()));
    let owner = std::fs::metadata(&kept).unwrap();
    assert_eq!((owner.uid(), owner.gid()), (1234, 2345));
    let (done, said) = entry("root");
    assert!(!done && said.contains("must be numbers, not \"root\""), "{said}");
    let mut other = Command::new("setpriv");
    other.args(["--reuid=4321", "--regid=4321", "--clear-groups"]).arg(deploy("image/entry"));
    let (done, said) = run(other.args(["id", "-u"]).current_dir("/").env("PUID", "1234"));
    assert!(done, "{said}");
    assert_eq!(said, "4321\n");
}

#[test]
fn the_debian_package_has_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let (package, to) = (dir.path().join("pocket-id.deb"), dir.path().join("to"));
    let mut build = Command::new(deploy("debian/build"));
    // Compression is dpkg's business, and slow.
    let (done, said) = run(build.arg(BINARY).arg(&package).env("DPKG_DEB_COMPRESSOR_TYPE", "none"));
    assert!(done, "{said}");
    let (_, control) = run(Command::new("dpkg-deb").arg("--field").arg(&package));
    let version = env!("CARGO_PKG_VERSION");
    for line in ["Package: pocket-id", &format!("Version: {version}"), "Depends: adduser, libc6"] {
        assert!(control.lines().any(|l| l == line), "{line}: {control}");
    }
    let (_, contents) = run(Command::new("dpkg-deb").arg("--contents").arg(&package));
    assert!(contents.lines().all(|line| line.contains(" root/root ")), "{contents}");
    assert!(run(Command::new("dpkg-deb").arg("--raw-extract").args([&package, &to])).0);
    let (done, said) = run(Command::new(to.join("usr/bin/pocket-id")).arg("version"));
    assert!(done, "{said}");
    assert_eq!(said, format!("pocket-id {version}\n"));
    let unit = std::fs::read_to_string(to.join("usr/lib/systemd/system/pocket-id.service")).unwrap();
    for (setting, folder) in [("ExecStart=", ""), ("EnvironmentFile=-", ""), ("Documentation=file://", "")] {
        let path = unit.lines().find_map(|line| line.strip_prefix(setting)).unwrap();
        assert!(to.join(folder).join(path.trim_start_matches('/')).exists(), "{setting}{path}");
    }
    assert_eq!(std::fs::read_to_string(to.join("DEBIAN/conffiles")).unwrap(), "/etc/pocket-id/pocket-id.env\n");
    for script in ["postinst", "prerm", "postrm"] {
        let (fine, said) = run(Command::new("sh").arg("-n").arg(to.join("DEBIAN").join(script)));
        assert!(fine, "{script}: {said}");
    }
    // What is set there is what we understand.
    let mut server = Command::new(to.join("usr/bin/pocket-id"));
    let settings = std::fs::read_to_string(to.join("etc/pocket-id/pocket-id.env")).unwrap();
    let set = settings.lines().map(|line| line.trim_start_matches('#')).filter_map(|line| line.split_once('='));
    server.env_clear().envs(set.filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')));
    let (_, said) = run(server.args(["healthcheck"]).current_dir(dir.path()));
    assert!(said.contains("Healthcheck failed: http://127.0.0.1:1411/healthz"), "{said}");
}
