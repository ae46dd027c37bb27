//! The message layer of one connection: decryption, salts, containers, service messages; RPC goes on to [`super::rpc`].

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use grammers_tl_types::{Cursor, Deserializable, Identifiable, Serializable, enums, functions, types};

use super::Server;
use super::crypto::{decrypt_from_client, encrypt_to_client, random};
use super::handshake::Handshake;
use super::rpc::Call;
use super::state::KeyId;
use super::tl::{constructor, parse};

const MSG_CONTAINER: u32 = 0x73F1_F8DC;
const RPC_RESULT: u32 = 0xF35C_6D01;
/// Salts that follow each other, a day each; all are good at once here.
const SALTS: i64 = 64;
const DAY_SECONDS: i64 = 86_400;

/// Why a connection ends.
pub enum Refusal {
    /// The auth key is not known here: transport error 404.
    UnknownKey,
    /// What came is no MTProto.
    Garbage,
}

/// The low bits of a server's message ids.
#[derive(Clone, Copy)]
enum Kind {
    Answer = 1,
    Notice = 3,
}

/// The state of one connection.
pub struct Channel {
    server: Arc<Server>,
    dc: i32,
    connection: u64,
    handshake: Handshake,
    peer: Option<Peer>,
    sequence: i32,
    last_message_id: i64,
}

/// The client, once it has spoken with a key.
#[derive(Clone)]
struct Peer {
    id: KeyId,
    auth_key: [u8; 256],
    salt: i64,
    session: i64,
}

impl Channel {
    pub fn new(server: Arc<Server>, dc: i32, connection: u64) -> Self {
        let handshake = Handshake::Idle;
        Self { server, dc, connection, handshake, peer: None, sequence: 0, last_message_id: 0 }
    }

    /// Handles one packet and gives the packets to send back.
    ///
    /// # Errors
    /// When the connection must end.
    pub async fn receive(&mut self, packet: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
        let (key_id, rest) = packet.split_first_chunk::<8>().ok_or(Refusal::Garbage)?;
        if *key_id == [0; 8] {
            return self.plain(rest).await.map(|answer| vec![answer]).ok_or(Refusal::Garbage);
        }
        let id = KeyId(*key_id);
        let (auth_key, salt) = {
            let state = self.server.lock();
            let key = state.keys.get(&(self.dc, id)).ok_or(Refusal::UnknownKey)?;
            (key.auth_key, key.salt)
        };
        let message = decrypt_from_client(rest, &auth_key).ok_or(Refusal::Garbage)?;
        let mut cursor = Cursor::from_slice(&message);
        let Envelope { salt: used_salt, session, message_id, sequence, body } =
            Envelope::read(&mut cursor).map_err(|_| Refusal::Garbage)?;

        let known = self.peer.as_ref().is_some_and(|peer| (peer.id, peer.session) == (id, session));
        self.server.lock().hear(self.connection, (self.dc, id), message_id);
        if !(0..SALTS).contains(&used_salt.wrapping_sub(salt)) {
            // The session begins with the first message that carries a good salt.
            self.peer = Some(Peer { id, auth_key, salt, session });
            let notice = enums::BadMsgNotification::BadServerSalt(types::BadServerSalt {
                bad_msg_id: message_id,
                bad_msg_seqno: sequence,
                error_code: 48,
                new_server_salt: salt,
            });
            let packet = self.encrypt(&notice.to_bytes(), Kind::Answer, false);
            self.peer = self.peer.take().map(|peer| Peer { session: 0, ..peer });
            return Ok(packet.into_iter().collect());
        }
        self.peer = Some(Peer { id, auth_key, salt, session });
        let mut packets = Vec::new();
        if !known {
            let created = enums::NewSession::Created(types::NewSessionCreated {
                first_msg_id: message_id,
                unique_id: i64::from_le_bytes(random()),
                server_salt: salt,
            });
            packets.extend(self.encrypt(&created.to_bytes(), Kind::Notice, true));
        }
        for (message_id, body) in unpack(message_id, body) {
            if let Some((answer, content)) = self.answer(id, salt, message_id, body).await {
                packets.extend(self.encrypt(&answer, Kind::Answer, content));
            }
        }
        Ok(packets)
    }

    /// An update for the client; None before it has spoken.
    pub fn push(&mut self, update: &[u8]) -> Option<Vec<u8>> {
        self.peer.as_ref().filter(|peer| peer.session != 0)?;
        self.encrypt(update, Kind::Notice, true)
    }

    /// The answer to one message, and whether the client has to acknowledge it.
    async fn answer(&self, key: KeyId, salt: i64, message_id: i64, body: Vec<u8>) -> Option<(Vec<u8>, bool)> {
        let pong = |ping_id| enums::Pong::Pong(types::Pong { msg_id: message_id, ping_id }).to_bytes();
        if constructor(&body)? == types::MsgsAck::CONSTRUCTOR_ID {
            return None;
        }
        if let Some(ping) = parse::<functions::Ping>(&body) {
            return Some((pong(ping.ping_id), false));
        }
        if let Some(ping) = parse::<functions::PingDelayDisconnect>(&body) {
            return Some((pong(ping.ping_id), false));
        }
        if parse::<functions::GetFutureSalts>(&body).is_some() {
            return Some((future_salts(message_id, salt, self.server.clock.unix_seconds()), false));
        }
        let call = Call { dc: self.dc, key, body };
        let server = self.server.clone();
        // Proofs and key exchanges take their time: not on a thread that serves sockets.
        let result = tokio::task::spawn_blocking(move || server.answer(call)).await.ok()??;
        let mut answer = RPC_RESULT.to_bytes();
        message_id.serialize(&mut answer);
        match result {
            Ok(object) => answer.extend(object),
            Err(error) => {
                enums::RpcError::Error(types::RpcError { error_code: error.code, error_message: error.name })
                    .serialize(&mut answer)
            }
        }
        Some((answer, true))
    }

    /// A message without encryption: a step of the handshake.
    async fn plain(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        let (server, dc, body) = (self.server.clone(), self.dc, message.get(12..)?.to_vec());
        let mut handshake = std::mem::take(&mut self.handshake);
        let step = tokio::task::spawn_blocking(move || {
            let answer = handshake.step(&server, dc, &body);
            (handshake, answer)
        });
        let (handshake, body) = step.await.ok()?;
        self.handshake = handshake;
        let body = body?;
        let mut packet = 0i64.to_bytes();
        self.next_message_id(Kind::Answer).serialize(&mut packet);
        (body.len() as i32).serialize(&mut packet);
        packet.extend(body);
        Some(packet)
    }

    fn encrypt(&mut self, body: &[u8], kind: Kind, content: bool) -> Option<Vec<u8>> {
        let peer = self.peer.clone()?;
        let mut message = peer.salt.to_bytes();
        peer.session.serialize(&mut message);
        self.next_message_id(kind).serialize(&mut message);
        (self.sequence * 2 + i32::from(content)).serialize(&mut message);
        self.sequence += i32::from(content);
        (body.len() as i32).serialize(&mut message);
        message.extend_from_slice(body);
        Some([&peer.id.0[..], &encrypt_to_client(&message, &peer.auth_key)].concat())
    }

    /// Unix time in 2^-32 seconds, always growing.
    fn next_message_id(&mut self, kind: Kind) -> i64 {
        let now = self.server.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = ((now.as_secs() as i64) << 32) | (i64::from(now.subsec_nanos()) << 2);
        self.last_message_id = (id & !3).max((self.last_message_id & !3) + 4);
        self.last_message_id | kind as i64
    }
}

struct Envelope {
    salt: i64,
    session: i64,
    message_id: i64,
    sequence: i32,
    body: Vec<u8>,
}

impl Envelope {
    fn read(cursor: &mut Cursor) -> grammers_tl_types::deserialize::Result<Self> {
        let (salt, session) = (i64::deserialize(cursor)?, i64::deserialize(cursor)?);
        let (message_id, sequence, body) = read_message(cursor)?;
        Ok(Self { salt, session, message_id, sequence, body })
    }
}

fn read_message(cursor: &mut Cursor) -> grammers_tl_types::deserialize::Result<(i64, i32, Vec<u8>)> {
    let (message_id, sequence) = (i64::deserialize(cursor)?, i32::deserialize(cursor)?);
    let length = u32::deserialize(cursor)?.min(1 << 20);
    let mut body = vec![0; length as usize];
    cursor.read_exact(&mut body)?;
    Ok((message_id, sequence, body))
}

/// The messages in a body: those of a container, or itself.
fn unpack(message_id: i64, body: Vec<u8>) -> Vec<(i64, Vec<u8>)> {
    if constructor(&body) != Some(MSG_CONTAINER) {
        return vec![(message_id, body)];
    }
    let mut cursor = Cursor::from_slice(&body[4..]);
    let count = i32::deserialize(&mut cursor).unwrap_or_default();
    (0..count)
        .map_while(|_| read_message(&mut cursor).ok())
        .map(|(message_id, _, body)| (message_id, body))
        .collect()
}

/// `future_salts`. At least two, or grammers asks again and again and never sends the real request.
fn future_salts(req_msg_id: i64, salt: i64, now: i64) -> Vec<u8> {
    let salts = (0..SALTS).map(|day| types::FutureSalt {
        valid_since: (now - 60 + day * DAY_SECONDS) as i32,
        valid_until: (now + (day + 1) * DAY_SECONDS) as i32,
        salt: salt.wrapping_add(day),
    });
    let salts = grammers_tl_types::RawVec(salts.collect());
    enums::FutureSalts::Salts(types::FutureSalts { req_msg_id, now: now as i32, salts }).to_bytes()
}
