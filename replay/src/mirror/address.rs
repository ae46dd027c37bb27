//! The address of the target: `esdb://user:password@host:2113?tls=true`, several hosts with commas between them, or
//! `esdb+discover://` and the name of a cluster. The scheme may have the server's newer name: `kurrentdb://`.
//!
//! User and password are removed before the address is parsed: no message, no log line and no setting of the client holds
//! them. For the same reason, no error repeats an address that cannot be read.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use eventstore::{ClientSettings, Credentials};
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

/// The schemes that the newer clients know. Ours knows only the first.
const SCHEMES: [&str; 4] = ["esdb", "kurrentdb", "kurrent", "kdb"];
const DISCOVER: &str = "+discover";
const FORM: &str = "is no address of an EventStoreDB or KurrentDB: it looks like esdb://user:password@host:2113?tls=true or kurrentdb://…, and a / @ ? # or % in the password is written %2F %40 %3F %23 %25";

/// How to reach the target.
#[derive(Clone)]
pub struct Address {
    /// Without user and password.
    pub settings: ClientSettings,
    pub credentials: Option<Credentials>,
    /// How long an answer may take; `defaultDeadline` in the address says otherwise.
    pub answer_within: Option<Duration>,
    /// The hosts, to be shown.
    pub hosts: String,
}

impl Address {
    /// Parses an address. `setting` names where it comes from.
    pub fn read(text: &SecretString, setting: &str) -> Result<Self> {
        let text = text.expose_secret().trim();
        let form = || format!("{setting} {FORM}");
        let (scheme, rest) = text.split_once("://").with_context(form)?;
        let scheme = scheme.to_ascii_lowercase();
        let (kind, discover) = scheme.strip_suffix(DISCOVER).map_or((&*scheme, ""), |kind| (kind, DISCOVER));
        ensure!(SCHEMES.contains(&kind), form());
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, options) = rest.split_at(end);
        let (login, hosts) = authority.rsplit_once('@').map_or((None, authority), |it| (Some(it.0), it.1));
        // A part of a password that was not encoded must not be taken for a host.
        ensure!(!options.contains('@') && hosts.chars().all(may_name_a_host), form());
        let Ok(settings) = format!("{}{discover}://{hosts}{options}", SCHEMES[0]).parse::<ClientSettings>()
        else {
            bail!(form())
        };
        let files = [settings.tls_ca_file(), settings.user_certificate().map(|(certificate, _)| certificate)];
        files.into_iter().flatten().try_for_each(|file| is_certificate(file))?;
        let shown: Vec<String> =
            settings.hosts().iter().map(|it| format!("{}:{}", it.host, it.port)).collect();
        Ok(Self {
            credentials: login.map(credentials),
            answer_within: deadline(options),
            hosts: shown.join(","),
            settings,
        })
    }

    /// Whether the address has a password, which a flag should not have.
    pub fn has_password(text: &SecretString) -> bool {
        let (_, rest) = text.expose_secret().split_once("://").unwrap_or_default();
        rest.split_once('@').is_some_and(|(login, _)| login.contains(':'))
    }
}

fn credentials(login: &str) -> Credentials {
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let plain = |text| percent_decode_str(text).collect::<Vec<u8>>();
    Credentials::new(plain(user), plain(password))
}

fn may_name_a_host(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._:,[]".contains(letter)
}

/// `defaultDeadline` in milliseconds. The client only sends it to the server, so it is applied here.
fn deadline(options: &str) -> Option<Duration> {
    let (_, query) = options.split_once('?')?;
    let named = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        name.eq_ignore_ascii_case("defaultDeadline").then(|| value.parse().ok()).flatten()
    };
    query.split('&').find_map(named).map(Duration::from_millis)
}

/// Checks the file, because the client panics if it is no certificate.
fn is_certificate(file: &str) -> Result<()> {
    let text = std::fs::read_to_string(Path::new(file)).with_context(|| format!("{file} cannot be read"))?;
    ensure!(text.contains("-----BEGIN CERTIFICATE-----"), "{file} holds no certificate in PEM");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Address> {
        Address::read(&text.into(), "--to")
    }

    #[test]
    fn a_login_is_taken_out_and_decoded() {
        let address =
            read("esdb://admin:p%40ss%2Fw%25@db.example:2114?tls=false&defaultDeadline=200").unwrap();
        assert_eq!(address.hosts, "db.example:2114");
        assert_eq!(address.credentials, Some(Credentials::new("admin", "p@ss/w%")));
        assert!(address.settings.default_authenticated_user().is_none());
        assert!(!address.settings.is_secure_mode_enabled());
        assert_eq!(address.answer_within, Some(Duration::from_millis(200)));
        assert!(!format!("{:?}", address.settings).contains("p@ss"));
    }

    #[test]
    fn tls_is_on_and_the_port_known_unless_told_otherwise() {
        let address = read("esdb://db.example").unwrap();
        assert!(address.settings.is_secure_mode_enabled() && address.credentials.is_none());
        assert_eq!(address.hosts, "db.example:2113");
    }

    #[test]
    fn a_cluster_has_several_hosts_or_a_name() {
        let several = read("esdb://u:p@one:2111,two:2112,three:2113?tls=false").unwrap();
        assert_eq!(several.hosts, "one:2111,two:2112,three:2113");
        assert!(read("esdb+discover://cluster.example").unwrap().settings.is_dns_discovery_enabled());
    }

    #[test]
    fn each_name_of_the_scheme_means_the_same() {
        for scheme in ["esdb", "ESDB", "kurrentdb", "kurrent", "kdb"] {
            let address = read(&format!("{scheme}://u:p@one:2111,two:2112?tls=false")).unwrap();
            assert_eq!(address.hosts, "one:2111,two:2112", "{scheme}");
            assert!(!address.settings.is_dns_discovery_enabled(), "{scheme}");
            let cluster = read(&format!("{scheme}+discover://cluster.example")).unwrap();
            assert!(cluster.settings.is_dns_discovery_enabled(), "{scheme}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_repeated() {
        for wrong in [
            "",
            "localhost:2113",
            "http://admin:sesame@host",
            "kurrentdb2://admin:sesame@host",
            "esdb+discover+discover://admin:sesame@host",
            "esdb://admin:sesame/@host:2113",
            "esdb://admin:21?sesame@host:2113",
            "esdb://admin:21/sesame@host:2113",
            "esdb://admin:sesame@ho%20st",
            "esdb://admin:sesame@host:notaport",
            "esdb://admin:sesame@",
            "esdb://admin:sesame@host?tls=sesame",
        ] {
            let Err(error) = read(wrong) else { panic!("{wrong} was read") };
            let told = format!("{error:#}");
            assert!(told.starts_with("--to is no address"), "{told}");
            assert!(!told.contains("sesame") && !told.contains("admin"), "{told}");
        }
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let error = read("esdb://host?tlsCAFile=/nowhere/ca.pem").err().map(|error| format!("{error:#}"));
        assert!(error.is_some_and(|error| error.starts_with("/nowhere/ca.pem cannot be read")));
    }
}
