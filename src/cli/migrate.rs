//! `qr-login migrate`: brings the tables up to date, and ends. With it, a deployment does that as a step of its own: the processes that
//! serve need no owner's URL.

use std::process::ExitCode;

use clap::Args;
use eventlog::database::Tables;

use crate::config::{DataConfig, DataSettings};
use crate::database::{self, Patience, Plan};
use terminal::counted;

#[derive(Debug, Args)]
pub struct MigrateArguments {
    /// Change nothing, and say what would be done. Exit code 1 where something would.
    #[arg(long)]
    check: bool,
}

impl MigrateArguments {
    pub async fn run(self, settings: &DataSettings) -> anyhow::Result<ExitCode> {
        let data = DataConfig::from_settings(settings)?;
        let plan = database::plan(&data).await?;
        if self.check {
            print!("{}", of_check(plan.as_ref()));
            let is_empty = plan.is_some_and(|plan| plan.is_empty());
            return Ok(if is_empty { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        let (db, cluster) = database::open(&data, Patience::FailAtOnce).await?;
        db.close().await;
        if let Some(cluster) = cluster {
            cluster.stop().await?;
        }
        print!("{}", of_run(plan.as_ref()));
        Ok(ExitCode::SUCCESS)
    }
}

fn of_check(plan: Option<&Plan>) -> String {
    let Some(plan) = plan else {
        return "there is no private PostgreSQL yet: it would be made, with all tables\n".to_owned();
    };
    let mut said = String::new();
    for migration in &plan.migrations {
        said += &format!("{:04} {}\n", migration.version, migration.name);
    }
    let role = plan.role.as_deref().unwrap_or_default();
    said + &match plan.tables {
        Tables::None { migrations } | Tables::Behind { migrations } => {
            format!("{} would be run\n", counted(migrations, "migration"))
        }
        Tables::Newer { fits: false } => {
            "the tables are of a newer version of this program, and this one cannot work with them\n"
                .to_owned()
        }
        Tables::Changed { migration } => {
            format!("migration {migration} failed half-way, or is not this program's\n")
        }
        tables if plan.missing.is_empty() => standing(tables),
        _ => format!(
            "the role {role} would get the rights that it lacks: {}\n",
            database::named(&plan.missing)
        ),
    }
}

fn of_run(plan: Option<&Plan>) -> String {
    match plan.map(|plan| (plan.tables, plan.migrations.len(), plan.missing.len())) {
        None => "a private PostgreSQL was made, with all tables\n".to_owned(),
        Some((tables, 0, 0)) => standing(tables),
        Some((_, 0, rights)) => {
            format!("the service's role got {} that it lacked\n", counted(rights, "right"))
        }
        Some((_, migrations, _)) => {
            format!("the tables are up to date: {} run\n", counted(migrations, "migration"))
        }
    }
}

/// Where nothing is to be done.
fn standing(tables: Tables) -> String {
    match tables {
        Tables::Newer { .. } => {
            "the tables are of a newer version of this program, and this one can work with them\n".to_owned()
        }
        _ => "the tables are up to date\n".to_owned(),
    }
}
