//! The engine itself.

use crate::{
    convert,
    error::ApiError,
    http::{Call, Reply, empty, json, json_lines, ok_text, read_json},
};
use corten_api::auth;
use corten_engine::{DiskUsageOptions, EventsOptions};
use futures_util::StreamExt;
use http::{HeaderValue, StatusCode, header};

/// `with_body`: a GET, not a HEAD.
pub(super) fn ping(with_body: bool) -> Reply {
    let mut response = if with_body {
        ok_text("OK")
    } else {
        empty(StatusCode::OK)
    };
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    // 2: BuildKit, which clients then build with.
    headers.insert("Builder-Version", HeaderValue::from_static("2"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store, must-revalidate"),
    );
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert("Swarm", HeaderValue::from_static("inactive"));
    Ok(response)
}

pub(super) async fn version(call: Call) -> Reply {
    json(&convert::system_version(
        call.engine.system_version().await?,
    ))
}

pub(super) async fn info(call: Call) -> Reply {
    json(&convert::system_info(
        call.engine.system_info().await?,
        call.version,
    ))
}

pub(super) async fn events(call: Call) -> Reply {
    let (since, until) = (call.query.text("since"), call.query.text("until"));
    let options = EventsOptions {
        since: convert::instant(since)?,
        until: convert::instant(until)?,
        filters: call.query.filters()?,
    };
    if options
        .until
        .is_some_and(|end| options.since.is_some_and(|begin| end < begin))
    {
        return Err(ApiError::invalid(format!(
            "`since` time ({since}) cannot be after `until` time ({until})"
        )));
    }
    let events = call.engine.events(options).await?;
    Ok(json_lines(events.map(convert::event)))
}

pub(super) async fn disk_usage(call: Call) -> Reply {
    let mut options = DiskUsageOptions {
        images: false,
        containers: false,
        volumes: false,
    };
    let mut build_cache = false;
    let types = call.query.all("type");
    // The parameter came with 1.42.
    if types.is_empty() || !call.since(42) {
        options = DiskUsageOptions {
            images: true,
            containers: true,
            volumes: true,
        };
        build_cache = true;
    } else {
        for kind in &types {
            match kind.as_str() {
                "image" => options.images = true,
                "container" => options.containers = true,
                "volume" => options.volumes = true,
                "build-cache" => build_cache = true,
                other => return Err(ApiError::invalid(format!("unknown object type: {other}"))),
            }
        }
    }
    let usage = call.engine.system_disk_usage(options).await?;
    let mut usage = convert::disk_usage(usage, options, call.version);
    if build_cache {
        let records = crate::grpc::cache_records(&call.engine, &[]);
        let records =
            records.map_err(|status| ApiError::new(corten_base::Kind::Internal, status.message))?;
        let records: Vec<_> = records.iter().map(convert::cache_record).collect();
        if !call.since(42) {
            usage.builder_size = records.iter().map(|record| record.size).sum();
        }
        usage.build_cache = Some(records);
    }
    json(&usage)
}

pub(super) async fn auth(mut call: Call) -> Reply {
    let request: auth::AuthConfig = read_json(&mut call).await?;
    let identity_token = call
        .engine
        .registry_login(convert::auth_config(request))
        .await?;
    json(&auth::AuthResponse {
        identity_token,
        status: "Login Succeeded".to_owned(),
    })
}
