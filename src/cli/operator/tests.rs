//! Tests of `operator`.

use super::{name_in, operator};

#[test]
fn an_operator_is_named_by_the_system_and_sudo_by_root_alone() {
    let passwd = "root:x:0:0:root:/root:/bin/bash\nilya:x:1000:1000::/home/ilya:/bin/sh\n";
    assert_eq!(name_in(passwd, 1000).as_deref(), Some("ilya"));
    assert_eq!(name_in(passwd, 10_001), None);
    assert_eq!(operator("ilya", None), "ilya");
    assert_eq!(operator("root", Some("ilya")), "root:ilya");
    assert_eq!(operator("root", Some("root")), "root");
    assert_eq!(operator("WORK\\ilya k", Some("\u{1b}[2J")), "WORK_ilya_k:__2J");
}
