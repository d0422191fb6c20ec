//! Builds by the names that clients give them.

use super::{attachments::Attachment, attest::Said, caches, status::Status, watch::Log};
use corten_build::{ArchiveContext, BuildRequest, BuildResult, CacheSource, ProgressSender};
use corten_buildkit::control::{BuildHistoryRecord, SolveRequest};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, oneshot};

/// How long a call waits for the build it belongs to: clients begin both at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Builds whose messages can still be asked for after their end.
const FINISHED: usize = 8;

/// Results that go to the exporters together.
#[derive(Clone, Default)]
pub(crate) struct Results {
    /// One for each platform; none when there is nothing to export.
    pub list: Vec<Arc<BuildResult>>,
    /// What is said about each; empty when nothing is.
    pub said: Vec<Vec<Said>>,
    /// An index was asked for, also of one platform.
    pub several: bool,
}

impl Results {
    /// What is said about one of them.
    pub fn said_about(&self, place: usize) -> &[Said] {
        self.said.get(place).map_or(&[], |it| &it[..])
    }

    /// Something is said about one of them.
    pub fn is_talked_about(&self) -> bool {
        self.said.iter().any(|it| !it.is_empty())
    }
}

/// What a client's own build came to.
pub(crate) type Returned = Result<Results, Status>;

/// What only the request of clients before buildx brings.
#[derive(Default)]
pub(crate) struct Ask {
    /// The context, sent by a request of its own.
    pub upload: Option<ArchiveContext>,
    /// Resources of the steps; the rest is not looked at.
    pub limits: BuildRequest,
}

/// A build.
pub(crate) struct Job {
    pub reference: String,
    /// Its record, as far as that is known before the end.
    pub began: BuildHistoryRecord,
    pub session: String,
    pub progress: ProgressSender,
    pub log: Arc<Log>,
    pub entitlements: Vec<String>,
    pub ask: Ask,
    /// When the build began.
    pub started: corten_base::Timestamp,
    /// The front end's options, as the client gave them.
    pub options: BTreeMap<String, String>,
    /// Caches to read.
    pub cache_from: Vec<CacheSource>,
    /// Caches to write.
    pub cache_to: caches::Exports,
    // Locks: held for memory work only.
    results: Mutex<HashMap<String, Arc<BuildResult>>>,
    attached: Mutex<Vec<Attachment>>,
    returned: Mutex<Option<oneshot::Sender<Returned>>>,
}

/// The builds.
#[derive(Default)]
pub(crate) struct Jobs {
    // Locks: held for memory work only.
    running: Mutex<HashMap<String, Arc<Job>>>,
    /// Calls for a build's progress may come after its end.
    finished: Mutex<VecDeque<Arc<Job>>>,
    begun: Notify,
}

/// A build that its call holds: it ends with the call.
pub(crate) struct Running<'a> {
    jobs: &'a Jobs,
    pub job: Arc<Job>,
    pub returned: oneshot::Receiver<Returned>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.job.log.end();
        // Results keep layers: they go with the build.
        lock(&self.job.results).clear();
        // It is among the one or the other at any time: who asks in between would wait for it
        // to begin once more.
        let mut finished = lock(&self.jobs.finished);
        finished.push_back(Arc::clone(&self.job));
        while finished.len() > FINISHED {
            finished.pop_front();
        }
        drop(finished);
        lock(&self.jobs.running).remove(&self.job.reference);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is on record of a build from its beginning; credentials in URLs are not.
fn began(request: &SolveRequest) -> BuildHistoryRecord {
    let attrs = request.frontend_attrs.iter();
    BuildHistoryRecord {
        reference: request.reference.clone(),
        frontend: "dockerfile.v0".into(),
        frontend_attrs: attrs
            .map(|(key, value)| (key.clone(), corten_build::redacted(value)))
            .collect(),
        exporters: request.exporters.clone(),
        created_at: Some(super::watch::time(corten_base::Timestamp::now())),
        ..BuildHistoryRecord::default()
    }
}

impl Jobs {
    pub fn begin(&self, request: &SolveRequest, ask: Ask) -> Result<Running<'_>, Status> {
        let (sender, returned) = oneshot::channel();
        let (progress, receiver) = ProgressSender::channel();
        let job = Arc::new(Job {
            reference: request.reference.clone(),
            began: began(request),
            session: request.session.clone(),
            progress,
            log: Log::of(receiver),
            entitlements: request.entitlements.clone(),
            ask,
            started: corten_base::Timestamp::now(),
            options: request.frontend_attrs.clone().into_iter().collect(),
            cache_from: caches::imports(request),
            cache_to: caches::exports(request)?,
            results: Mutex::default(),
            attached: Mutex::default(),
            returned: Mutex::new(Some(sender)),
        });
        let mut running = lock(&self.running);
        if running.contains_key(&job.reference) {
            return Err(Status::unknown(format!("job ID {} exists", job.reference)));
        }
        running.insert(job.reference.clone(), job.clone());
        drop(running);
        self.begun.notify_waiters();
        Ok(Running {
            jobs: self,
            job,
            returned,
        })
    }

    /// The build of a name, waited for.
    pub async fn get(&self, reference: &str) -> Result<Arc<Job>, Status> {
        let waiting = async {
            loop {
                let begun = self.begun.notified();
                if let Some(job) = lock(&self.running).get(reference).cloned() {
                    return job;
                }
                let finished = |job: &&Arc<Job>| job.reference == reference;
                if let Some(job) = lock(&self.finished).iter().find(finished).cloned() {
                    return job;
                }
                begun.await;
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(job) => Ok(job),
            Err(_) => Err(Status::not_found(format!("no such job {reference}"))),
        }
    }

    /// The builds that go on, as they began.
    pub fn running(&self) -> Vec<BuildHistoryRecord> {
        let running = lock(&self.running);
        running.values().map(|job| job.began.clone()).collect()
    }

    /// Whether a build of this name goes on, or has ended so lately that it tells itself.
    pub fn knows(&self, reference: &str) -> bool {
        lock(&self.running).contains_key(reference)
            || lock(&self.finished)
                .iter()
                .any(|job| job.reference == reference)
    }
}

impl Job {
    /// Has this kept beside the build's record.
    pub fn attach(&self, attached: Vec<Attachment>) {
        *lock(&self.attached) = attached;
    }

    /// What is to be kept beside the build's record.
    pub fn attached(&self) -> Vec<Attachment> {
        std::mem::take(&mut *lock(&self.attached))
    }

    /// Keeps a result under a new name.
    pub fn keep(&self, result: BuildResult) -> String {
        let id = corten_base::Id::random().to_string();
        lock(&self.results).insert(id.clone(), Arc::new(result));
        id
    }

    pub fn result(&self, id: &str) -> Option<Arc<BuildResult>> {
        lock(&self.results).get(id).cloned()
    }

    /// What the client's build came to; told once.
    pub fn finish(&self, returned: Returned) -> Result<(), Status> {
        match lock(&self.returned).take() {
            // The waiting call may be gone.
            Some(sender) => {
                let _ = sender.send(returned);
                Ok(())
            }
            None => Err(Status::unknown("the build has returned already")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds that end while they are asked for.
    const BUILDS: usize = 20_000;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_build_that_ends_is_known_at_any_time() {
        let jobs = Arc::new(Jobs::default());
        for number in 0..BUILDS {
            let request = SolveRequest {
                reference: number.to_string(),
                ..SolveRequest::default()
            };
            let running = jobs.begin(&request, Ask::default());
            let running = running.map_err(|status| status.message).unwrap();
            let (asked, name) = (Arc::clone(&jobs), request.reference.clone());
            let asking = tokio::spawn(async move { asked.knows(&name) });
            drop(running);
            assert!(asking.await.unwrap(), "build {number}");
        }
    }
}
