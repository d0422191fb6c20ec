//! The file.

use crate::{Record, StoreError, Transaction, reserve::Reserve};
use corten_base::step;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::{
    fs::Permissions,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Version of the file's layout, kept as SQLite's `user_version`.
pub const FORMAT_VERSION: u32 = 1;

/// How long a call waits for another process that has the file open (a backup, a look
/// with the sqlite3 shell).
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const LAYOUT: &str = "CREATE TABLE records (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;";

/// Records on disk. One writer at a time; calls wait for each other.
pub struct Store {
    path: PathBuf,
    connection: Mutex<Connection>,
    reserve: Reserve,
}

/// Records tell of environments and of who may do what: the file, and those that SQLite
/// makes beside it with the same mode, are the engine's alone. A process that was killed
/// has left those behind, perhaps one that did not know this.
fn private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let options = options.write(true).create(true).mode(crate::MODE);
    let mode = || Permissions::from_mode(crate::MODE);
    options.open(path)?.set_permissions(mode())?;
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        match std::fs::set_permissions(beside, mode()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}

impl Store {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// [`StoreError::NewerFormat`] when a later version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        private(path).map_err(|source| StoreError::File {
            operation: "writing",
            path: path.to_owned(),
            source,
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        let found: u32 = connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(failed)?;
        if found > FORMAT_VERSION {
            return Err(StoreError::NewerFormat {
                path: path.to_owned(),
                found,
                known: FORMAT_VERSION,
            });
        }
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(failed)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(failed)?;
        if found == 0 {
            let setup = connection
                .transaction_with_behavior(TransactionBehavior::Immediate)
                .map_err(failed)?;
            setup.execute_batch(LAYOUT).map_err(failed)?;
            setup
                .pragma_update(None, "user_version", FORMAT_VERSION)
                .map_err(failed)?;
            setup.commit().map_err(failed)?;
        }
        Ok(Self {
            path: path.to_owned(),
            connection: Mutex::new(connection),
            reserve: Reserve::keep(path.with_extension("reserve")),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in one transaction: all of it is on disk when this returns `Ok`, none of
    /// it when it returns `Err`.
    pub fn transaction<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = |operation| {
            move |source| StoreError::Database {
                operation,
                kind: "",
                source,
            }
        };
        let mut connection = self.lock();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed("beginning"))?;
        let transaction = Transaction::new(transaction);
        let result = work(&transaction)?;
        step("store.write");
        transaction
            .into_inner()
            .commit()
            .map_err(failed("committing"))?;
        step("store.written");
        Ok(result)
    }

    /// As [`Store::transaction`], for removals: on a full disk it takes from the space that
    /// is kept for them and tries once more.
    pub fn removal<T>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with_reserve(|| self.transaction(&work))
    }

    fn with_reserve<T>(&self, work: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        match work() {
            Err(error) if error.is_full() && self.reserve.give() => work(),
            result => {
                self.reserve.grow();
                result
            }
        }
    }

    /// The record under `key`.
    pub fn get<R: Record>(&self, key: &str) -> Result<Option<R>, StoreError> {
        crate::transaction::get(&self.lock(), key)
    }

    /// Every record of a kind, in the order of keys.
    pub fn all<R: Record>(&self) -> Result<Vec<(String, R)>, StoreError> {
        crate::transaction::all(&self.lock())
    }

    /// Stores one record; durable when it returns.
    pub fn put<R: Record>(&self, key: &str, record: &R) -> Result<(), StoreError> {
        step("store.write");
        crate::transaction::put(&self.lock(), key, record)?;
        step("store.written");
        Ok(())
    }

    /// Deletes one record and says whether it was there; durable when it returns. On a full
    /// disk it takes from the space that is kept for this.
    pub fn delete<R: Record>(&self, key: &str) -> Result<bool, StoreError> {
        step("store.write");
        let connection = self.lock();
        let delete = || crate::transaction::delete::<R>(&connection, key);
        let deleted = self.with_reserve(delete)?;
        step("store.written");
        Ok(deleted)
    }

    /// A panic of another caller cannot leave the connection half changed: an open
    /// transaction is rolled back when it is dropped.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
