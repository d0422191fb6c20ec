//! What the tests need from outside: Debian packages, two ages of the stock client and of its
//! plugin for building, Podman, and real images made from packages. The SDKs are those of
//! `sdks`.

use crate::run;
use crate::sdks::{self, Sdks};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs the tests run, and the Debian package of each.
const PROGRAMS: &[(&str, &str)] = &[
    ("apparmor_parser", "apparmor"),
    ("cc", "gcc"),
    ("curl", "curl"),
    ("docker-registry", "docker-registry"),
    ("bzip2", "bzip2"),
    ("ip", "iproute2"),
    ("jq", "jq"),
    ("mkfs.ext4", "e2fsprogs"),
    ("mkfs.xfs", "xfsprogs"),
    ("mmdebstrap", "mmdebstrap"),
    ("nft", "nftables"),
    ("nsenter", "util-linux"),
    ("ps", "procps"),
    ("node", "nodejs"),
    ("npm", "npm"),
    ("pip3", "python3-pip"),
    ("python3", "python3"),
    ("crun", "crun"),
    ("runc", "runc"),
    ("skopeo", "skopeo"),
    ("strace", "strace"),
    ("tar", "tar"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
    ("script", "bsdutils"),
];

/// Packages without a program to look for: file, package.
const FILES: &[(&str, &str)] = &[
    ("/bin/busybox", "busybox-static"),
    ("/etc/ssl/certs/ca-certificates.crt", "ca-certificates"),
];

/// The images of the tests; each is made once and kept.
const IMAGES: &[&str] = &[
    "hello-world",
    "busybox",
    "alpine",
    "debian",
    "ubuntu",
    "nginx",
    "redis",
    "postgres",
    "python",
    "node",
];

/// Stock Compose below the directory of assets.
const COMPOSE: &str = "compose-current/usr/libexec/docker/cli-plugins/docker-compose";

/// Debian 12's Podman: it wants its monitor of containers also when it only speaks to a
/// registry. What else it needs has come with skopeo and crun.
const PODMAN: &[&str] = &["podman", "conmon", "libsubid4"];

/// Where the assets stand, for the tests to find.
pub struct Assets {
    /// The directory that holds them all.
    pub home: PathBuf,
    /// The current stock client.
    pub docker: PathBuf,
    /// The current stock client's plugin for building.
    pub buildx: PathBuf,
    /// The plugin for building of early 2024, buildx 0.13.
    pub buildx_13: PathBuf,
    /// Podman, unpacked: the directory that holds its `usr`.
    pub podman: PathBuf,
    /// The stock client's plugin for projects.
    pub compose: PathBuf,
    /// The stock client of 2020 to 2023.
    pub docker_20: PathBuf,
    /// Directory of `NAME.tar`.
    pub images: PathBuf,
    /// Storage of a docker-registry that holds them all.
    pub registry: PathBuf,
    /// What other languages call the engine with.
    pub sdks: Sdks,
}

/// Installs and makes what is missing. Kept in `/var/cache/corten-test`, or where
/// `CORTEN_TEST_ASSETS` says.
pub fn prepare() -> Result<Assets> {
    install_packages()?;
    let home = home();
    std::fs::create_dir_all(&home)?;
    let assets = Assets {
        home: home.clone(),
        docker: home.join("client-current/usr/bin/docker"),
        buildx: home.join("buildx-current/usr/libexec/docker/cli-plugins/docker-buildx"),
        buildx_13: home.join("buildx-0.13/usr/libexec/docker/cli-plugins/docker-buildx"),
        podman: home.join("podman"),
        compose: compose()?,
        docker_20: home.join("client-20.10/usr/bin/docker"),
        images: home.join("images"),
        registry: home.join("registry"),
        sdks: sdks::prepare(&home)?,
    };
    if !assets.docker_20.exists() {
        // Debian 12's docker.io holds the 20.10 client; only its files are taken, no service.
        fetch_own(&home, &["docker.io"], "client-20.10")?;
    }
    if !assets.podman.exists() {
        fetch_own(&home, PODMAN, "podman")?;
    }
    if !assets.docker.exists() {
        fetch(&home, "sid", "docker-cli", "client-current")?;
    }
    if !assets.buildx.exists() {
        fetch(&home, "sid", "docker-buildx", "buildx-current")?;
    }
    if !assets.buildx_13.exists() {
        fetch(&home, "trixie", "docker-buildx", "buildx-0.13")?;
    }
    let missing: Vec<&str> = IMAGES
        .iter()
        .copied()
        .filter(|name| !assets.images.join(format!("{name}.tar")).exists())
        .collect();
    if !missing.is_empty() {
        run::run(standins("build").arg(&assets.images).args(&missing))?;
    }
    if !assets.registry.join("complete").exists() {
        fill_registry(&assets)?;
    }
    Ok(assets)
}

/// Stock Compose alone, fetched if it is not there.
pub fn compose() -> Result<PathBuf> {
    let home = home();
    std::fs::create_dir_all(&home)?;
    let program = home.join(COMPOSE);
    if !program.exists() {
        fetch(&home, "sid", "docker-compose", "compose-current")?;
    }
    Ok(program)
}

fn home() -> PathBuf {
    std::env::var_os("CORTEN_TEST_ASSETS")
        .map_or_else(|| PathBuf::from("/var/cache/corten-test"), PathBuf::from)
}

fn standins(verb: &str) -> Command {
    let mut command = Command::new("python3");
    command.args(["crates/testkit/assets/standins", verb]);
    command
}

/// Pushes the images once; the tests serve the storage read-only.
fn fill_registry(assets: &Assets) -> Result<()> {
    fresh(&assets.registry)?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port();
    let pid = run::output(
        standins("registry")
            .arg(&assets.registry)
            .arg(port.to_string()),
    )?;
    let url = format!("http://127.0.0.1:{port}");
    let pushed = run::run(standins("push").arg(&assets.images).arg(url).args(IMAGES));
    run::run(Command::new("kill").arg(pid.trim()))?;
    pushed?;
    std::fs::write(assets.registry.join("complete"), "")?;
    Ok(())
}

fn install_packages() -> Result<()> {
    let programs = PROGRAMS
        .iter()
        .filter(|(program, _)| !run::is_installed(program));
    let files = FILES.iter().filter(|(file, _)| !Path::new(file).exists());
    let missing: Vec<&str> = programs.chain(files).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !run::is_installed("apt-get") {
        bail!(
            "the tests need these Debian packages, and there is no apt-get: {}",
            missing.join(" ")
        );
    }
    run::run(Command::new("apt-get").args(["update", "-qq"]))?;
    run::run(
        Command::new("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// The files of packages of the system's own suite, which are not installed.
fn fetch_own(home: &Path, packages: &[&str], to: &str) -> Result<()> {
    run::run(Command::new("apt-get").args(["update", "-qq"]))?;
    let work = fresh(&home.join("fetch-own"))?;
    run::run(
        Command::new("apt-get")
            .args(["download", "-qq"])
            .args(packages)
            .current_dir(&work),
    )?;
    unpack(&work, &home.join(to))
}

/// A package of another suite of Debian.
fn fetch(home: &Path, suite: &str, package: &str, to: &str) -> Result<()> {
    let suite = Suite::open(suite, fresh(&home.join("fetch-suite"))?)?;
    suite.fetch(package, &home.join(to))
}

/// Another suite of Debian than the system's, by a package index of its own.
pub struct Suite {
    work: PathBuf,
}

impl Suite {
    /// Reads the suite's index; everything stays in the empty directory `work`, which goes
    /// with the package that is fetched.
    pub fn open(name: &str, work: PathBuf) -> Result<Self> {
        let mirror = mirror()?;
        let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let line = format!("deb [signed-by={key}] {mirror} {name} main\n");
        std::fs::write(work.join("sources.list"), line)?;
        std::fs::create_dir_all(work.join("lists/partial"))?;
        std::fs::create_dir_all(work.join("cache/archives/partial"))?;
        let suite = Self { work };
        run::run(suite.apt("apt-get").args(["update", "-qq"]))?;
        Ok(suite)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let option = |name: &str, path: &str| format!("{name}={}", self.work.join(path).display());
        command
            .args(["-o", &option("Dir::Etc::sourcelist", "sources.list")])
            .args(["-o", "Dir::Etc::sourceparts=/dev/null"])
            .args(["-o", &option("Dir::State::lists", "lists")])
            .args(["-o", &option("Dir::Cache", "cache")])
            .args(["-o", "Acquire::Check-Valid-Until=false"])
            .args(["-o", "APT::Sandbox::User=root"])
            .current_dir(&self.work);
        command
    }

    /// The first package that `package` depends on.
    pub fn first_dependency(&self, package: &str) -> Result<String> {
        first_dependency(self.apt("apt-cache"), package)
    }

    /// Unpacks a package's files to the directory `to`.
    pub fn fetch(self, package: &str, to: &Path) -> Result<()> {
        run::run(self.apt("apt-get").args(["download", "-qq", package]))?;
        unpack(&self.work, to)
    }
}

/// As [`Suite::first_dependency`], asked by `cache`, an `apt-cache`.
pub fn first_dependency(mut cache: Command, package: &str) -> Result<String> {
    let listed = run::output(cache.args(["depends", package]))?;
    listed
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .map(str::to_owned)
        .with_context(|| format!("{package} depends on nothing"))
}

/// The mirror that the system's own apt configuration names.
fn mirror() -> Result<String> {
    for file in [
        "/etc/apt/sources.list.d/debian.sources",
        "/etc/apt/sources.list",
    ] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().find_map(|line| {
            line.strip_prefix("URIs: ").or_else(|| {
                line.strip_prefix("deb ")
                    .and_then(|rest| rest.split(' ').find(|word| word.contains("://")))
            })
        });
        if let Some(uri) = found {
            return Ok(uri.split(' ').next().unwrap_or(uri).to_owned());
        }
    }
    bail!("no Debian mirror in apt's configuration");
}

/// An empty directory.
pub fn fresh(directory: &Path) -> Result<PathBuf> {
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    std::fs::create_dir_all(directory)?;
    Ok(directory.to_path_buf())
}

/// Unpacks the packages in `work` to `to`, and removes `work`.
pub fn unpack(work: &Path, to: &Path) -> Result<()> {
    let staged = fresh(&to.with_extension("new"))?;
    let mut packages = 0;
    for entry in std::fs::read_dir(work)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            run::run(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&staged))?;
            packages += 1;
        }
    }
    if packages == 0 {
        bail!("apt-get download left no package");
    }
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::rename(&staged, to)?;
    std::fs::remove_dir_all(work)?;
    Ok(())
}
