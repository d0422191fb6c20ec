//! Corten's nouns: what a container, a volume, a network, an image, an event *is*.
//!
//! Purpose: the values that cross rooms and that stand on disk, in snake_case serde.
//! The names are Docker's, in the language of this house, so that the server's
//! conversion is a walk over fields and nothing is lost on the way.
//!
//! Entry points: [`ContainerConfig`] and [`HostConfig`] (what a user asked for),
//! [`Container`] (the record), [`State`] and [`Change`] (the state machine, a pure
//! function), [`Event`], [`Filters`].
//!
//! Invariants: no I/O, no async. A field that an older record lacks has a default, so
//! that records of every earlier format version can be read.
//!
//! Never knows: HTTP, API versions, syscalls.
#![forbid(unsafe_code)]

mod config;
mod container;
mod event;
mod exec;
mod filters;
mod host_config;
mod id;
mod image;
mod mount;
mod network;
mod port;
mod restart;
mod state;
mod stats;
mod system;
mod volume;

pub use config::{ContainerConfig, HealthConfig};
pub use container::{Container, ContainerInspect, ContainerSummary, GraphDriver};
pub use corten_oci::Platform;
pub use event::{Actor, Event, EventKind};
pub use exec::{ExecConfig, ExecInspect, ExecState};
pub use filters::{FilterError, Filters, Patterns};
pub use host_config::{
    BlockRate, BlockWeight, DeviceMapping, DeviceRequest, HostConfig, LogConfig, Resources, Ulimit,
};
pub use id::{ContainerId, ExecId, ImageId, NetworkId};
pub use image::{
    ChangeKind, FilesystemChange, ImageBuild, ImageDeleteItem, ImageDistribution, ImageHistoryItem,
    ImageIdentity, ImageInspect, ImageManifest, ImageManifestKind, ImageSearchHit, ImageSummary,
    Progress, ProgressDetail, RegistryAuth,
};
pub use mount::{
    BindOptions, IdMap, IdRange, ImageOptions, MountKind, MountPoint, MountRequest, Propagation,
    TmpfsOptions, VolumeOptions,
};
pub use network::{
    EndpointConfig, EndpointIpam, EndpointSettings, NetworkContainer, NetworkInspect, NetworkIpam,
    NetworkIpamPool, NetworkSettings,
};
pub use port::{ParsePortError, Port, PortBinding, PortMap, Protocol, PublishedPort};
pub use restart::{RestartPolicy, RestartPolicyName, UnknownRestartPolicy};
pub use state::{Change, Health, HealthResult, HealthStatus, Refusal, State, Status};
pub use stats::{BlockStat, ContainerStats, CpuStats, MemoryStats, NetworkStats, PidsStats};
pub use system::{DiskUsage, RuntimeInfo, SystemInfo, SystemVersion};
pub use volume::{VolumeInfo, VolumeUsage};
