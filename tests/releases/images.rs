//! Runtimes as OCI images: what the specification requires, and no bit that changes unnoticed.
#![cfg(unix)]

use crate::support::packing::{LINUX, WINDOWS, bundle, names};
use crate::support::tiny::Tiny;
use crate::support::*;
use camino::{Utf8Path, Utf8PathBuf};

/// An image layout with one layer, as small as it can be.
fn base_layout(to: &Utf8Path, architecture: &str) -> Utf8PathBuf {
    let layout = to.join("base");
    let blobs = layout.join("blobs/sha256");
    fs_err::create_dir_all(&blobs).unwrap();
    let add = |bytes: &[u8], kind: &str| {
        fs_err::write(blobs.join(sha256(bytes)), bytes).unwrap();
        serde_json::json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": format!("sha256:{}", sha256(bytes)),
            "size": bytes.len(),
        })
    };
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append_data(&mut header, "etc/release", &b"base"[..]).unwrap();
    let layer = tar.into_inner().unwrap();
    let config = serde_json::json!({
        "architecture": architecture, "os": "linux",
        "config": { "Env": ["PATH=/usr/bin:/bin", "HOME=/root"], "Cmd": ["/bin/sh"], "Labels": { "of": "the base" } },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))] },
        "history": [{ "created_by": "the base" }],
    });
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add(config.to_string().as_bytes(), "config.v1+json"),
        "layers": [add(&layer, "layer.v1.tar")],
    });
    let mut entry = add(manifest.to_string().as_bytes(), "manifest.v1+json");
    entry["platform"] = serde_json::json!({ "architecture": architecture, "os": "linux" });
    // As base images of several architectures have it: an index in the index.
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [entry] });
    let outer =
        serde_json::json!({ "schemaVersion": 2, "manifests": [add(index.to_string().as_bytes(), "index.v1+json")] });
    fs_err::write(layout.join("index.json"), outer.to_string()).unwrap();
    fs_err::write(layout.join("oci-layout"), "{\"imageLayoutVersion\": \"1.0.0\"}").unwrap();
    layout
}

#[test]
fn a_runtime_on_a_base_is_an_image_as_the_specification_requires() {
    let scratch = scratch();
    let tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    let base = base_layout(&scratch.path, "amd64");
    let out = scratch.path.join("out");
    let flags = ["--format", "oci", "--base", base.as_str()];
    let packed = bundle(&tiny.path, &out, &flags);
    assert_eq!(names(&out), ["SHA256SUMS", "tiny.oci.tar", "tiny.oci.tar.cdx.json"]);

    let layout = scratch.path.join("layout");
    tar::Archive::new(fs_err::File::open(&packed).unwrap()).unpack(&layout).unwrap();
    assert_eq!(json(&layout.join("oci-layout"))["imageLayoutVersion"], "1.0.0");
    // A descriptor: "mediaType", "digest" and "size", all REQUIRED.
    let blob = |descriptor: &serde_json::Value| {
        assert!(descriptor["mediaType"].as_str().unwrap().starts_with("application/vnd.oci.image."));
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let bytes = fs_err::read(layout.join("blobs/sha256").join(digest)).unwrap();
        assert_eq!((sha256(&bytes).as_str(), Some(bytes.len() as u64)), (digest, descriptor["size"].as_u64()));
        bytes
    };
    let index = json(&layout.join("index.json"));
    assert_eq!((&index["schemaVersion"], index["manifests"].as_array().unwrap().len()), (&2.into(), 1));
    let manifest: serde_json::Value = serde_json::from_slice(&blob(&index["manifests"][0])).unwrap();
    assert_eq!(manifest["schemaVersion"], 2);
    let config: serde_json::Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
    assert_eq!((&config["architecture"], &config["os"]), (&"amd64".into(), &"linux".into()));
    assert_eq!(config["rootfs"]["type"], "layers");
    let layers = manifest["layers"].as_array().unwrap();
    let mut plain = layers.iter().map(&blob).collect::<Vec<_>>();
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(plain[1].as_slice()), &mut unpacked).unwrap();
    plain[1] = unpacked;
    let digests = plain.iter().map(|bytes| format!("sha256:{}", sha256(bytes))).collect::<Vec<_>>();
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!(digests));
    assert_eq!(config["history"].as_array().unwrap().len(), 2, "one for each layer");

    let run = &config["config"];
    // deploy/kubernetes has commands that take the place of this one.
    assert_eq!(run["Entrypoint"], serde_json::json!(["/opt/speaches/bin/speaches"]));
    assert_eq!(run["Cmd"], serde_json::json!(["serve", "--host", "0.0.0.0"]));
    assert!(run["ExposedPorts"].get("34331/tcp").is_some());
    assert_ne!(run["User"].as_str().unwrap().split(':').next(), Some("0"));
    assert_eq!(run["Env"], serde_json::json!(["PATH=/usr/bin:/bin", "HOME=/var/lib/speaches"]));
    assert_eq!(run["Labels"]["of"], "the base");
    assert_eq!(run["Labels"]["org.opencontainers.image.version"], "1.0");

    let mut runtime = tar::Archive::new(plain[1].as_slice());
    let found = runtime.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        (entry.path().unwrap().to_str().unwrap().to_owned(), header.uid().unwrap(), header.mode().unwrap())
    });
    let found = found.collect::<Vec<_>>();
    assert!(found.contains(&("opt/speaches/bin/speaches".to_owned(), 0, 0o755)), "{found:?}");
    assert!(found.contains(&("var/lib/speaches/".to_owned(), 65_532, 0o755)), "{found:?}");

    let again = scratch.path.join("again");
    bundle(&tiny.path, &again, &["--format", "oci", "--base", base.as_str()]);
    assert!(fs_err::read(&packed).unwrap() == fs_err::read(again.join("tiny.oci.tar")).unwrap());
    // An archive of a layout will do as well.
    let mut archive = tar::Builder::new(fs_err::File::create(scratch.path.join("base.tar")).unwrap());
    archive.append_dir_all("", &base).unwrap();
    archive.into_inner().unwrap();
    let third = scratch.path.join("third");
    bundle(&tiny.path, &third, &["--format", "oci", "--base", scratch.path.join("base.tar").as_str()]);
    assert!(fs_err::read(&packed).unwrap() == fs_err::read(third.join("tiny.oci.tar")).unwrap());

    let refused = |runtime: &Utf8Path, more: &[&str]| run_bundle(runtime, &scratch.path.join("none"), more);
    refused(&tiny.path, &["--format", "oci"]).expect(64).says("--base");
    let windows = Tiny::make(&scratch.path.join("windows"), WINDOWS);
    refused(&windows.path, &flags).expect(78).says("containers run Linux");
    let arm = Tiny::make(&scratch.path.join("arm"), "aarch64-unknown-linux-gnu");
    refused(&arm.path, &flags).expect(65).says("no OCI image for linux/arm64");
    let layer = base.join("blobs").join(layers[0]["digest"].as_str().unwrap().replace(':', "/"));
    let mut bytes = fs_err::read(&layer).unwrap();
    bytes[600] ^= 1;
    fs_err::write(&layer, bytes).unwrap();
    refused(&tiny.path, &flags).expect(65).says("is damaged");
}

#[test]
fn a_bit_that_flips_anywhere_in_an_image_is_found() {
    let scratch = scratch();
    let tiny = Tiny::make(&scratch.path.join("tiny"), LINUX);
    let base = base_layout(&scratch.path, "amd64");
    let out = scratch.path.join("out");
    let packed = bundle(&tiny.path, &out, &["--format", "oci", "--base", base.as_str()]);
    let said = run(&mut xtask(&["verify", packed.as_str()])).expect(0).stdout;
    assert!(said.contains("all as described") && said.contains("as in SHA256SUMS beside it"), "{said}");
    fs_err::remove_file(out.join("SHA256SUMS")).unwrap();
    let whole = fs_err::read(&packed).unwrap();
    // By what is in it, too.
    fs_err::copy(&packed, out.join("image")).unwrap();
    run(&mut xtask(&["verify", out.join("image").as_str()])).expect(0);

    let mut archive = tar::Archive::new(whole.as_slice());
    let members = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let (start, size) = (entry.raw_file_position() as usize, entry.size() as usize);
        (entry.path().unwrap().to_str().unwrap().to_owned(), start..start + size)
    });
    let members = members.collect::<Vec<_>>();
    let mut random = fastrand::Rng::with_seed(17);
    let layer = members.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    let mut places = Vec::new();
    for (_, bytes) in &members {
        // Anywhere in it, in the header before it, and in what comes after it.
        let count = if bytes.len() == layer { 40 } else { 10 };
        places.extend(std::iter::repeat_with(|| random.usize(bytes.clone())).take(count));
        places.extend(std::iter::repeat_with(|| bytes.start - 512 + random.usize(..512)).take(6));
        places.push(bytes.end);
    }
    places.extend((whole.len() - 1024..whole.len()).step_by(100));
    let mut of_files = 0;
    for at in places {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << random.u32(..8);
        fs_err::write(&packed, &flipped).unwrap();
        let ended = run(&mut xtask(&["verify", packed.as_str()]));
        assert_eq!(ended.code, Some(65), "byte {at} of {}: {}", whole.len(), ended.stderr);
        assert!(ended.stderr.contains(packed.as_str()), "{}", ended.stderr);
        of_files += usize::from(ended.stderr.contains("thing/"));
        let hit = members.iter().find(|(_, bytes)| bytes.contains(&at));
        if let Some((name, _)) = hit.filter(|(_, bytes)| bytes.len() < layer) {
            let named = [name.as_str(), "the manifest"].iter().any(|it| ended.stderr.contains(it));
            assert!(named, "byte {at} of {name}: {}", ended.stderr);
        }
    }
    assert!(of_files > 20, "most bytes of the layer are those of files, which are named: {of_files}");
    for end in [0, 1, 600, whole.len() / 2, whole.len() - 512, whole.len() - 1] {
        fs_err::write(&packed, &whole[..end]).unwrap();
        run(&mut xtask(&["verify", packed.as_str()])).expect(65);
    }
    fs_err::write(&packed, [&whole[..], b"more"].concat()).unwrap();
    run(&mut xtask(&["verify", packed.as_str()])).expect(65).says("it does not end like an archive");
}

fn run_bundle(runtime: &Utf8Path, out: &Utf8Path, more: &[&str]) -> Ended {
    let ended = run(xtask(&["bundle", runtime.as_str(), "--out", out.as_str()]).args(more));
    if out.exists() {
        assert_nothing_half_made(out);
    }
    ended
}
