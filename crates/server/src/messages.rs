//! Sentences that Docker's users know, to the letter.

/// No such path.
pub const PAGE_NOT_FOUND: &str = "page not found";
/// Answers of swarm endpoints on a node without a swarm.
pub const NOT_A_MANAGER: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";
/// `swarm leave` on a node without a swarm.
pub const NOT_IN_A_SWARM: &str = "This node is not part of a swarm";
/// An endpoint that dockerd has in experimental mode only. The line ends in the sentence.
pub const EXPERIMENTAL: &str = "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.";
/// A request by HTTP/2 to an endpoint that takes its connection over.
pub const NEEDS_HTTP_1: &str =
    "this endpoint goes on with the bare connection, which needs HTTP/1.1";
/// A body that ends before its first value.
pub const EOF_IN_BODY: &str = "invalid JSON: got EOF while reading request body";
/// More than one value in a body.
pub const CONTENT_AFTER_JSON: &str = "unexpected content after JSON";
/// A create request without a field.
pub const EMPTY_CONFIG: &str = "config cannot be empty in order to create a container";
/// A start request with a body.
pub const START_WITH_BODY: &str = "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24";
/// `logs` without stdout and stderr.
pub const NO_STREAM: &str = "Bad parameters: you must choose at least one stream";
/// An archive request without a path.
pub const NO_PATH: &str = "bad parameter: pathcannot be empty";
/// A volume update, which is for cluster volumes.
pub const NO_VOLUME_UPDATE: &str =
    "volume update only valid for cluster volumes, but swarm is unavailable";
/// A session without an upgrade.
pub const NO_UPGRADE: &str = "no upgrade proto in request";

/// The client's version is below the oldest.
pub fn too_old(version: &str, minimum: impl std::fmt::Display) -> String {
    format!(
        "client version {version} is too old. Minimum supported API version is {minimum}, please upgrade your client to a newer version"
    )
}

/// The client's version is above the newest.
pub fn too_new(version: &str, maximum: impl std::fmt::Display) -> String {
    format!("client version {version} is too new. Maximum supported API version is {maximum}")
}

/// Of an image's inspection either one platform or all manifests are shown.
pub const MANIFESTS_AND_PLATFORM: &str =
    "conflicting options: manifests and platform options cannot both be set";

/// Go's complaint about a text that is no number.
pub fn not_a_number(function: &str, text: &str) -> String {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let reason = match number {
        true => "value out of range",
        false => "invalid syntax",
    };
    format!("strconv.{function}: parsing {text:?}: {reason}")
}

/// Corten's own: a field that it does not do.
pub fn unsupported(what: impl std::fmt::Display) -> String {
    format!("{what} is not supported by Corten yet")
}

/// `network NAME not found`
pub fn no_such_network(name: &str) -> String {
    format!("network {name} not found")
}

/// A query that Go could not read as a boolean.
pub fn invalid_boolean(key: &str, value: &str) -> String {
    format!(
        "invalid value for {key}: {value}: strconv.ParseBool: parsing \"{value}\": invalid syntax"
    )
}

/// Several networks at creation, which came with 1.44.
pub fn several_networks(names: &str) -> String {
    format!("Container cannot be created with multiple network endpoints: {names}")
}

/// A builder that there is none of.
pub fn invalid_version(version: &str) -> String {
    format!("invalid version {version:?}")
}

/// A build with a kind of isolation that Linux does not have.
pub fn unsupported_isolation(isolation: &str) -> String {
    format!("unsupported isolation: {isolation:?}")
}

/// A classic build's Dockerfile beside its context.
pub fn dockerfile_outside(path: &str) -> String {
    format!("forbidden path outside the build context: {path} ()")
}

/// A classic build without its Dockerfile.
pub fn no_dockerfile(path: &str) -> String {
    format!("Cannot locate specified Dockerfile: {path}")
}

/// A classic build of nothing.
pub fn empty_dockerfile(path: &str) -> String {
    format!("the Dockerfile ({path}) cannot be empty")
}

/// A server that does not give the context of a classic build.
pub fn remote_context_status(url: &str, status: u16) -> String {
    let known = http::StatusCode::from_u16(status).ok();
    let reason = known.and_then(|it| it.canonical_reason()).unwrap_or("");
    format!(
        "error downloading remote context {url}: failed to GET {url} with status {status} {reason}"
    )
}
