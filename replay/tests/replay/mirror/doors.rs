//! How the target is reached: user and password, which are never logged, TLS, a cluster, and invalid addresses.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use kurrent::{Node, Settings};
use tokio::process::Command;

use super::{STREAM, Scene, assert_stopped, told};
use crate::past::text;

/// `replay mirror` to this address, which is set in the environment.
async fn mirror_to(scene: &Scene, to: &str, patience: &str) -> Output {
    let all = ["mirror", "--stream", STREAM, "--patience", patience];
    let mut command = Command::from(scene.past.command(&all));
    command.env("MIRROR_TO", to).env("RUST_LOG", "trace").output().await.expect("replay can be run")
}

/// The password is not in the output: neither plain, nor as in the address, nor as in the header. The libraries that see headers
/// log nothing.
fn assert_secret(output: &Output) {
    let all = format!("{}{}", text(output), told(output));
    assert!(!all.contains("h2::"), "{all}");
    for secret in ["op:en/sesame", "op%3Aen%2Fsesame", "YWRtaW46b3A6ZW4vc2VzYW1l"] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_accepted_and_is_in_no_line_at_any_log_level() {
    let login = Some(("admin".to_owned(), "op:en/sesame".to_owned()));
    let scene = Scene::with(Settings { login, ..Settings::default() }).await;
    let address = scene.node.address();
    let to = format!("esdb://admin:op%3Aen%2Fsesame@{address}?tls=false");
    let done = mirror_to(&scene, &to, "0").await;
    assert!(done.status.success(), "{}", told(&done));
    assert_secret(&done);
    scene.assert_complete().await;

    scene.node.stop();
    let away = mirror_to(&scene, &to, "0").await;
    assert_eq!(away.status.code(), Some(1));
    assert_secret(&away);

    let flag = scene.past.command(&["mirror", "--to", &to, "--patience", "0"]);
    let flag = Command::from(flag).output().await.unwrap();
    assert!(told(&flag).contains("MIRROR_TO keeps it out"), "{}", told(&flag));
    assert_secret(&flag);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_one_line() {
    let login = Some(("admin".to_owned(), "right".to_owned()));
    let scene = Scene::with(Settings { login, ..Settings::default() }).await;
    for login in ["", "admin:wrong@"] {
        let to = format!("esdb://{login}{}?tls=false", scene.node.address());
        let mut command = Command::from(scene.past.command(&["mirror"]));
        let stopped = command.env("MIRROR_TO", to).output().await.unwrap();
        assert_stopped(&stopped, "lets nobody in with this user and password");
        assert!(!told(&stopped).contains("wrong"), "{}", told(&stopped));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_certificate_has_to_be_trusted() {
    let scene = Scene::with(Settings { tls: true, ..Settings::default() }).await;
    let port = scene.node.address().port();
    let folder = std::env::temp_dir().join(format!("mirror-{port}"));
    std::fs::create_dir_all(&folder).unwrap();
    let trusted = folder.join("ca.pem");
    std::fs::write(&trusted, scene.node.certificate().unwrap()).unwrap();
    let run = async |to: String| {
        let all = ["mirror", "--stream", STREAM, "--patience", "0", "--to", &to];
        Command::from(scene.past.command(&all)).output().await.unwrap()
    };

    assert_stopped(&run(format!("esdb://localhost:{port}")).await, "localhost");
    assert_stopped(&run(format!("esdb://localhost:{port}?tls=false")).await, "localhost");
    assert!(scene.copied(STREAM).is_empty());
    let done = run(format!("esdb://localhost:{port}?tlsCAFile={}", trusted.display())).await;
    assert!(done.status.success(), "{}", told(&done));
    scene.assert_complete().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_leader_is_found() {
    let scene = Scene::make().await;
    let follower: Node = scene.node.follower().await;
    let done = mirror_to(&scene, &format!("esdb://{}?tls=false", follower.address()), "10").await;
    assert!(done.status.success(), "{}", told(&done));
    scene.assert_complete().await;

    scene.append(5).await;
    let both = format!("esdb://{},{}?tls=false", follower.address(), scene.node.address());
    let done = mirror_to(&scene, &both, "10").await;
    assert!(done.status.success(), "{}", told(&done));
    scene.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_either_scheme_leads_to_the_same_server() {
    let scene = Scene::make().await;
    let address = scene.node.address();
    for (scheme, copied) in [("esdb", 11), ("kurrentdb", 0)] {
        let done = mirror_to(&scene, &format!("{scheme}://{address}?tls=false"), "0").await;
        let told_copied = format!("{copied} events copied, up to position 11\n");
        assert!(text(&done).ends_with(&told_copied), "{}", told(&done));
    }
    scene.assert_complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_address_and_a_missing_one_are_one_line() {
    let scene = Scene::make().await;
    let mut command = Command::from(scene.past.command(&["mirror"]));
    let stopped = command.env("MIRROR_TO", "http://admin:op:en/sesame@host").output().await.unwrap();
    assert_stopped(&stopped, "MIRROR_TO is no address of an EventStoreDB");
    assert_secret(&stopped);
    let nowhere = Command::from(scene.past.command(&["mirror"])).output().await.unwrap();
    assert_stopped(&nowhere, "--to, MIRROR_TO or MIRROR_TO_FILE");

    let file = std::env::temp_dir().join(format!("mirror-to-{}", scene.node.address().port()));
    std::fs::write(&file, format!("{}\n", scene.to())).unwrap();
    let open =
        Command::from(scene.past.command(&["mirror"])).env("MIRROR_TO_FILE", &file).output().await.unwrap();
    assert_stopped(&open, "MIRROR_TO_FILE");
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::from(scene.past.command(&["mirror", "--stream", STREAM]));
    let done = command.env("MIRROR_TO_FILE", &file).output().await.unwrap();
    assert!(done.status.success(), "{}", told(&done));
    std::fs::remove_file(file).unwrap();
}
