//! A stream of bytes as one object, in one request or in the parts of a multipart upload.

use super::{Bucket, refused};
use crate::{
    error::Result,
    limits::{PART_BYTES, PARTS, PARTS_PER_OBJECT},
    storage::failed,
};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{
    MultipartId, PutPayload,
    multipart::{MultipartStore, PartId},
};
use std::{collections::BTreeMap, io, sync::Arc};
use tokio::task::JoinSet;

/// A stream cut into parts of one size; only the last is shorter. (Cloudflare's R2 takes
/// parts of one size only.)
pub(super) struct Cut<'a> {
    stream: stream::Fuse<stream::BoxStream<'a, Result<Bytes>>>,
    rest: BytesMut,
    part_bytes: usize,
}

impl<'a> Cut<'a> {
    pub(super) fn new(stream: stream::BoxStream<'a, Result<Bytes>>, part_bytes: usize) -> Self {
        Self {
            stream: stream.fuse(),
            rest: BytesMut::new(),
            part_bytes,
        }
    }

    async fn next(&mut self) -> Result<Bytes> {
        while self.rest.len() < self.part_bytes {
            match self.stream.try_next().await? {
                Some(bytes) => self.rest.extend_from_slice(&bytes),
                None => return Ok(self.rest.split().freeze()),
            }
        }
        Ok(self.rest.split_to(self.part_bytes).freeze())
    }
}

/// Bytes of the parts in which an object of this size is written.
pub(super) fn part_bytes(size: u64) -> usize {
    let needed = size.div_ceil(PARTS_PER_OBJECT);
    (needed as usize).next_multiple_of(1 << 20).max(PART_BYTES)
}

impl Bucket {
    /// Writes what comes of a stream, up to `most` bytes (whole parts), as one object: in
    /// one request when it is short, else in parts. Nothing of it is seen before its end,
    /// or when it breaks. Gives the object's size; there is none when nothing came.
    pub(super) async fn write_cut(
        &self,
        key: &str,
        cut: &mut Cut<'_>,
        most: u64,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        let first = cut.next().await?;
        each(&first)?;
        if first.len() < cut.part_bytes {
            let size = first.len() as u64;
            if size > 0 {
                self.write(key, first).await?;
            }
            return Ok(size);
        }
        let upload = self.begin_multipart(key).await?;
        let sent = async {
            let (size, parts) = self
                .send_parts(key, &upload.id, first, cut, most, &mut each)
                .await?;
            let path = self.path(key);
            let completed = self.store.complete_multipart(&path, &upload.id, parts);
            completed.await.map_err(|e| refused("writing", key, e))?;
            Ok(size)
        };
        match sent.await {
            Ok(size) => {
                self.forget_multipart(&upload).await;
                Ok(size)
            }
            Err(error) => {
                self.abort_multipart(key, &upload).await;
                Err(error)
            }
        }
    }

    async fn send_parts(
        &self,
        key: &str,
        id: &MultipartId,
        first: Bytes,
        cut: &mut Cut<'_>,
        most: u64,
        each: &mut impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<(u64, Vec<PartId>)> {
        let mut sending = JoinSet::new();
        let mut parts = BTreeMap::new();
        let mut part = first;
        let (mut size, mut number) = (0, 0);
        loop {
            size += part.len() as u64;
            let last = part.len() < cut.part_bytes || size >= most;
            if !part.is_empty() {
                let (store, path, id) = (Arc::clone(&self.store), self.path(key), id.clone());
                let part = PutPayload::from_bytes(part);
                sending.spawn(async move {
                    let sent = store.put_part(&path, &id, number, part).await;
                    sent.map(|part| (number, part))
                });
                number += 1;
            }
            let room = if last { 0 } else { PARTS - 1 };
            while sending.len() > room {
                let Some(sent) = sending.join_next().await else {
                    break;
                };
                let sent = sent.map_err(|e| failed("writing", key, io::Error::other(e)))?;
                let (number, part) = sent.map_err(|e| refused("writing", key, e))?;
                parts.insert(number, part);
            }
            if last {
                return Ok((size, parts.into_values().collect()));
            }
            part = cut.next().await?;
            each(&part)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::part_bytes;
    use crate::limits::{BLOB_BYTES, PART_BYTES, PARTS_PER_OBJECT, PIECE_BYTES};

    #[test]
    fn the_largest_blob_and_the_largest_piece_have_parts_enough() {
        assert_eq!(part_bytes(1), PART_BYTES);
        assert!(part_bytes(BLOB_BYTES) as u64 * PARTS_PER_OBJECT >= BLOB_BYTES);
        assert!(PART_BYTES as u64 * PARTS_PER_OBJECT >= PIECE_BYTES);
        assert_eq!(PIECE_BYTES % PART_BYTES as u64, 0);
    }
}
