#!/usr/bin/env python3
"""Makes a Homebrew formula and three winget manifests for a release. It publishes nothing.

    python3 deploy/packages/make.py RELEASE URL OUT

RELEASE is the directory of a release with its SHA256SUMS. URL is the address where its files will be. The script writes
`speaches.rb` and `winget/` into OUT.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PYTHON = "3.12"
IDENTIFIER = "SpeachesNative.Speaches"
DESCRIPTION = "OpenAI-compatible speech server as one relocatable directory"
SCHEMA = "1.9.0"

FORMULA = """\
class Speaches < Formula
  desc "{description}"
  homepage "{home}"
  version "{version}"
  license any_of: ["MIT", "Apache-2.0"]

  on_macos do
    on_arm do
      url "{mac_arm[url]}"
      sha256 "{mac_arm[sha256]}"
    end
    on_intel do
      url "{mac_intel[url]}"
      sha256 "{mac_intel[sha256]}"
    end
  end

  on_linux do
    on_arm do
      url "{linux_arm[url]}"
      sha256 "{linux_arm[sha256]}"
    end
    on_intel do
      url "{linux_intel[url]}"
      sha256 "{linux_intel[sha256]}"
    end
  end

  def install
    libexec.install Dir["*"]
    bin.install_symlink libexec/"bin/speaches"
  end

  service do
    run [opt_bin/"speaches", "serve"]
    keep_alive true
  end

  test do
    assert_match "speaches", shell_output("#{{bin}}/speaches --version")
  end
end
"""

COMMON = """\
# yaml-language-server: $schema=https://aka.ms/winget-manifest.{kind}.{schema}.schema.json
PackageIdentifier: {identifier}
PackageVersion: {version}
"""

INSTALLER = """\
InstallerType: zip
NestedInstallerType: portable
NestedInstallerFiles:
- RelativeFilePath: {windows[top]}\\bin\\speaches.exe
  PortableCommandAlias: speaches
Installers:
- Architecture: x64
  InstallerUrl: {windows[url]}
  InstallerSha256: {windows[SHA256]}
ManifestType: installer
ManifestVersion: {schema}
"""

LOCALE = """\
PackageLocale: en-US
Publisher: speaches-native
PackageName: speaches
PackageUrl: {home}
License: MIT OR Apache-2.0
ShortDescription: {description}
Tags:
- speech-to-text
- text-to-speech
- openai
ManifestType: defaultLocale
ManifestVersion: {schema}
"""

VERSION = """\
DefaultLocale: en-US
ManifestType: version
ManifestVersion: {schema}
"""

BUNDLES = {
    "mac_arm": ("aarch64-apple-darwin-coreml", ".tar.gz"),
    "mac_intel": ("x86_64-apple-darwin-cpu", ".tar.gz"),
    "linux_arm": ("aarch64-unknown-linux-gnu-cpu", ".tar.zst"),
    "linux_intel": ("x86_64-unknown-linux-gnu-cpu", ".tar.zst"),
    "windows": ("x86_64-pc-windows-msvc-cpu", ".zip"),
}


def main(release: Path, url: str, out: Path) -> None:
    """Write all files, or none."""
    found = re.fullmatch(r"(https://.+)/releases/download/v(\d[\w.+-]*)", url.rstrip("/"))
    if found is None:
        sys.exit(f"error: `{url}` does not end with `/releases/download/vVERSION`")
    home, version = found.groups()
    sums = dict(line.split("  ", 1)[::-1] for line in (release / "SHA256SUMS").read_text().splitlines())
    values = {"home": home, "version": version, "description": DESCRIPTION, "identifier": IDENTIFIER, "schema": SCHEMA}
    for name, (target, suffix) in BUNDLES.items():
        ending = f"-py{PYTHON}-{target}{suffix}"
        files = [file for file in sums if file.endswith(ending)]
        if len(files) != 1:
            sys.exit(f"error: `{release / 'SHA256SUMS'}` has {len(files)} bundles whose name ends with `{ending}`, not one")
        (file,) = files
        sha256 = sums[file]
        values[name] = {
            "url": f"{url.rstrip('/')}/{file}", "sha256": sha256, "SHA256": sha256.upper(), "top": file.removesuffix(suffix)
        }
    winget = out / "winget"
    winget.mkdir(parents=True)
    (out / "speaches.rb").write_text(FORMULA.format_map(values))
    for kind, ending, body in (("version", "", VERSION), ("installer", ".installer", INSTALLER), ("defaultLocale", ".locale.en-US", LOCALE)):
        text = (COMMON + body).format_map(values | {"kind": kind})
        (winget / f"{IDENTIFIER}{ending}.yaml").write_text(text)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
