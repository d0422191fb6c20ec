//! Containers: configuration, creation, lists, inspection, statistics.

mod config;
mod create;
mod endpoint_settings;
mod host_config;
mod inspect;
mod list;
mod mount;
mod operations;
mod reach;
mod stats;
mod str_slice;

pub use config::{Config, Empty, HealthConfig};
pub use create::{CreateRequest, CreateResponse, NetworkingConfig};
pub use endpoint_settings::{EndpointIpamConfig, EndpointSettings};
pub use host_config::{
    DeviceMapping, DeviceRequest, HostConfig, LogConfig, PortBinding, PortMap, RestartPolicy,
    ThrottleDevice, Ulimit, WeightDevice,
};
pub use inspect::{
    Address, GraphDriver, Health, HealthcheckResult, Inspect, NetworkSettings, State,
};
pub use list::{Summary, SummaryHostConfig, SummaryNetworkSettings, SummaryPort};
pub use mount::{
    BindOptions, IdMap, IdRange, ImageOptions, Mount, MountPoint, TmpfsOptions, VolumeDriverConfig,
    VolumeOptions,
};
pub use operations::{
    FilesystemChange, PathStat, PruneReport, Top, UpdateRequest, UpdateResponse, WaitError,
    WaitResponse,
};
pub use reach::{Reach, ReachedFrom};
pub use stats::{
    BlkioStatEntry, BlkioStats, CpuStats, CpuUsage, MemoryStats, NetworkStats, PidsStats, Stats,
    StorageStats, ThrottlingData,
};
pub use str_slice::StrSlice;
