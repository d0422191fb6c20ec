//! The labels by which Compose, ours and the stock one, knows what belongs to a project.

/// The project's name.
pub const PROJECT: &str = "com.docker.compose.project";
/// The service's name.
pub const SERVICE: &str = "com.docker.compose.service";
/// The hash of the service, network or volume it was made from.
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// Which of a service's containers it is, from 1.
pub const NUMBER: &str = "com.docker.compose.container-number";
/// A volume's key in the project.
pub const VOLUME: &str = "com.docker.compose.volume";
/// A network's key in the project.
pub const NETWORK: &str = "com.docker.compose.network";
/// The project's directory.
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// The project's files, separated by commas.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// The env files given on the command line, separated by commas.
pub const ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// `True` for containers of `run`, else `False`.
pub const ONE_OFF: &str = "com.docker.compose.oneoff";
/// What tells containers of `run` apart.
pub const SLUG: &str = "com.docker.compose.slug";
/// The ID of the image the container was made from.
pub const IMAGE: &str = "com.docker.compose.image";
/// `service:condition:restart`, separated by commas.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// The version of the tool that made it.
pub const VERSION: &str = "com.docker.compose.version";
/// The name of the container that this one takes the place of.
pub const REPLACE: &str = "com.docker.compose.replace";
