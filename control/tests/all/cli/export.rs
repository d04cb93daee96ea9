//! The chain leaves the plane page by page and is checked without it.

use control::auth::Role;

use super::Served;
use crate::audit::notes;
use crate::kit::http::user;

#[test]
fn an_exported_chain_is_the_whole_chain_and_verifies_by_itself() {
    let mut served = Served::start();
    served.runtime.block_on(async {
        user(&served.test, "victor", &[Role::Viewer]).await;
        // More than a page.
        notes(&served.test, 250).await;
        control::audit::heads::keep(&served.test.app)
            .await
            .unwrap()
            .unwrap();
    });
    served.login("victor");
    let said = served.run("victor", &["audit", "export", "chain.jsonl"], "");
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "251 events are in chain.jsonl\n"),
        "{}",
        said.err
    );
    let again = served.run("victor", &["audit", "export", "chain.jsonl"], "");
    assert_eq!(again.code, 74, "never over another: {}", again.err);

    let settings = served.test.settings_file();
    let verify = [
        "audit",
        "verify",
        "--export",
        "chain.jsonl",
        "--config",
        &settings,
    ];
    let said = served.run("nobody", &verify, "");
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(
        said.out.starts_with("251 events, the newest is 251 "),
        "{}",
        said.out
    );
    let path = served.home.path().join("chain.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("look 200", "look 201")).unwrap();
    let said = served.run("nobody", &verify, "");
    assert!(
        said.code == 1 && said.out.contains("event 202: event 202: its content was altered"),
        "{}",
        said.out
    );
}
