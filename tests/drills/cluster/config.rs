//! The settings of Patroni and HAProxy: quick ones, so that a drill does not wait for the cluster more than it must.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{Node, Replication};

/// Patroni's: a dead primary loses its lock after 8 s. It speaks the second version of etcd's API: with the third one, Patroni before
/// 3.0.3 lets a primary that stood still take the lock back from the one that took over (patroni#2689).
pub fn patroni(node: &Node, etcd_url: &str, programs: &str, replication: Replication) -> String {
    let is_synchronous = replication == Replication::Synchronous;
    let Node { name, postgres, rest, dir, .. } = node;
    let (data, passwords) = (node.data(), dir.join("pgpass"));
    let (data, passwords) = (data.display(), passwords.display());
    let etcd = etcd_url.trim_start_matches("http://");
    format!(
        "scope: drill
name: {name}
restapi: {{listen: '{rest}', connect_address: '{rest}'}}
etcd: {{hosts: ['{etcd}']}}
bootstrap:
  dcs:
    ttl: 8
    loop_wait: 1
    retry_timeout: 3
    maximum_lag_on_failover: 1048576
    synchronous_mode: {is_synchronous}
    postgresql:
      use_pg_rewind: true
      parameters: {{max_connections: 200, wal_log_hints: 'on', max_wal_size: 4GB, wal_keep_size: 1GB}}
postgresql:
  listen: '{postgres}'
  connect_address: '{postgres}'
  data_dir: '{data}'
  bin_dir: '{programs}'
  pgpass: '{passwords}'
  authentication:
    superuser: {{username: postgres}}
    replication: {{username: replicator}}
    rewind: {{username: postgres}}
  parameters: {{unix_socket_directories: '', jit: 'off'}}
  pg_hba: ['host all all 127.0.0.0/8 trust', 'host replication all 127.0.0.0/8 trust',
           'host all all 10.213.0.0/16 trust', 'host replication all 10.213.0.0/16 trust']
"
    )
}

/// HAProxy's: it looks every half a second, and cuts the connections to a server that is not the primary any more.
pub fn haproxy(address: SocketAddr, nodes: &[Node]) -> String {
    let mut config = format!(
        "defaults
  mode tcp
  timeout connect 1s
  timeout check 1s
  timeout client 1h
  timeout server 1h
listen primary
  bind {address}
  option httpchk GET /primary
  http-check expect status 200
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
"
    );
    for node in nodes {
        let _ = writeln!(
            config,
            "  server {} {} check addr {} port {}",
            node.name,
            node.postgres,
            node.rest.ip(),
            node.rest.port()
        );
    }
    config
}
