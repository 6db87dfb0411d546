//! Errors of the configuration name the place, and suggest the word that was probably meant.

use super::*;

#[test]
fn an_error_in_the_file_is_refused_with_its_place_and_a_suggestion() {
    for (yaml, place, said, hint) in [
        ("x-speaches:\n  prot: 1\n", ", line 2, column 3:", "unknown setting `prot`", "did you mean `port`?"),
        ("x-speaches:\n  log-level: info\n", ", line 2, column 3:", "unknown setting `log-level`", "`log_level`?"),
        ("x-speaches:\n  qwertz: 1\n", ", line 2", "`qwertz`", "there are host, port, "),
        ("x-speaches:\n  port: many\n", ", line 2, column 9:", "`port` must be a TCP port", ""),
        ("x-speaches:\n  port: '80'\n", ", line 2, column 9:", "got the text `80`", ""),
        ("x-speaches:\n  port: 70000\n", ", line 2, column 9:", "(0 to 65535)", ""),
        ("x-speaches:\n  ui: 1\n", ", line 2, column 7:", "`ui` must be `true` or `false`", ""),
        ("x-speaches:\n  host: here\n", ", line 2", "`host` must be an IP address", ""),
        ("x-speaches:\n  log_level: loud\n", ", line 2", "one of debug, info", ""),
        ("x-speaches:\n  stt_idle: -2\n", ", line 2", "-1 for no limit", ""),
        ("x-speaches:\n  upload_limit: 0\n", ", line 2", "a size in MiB", ""),
        ("x-speaches:\n  voice: [a]\n", ", line 2", "got a list", ""),
        ("x-speaches:\n  voice:\n", ", line 2", "got nothing", ""),
        ("x-speaches:\n  hf_token: abc\n", ", line 2", "`hf_token`", "environment only: HF_TOKEN"),
        ("x-speaches: 7\n", ", line 1", "must be a mapping", ""),
        ("x-speeches: {}\n", ", line 1, column 1:", "`x-speeches`", "did you mean `x-speaches`?"),
        ("service: {}\n", ", line 1", "`service`", "did you mean `services`?"),
        ("port: 1\n", ", line 1", "`port` at the top level", "goes below `x-speaches:`"),
        ("- 1\n", ", line 1", "got a list", ""),
        ("x-speaches:\n  port: 1\n  port: 2\n", ", line 3", "", ""),
        ("x-speaches: [\n", ", line ", "not YAML", "bracket"),
        ("x-speaches:\n  environment: {UVICORN_PORT: 1}\n", ", line 2", "a setting of its own", "`port:`"),
        ("x-speaches:\n  environment: {A: [1]}\n", ", line 2", "must be a text or a number", "quotes"),
        ("services: {speaches: {x-harbor-native: {port: x}}}\n", ", line 1", "TCP port", ""),
    ] {
        let failure = World::new(&[], yaml).failure(&Flags::default());
        let text = failure.to_string();
        assert_eq!(failure.exit, Exit::Data, "{yaml}: {text}");
        assert!(text.contains(place) && text.contains("speaches_native.yml`"), "{yaml}: {text}");
        assert!(text.contains(said), "{yaml}: {text}");
        assert!(failure.advice().unwrap_or_default().contains(hint), "{yaml}: {:?}", failure.advice());
    }
    let secret = World::new(&[], "x-speaches: {api_key: 12345}").failure(&Flags::default());
    assert!(!secret.to_string().contains("12345"), "{secret}");
}

#[test]
fn an_error_in_another_layer_is_refused_with_its_name() {
    let none = Flags::default();
    for (name, value) in [("UVICORN_PORT", "eighty"), ("LOG_LEVEL", "loud"), ("HARBOR_SPEACHES_HOST", "example.org")] {
        let failure = World::new(&[(name, value)], "").failure(&none);
        assert_eq!(failure.exit, Exit::Config);
        assert!(failure.to_string().contains(&format!("{name} is `{value}`")), "{failure}");
    }
    let flags = Flags { values: BTreeMap::from([("port", "x".to_owned())]), ..Flags::default() };
    let failure = World::new(&[], "").failure(&flags);
    assert_eq!((failure.exit, failure.to_string().contains("`--port` is `x`")), (Exit::Usage, true), "{failure}");
}
