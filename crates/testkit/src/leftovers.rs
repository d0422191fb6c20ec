//! What an engine has on the machine: the things a crash might leave behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything of one engine that the kernel or the disk holds, sorted by kind. Two looks
/// are compared with `==`; an idle engine without containers equals its first look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Mount points below the engine's directory in the host's table.
    pub mounts: Vec<String>,
    /// Network interfaces in the engine's namespace.
    pub links: Vec<String>,
    /// Network namespaces that the daemon, its shims and its containers' processes hold.
    pub network_namespaces: usize,
    /// Network namespaces that a link of the engine's namespace leads to, whoever holds
    /// them.
    pub network_peers: usize,
    /// Addresses that endpoints have on record.
    pub addresses: Vec<String>,
    /// Elements of the engine's nftables maps and sets.
    pub firewall_elements: usize,
    /// Control groups below the engine's parent.
    pub cgroups: Vec<PathBuf>,
    /// The shims of its containers.
    pub processes: Vec<(u32, String)>,
    /// Names of volumes on disk.
    pub volumes: Vec<PathBuf>,
    /// Blobs, and those of which a part is here, to be gone on with.
    pub blobs: Vec<PathBuf>,
    /// Unpacked layers.
    pub layers: Vec<PathBuf>,
    /// Everything else below the data root and the exec root: sockets, records,
    /// directories of containers, temporary files.
    pub files: Vec<PathBuf>,
}

impl Leftovers {
    pub(crate) fn look(
        directory: &Path,
        cgroup_parent: &str,
        holder: u32,
        daemon: Option<u32>,
    ) -> Self {
        let cgroups = cgroups(cgroup_parent);
        let processes = processes(directory);
        let mut members: Vec<u32> = cgroups.iter().flat_map(|group| members(group)).collect();
        members.extend(processes.iter().map(|(pid, _)| *pid));
        members.extend(daemon);
        let data = directory.join("data");
        let mut blobs = entries(&data.join("content/blobs/sha256"));
        blobs.extend(partial_blobs(&data));
        Self {
            mounts: mounts(directory),
            links: links(holder),
            network_namespaces: network_namespaces(&members, holder),
            network_peers: inside(holder, &["ip", "netns", "list-id"]).lines().count(),
            addresses: addresses(&directory.join("exec/network/endpoints")),
            firewall_elements: firewall_elements(holder),
            cgroups,
            processes,
            volumes: entries(&data.join("volumes")),
            blobs,
            layers: entries(&data.join("layers/sha256")),
            files: files(directory),
        }
    }

    /// Ends what still runs and removes the control groups; for the end of a test.
    pub(crate) fn sweep(&self) {
        for (pid, _) in &self.processes {
            kill(*pid);
        }
        for cgroup in self.cgroups.iter().rev() {
            members(cgroup).into_iter().for_each(kill);
            remove_cgroup(cgroup);
        }
    }
}

fn members(cgroup: &Path) -> Vec<u32> {
    let list = std::fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    list.lines().filter_map(|pid| pid.parse().ok()).collect()
}

fn kill(pid: u32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid as i32) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// The kernel refuses while the last process is on its way out.
fn remove_cgroup(cgroup: &Path) {
    for _ in 0..200 {
        match std::fs::remove_dir(cgroup) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {
                std::thread::sleep(std::time::Duration::from_millis(5)); // poll
            }
            _ => return,
        }
    }
}

fn mounts(directory: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = directory.display().to_string();
    table
        .lines()
        .filter(|line| line.contains(&below))
        .map(str::to_owned)
        .collect()
}

fn links(holder: u32) -> Vec<String> {
    let listed = inside(holder, &["ip", "-o", "link"]);
    let mut names: Vec<String> = listed
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .map(|name| name.split('@').next().unwrap_or(name).to_owned())
        .collect();
    names.sort();
    names
}

/// Namespaces of these processes and those that their descriptors stand for, without the
/// engine's own and ours.
fn network_namespaces(pids: &[u32], holder: u32) -> usize {
    let namespace = |path: PathBuf| {
        let to = std::fs::read_link(path).ok()?.into_os_string();
        to.to_str()
            .is_some_and(|to| to.starts_with("net:["))
            .then_some(to)
    };
    let mut found = BTreeSet::new();
    for pid in pids {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let held = entries(&process.join("fd")).into_iter();
        found.extend(held.chain([process.join("ns/net")]).filter_map(namespace));
    }
    for own in [format!("/proc/{holder}/ns/net"), "/proc/self/ns/net".into()] {
        if let Some(own) = namespace(own.into()) {
            found.remove(&own);
        }
    }
    found.len()
}

fn addresses(records: &Path) -> Vec<String> {
    fn collect(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(object) => {
                for key in ["ipv4", "ipv6"] {
                    found.extend(
                        object
                            .get(key)
                            .and_then(|it| it.as_str())
                            .map(str::to_owned),
                    );
                }
                object.values().for_each(|value| collect(value, found));
            }
            serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for record in entries(records) {
        let text = std::fs::read_to_string(record).unwrap_or_default();
        collect(&serde_json::from_str(&text).unwrap_or_default(), &mut found);
    }
    found
}

fn firewall_elements(holder: u32) -> usize {
    let listed = inside(holder, &["nft", "-j", "list", "ruleset"]);
    let value: serde_json::Value = serde_json::from_str(&listed).unwrap_or_default();
    let objects = value["nftables"].as_array().cloned().unwrap_or_default();
    let elements = |object: &serde_json::Value, kind: &str| {
        object[kind]["elem"].as_array().map_or(0, Vec::len)
    };
    objects
        .iter()
        .map(|object| elements(object, "map") + elements(object, "set"))
        .sum()
}

fn inside(holder: u32, words: &[&str]) -> String {
    let output = Command::new("nsenter")
        .args(["-t", &holder.to_string(), "-n", "--"])
        .args(words)
        .output()
        .expect("nsenter starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn cgroups(parent: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
    roots.extend(entries(Path::new("/sys/fs/cgroup")));
    for root in roots {
        let top = root.join(parent.trim_start_matches('/'));
        if top.is_dir() {
            descend(&top, &mut found);
        }
    }
    found.sort();
    found
}

fn descend(directory: &Path, found: &mut Vec<PathBuf>) {
    found.push(directory.to_path_buf());
    for entry in entries(directory)
        .into_iter()
        .filter(|entry| entry.is_dir())
    {
        descend(&entry, found);
    }
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

/// A shim is known by its environment, which names the directory of steps.
fn processes(directory: &Path) -> Vec<(u32, String)> {
    let own = directory.display().to_string();
    let mut found = Vec::new();
    for entry in entries(Path::new("/proc")) {
        let Some(pid) = entry
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
        else {
            continue;
        };
        let text = |name: &str| {
            let bytes = std::fs::read(entry.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let command = text("cmdline");
        if command.starts_with("corten-shim ") && text("environ").contains(&own) {
            found.push((pid, command));
        }
    }
    found
}

fn partial_blobs(data: &Path) -> Vec<PathBuf> {
    let partial = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("sha"))
    };
    let ingest = entries(&data.join("content/ingest"));
    ingest.into_iter().filter(partial).collect()
}

/// What is listed as something else, or is as big as an image.
fn files(directory: &Path) -> Vec<PathBuf> {
    fn walk(directory: &Path, known: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
        for entry in entries(directory) {
            if known(&entry) {
                continue;
            }
            let thrown = directory.ends_with("trash") || directory.ends_with("tmp");
            if !thrown && entry.is_dir() && !entry.is_symlink() {
                walk(&entry, known, found);
            }
            found.push(entry);
        }
    }
    let data = directory.join("data");
    let partial = partial_blobs(&data);
    let elsewhere = [
        "layers/sha256",
        // One for each owner and mode of a root directory that was ever looked at.
        "layers/roots",
        "content/blobs",
        "volumes",
        "state.db-wal",
        "state.db-shm",
    ];
    let elsewhere = elsewhere.map(|name| data.join(name));
    let known = |path: &Path| {
        path.ends_with("overlay/upper")
            || path.ends_with("overlay/work")
            || elsewhere.iter().any(|other| other == path)
            || partial.iter().any(|other| other == path)
    };
    let mut found = Vec::new();
    walk(&data, &known, &mut found);
    walk(&directory.join("exec"), &known, &mut found);
    found
}
