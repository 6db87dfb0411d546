//! Tests that cannot run because the machine lacks something.

/// Says aloud that something was not tried, which must never look like a success.
///
/// `lack` is one word for what is not here. With `SPEACHES_TEST_STRICT=1`, as in CI, it has to be among those that
/// `SPEACHES_TEST_MAY_SKIP` lists, separated by commas; otherwise the test fails.
#[track_caller]
pub fn not_run(lack: &str, what: &str, why: &str) {
    println!("NOT RUN: {what}: {why}");
    let variable = |name| std::env::var(name).ok();
    assert!(
        is_expected(lack, variable("SPEACHES_TEST_STRICT").as_deref(), variable("SPEACHES_TEST_MAY_SKIP").as_deref()),
        "this was not run, and SPEACHES_TEST_MAY_SKIP does not list `{lack}`: {what}: {why}"
    );
}

fn is_expected(lack: &str, strict: Option<&str>, may_skip: Option<&str>) -> bool {
    strict != Some("1") || may_skip.unwrap_or_default().split(',').any(|word| word == lack)
}

#[test]
fn a_skipped_test_is_a_failure_if_it_had_to_run() {
    assert!(is_expected("curl", None, None));
    assert!(is_expected("curl", Some("1"), Some("wget,curl")));
    assert!(!is_expected("curl", Some("1"), None));
    assert!(!is_expected("curl", Some("1"), Some("curls,wget")));
}
