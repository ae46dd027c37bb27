//! The servers of a database URL: one, or several of which one is wanted, as libpq writes it:
//! `postgresql://user@one:5432,two:5432/db?target_session_attrs=read-write`.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use futures::future::select_ok;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, Error, Executor, PgConnection, Postgres};
use tokio::time::timeout;

use crate::error::{DatabaseError, is_unknown_host, no_answer};

/// How long one of several servers may take to answer whether it is the wanted one.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long the only one may take.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);

/// The servers of one database.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    each: Vec<PgConnectOptions>,
    target: Target,
}

/// Which of them is wanted: libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
}

/// Whether a server takes writes.
pub(crate) struct Standing {
    is_standby: bool,
    pub is_read_only: bool,
}

impl Standing {
    /// # Errors
    /// It does not answer.
    pub async fn of(server: impl Executor<'_, Database = Postgres>) -> Result<Self, Error> {
        sqlx::query_as!(
            Self,
            r#"select pg_is_in_recovery() as "is_standby!",
                          current_setting('transaction_read_only')::bool as "is_read_only!""#
        )
        .fetch_one(server)
        .await
    }
}

impl Servers {
    /// Reads a URL. A server on another machine has to prove with a certificate that it is the one, unless `sslmode` says
    /// otherwise.
    ///
    /// # Errors
    /// [`DatabaseError::Url`], [`DatabaseError::SessionAttributes`].
    pub fn parse(url: &str) -> Result<Self, DatabaseError> {
        let (scheme, rest) = url.split_once("://").ok_or(DatabaseError::Url)?;
        if !matches!(scheme, "postgresql" | "postgres") {
            return Err(DatabaseError::Url);
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, hosts) = authority.rsplit_once('@').map_or(("", authority), |(user, hosts)| (user, hosts));
        let at = if user.is_empty() { "" } else { "@" };
        let (path, target) = split_target(path)?;
        let password = password_from_file()?;
        // As libpq, which reads the same variable.
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let says_how =
            query.split('&').any(|pair| pair.starts_with("sslmode=") || pair.starts_with("ssl-mode="))
                || std::env::var_os("PGSSLMODE").is_some();
        let each = hosts.split(',').map(|host| {
            let url = format!("postgresql://{user}{at}{host}{path}");
            let options = PgConnectOptions::from_str(&url).map_err(|_| DatabaseError::Url)?;
            // The URL's own password goes first, as it does before PGPASSWORD.
            let options = match &password {
                Some(password) if !user.contains(':') && !path.contains("password=") => {
                    options.password(password)
                }
                _ => options,
            };
            let options = options.application_name("qr-login");
            Ok(if says_how || is_here(&options) { options } else { options.ssl_mode(PgSslMode::VerifyFull) })
        });
        Ok(Self { each: each.collect::<Result<_, DatabaseError>>()?, target })
    }

    pub fn is_one(&self) -> bool {
        self.each.len() == 1
    }

    /// As which role.
    pub fn role(&self) -> &str {
        self.each[0].get_username()
    }

    /// The TCP ports that they listen on.
    pub fn ports(&self) -> Vec<u16> {
        let tcp = self.each.iter().filter(|it| it.get_socket().is_none() && !it.get_host().starts_with('/'));
        tcp.map(PgConnectOptions::get_port).collect()
    }

    /// Connects to the wanted one.
    ///
    /// # Errors
    /// No server is there, or none is the wanted one: the error of one of them.
    pub async fn find(&self) -> Result<(PgConnectOptions, PgConnection), DatabaseError> {
        let within = if self.is_one() { CONNECTED_WITHIN } else { ANSWER_WITHIN };
        let tries = self.each.iter().map(|server| {
            Box::pin(async move {
                let tried = timeout(within, self.try_one(server)).await;
                let connection = tried.unwrap_or_else(|_| Err(no_answer("connecting")));
                Ok((server.clone(), connection.map_err(|error| connect_error(server, error))?))
            })
        });
        select_ok(tries).await.map(|(found, _)| found)
    }

    async fn try_one(&self, server: &PgConnectOptions) -> Result<PgConnection, Error> {
        let mut connection = server.connect().await?;
        if self.target != Target::Any {
            let server = Standing::of(&mut connection).await?;
            let suits = match self.target {
                Target::Any => true,
                Target::ReadWrite => !server.is_read_only,
                Target::ReadOnly => server.is_read_only,
                Target::Primary => !server.is_standby,
                Target::Standby => server.is_standby,
            };
            if !suits {
                let _ = connection.close().await;
                let other = std::io::Error::other("the server is not what target_session_attrs asks for");
                return Err(Error::Io(other));
            }
        }
        Ok(connection)
    }
}

/// Why there is no connection to this server, in words for its operator. It names no password.
fn connect_error(server: &PgConnectOptions, error: Error) -> DatabaseError {
    let place = place_of(server);
    let problem = match &error {
        Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => format!("connection refused at {place}"),
            ErrorKind::NotFound => format!("no server at {place}"),
            ErrorKind::TimedOut => format!("no answer from {place}"),
            _ if is_unknown_host(io) => format!("unknown host {}", server.get_host()),
            _ => return error.into(),
        },
        Error::Database(refusal) => match refusal.code().unwrap_or_default().as_ref() {
            "28P01" => format!("{place} refuses the password of {}", server.get_username()),
            "28000" => format!("{place} refuses {}: {}", server.get_username(), refusal.message()),
            "3D000" => {
                let name = server.get_database().unwrap_or_else(|| server.get_username());
                format!("{place} has no database {name}")
            }
            _ => return error.into(),
        },
        _ => return error.into(),
    };
    DatabaseError::Connect { problem, error: Box::new(error) }
}

/// `127.0.0.1:5432`, or the folder of a socket.
fn place_of(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(folder) => folder.display().to_string(),
        None if server.get_host().starts_with('/') => server.get_host().to_owned(),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    }
}

/// The password in the file that `PGPASSWORD_FILE` names, without the end of its line. `PGPASSWORD` is read by sqlx.
fn password_from_file() -> Result<Option<String>, DatabaseError> {
    let Some(path) = std::env::var_os("PGPASSWORD_FILE").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(error) => Err(DatabaseError::PasswordFile(path.to_string_lossy().into_owned(), error)),
    }
}

/// Whether the way to the server leaves this machine nowhere.
fn is_here(server: &PgConnectOptions) -> bool {
    let host = server.get_host();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    server.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || ip.is_ok_and(|ip| ip.is_loopback())
}

/// The path and query without `target_session_attrs`, and what it asks for.
fn split_target(path: &str) -> Result<(String, Target), DatabaseError> {
    let Some((before, query)) = path.split_once('?') else { return Ok((path.to_owned(), Target::Any)) };
    let mut target = Target::Any;
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("target_session_attrs", value)) => target = Target::parse(value)?,
            _ => kept.push(pair),
        }
    }
    Ok((format!("{before}?{}", kept.join("&")), target))
}

impl Target {
    fn parse(value: &str) -> Result<Self, DatabaseError> {
        Ok(match value {
            "any" => Self::Any,
            "read-write" => Self::ReadWrite,
            "read-only" => Self::ReadOnly,
            "primary" => Self::Primary,
            "standby" => Self::Standby,
            _ => return Err(DatabaseError::SessionAttributes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_read_with_their_ports() {
        let servers = Servers::parse(
            "postgresql://app:se%2Fcret@one:5433,two,[::1]:5434/login?target_session_attrs=read-write&sslmode=disable",
        )
        .unwrap();
        let places: Vec<_> = servers.each.iter().map(|it| (it.get_host(), it.get_port())).collect();
        assert_eq!(places, [("one", 5433), ("two", 5432), ("[::1]", 5434)]);
        assert!(
            servers.each.iter().all(|it| it.get_username() == "app" && it.get_database() == Some("login"))
        );
        assert_eq!(servers.target, Target::ReadWrite);
    }

    #[test]
    fn a_server_elsewhere_has_to_prove_who_it_is_unless_the_url_says_otherwise() {
        let mode = |url: &str| Servers::parse(url).unwrap().each[0].get_ssl_mode();
        for url in [
            "postgresql://app@db.example.org/login",
            "postgresql://app@10.0.0.7/login",
            "postgresql://one,two/x",
        ] {
            assert!(matches!(mode(url), PgSslMode::VerifyFull), "{url}");
        }
        for here in ["localhost", "127.0.0.1", "[::1]:5433"] {
            assert!(matches!(mode(&format!("postgresql://app@{here}/login")), PgSslMode::Prefer), "{here}");
        }
        assert!(matches!(mode("postgresql:///login?host=%2Ftmp"), PgSslMode::Prefer));
        assert!(matches!(mode("postgresql://app@one/login?sslmode=disable"), PgSslMode::Disable));
        assert!(matches!(mode("postgresql://app@one/login?a=b&sslmode=require"), PgSslMode::Require));
    }

    #[test]
    fn a_socket_in_the_query_is_one_server() {
        let servers = Servers::parse("postgresql:///login?host=%2Ftmp%2Fa%2Cb&port=5432&user=app").unwrap();
        assert!(servers.is_one());
        assert_eq!(servers.each[0].get_socket().unwrap().to_str(), Some("/tmp/a,b"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for url in ["mysql://app:secret@one/login", "one:5432", "postgresql://app:secret@one:port/login"] {
            let error = Servers::parse(url).unwrap_err();
            assert!(matches!(error, DatabaseError::Url), "{url}");
            assert!(!error.to_string().contains("secret"));
        }
        let error = Servers::parse("postgresql://one,two/login?target_session_attrs=fastest").unwrap_err();
        assert!(matches!(error, DatabaseError::SessionAttributes));
    }
}
