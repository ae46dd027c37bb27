//! The ledger of erased accounts: whatever a crash or a hand has left in the file, an account that is added is there afterwards, and
//! none that was there is lost.
#![no_main]

use app::Ledger;
use domain::AccountId;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let path = std::env::temp_dir().join(format!("fuzz-{}.erased", std::process::id()));
    std::fs::write(&path, data).expect("a file for the ledger");
    let Ok(mut ledger) = Ledger::<AccountId>::open(&path) else { return };
    let before = ledger.entries();
    let added: AccountId = "00000000-0000-4000-8000-00000000002a".parse().expect("an id");
    ledger.add([added]).expect("the ledger takes it");
    let after = Ledger::<AccountId>::open(&path).expect("the ledger");
    assert!(after.holds(&added), "{data:?}");
    assert!(before.iter().all(|account| after.holds(account)), "{data:?}");
});
