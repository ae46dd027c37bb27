//! Making an auth key with a data centre: the Diffie-Hellman exchange of core.telegram.org/mtproto/auth_key.
//!
//! grammers does it against Telegram's own RSA keys, which it has built in. A private server has another key. For it, the
//! exchange is done here, with grammers' cryptography and every check that the protocol asks for.
//!
//! Either way its two powers of 2048 bits take a processor some 25 ms. They are computed on fewer blocking threads than there are
//! processors. So when a thousand logins begin at once, pages and leases do not wait for them.

use std::net::SocketAddrV4;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use grammers_client::sender::{InvocationError, Sender, ServerAddr};
use grammers_client::tl::{self, Cursor, Deserializable, RemoteCall, Serializable};
use grammers_crypto::{aes, factorize, generate_key_data_from_nonce, rsa};
use grammers_mtproto::{authentication, mtp, transport};
use num_bigint::BigUint;
use sha1::{Digest, Sha1};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::connection::CALL_LIMIT;
use super::network::{Network, PublicKey};
use super::session::AuthKey;

/// Telegram's 2048-bit safe prime, published with the login protocol. A server that offers another one is refused: to prove a
/// prime safe takes longer than a login.
const PRIME_HEX: &[u8] = b"c71caeb9c6b1c9048e6c522f70f13f73980d40238e3e21c14934d037563d930f\
48198a0aa7c14058229493d22530f4dbfa336f6e0ac925139543aed44cce7c3720fd51f69458705ac68cd4fe6b6b13abdc9746512969328454f1\
8faf8c595f642477fe96bb2a941d5bcd1d4ac8cc49880708fa9b378e3c4f3a9060bee67cf9a4a4a695811051907e162753b56b0f6b410dba74d8\
a84b2a14b3144e0ef1284754fd17ed950d5965b4b9dd46582db1178d169c6bc465b0d6ff9ca3928fef5b9ae4e418fc15e83ebea0f87fa9ff5eed\
70050ded2849f47bf959d956850ce929851f0d8115f635b105ee2e4e15d04b2454bf6f4fadf034b10403119cd8e3b92fcc5b";

/// Why there is no auth key.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The connection failed, or Telegram's exchange did.
    #[error(transparent)]
    Connection(#[from] InvocationError),
    /// The server did not follow the protocol, or is another server.
    #[error("the key exchange was refused: {0}")]
    Refused(&'static str),
    /// The server did not answer in time.
    #[error("no answer in time")]
    NoAnswer,
}

impl From<authentication::Error> for ExchangeError {
    fn from(error: authentication::Error) -> Self {
        Self::Connection(error.into())
    }
}

/// A new auth key for the data centre at an address.
///
/// # Errors
/// [`ExchangeError`]; no key exists then.
pub async fn make_key(network: &Network, address: SocketAddrV4) -> Result<AuthKey, ExchangeError> {
    let connection = PlainConnection::open(address).await?;
    match network {
        Network::Telegram => exchange_with_telegram(connection).await,
        Network::Private(private) => exchange_with_private(connection, &private.rsa).await,
    }
}

/// A connection to a data centre with which there is no key.
struct PlainConnection(Sender<transport::Full, mtp::Plain>);

impl PlainConnection {
    async fn open(address: SocketAddrV4) -> Result<Self, ExchangeError> {
        let server = ServerAddr::Tcp { address: address.into() };
        let opened = timeout(CALL_LIMIT, Sender::connect(transport::Full::new(), mtp::Plain::new(), server));
        let sender = opened.await.map_err(|_| ExchangeError::NoAnswer)?;
        Ok(Self(sender.map_err(InvocationError::Io)?))
    }

    async fn call<R: RemoteCall>(&mut self, request: &R) -> Result<R::Return, ExchangeError> {
        let answer = timeout(CALL_LIMIT, self.0.invoke(request)).await;
        Ok(answer.map_err(|_| ExchangeError::NoAnswer)??)
    }
}

/// Computes on a blocking thread, in turn. No time limit runs during the wait.
async fn on_blocking_thread<T: Send + 'static>(
    compute: impl FnOnce() -> Result<T, ExchangeError> + Send + 'static,
) -> Result<T, ExchangeError> {
    static TURNS: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, |cores| (cores.get() - 1).max(1))));
    let _turn = TURNS.acquire().await.expect("the semaphore is never closed");
    // grammers panics on numbers that only a malicious server sends.
    spawn_blocking(compute)
        .await
        .unwrap_or(Err(ExchangeError::Refused("what it sent cannot be computed with")))
}

/// grammers' exchange, step by step.
async fn exchange_with_telegram(mut connection: PlainConnection) -> Result<AuthKey, ExchangeError> {
    let (request, step) = authentication::step1()?;
    let answer = connection.call(&request).await?;
    let tl::enums::ResPq::Pq(pq) = &answer;
    product_of_two_primes(&pq.pq)?;
    let (request, step) = on_blocking_thread(move || Ok(authentication::step2(step, answer)?)).await?;
    let answer = connection.call(&request).await?;
    let (request, step) = on_blocking_thread(move || Ok(authentication::step3(step, answer)?)).await?;
    let answer = connection.call(&request).await?;
    Ok(authentication::create_key(step, answer)?.auth_key)
}

/// The random numbers that each message of one exchange repeats.
struct Nonces {
    nonce: [u8; 16],
    server_nonce: [u8; 16],
    new_nonce: Zeroizing<[u8; 32]>,
}

/// The exchange of the protocol, with a server that has this key.
async fn exchange_with_private(
    mut connection: PlainConnection,
    rsa: &PublicKey,
) -> Result<AuthKey, ExchangeError> {
    // 1. Which key the server has, and a number to factorise.
    let nonce = random();
    let tl::enums::ResPq::Pq(pq) = connection.call(&tl::functions::ReqPqMulti { nonce }).await?;
    require(pq.nonce == nonce, "nonce")?;
    let fingerprint = fingerprint(rsa);
    require(pq.server_public_key_fingerprints.contains(&fingerprint), "the server has another RSA key")?;
    let nonces = Nonces { nonce, server_nonce: pq.server_nonce, new_nonce: Zeroizing::new(random()) };

    // 2. Our secret nonce, for the holder of that key alone.
    let rsa = rsa.clone();
    let requested = on_blocking_thread(move || Ok((request_dh(&pq.pq, &nonces, &rsa, fingerprint)?, nonces)));
    let (request, nonces) = requested.await?;
    let answer = connection.call(&request).await?;

    // 3. The server's half of the secret, checked, and ours.
    let (request, nonces, ours) = on_blocking_thread(move || {
        let (key, iv) = generate_key_data_from_nonce(&nonces.server_nonce, &nonces.new_nonce);
        let ours = OurHalf::of(&open_dh_answer(answer, &nonces, &key, &iv)?)?;
        let encrypted_data = seal_dh_answer(&ours, &nonces, &key, &iv);
        let (nonce, server_nonce) = (nonces.nonce, nonces.server_nonce);
        let request = tl::functions::SetClientDhParams { nonce, server_nonce, encrypted_data };
        Ok((request, nonces, ours))
    })
    .await?;
    let finished = connection.call(&request).await?;

    // 4. Both have the same secret.
    check_finished(&finished, &nonces, &ours.auth_key)?;
    Ok(*ours.auth_key)
}

fn request_dh(
    pq: &[u8],
    nonces: &Nonces,
    rsa: &PublicKey,
    fingerprint: i64,
) -> Result<tl::functions::ReqDhParams, ExchangeError> {
    let (p, q) = factorize(product_of_two_primes(pq)?);
    let (p, q) = (shortest(p.min(q)), shortest(p.max(q)));
    let (nonce, server_nonce) = (nonces.nonce, nonces.server_nonce);
    let inner = Zeroizing::new(
        tl::enums::PQInnerData::Data(tl::types::PQInnerData {
            pq: pq.to_vec(),
            p: p.clone(),
            q: q.clone(),
            nonce,
            server_nonce,
            new_nonce: *nonces.new_nonce,
        })
        .to_bytes(),
    );
    let key =
        rsa::Key::new(&rsa.n, &rsa.e).ok_or(ExchangeError::Refused("the RSA key is not two numbers"))?;
    let encrypted_data = rsa::encrypt_hashed(&inner, &key, &random());
    Ok(tl::functions::ReqDhParams {
        nonce,
        server_nonce,
        p,
        q,
        public_key_fingerprint: fingerprint,
        encrypted_data,
    })
}

/// The number to factorise. For a prime, or the square of one, grammers searches a factor for ever, and nobody else gets a turn
/// on that thread: anybody between us and the server could send one.
fn product_of_two_primes(pq: &[u8]) -> Result<u64, ExchangeError> {
    let number = u64::from_be_bytes(pq.try_into().map_err(|_| ExchangeError::Refused("pq is not 8 bytes"))?);
    let is_product = number > 3 && number % 2 == 1 && !is_prime(number) && number.isqrt().pow(2) != number;
    require(is_product, "pq is no product of two primes")?;
    Ok(number)
}

/// Miller and Rabin's test. With the first twelve primes it is exact for every number of 64 bits (oeis.org/A014233).
fn is_prime(odd: u64) -> bool {
    const WITNESSES: [u64; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    if WITNESSES.contains(&odd) {
        return true;
    }
    let times = |a: u64, b: u64| u64::try_from(u128::from(a) * u128::from(b) % u128::from(odd)).unwrap_or(0);
    let zeros = (odd - 1).trailing_zeros();
    WITNESSES.into_iter().all(|witness| {
        let (mut power, mut base, mut exponent) = (1, witness % odd, (odd - 1) >> zeros);
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = times(power, base);
            }
            base = times(base, base);
            exponent >>= 1;
        }
        (0..zeros).any(|round| {
            let before = power;
            power = times(power, power);
            before == odd - 1 || round == 0 && before == 1
        })
    })
}

fn open_dh_answer(
    answer: tl::enums::ServerDhParams,
    nonces: &Nonces,
    key: &[u8; 32],
    iv: &[u8; 32],
) -> Result<tl::types::ServerDhInnerData, ExchangeError> {
    let tl::enums::ServerDhParams::Ok(mut sealed) = answer else {
        return Err(ExchangeError::Refused("the server gives no Diffie-Hellman parameters"));
    };
    require(sealed.nonce == nonces.nonce, "nonce")?;
    require(sealed.server_nonce == nonces.server_nonce, "server_nonce")?;
    let length = sealed.encrypted_answer.len();
    require(length >= 32 && length.is_multiple_of(16), "the answer's length")?;
    aes::ige_decrypt(&mut sealed.encrypted_answer, key, iv);
    let (hash, plain) = sealed.encrypted_answer.split_at(20);
    let mut cursor = Cursor::from_slice(plain);
    let tl::enums::ServerDhInnerData::Data(inner) = tl::enums::ServerDhInnerData::deserialize(&mut cursor)
        .map_err(|_| ExchangeError::Refused("the answer's shape"))?;
    require(hash == &Sha1::digest(&plain[..cursor.pos()])[..], "the answer's hash")?;
    require(inner.nonce == nonces.nonce, "nonce")?;
    require(inner.server_nonce == nonces.server_nonce, "server_nonce")?;
    Ok(inner)
}

/// Our half of the secret.
struct OurHalf {
    g_b: Vec<u8>,
    auth_key: Zeroizing<AuthKey>,
}

impl OurHalf {
    fn of(theirs: &tl::types::ServerDhInnerData) -> Result<Self, ExchangeError> {
        let prime = BigUint::parse_bytes(PRIME_HEX, 16).expect("a hexadecimal constant");
        require(BigUint::from_bytes_be(&theirs.dh_prime) == prime, "dh_prime is not Telegram's")?;
        // The generators of the right subgroup of that prime: p mod 3 = 2, any p, p mod 7 in {3, 5, 6}.
        require(matches!(theirs.g, 3 | 4 | 7), "g is no generator for that prime")?;
        let g_a = BigUint::from_bytes_be(&theirs.g_a);
        require(is_safe(&g_a, &prime), "g_a is out of range")?;
        let secret = Zeroizing::new(random::<256>());
        let b = BigUint::from_bytes_be(&*secret);
        let g_b = BigUint::from(theirs.g.unsigned_abs()).modpow(&b, &prime);
        require(is_safe(&g_b, &prime), "g_b is out of range")?;
        let shared = Zeroizing::new(g_a.modpow(&b, &prime).to_bytes_be());
        let mut auth_key = Zeroizing::new([0; 256]);
        auth_key[256 - shared.len()..].copy_from_slice(&shared);
        Ok(Self { g_b: g_b.to_bytes_be(), auth_key })
    }
}

/// "We recommend checking that g_a and g_b are between 2^{2048-64} and dh_prime - 2^{2048-64}."
fn is_safe(number: &BigUint, prime: &BigUint) -> bool {
    let margin = BigUint::from(1u8) << (2048u32 - 64);
    *number >= margin && *number <= prime - &margin
}

fn seal_dh_answer(ours: &OurHalf, nonces: &Nonces, key: &[u8; 32], iv: &[u8; 32]) -> Vec<u8> {
    let inner = tl::enums::ClientDhInnerData::Data(tl::types::ClientDhInnerData {
        nonce: nonces.nonce,
        server_nonce: nonces.server_nonce,
        retry_id: 0,
        g_b: ours.g_b.clone(),
    })
    .to_bytes();
    let mut sealed = [&Sha1::digest(&inner)[..], &inner].concat();
    let padding = (16 - sealed.len() % 16) % 16;
    sealed.extend(&random::<16>()[..padding]);
    aes::ige_encrypt(&mut sealed, key, iv);
    sealed
}

fn check_finished(
    finished: &tl::enums::SetClientDhParamsAnswer,
    nonces: &Nonces,
    auth_key: &AuthKey,
) -> Result<(), ExchangeError> {
    let tl::enums::SetClientDhParamsAnswer::DhGenOk(ok) = finished else {
        return Err(ExchangeError::Refused("the server does not accept our half"));
    };
    require(ok.nonce == nonces.nonce, "nonce")?;
    require(ok.server_nonce == nonces.server_nonce, "server_nonce")?;
    let expected = grammers_crypto::AuthKey::from_bytes(*auth_key).calc_new_nonce_hash(&nonces.new_nonce, 1);
    require(ok.new_nonce_hash1 == expected, "the server has another secret")
}

/// How the protocol names an RSA key: the low 64 bits of the SHA-1 of `n` and `e`, as TL strings.
fn fingerprint(rsa: &PublicKey) -> i64 {
    let bytes = |decimal: &str| {
        BigUint::parse_bytes(decimal.as_bytes(), 10)
            .expect("the network file's key was checked")
            .to_bytes_be()
    };
    let mut serialized = bytes(&rsa.n).to_bytes();
    bytes(&rsa.e).serialize(&mut serialized);
    let digest = Sha1::digest(&serialized);
    i64::from_le_bytes(digest[12..].try_into().expect("the last 8 of 20 bytes"))
}

/// Big-endian without leading zeros: the server refuses longer ones.
fn shortest(number: u64) -> Vec<u8> {
    number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

fn require(condition: bool, problem: &'static str) -> Result<(), ExchangeError> {
    if condition { Ok(()) } else { Err(ExchangeError::Refused(problem)) }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
