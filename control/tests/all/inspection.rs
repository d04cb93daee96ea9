//! The process that looks into models: it names what it refuses, and whatever becomes of it is a refusal.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use contracts::action::ActionKind;
use control::inspect::wire::{Ask, bits};
use control::inspect::{InspectionError, Inspector, VERB, child};
use strategy::onnx::inspect::drawn_observations;
use strategy::onnx::testmodels;

use crate::kit::models::{WIDTH, model};

fn inspector() -> Inspector {
    Inspector {
        program: Some(env!("CARGO_BIN_EXE_control").into()),
        ..Inspector::default()
    }
}

fn ask() -> Ask {
    Ask {
        width: WIDTH,
        rule: ActionKind::Continuous.default_rule(),
        action_output: None,
        golden: bits(&drawn_observations(WIDTH, 1)),
    }
}

#[test]
fn a_good_model_comes_back_with_its_reduced_graph_and_answers() {
    let inspected = inspector().inspect(&ask(), &model(1)).unwrap();
    assert_eq!(inspected.found.action_output, "53");
    assert_eq!(inspected.found.golden.len(), 256);
    assert!(!inspected.graph.is_empty());
    let names: Vec<&str> = inspected
        .found
        .outputs
        .iter()
        .map(|output| output.name.as_str())
        .collect();
    assert_eq!(names, ["53", "value", "log_prob"]);
    let again = inspector().inspect(&ask(), &model(1)).unwrap();
    assert_eq!(again, inspected);
}

#[test]
fn every_bad_model_is_refused_by_name() {
    let expected = |name: &str| match name {
        "wrong width" => "wrong_width",
        "external initializer" | "external constant" | "external sparse initializer" => "external_data",
        "giant initializer" | "overflowing initializer" | "giant sparse initializer" => "giant_tensor",
        "negative initializer" => "negative_dimension",
        "foreign domain" => "foreign_domain",
        "function" => "model_function",
        "loop" => "control_flow",
        "sub-graph" => "sub_graph",
        "random" => "random_numbers",
        "recurrent" => "recurrent_state",
        "training batch normalisation" => "state_outputs",
        "huge opset" | "no opset" => "unsupported_opset",
        "huge IR version" => "unsupported_ir_version",
        "two inputs" => "wrong_inputs",
        "integer input" | "flat input" | "dynamic width" => "wrong_input_type",
        "fixed batch" => "fixed_batch",
        "too many nodes" => "too_many_nodes",
        "no protobuf" | "empty" => "not_onnx",
        other => panic!("no expectation for {other}"),
    };
    for bad in testmodels::all_refused(1, WIDTH) {
        let refused = inspector().inspect(&ask(), &bad.bytes).unwrap_err();
        assert_eq!(refused.code(), expected(bad.name), "{}: {refused}", bad.name);
    }
    for (bytes, code) in [
        (testmodels::constant_output(1, WIDTH), "constant_action"),
        (testmodels::nan_output(1, WIDTH), "no_action"),
        (vec![0; contracts::limits::MODEL_BYTES_MAX + 1], "model_too_large"),
    ] {
        let refused = inspector().inspect(&ask(), &bytes).unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
    }
    let logits = Ask {
        rule: ActionKind::Logits.default_rule(),
        ..ask()
    };
    let refused = inspector().inspect(&logits, &model(1)).unwrap_err();
    assert_eq!(refused.code(), "no_fitting_output", "{refused}");
    let named = Ask {
        action_output: Some("nothing".to_owned()),
        ..ask()
    };
    let refused = inspector().inspect(&named, &model(1)).unwrap_err();
    assert_eq!(refused.code(), "wrong_action_output");
}

#[test]
fn a_model_that_wants_gigabytes_when_it_runs_gets_none() {
    let greedy = testmodels::giant_when_run(1, WIDTH, 1 << 33);
    let refused = inspector().inspect(&ask(), &greedy).unwrap_err();
    let codes = ["runtime_refused", "infer_failed", "inspection_died"];
    assert!(codes.contains(&refused.code()), "{}: {refused}", refused.code());
    // Two bytes a node: decoding a full file of them takes gigabytes.
    let bomb = node_bomb();
    let refused = inspector().inspect(&ask(), &bomb).unwrap_err();
    let codes = ["inspection_died", "too_many_nodes", "not_onnx"];
    assert!(codes.contains(&refused.code()), "{}: {refused}", refused.code());
}

/// A model whose graph is nothing but empty nodes.
fn node_bomb() -> Vec<u8> {
    let nodes = [0x0a, 0x00].repeat((48 << 20) / 2);
    let mut bytes = vec![0x08, 0x08, 0x3a];
    let mut length = nodes.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes.extend_from_slice(&nodes);
    bytes.extend_from_slice(&[0x42, 0x02, 0x10, 0x11]);
    bytes
}

fn script(folder: &Path, name: &str, body: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_child_that_dies_hangs_lies_or_talks_nonsense_is_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, body: &str, wall: Duration| {
        let inspector = Inspector {
            program: Some(script(folder.path(), name, body)),
            wall,
        };
        inspector.inspect(&ask(), &model(1)).unwrap_err()
    };
    let long = Duration::from_secs(60);
    let killed = run("killed", "kill -9 $$", long);
    assert_eq!(killed.code(), "inspection_died");
    assert!(killed.to_string().contains("signal 9"), "{killed}");
    let ended = run("ended", "/bin/cat > /dev/null; exit 3", long);
    assert!(ended.to_string().contains("exit code 3"), "{ended}");
    let hung = run("hung", "exec /bin/sleep 1000", Duration::from_millis(200));
    assert!(matches!(hung, InspectionError::TimedOut(_)), "{hung}");
    let lies = r#"/bin/cat > /dev/null; echo '{"outcome":"fits","action_output":"53","outputs":[],"nodes":1,"rows_checked":1,"reduced":{"outcome":"used","nodes":1,"near_ties":0},"dense":{"outcome":"not_admitted","reason":"x"},"executor":"ort","head":"scalar","golden":[]}'"#;
    assert_eq!(run("lies", lies, long).code(), "inspection_failed");
    let long_winded = r#"printf '{"outcome":"refused","code":"not_onnx","detail":"\\u001b[2J%s"}\n' "$(/usr/bin/head -c 5000 /dev/zero | /usr/bin/tr '\0' x)""#;
    let long_winded = run("long", long_winded, long);
    assert_eq!(long_winded.code(), "not_onnx");
    assert_eq!(long_winded.to_string(), format!("[2J{}", "x".repeat(297)));
    let noise = run("noise", "echo hello", long);
    assert_eq!(noise.code(), "inspection_failed");
    let code = r#"echo '{"outcome":"refused","code":"<script>","detail":"x"}'"#;
    assert_eq!(run("code", code, long).code(), "inspection_failed");
    let endless = run("endless", "exec /usr/bin/yes", long);
    assert_eq!(endless.code(), "inspection_failed");
    let missing = Inspector {
        program: Some("/nowhere/control".into()),
        wall: long,
    };
    let missing = missing.inspect(&ask(), &model(1)).unwrap_err();
    assert_eq!(missing.code(), "inspection_not_started");
}

#[test]
fn nothing_of_this_process_environment_reaches_the_child() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("environment");
    let body = format!("/usr/bin/env > {}; /bin/cat > /dev/null", told.display());
    let inspector = Inspector {
        program: Some(script(folder.path(), "tells", &body)),
        wall: Duration::from_secs(60),
    };
    assert!(std::env::vars_os().count() > 3, "there is something to hide");
    inspector.inspect(&ask(), &model(1)).unwrap_err();
    let told = std::fs::read_to_string(told).unwrap();
    let names: Vec<&str> = told.lines().filter_map(|line| line.split('=').next()).collect();
    let harmless = ["ORT_DYLIB_PATH", "PWD", "OLDPWD", "SHLVL", "_"];
    assert!(names.iter().all(|name| harmless.contains(name)), "{names:?}");
}

/// Set in the process that this test starts of itself.
const WITHIN: &str = "TWOVOTE_TEST_WITHIN_THE_LIMITS";

/// What a process that has limited itself gets when it asks for more.
#[cfg(target_os = "linux")]
fn tried() -> String {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::os::unix::process::CommandExt as _;
    fn word<T>(what: &str, tried: std::io::Result<T>) -> String {
        let kind = tried.err().map(|error| error.kind());
        format!("{what}: {kind:?}\n")
    }
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = there.local_addr().unwrap();
    child::restrict().unwrap();
    // SAFETY: it takes numbers and reads no memory.
    let traced = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
    let traced = (traced == 0)
        .then_some(())
        .ok_or_else(std::io::Error::last_os_error);
    // SAFETY: the child, if there is one, ends at once.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        std::process::abort();
    }
    let forked = (forked > 0)
        .then_some(())
        .ok_or_else(std::io::Error::last_os_error);
    let thread = std::thread::Builder::new().spawn(|| ());
    let parent = i64::from(std::os::unix::process::parent_id());
    let own = i64::from(std::process::id());
    let ask = |call: i64, first: i64, second: i64, third: i64| {
        // SAFETY: what is asked for takes numbers, or an address that is null.
        let answer = unsafe { libc::syscall(call, first, second, third, 0_i64, 0_i64) };
        (answer >= 0)
            .then_some(())
            .ok_or_else(std::io::Error::last_os_error)
    };
    let own_limit = ask(libc::SYS_prlimit64, 0, i64::from(libc::RLIMIT_CPU), 0);
    let signal = libc::SIGCONT.into();
    [
        word("kill", ask(libc::SYS_kill, parent, 0, 0)),
        word("tkill", ask(libc::SYS_tkill, parent, 0, 0)),
        word("tgkill", ask(libc::SYS_tgkill, parent, parent, 0)),
        word("signal to itself", ask(libc::SYS_tgkill, own, own, 0)),
        word("queued signal", ask(libc::SYS_rt_sigqueueinfo, parent, signal, 0)),
        word(
            "queued to a thread",
            ask(libc::SYS_rt_tgsigqueueinfo, parent, parent, signal),
        ),
        word(
            "limits",
            ask(libc::SYS_prlimit64, parent, i64::from(libc::RLIMIT_CPU), 0),
        ),
        word("own limits", own_limit),
        word("memory", ask(libc::SYS_process_vm_readv, parent, 0, 0)),
        word("pidfd", ask(libc::SYS_pidfd_open, parent, 0, 0)),
        word("owner", ask(libc::SYS_fcntl, 0, libc::F_SETOWN.into(), parent)),
        word("typing", ask(libc::SYS_ioctl, 0, 0x5412, 0)),
        #[cfg(target_arch = "x86_64")]
        word(
            "x32",
            ask(
                0x4000_0000 | libc::SYS_socket,
                libc::AF_INET.into(),
                libc::SOCK_STREAM.into(),
                0,
            ),
        ),
        #[cfg(target_arch = "x86_64")]
        word("x32 exec", ask(0x4000_0000 | 520, 0, 0, 0)),
        word("listen", TcpListener::bind("127.0.0.1:0")),
        word("connect", TcpStream::connect(address)),
        word("datagram", UdpSocket::bind("127.0.0.1:0")),
        word("accept", there.accept()),
        word("pair", UnixStream::pair()),
        word("spawn", Command::new("/bin/true").spawn()),
        word("exec", Err::<(), _>(Command::new("/bin/true").exec())),
        word("fork", forked),
        word("ptrace", traced),
        word(
            "thread",
            thread.and_then(|thread| thread.join().map_err(|_| std::io::Error::other("panic"))),
        ),
    ]
    .concat()
}

#[cfg(target_os = "linux")]
#[test]
fn the_limited_process_gets_no_socket_no_program_and_no_process() {
    use std::io::Write as _;
    if std::env::var_os(WITHIN).is_some() {
        let said = tried();
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    }
    let test = "inspection::the_limited_process_gets_no_socket_no_program_and_no_process";
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WITHIN, "1")
        .output()
        .unwrap();
    let said = String::from_utf8(again.stderr).unwrap();
    for what in [
        "listen",
        "connect",
        "datagram",
        "accept",
        "pair",
        "spawn",
        "exec",
        "fork",
        "ptrace",
        "kill",
        "tkill",
        "tgkill",
        "queued signal",
        "queued to a thread",
        "limits",
        "memory",
        "pidfd",
        "owner",
        "typing",
        #[cfg(target_arch = "x86_64")]
        "x32",
        #[cfg(target_arch = "x86_64")]
        "x32 exec",
    ] {
        let refused = format!("{what}: Some(PermissionDenied)\n");
        assert!(said.contains(&refused), "{what} is not refused: {said}");
    }
    for what in ["thread", "signal to itself", "own limits"] {
        assert!(
            said.contains(&format!("{what}: None\n")),
            "{what} is allowed: {said}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_inspecting_process_stands_behind_its_filter_before_it_is_asked() {
    let mut inspecting = Command::new(env!("CARGO_BIN_EXE_control"))
        .arg(VERB)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", inspecting.id());
    let began = Instant::now();
    // It has been asked nothing: it waits behind its filter, as long as it takes to put it up.
    while !std::fs::read_to_string(&status)
        .unwrap()
        .contains("\nSeccomp:\t2\n")
    {
        assert!(began.elapsed() < Duration::from_secs(60), "it has no filter");
        std::thread::yield_now();
    }
    drop(inspecting.stdin.take());
    assert_eq!(inspecting.wait().unwrap().code(), Some(65), "no question is none");
}
