//! `stats`.

use crate::{
    app::Call,
    error::CliError,
    filters::Filters,
    output::{
        Json, human,
        list::{Look, Row, render},
    },
};
use corten_api::container::Stats;
use corten_base::text;
use corten_client::Client;
use std::time::Duration;

const LOOK: Look = Look {
    go_type: "*container.statsContext",
    headings: &[
        ("Container", "CONTAINER"),
        ("ID", "CONTAINER ID"),
        ("Name", "NAME"),
        ("CPUPerc", "CPU %"),
        ("MemUsage", "MEM USAGE / LIMIT"),
        ("MemPerc", "MEM %"),
        ("NetIO", "NET I/O"),
        ("BlockIO", "BLOCK I/O"),
        ("PIDs", "PIDS"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
};

/// Pause between two pictures of the live view.
const REFRESH: Duration = Duration::from_millis(500);

/// Prints statistics once, or again and again.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    run_of(call, Filters::default()).await
}

/// The same for the containers that the filters leave, where none is named.
pub async fn run_of(call: &Call<'_>, filters: Filters) -> Result<u8, CliError> {
    let once = call.parsed.is_on("no-stream");
    let format = call.app.format(&call.parsed, "statsFormat");
    let client = call.client().await?;
    for name in &call.parsed.args {
        // A name that is wrong is told before anything is shown.
        client
            .get(format!("/containers/{}/json", Client::segment(name)))
            .send()
            .await?
            .bytes()
            .await?;
    }
    loop {
        let names = names(call, client, &filters).await?;
        let reads = names.iter().map(|name| read(client, name));
        let mut rows = Vec::new();
        for (name, stats) in names
            .iter()
            .zip(futures_util::future::join_all(reads).await)
        {
            match stats {
                Ok(stats) => rows.push(row(name, &stats, call.parsed.is_on("no-trunc"))),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let text = render(&LOOK, &format, rows)?;
        if once {
            call.app.out(&text)?;
            return Ok(0);
        }
        // Home, each line cleared to its end, and the rest of the screen.
        let drawn = text.replace('\n', "\x1b[K\n");
        call.app.out(&format!("\x1b[H{drawn}\x1b[J"))?;
        tokio::time::sleep(REFRESH).await;
    }
}

async fn names(
    call: &Call<'_>,
    client: &Client,
    filters: &Filters,
) -> Result<Vec<String>, CliError> {
    if !call.parsed.args.is_empty() {
        return Ok(call.parsed.args.clone());
    }
    let mut filters = filters.clone();
    if !call.parsed.is_on("all") {
        filters.add("status", "running");
    }
    let list: Json = client
        .get("/containers/json")
        .flag("all", call.parsed.is_on("all"))
        .query_if("filters", filters.json())
        .send()
        .await?
        .json()
        .await?;
    Ok(list
        .list(&[])
        .iter()
        .map(|c| c.text(&["Id"]).to_owned())
        .collect())
}

async fn read(client: &Client, name: &str) -> Result<Stats, corten_client::ClientError> {
    client
        .get(format!("/containers/{}/stats", Client::segment(name)))
        .query("stream", "0")
        .send()
        .await?
        .json()
        .await
}

fn row(name: &str, stats: &Stats, whole: bool) -> Row {
    let used = memory_used(stats);
    let limit = stats.memory_stats.limit as f64;
    let percent = if limit > 0.0 {
        used / limit * 100.0
    } else {
        0.0
    };
    let (received, sent) = stats
        .networks
        .values()
        .fold((0, 0), |(r, s), n| (r + n.rx_bytes, s + n.tx_bytes));
    let (read, written) = block_io(stats);
    let short = |bytes: u64| text::human_size_with_precision(bytes as f64, 3);
    let id = if whole {
        stats.id.as_str()
    } else {
        human::short_id(&stats.id)
    };
    let dead = stats.pids_stats.current == 0 && stats.memory_stats.limit == 0;
    let shown = |text: String| if dead { "--".to_owned() } else { text };
    Row::new()
        .field("Container", name)
        .field("ID", id)
        .field("Name", stats.name.trim_start_matches('/'))
        .field("CPUPerc", format!("{:.2}%", cpu_percent(stats)))
        .field(
            "MemUsage",
            format!("{} / {}", text::bytes_size(used), text::bytes_size(limit)),
        )
        .field("MemPerc", format!("{percent:.2}%"))
        .field("NetIO", format!("{} / {}", short(received), short(sent)))
        .field("BlockIO", format!("{} / {}", short(read), short(written)))
        .field(
            "PIDs",
            shown(stats.pids_stats.current.to_string()).replace("--", "0"),
        )
}

/// Memory without the page cache that the kernel can take back.
fn memory_used(stats: &Stats) -> f64 {
    let memory = &stats.memory_stats;
    let cache = memory
        .stats
        .get("total_inactive_file")
        .or_else(|| memory.stats.get("inactive_file"))
        .copied()
        .filter(|cache| *cache < memory.usage)
        .unwrap_or(0);
    (memory.usage - cache) as f64
}

/// Share of one CPU between two readings, in percent.
fn cpu_percent(stats: &Stats) -> f64 {
    let (now, before) = (&stats.cpu_stats, &stats.precpu_stats);
    let used = now.cpu_usage.total_usage as f64 - before.cpu_usage.total_usage as f64;
    let system = now.system_cpu_usage as f64 - before.system_cpu_usage as f64;
    let cpus = match now.online_cpus {
        0 => now.cpu_usage.percpu_usage.len() as f64,
        cpus => f64::from(cpus),
    };
    if used > 0.0 && system > 0.0 {
        used / system * cpus * 100.0
    } else {
        0.0
    }
}

fn block_io(stats: &Stats) -> (u64, u64) {
    let entries = stats
        .blkio_stats
        .io_service_bytes_recursive
        .iter()
        .flatten();
    entries.fold((0, 0), |(read, written), entry| {
        match entry.op.chars().next() {
            Some('r' | 'R') => (read + entry.value, written),
            Some('w' | 'W') => (read, written + entry.value),
            _ => (read, written),
        }
    })
}
