//! The protocol's messages and the server's side of its services, from the definitions that the client ships (`protos/`, those
//! of eventstore 4.0.0).

use std::error::Error;

const PROTOS: &str = "protos";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTOS}");
    let definitions = protox::compile(["streams.proto", "serverfeatures.proto", "gossip.proto"], [PROTOS])?;
    tonic_build::configure().build_client(false).include_file("protocol.rs").compile_fds(definitions)?;
    Ok(())
}
