//! The table of endpoints: method, path and the API version that brought it.
//!
//! A path is written without the optional `/v1.NN` prefix. `{…}` stands for one or more
//! segments: names of images contain slashes.

use crate::version::{ApiVersion, MINIMUM};

macro_rules! endpoints {
    ($($(#[$doc:meta])* $name:ident $method:ident $path:literal $minor:literal;)*) => {
        /// One operation of the API. The order is that of matching.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Endpoint { $($(#[$doc])* $name,)* }

        impl Endpoint {
            /// Every endpoint, in the order of matching.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// `GET`, `POST`, …
            pub const fn method(self) -> &'static str {
                match self { $(Self::$name => stringify!($method),)* }
            }

            /// The pattern of its path.
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $path,)* }
            }

            /// The first API version that has it (never below the oldest one spoken).
            pub fn since(self) -> ApiVersion {
                let minor = match self { $(Self::$name => $minor,)* };
                ApiVersion::v1(minor).max(MINIMUM)
            }
        }
    };
}

endpoints! {
    PingHead HEAD "/_ping" 24;
    Ping GET "/_ping" 24;
    Version GET "/version" 24;
    Info GET "/info" 24;
    Events GET "/events" 24;
    DiskUsage GET "/system/df" 25;
    Auth POST "/auth" 24;

    ContainerList GET "/containers/json" 24;
    ContainerCreate POST "/containers/create" 24;
    ContainerPrune POST "/containers/prune" 25;
    ContainerArchiveHead HEAD "/containers/{name}/archive" 24;
    ContainerArchiveGet GET "/containers/{name}/archive" 24;
    ContainerArchivePut PUT "/containers/{name}/archive" 24;
    ContainerExport GET "/containers/{name}/export" 24;
    ContainerChanges GET "/containers/{name}/changes" 24;
    ContainerInspect GET "/containers/{name}/json" 24;
    /// Beyond Docker.
    ContainerReach GET "/containers/{name}/reach" 24;
    ContainerTop GET "/containers/{name}/top" 24;
    ContainerLogs GET "/containers/{name}/logs" 24;
    ContainerStats GET "/containers/{name}/stats" 24;
    ContainerAttachWs GET "/containers/{name}/attach/ws" 24;
    CheckpointList GET "/containers/{name}/checkpoints" 25;
    CheckpointCreate POST "/containers/{name}/checkpoints" 25;
    CheckpointDelete DELETE "/containers/{name}/checkpoints/{checkpoint}" 25;
    ContainerKill POST "/containers/{name}/kill" 24;
    ContainerPause POST "/containers/{name}/pause" 24;
    ContainerUnpause POST "/containers/{name}/unpause" 24;
    ContainerRestart POST "/containers/{name}/restart" 24;
    ContainerStart POST "/containers/{name}/start" 24;
    ContainerStop POST "/containers/{name}/stop" 24;
    /// Beyond Docker.
    ContainerHandOver POST "/containers/{name}/handover" 24;
    ContainerWait POST "/containers/{name}/wait" 24;
    ContainerResize POST "/containers/{name}/resize" 24;
    ContainerAttach POST "/containers/{name}/attach" 24;
    ContainerRename POST "/containers/{name}/rename" 24;
    ContainerUpdate POST "/containers/{name}/update" 24;
    ContainerRemove DELETE "/containers/{name}" 24;

    ExecCreate POST "/containers/{name}/exec" 24;
    ExecInspect GET "/exec/{id}/json" 24;
    ExecStart POST "/exec/{id}/start" 24;
    ExecResize POST "/exec/{id}/resize" 24;

    ImageList GET "/images/json" 24;
    ImageSearch GET "/images/search" 24;
    ImageSaveMany GET "/images/get" 24;
    ImageSave GET "/images/{name}/get" 24;
    ImageHistory GET "/images/{name}/history" 24;
    ImageInspect GET "/images/{name}/json" 24;
    ImageLoad POST "/images/load" 24;
    ImageCreate POST "/images/create" 24;
    ImagePrune POST "/images/prune" 25;
    /// Beyond Docker.
    Cleanup POST "/system/cleanup" 24;
    /// Beyond Docker.
    ImageVerify POST "/images/verify" 24;
    ImagePush POST "/images/{name}/push" 24;
    ImageTag POST "/images/{name}/tag" 24;
    ImageRemove DELETE "/images/{name}" 24;
    Commit POST "/commit" 24;

    DistributionInspect GET "/distribution/{name}/json" 30;

    NetworkList GET "/networks" 24;
    /// As the list, with a slash at the end.
    NetworkListSlash GET "/networks/" 24;
    NetworkInspect GET "/networks/{id}" 24;
    NetworkCreate POST "/networks/create" 24;
    NetworkPrune POST "/networks/prune" 25;
    NetworkConnect POST "/networks/{id}/connect" 24;
    NetworkDisconnect POST "/networks/{id}/disconnect" 24;
    NetworkRemove DELETE "/networks/{id}" 24;

    VolumeList GET "/volumes" 24;
    /// Beyond Docker.
    VolumeExport GET "/volumes/{name}/export" 24;
    VolumeInspect GET "/volumes/{name}" 24;
    VolumeCreate POST "/volumes/create" 24;
    VolumePrune POST "/volumes/prune" 25;
    /// Beyond Docker.
    VolumeImport POST "/volumes/{name}/import" 24;
    /// Beyond Docker.
    VolumeClone POST "/volumes/{name}/clone" 24;
    /// Beyond Docker.
    VolumeSnapshot POST "/volumes/{name}/snapshot" 24;
    /// Beyond Docker.
    VolumeRename POST "/volumes/{name}/rename" 24;
    VolumeUpdate PUT "/volumes/{name}" 42;
    VolumeRemove DELETE "/volumes/{name}" 24;

    Build POST "/build" 24;
    BuildPrune POST "/build/prune" 31;
    BuildCancel POST "/build/cancel" 24;
    /// Beyond Docker.
    BuildMounts GET "/build/mounts" 24;
    /// Beyond Docker.
    BuildMountExport GET "/build/mounts/export" 24;
    /// Beyond Docker.
    BuildMountImport POST "/build/mounts/import" 24;
    Session POST "/session" 31;
    Grpc POST "/grpc" 24;

    SwarmInspect GET "/swarm" 24;
    SwarmInit POST "/swarm/init" 24;
    SwarmJoin POST "/swarm/join" 24;
    SwarmLeave POST "/swarm/leave" 24;
    SwarmUpdate POST "/swarm/update" 24;
    SwarmUnlockKey GET "/swarm/unlockkey" 24;
    SwarmUnlock POST "/swarm/unlock" 24;
    NodeList GET "/nodes" 24;
    NodeInspect GET "/nodes/{id}" 24;
    NodeRemove DELETE "/nodes/{id}" 24;
    NodeUpdate POST "/nodes/{id}/update" 24;
    ServiceList GET "/services" 24;
    ServiceCreate POST "/services/create" 24;
    ServiceLogs GET "/services/{id}/logs" 25;
    ServiceInspect GET "/services/{id}" 24;
    ServiceUpdate POST "/services/{id}/update" 24;
    ServiceRemove DELETE "/services/{id}" 24;
    TaskList GET "/tasks" 24;
    TaskLogs GET "/tasks/{id}/logs" 29;
    TaskInspect GET "/tasks/{id}" 24;
    SecretList GET "/secrets" 25;
    SecretCreate POST "/secrets/create" 25;
    SecretInspect GET "/secrets/{id}" 25;
    SecretUpdate POST "/secrets/{id}/update" 26;
    SecretRemove DELETE "/secrets/{id}" 25;
    ConfigList GET "/configs" 30;
    ConfigCreate POST "/configs/create" 30;
    ConfigInspect GET "/configs/{id}" 30;
    ConfigUpdate POST "/configs/{id}/update" 30;
    ConfigRemove DELETE "/configs/{id}" 30;

    PluginList GET "/plugins" 24;
    PluginPrivileges GET "/plugins/privileges" 25;
    PluginInspect GET "/plugins/{name}/json" 25;
    PluginPull POST "/plugins/pull" 24;
    PluginCreate POST "/plugins/create" 25;
    PluginEnable POST "/plugins/{name}/enable" 24;
    PluginDisable POST "/plugins/{name}/disable" 24;
    PluginPush POST "/plugins/{name}/push" 25;
    PluginUpgrade POST "/plugins/{name}/upgrade" 26;
    PluginSet POST "/plugins/{name}/set" 25;
    PluginRemove DELETE "/plugins/{name}" 24;
}

/// Finds the endpoint of `method` and `path` (without version prefix), and the text in
/// place of the pattern's braces, empty when it has none.
pub fn find<'a>(method: &str, path: &'a str) -> Option<(Endpoint, &'a str)> {
    Endpoint::ALL
        .iter()
        .filter(|endpoint| endpoint.method() == method)
        .find_map(|endpoint| Some((*endpoint, fit(endpoint.path(), path)?)))
}

/// The part of `path` in place of the first braces of `pattern`. Second ones stand at its
/// end, and for one segment.
fn fit<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return (pattern == path).then_some("");
    };
    let (_, after) = rest.split_once('}')?;
    let rest = path.strip_prefix(before)?;
    let name = match after.split_once('{') {
        None => rest.strip_suffix(after)?,
        Some((between, _)) => {
            let (name, last) = rest.rsplit_once(between)?;
            (!last.is_empty() && !last.contains('/')).then_some(name)?
        }
    };
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_endpoint_and_name() {
        for (method, path, found) in [
            (
                "GET",
                "/containers/json",
                Some((Endpoint::ContainerList, "")),
            ),
            (
                "DELETE",
                "/containers/web/checkpoints/one",
                Some((Endpoint::CheckpointDelete, "web")),
            ),
            (
                "DELETE",
                "/containers/web",
                Some((Endpoint::ContainerRemove, "web")),
            ),
            (
                "GET",
                "/containers/web/json",
                Some((Endpoint::ContainerInspect, "web")),
            ),
            (
                "GET",
                "/images/a.b:5000/c/d:1/json",
                Some((Endpoint::ImageInspect, "a.b:5000/c/d:1")),
            ),
            (
                "DELETE",
                "/images/library/x",
                Some((Endpoint::ImageRemove, "library/x")),
            ),
            ("GET", "/images/get", Some((Endpoint::ImageSaveMany, ""))),
            ("GET", "/networks/x", Some((Endpoint::NetworkInspect, "x"))),
            ("POST", "/containers//start", None),
            ("POST", "/version", None),
            ("GET", "/nope", None),
        ] {
            assert_eq!(find(method, path), found, "{method} {path}");
        }
    }
}
