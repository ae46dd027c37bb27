//! `docs/configure.md` is made of the settings' own definitions: the flags of `qr-login`, and the variables that are no flags.

use std::path::Path;

use anyhow::Result;
use clap::{Arg, CommandFactory as _};
use qr_login::cli::Cli;
use qr_login::config::{HEADINGS, VARIABLES, Variable};

const RENEW: &str = "RENEW=1 cargo test -p qr-login --test e2e configure";

/// What there is to say of a setting.
struct Setting {
    name: String,
    heading: String,
    /// `--data-dir`.
    flag: Option<String>,
    is_secret: bool,
    default: Option<String>,
    text: String,
    example: Option<String>,
}

impl Setting {
    fn of_flag(argument: &Arg) -> Option<Self> {
        let name = argument.get_env()?.to_str()?.to_owned();
        let text = argument.get_long_help().or(argument.get_help())?.to_string();
        let default = argument.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
        let (text, example) = split_example(&text);
        Some(Self {
            name,
            heading: argument.get_help_heading()?.to_owned(),
            flag: Some(format!("--{}", argument.get_long()?)),
            is_secret: false,
            default: default.filter(|default| !default.is_empty()),
            text,
            example,
        })
    }

    fn of_variable(variable: &Variable) -> Self {
        let (text, example) = split_example(variable.help);
        Self {
            name: variable.name.to_owned(),
            heading: variable.heading.to_owned(),
            flag: None,
            is_secret: variable.is_secret,
            default: variable.default.map(str::to_owned),
            text,
            example,
        }
    }

    /// In the table at the top.
    fn line(&self) -> String {
        let default = match &self.default {
            _ if self.heading == "Required" => "**required**".to_owned(),
            Some(default) => format!("`{default}`"),
            None => "–".to_owned(),
        };
        let secret = if self.is_secret { ", a secret" } else { "" };
        format!("| [{0}](#{1}) | {default}{secret} |\n", self.name, self.name.to_lowercase())
    }

    fn markdown(&self) -> String {
        let mut facts = Vec::new();
        if self.heading == "Required" {
            facts.push("**Required.**".to_owned());
        }
        if self.is_secret {
            facts.push("A secret: the variable, or a file.".to_owned());
        }
        if let Some(flag) = &self.flag {
            facts.push(format!("Flag: `qr-login {flag} …`."));
        }
        if let Some(default) = &self.default {
            facts.push(format!("Default: `{default}`."));
        }
        let example = self.example.as_ref().or(self.default.as_ref());
        let example =
            example.map(|value| format!("\n```sh\n{}={value}\n```\n", self.name)).unwrap_or_default();
        format!("\n### {}\n\n{}\n\n{}\n{example}", self.name, facts.join(" "), self.text)
    }
}

fn split_example(text: &str) -> (String, Option<String>) {
    match text.split_once("Example: ") {
        Some((text, example)) => (text.trim().to_owned(), Some(example.trim().to_owned())),
        None => (text.trim().to_owned(), None),
    }
}

fn page() -> String {
    let command = Cli::command();
    let flags = command.get_arguments().filter_map(Setting::of_flag);
    let settings: Vec<_> = VARIABLES.iter().map(Setting::of_variable).chain(flags).collect();
    let mut page = format!(
        "# Settings\n\n<!-- Made of the settings' own definitions. To renew it: {RENEW} -->\n\n\
         Each setting is an environment variable. Those that are no secrets are flags of `qr-login`, too; a flag goes first. A `.env` \
         in the folder where the program starts is read ([deploy/.env.example](../deploy/.env.example) is one). An empty variable \
         is one that is not set.\n\n\
         A secret X may also come from a file: set X_FILE to its path. Its mode is 600: a file that others can read is refused, but \
         for what Docker mounts in `/run/secrets` and systemd in `CREDENTIALS_DIRECTORY`. Set the variable or the file, not both.\n\n\
         `qr-login check` says what is missing or wrong, before the first start and afterwards.\n\n\
         | setting | default |\n|---|---|\n"
    );
    for heading in HEADINGS {
        let of_heading = settings.iter().filter(|setting| setting.heading == heading);
        page.extend(of_heading.map(Setting::line));
    }
    for heading in HEADINGS {
        page.push_str(&format!("\n## {heading}\n"));
        let of_heading = settings.iter().filter(|setting| setting.heading == heading);
        page.extend(of_heading.map(Setting::markdown));
    }
    page
}

#[test]
fn the_page_of_the_settings_is_made_of_their_definitions() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configure.md");
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(&path, page())?;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/configure.md is not what the settings say: run {RENEW}");
    Ok(())
}

#[test]
fn every_setting_is_on_the_page_under_a_heading() {
    let page = page();
    let command = Cli::command();
    let flags = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    for name in flags.chain(VARIABLES.iter().map(|variable| variable.name)) {
        assert_eq!(page.matches(&format!("\n### {name}\n")).count(), 1, "{name}");
    }
}
