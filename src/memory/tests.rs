//! Tests of `memory`.

use std::sync::{Mutex, PoisonError};

use super::*;

/// Both tests measure the memory of the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const BUFFERS: usize = 64;
const SIZE: usize = LARGE_BYTES as usize + 8 * 1024;

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
