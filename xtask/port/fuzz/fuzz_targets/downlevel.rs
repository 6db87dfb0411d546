//! Never panics on any text; and it accepts its own output without a change.
#![no_main]

use downlevel::{Target, downlevel};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for target in [Target::PYTHON_3_10, Target::PYTHON_3_11] {
        let Ok(outcome) = downlevel("fuzz.py", text, target) else { continue };
        let Some(ported) = outcome.text else { continue };
        let again = downlevel("fuzz.py", &ported, target).expect("what was ported can be ported");
        assert_eq!(again.text, None, "porting twice changes nothing more");
    }
});
