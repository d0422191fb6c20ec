//! Serving names inside containers.

use crate::{NamesRequest, NetworkError, Networks, messages::Refusal};
use corten_netlink::Netns;

impl Networks {
    /// Answers questions about names at 127.0.0.11 inside the container's namespace, from
    /// now until [`Self::release`]. Called again, it takes over other servers.
    pub fn serve_names(&self, _: &Netns, request: &NamesRequest) -> Result<(), NetworkError> {
        Err(NetworkError::Unsupported(Refusal(format!(
            "names are not served yet (container {})",
            request.container_id
        ))))
    }
}
