//! Messages of long work, with the bar that clients without figures show.

use corten_api::progress as wire;
use corten_base::text::human_size;
use corten_model::{Progress, ProgressDetail};

pub(crate) fn progress(message: Progress) -> wire::Message {
    let Progress {
        id,
        status,
        detail,
        stream,
        aux,
        error,
    } = message;
    wire::Message {
        stream,
        status,
        progress_detail: detail.map(detail_to_wire),
        progress: detail.map(bar).unwrap_or_default(),
        id,
        error_detail: error.as_ref().map(|message| wire::ErrorDetail {
            code: 0,
            message: message.clone(),
        }),
        error: error.unwrap_or_default(),
        aux,
    }
}

fn detail_to_wire(detail: ProgressDetail) -> wire::ProgressDetail {
    let ProgressDetail {
        current,
        total,
        seconds,
    } = detail;
    let signed = |figure: u64| i64::try_from(figure).unwrap_or(i64::MAX);
    wire::ProgressDetail {
        current: signed(current),
        total: total.map(signed).unwrap_or_default(),
        units: if seconds {
            "s".to_owned()
        } else {
            String::new()
        },
        ..wire::ProgressDetail::default()
    }
}

/// `[=====>     ]  1.2MB/3.4MB`: fifty characters wide.
fn bar(detail: ProgressDetail) -> String {
    const WIDTH: u64 = 50;
    let ProgressDetail {
        current,
        total,
        seconds,
    } = detail;
    match total {
        None if current == 0 => String::new(),
        None if seconds => format!("{current} s"),
        None => format!("{:>8}", human_size(current)),
        Some(_) if seconds => String::new(),
        // More than was announced: the bar would lie.
        Some(total) if current > total => format!("{:>8}", human_size(current)),
        Some(0) => String::new(),
        Some(total) => {
            let done = (current as f64 / total as f64 * 100.0) as u64 / 2;
            let left = WIDTH.saturating_sub(done);
            format!(
                "[{}>{}] {:>8}/{}",
                "=".repeat(done as usize),
                " ".repeat(left as usize),
                human_size(current),
                human_size(total)
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_drawn_as_dockerd_draws_it() {
        let half = ProgressDetail {
            current: 512,
            total: Some(1024),
            seconds: false,
        };
        let arrow = format!("[{}>{}]     512B/1.024kB", "=".repeat(25), " ".repeat(25));
        assert_eq!(bar(half), arrow);
        assert_eq!(bar(ProgressDetail::default()), "");
    }
}
