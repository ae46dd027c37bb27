//! What a start looks at and makes before the parts run: ports, folders and ledgers.

use std::fmt::Display;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::str::FromStr;

use anyhow::Context as _;
use app::ledger::Ledger;
use tokio::net::TcpListener;

use crate::config::DataConfig;

/// Makes DATA_DIR, for its owner alone, where it is missing.
///
/// # Errors
/// It cannot be made.
pub fn make_data_dir(data: &DataConfig) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&data.data_dir)
        .with_context(|| format!("DATA_DIR: cannot make {}", data.data_dir.display()))
}

pub(super) async fn bind(setting: &str, addr: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr).await.with_context(|| format!("{setting}: cannot listen on {addr}"))
}

/// A ledger in DATA_DIR.
pub(super) fn ledger<E: Clone + Display + FromStr + Ord>(
    data: &DataConfig,
    name: &str,
) -> anyhow::Result<Ledger<E>> {
    let path = data.data_dir.join(name);
    Ledger::open(&path).with_context(|| format!("DATA_DIR: the ledger {} cannot be read", path.display()))
}
