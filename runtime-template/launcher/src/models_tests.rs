//! The models of a runtime in every state of a user's cache.

use super::*;

const ID: &str = "org/model";
const OURS: &str = "1111111111111111111111111111111111111111";
const THEIRS: &str = "2222222222222222222222222222222222222222";
const FILES: [&str; 2] = ["README.md", "onnx/model.onnx"];

struct World {
    _directory: tempfile::TempDir,
    runtime: PathBuf,
    cache: PathBuf,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = dunce::canonicalize(directory.path()).unwrap();
        let world =
            Self { _directory: directory, runtime: root.join("runtime/models/hub"), cache: root.join("user/hub") };
        for file in FILES {
            world.write(&world.runtime, OURS, file, "ours");
        }
        world
    }

    fn repository(&self) -> PathBuf {
        self.cache.join(hub::directory_of(ID))
    }

    fn write(&self, hub: &Path, revision: &str, file: &str, text: &str) {
        let path = hub.join(hub::directory_of(ID)).join("snapshots").join(revision).join(file);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn set_main(&self, revision: &str) {
        fs_err::create_dir_all(self.repository().join("refs")).unwrap();
        fs_err::write(self.repository().join("refs/main"), revision).unwrap();
    }

    fn link(&self) -> Vec<String> {
        link(&[model()], &self.runtime, &self.cache).unwrap().notes
    }

    /// Every file of the user's repository with what it says.
    fn contents(&self) -> Vec<(String, String)> {
        let repository = self.repository();
        let read = |file: &PathBuf| fs_err::read_to_string(repository.join(file)).unwrap_or_else(|_| "nowhere".into());
        tree::files_below(&repository)
            .unwrap()
            .iter()
            .map(|file| (file.display().to_string().replace('\\', "/"), read(file)))
            .collect()
    }
}

fn model() -> Model {
    Model {
        id: ID.into(),
        task: "text-to-speech".into(),
        revision: OURS.into(),
        license: "MIT".into(),
        voice: None,
        serves: Vec::new(),
        file: None,
    }
}

fn complete() -> Vec<(String, String)> {
    let mut all = vec![("refs/main".to_owned(), OURS.to_owned())];
    all.extend(FILES.map(|file| (format!("snapshots/{OURS}/{file}"), "ours".to_owned())));
    all
}

#[test]
fn into_no_cache_everything_is_linked_and_the_second_time_nothing_changes() {
    let world = World::new();
    assert!(world.link()[0].contains("linked 2 files"));
    assert_eq!(world.contents(), complete(), "no newline in refs/main, and nothing half made");
    assert_eq!(world.link(), [""; 0]);
    assert_eq!(world.contents(), complete());
    let snapshot = world.repository().join("snapshots").join(OURS);
    assert!(snapshot.symlink_metadata().unwrap().is_dir(), "upstream does not follow a linked directory");
}

#[cfg(unix)]
#[test]
fn on_one_file_system_the_files_are_the_same_and_cost_nothing() {
    use std::os::unix::fs::MetadataExt as _;
    let world = World::new();
    world.link();
    let name = format!("{}/snapshots/{OURS}/README.md", hub::directory_of(ID));
    let inode = |hub: &Path| fs_err::metadata(hub.join(&name)).unwrap().ino();
    assert_eq!(inode(&world.runtime), inode(&world.cache));
}

#[cfg(target_os = "linux")]
#[test]
fn from_another_file_system_the_files_are_symbolic_links() {
    use std::os::unix::fs::MetadataExt as _;
    let mut world = World::new();
    let device = |path: &Path| fs_err::metadata(path).ok().map(|metadata| metadata.dev());
    let memory = Path::new("/dev/shm");
    if device(memory).is_none() || device(memory) == device(&world.runtime) {
        return;
    }
    let Ok(elsewhere) = tempfile::tempdir_in(memory) else { return };
    world.cache = elsewhere.path().join("hub");
    world.link();
    assert_eq!(world.contents(), complete());
    let link = world.repository().join("snapshots").join(OURS).join("README.md");
    assert!(fs_err::read_link(link).unwrap().starts_with(&world.runtime));
    assert_eq!(world.link(), [""; 0]);
}

#[test]
fn where_nothing_can_be_linked_a_file_is_copied_whole_and_replaces_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    fs_err::write(&from, "ours").unwrap();
    assert!(copy(&from, &to).unwrap());
    assert_eq!(fs_err::read_to_string(&to).unwrap(), "ours");
    fs_err::write(&to, "theirs").unwrap();
    assert!(!copy(&from, &to).unwrap());
    assert_eq!(fs_err::read_to_string(&to).unwrap(), "theirs");
    copy(&directory.path().join("gone"), &directory.path().join("new")).unwrap_err();
    assert_eq!(tree::files_below(directory.path()).unwrap(), [PathBuf::from("from"), PathBuf::from("to")]);
}

#[test]
fn a_whole_copy_of_another_revision_stays_the_users() {
    let world = World::new();
    world.set_main(THEIRS);
    for file in FILES {
        world.write(&world.cache, THEIRS, file, "theirs");
    }
    let before = world.contents();
    assert!(world.link()[0].contains(THEIRS));
    assert_eq!(world.contents(), before);
}

#[test]
fn beside_half_a_copy_of_another_revision_ours_is_added_and_nothing_changed() {
    let world = World::new();
    world.set_main(THEIRS);
    world.write(&world.cache, THEIRS, "README.md", "theirs");
    assert!(world.link()[0].contains("not complete"));
    let after = world.contents();
    assert!(after.contains(&("refs/main".into(), THEIRS.into())));
    assert!(after.contains(&(format!("snapshots/{THEIRS}/README.md"), "theirs".into())));
    assert!(after.contains(&(format!("snapshots/{OURS}/onnx/model.onnx"), "ours".into())));
}

#[test]
fn of_the_same_revision_only_what_is_missing_is_added() {
    let world = World::new();
    world.write(&world.cache, OURS, "README.md", "theirs");
    assert!(world.link()[0].contains("linked 1 files"));
    let after = world.contents();
    assert!(after.contains(&(format!("snapshots/{OURS}/README.md"), "theirs".into())), "never overwritten");
    assert!(after.contains(&("refs/main".into(), OURS.into())));
}

#[cfg(unix)]
fn put_link(world: &World, revision: &str, file: &str, target: &Path) {
    let path = world.repository().join("snapshots").join(revision).join(file);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::os::unix::fs::symlink(target, path).unwrap();
}

#[cfg(unix)]
fn removed_runtime(revision: &str, file: &str) -> PathBuf {
    let repository = Path::new("/removed/models/hub").join(hub::directory_of(ID));
    repository.join("snapshots").join(revision).join(file)
}

#[cfg(unix)]
#[test]
fn links_to_a_runtime_that_was_removed_are_replaced() {
    let world = World::new();
    world.set_main(OURS);
    for file in FILES {
        put_link(&world, OURS, file, &removed_runtime(OURS, file));
    }
    assert!(world.link()[0].contains("linked 2 files"));
    assert_eq!(world.contents(), complete());
}

#[cfg(unix)]
#[test]
fn links_to_a_removed_runtime_of_another_revision_make_way() {
    let world = World::new();
    world.set_main(THEIRS);
    for file in FILES {
        put_link(&world, THEIRS, file, &removed_runtime(THEIRS, file));
    }
    world.link();
    assert_eq!(world.contents(), complete());
}

#[cfg(unix)]
#[test]
fn a_link_of_huggingface_that_leads_nowhere_is_left_alone() {
    let world = World::new();
    world.set_main(OURS);
    put_link(&world, OURS, "README.md", Path::new("../../blobs/0123"));
    world.link();
    let link = world.repository().join("snapshots").join(OURS).join("README.md");
    assert_eq!(fs_err::read_link(link).unwrap(), Path::new("../../blobs/0123"));
}

#[cfg(unix)]
#[test]
fn a_link_to_a_runtime_that_is_there_is_left_alone() {
    let world = World::new();
    let file = world.runtime.join(hub::directory_of(ID)).join("snapshots").join(OURS).join("README.md");
    put_link(&world, OURS, "README.md", &file);
    world.link();
    assert_eq!(fs_err::read_link(world.repository().join("snapshots").join(OURS).join("README.md")).unwrap(), file);
}

#[test]
fn services_may_start_at_the_same_time() {
    let world = World::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| world.link());
        }
    });
    assert_eq!(world.contents(), complete());
}

#[test]
fn a_cache_that_cannot_be_made_is_an_error() {
    let world = World::new();
    fs_err::write(world.cache.parent().unwrap(), "a file is in the way").unwrap();
    assert!(link(&[model()], &world.runtime, &world.cache).is_err());
}

#[test]
fn a_model_that_the_runtime_lost_is_told_and_does_not_stop_the_start() {
    let world = World::new();
    let gone = Model { id: "org/gone".into(), ..model() };
    let linked = link(&[gone, model()], &world.runtime, &world.cache).unwrap();
    assert!(linked.notes[0].contains("org/gone is missing from the runtime"));
    assert_eq!(world.contents(), complete());
}
