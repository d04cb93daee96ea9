//! The demo's processes: their logs in files, ended when the demo ends.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::runner;

/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a process gets to end by itself.
const END_SECONDS: u64 = 10;

/// Started processes, in order.
pub struct Children {
    folder: PathBuf,
    running: Vec<(String, Child)>,
}

impl Children {
    /// Logs go to `folder`.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            running: Vec::new(),
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    /// Starts a process; both its streams go to `NAME.log`.
    pub fn start(&mut self, name: &str, command: &mut Command) -> Result<(), String> {
        let path = self.log(name);
        let named = |error: std::io::Error| format!("{}: {error}", path.display());
        let log = std::fs::File::create(&path).map_err(named)?;
        let again = log.try_clone().map_err(named)?;
        eprintln!("$ {} > {} &", runner::shown(command), path.display());
        ends_with_us(command);
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(again)
            .spawn()
            .map_err(|error| format!("cannot start `{}`: {error}", runner::shown(command)))?;
        self.running.push((name.to_owned(), child));
        Ok(())
    }

    /// Waits until `address` accepts a connection; an ended process is told with the end of its log.
    pub fn wait_for_port(&mut self, name: &str, address: &str, seconds: u64) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(seconds);
        while TcpStream::connect(address).is_err() {
            self.all_alive()?;
            if Instant::now() > until {
                let log = self.log(name);
                return Err(format!(
                    "`{name}` does not listen on {address}: see {}",
                    log.display()
                ));
            }
            pause();
        }
        Ok(())
    }

    /// Waits until a process has printed `text`; everything it has printed by then.
    pub fn wait_for_line(&mut self, name: &str, text: &str, seconds: u64) -> Result<String, String> {
        let path = self.log(name);
        let until = Instant::now() + Duration::from_secs(seconds);
        loop {
            let said = std::fs::read_to_string(&path);
            let said = said.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            if said.contains(text) {
                return Ok(said);
            }
            self.all_alive()?;
            if Instant::now() > until {
                return Err(format!("`{name}` does not say `{text}`: see {}", path.display()));
            }
            pause();
        }
    }

    fn all_alive(&mut self) -> Result<(), String> {
        for (name, child) in &mut self.running {
            if let Some(status) = child
                .try_wait()
                .map_err(|error| format!("lost `{name}`: {error}"))?
            {
                let path = self.folder.join(format!("{name}.log"));
                let said = std::fs::read_to_string(&path).unwrap_or_default();
                let from = said.char_indices().rev().nth(2_000).map_or(0, |(at, _)| at);
                return Err(format!(
                    "`{name}` ended ({status}); {} ends with:\n{}",
                    path.display(),
                    &said[from..]
                ));
            }
        }
        Ok(())
    }

    /// Runs `tail` in the foreground until it ends, the time is over or another process dies.
    pub fn follow(
        mut self,
        tail: &mut Command,
        until: Option<Instant>,
        wanted: Option<u64>,
    ) -> Result<(), String> {
        ends_with_us(tail);
        let mut following = tail
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("cannot start tail: {error}"))?;
        let outcome = loop {
            if let Some(status) = following
                .try_wait()
                .map_err(|error| format!("lost tail: {error}"))?
            {
                break if status.success() {
                    Ok(())
                } else {
                    Err(format!("`engine tail` failed ({status})"))
                };
            }
            if until.is_some_and(|until| Instant::now() > until) {
                break wanted.map_or(Ok(()), |n| Err(format!("{n} signals had not come in time")));
            }
            if let Err(dead) = self.all_alive() {
                break Err(dead);
            }
            pause();
        };
        end(&mut following);
        outcome
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        // The last started first: the engine before the feed it reads.
        for (_, child) in self.running.iter_mut().rev() {
            end(child);
        }
    }
}

/// Has the kernel end the child when this process ends in a way that leaves no time to clean up.
#[cfg(target_os = "linux")]
fn ends_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let request = || {
        // SAFETY: prctl(PR_SET_PDEATHSIG) takes integers and touches no memory; it is async-signal-safe, as the moment
        // between fork and exec demands.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one async-signal-safe call and allocates nothing.
    unsafe { command.pre_exec(request) };
}

/// Only Linux has the request; elsewhere Ctrl-C reaches the whole group.
#[cfg(not(target_os = "linux"))]
const fn ends_with_us(_: &mut Command) {}

/// Asks a process to end, and makes it end when it does not.
fn end(child: &mut Child) {
    // `kill` is a program everywhere this runs; without it the process is ended the hard way below.
    runner::works(Command::new("kill").arg(child.id().to_string()));
    let until = Instant::now() + Duration::from_secs(END_SECONDS);
    while matches!(child.try_wait(), Ok(None)) {
        if Instant::now() > until {
            drop(child.kill());
            drop(child.wait());
            return;
        }
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person's demo looks at its processes a few times a second"
)]
fn pause() {
    std::thread::sleep(LOOK);
}
