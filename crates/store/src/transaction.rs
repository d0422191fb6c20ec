//! Reading and writing records, alone and together.

use crate::{Record, StoreError};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

/// Several changes that happen together or not at all.
pub struct Transaction<'a> {
    inner: rusqlite::Transaction<'a>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(inner: rusqlite::Transaction<'a>) -> Self {
        Self { inner }
    }

    pub(crate) fn into_inner(self) -> rusqlite::Transaction<'a> {
        self.inner
    }

    /// The record under `key`, as this transaction sees it.
    pub fn get<R: Record>(&self, key: &str) -> Result<Option<R>, StoreError> {
        get(&self.inner, key)
    }

    /// Every record of a kind, in the order of keys.
    pub fn all<R: Record>(&self) -> Result<Vec<(String, R)>, StoreError> {
        all(&self.inner)
    }

    /// Stores a record.
    pub fn put<R: Record>(&self, key: &str, record: &R) -> Result<(), StoreError> {
        put(&self.inner, key, record)
    }

    /// Deletes a record and says whether it was there.
    pub fn delete<R: Record>(&self, key: &str) -> Result<bool, StoreError> {
        delete::<R>(&self.inner, key)
    }
}

fn failed<R: Record>(operation: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Database {
        operation,
        kind: R::KIND,
        source,
    }
}

pub(crate) fn get<R: Record>(connection: &Connection, key: &str) -> Result<Option<R>, StoreError> {
    let row: Option<(u32, String)> = connection
        .prepare_cached("SELECT version, body FROM records WHERE kind = ?1 AND key = ?2")
        .and_then(|mut statement| {
            statement
                .query_row((R::KIND, key), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .map_err(failed::<R>("reading"))?;
    row.map(|(version, body)| decode(key, version, &body))
        .transpose()
}

pub(crate) fn all<R: Record>(connection: &Connection) -> Result<Vec<(String, R)>, StoreError> {
    let rows: Vec<(String, u32, String)> = connection
        .prepare_cached("SELECT key, version, body FROM records WHERE kind = ?1 ORDER BY key")
        .and_then(|mut statement| {
            statement
                .query_map([R::KIND], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect()
        })
        .map_err(failed::<R>("reading"))?;
    rows.into_iter()
        .map(|(key, version, body)| {
            let record = decode(&key, version, &body)?;
            Ok((key, record))
        })
        .collect()
}

pub(crate) fn put<R: Record>(
    connection: &Connection,
    key: &str,
    record: &R,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(record).map_err(|source| StoreError::Encode {
        kind: R::KIND,
        key: key.to_owned(),
        source,
    })?;
    connection
        .prepare_cached(
            "INSERT INTO records (kind, key, version, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (kind, key) DO UPDATE SET version = ?3, body = ?4",
        )
        .and_then(|mut statement| statement.execute((R::KIND, key, R::VERSION, body)))
        .map_err(failed::<R>("writing"))?;
    Ok(())
}

pub(crate) fn delete<R: Record>(connection: &Connection, key: &str) -> Result<bool, StoreError> {
    connection
        .prepare_cached("DELETE FROM records WHERE kind = ?1 AND key = ?2")
        .and_then(|mut statement| statement.execute((R::KIND, key)))
        .map(|deleted| deleted > 0)
        .map_err(failed::<R>("deleting"))
}

fn decode<R: Record>(key: &str, version: u32, body: &str) -> Result<R, StoreError> {
    let wrong = |source| StoreError::Decode {
        kind: R::KIND,
        key: key.to_owned(),
        source,
    };
    if version > R::VERSION {
        return Err(StoreError::NewerRecord {
            kind: R::KIND,
            key: key.to_owned(),
            found: version,
            known: R::VERSION,
        });
    }
    if version == R::VERSION {
        return serde_json::from_str(body).map_err(wrong);
    }
    let old: Value = serde_json::from_str(body).map_err(wrong)?;
    let new = R::migrate(version, old).map_err(|reason| StoreError::Migrate {
        kind: R::KIND,
        key: key.to_owned(),
        from: version,
        reason,
    })?;
    serde_json::from_value(new).map_err(wrong)
}
