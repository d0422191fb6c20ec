//! One function an endpoint: path and query, one call of the engine, the answer.

mod archive;
mod attach;
mod attach_websocket;
mod build;
mod build_by_session;
mod build_check;
mod build_classic;
mod build_mounts;
mod container;
mod create;
mod elsewhere;
mod exec;
mod image;
mod logs;
mod network;
mod prune;
mod pull;
mod system;
mod volume;
mod wait;

use crate::http::{Call, Reply};
use corten_api::endpoint::Endpoint;
use corten_engine::VolumeCopy;

/// Answers `call` for `endpoint`.
pub(crate) async fn dispatch(endpoint: Endpoint, call: Call) -> Reply {
    match endpoint {
        Endpoint::PingHead => system::ping(false),
        Endpoint::Ping => system::ping(true),
        Endpoint::Version => system::version(call).await,
        Endpoint::Info => system::info(call).await,
        Endpoint::Events => system::events(call).await,
        Endpoint::DiskUsage => system::disk_usage(call).await,
        Endpoint::Cleanup => prune::cleanup(call).await,
        Endpoint::Auth => system::auth(call).await,

        Endpoint::ContainerList => container::list(call).await,
        Endpoint::ContainerCreate => create::create(call).await,
        Endpoint::ContainerPrune => prune::containers(call).await,
        Endpoint::ContainerArchiveHead => archive::stat(call).await,
        Endpoint::ContainerArchiveGet => archive::get(call).await,
        Endpoint::ContainerArchivePut => archive::put(call).await,
        Endpoint::ContainerExport => archive::export(call).await,
        Endpoint::ContainerChanges => archive::changes(call).await,
        Endpoint::ContainerInspect => container::inspect(call).await,
        Endpoint::ContainerReach => container::reach(call),
        Endpoint::ContainerTop => container::top(call).await,
        Endpoint::ContainerLogs => logs::logs(call).await,
        Endpoint::ContainerStats => logs::stats(call).await,
        Endpoint::ContainerAttachWs => attach_websocket::attach(call).await,
        Endpoint::ContainerKill => container::kill(call).await,
        Endpoint::ContainerPause => container::pause(call).await,
        Endpoint::ContainerUnpause => container::unpause(call).await,
        Endpoint::ContainerRestart => container::restart(call).await,
        Endpoint::ContainerStart => container::start(call).await,
        Endpoint::ContainerStop => container::stop(call).await,
        Endpoint::ContainerHandOver => container::hand_over(call).await,
        Endpoint::ContainerWait => wait::wait(call).await,
        Endpoint::ContainerResize => container::resize(call).await,
        Endpoint::ContainerAttach => attach::attach(call).await,
        Endpoint::ContainerRename => container::rename(call).await,
        Endpoint::ContainerUpdate => container::update(call).await,
        Endpoint::ContainerRemove => container::remove(call).await,

        Endpoint::CheckpointList | Endpoint::CheckpointCreate | Endpoint::CheckpointDelete => {
            elsewhere::checkpoint()
        }

        Endpoint::ExecCreate => exec::create(call).await,
        Endpoint::ExecInspect => exec::inspect(call).await,
        Endpoint::ExecStart => exec::start(call).await,
        Endpoint::ExecResize => exec::resize(call).await,

        Endpoint::ImageList => image::list(call).await,
        Endpoint::ImageSearch => image::search(call).await,
        Endpoint::ImageSaveMany => image::save_many(call).await,
        Endpoint::ImageSave => image::save(call).await,
        Endpoint::ImageHistory => image::history(call).await,
        Endpoint::ImageInspect => image::inspect(call).await,
        Endpoint::ImageLoad => pull::load(call).await,
        Endpoint::ImageCreate => pull::create(call).await,
        Endpoint::ImagePrune => prune::images(call).await,
        Endpoint::ImageVerify => pull::verify(call).await,
        Endpoint::ImagePush => pull::push(call).await,
        Endpoint::ImageTag => image::tag(call).await,
        Endpoint::ImageRemove => image::remove(call).await,
        Endpoint::Commit => image::commit(call).await,

        Endpoint::DistributionInspect => image::distribution(call).await,

        Endpoint::NetworkList | Endpoint::NetworkListSlash => network::list(call).await,
        Endpoint::NetworkInspect => network::inspect(call).await,
        Endpoint::NetworkCreate => network::create(call).await,
        Endpoint::NetworkPrune => prune::networks(call).await,
        Endpoint::NetworkConnect => network::connect(call).await,
        Endpoint::NetworkDisconnect => network::disconnect(call).await,
        Endpoint::NetworkRemove => network::remove(call).await,

        Endpoint::VolumeList => volume::list(call).await,
        Endpoint::VolumeInspect => volume::inspect(call).await,
        Endpoint::VolumeCreate => volume::create(call).await,
        Endpoint::VolumePrune => prune::volumes(call).await,
        Endpoint::VolumeExport => volume::export(call).await,
        Endpoint::VolumeImport => volume::import(call).await,
        Endpoint::VolumeClone => volume::copy(call, VolumeCopy::Clone).await,
        Endpoint::VolumeSnapshot => volume::copy(call, VolumeCopy::Snapshot).await,
        Endpoint::VolumeRename => volume::rename(call).await,
        Endpoint::VolumeUpdate => volume::update(),
        Endpoint::VolumeRemove => volume::remove(call).await,

        Endpoint::Build => build::build(call).await,
        Endpoint::BuildPrune => build::prune(call).await,
        Endpoint::BuildCancel => build::cancel(call),
        Endpoint::BuildMounts => build_mounts::list(&call),
        Endpoint::BuildMountExport => build_mounts::export(call).await,
        Endpoint::BuildMountImport => build_mounts::import(call).await,
        Endpoint::Session => crate::grpc::session(call),
        Endpoint::Grpc => crate::grpc::grpc(call),

        Endpoint::SwarmInit | Endpoint::SwarmJoin => elsewhere::swarm_begin(),
        Endpoint::SwarmLeave => elsewhere::swarm_leave(),
        Endpoint::SwarmInspect
        | Endpoint::SwarmUpdate
        | Endpoint::SwarmUnlockKey
        | Endpoint::SwarmUnlock
        | Endpoint::NodeList
        | Endpoint::NodeInspect
        | Endpoint::NodeRemove
        | Endpoint::NodeUpdate
        | Endpoint::ServiceList
        | Endpoint::ServiceCreate
        | Endpoint::ServiceLogs
        | Endpoint::ServiceInspect
        | Endpoint::ServiceUpdate
        | Endpoint::ServiceRemove
        | Endpoint::TaskList
        | Endpoint::TaskLogs
        | Endpoint::TaskInspect
        | Endpoint::SecretList
        | Endpoint::SecretCreate
        | Endpoint::SecretInspect
        | Endpoint::SecretUpdate
        | Endpoint::SecretRemove
        | Endpoint::ConfigList
        | Endpoint::ConfigCreate
        | Endpoint::ConfigInspect
        | Endpoint::ConfigUpdate
        | Endpoint::ConfigRemove => elsewhere::swarm(),

        Endpoint::PluginList => elsewhere::plugin_list(),
        Endpoint::PluginInspect
        | Endpoint::PluginDisable
        | Endpoint::PluginPush
        | Endpoint::PluginSet
        | Endpoint::PluginRemove => elsewhere::plugin(call),
        Endpoint::PluginEnable => elsewhere::plugin_enable(call),
        Endpoint::PluginUpgrade => elsewhere::plugin_upgrade(call),
        Endpoint::PluginPrivileges | Endpoint::PluginPull | Endpoint::PluginCreate => {
            elsewhere::plugin_install()
        }
    }
}

/// 200 without a body.
fn ok_empty() -> Reply {
    Ok(crate::http::empty(http::StatusCode::OK))
}
