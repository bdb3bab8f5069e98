//! What kind of file system a file lies on: SQLite's locks need one of this machine.

use std::path::Path;

/// File systems over a network, and those whose locks nobody can vouch for.
const NETWORK: [&str; 16] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "lustre",
    "gfs2",
    "ocfs2",
    "davfs",
    "ncpfs",
    "beegfs",
    "gpfs",
];

/// The kind of the network file system that a file lies on; `None` on one of this machine, or where the system
/// doesn't say.
pub fn network_kind(file: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let kind = kind_of(&mounts, &std::fs::canonicalize(file).ok()?)?;
    // Those of user space are networks more often than not (sshfs, rclone, s3fs).
    (NETWORK.contains(&kind) || kind.starts_with("fuse.")).then(|| kind.to_owned())
}

/// The file system of a path, by the table of mounts (proc(5), `/proc/pid/mountinfo`).
fn kind_of<'a>(mounts: &'a str, file: &Path) -> Option<&'a str> {
    let mount = |line: &'a str| {
        let (before, after) = line.split_once(" - ")?;
        Some((unescaped(before.split(' ').nth(4)?), after.split(' ').next()?))
    };
    let covers = |(at, _): &(String, &str)| file.starts_with(at);
    // Of two at the same place the later one is on top.
    mounts
        .lines()
        .filter_map(mount)
        .filter(covers)
        .max_by_key(|(at, _)| Path::new(at).components().count())
        .map(|(_, kind)| kind)
}

/// A path as it is: blanks, tabs, newlines and backslashes are written in octal there.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:35 / /srv rw - tmpfs tmpfs rw
41 40 0:36 / /srv/id\\040data rw master:3 - nfs4 nas:/id rw
42 40 0:37 / /srv/over rw - ext4 /dev/vdb rw
43 42 0:38 / /srv/over rw - fuse.sshfs host: rw
";

    #[test]
    fn the_nearest_mount_counts() {
        for (file, kind) in [
            ("/var/lib/x.db", "ext4"),
            ("/srv/x.db", "tmpfs"),
            ("/srv/id data/x.db", "nfs4"),
            ("/srv/id", "tmpfs"),
            ("/srv/over/x.db", "fuse.sshfs"),
        ] {
            assert_eq!(kind_of(MOUNTS, Path::new(file)), Some(kind), "{file}");
        }
        assert_eq!(kind_of("nonsense\n", Path::new("/x")), None);
    }

    #[test]
    fn the_temporary_folder_is_of_this_machine() {
        assert_eq!(network_kind(&std::env::temp_dir()), None);
        assert_eq!(network_kind(Path::new("/nowhere")), None);
    }
}
