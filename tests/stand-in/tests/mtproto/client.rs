//! A client like that of the service: grammers-client over real sockets, with keys made beforehand.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grammers_client::Client;
use grammers_mtsender::{ConnectionParams, InvocationError, NoRetries, SenderPool};
use grammers_session::storages::MemorySession;
use grammers_session::types::DcOption;
use grammers_session::updates::UpdatesLike;
use grammers_session::{Session, SessionData};
use grammers_tl_types::{RemoteCall, enums, functions, types};
use stand_in::clock::ManualClock;
use stand_in::mtproto::{KeyId, MtProto, MtProtoOptions, exchange_key};
use tokio::sync::mpsc;

/// How long anything here may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The data centres with Ilya and Anna, and the clock they go by.
pub async fn telegram() -> (MtProto, ManualClock) {
    let clock = ManualClock::at(1_790_000_000);
    let options = MtProtoOptions { clock: clock.clock(), ..MtProtoOptions::default() };
    (MtProto::start(options).await.expect("loopback ports"), clock)
}

/// A service's client with a key of its own on each data centre.
pub struct LinkedClient {
    pub client: Client,
    pub session: Arc<MemorySession>,
    pub updates: mpsc::Receiver<UpdatesLike>,
    runner: tokio::task::JoinHandle<()>,
}

impl LinkedClient {
    pub async fn new(telegram: &MtProto) -> Self {
        let mut data = SessionData { home_dc: 2, ..SessionData::default() };
        for id in [2, 4] {
            let address = telegram.address(id).expect("a data centre");
            let (n, e) = telegram.rsa_key();
            let auth_key = Some(exchange_key(address, n, e).await.expect("a key"));
            let std::net::SocketAddr::V4(ipv4) = address else { panic!("not IPv4") };
            let ipv6 = std::net::SocketAddrV6::new(ipv4.ip().to_ipv6_mapped(), ipv4.port(), 0, 0);
            data.dc_options.insert(id, DcOption { id, ipv4, ipv6, auth_key });
        }
        Self::with(Arc::new(data.into()))
    }

    /// A client that uses the keys of a session from before, as after a restart.
    pub fn with(session: Arc<MemorySession>) -> Self {
        let params = ConnectionParams {
            device_model: "qr-login".into(),
            system_version: "Linux 6".into(),
            app_version: "0.1.0".into(),
            retry_policy: Box::new(NoRetries),
            ..ConnectionParams::default()
        };
        let SenderPool { runner, handle, updates } =
            SenderPool::with_configuration(session.clone(), 17, params);
        Self { client: Client::new(handle), session, updates, runner: tokio::spawn(runner.run()) }
    }

    pub async fn call<R: RemoteCall>(&self, query: &R) -> Result<R::Return, InvocationError> {
        tokio::time::timeout(PATIENCE, self.client.invoke(query)).await.expect("an answer in time")
    }

    pub async fn export(&self) -> Result<enums::auth::LoginToken, InvocationError> {
        self.call(&functions::auth::ExportLoginToken {
            api_id: 17,
            api_hash: "hash".into(),
            except_ids: vec![],
        })
        .await
    }

    /// Exports a token that still has to be accepted, as the link in the QR code.
    pub async fn show_link(&self) -> String {
        match self.export().await.expect("a token") {
            enums::auth::LoginToken::Token(token) => {
                format!("tg://login?token={}", URL_SAFE_NO_PAD.encode(token.token))
            }
            other => panic!("not a token: {other:?}"),
        }
    }

    /// Exports a token that has been accepted for another data centre, and goes there.
    pub async fn follow(&self) -> Vec<u8> {
        let enums::auth::LoginToken::MigrateTo(hand_over) = self.export().await.expect("a token") else {
            panic!("nowhere to go")
        };
        self.session.set_home_dc_id(hand_over.dc_id).await.expect("a session in memory");
        hand_over.token
    }

    pub async fn import(&self, token: Vec<u8>) -> Result<enums::auth::LoginToken, InvocationError> {
        self.call(&functions::auth::ImportLoginToken { token }).await
    }

    /// Waits for `updateLoginToken`.
    pub async fn login_update(&mut self) {
        loop {
            let update =
                tokio::time::timeout(PATIENCE, self.updates.recv()).await.expect("an update in time");
            if let UpdatesLike::Updates(enums::Updates::UpdateShort(short)) = update.expect("a running pool")
                && matches!(short.update, enums::Update::LoginToken)
            {
                return;
            }
        }
    }

    pub async fn connection_closed(&mut self) {
        loop {
            let update =
                tokio::time::timeout(PATIENCE, self.updates.recv()).await.expect("an update in time");
            if matches!(update.expect("a running pool"), UpdatesLike::ConnectionClosed) {
                return;
            }
        }
    }

    /// Has a code sent, and gives what goes with it.
    pub async fn send_code(&self, phone: &str) -> String {
        let settings = types::CodeSettings {
            allow_flashcall: false,
            current_number: false,
            allow_app_hash: false,
            allow_missed_call: false,
            allow_firebase: false,
            unknown_number: false,
            logout_tokens: None,
            token: None,
            app_sandbox: None,
        };
        let query = functions::auth::SendCode {
            phone_number: phone.into(),
            api_id: 17,
            api_hash: "hash".into(),
            settings: settings.into(),
        };
        let enums::auth::SentCode::Code(sent) = self.call(&query).await.expect("a code") else {
            panic!("no code")
        };
        sent.phone_code_hash
    }

    /// `auth.signIn`; grammers' own takes every refused code for a wrong one.
    pub async fn sign_in(
        &self,
        phone: &str,
        hash: &str,
        code: &str,
    ) -> Result<enums::auth::Authorization, InvocationError> {
        self.call(&functions::auth::SignIn {
            phone_number: phone.into(),
            phone_code_hash: hash.into(),
            phone_code: Some(code.into()),
            email_verification: None,
        })
        .await
    }

    /// The 2-step password's parameters; good for one try.
    pub async fn password(&self) -> types::account::Password {
        let enums::account::Password::Password(password) =
            self.call(&functions::account::GetPassword {}).await.expect("the parameters");
        password
    }

    pub async fn me(&self) -> Result<i64, InvocationError> {
        let id = vec![enums::InputUser::UserSelf];
        self.call(&functions::users::GetUsers { id }).await.map(|users| users[0].id())
    }

    /// The key on a data centre.
    pub fn key(&self, dc: i32) -> KeyId {
        let option = self.session.dc_option(dc).expect("a session in memory").expect("a known data centre");
        KeyId::of(&option.auth_key.expect("a key made beforehand"))
    }

    /// Hangs up and forgets everything but the session.
    pub async fn stop(self) -> Arc<MemorySession> {
        self.client.disconnect();
        self.runner.await.expect("the pool ends");
        self.session
    }
}

/// The account that a login ended with.
pub fn account_of(token: enums::auth::LoginToken) -> i64 {
    let enums::auth::LoginToken::Success(success) = token else { panic!("not logged in: {token:?}") };
    let enums::auth::Authorization::Authorization(done) = success.authorization else { panic!("no account") };
    done.user.id()
}

/// The name of an RPC error, number and all.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, InvocationError>) -> String {
    match result.expect_err("a refusal") {
        InvocationError::Rpc(error) => match error.value {
            Some(value) => format!("{}_{value}", error.name),
            None => error.name,
        },
        other => panic!("not an RPC error: {other}"),
    }
}
