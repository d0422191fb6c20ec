//! What a filter answers. (seccomp(2), `SECCOMP_RET_…`)

use crate::CompileError;

/// The value that a filter returns, data included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Action(pub u32);

const KILL_PROCESS: u32 = 0x8000_0000;
const KILL_THREAD: u32 = 0;
const TRAP: u32 = 0x0003_0000;
const ERRNO: u32 = 0x0005_0000;
const TRACE: u32 = 0x7ff0_0000;
const LOG: u32 = 0x7ffc_0000;
const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

impl Action {
    /// For a foreign architecture, as libseccomp answers it.
    pub const FOREIGN: Self = Self(KILL_THREAD);
    /// For calls that the profile's author could not know.
    pub const NO_SUCH_CALL: Self = Self(ERRNO | ENOSYS);

    /// Reads an action; its data is `errno` where it takes one (EPERM if absent).
    pub fn parse(name: &str, errno: Option<u32>) -> Result<Self, CompileError> {
        let data = errno.unwrap_or(EPERM);
        if data > 0xffff {
            return Err(CompileError::Errno(data));
        }
        Ok(Self(match name {
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => KILL_THREAD,
            "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
            "SCMP_ACT_TRAP" => TRAP,
            "SCMP_ACT_ERRNO" => ERRNO | data,
            "SCMP_ACT_TRACE" => TRACE | data,
            "SCMP_ACT_LOG" => LOG,
            "SCMP_ACT_ALLOW" => ALLOW,
            "SCMP_ACT_NOTIFY" => return Err(CompileError::Notify),
            _ => return Err(CompileError::UnknownAction(name.to_owned())),
        }))
    }

    /// Whether a default action lets calls through, so that newer ones need no answer of
    /// their own. A tracer is expected to cope with new calls, as runc holds.
    pub fn is_permissive(self) -> bool {
        matches!(self.0 & 0xffff_0000, ALLOW | LOG | TRACE)
    }
}
