//! Servers that are none, and what scripts see of every failure.

use std::io::{Read as _, Write as _};

use super::Served;

#[test]
fn a_server_that_is_none_is_said_to_be() {
    let served = Served::start();
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let login = |url: &str| {
        served.run(
            "vera",
            &[
                "login",
                "--url",
                url,
                "--user",
                "vera",
                "--password-stdin",
                "--json",
            ],
            "secret\n",
        )
    };
    let said = login(&format!("http://{closed}"));
    assert_eq!(said.code, 69, "{}", said.err);
    assert!(said.err.contains("does not answer"), "{}", said.err);
    assert!(said.out.is_empty());

    let said = login("http://control.example");
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(said.err.contains("in the clear"), "{}", said.err);

    // Something else answers: a page, a redirect to another host, an answer cut off.
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhtml",
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\n<>",
        "HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{",
        "garbage",
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            let mut part = [0; 1024];
            while !String::from_utf8_lossy(&seen).contains("secret") {
                let read = stream.read(&mut part).unwrap();
                assert!(read > 0, "the password is in the body of the only request");
                seen.extend_from_slice(&part[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let said = login(&url);
        server.join().unwrap();
        assert_eq!(said.code, 69, "{answer}: {}{}", said.out, said.err);
        assert!(!served.login_file("vera").exists(), "{answer}");
    }
}

#[test]
fn a_login_goes_to_its_own_server_only() {
    let mut served = Served::start();
    served.runtime.block_on(async {
        crate::kit::http::user(&served.test, "vera", &[control::auth::Role::Viewer]).await;
    });
    served.login("vera");
    // Nobody listens there: had the login been sent, the exit code would say so.
    let said = served.run("vera", &["slots", "--url", "http://127.0.0.1:1"], "");
    assert_eq!(said.code, 77, "{}", said.err);
    assert!(
        said.err.contains("nobody is logged in at http://127.0.0.1:1"),
        "{}",
        said.err
    );
    let said = served.run("vera", &["slots"], "");
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn a_refusal_is_a_document_for_programs() {
    let mut served = Served::start();
    served.runtime.block_on(async {
        crate::kit::http::user(&served.test, "vera", &[control::auth::Role::Viewer]).await;
    });
    served.login("vera");
    let said = served.run("vera", &["model", "show", "none", "--json"], "");
    assert_eq!(said.code, 66);
    assert_eq!(said.json()["code"], "not_found");
    let said = served.run("vera", &["user", "list", "--json"], "");
    assert_eq!((said.code, said.json()["code"].clone()), (77, "forbidden".into()));
    std::fs::write(served.login_file("vera"), "{}").unwrap();
    assert_eq!(served.run("vera", &["slots"], "").code, 65);
}
