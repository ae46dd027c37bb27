//! `.sqlx` says what PostgreSQL says now, and only of statements that are in the code. `scripts/sqlx` writes it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sqlx::{Column, Either, Executor, TypeInfo};

use crate::testing;

/// One file of `.sqlx`.
#[derive(Deserialize)]
struct Checked {
    query: String,
    describe: Description,
}

#[derive(Deserialize)]
struct Description {
    columns: Vec<CheckedColumn>,
    parameters: Parameters,
    nullable: Vec<Option<bool>>,
}

#[derive(Deserialize)]
struct CheckedColumn {
    name: String,
    type_info: String,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "Left")]
    types: Vec<String>,
}

#[tokio::test]
async fn each_checked_statement_is_what_the_migrated_database_says_of_it() {
    let db = testing::database().await.db;
    let mut connection = testing::connection(&db).await;
    let mut different = Vec::new();
    for Checked { query, describe } in checked_statements() {
        let now = match connection.describe(&query).await {
            Ok(now) => now,
            Err(error) => {
                different.push(format!("{query}\n    {error}"));
                continue;
            }
        };
        let columns = |it: &CheckedColumn| (it.name.clone(), name_of_type(&it.type_info));
        let columns: Vec<_> = describe.columns.iter().map(columns).collect();
        let columns_now: Vec<_> =
            now.columns().iter().map(|it| (it.name().to_owned(), it.type_info().name().to_owned())).collect();
        let nullable_now: Vec<_> = (0..columns_now.len()).map(|index| now.nullable(index)).collect();
        let types: Vec<_> = describe.parameters.types.iter().map(|it| name_of_type(it)).collect();
        let types_now: Vec<_> = match now.parameters() {
            Some(Either::Left(types)) => types.iter().map(|it| it.name().to_owned()).collect(),
            _ => Vec::new(),
        };
        let now = (columns_now, nullable_now, types_now);
        if (columns, describe.nullable, types) != now {
            different.push(format!("{query}\n    {now:?}"));
        }
    }
    assert!(different.is_empty(), "run scripts/sqlx prepare. Not as in .sqlx:\n{}", different.join("\n"));
}

#[test]
fn each_checked_statement_is_in_the_code() {
    let mut code = String::new();
    for directory in fs::read_dir(root()).unwrap() {
        let sources = directory.unwrap().path().join("src");
        if sources.is_dir() {
            add_code(&sources, &mut code);
        }
    }
    // A statement as its literal spells it, whether a raw one or not.
    let spelling = |text: &str| {
        let text = text.replace("\\\n", "").replace("\\\"", "\"").replace("\\\\", "\\");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let code = spelling(&code);
    let gone: Vec<_> = checked_statements().into_iter().map(|it| it.query).collect();
    let gone: Vec<_> = gone.iter().filter(|query| !code.contains(&spelling(query))).collect();
    assert!(gone.is_empty(), "run scripts/sqlx prepare. Not in the code any more: {gone:#?}");
}

fn checked_statements() -> Vec<Checked> {
    let files = fs::read_dir(root().join(".sqlx")).unwrap();
    let statements: Vec<Checked> = files
        .map(|file| {
            let path = file.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect();
    assert!(!statements.is_empty());
    statements
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn add_code(directory: &Path, code: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_code(&path, code);
        } else if path.extension().is_some_and(|it| it == "rs" || it == "sql") {
            code.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// `.sqlx` spells a type as sqlx names it in Rust, `TextArray`; a description as PostgreSQL does, `TEXT[]`.
fn name_of_type(in_rust: &str) -> String {
    match in_rust.strip_suffix("Array") {
        Some(element) => format!("{}[]", element.to_uppercase()),
        None => in_rust.to_uppercase(),
    }
}
