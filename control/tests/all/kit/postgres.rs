//! A private PostgreSQL server: one per test process, in a folder of its own, reachable only through a socket in it.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Begins the name of a server's folder.
const PREFIX: &str = "twovote-pg-";
/// The file in it with the number of the tests' process.
const OWNER: &str = "owner";
/// A hang guard, nothing else.
const START_HANG: Duration = Duration::from_secs(60);

/// The folder of the server's socket; `None` where PostgreSQL is not installed, which is printed.
pub fn socket_folder() -> Option<&'static Path> {
    static SERVER: OnceLock<Option<PathBuf>> = OnceLock::new();
    SERVER.get_or_init(start).as_deref()
}

fn start() -> Option<PathBuf> {
    let programs = programs_or_say()?;
    let folder = make(&programs);
    let (_, log) = launch(&programs, &folder);
    // Nobody listens once it is ready.
    drop(log);
    Some(folder)
}

/// The programs; `None` where PostgreSQL is not installed, which is printed.
pub fn programs_or_say() -> Option<PathBuf> {
    let found = programs();
    if found.is_none() {
        // The test runner swallows what the macros print.
        let skipped =
            b"SKIPPED: tests on PostgreSQL: initdb and postgres not found, install the package postgresql\n";
        std::io::stderr().write_all(skipped).unwrap();
    }
    found
}

/// A folder with a server's data that never ran.
pub fn make(programs: &Path) -> PathBuf {
    remove_left_over();
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().unwrap().keep();
    std::fs::write(folder.join(OWNER), std::process::id().to_string()).unwrap();
    let data = folder.join("data");
    if is_root() {
        let done = Command::new("chown")
            .arg("postgres")
            .arg(&folder)
            .status()
            .unwrap();
        assert!(done.success(), "chown of {} failed", folder.display());
    }
    let mut initdb = as_server_user(&programs.join("initdb"));
    initdb
        .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-sync", "-D"])
        .arg(&data);
    let made = initdb
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    folder
}

/// Starts the server of a folder; gives its process and its log, which ends with it, once it takes connections.
pub fn launch(programs: &Path, folder: &Path) -> (u32, Receiver<String>) {
    // The thread that starts it must live as long as the tests: the kernel ends the server when that thread is gone.
    let (lines, log) = channel();
    let (id, started) = channel();
    let mut server = as_server_user(&programs.join("postgres"));
    server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    std::thread::spawn(move || {
        server.args([
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=300",
        ]);
        let mut child = server
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        id.send(child.id()).unwrap();
        let log = std::io::BufReader::new(child.stderr.take().expect("it is piped"));
        // Drained to its end, so that the server never waits for room, whether somebody listens or not.
        log.lines()
            .map_while(Result::ok)
            .for_each(|line| drop(lines.send(line)));
        child.wait().unwrap();
    });
    let mut said = Vec::new();
    while let Ok(line) = log.recv_timeout(START_HANG) {
        if line.contains("ready to accept connections") {
            return (started.recv().unwrap(), log);
        }
        said.push(line);
    }
    panic!("PostgreSQL does not start:\n{}", said.join("\n"));
}

/// A server ends with its tests and cannot remove its own folder: the next tests do.
fn remove_left_over() {
    for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let owner = std::fs::read_to_string(entry.path().join(OWNER)).unwrap_or_default();
        // Without an owner the folder is just being made.
        if ours && !owner.is_empty() && !Path::new("/proc").join(owner).exists() {
            // Another run may be removing it too.
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}

/// The newest version's folder of programs, or the one on the path.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path));
    found
        .into_iter()
        .rev()
        .find(|folder| folder.join("initdb").exists())
}

fn is_root() -> bool {
    // SAFETY: it only reads a number of this process.
    unsafe { libc::geteuid() == 0 }
}

/// PostgreSQL refuses to run as root; and it must end with the tests.
fn as_server_user(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]);
    }
    command
        .args(["--pdeathsig", "INT", "--"])
        .arg(program)
        .current_dir("/");
    command
}
