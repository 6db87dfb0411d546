//! The package manifests with which Homebrew and winget install a release.

use std::process::Command;

use crate::support::*;

const BUNDLES: [&str; 6] = [
    "aarch64-apple-darwin-coreml.tar.gz",
    "x86_64-apple-darwin-cpu.tar.gz",
    "aarch64-unknown-linux-gnu-cpu.tar.zst",
    "x86_64-unknown-linux-gnu-cpu.tar.zst",
    "x86_64-pc-windows-msvc-cpu.zip",
    // Made for those whose tar does not know the other format.
    "aarch64-apple-darwin-coreml.tar.zst",
];
const URL: &str = "https://forge.example/owner/name/releases/download/v1.2.3";

#[test]
fn a_formula_and_manifests_name_the_bundles_of_a_release() {
    let scratch = scratch();
    let (release, out) = (scratch.path.join("release"), scratch.path.join("out"));
    fs_err::create_dir(&release).unwrap();
    let file = |bundle: &str| format!("speaches-0.9.0-py3.12-{bundle}");
    let sums = BUNDLES.map(|bundle| format!("{}  {}\n", sha256(bundle.as_bytes()), file(bundle)));
    let make = || {
        let mut command = Command::new(python());
        run(command.arg(root().join("deploy/packages/make.py")).args([release.as_str(), URL, out.as_str()]))
    };

    fs_err::write(release.join("SHA256SUMS"), sums[1..].concat()).unwrap();
    make().expect(1).says("0 bundles whose name ends with `-py3.12-aarch64-apple-darwin-coreml.tar.gz`");
    assert!(!out.exists(), "nothing is written then");

    fs_err::write(release.join("SHA256SUMS"), sums.concat()).unwrap();
    make().expect(0);
    let formula = fs_err::read_to_string(out.join("speaches.rb")).unwrap();
    assert!(formula.contains("version \"1.2.3\"\n"), "{formula}");
    for bundle in &BUNDLES[..4] {
        let pinned = format!("url \"{URL}/{}\"\n      sha256 \"{}\"\n", file(bundle), sha256(bundle.as_bytes()));
        assert!(formula.contains(&pinned), "{bundle}: {formula}");
    }
    let installer = fs_err::read_to_string(out.join("winget/SpeachesNative.Speaches.installer.yaml")).unwrap();
    let digest = sha256(BUNDLES[4].as_bytes()).to_uppercase();
    for text in [format!("InstallerUrl: {URL}/{}\n", file(BUNDLES[4])), format!("InstallerSha256: {digest}\n")] {
        assert!(installer.contains(&text), "{installer}");
    }
}
