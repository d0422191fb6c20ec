//! A tar put together again from a record and the layer's files.

use super::{END, FILE, MAGIC, RAW, RAW_BYTES_MAX};
use crate::{Error, Result, tree::file_type};
use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags};
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufReader, Read},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

/// A pipe that took a file's place must not be waited for.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// The bytes of a layer's tar, read from its files.
///
/// Whoever reads it compares the digest: a file that was changed without changing its size
/// is not noticed here. Reading fails with [`io::ErrorKind::InvalidData`] where the record
/// is damaged, and with an [`Error`] inside where a file is missing or has another size.
pub struct Reassembled {
    record: zstd::stream::read::Decoder<'static, BufReader<File>>,
    root: OwnedFd,
    part: Part,
    given: u64,
}

/// Where the next bytes come from.
enum Part {
    Raw(u64),
    File(File, u64, PathBuf),
    Between,
    End,
}

impl Reassembled {
    /// Of a record and the directory that the layer was unpacked into.
    pub fn open(record: File, root: OwnedFd) -> Result<Self> {
        let record = zstd::stream::read::Decoder::new(record).map_err(Error::Read)?;
        let mut reassembled = Self {
            record,
            root,
            part: Part::Between,
            given: 0,
        };
        let mut magic = [0; MAGIC.len()];
        let begins = reassembled.record.read_exact(&mut magic);
        begins.map_err(Error::Read)?;
        match magic == *MAGIC {
            true => Ok(reassembled),
            false => Err(Error::Read(damaged())),
        }
    }

    /// Goes to the next segment.
    fn next(&mut self) -> io::Result<Part> {
        let [kind] = self.bytes()?;
        Ok(match kind {
            RAW => {
                let length = u32::from_le_bytes(self.bytes()?);
                match length as usize <= RAW_BYTES_MAX {
                    true => Part::Raw(length.into()),
                    false => return Err(damaged()),
                }
            }
            FILE => {
                let mut path = vec![0; u16::from_le_bytes(self.bytes()?).into()];
                self.record.read_exact(&mut path)?;
                let size = u64::from_le_bytes(self.bytes()?);
                let place = Path::new(OsStr::from_bytes(&path));
                let file = self.file(place, size).map_err(io::Error::other)?;
                Part::File(file, size, place.into())
            }
            END if u64::from_le_bytes(self.bytes()?) == self.given => Part::End,
            _ => return Err(damaged()),
        })
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.record.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Opens a file of the layer, which has to have so many bytes.
    fn file(&self, place: &Path, size: u64) -> Result<File> {
        let failed = |source: io::Error| Error::Path {
            operation: "reading",
            path: place.into(),
            source,
        };
        // A layer's own links never lead anywhere: the record has the real places.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = fs::openat2(&self.root, place, READ, Mode::empty(), resolve);
        let file = file.map_err(|error| failed(error.into()))?;
        let stat = fs::fstat(&file).map_err(|error| failed(error.into()))?;
        if file_type(&stat) != FileType::RegularFile || stat.st_size as u64 != size {
            return Err(failed(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is not the file of {size} bytes that the layer has there"),
            )));
        }
        Ok(file.into())
    }
}

impl Read for Reassembled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let (count, left) = match &mut self.part {
                Part::End => return Ok(0),
                Part::Between => {
                    self.part = self.next()?;
                    continue;
                }
                Part::Raw(0) | Part::File(_, 0, _) => {
                    self.part = Part::Between;
                    continue;
                }
                _ if buffer.is_empty() => return Ok(0),
                Part::Raw(left) => {
                    let room = limited(buffer, *left);
                    self.record.read_exact(room)?;
                    (room.len(), left)
                }
                Part::File(file, left, place) => {
                    let count = file.read(limited(buffer, *left))?;
                    if count == 0 {
                        return Err(io::Error::other(Error::Path {
                            operation: "reading",
                            path: place.clone(),
                            source: io::ErrorKind::UnexpectedEof.into(),
                        }));
                    }
                    (count, left)
                }
            };
            *left -= count as u64;
            self.given += count as u64;
            return Ok(count);
        }
    }
}

fn limited(buffer: &mut [u8], left: u64) -> &mut [u8] {
    let room = buffer
        .len()
        .min(usize::try_from(left).unwrap_or(usize::MAX));
    &mut buffer[..room]
}

fn damaged() -> io::Error {
    let sentence = "the record of the layer's tar is damaged";
    io::Error::new(io::ErrorKind::InvalidData, sentence)
}
