//! Tests of `process`.

use super::*;

#[test]
fn what_the_kernel_writes_is_read() {
    let stat = "17 (a) b (c) S 1 2 3 0 -1 4194560 100 0 0 0 1234 766 0 0 20 0 9 0 5 0 0";
    assert_eq!(cpu_seconds(stat), Some(20));
    assert_eq!(resident_bytes("VmPeak:\t 9 kB\nVmRSS:\t   12 kB\n"), Some(12_288));
}

#[test]
fn this_process_uses_something() {
    let usage = Usage::now();
    assert!(usage.resident_bytes.unwrap() > 1_000_000);
    assert!(usage.open_fds.unwrap() > 2);
    assert!(usage.max_fds.is_some());
    assert!(cpu_seconds(&std::fs::read_to_string("/proc/self/stat").unwrap()).is_some());
}
