//! From a command line to the function that runs it.

use crate::{
    app::Call, bake, build, buildx, cache_mounts, container, context_archive, contexts, elsewhere,
    error::CliError, image, inspect, manifest, network, plugin, prune, registry, system, volume,
    volume_copies,
};

/// Commands whose flags end at the first positional argument.
pub fn stops_at_first_argument(path: &str) -> bool {
    matches!(
        path,
        "container commit"
            | "container create"
            | "container exec"
            | "container run"
            | "container top"
            | "compose exec"
            | "compose run"
    )
}

/// Runs the command at `path`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    // Each arm is boxed: the future of one command does not carry the others' state.
    match call.command.path {
        "buildx bake" => Box::pin(bake::run(call)).await,
        "buildx du" => Box::pin(buildx::cache::du(call)).await,
        "buildx history export" | "buildx history import" | "buildx history open" => {
            buildx::desktop(call)
        }
        "buildx history inspect" => Box::pin(buildx::inspect::run(call)).await,
        "buildx history inspect attachment" => Box::pin(buildx::inspect::attachment(call)).await,
        "buildx history logs" => Box::pin(buildx::history::logs(call)).await,
        "buildx history ls" => Box::pin(buildx::history::list(call)).await,
        "buildx history rm" => Box::pin(buildx::history::remove(call)).await,
        "buildx imagetools create" => Box::pin(buildx::imagetools::create(call)).await,
        "buildx imagetools inspect" => Box::pin(buildx::imagetools::inspect(call)).await,
        "buildx inspect" => Box::pin(buildx::builders::inspect(call)).await,
        "buildx ls" => Box::pin(buildx::builders::list(call)).await,
        "buildx prune" => Box::pin(buildx::cache::prune(call)).await,
        "buildx version" => buildx::builders::version(call),
        "builder export" => Box::pin(cache_mounts::export(call)).await,
        "builder import" => Box::pin(cache_mounts::import(call)).await,
        "builder mounts" => Box::pin(cache_mounts::list(call)).await,
        "builder prune" => Box::pin(prune::builder(call)).await,
        "container attach" => Box::pin(container::attach::run(call)).await,
        "container cp" => Box::pin(container::copy::run(call)).await,
        "container create" => Box::pin(container::create::run(call)).await,
        "container exec" => Box::pin(container::exec::run(call)).await,
        "container run" => Box::pin(container::run::run(call)).await,
        "container start" => Box::pin(container::start::run(call)).await,
        "image build" => Box::pin(build::run(call)).await,
        "image pull" => Box::pin(image::pull::run(call)).await,
        "image push" => Box::pin(image::pull::push(call)).await,
        "container commit" => Box::pin(container::commit::run(call)).await,
        "container diff" => Box::pin(container::details::diff(call)).await,
        "container export" => Box::pin(container::commit::export(call)).await,
        "container inspect" => Box::pin(inspect::one_kind(call, inspect::Kind::Container)).await,
        "container kill" => Box::pin(container::each::kill(call)).await,
        "container logs" => Box::pin(container::logs::run(call)).await,
        "container ls" => Box::pin(container::list::run(call)).await,
        "container pause" => Box::pin(container::each::pause(call, "pause")).await,
        "container port" => Box::pin(container::ports::run(call)).await,
        "container prune" => Box::pin(prune::containers(call)).await,
        "container rename" => Box::pin(container::each::rename(call)).await,
        "container restart" => Box::pin(container::each::stop(call, "restart")).await,
        "container rm" => Box::pin(container::each::remove(call)).await,
        "container stop" => Box::pin(container::each::stop(call, "stop")).await,
        "container top" => Box::pin(container::details::top(call)).await,
        "container unpause" => Box::pin(container::each::pause(call, "unpause")).await,
        "container update" => Box::pin(container::update::run(call)).await,
        "container wait" => Box::pin(container::each::wait(call)).await,
        "image history" => Box::pin(image::history::run(call)).await,
        "image import" => Box::pin(image::archives::import(call)).await,
        "image inspect" => Box::pin(inspect::one_kind(call, inspect::Kind::Image)).await,
        "image load" => Box::pin(image::archives::load(call)).await,
        "image ls" => Box::pin(image::list::run(call)).await,
        "image prune" => Box::pin(prune::images(call)).await,
        "image rm" => Box::pin(image::remove::run(call)).await,
        "image save" => Box::pin(image::archives::save(call)).await,
        "image tag" => Box::pin(image::remove::tag(call)).await,
        "image verify" => Box::pin(image::verify::run(call)).await,
        "inspect" => Box::pin(inspect::run(call)).await,
        "manifest annotate" => Box::pin(manifest::annotate(call)).await,
        "manifest create" => Box::pin(manifest::create(call)).await,
        "manifest inspect" => Box::pin(manifest::inspect(call)).await,
        "manifest push" => Box::pin(manifest::push(call)).await,
        "manifest rm" => Box::pin(manifest::remove(call)).await,
        "network connect" => Box::pin(network::connect(call)).await,
        "network create" => Box::pin(network::create(call)).await,
        "network disconnect" => Box::pin(network::disconnect(call)).await,
        "network inspect" => Box::pin(inspect::one_kind(call, inspect::Kind::Network)).await,
        "network ls" => Box::pin(network::list(call)).await,
        "network prune" => Box::pin(prune::networks(call)).await,
        "network rm" => Box::pin(network::remove(call)).await,
        "system prune" => Box::pin(prune::system(call)).await,
        "volume clone" => Box::pin(volume_copies::copy(call, "clone")).await,
        "volume create" => Box::pin(volume::create(call)).await,
        "volume export" => Box::pin(volume_copies::export(call)).await,
        "volume import" => Box::pin(volume_copies::import(call)).await,
        "volume inspect" => Box::pin(inspect::one_kind(call, inspect::Kind::Volume)).await,
        "volume ls" => Box::pin(volume::list(call)).await,
        "volume prune" => Box::pin(prune::volumes(call)).await,
        "volume rename" => Box::pin(volume_copies::rename(call)).await,
        "volume rm" => Box::pin(volume::remove(call)).await,
        "volume snapshot" => Box::pin(volume_copies::copy(call, "snapshot")).await,
        "volume update" => Box::pin(volume::update(call)).await,
        "container stats" => Box::pin(container::stats::run(call)).await,
        "context create" => Box::pin(contexts::create(call)).await,
        "context export" => Box::pin(context_archive::export(call)).await,
        "context import" => Box::pin(context_archive::import(call)).await,
        "context inspect" => Box::pin(contexts::inspect(call)).await,
        "context ls" => Box::pin(contexts::list(call)).await,
        "context rm" => Box::pin(contexts::remove(call)).await,
        "context show" => Box::pin(contexts::show(call)).await,
        "context update" => Box::pin(contexts::update(call)).await,
        "context use" => Box::pin(contexts::choose(call)).await,
        "login" => Box::pin(registry::login(call)).await,
        "logout" => Box::pin(registry::logout(call)).await,
        "search" => Box::pin(registry::search(call)).await,
        "system cleanup" => Box::pin(system::cleanup::run(call)).await,
        "system df" => Box::pin(system::df::run(call)).await,
        "system dial-stdio" => Box::pin(system::dial::run(call)).await,
        "system events" => Box::pin(system::events::run(call)).await,
        "system info" => Box::pin(system::info::run(call)).await,
        "version" => Box::pin(system::version::run(call)).await,
        "plugin ls" => Box::pin(plugin::list(call)).await,
        _ => Box::pin(elsewhere::run(call)).await,
    }
}
