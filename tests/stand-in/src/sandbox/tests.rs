//! The sandbox's own requests, over HTTP. The service behind it is a shell script here: a process that starts, writes, and
//! dies is enough.

use std::path::Path;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;
use crate::Options;
use crate::accounts::{ANNA, ILYA};
use crate::service::{Condition, Settings};

const SERVICE: &str = "#!/bin/sh
case \"$1 $2\" in
  serve*) echo 'INFO ready' >&2; exec sleep 1000 ;;
  'database url') echo postgres://nowhere ;;
  *) echo \"no such command: $*\" >&2; exit 2 ;;
esac
";

/// A sandbox on a free port.
struct Served {
    sandbox: Sandbox,
    telegram: Telegram,
    service: Service,
    origin: String,
    http: reqwest::Client,
    folder: TempDir,
}

impl Served {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("qr-login");
        write_script(&binary, SERVICE);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let telegram = Telegram::start(Options::default()).await.unwrap();
        let settings =
            Settings::of_binary(binary, &telegram, &folder.path().join("data"), Some(&origin)).unwrap();
        let service = Service::new(settings);
        let sandbox = Sandbox::new(telegram.clone(), service.clone(), Clock::system(), origin.clone());
        let router = sandbox.router();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { sandbox, telegram, service, origin, http: reqwest::Client::new(), folder }
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.origin)).send().await.unwrap()
    }

    async fn state(&self) -> Value {
        self.get("/sandbox/state").await.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let answer =
            self.http.post(format!("{}/sandbox/{path}", self.origin)).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn done(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert_eq!((status, &answer["ok"]), (200, &json!(true)), "{path}: {answer}");
        answer
    }
}

#[tokio::test]
async fn the_state_has_everything_that_the_page_draws() {
    let served = Served::start().await;
    served.sandbox.log_phones_in().await;
    let state = served.state().await;
    for pointer in [
        "/version",
        "/now",
        "/bot/commands",
        "/bot/menu_button/",
        "/service/state",
        "/service/starts",
        "/persons/1/messages",
        "/persons/0/phone/password/hint",
        "/persons/0/phone/notices",
    ] {
        assert!(state.pointer(pointer).is_some(), "{pointer}: {state}");
    }
    assert_eq!(state["persons"][0]["id"], ILYA);
    assert_eq!(state["persons"][1]["id"], ANNA);
    let session = &state["persons"][0]["phone"]["sessions"][0];
    assert_eq!((&session["current"], &session["device"]), (&json!(true), &json!("Ilya's phone")));
    assert!(session["hash"].is_string());
}

#[tokio::test]
async fn a_message_reaches_the_bot_and_is_in_the_state_under_a_new_version() {
    let served = Served::start().await;
    let before = served.state().await;
    assert_eq!(served.state().await["version"], before["version"], "nothing has changed");
    let sent = served.done("chat", json!({"person": ILYA, "text": "/start"})).await;
    let after = served.state().await;
    assert!(after["version"].as_u64() > before["version"].as_u64());
    let message = &after["persons"][0]["messages"][0];
    assert_eq!(message["message_id"], sent["message_id"]);
    assert_eq!((&message["from"], &message["text"]), (&json!("person"), &json!("/start")));
    assert_eq!(message["entities"][0]["type"], "bot_command");
    assert_eq!(served.telegram.bot_api.pending_updates(), 1);
    served.done("clear", json!({"person": ILYA})).await;
    assert_eq!(served.state().await["persons"][0]["messages"], json!([]));
    assert_eq!(served.post("chat", json!({"person": 1, "text": "x"})).await.1["error"], "PERSON_UNKNOWN");
}

#[tokio::test]
async fn another_origin_or_host_name_gets_nothing() {
    let served = Served::start().await;
    let state = format!("{}/sandbox/state", served.origin);
    let chat = format!("{}/sandbox/chat", served.origin);
    let body = json!({"person": ILYA, "text": "x"});
    for foreign in [
        served.http.get(&state).header("Host", "evil.example:8000"),
        served.http.get(&state).header("Sec-Fetch-Site", "cross-site"),
        served.http.post(&chat).header("Origin", "https://evil.example").json(&body),
    ] {
        let answer = foreign.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], "FOREIGN_ORIGIN");
    }
    let form = served.http.post(&chat).header("Content-Type", "text/plain").body(body.to_string());
    assert_eq!(form.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(served.telegram.bot_api.pending_updates(), 0);
}

#[tokio::test]
async fn the_page_is_served_and_nothing_beside_it() {
    let served = Served::start().await;
    let index = served.get("/").await;
    assert!(index.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let script = served.get("/sandbox/page/sandbox.js").await;
    assert!(script.headers()["content-type"].to_str().unwrap().starts_with("text/javascript"));
    for path in ["/sandbox/page/CONTRACT.md", "/sandbox/page/..%2FCargo.toml", "/sandbox/page/none.js", "/x"]
    {
        assert_eq!(served.get(path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    let by_another_name =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let moved = by_another_name.get(&served.origin).header("Host", "localhost:1").send().await.unwrap();
    assert_eq!(moved.headers()["location"], served.origin);
}

#[tokio::test]
async fn the_camera_says_what_it_sees_and_a_scan_is_confirmed_or_forgotten() {
    let served = Served::start().await;
    let scan = async |text: &str| {
        let code = qrcode::QrCode::new(text).unwrap();
        let mut png = Vec::new();
        let picture = code.render::<image::Luma<u8>>().min_dimensions(300, 300).build();
        picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
        camera(&served, png).await
    };
    let blank = image::GrayImage::from_pixel(200, 200, image::Luma([255]));
    let mut png = Vec::new();
    blank.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    assert_eq!(camera(&served, png).await["error"], "NO_QR_CODE");
    assert_eq!(scan("https://example.org/").await["error"], "NOT_A_LOGIN_CODE");

    let unknown_token = "tg://login?token=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let seen = scan(unknown_token).await;
    assert_eq!((&seen["ok"], &seen["device"]), (&json!(true), &Value::Null));
    let refused = served.post("confirm", json!({"scan": seen["scan"]})).await;
    assert_eq!((refused.0, &refused.1["error"]), (400, &json!("AUTH_TOKEN_INVALID")));
    let again = served.post("confirm", json!({"scan": seen["scan"]})).await;
    assert_eq!((again.0, &again.1["error"]), (404, &json!("SCAN_UNKNOWN")));

    let seen = scan(unknown_token).await;
    served.done("options", json!({"airplane": true})).await;
    let refused = served.post("confirm", json!({"scan": seen["scan"]})).await;
    assert_eq!((refused.0, &refused.1["error"]), (503, &json!("AIRPLANE_MODE")));
    assert_eq!(scan(unknown_token).await["error"], "AIRPLANE_MODE");
}

async fn camera(served: &Served, png: Vec<u8>) -> Value {
    let url = format!("{}/sandbox/scan?person={ILYA}", served.origin);
    let seen = served.http.post(url).header("Content-Type", "image/png").body(png).send().await.unwrap();
    seen.json().await.unwrap()
}

#[tokio::test]
async fn the_switches_change_the_account_and_the_line() {
    let served = Served::start().await;
    served.done("options", json!({"person": ILYA, "password": true, "dc": 4})).await;
    let state = served.state().await;
    let phone = &state["persons"][0]["phone"];
    assert_eq!((&phone["dc"], &phone["password"]["on"]), (&json!(4), &json!(true)));
    assert_eq!(phone["sessions"][0]["current"], true, "its phone has logged in again");
    for (body, error) in [
        (json!({"password": true}), "PERSON_MISSING"),
        (json!({"person": ILYA, "dc": 3}), "DC_UNKNOWN"),
        (json!({"bot_api_fault": "404"}), "FAULT_UNKNOWN"),
        (json!({"redeliver": true}), "NO_UPDATE"),
        (json!({"rocket": true}), "BODY"),
    ] {
        assert_eq!(served.post("options", body).await.1["error"], error);
    }
    served.done("options", json!({"airplane": true})).await;
    assert_eq!(served.state().await["persons"][1]["phone"]["online"], false);
}

#[tokio::test]
async fn the_service_is_killed_started_again_and_its_log_goes_on() {
    let served = Served::start().await;
    served.service.start().unwrap();
    wait_for_lines(&served.service, 1).await;
    served.done("kill", json!({})).await;
    assert_eq!(
        served.state().await["service"],
        json!({"state": "killed", "pid": null, "starts": 1, "note": null})
    );
    served.done("restart", json!({})).await;
    wait_for_lines(&served.service, 2).await;
    let status = served.service.status();
    assert_eq!((status.starts, status.state), (2, Condition::Starting));
    let lines: Value = served.get("/sandbox/log?after=1").await.json().await.unwrap();
    assert_eq!(lines, json!({"lines": [{"n": 2, "line": "INFO ready"}]}));
    served.service.stop().await;
    let status = served.service.status();
    assert_eq!((status.state, status.pid), (Condition::Exited, None));
    assert!(status.note.is_some_and(|note| note.contains("signal")));
}

async fn wait_for_lines(service: &Service, n: usize) {
    let mut changed = service.changes();
    while service.log_after(0).len() < n {
        changed.changed().await.unwrap();
    }
}

#[tokio::test]
async fn events_bring_the_state_at_once_and_again_after_a_change() {
    let served = Served::start().await;
    let mut events = served.get("/sandbox/events").await;
    let mut seen = String::new();
    read_until(&mut events, &mut seen, "event: state").await;
    served.telegram.person(ANNA).send("knock knock");
    read_until(&mut events, &mut seen, "knock knock").await;
    served.service.start().unwrap();
    read_until(&mut events, &mut seen, "INFO ready").await;
    assert!(seen.contains("event: log\n"));
}

async fn read_until(events: &mut Response, seen: &mut String, wanted: &str) {
    while !seen.contains(wanted) {
        seen.push_str(&String::from_utf8_lossy(&events.chunk().await.unwrap().unwrap()));
    }
}

#[tokio::test]
async fn the_service_is_reached_through_this_origin_unchanged() {
    let served = Served::start().await;
    assert_eq!(served.get("/qr-auth-status?session_id=x").await.status(), StatusCode::BAD_GATEWAY);
    let echo = async |request: axum::extract::Request| {
        let seen =
            format!("{} {} {:?}", request.method(), request.uri(), request.headers().get("authorization"));
        let body = axum::body::to_bytes(request.into_body(), 100).await.unwrap();
        (StatusCode::IM_A_TEAPOT, [("x-own", "kept")], format!("{seen} {}", String::from_utf8_lossy(&body)))
    };
    let listener = TcpListener::bind(served.service.settings().listen).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(echo)).await });
    let url = format!("{}/qr-auth/code?a=%2F", served.origin);
    let asked = served.http.post(url).header("Authorization", "tma x").body("body").send().await.unwrap();
    assert_eq!(
        (asked.status(), &asked.headers()["x-own"]),
        (StatusCode::IM_A_TEAPOT, &"kept".parse().unwrap())
    );
    assert_eq!(asked.text().await.unwrap(), "POST /qr-auth/code?a=%2F Some(\"tma x\") body");
    for path in ["/qr-auth", "/qr-auth/app.js", "/me", "/admin", "/admin/x", "/api/openapi.json"] {
        assert_eq!(served.get(path).await.status(), StatusCode::IM_A_TEAPOT, "{path}");
    }
}

#[tokio::test]
async fn the_journal_is_the_output_of_replay_and_says_when_replay_is_missing() {
    let served = Served::start().await;
    let broken = served.folder.path().join("replay");
    write_script(&broken, "#!/bin/sh\nexit 1\n");
    let journal = async || served.get("/sandbox/journal?limit=2").await.json::<Value>().await.unwrap();
    assert_eq!(journal().await, json!({"available": false, "events": []}));
    write_script(
        &broken,
        "#!/bin/sh
[ \"$DATABASE_URL $*\" = 'postgres://nowhere history --format jsonl' ] || exit 1
for n in 1 2 3; do echo \"{\\\"position\\\": $n}\"; done
",
    );
    assert_eq!(journal().await, json!({"available": true, "events": [{"position": 2}, {"position": 3}]}));
}

#[test]
fn only_a_directory_that_a_sandbox_made_is_emptied_by_one_sandbox_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious");
    std::fs::write(&precious, "x").unwrap();
    assert!(DataDir::claim(folder.path()).is_err());
    assert!(precious.exists());

    let own = folder.path().join("own");
    let claimed = DataDir::claim(&own).unwrap();
    write_in(&own, "old");
    assert!(DataDir::claim(&own).is_err(), "another sandbox uses it");
    drop(claimed);
    DataDir::claim(&own).unwrap();
    assert!(!own.join("old/file").exists());
}

fn write_script(path: &Path, text: &str) {
    // Copied by a separate program: a child that another test forks at this moment would keep our file open for writing, and
    // such a file cannot be run.
    let draft = path.with_extension("draft");
    std::fs::write(&draft, text).unwrap();
    let copied =
        std::process::Command::new("install").args(["-m", "700"]).args([&draft, path]).status().unwrap();
    assert!(copied.success());
}

fn write_in(folder: &Path, name: &str) {
    std::fs::create_dir(folder.join(name)).unwrap();
    std::fs::write(folder.join(name).join("file"), "x").unwrap();
}
