//! Answers recorded from dockerd 28.5 (API 1.51) are read and written again: the bytes
//! must be the same.
#![allow(clippy::unwrap_used)]

use corten_api::{ErrorResponse, container, event, exec, image, json, network, system, volume};
use serde::{Serialize, de::DeserializeOwned};

fn same_bytes<T: Serialize + DeserializeOwned>(recorded: &[u8], write: fn(&T) -> Vec<u8>) {
    let value: T = json::from_slice(recorded).unwrap();
    let written = String::from_utf8(write(&value)).unwrap();
    assert_eq!(written, str::from_utf8(recorded).unwrap());
}

macro_rules! recorded {
    ($($test:ident $kind:ty, $file:literal, $write:ident;)*) => {$(
        #[test]
        fn $test() {
            same_bytes::<$kind>(include_bytes!(concat!("recorded/", $file, ".json")), json::$write);
        }
    )*};
}

recorded! {
    version_is_written_as_dockerd_writes_it system::Version, "version", to_body;
    info_is_written_as_dockerd_writes_it system::Info, "info", to_body;
    disk_usage_is_written_as_dockerd_writes_it system::DiskUsage, "df", to_body;
    a_container_list_is_written_as_dockerd_writes_it Vec<container::Summary>, "containers", to_body;
    a_running_container_is_written_as_dockerd_writes_it container::Inspect, "container_running", to_body;
    an_exited_container_is_written_as_dockerd_writes_it container::Inspect, "container_exited", to_body;
    stats_are_written_as_dockerd_writes_them container::Stats, "stats", to_line;
    top_is_written_as_dockerd_writes_it container::Top, "top", to_body;
    changes_are_written_as_dockerd_writes_them Vec<container::FilesystemChange>, "changes", to_body;
    an_exec_is_written_as_dockerd_writes_it exec::Inspect, "exec", to_body;
    an_image_list_is_written_as_dockerd_writes_it Vec<image::Summary>, "images", to_body;
    an_image_is_written_as_dockerd_writes_it image::Inspect, "image", to_body;
    a_history_is_written_as_dockerd_writes_it Vec<image::HistoryItem>, "history", to_body;
    a_volume_list_is_written_as_dockerd_writes_it volume::ListResponse, "volumes", to_body;
    a_volume_is_written_as_dockerd_writes_it volume::Volume, "volume", to_body;
    a_network_list_is_written_as_dockerd_writes_it Vec<network::Network>, "networks", to_body;
    a_network_is_written_as_dockerd_writes_it network::Network, "network", to_body;
    an_event_is_written_as_dockerd_writes_it event::Message, "event", to_line;
    an_error_is_written_as_dockerd_writes_it ErrorResponse, "error", to_body;
}
