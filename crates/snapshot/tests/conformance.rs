//! Every snapshotter must do the same: one suite, run for each. Needs root; mounts are
//! detached, so that nothing is left on the host.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod kernel;

use corten_oci::{Digest, RootMount};
use corten_snapshot::{
    Error, Form, LayerStore, NewLayer, Overlay, PendingLayer, Plain, Snapshotter, open_root,
};
use kernel::{Mounted, whiteout};
use std::{
    fs,
    os::fd::AsRawFd,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

struct Fixture {
    directory: tempfile::TempDir,
    snapshotter: Box<dyn Snapshotter>,
    driver: Driver,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Driver {
    Overlay,
    /// Overlay on layers mounted from their tar files.
    Indexed,
    Plain,
}

impl Fixture {
    fn new(driver: Driver) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let snapshotter = open(directory.path(), driver);
        Self {
            directory,
            snapshotter,
            driver,
        }
    }

    fn reopen(&mut self) {
        self.snapshotter = open(self.directory.path(), self.driver);
    }

    fn store(&self) -> &LayerStore {
        self.snapshotter.layers()
    }

    fn layer(&self, name: &str, make: impl FnOnce(&Path)) -> Digest {
        self.layer_with(
            NewLayer {
                has_root: false,
                ..new_layer(name)
            },
            make,
        )
    }

    fn layer_with(&self, layer: NewLayer, make: impl FnOnce(&Path)) -> Digest {
        let pending = self.pending(make);
        let diff_id = layer.diff_id.clone();
        self.store().commit(vec![(pending, layer)]).unwrap();
        diff_id
    }

    /// A layer in the form that this driver's layers have.
    fn pending(&self, make: impl FnOnce(&Path)) -> PendingLayer {
        let pending = self.store().begin().unwrap();
        make(&pending.path());
        match self.driver {
            Driver::Indexed => kernel::index(pending),
            Driver::Overlay | Driver::Plain => pending,
        }
    }
}

fn open(directory: &Path, driver: Driver) -> Box<dyn Snapshotter> {
    let form = match driver {
        Driver::Indexed => Form::Indexed,
        Driver::Overlay | Driver::Plain => Form::Unpacked,
    };
    let layers = LayerStore::open_as(&directory.join("layers"), form).unwrap();
    let containers = directory.join("containers");
    match driver {
        Driver::Plain => Box::new(Plain::open(layers, &containers).unwrap()),
        _ => Box::new(Overlay::open(layers, &containers).unwrap()),
    }
}

fn new_layer(name: &str) -> NewLayer {
    NewLayer {
        diff_id: Digest::of(name.as_bytes()),
        settled_on: None,
        size_bytes: 3,
        has_root: false,
        root_opaque: false,
    }
}

/// Runs a story with each snapshotter.
fn each(story: impl Fn(Fixture)) {
    for driver in [Driver::Overlay, Driver::Indexed, Driver::Plain] {
        story(Fixture::new(driver));
    }
}

#[test]
fn layers_show_through_and_writes_stay_in_the_snapshot() {
    each(|fixture| {
        let below = fixture.layer("below", |root| {
            fs::create_dir(root.join("etc")).unwrap();
            fs::write(root.join("etc/hosts"), "below").unwrap();
            fs::write(root.join("gone"), "x").unwrap();
        });
        let above = fixture.layer("above", |root| {
            fs::create_dir(root.join("etc")).unwrap();
            fs::write(root.join("etc/passwd"), "above").unwrap();
            whiteout(&root.join("gone"));
        });
        let chain = [below, above];
        let mount = fixture.snapshotter.prepare("web", &chain).unwrap();
        let root = Mounted::new(&mount);
        assert_eq!(fs::read_to_string(root.path("etc/hosts")).unwrap(), "below");
        assert_eq!(
            fs::read_to_string(root.path("etc/passwd")).unwrap(),
            "above"
        );
        assert!(!root.path("gone").exists());
        fs::write(root.path("etc/hosts"), "changed").unwrap();
        fs::remove_file(root.path("etc/passwd")).unwrap();
        drop(root);

        let root = Mounted::new(&fixture.snapshotter.mounts("web").unwrap());
        assert_eq!(
            fs::read_to_string(root.path("etc/hosts")).unwrap(),
            "changed"
        );
        assert!(!root.path("etc/passwd").exists());
        let other = Mounted::new(&fixture.snapshotter.prepare("other", &chain).unwrap());
        assert_eq!(
            fs::read_to_string(other.path("etc/hosts")).unwrap(),
            "below"
        );
        let view = Mounted::new(&fixture.snapshotter.view(&chain).unwrap());
        assert_eq!(fs::read_to_string(view.path("etc/hosts")).unwrap(), "below");
    });
}

#[test]
fn an_opaque_directory_hides_what_lower_layers_have_in_it() {
    each(|fixture| {
        let below = fixture.layer("below", |root| {
            fs::create_dir(root.join("d")).unwrap();
            fs::write(root.join("d/old"), "").unwrap();
        });
        let above = fixture.layer("above", |root| {
            fs::create_dir(root.join("d")).unwrap();
            fs::write(root.join("d/new"), "").unwrap();
            kernel::opaque(&root.join("d"));
        });
        let root = Mounted::new(&fixture.snapshotter.prepare("c", &[below, above]).unwrap());
        assert!(root.path("d/new").exists() && !root.path("d/old").exists());
    });
}

#[test]
fn a_layer_with_an_opaque_root_hides_everything_below() {
    each(|fixture| {
        let below = fixture.layer("below", |root| fs::write(root.join("old"), "").unwrap());
        let layer = NewLayer {
            root_opaque: true,
            ..new_layer("above")
        };
        let above = fixture.layer_with(layer, |root| fs::write(root.join("new"), "").unwrap());
        let root = Mounted::new(&fixture.snapshotter.prepare("c", &[below, above]).unwrap());
        assert!(root.path("new").exists() && !root.path("old").exists());
    });
}

#[test]
fn the_root_directory_is_as_the_topmost_layer_that_names_it_says() {
    each(|fixture| {
        let layer = NewLayer {
            has_root: true,
            ..new_layer("below")
        };
        let below = fixture.layer_with(layer, |root| {
            fs::set_permissions(root, fs::Permissions::from_mode(0o1751)).unwrap();
            std::os::unix::fs::chown(root, Some(5), Some(6)).unwrap();
        });
        let above = fixture.layer("above", |root| fs::write(root.join("f"), "").unwrap());
        let chain = [below, above];
        let shape = |mounted: &Mounted| {
            let root = fs::metadata(mounted.path("")).unwrap();
            (root.mode() & 0o7777, root.uid(), root.gid())
        };
        let snapshot = Mounted::new(&fixture.snapshotter.prepare("c", &chain).unwrap());
        assert_eq!(shape(&snapshot), (0o1751, 5, 6));
        let view = Mounted::new(&fixture.snapshotter.view(&chain).unwrap());
        assert_eq!(shape(&view), (0o1751, 5, 6));
        assert!(view.path("f").exists());
        let bare = Mounted::new(&fixture.snapshotter.prepare("bare", &[]).unwrap());
        assert_eq!(shape(&bare), (0o755, 0, 0), "an image without layers");
    });
}

#[test]
fn a_hundred_and_thirty_layers_make_one_root() {
    each(|fixture| {
        let chain: Vec<Digest> = (0..130)
            .map(|n| {
                fixture.layer(&n.to_string(), |root| {
                    fs::write(root.join(format!("f{n}")), "").unwrap();
                    fs::write(root.join("last"), n.to_string()).unwrap();
                })
            })
            .collect();
        let root = Mounted::new(&fixture.snapshotter.prepare("deep", &chain).unwrap());
        assert_eq!(fs::read_dir(root.path("")).unwrap().count(), 131);
        assert_eq!(fs::read_to_string(root.path("last")).unwrap(), "129");
    });
}

#[test]
fn preparing_again_gives_the_same_snapshot_and_other_layers_are_refused() {
    each(|fixture| {
        let one = fixture.layer("one", |_| {});
        let two = fixture.layer("two", |_| {});
        let chain = [one.clone()];
        let first = fixture.snapshotter.prepare("c", &chain).unwrap();
        assert_eq!(fixture.snapshotter.prepare("c", &chain).unwrap(), first);
        let error = fixture.snapshotter.prepare("c", &[one, two]).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error}");
        let missing = fixture
            .snapshotter
            .prepare("d", &[Digest::of(b"none")])
            .unwrap_err();
        assert!(matches!(missing, Error::LayerNotFound { .. }), "{missing}");
        for key in ["", "../c", "a/b", ".c", "a\n"] {
            let error = fixture.snapshotter.prepare(key, &chain).unwrap_err();
            assert!(matches!(error, Error::Key { .. }), "{key:?}: {error}");
        }
    });
}

#[test]
fn a_removed_snapshot_is_gone_and_removing_it_again_is_fine() {
    each(|fixture| {
        let one = fixture.layer("one", |root| fs::write(root.join("f"), "x").unwrap());
        let mount = fixture
            .snapshotter
            .prepare("c", std::slice::from_ref(&one))
            .unwrap();
        fs::write(Mounted::new(&mount).path("g"), "12345").unwrap();
        std::os::unix::fs::symlink("elsewhere", Mounted::new(&mount).path("l")).unwrap();
        let usage = fixture.snapshotter.usage("c").unwrap();
        assert!(usage.size_bytes >= usage.file_bytes + 9, "{usage:?}");
        assert!(usage.file_bytes >= 5, "{usage:?}");
        assert_eq!(fixture.snapshotter.keys().unwrap(), ["c"]);
        fixture.snapshotter.remove("c").unwrap();
        fixture.snapshotter.remove("c").unwrap();
        assert!(fixture.snapshotter.keys().unwrap().is_empty());
        assert!(matches!(
            fixture.snapshotter.mounts("c"),
            Err(Error::NotFound { .. })
        ));
        // The same name is free for a new, clean snapshot.
        let root = Mounted::new(&fixture.snapshotter.prepare("c", &[one]).unwrap());
        assert!(root.path("f").exists() && !root.path("g").exists());
    });
}

#[test]
fn snapshots_survive_the_process_and_half_made_layers_do_not() {
    each(|mut fixture| {
        let one = fixture.layer("one", |root| fs::write(root.join("f"), "x").unwrap());
        let mount = fixture
            .snapshotter
            .prepare("c", std::slice::from_ref(&one))
            .unwrap();
        fs::write(Mounted::new(&mount).path("g"), "written").unwrap();
        let half = fixture.store().begin().unwrap();
        fs::write(half.path().join("f"), "half").unwrap();
        let left = half.path().to_owned();
        std::mem::forget(half); // as kill -9 would
        fixture.reopen();
        assert!(!left.exists());
        let root = Mounted::new(&fixture.snapshotter.mounts("c").unwrap());
        assert_eq!(fs::read_to_string(root.path("f")).unwrap(), "x");
        assert_eq!(fs::read_to_string(root.path("g")).unwrap(), "written");
        assert_eq!(fixture.store().find(&[one]).unwrap().unwrap().size_bytes, 3);
    });
}

#[test]
fn collection_keeps_what_images_snapshots_and_leases_need() {
    each(|fixture| {
        let [image, snapshot, leased, spared, free] =
            ["image", "snapshot", "leased", "spared", "free"]
                .map(|name| fixture.layer(name, |_| {}));
        fixture
            .snapshotter
            .prepare("c", std::slice::from_ref(&snapshot))
            .unwrap();
        let lease = fixture.store().lease();
        lease.hold(&leased);
        let short = fixture.store().lease();
        short.hold(&spared);
        let collection = fixture.store().begin_collection();
        drop(short);
        let collected = collection.finish(&[vec![image.clone()]]).unwrap();
        assert_eq!(collected.diff_ids, [free]);
        drop(lease);
        fixture.snapshotter.remove("c").unwrap();
        let collected = fixture
            .store()
            .begin_collection()
            .finish(&[vec![image.clone()]])
            .unwrap();
        assert_eq!(collected.diff_ids.len(), 3);
        assert_eq!(fixture.store().list().unwrap()[0].diff_id, image);
    });
}

#[test]
fn a_record_that_cannot_be_read_keeps_every_layer_until_it_is_written_anew() {
    each(|fixture| {
        let [used, free] = ["used", "free"].map(|name| fixture.layer(name, |_| {}));
        let chain = std::slice::from_ref(&used);
        fixture.snapshotter.prepare("c", chain).unwrap();
        let record = fixture.directory.path().join("layers/snapshots/c.json");
        // As a power cut may leave a file that was not flushed.
        fs::write(&record, "").unwrap();
        let collect = || fixture.store().begin_collection().finish(&[]).unwrap();
        assert_eq!(collect().diff_ids, []);
        assert_eq!(fixture.store().list().unwrap().len(), 2);
        fixture.snapshotter.prepare("c", chain).unwrap();
        assert_eq!(collect().diff_ids, [free]);
    });
}

#[test]
fn a_layer_takes_the_place_of_its_damaged_self_in_one_step() {
    each(|fixture| {
        let write =
            |text: &'static str| move |root: &Path| fs::write(root.join("f"), text).unwrap();
        let one = fixture.layer("one", write("damaged"));
        let text = || {
            let view = fixture.snapshotter.view(std::slice::from_ref(&one));
            let root = Mounted::new(&view.unwrap());
            fs::read_to_string(root.path("f")).unwrap()
        };
        assert_eq!(text(), "damaged");
        let pending = fixture.pending(write("whole"));
        fixture.store().replace(pending, &new_layer("one")).unwrap();
        let found = fixture.store().find(std::slice::from_ref(&one)).unwrap();
        let layer = found.unwrap().open().unwrap();
        let path = format!("/proc/self/fd/{}/f", layer.as_raw_fd());
        assert_eq!(fs::read_to_string(path).unwrap(), "whole");
        if fixture.driver != Driver::Plain {
            assert_eq!(text(), "whole");
        }
        assert_eq!(fixture.store().list().unwrap().len(), 1);
    });
}

#[test]
fn a_settled_layer_stands_on_its_own_lower_layers_only() {
    each(|fixture| {
        let [a, b] = ["a", "b"].map(|name| fixture.layer(name, |_| {}));
        let settled = |on: &Digest| NewLayer {
            settled_on: Some(vec![on.clone()]),
            ..new_layer("top")
        };
        let top = fixture.layer_with(settled(&a), |root| fs::write(root.join("on"), "a").unwrap());
        assert!(
            fixture
                .store()
                .find(&[b.clone(), top.clone()])
                .unwrap()
                .is_none()
        );
        fixture.layer_with(settled(&b), |root| fs::write(root.join("on"), "b").unwrap());
        for (below, text) in [(&a, "a"), (&b, "b")] {
            let chain = [below.clone(), top.clone()];
            let root = Mounted::new(&fixture.snapshotter.prepare(text, &chain).unwrap());
            assert_eq!(fs::read_to_string(root.path("on")).unwrap(), text);
        }
        // Committing the same layer twice keeps the first.
        fixture.layer_with(settled(&a), |root| {
            fs::write(root.join("on"), "again").unwrap()
        });
        assert_eq!(fixture.store().list().unwrap().len(), 4);
    });
}

#[test]
fn nobody_but_root_may_enter_the_stores() {
    each(|fixture| {
        fixture.layer("one", |_| {});
        fixture.snapshotter.prepare("c", &[]).unwrap();
        for path in [
            "layers/sha256",
            "layers/tmp",
            "layers/trash",
            "containers",
            "containers/c",
        ] {
            let mode = fs::metadata(fixture.directory.path().join(path))
                .unwrap()
                .mode();
            assert_eq!(mode & 0o077, 0, "{path}");
        }
    });
}

#[test]
fn layers_in_both_forms_make_one_root_whichever_driver_made_them() {
    let mut fixture = Fixture::new(Driver::Overlay);
    let below = fixture.layer("below", |root| fs::write(root.join("a"), "below").unwrap());
    fixture.driver = Driver::Indexed;
    fixture.reopen();
    let above = fixture.layer("above", |root| fs::write(root.join("b"), "above").unwrap());
    let chain = [below, above];
    for driver in [Driver::Indexed, Driver::Overlay] {
        fixture.driver = driver;
        fixture.reopen();
        let root = Mounted::new(&fixture.snapshotter.prepare("c", &chain).unwrap());
        assert_eq!(fs::read_to_string(root.path("a")).unwrap(), "below");
        assert_eq!(fs::read_to_string(root.path("b")).unwrap(), "above");
    }
}

#[test]
fn containers_of_an_indexed_layer_share_one_mount_and_outlive_its_removal() {
    let fixture = Fixture::new(Driver::Indexed);
    let one = fixture.layer("one", |root| fs::write(root.join("f"), "text").unwrap());
    let chain = std::slice::from_ref(&one);
    let [a, b] = ["a", "b"].map(|key| fixture.snapshotter.prepare(key, chain).unwrap());
    let lower = |mount: &RootMount| match mount {
        RootMount::Overlay { lower, .. } => lower.clone(),
        RootMount::Directory(path) => vec![path.clone()],
    };
    assert_eq!(lower(&a), lower(&b));
    let root = open_root(&a).unwrap();
    for key in ["a", "b"] {
        fixture.snapshotter.remove(key).unwrap();
    }
    let collected = fixture.store().begin_collection().finish(&[]).unwrap();
    assert_eq!(collected.diff_ids, [one]);
    let file = format!("/proc/self/fd/{}/f", root.as_raw_fd());
    assert_eq!(fs::read_to_string(file).unwrap(), "text");
    assert!(
        !fs::read_to_string("/proc/self/mountinfo")
            .unwrap()
            .contains("erofs")
    );
}

#[test]
fn a_file_system_whose_files_cannot_be_mounted_is_refused_at_the_start() {
    // tmpfs(5): files in memory.
    let directory = tempfile::tempdir_in("/dev/shm").unwrap();
    let opened = LayerStore::open_as(&directory.path().join("layers"), Form::Indexed);
    let Err(error) = opened else {
        panic!("layers on tmpfs were taken");
    };
    assert!(matches!(error, Error::NoErofs { .. }), "{error}");
}
