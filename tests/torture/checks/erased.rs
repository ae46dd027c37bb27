//! An erased person has left no trace: in no table, in no file, and in no later line of the log.

use std::path::Path;

use anyhow::Result;
use jiff::Timestamp;

use crate::environment::Environment;

/// Every trace of these people. Their names hold their Telegram ids.
pub async fn traces(
    environment: &Environment,
    people: &[(i64, Timestamp)],
    lines: &[String],
) -> Result<Vec<String>> {
    let ids: Vec<String> = people.iter().map(|(id, _)| id.to_string()).collect();
    let named = |text: &str| ids.iter().find(|id| text.contains(id.as_str()));
    let mut traces = Vec::new();
    if ids.is_empty() {
        return Ok(traces);
    }

    let tables: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', schemaname, tablename) from pg_tables
          where schemaname not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&environment.checked)
    .await?;
    for table in tables {
        let rows: Vec<String> =
            sqlx::query_scalar(&format!("select t::text from {table} t where t::text ~ $1"))
                .bind(ids.join("|"))
                .fetch_all(&environment.checked)
                .await?;
        traces.extend(rows.iter().filter_map(|row| Some(format!("{} is named in {table}", named(row)?))));
    }

    let mut files = Vec::new();
    find_files(environment.dir.path(), &mut files)?;
    for file in files {
        let name = file.to_string_lossy().into_owned();
        let content = String::from_utf8_lossy(&std::fs::read(&file)?).into_owned();
        traces.extend(
            [&name, &content]
                .into_iter()
                .filter_map(|text| Some(format!("{} is named in the file {name}", named(text)?))),
        );
    }

    for (id, since) in people {
        let id = id.to_string();
        let told =
            lines.iter().find(|line| line.contains(&id) && written_at(line).is_some_and(|at| at > *since));
        traces.extend(told.map(|line| format!("{id} is named in the log afterwards: {line}")));
    }
    Ok(traces)
}

/// When a process wrote a line. Lines about people and disturbances do not count.
fn written_at(line: &str) -> Option<Timestamp> {
    let mut words = line.split_whitespace();
    let process = words.next()?;
    let is_of_the_test = ["crowd", "fleet"].contains(&process);
    if is_of_the_test { None } else { words.next()?.parse().ok() }
}

fn find_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}
