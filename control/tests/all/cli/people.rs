//! The first admin, logins, users, tokens.

use std::os::unix::fs::PermissionsExt as _;

use control::auth::{self, SystemRandom};

use super::Served;
use crate::kit::http::PASSWORD;

#[test]
fn the_first_admin_makes_users_and_tokens() {
    let mut served = Served::start();
    let link = served
        .runtime
        .block_on(auth::offer_setup(&served.test.app, &SystemRandom))
        .unwrap()
        .unwrap();
    let line = format!("setup --link {} --user ada --password-stdin", link.reveal());
    served.tell("ada", &line, PASSWORD);
    served.tell("ada", &line, PASSWORD);
    served.tell("ada", "login --user ada --password-stdin", "wrong\n");
    served.tell(
        "ada",
        "login --user ada --password-stdin",
        &format!("{PASSWORD}\n"),
    );
    let mode = std::fs::metadata(served.login_file("ada"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    served.tell("ada", "whoami", "");

    let add = "user add vera --roles approver,operator --email vera@example.org --password-stdin";
    served.tell("ada", add, PASSWORD);
    served.tell("ada", add, PASSWORD);
    served.tell(
        "ada",
        "user add rita --roles researcher --password-stdin",
        "short\n",
    );
    served.tell(
        "ada",
        "user add rita --roles researcher --password-stdin --json",
        PASSWORD,
    );
    served.tell("ada", "user role vera --roles approver", "");
    served.tell("ada", "user list", "");
    served.login("vera");
    served.tell("vera", "user list", "");
    let both = format!("{PASSWORD}\nanother good password\n");
    served.tell("vera", "user passwd --password-stdin", &both);
    served.tell("vera", "whoami", "");

    let create = "token create --owner rita --name pipeline --scopes research:write --days 30";
    served.tell("ada", create, "");
    served.tell(
        "ada",
        "token create --owner vera --name x --scopes research:write --days 30",
        "",
    );
    let made = served.run("ada", &["token", "list", "--json"], "").json();
    let id = made["tokens"][0]["token_id"].as_str().unwrap().to_owned();
    served.tell("ada", &format!("token revoke {id}"), "");
    served.tell("ada", "token revoke tok-none --json", "");
    served.tell("ada", "token revoke ../users", "");
    served.tell("ada", "user disable vera", "");
    served.tell("ada", "user disable ada", "");
    served.tell("ada", "logout", "");
    assert!(!served.login_file("ada").exists());
    served.tell("ada", "whoami", "");
    insta::assert_snapshot!("people", served.transcript());
}

#[test]
fn a_token_is_shown_instead_of_a_login_where_no_password_is_needed() {
    let mut served = Served::start();
    let (secret, _) = served.runtime.block_on(async {
        let roles = &[control::auth::Role::Researcher];
        crate::kit::http::user(&served.test, "rita", roles).await;
        crate::kit::http::token(&served.test, "rita", control::auth::Scope::ResearchWrite, None).await
    });
    std::fs::write(served.home.path().join("token"), format!("{secret}\n")).unwrap();
    served.tell("nobody", "pending", "");
    served.tell("nobody", "pending --token-file token", "");
    served.tell("nobody", "model list --token-file token", "");
    served.tell("nobody", "halt usdcop-5m --reason x --token-file token", "");
    served.tell("nobody", "pending --token-file none", "");
    insta::assert_snapshot!("token", served.transcript());
}

#[test]
fn a_token_for_an_engines_clients_comes_with_its_entry() {
    let mut served = Served::start();
    let roles = &[control::auth::Role::Admin, control::auth::Role::Operator];
    served
        .runtime
        .block_on(crate::kit::http::user(&served.test, "ada", roles));
    served.login("ada");
    let create = |scopes: &str| {
        let line = format!("token create --owner ada --name desk --scopes {scopes} --days 90 --engine");
        let words: Vec<&str> = line.split(' ').collect();
        served.run("ada", &words, "")
    };
    let said = create("signals:read,positions:write");
    assert_eq!(said.code, 0, "{}", said.err);
    let token = said
        .out
        .lines()
        .find_map(|line| line.strip_prefix("token "))
        .unwrap();
    let (_, entry) = said.out.split_once("[[tokens]]\n").unwrap();
    let entry: toml::Table = toml::from_str(entry).unwrap();
    let hash = contracts::hash::TokenHash::of(token.trim().as_bytes());
    assert_eq!(entry["sha256"].as_str(), Some(hash.to_hex().as_str()));
    assert_eq!(entry["scopes"].as_array().unwrap().len(), 2);
    assert!(!entry["expires"].as_str().unwrap().is_empty());
    assert_eq!(create("research:write").code, 2);
}
