//! One TCP connection of a client: the "full" transport, read and written until either side hangs up.

use std::sync::Arc;

use grammers_crypto::DequeBuffer;
use grammers_mtproto::transport::{Error, Full, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::Server;
use super::messages::{Channel, Refusal};
use super::state::{Connection, Order};

/// What a client may at most send without a packet being complete.
const MAXIMUM_PENDING: usize = 2 << 20;

/// Serves the connection to its end.
pub async fn serve(server: Arc<Server>, dc: i32, stream: TcpStream) {
    let (orders, inbox) = mpsc::unbounded_channel();
    let id = {
        let mut state = server.lock();
        if state.faults.airplane {
            return;
        }
        let id = state.next_number();
        state.connections.insert(id, Connection { key: None, orders });
        id
    };
    if let Err(error) = talk(Channel::new(server.clone(), dc, id), stream, inbox).await {
        tracing::debug!(%error, "a client's connection broke");
    }
    server.lock().connections.remove(&id);
}

async fn talk(
    mut channel: Channel,
    mut stream: TcpStream,
    mut inbox: mpsc::UnboundedReceiver<Order>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut transport = Full::new();
    let mut pending = Vec::with_capacity(16 * 1024);
    loop {
        tokio::select! {
            read = stream.read_buf(&mut pending) => {
                if read? == 0 || pending.len() > MAXIMUM_PENDING {
                    return Ok(());
                }
                loop {
                    let packet = match transport.unpack(&mut pending) {
                        Ok(offset) => {
                            let packet = pending[offset.data_range].to_vec();
                            pending.drain(..offset.next_offset);
                            packet
                        }
                        Err(Error::MissingBytes) => break,
                        Err(_) => return Ok(()),
                    };
                    match channel.receive(&packet).await {
                        Ok(answers) => {
                            for answer in answers {
                                stream.write_all(&framed(&mut transport, &answer)).await?;
                            }
                        }
                        Err(Refusal::UnknownKey) => {
                            // A transport error is a bare negative number. The transport of the client waits for
                            // the length of a whole packet, so it is sent until that is there.
                            stream.write_all(&(-404i32).to_le_bytes().repeat(3)).await?;
                            return Ok(());
                        }
                        Err(Refusal::Garbage) => return Ok(()),
                    }
                }
            }
            order = inbox.recv() => match order {
                Some(Order::Push(update)) => {
                    if let Some(packet) = channel.push(&update) {
                        stream.write_all(&framed(&mut transport, &packet)).await?;
                    }
                }
                Some(Order::Close) | None => return Ok(()),
            },
        }
    }
}

fn framed(transport: &mut Full, packet: &[u8]) -> Vec<u8> {
    let mut buffer = DequeBuffer::with_capacity(packet.len() + 4, 8);
    buffer.extend(packet);
    transport.pack(&mut buffer);
    buffer.as_ref().to_vec()
}
