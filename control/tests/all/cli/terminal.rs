//! What is asked at a terminal: passwords, which it does not show, and whether somebody means it; at a pseudo terminal of the test's.

use std::fs::File;
use std::io::{BufReader, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use control::auth::Role;
use control::store::ProposalStatus;

use super::{Said, Served};
use crate::kit::http::{PASSWORD, user};
use crate::kit::sample::{self, Shape};

/// Guards against a program that says nothing.
const HANG: Duration = Duration::from_secs(120);

/// Somebody at a terminal, and the program that asks them; what it says to them comes by stderr.
struct Asked {
    keys: File,
    /// The program's side: held, so that the terminal is still there when the program has ended.
    _screen: File,
    child: Child,
    said: Receiver<u8>,
    heard: String,
}

/// Both sides of a new terminal.
fn terminal() -> (File, File) {
    let (mut keys, mut screen) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: both numbers are written through pointers to locals; name, state and size may be absent.
    let made = unsafe { libc::openpty(&raw mut keys, &raw mut screen, none, none.cast(), none.cast()) };
    assert_eq!(made, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: both are open, and nobody else's.
    unsafe {
        (
            OwnedFd::from_raw_fd(keys).into(),
            OwnedFd::from_raw_fd(screen).into(),
        )
    }
}

impl Asked {
    /// Runs `control` as somebody who sits at a terminal.
    fn begin(served: &Served, who: &str, words: &[&str]) -> Self {
        let (keys, screen) = terminal();
        let mut child = served
            .command(who, words)
            .stdin(Stdio::from(screen.try_clone().unwrap()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (say, said) = channel();
        std::thread::spawn(move || {
            for byte in BufReader::new(stderr).bytes().map_while(Result::ok) {
                say.send(byte).ok();
            }
        });
        Self {
            keys,
            _screen: screen,
            child,
            said,
            heard: String::new(),
        }
    }

    /// Waits for a question.
    fn until(&mut self, question: &str) {
        while !self.heard.ends_with(question) {
            let byte = self.said.recv_timeout(HANG);
            let byte = byte.unwrap_or_else(|why| panic!("no `{question}` ({why}): {}", self.heard));
            self.heard.push(char::from(byte));
        }
    }

    /// Whether the terminal shows what is typed.
    fn shows(&self) -> bool {
        // SAFETY: `termios` is plain numbers, for which zeros are a value; tcgetattr writes through a pointer to a local.
        let state = unsafe {
            let mut state: libc::termios = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(self.keys.as_raw_fd(), &raw mut state), 0);
            state
        };
        state.c_lflag & libc::ECHO != 0
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(format!("{text}\n").as_bytes()).unwrap();
    }

    /// Answers a question that hides its answer.
    fn hides(&mut self, question: &str, answer: &str) {
        self.until(question);
        assert!(!self.shows(), "a password would be shown");
        self.types(answer);
    }

    /// How it ended.
    fn end(mut self) -> Said {
        while let Ok(byte) = self.said.recv_timeout(HANG) {
            self.heard.push(char::from(byte));
        }
        let mut out = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        assert!(self.shows(), "the terminal shows again what is typed");
        Said {
            code,
            out,
            err: self.heard,
        }
    }
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let served = Served::start();
    served.runtime.block_on(user(&served.test, "ada", &[Role::Admin]));
    let question = format!("Password of ada at {}: ", served.url);
    let mut asked = Asked::begin(&served, "ada", &["login", "--user", "ada"]);
    asked.hides(&question, "not her password");
    let said = asked.end();
    assert_eq!(said.code, 77, "{}{}", said.out, said.err);
    assert!(said.err.contains("wrong_login"), "{}", said.err);
    assert!(!served.login_file("ada").exists());

    let mut asked = Asked::begin(&served, "ada", &["login", "--user", "ada"]);
    asked.hides(&question, PASSWORD);
    let said = asked.end();
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(!said.out.contains(PASSWORD) && !said.err.contains(PASSWORD));
    assert!(served.login_file("ada").exists());
}

#[test]
fn a_new_password_is_asked_for_twice() {
    let served = Served::start();
    served.runtime.block_on(user(&served.test, "ada", &[Role::Admin]));
    let question = format!("Password of ada at {}: ", served.url);
    let mut login = Asked::begin(&served, "ada", &["login", "--user", "ada"]);
    login.hides(&question, PASSWORD);
    assert_eq!(login.end().code, 0);

    let next = "another horse battery";
    let passwd = |again: &str| {
        let mut asked = Asked::begin(&served, "ada", &["user", "passwd"]);
        asked.hides("Present password: ", PASSWORD);
        asked.hides("New password: ", next);
        asked.hides("Once more: ", again);
        asked.end()
    };
    let differs = passwd("another horse batter");
    assert_eq!(differs.code, 2, "{}{}", differs.out, differs.err);
    assert!(
        differs.err.contains("the two passwords differ"),
        "{}",
        differs.err
    );
    let same = served.run("ada", &["whoami"], "");
    assert_eq!(same.code, 0, "nothing has changed: {}", same.err);

    let changed = passwd(next);
    assert_eq!(changed.code, 0, "{}{}", changed.out, changed.err);
    let words = ["login", "--user", "ada", "--password-stdin"];
    assert_eq!(served.run("ada", &words, PASSWORD).code, 77);
    assert_eq!(served.run("ada", &words, next).code, 0);
}

#[test]
fn a_vote_without_a_digest_shows_the_evidence_and_asks() {
    let mut served = Served::start();
    let (id, status) = served.runtime.block_on(async {
        user(&served.test, "vera", &[Role::Approver]).await;
        let experiment = sample::experiment(&served.test.app, "rita").await;
        let model = sample::model(&served.test.app, &experiment, "rita", 1).await;
        let proposal = sample::proposal(&served.test.app, &model, 1, Shape::default()).await;
        (proposal.proposal_id, proposal.status)
    });
    assert_eq!(status, ProposalStatus::PendingApproval);
    served.login("vera");
    let now = |served: &Served| {
        let store = &served.test.app.store;
        served
            .runtime
            .block_on(store.proposal(&id))
            .unwrap()
            .unwrap()
            .status
    };
    let words = ["reject", id.as_str(), "--notes", "too few months"];
    let nobody = served.run("vera", &words, "yes\n");
    assert_eq!(nobody.code, 2, "a pipe is nobody: {}", nobody.err);
    assert!(nobody.err.contains("--digest"), "{}", nobody.err);

    let vote = |answer: &str| {
        let mut asked = Asked::begin(&served, "vera", &words);
        asked.until("on this evidence: ");
        assert!(asked.shows(), "an answer that is no secret is shown");
        asked.types(answer);
        asked.end()
    };
    let no = vote("y");
    assert_eq!(no.code, 77, "{}{}", no.out, no.err);
    assert!(no.err.contains("no vote was cast"), "{}", no.err);
    assert!(no.out.contains("Criteria"), "the evidence is shown: {}", no.out);
    assert_eq!(now(&served), ProposalStatus::PendingApproval);

    let yes = vote("yes");
    assert_eq!(yes.code, 0, "{}{}", yes.out, yes.err);
    assert!(yes.out.contains("rejected by vera"), "{}", yes.out);
    assert_eq!(now(&served), ProposalStatus::Rejected);
}
