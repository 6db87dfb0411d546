//! What `cargo xtask bench` writes down: results, a page and plots that are made of them, and who was not there.

use crate::support::*;
use camino::Utf8Path;
use serde_json::{Value, json};

/// Text of a file. Git may have given it the line ends of the system.
fn text(path: &Utf8Path) -> String {
    fs_err::read_to_string(path).unwrap().replace("\r\n", "\n")
}

/// Makes page and plots from these results and returns the directory, which has nothing else in it.
fn plotted(results: &str) -> Scratch {
    let scratch = scratch();
    fs_err::write(scratch.path.join("results.json"), results).unwrap();
    let ended = run(&mut xtask(&["bench", "plot", "--out", scratch.path.as_str()])).expect(0);
    assert_eq!(ended.stdout.trim_end(), scratch.path.as_str());
    scratch
}

/// The results of a run with nothing but these benchmarks in it.
fn results(benchmarks: &Value) -> String {
    let text = text(&root().join("docs/benchmarks/results.json"));
    let mut results: Value = serde_json::from_str(&text).unwrap();
    results["benchmarks"] = benchmarks.clone();
    results.to_string()
}

/// All that a reader of a plot can read, as an XML parser understands it.
fn readable(svg: &str) -> String {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    texts.map(|node| node.text().unwrap().to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_committed_page_and_plots_are_what_the_committed_results_give() {
    let committed = root().join("docs/benchmarks");
    let made = plotted(&text(&committed.join("results.json")));
    assert_eq!(files(&made.path), files(&committed), "run `cargo xtask bench plot`");
    for file in files(&committed) {
        let (made, found) = (text(&made.path.join(&file)), text(&committed.join(&file)));
        assert!(made == found, "docs/benchmarks/{file} is not what results.json gives: run `cargo xtask bench plot`");
    }
}

#[test]
fn the_committed_plots_can_be_read_in_light_and_dark_and_are_small() {
    let committed = root().join("docs/benchmarks");
    let page = text(&committed.join("README.md"));
    let plots = files(&committed).into_iter().filter(|file| file.extension() == Some("svg")).collect::<Vec<_>>();
    assert!(plots.len() > 3, "{plots:?}");
    for plot in plots {
        let svg = text(&committed.join(&plot));
        assert!(svg.len() < 30_000, "{plot} has {} bytes", svg.len());
        assert!(svg.contains("@media(prefers-color-scheme:dark)"), "{plot}");
        assert!(!svg.contains("href") && !svg.contains("url("), "{plot} loads something");
        assert!(readable(&svg).contains("one round"), "{plot}");
        assert!(page.contains(&format!("]({plot})")), "the page does not show {plot}");
    }
}

/// Calls something with every text in a value.
fn each_text(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(values) => values.iter().for_each(|value| each_text(value, look)),
        Value::Object(fields) => fields.values().for_each(|value| each_text(value, look)),
        _ => {}
    }
}

#[test]
fn the_committed_results_have_all_benchmarks_and_no_place_of_a_machine() {
    let results = json(&root().join("docs/benchmarks/results.json"));
    let names = results["benchmarks"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap());
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["bundle", "verify", "fetch", "wheels", "start", "speech", "transcribe", "load"]
    );
    let mut texts = 0;
    each_text(&results, &mut |text| {
        texts += 1;
        // `/health` is a page, `/a/b` is a place.
        let mut words = text.split(|c: char| c.is_whitespace() || "`'\"(),;=".contains(c));
        let is_place = |word: &str| word.starts_with(['/', '~']) && word[1..].contains('/') || word.contains(":\\");
        assert!(!words.any(is_place), "`{text}` names a place");
    });
    assert!(texts > 100, "{texts}");
}

#[test]
fn everybody_is_in_the_page_and_in_the_plot_whatever_their_names() {
    let strange = r#"a & b <c> "d" | *e* `f` \ [g]"#;
    let made = plotted(&results(&json!([
        {"name": "fetch", "load": [0.5, 0.25, 0.0], "seconds": 3, "outcome": {"measured": {
            "ours": "ours & <ours>",
            "comparisons": [
                {"title": "one <thing>", "unit": "seconds", "middle": "median", "ours": [1.0, 2.0, 3.0], "peers": [
                    {"name": strange, "limit": 0.5, "samples": [8.0, 4.0, 4.0]},
                    {"name": "the other", "limit": 0.1, "samples": [4.0, 4.0, 4.0]},
                ]},
                {"title": "no time at all", "unit": "seconds", "middle": "mean", "ours": [0.0], "peers": [
                    {"name": "nobody's time", "samples": [0.0]},
                ]},
            ],
            "notes": ["a note with | in it"],
            "absent": [{"name": "nobody", "why": "there is no <nobody> on PATH"}],
            "versions": {"curl": "7.88.1 <x>"},
        }}},
        {"name": "load", "load": null, "seconds": 0, "outcome": {"failed": "3 answers were wrong | all"}},
        {"name": "start", "load": null, "seconds": 0, "outcome": {"not-run": "somebody has said so"}},
    ])));
    assert_eq!(files(&made.path), ["README.md", "fetch.svg", "results.json"]);

    let plot = readable(&text(&made.path.join("fetch.svg")));
    for shown in [
        "ours & <ours>",
        strange,
        "the other",
        "nobody's time",
        "one <thing>",
        "0.50, within 0.5",
        "0.50, beyond 0.1",
        "too short",
        "not run: nobody: there is no <nobody> on PATH",
    ] {
        assert!(plot.contains(shown), "`{shown}` is not in\n{plot}");
    }

    let page = text(&made.path.join("README.md"));
    for shown in [
        r"| one \<thing\> | 2.00 s | a \& b \<c\> ".to_owned()
            + r#""d" \| \*e\* \`f\` \\ \[g\] | 4.00 s | 0.50 | 0.12 to 0.75 in 3 | within 0.5 |"#,
        r"| one \<thing\> | the other | 0.1 | 0.50 | **beyond** |".to_owned(),
        r"- not run: nobody: there is no \<nobody\> on PATH".to_owned(),
        r"- a note with \| in it".to_owned(),
        r"| Many clients (`load`) | **failed** | 3 answers were wrong \| all |".to_owned(),
        "| Starting (`start`) | not run | somebody has said so |".to_owned(),
        r"| curl | 7.88.1 \<x\> |".to_owned(),
        "load of the machine in 1, 5 and 15 minutes before: 0.5, 0.25, 0".to_owned(),
        "![Downloading: ratios](fetch.svg)".to_owned(),
    ] {
        assert!(page.contains(&shown), "`{shown}` is not in\n{page}");
    }
}

#[test]
fn a_plot_of_an_earlier_run_does_not_stay() {
    let entry = json!([{"name": "fetch", "load": null, "seconds": 0, "outcome": {"not-run": "said so"}}]);
    let made = plotted(&results(&entry));
    for file in ["fetch.svg", "mine.svg"] {
        fs_err::write(made.path.join(file), "").unwrap();
    }
    run(&mut xtask(&["bench", "plot", "--out", made.path.as_str()])).expect(0);
    assert_eq!(files(&made.path), ["README.md", "mine.svg", "results.json"]);
}

#[test]
fn results_that_are_none_are_refused_and_nothing_is_written() {
    for (results, why) in [
        ("{}", "missing field"),
        (&results(&json!([{"name": "dance", "load": null, "seconds": 0, "outcome": {"failed": ""}}])), "dance"),
        (&results(&json!([])).replace("\"schema\":1", "\"schema\":2"), "its schema is 2"),
    ] {
        let scratch = scratch();
        fs_err::write(scratch.path.join("results.json"), results).unwrap();
        run(&mut xtask(&["bench", "plot", "--out", scratch.path.as_str()])).expect(65).says(why).says("\nhint: ");
        assert_eq!(files(&scratch.path), ["results.json"]);
    }
    let scratch = scratch();
    run(&mut xtask(&["bench", "plot", "--out", scratch.path.as_str()])).expect(66);
}

#[test]
fn a_benchmark_that_does_not_exist_is_refused_with_those_that_do() {
    let names = "bundle, verify, fetch, wheels, start, speech, transcribe, load";
    run(&mut xtask(&["bench", "runtime", "--only", "verify,dance"])).expect(64).says("'dance'").says(names);
    run(&mut xtask(&["bench"])).expect(64).says("<RUNTIME>");
}

#[cfg(unix)]
#[test]
fn without_a_peer_this_project_is_measured_alone_and_the_page_says_so() {
    let scratch = scratch();
    let mut command = xtask(&["bench", sample_runtime().as_str(), "--only", "verify", "--rounds", "2"]);
    let ended = run(command.args(["--out", scratch.path.as_str()]).env("PATH", "/var/empty")).expect(0);
    let why = "sha256sum on PATH to compare this tool with";
    assert!(ended.stdout.contains("not run: sha256sum -c"), "{}", ended.stdout);
    assert!(ended.stdout.contains(why), "{}", ended.stdout);
    let page = text(&scratch.path.join("README.md"));
    assert!(page.contains(why) && page.contains("| speaches verify |"), "{page}");
    let results = json(&scratch.path.join("results.json"));
    let entries = results["benchmarks"].as_array().unwrap();
    assert_eq!(entries.len(), 8, "also those that were not asked for");
    assert_eq!(entries[0]["outcome"]["not-run"], "`--only` names others");
    let measured = &entries[1]["outcome"]["measured"];
    assert_eq!(measured["comparisons"][0]["ours"].as_array().unwrap().len(), 2, "one sample for each round");
    // By itself it is a comparison, or nothing.
    let mut alone = xtask(&["bench", "verify", sample_runtime().as_str()]);
    run(alone.env("PATH", "/var/empty")).expect(69).says(why).says("hint: install sha256sum");
}

#[cfg(unix)]
#[test]
fn a_benchmark_that_fails_is_written_down_and_the_others_run_all_the_same() {
    let scratch = scratch();
    let missing = scratch.path.join("no-python");
    let out = scratch.path.join("out");
    let mut command = xtask(&["bench", sample_runtime().as_str(), "--only", "wheels,start", "--rounds", "1"]);
    let ended = run(command.args(["--python-from", missing.as_str(), "--out", out.as_str()]));
    assert_ne!(ended.code, Some(0));
    let ended = ended.says("these benchmarks failed: wheels").says("no-python");
    assert!(ended.stdout.contains("/health answers 200"), "{}", ended.stdout);
    let results = text(&out.join("results.json"));
    let page = text(&out.join("README.md"));
    assert!(!results.contains("no-python") && !page.contains("no-python"), "where things are is nobody's business");
    assert!(page.contains("(`wheels`) | **failed** |"), "{page}");
    assert!(page.contains("- not run: upstream: "), "{page}");
    assert_eq!(files(&out), ["README.md", "results.json", "start.svg"], "only what ended is plotted");
}
