//! The memory of a connection to Telegram that waits. grammers gives each two buffers of a mebibyte, of which a login uses a page
//! or two, and a channel of 165 KiB for updates, of which it uses one. The rest takes no memory while it comes fresh from the kernel.
//! But once the first of them was given back, glibc takes such sizes from its own heap, where they take memory: 856 KiB for each
//! login that only waits, and 138 where that holds for the channel alone.

use std::convert::Infallible;
use std::time::Duration;

/// How often memory is given back.
const GIVE_BACK_EVERY: Duration = Duration::from_mins(1);

#[cfg(target_env = "gnu")]
const LARGE_BYTES: libc::c_int = 128 * 1024;

/// From now on large buffers come from the kernel, and go back there.
#[cfg(target_env = "gnu")]
pub fn keep_large_buffers_apart() {
    #[expect(
        unsafe_code,
        reason = "glibc has no other way than its environment, which is read before we are"
    )]
    // SAFETY: it takes two numbers, and a lock of its own.
    let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) };
    if done != 1 {
        tracing::debug!("memory is taken as the C library likes");
    }
}

/// Other C libraries do so by themselves.
#[cfg(not(target_env = "gnu"))]
pub const fn keep_large_buffers_apart() {}

/// Gives memory that is free back to the kernel, for as long as it is polled. glibc keeps what a burst of connections took:
/// 355 MiB after one of long polls, of which 23 had been in use before.
pub async fn give_back() -> Infallible {
    loop {
        tokio::time::sleep(GIVE_BACK_EVERY).await;
        // It takes some milliseconds where much is free.
        let _ = tokio::task::spawn_blocking(give_back_now).await;
    }
}

#[cfg(target_env = "gnu")]
fn give_back_now() {
    #[expect(unsafe_code, reason = "glibc gives back by itself only what is at the end of its heap")]
    // SAFETY: it takes a number, and locks of its own.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(target_env = "gnu"))]
const fn give_back_now() {}

#[cfg(test)]
#[cfg(target_env = "gnu")]
mod tests;
