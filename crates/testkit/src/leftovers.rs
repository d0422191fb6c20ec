//! What an engine has on the machine: the things a crash might leave behind.

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
    /// Elements of the engine's nftables maps and sets.
    pub firewall_elements: usize,
    /// Control groups below the engine's parent.
    pub cgroups: Vec<PathBuf>,
    /// The shims of its containers.
    pub processes: Vec<(u32, String)>,
    /// Entries of `containers/` and temporary files of the data root.
    pub files: Vec<PathBuf>,
}

impl Leftovers {
    pub(crate) fn look(directory: &Path, cgroup_parent: &str, holder: u32) -> Self {
        Self {
            mounts: mounts(directory),
            links: links(holder),
            firewall_elements: firewall_elements(holder),
            cgroups: cgroups(cgroup_parent),
            processes: processes(directory),
            files: files(directory),
        }
    }

    /// Ends what still runs and removes the control groups; for the end of a test.
    pub(crate) fn sweep(&self) {
        for (pid, _) in &self.processes {
            kill(*pid);
        }
        for cgroup in self.cgroups.iter().rev() {
            for pid in std::fs::read_to_string(cgroup.join("cgroup.procs"))
                .unwrap_or_default()
                .lines()
            {
                if let Ok(pid) = pid.parse() {
                    kill(pid);
                }
            }
            remove_cgroup(cgroup);
        }
    }
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

/// A shim is known by the descriptors it holds: its log file and its socket's directory.
fn processes(directory: &Path) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in entries(Path::new("/proc")) {
        let Some(pid) = entry
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
        else {
            continue;
        };
        let command = std::fs::read(entry.join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let holds =
            |file: PathBuf| std::fs::read_link(file).is_ok_and(|to| to.starts_with(directory));
        if command.starts_with("corten-shim ") && entries(&entry.join("fd")).into_iter().any(holds)
        {
            found.push((pid, command));
        }
    }
    found
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let data = directory.join("data");
    let mut found = entries(&data.join("containers"));
    for temporary in [
        "tmp",
        "layers/tmp",
        "layers/trash",
        "content/ingest",
        "content/tmp",
        "trash",
    ] {
        found.extend(entries(&data.join(temporary)));
    }
    found.extend(entries(&directory.join("exec/shim")));
    found
}
