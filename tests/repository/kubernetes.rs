//! The Kubernetes files, compared with the behaviour of the service.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::*;
use camino::Utf8Path;
use serde_json::{Value, json};

/// The image, which kustomize gives another name.
const IMAGE: &str = "speaches-runtime";
/// Seconds that a service takes to end, at most.
const DRAIN: u64 = 8;

fn directory() -> camino::Utf8PathBuf {
    root().join("deploy/kubernetes")
}

fn yaml(path: &Utf8Path) -> Value {
    serde_saphyr::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

/// The only object of a kind.
fn object(kind: &str) -> Value {
    let found = files(&directory()).into_iter().map(|file| yaml(&directory().join(file)));
    let found = found.filter(|it| it["kind"] == kind).collect::<Vec<_>>();
    assert_eq!(found.len(), 1, "{kind}");
    found.into_iter().next().unwrap()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().unwrap_or_else(|| panic!("there are no `{key}` in {value}")).iter()
}

fn pods() -> [Value; 2] {
    ["Deployment", "Job"].map(|kind| object(kind)["spec"]["template"]["spec"].clone())
}

#[test]
fn every_file_is_a_resource_or_said_to_be_an_option() {
    for place in ["", "models"] {
        let directory = directory().join(place);
        let text = fs_err::read_to_string(directory.join("kustomization.yaml")).unwrap();
        let listed = items(&yaml(&directory.join("kustomization.yaml")), "resources")
            .map(|name| name.as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>();
        let there = directory.read_dir_utf8().unwrap().map(|entry| entry.unwrap()).filter(|it| it.path().is_file());
        for name in there.map(|entry| entry.file_name().to_owned()).filter(|name| name != "kustomization.yaml") {
            assert!(listed.contains(&name) || text.contains(&format!("# - {name}\n")), "`{place}/{name}`");
        }
        for name in listed {
            assert!(directory.join(&name).is_file(), "`{place}/{name}` is not there");
        }
        let images = yaml(&directory.join("kustomization.yaml"))["images"].clone();
        assert_eq!(images[0]["name"], IMAGE, "kustomize would replace nothing");
    }
    for pod in pods() {
        assert!(items(&pod, "containers").all(|container| container["image"] == IMAGE));
    }
}

#[test]
fn probes_are_patient() {
    let pod = &pods()[0];
    let container = &pod["containers"][0];
    for (probe, path) in
        [("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/health/ready")]
    {
        let asked = &container[probe]["httpGet"];
        assert_eq!(asked["path"], path, "{probe}");
        assert_eq!(asked["port"], "http", "{probe}");
    }
    let startup = &container["startupProbe"];
    let patience = startup["periodSeconds"].as_u64().unwrap() * startup["failureThreshold"].as_u64().unwrap();
    assert!(patience >= 120, "Harbor's container has 120 s, but this has only {patience} s");
    // A service that answers late under load must not be killed for that.
    let liveness = &container["livenessProbe"];
    assert!(liveness["failureThreshold"].as_u64().unwrap() >= 3 && liveness["timeoutSeconds"].as_u64().unwrap() >= 5);
}

#[test]
fn all_objects_name_the_same_port_and_the_same_pods() {
    let deployment = object("Deployment");
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let port = &container["ports"][0];
    assert!(items(container, "args").any(|it| *it == json!(format!("--port={}", port["containerPort"]))));
    let service = object("Service");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], port["name"]);
    assert_eq!(object("NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"], port["name"]);
    for selector in [
        &deployment["spec"]["selector"]["matchLabels"],
        &service["spec"]["selector"],
        &object("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &object("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, labels);
    }
    assert_ne!(labels, &object("Job")["spec"]["template"]["metadata"]["labels"], "the Job would get requests");
    let scaled = &object("HorizontalPodAutoscaler")["spec"];
    assert_eq!(
        (&scaled["scaleTargetRef"]["kind"], &scaled["scaleTargetRef"]["name"]),
        (&json!("Deployment"), &deployment["metadata"]["name"])
    );
    assert!(deployment["spec"].get("replicas").is_none(), "each `apply` would undo what the autoscaler did");
    assert!(scaled["minReplicas"].as_u64().unwrap() > 1, "an update of a machine would stop the only one");
}

#[test]
fn pods_have_no_more_rights_than_they_need_and_say_what_they_take() {
    for pod in pods() {
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(pod["enableServiceLinks"], false, "variables of a Service could be taken for settings");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert!(pod["securityContext"]["runAsUser"].as_u64().unwrap() > 0);
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        for container in items(&pod, "containers") {
            let rights = &container["securityContext"];
            assert_eq!(rights["readOnlyRootFilesystem"], true);
            assert_eq!(rights["allowPrivilegeEscalation"], false);
            assert_eq!(rights["capabilities"]["drop"], json!(["ALL"]));
            for amount in ["cpu", "memory"] {
                assert!(container["resources"]["requests"][amount].is_string(), "no {amount} is requested");
            }
            // The autoscaler counts in parts of what is requested.
            assert!(container["resources"]["limits"]["memory"].is_string());
        }
    }
}

#[test]
fn files_are_written_to_volumes_and_models_are_only_read() {
    for (pod, models_are_read_only) in pods().iter().zip([true, false]) {
        let container = &pod["containers"][0];
        let volumes = items(pod, "volumes").map(|it| (it["name"].as_str().unwrap(), it)).collect::<BTreeMap<_, _>>();
        let mounts = items(container, "volumeMounts")
            .map(|it| (it["mountPath"].as_str().unwrap(), it))
            .collect::<BTreeMap<_, _>>();
        for mount in mounts.values() {
            assert!(volumes.contains_key(mount["name"].as_str().unwrap()), "{mount}");
        }
        let variables = items(container, "env")
            .filter_map(|it| Some((it["name"].as_str().unwrap(), it["value"].as_str()?)))
            .collect::<BTreeMap<_, _>>();
        let mut written = vec![variables["HOME"], variables["TMPDIR"]];
        let state = items(container, "args").filter_map(|it| it.as_str().unwrap().strip_prefix("--state-dir="));
        written.extend(state);
        for place in written {
            let volume = volumes[mounts[place]["name"].as_str().unwrap()];
            assert!(volume["emptyDir"]["sizeLimit"].is_string(), "{place}: {volume}");
        }
        let (models, _) = variables["HF_HUB_CACHE"].rsplit_once('/').unwrap();
        let claim = &volumes[mounts[models]["name"].as_str().unwrap()]["persistentVolumeClaim"];
        assert_eq!(claim["claimName"], object("PersistentVolumeClaim")["metadata"]["name"]);
        assert_eq!(mounts[models]["readOnly"] == true && claim["readOnly"] == true, models_are_read_only);
    }
    assert_eq!(object("PersistentVolumeClaim")["spec"]["accessModes"], json!(["ReadWriteMany"]));
}

#[test]
fn a_pod_that_ends_has_the_time_to_finish_its_requests() {
    let pod = &pods()[0];
    let before = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
    assert!(grace >= before + DRAIN, "{grace} s for {before} s before the signal and {DRAIN} s after it");
}

#[cfg(unix)]
#[test]
fn the_launcher_takes_what_it_is_given() {
    for pod in pods() {
        let arguments =
            items(&pod["containers"][0], "args").map(|it| it.as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!(crate::commands::Program::Speaches.refuses(&arguments), None);
    }
}

/// As in a Pod: nothing can be written but two directories, and the models of the image are in the shared cache.
#[cfg(target_os = "linux")]
#[test]
fn it_serves_where_everything_but_its_state_is_read_only() {
    use std::process::{Command, Stdio};

    let scratch = scratch();
    let runtime = sample_runtime();
    let models = scratch.path.join("models");
    for place in ["models", "state", "tmp"] {
        fs_err::create_dir_all(scratch.path.join(place)).unwrap();
    }
    let script = r#"mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && mount --bind "$2" "$2" && mount -o remount,ro,bind "$2" || exit 99
        ! touch "$2/written" 2>/dev/null || exit 98
        shift 2; exec "$@""#;
    let is_root = rustix::process::geteuid().is_root();
    let isolate = if is_root { &["-m"][..] } else { &["-rm"] };
    let mut arguments = items(&pods()[0]["containers"][0], "args")
        .map(|it| it.as_str().unwrap().replace("/state", scratch.path.join("state").as_str()))
        .filter(|it| !it.starts_with("--host") && !it.starts_with("--port"))
        .collect::<Vec<_>>();
    arguments.extend(["--host=127.0.0.1".to_owned(), "--port=0".to_owned()]);
    // The result of the Job.
    let copied = run(Command::new("cp").arg("-R").arg(runtime.join("models/hub")).arg(models.join("hub")));
    copied.expect(0);

    let mut command = Command::new("unshare");
    command.args(isolate).args(["sh", "-c", script, "sh", runtime.as_str(), models.as_str()]);
    command.arg(runtime.join("bin/speaches")).args(&arguments).env_clear().current_dir("/");
    command.env("PATH", std::env::var("PATH").unwrap()).env("HOME", scratch.path.join("state"));
    command.env("TMPDIR", scratch.path.join("tmp")).env("HF_HUB_CACHE", models.join("hub"));
    let log = fs_err::File::create(scratch.path.join("log")).unwrap().into_parts().0;
    let Ok(mut child) = command.stdin(Stdio::null()).stderr(log).spawn() else {
        return not_run("unshare", "a service on read-only file systems", "there is no unshare");
    };
    let status = scratch.path.join("state/status.json");
    let state = loop {
        if let Some(ended) = child.try_wait().unwrap() {
            let log = fs_err::read_to_string(scratch.path.join("log")).unwrap();
            if ended.code() == Some(99) || log.starts_with("unshare:") {
                return not_run(
                    "unshare",
                    "a service on read-only file systems",
                    &format!("this machine does not allow it: {log}"),
                );
            }
            panic!("it ended: {ended}\n{log}");
        }
        let state = fs_err::read(&status).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        match state {
            Some(state) if ["ready", "degraded"].contains(&state["phase"].as_str().unwrap()) => break state,
            _ => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    };
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(state["phase"], "ready", "{state}");
    let log = fs_err::read_to_string(scratch.path.join("log")).unwrap();
    assert!(log.contains(&format!("models are in `{models}/hub`")) && !log.contains("cannot be linked"), "{log}");
}
