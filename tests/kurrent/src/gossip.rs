//! The nodes of the cluster, for a client that has several addresses.

use tonic::{Request, Response, Status};

use crate::node::Node;
use crate::protocol::event_store::client::Empty;
use crate::protocol::event_store::client::gossip::gossip_server::Gossip;
use crate::protocol::event_store::client::gossip::member_info::VNodeState;
use crate::protocol::event_store::client::gossip::{ClusterInfo, EndPoint, MemberInfo};

#[tonic::async_trait]
impl Gossip for Node {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let leader = self.leader();
        let member = |address: std::net::SocketAddr, state: VNodeState| MemberInfo {
            state: state.into(),
            is_alive: true,
            http_end_point: Some(EndPoint { address: address.ip().to_string(), port: address.port().into() }),
            ..MemberInfo::default()
        };
        let mut members = vec![member(leader, VNodeState::Leader)];
        if self.address() != leader {
            members.push(member(self.address(), VNodeState::Follower));
        }
        Ok(Response::new(ClusterInfo { members }))
    }
}
