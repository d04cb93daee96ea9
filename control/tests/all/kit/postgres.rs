//! A private PostgreSQL server: one per test process, in a folder of its own, reachable only through a socket in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The folder of the server's socket; `None` where PostgreSQL is not installed, which is printed.
pub fn socket_folder() -> Option<&'static Path> {
    static SERVER: OnceLock<Option<PathBuf>> = OnceLock::new();
    SERVER.get_or_init(start).as_deref()
}

fn start() -> Option<PathBuf> {
    let Some(programs) = programs() else {
        eprintln!(
            "SKIPPED: tests on PostgreSQL: initdb and postgres not found, install the package postgresql"
        );
        return None;
    };
    let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap().keep();
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

    // The thread that starts it must live as long as the tests: the kernel ends the server when that thread is gone.
    let (started, wait) = std::sync::mpsc::channel();
    let (socket, log) = (folder.clone(), folder.join("log"));
    std::thread::spawn(move || {
        let mut server = as_server_user(&programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(&socket);
        server.args([
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=200",
        ]);
        let log = std::fs::File::create(&log).unwrap();
        server.stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = server.spawn().unwrap();
        started.send(()).unwrap();
        child.wait().unwrap();
    });
    wait.recv().unwrap();
    let probe = || {
        Command::new(programs().expect("found before").join("pg_isready"))
            .arg("-q")
            .arg("-h")
            .arg(&folder)
            .status()
    };
    let since = std::time::Instant::now();
    while !probe().unwrap().success() {
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(
            since.elapsed().as_secs() < 60,
            "PostgreSQL does not start:\n{}",
            log()
        );
    }
    Some(folder)
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
