//! What differs from dockerd and no answer shows: orders, times, and what clients see.

/// What it is about, and how and why it differs.
pub const BESIDE: &[(&str, &str)] = &[
    (
        "events of a stop",
        "`die` comes before `stop`: the container has ended when the stop is told. dockerd 28 sends `stop` first, since it wakes whoever waits before it tells of the end",
    ),
    (
        "events of a start that fails",
        "no `disconnect`, since no `connect` was told either; dockerd tells of the first alone",
    ),
    (
        "the filter `container=` of events",
        "shows what happens to containers; dockerd also shows networks, volumes and images whose name fits",
    ),
    (
        "`EndpointsConfig` with `null` for a network",
        "no wishes for that network; dockerd refuses it",
    ),
    (
        "`MemoryReservation` and `CpuRealtimePeriod` below 0",
        "refused; dockerd takes them, and they have no effect",
    ),
    (
        "`VolumeOptions.DriverConfig` without a name and options",
        "left out when a container is inspected; dockerd shows the empty object",
    ),
    (
        "JSON of a wrong type in a request's body",
        "Go's sentence without the name of its struct; of an object where a list is wanted, only that",
    ),
    (
        "unknown filters of events",
        "refused by name; dockerd lets them pass and shows nothing",
    ),
    (
        "`docker logs` of a container with the journald driver, where no journal runs",
        "what was kept for reading back is shown; dockerd refuses",
    ),
    (
        "`docker builder prune --min-free-space`",
        "nothing is dropped where enough is free; BuildKit then drops everything",
    ),
    (
        "instructions that change an image's configuration alone, in builds by the classic request",
        "told, without `Using cache` and without an ID: no image is made for each of them",
    ),
    (
        "`docker top CONTAINER f`",
        "the tree of processes; the ps that dockerd runs fails",
    ),
];
