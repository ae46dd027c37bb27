//! The memory of this process holds keys and codes. Nobody else reads it, and no file keeps it.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// From here on no other process of this user can attach to this one or read its memory (`PR_SET_DUMPABLE`), and a crash
/// writes no core file. Root still can. Where the system refuses, the process goes on.
pub fn close() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
