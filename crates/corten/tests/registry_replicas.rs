//! Two `corten registry serve` over one bucket of an S3 service, and skopeo before them:
//! what one took the other has, also when the first is killed.

use corten_testkit::{ObjectStore, binary, image, program, run, until};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// One registry; killed when dropped.
struct Replica {
    child: Child,
    address: String,
}

impl Replica {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(binary("corten"))
            .args(["registry", "serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("corten is built");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let address = lines.find_map(|line| {
            let (_, address) = line.split_once("listening on ")?;
            Some(address.to_owned())
        });
        let address = address.expect("it says where it listens");
        // The pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// By SIGKILL, as a machine that goes away.
    fn kill(&mut self) {
        // Ended already is ended too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn curl(&self, words: &[&str], path: &str) -> String {
        let url = match path.starts_with('/') {
            true => format!("http://{}{path}", self.address),
            false => path.to_owned(),
        };
        let words = ["-s", "-i", "--max-time", "60"].iter().chain(words);
        run(program("curl", words).arg(url)).ok().to_owned()
    }

    /// Where a new upload goes on, as a path.
    fn begin(&self, repository: &str) -> String {
        let path = format!("/v2/{repository}/blobs/uploads/");
        let answer = self.curl(&["-X", "POST", "-d", ""], &path);
        header(&answer, "location").expect("a place").to_owned()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.kill();
    }
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn digest(file: &Path) -> String {
    let sum = run(&mut program("sha256sum", [file]));
    format!("sha256:{}", &sum.ok()[..64])
}

struct Shop {
    directory: tempfile::TempDir,
    _store: ObjectStore,
    config: PathBuf,
}

impl Shop {
    fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = ObjectStore::start();
        let bucket = store.bucket(&directory.path().join("secret"));
        let config = directory.path().join("registry.json");
        let text: Value =
            json!({"storage": {"bucket": bucket}, "collect-seconds": 0, "grace-seconds": 0});
        std::fs::write(&config, text.to_string()).expect("the configuration");
        Self {
            directory,
            _store: store,
            config,
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    }

    fn collect(&self) {
        let config = self.config.to_str().expect("a path");
        let words = ["registry", "serve", "--config", config, "--collect"];
        run(&mut program(binary("corten"), words)).ok();
    }
}

fn copy(words: &[&str]) -> corten_testkit::Ran {
    let fixed = [
        "copy",
        "-q",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
    ];
    run(&mut program("skopeo", fixed.iter().chain(words)))
}

#[test]
fn what_one_replica_acknowledged_the_other_has_although_the_first_is_killed() {
    let shop = Shop::open();
    let mut one = Replica::start(&shop.config);
    let two = Replica::start(&shop.config);
    let tar = format!("docker-archive:{}", image("busybox").display());
    let name = |at: &Replica| format!("docker://{}/team/busybox:1", at.address);
    copy(&[&tar, &name(&one)]).ok();
    // Bytes that were acknowledged, and more that were on their way.
    let upload = one.begin("team/busybox");
    let bytes: Vec<u8> = (0..30_000_000_u32).map(|n| (n >> 9) as u8).collect();
    let first = shop.file("first", &bytes[..9_000_000]);
    let words = [
        "-X",
        "PATCH",
        "--data-binary",
        &format!("@{}", first.display()),
    ];
    let answer = one.curl(&words, &upload);
    assert_eq!(header(&answer, "range"), Some("0-8999999"), "{answer}");
    let mut broken = TcpStream::connect(&one.address).expect("a connection");
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nHost: {}\r\nContent-Length: 21000000\r\n\r\n",
        one.address
    );
    broken.write_all(head.as_bytes()).expect("the head");
    broken
        .write_all(&bytes[9_000_000..28_000_000])
        .expect("bytes");
    one.kill();
    // The image is there, and the upload goes on where it was acknowledged.
    let layout = format!("oci:{}", shop.directory.path().join("pulled").display());
    copy(&[&name(&two), &layout]).ok();
    let answer = two.curl(&[], &upload);
    assert_eq!(header(&answer, "range"), Some("0-8999999"), "{answer}");
    let rest = shop.file("rest", &bytes[9_000_000..]);
    let whole = digest(&shop.file("whole", &bytes));
    let data = format!("@{}", rest.display());
    let words = [
        "-X",
        "PUT",
        "-H",
        "Content-Range: 9000000-29999999",
        "--data-binary",
        &data,
    ];
    let answer = two.curl(&words, &format!("{upload}?digest={whole}"));
    assert!(answer.contains(" 201 "), "{answer}");
    let one = Replica::start(&shop.config);
    let got = shop.directory.path().join("got");
    let url = format!("http://{}/v2/team/busybox/blobs/{whole}", one.address);
    let words = ["-sf", "--max-time", "60", "-o"];
    run(program("curl", words).arg(&got).arg(&url)).ok();
    assert_eq!(digest(&got), whole);
}

#[test]
fn a_collection_beside_pushes_to_both_replicas_takes_only_what_nobody_needs() {
    let shop = Shop::open();
    let (one, two) = (Replica::start(&shop.config), Replica::start(&shop.config));
    let orphan = shop.file("orphan", b"nobody needs this");
    let sum = digest(&orphan);
    let at = one.begin("team/app");
    let data = format!("@{}", orphan.display());
    let put = one.curl(
        &["-X", "PUT", "--data-binary", &data],
        &format!("{at}?digest={sum}"),
    );
    assert!(put.contains(" 201 "), "{put}");
    let path = format!("/v2/team/app/blobs/{sum}");
    assert!(two.curl(&["-I"], &path).contains(" 200 "));
    let tar = format!("docker-archive:{}", image("busybox").display());
    std::thread::scope(|threads| {
        for replica in [&one, &two] {
            let tar = &tar;
            threads.spawn(move || {
                for n in 0..3 {
                    // A push that meets the collector may be refused, and is tried again.
                    let name = format!("docker://{}/team/app:{n}", replica.address);
                    until("the push is taken", 60, || copy(&[tar, &name]).code == 0);
                }
            });
        }
        shop.collect();
        shop.collect();
    });
    until("the blob is collected", 60, || {
        // Who asks for a blob keeps it for a moment: a bucket's clock counts seconds.
        std::thread::sleep(Duration::from_secs(3)); // poll
        shop.collect();
        two.curl(&[], &path).contains(" 404 ")
    });
    for n in 0..3 {
        let name = format!("docker://{}/team/app:{n}", two.address);
        let pulled = shop.directory.path().join(format!("pulled-{n}"));
        copy(&[&name, &format!("oci:{}", pulled.display())]).ok();
    }
}
