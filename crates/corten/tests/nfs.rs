//! Volumes of the `local` driver whose files are on a server: NFS version 3. Kernels without
//! NFS refuse in dockerd's words; `cargo xtask guest` boots one that has it.

use async_trait::async_trait;
use corten_sys::namespace::{NEWNET, setns};
use corten_testkit::Engine;
use nfsserve::nfs::{fattr3, fileid3, filename3, ftype3, nfspath3, nfsstat3, sattr3, set_size3};
use nfsserve::tcp::{NFSTcp, NFSTcpListener};
use nfsserve::vfs::{DirEntry, NFSFileSystem, ReadDirResult, VFSCapabilities};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard};

const ROOT: fileid3 = 1;
const PORT: u16 = 20_490;

/// Names and contents of files, by the number that their attributes bear.
type Files = BTreeMap<fileid3, (Vec<u8>, Vec<u8>)>;

/// One directory of files, in memory. Cheap to clone.
#[derive(Clone, Default)]
struct Export(Arc<Mutex<Files>>);

impl Export {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().expect("nobody panics with it")
    }

    fn content(&self, name: &str) -> Option<String> {
        let files = self.files();
        let mut found = files.values().filter(|(it, _)| it == name.as_bytes());
        found
            .next()
            .map(|(_, content)| String::from_utf8_lossy(content).into_owned())
    }

    fn find(&self, name: &filename3) -> Result<fileid3, nfsstat3> {
        let files = self.files();
        let mut found = files.iter().filter(|(_, (it, _))| *it == name.0);
        found
            .next()
            .map(|(id, _)| *id)
            .ok_or(nfsstat3::NFS3ERR_NOENT)
    }

    fn make(&self, name: &filename3) -> fileid3 {
        let mut files = self.files();
        let id = files.keys().next_back().map_or(ROOT, |last| *last) + 1;
        files.insert(id, (name.0.clone(), Vec::new()));
        id
    }

    fn attributes(&self, id: fileid3) -> Result<fattr3, nfsstat3> {
        let files = self.files();
        let (kind, mode, size) = match files.get(&id) {
            _ if id == ROOT => (ftype3::NF3DIR, 0o777, 4096),
            Some((_, content)) => (ftype3::NF3REG, 0o644, content.len() as u64),
            None => return Err(nfsstat3::NFS3ERR_STALE),
        };
        Ok(fattr3 {
            ftype: kind,
            mode,
            nlink: 1,
            size,
            used: size,
            fileid: id,
            ..fattr3::default()
        })
    }
}

#[async_trait]
impl NFSFileSystem for Export {
    fn capabilities(&self) -> VFSCapabilities {
        VFSCapabilities::ReadWrite
    }

    fn root_dir(&self) -> fileid3 {
        ROOT
    }

    async fn lookup(&self, _: fileid3, name: &filename3) -> Result<fileid3, nfsstat3> {
        match name.0.as_slice() {
            b"." | b".." => Ok(ROOT),
            _ => self.find(name),
        }
    }

    async fn getattr(&self, id: fileid3) -> Result<fattr3, nfsstat3> {
        self.attributes(id)
    }

    async fn setattr(&self, id: fileid3, change: sattr3) -> Result<fattr3, nfsstat3> {
        if let (set_size3::size(size), Some((_, content))) =
            (change.size, self.files().get_mut(&id))
        {
            content.resize(size as usize, 0);
        }
        self.attributes(id)
    }

    async fn read(
        &self,
        id: fileid3,
        offset: u64,
        count: u32,
    ) -> Result<(Vec<u8>, bool), nfsstat3> {
        let files = self.files();
        let (_, content) = files.get(&id).ok_or(nfsstat3::NFS3ERR_STALE)?;
        let start = content.len().min(offset as usize);
        let end = content.len().min(start + count as usize);
        Ok((content[start..end].to_vec(), end == content.len()))
    }

    async fn write(&self, id: fileid3, offset: u64, data: &[u8]) -> Result<fattr3, nfsstat3> {
        if let Some((_, content)) = self.files().get_mut(&id) {
            let end = offset as usize + data.len();
            content.resize(content.len().max(end), 0);
            content[offset as usize..end].copy_from_slice(data);
        }
        self.attributes(id)
    }

    async fn create(
        &self,
        _: fileid3,
        name: &filename3,
        _: sattr3,
    ) -> Result<(fileid3, fattr3), nfsstat3> {
        let id = self.make(name);
        Ok((id, self.attributes(id)?))
    }

    async fn create_exclusive(&self, _: fileid3, name: &filename3) -> Result<fileid3, nfsstat3> {
        match self.find(name) {
            Ok(_) => Err(nfsstat3::NFS3ERR_EXIST),
            Err(_) => Ok(self.make(name)),
        }
    }

    async fn mkdir(&self, _: fileid3, _: &filename3) -> Result<(fileid3, fattr3), nfsstat3> {
        Err(nfsstat3::NFS3ERR_NOTSUPP)
    }

    async fn remove(&self, _: fileid3, name: &filename3) -> Result<(), nfsstat3> {
        let id = self.find(name)?;
        self.files().remove(&id);
        Ok(())
    }

    async fn rename(
        &self,
        _: fileid3,
        _: &filename3,
        _: fileid3,
        _: &filename3,
    ) -> Result<(), nfsstat3> {
        Err(nfsstat3::NFS3ERR_NOTSUPP)
    }

    async fn readdir(
        &self,
        _: fileid3,
        after: fileid3,
        most: usize,
    ) -> Result<ReadDirResult, nfsstat3> {
        let rest: Vec<(fileid3, Vec<u8>)> = {
            let files = self.files();
            let rest = files.range(after + 1..);
            rest.map(|(id, (name, _))| (*id, name.clone())).collect()
        };
        let entries = rest.iter().take(most).map(|(id, name)| {
            Ok(DirEntry {
                fileid: *id,
                name: name.as_slice().into(),
                attr: self.attributes(*id)?,
            })
        });
        Ok(ReadDirResult {
            entries: entries.collect::<Result<_, nfsstat3>>()?,
            end: rest.len() <= most,
        })
    }

    async fn symlink(
        &self,
        _: fileid3,
        _: &filename3,
        _: &nfspath3,
        _: &sattr3,
    ) -> Result<(fileid3, fattr3), nfsstat3> {
        Err(nfsstat3::NFS3ERR_NOTSUPP)
    }

    async fn readlink(&self, _: fileid3) -> Result<nfspath3, nfsstat3> {
        Err(nfsstat3::NFS3ERR_NOTSUPP)
    }
}

/// Serves an export where the engine's mounts look for it.
fn serve(engine: &Engine) -> Export {
    let export = Export::default();
    let served = export.clone();
    let namespace = File::open(format!("/proc/{}/ns/net", engine.holder_pid())).expect("it runs");
    let (listens, ready) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        setns(namespace.as_fd(), NEWNET).expect("root may");
        let threads = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        threads.block_on(async {
            let listener = NFSTcpListener::bind(&format!("127.0.0.1:{PORT}"), served).await;
            let listener = listener.expect("a free port");
            listens.send(()).expect("the test waits");
            listener.handle_forever().await
        })
    });
    ready.recv().expect("it listens");
    export
}

#[test]
fn a_volumes_files_are_on_a_server() {
    let has_nfs = std::fs::read_to_string("/proc/filesystems").expect("there is proc");
    let has_nfs = has_nfs.lines().any(|line| line.ends_with("\tnfs"));
    let engine = Engine::with_images(&["busybox"]);
    let export = serve(&engine);
    let options = |port: u16| {
        format!(
            "o=addr=127.0.0.1,rw,nfsvers=3,tcp,nolock,soft,timeo=20,retrans=1,port={port},mountport={port}"
        )
    };
    let create = |name: &str, port: u16| {
        let options = options(port);
        let words = ["volume", "create", "-o", "type=nfs", "-o", &options];
        let words = words.into_iter().chain(["-o", "device=:/", name]);
        engine.corten(words).ok();
    };
    let run = |volume: &str, script: &str| {
        let volume = format!("{volume}:/v");
        engine.corten(["run", "--rm", "-v", &volume, "busybox", "sh", "-c", script])
    };
    create("shared", PORT);
    if !has_nfs {
        let refused = run("shared", "true");
        refused.fails(125, "failed to mount local volume: mount :/:");
        assert!(refused.stderr.contains("no such device"), "{refused:?}");
        return;
    }
    run("shared", "echo hello >/v/greeting").ok();
    assert_eq!(export.content("greeting").as_deref(), Some("hello\n"));
    assert_eq!(
        run("shared", "cat /v/greeting; ls /v").ok(),
        "hello\ngreeting"
    );
    let mounts = |wanted: &str| {
        let table = std::fs::read_to_string(format!("/proc/{}/mounts", engine.daemon_pid()));
        table.expect("it runs").matches(wanted).count()
    };
    assert_eq!(mounts(" nfs "), 0, "nobody uses it");
    // Nobody listens there: told, and nothing is left behind.
    create("nowhere", PORT + 1);
    let refused = run("nowhere", "true");
    refused.fails(125, "failed to mount local volume: mount :/:");
    engine.corten(["volume", "rm", "shared", "nowhere"]).ok();
    assert_eq!(export.content("greeting").as_deref(), Some("hello\n"));
}
