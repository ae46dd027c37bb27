//! The memory of a connection to Telegram that waits. grammers gives each two buffers of a mebibyte, of which a login uses a page
//! or two. The rest takes no memory while it comes fresh from the kernel. But once the first buffer was given back, glibc takes
//! such sizes from its own heap and clears them, so that they take memory: 856 KiB for each login that only waits.

use std::convert::Infallible;
use std::time::Duration;

/// How often memory is given back.
const GIVE_BACK_EVERY: Duration = Duration::from_mins(1);

#[cfg(target_env = "gnu")]
const BUFFER_BYTES: libc::c_int = 1024 * 1024;

/// From now on large buffers come from the kernel, and go back there.
#[cfg(target_env = "gnu")]
pub fn keep_large_buffers_apart() {
    #[expect(
        unsafe_code,
        reason = "glibc has no other way than its environment, which is read before we are"
    )]
    // SAFETY: it takes two numbers, and a lock of its own.
    let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, BUFFER_BYTES) };
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
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// Both tests measure the memory of the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    const BUFFERS: usize = 64;
    const SIZE: usize = BUFFER_BYTES as usize + 8 * 1024;

    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
    }

    #[test]
    fn a_buffer_that_nobody_fills_takes_no_memory_also_after_others_were_given_back() {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        keep_large_buffers_apart();
        let before = resident_bytes();
        let mut pins = Vec::new();
        for round in 1..=2 {
            let filled: Vec<Vec<u8>> = (0..BUFFERS).map(|_| vec![round; SIZE]).collect();
            // A block above them keeps the heap from shrinking.
            pins.push(vec![round; 64 * 1024]);
            drop(filled);
        }

        let empty: Vec<Vec<u8>> = (0..BUFFERS).map(|_| vec![0; SIZE]).collect();

        let taken = resident_bytes().saturating_sub(before);
        assert_eq!((empty.len(), pins.len()), (BUFFERS, 2));
        assert!(taken < BUFFERS * SIZE / 4, "{taken} bytes");
    }

    #[test]
    fn what_a_burst_took_is_given_back() {
        const BLOCK: usize = 16 * 1024;
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let blocks: Vec<Vec<u8>> = (0..8_000).map(|_| vec![1; BLOCK]).collect();
        let full = resident_bytes();
        // What stays lies between what is freed, so the heap cannot shrink from its end.
        let stays: Vec<Vec<u8>> =
            blocks.into_iter().enumerate().filter_map(|(n, it)| (n % 100 == 0).then_some(it)).collect();

        give_back_now();

        let given_back = full.saturating_sub(resident_bytes());
        assert_eq!(stays.len(), 80);
        assert!(given_back > 8_000 * BLOCK / 2, "{given_back} bytes");
    }
}
