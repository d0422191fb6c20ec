use super::*;

/// What `runc spec` writes, shortened.
const CONFIG: &str = r#"{
  "ociVersion": "1.0.2-dev",
  "process": {
    "terminal": true, "user": {"uid": 1, "gid": 2, "umask": 18, "additionalGids": [5]},
    "args": ["sh"], "env": ["PATH=/bin"], "cwd": "/",
    "capabilities": {"bounding": ["CAP_KILL"]},
    "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
    "noNewPrivileges": true
  },
  "root": {"path": "rootfs", "readonly": true},
  "hostname": "runc",
  "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
  "linux": {
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
    "timeOffsets": {"boottime": {"secs": -5, "nanosecs": 1}},
    "resources": {"devices": [{"allow": false, "access": "rwm"}],
                  "blockIO": {"throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 3}]},
                  "memory": {"kernelTCP": 5, "disableOOMKiller": true}},
    "namespaces": [{"type": "pid"}, {"type": "network", "path": "/n"}],
    "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"],
    "seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls":
      [{"names": ["personality"], "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}
  },
  "somethingNew": {"a": 1}
}"#;

#[test]
fn a_config_of_runc_survives_a_round_trip_except_for_unknown_properties() {
    let spec: Spec = serde_json::from_str(CONFIG).unwrap();
    let linux = spec.linux.as_ref().unwrap();
    assert_eq!(
        linux.namespace("network").unwrap().path.as_deref(),
        Some("/n".as_ref())
    );
    assert_eq!(linux.uid_mappings[0].host_id, 1000);
    let mut wanted: serde_json::Value = serde_json::from_str(CONFIG).unwrap();
    wanted.as_object_mut().unwrap().remove("somethingNew");
    assert_eq!(serde_json::to_value(&spec).unwrap(), wanted);
}

#[test]
fn an_unknown_namespace_kind_is_no_parse_error() {
    let spec: Spec =
        serde_json::from_str(r#"{"linux": {"namespaces": [{"type": "quantum"}]}}"#).unwrap();
    assert_eq!(spec.linux.unwrap().namespaces[0].kind, "quantum");
}
