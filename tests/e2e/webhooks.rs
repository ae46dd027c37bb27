//! Webhooks of other services, received and verified by the Python library of Standard Webhooks.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};
use stand_in::accounts::{ANNA, ILYA};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::admin_acts::world;
use crate::admin_client::{AdminPage, account_of, send};
use crate::export::stdout_of;
use crate::python::environment;
use crate::wait::eventually;
use crate::world::World;

const REQUIREMENTS: &str = "tests/e2e/standardwebhooks/requirements.txt";
const RECEIVER: &str = "tests/e2e/standardwebhooks/receiver.py";

/// The Python receiver, and what it has printed.
struct Receiver {
    port: u16,
    secret_file: PathBuf,
    lines: Arc<Mutex<Vec<String>>>,
    _process: Child,
    _dir: tempfile::TempDir,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let python = environment("standardwebhooks", "standardwebhooks", REQUIREMENTS).await?.join("python");
        let dir = tempfile::tempdir()?;
        let secret_file = dir.path().join("secret");
        let mut process = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(RECEIVER))
            .env("SECRET_FILE", &secret_file)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut printed = BufReader::new(process.stdout.take().context("it prints")?).lines();
        let port = printed.next_line().await?.context("its port")?.parse()?;
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = lines.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = printed.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        Ok(Self { port, secret_file, lines, _process: process, _dir: dir })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// It verifies by this secret from now on.
    fn use_secret(&self, made: &Value) -> Result<()> {
        let secret = made["secret"].as_str().context("a secret")?;
        ensure!(secret.starts_with("whsec_"));
        Ok(std::fs::write(&self.secret_file, secret)?)
    }

    /// The messages that were verified: id and JSON, each id once, in the order in which they came first.
    fn messages(&self) -> Vec<(String, Value)> {
        let mut messages: Vec<(String, Value)> = Vec::new();
        for line in self.lines.lock().unwrap().iter() {
            if let Some((id, text)) = line.split_once(' ')
                && !messages.iter().any(|(known, _)| known == id)
            {
                messages.push((id.to_owned(), serde_json::from_str(text).expect("JSON")));
            }
        }
        messages
    }

    fn kinds(&self) -> Vec<String> {
        self.messages().iter().map(|(_, message)| message["type"].as_str().unwrap().to_owned()).collect()
    }

    async fn has(&self, kinds: &[&str]) -> Result<()> {
        let waited = eventually("the messages come", async || Ok(self.kinds() == kinds)).await;
        waited.with_context(|| format!("{:?} instead of {kinds:?}", self.lines.lock().unwrap()))
    }
}

async fn make(page: &AdminPage, receiver: &Receiver) -> Result<Value> {
    let made = page.post("webhooks", json!({"url": receiver.url()})).await?;
    ensure!(made.status == 201, "{made:?}");
    receiver.use_secret(&made.body)?;
    Ok(made.body)
}

async fn cli(world: &World, args: &[&str]) -> Result<String> {
    stdout_of(world, &[&["webhook"][..], args].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_told_of_a_login_and_verifies_it_by_the_standards_library() -> Result<()> {
    let (mut world, receiver) = (world().await?, Receiver::start().await?);
    let page = AdminPage::open(&world, ANNA).await?;
    let made = make(&page, &receiver).await?;
    let id = made["webhook_id"].as_str().context("an id")?.to_owned();
    let path = format!("webhooks/{id}");

    let tested = page.post(&format!("{path}/test"), Value::Null).await?;
    assert_eq!(tested.status, 202, "{tested:?}");
    receiver.has(&["webhook.test"]).await?;
    assert_eq!(json!(receiver.messages()[0].0), tested.body["delivery_id"]);

    world.log_in(ILYA).await?;
    let login = ["webhook.test", "login.authorized", "subscription.started"];
    receiver.has(&login).await?;
    let (_, started) = receiver.messages().remove(2);
    assert_eq!(started["data"]["telegram_id"], json!(ILYA));
    assert_eq!(started["data"]["account_id"], json!(account_of(&world, ILYA).await?));
    // It names the event, as the feed and `replay` do.
    let position = started["data"]["position"].as_i64().context("a position")?;
    let event = world.events().await?.into_iter().find(|event| event.position == position);
    assert_eq!(event.context("the event")?.name, "SubscriptionActivated");

    // Both secrets verify for a day.
    let changed = send(page.request(Method::PATCH, &path).json(&json!({"rotate_secret": true}))).await?;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert!(changed.body["secret_rotates_until"].is_string());
    let ilya = format!("users/{}", account_of(&world, ILYA).await?);
    page.post(&format!("{ilya}/block"), Value::Null).await?;
    receiver.has(&[&login[..], &["user.blocked"]].concat()).await?;
    receiver.use_secret(&changed.body)?;

    // A service that is away gets what happened meanwhile.
    world.crash_service().await;
    world.start_service().await?;
    page.post(&format!("{ilya}/unblock"), Value::Null).await?;
    receiver.has(&[&login[..], &["user.blocked", "user.unblocked"]].concat()).await?;
    assert!(!receiver.lines.lock().unwrap().iter().any(|line| line == "refused"));

    let latest = format!("{path}/deliveries?state=delivered&limit=2");
    let is_told = async || Ok(page.get(&latest).await?.body["items"][0]["type"] == json!("user.unblocked"));
    eventually("the delivery is recorded", is_told).await?;
    let deliveries = page.get(&latest).await?;
    let after = deliveries.body["next"].as_str().context("there are more")?;
    let next = page.get(&format!("{path}/deliveries?after={after}")).await?;
    assert_eq!(next.body["items"].as_array().map(Vec::len), Some(3), "{next:?}");

    // What the log says of it names the host alone.
    let told: Vec<_> = world.events().await?.into_iter().filter(|it| it.stream == "service").collect();
    let names: Vec<_> = told.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["WebhookCreated", "WebhookChanged"]);
    assert!(told.iter().all(|event| event.metadata.actor == page.account_id));
    assert!(!told.iter().any(|event| event.payload.to_string().contains("/hook")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_managed_at_the_terminal() -> Result<()> {
    let (world, receiver) = (world().await?, Receiver::start().await?);
    let printed =
        cli(&world, &["create", "--url", &receiver.url(), "--type", "user.blocked,user.erased"]).await?;
    let field = |name: &str| {
        let line = printed.lines().find(|line| line.starts_with(name)).context("a line")?;
        Ok::<_, anyhow::Error>(line[name.len()..].trim().to_owned())
    };
    let (id, secret) = (field("id")?, field("secret")?);
    std::fs::write(&receiver.secret_file, &secret)?;

    let message = cli(&world, &["test", &id]).await?;
    receiver.has(&["webhook.test"]).await?;
    assert_eq!(receiver.messages()[0].0, message.trim());
    let listed: Value = serde_json::from_str(&cli(&world, &["list", "--json"]).await?)?;
    assert_eq!(listed["items"][0]["types"], json!(["user.blocked", "user.erased"]));
    assert!(!listed.to_string().contains(&secret[6..]));

    cli(&world, &["change", &id, "--all-types", "--enabled", "no"]).await?;
    let shown = cli(&world, &["show", &id]).await?;
    assert!(shown.contains("types           all\n") && shown.contains("state           off\n"), "{shown}");
    cli(&world, &["change", &id, "--enabled", "yes"]).await?;
    let rotated = cli(&world, &["rotate", &id]).await?;
    assert!(rotated.contains("whsec_") && !rotated.contains(&secret));
    let deliveries = cli(&world, &["deliveries", &id, "--state", "delivered"]).await?;
    assert!(deliveries.contains(message.trim()), "{deliveries}");
    assert_eq!(cli(&world, &["replay", &id, "--all"]).await?, "queued 0\n");
    cli(&world, &["delete", &id]).await?;
    let gone = cli(&world, &["show", &id]).await.expect_err("it is gone").to_string();
    assert!(gone.contains("there is no such webhook"), "{gone}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_inside_is_refused_with_its_reason() -> Result<()> {
    let world = world().await?;
    let page = AdminPage::open(&world, ANNA).await?;
    for (url, what) in [
        ("https://10.0.0.1/", "private network"),
        ("https://0xa.1/", "private network"),
        ("https://[fd00::1]/", "private network"),
        ("http://example.org/", "private network"),
        ("https://user:password@example.org/", "without a user"),
        ("file:///etc/passwd", "https://"),
    ] {
        let refused = page.post("webhooks", json!({"url": url})).await?;
        assert_eq!(
            (refused.status, &refused.body["type"]),
            (422, &json!("urn:qr-login:webhook_address")),
            "{url}"
        );
        assert!(refused.body["detail"].as_str().context("a reason")?.contains(what), "{url}: {refused:?}");
    }
    let none = page.get("webhooks").await?;
    assert_eq!(none.body["items"], json!([]));
    let nobody = page.get("webhooks/00000000-0000-0000-0000-000000000000").await?;
    assert_eq!(nobody.status, 404);
    Ok(())
}
