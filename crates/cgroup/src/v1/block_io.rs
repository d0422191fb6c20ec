//! cgroup-v1/blkio-controller.rst and block/bfq-iosched.rst.

use super::Controller;
use crate::CgroupError;
use corten_oci::runtime::{BlockIo, ThrottleDevice};

pub(super) fn apply(controller: Controller<'_>, block_io: &BlockIo) -> Result<(), CgroupError> {
    // CFQ's files, or BFQ's where the kernel has that one.
    let bfq = controller
        .directory
        .is_some_and(|path| !path.join("blkio.weight").exists());
    let (weight, by_device) = match bfq {
        true => ("blkio.bfq.weight", "blkio.bfq.weight_device"),
        false => ("blkio.weight", "blkio.weight_device"),
    };
    let given = |weight: Option<u16>| weight.filter(|&weight| weight != 0);
    controller.write_some("blockIO.weight", weight, given(block_io.weight))?;
    let leaf = given(block_io.leaf_weight);
    controller.write_some("blockIO.leafWeight", "blkio.leaf_weight", leaf)?;
    for device in &block_io.weight_device {
        let line = |weight| format!("{}:{} {weight}", device.major, device.minor);
        let weight = given(device.weight).map(line);
        controller.write_some("blockIO.weightDevice", by_device, weight)?;
        let (limit, name) = (
            "blockIO.weightDevice.leafWeight",
            "blkio.leaf_weight_device",
        );
        controller.write_some(limit, name, given(device.leaf_weight).map(line))?;
    }
    let throttle = |limit, name, devices: &[ThrottleDevice]| {
        devices.iter().try_for_each(|device| {
            let line = format!("{}:{} {}", device.major, device.minor, device.rate);
            controller.write(limit, name, line)
        })
    };
    throttle(
        "blockIO.throttleReadBpsDevice",
        "blkio.throttle.read_bps_device",
        &block_io.throttle_read_bps_device,
    )?;
    throttle(
        "blockIO.throttleWriteBpsDevice",
        "blkio.throttle.write_bps_device",
        &block_io.throttle_write_bps_device,
    )?;
    throttle(
        "blockIO.throttleReadIOPSDevice",
        "blkio.throttle.read_iops_device",
        &block_io.throttle_read_iops_device,
    )?;
    throttle(
        "blockIO.throttleWriteIOPSDevice",
        "blkio.throttle.write_iops_device",
        &block_io.throttle_write_iops_device,
    )
}
