//! `linux.seccomp` of a runtime specification.

use serde::{Deserialize, Serialize};

/// A system call filter (config-linux.md § Seccomp).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LinuxSeccomp {
    /// What happens to calls that no rule matches, such as `SCMP_ACT_ERRNO`.
    pub default_action: String,
    /// The error number of a default action that returns one; absent means EPERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_errno_ret: Option<u32>,
    /// Architectures beside the native one, such as `SCMP_ARCH_X86`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub architectures: Vec<String>,
    /// `SECCOMP_FILTER_FLAG_…` names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// Socket of a listener for `SCMP_ACT_NOTIFY`. The runtime refuses it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listener_path: String,
    /// Text for the listener.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub listener_metadata: String,
    /// The rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub syscalls: Vec<SeccompSyscall>,
}

/// One rule: some calls, under a condition, have an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompSyscall {
    /// Names; those that the architecture lacks are passed over.
    pub names: Vec<String>,
    /// Such as `SCMP_ACT_ALLOW`.
    pub action: String,
    /// The error number of an action that returns one; absent means EPERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errno_ret: Option<u32>,
    /// Conditions; all must hold, except that several on the same argument are
    /// alternatives.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<SeccompArg>,
}

/// A condition on one argument of a system call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeccompArg {
    /// 0 to 5.
    pub index: u32,
    /// What the argument is compared with, or the mask of `SCMP_CMP_MASKED_EQ`.
    pub value: u64,
    /// The value of `SCMP_CMP_MASKED_EQ`.
    #[serde(skip_serializing_if = "is_zero")]
    pub value_two: u64,
    /// Such as `SCMP_CMP_EQ`.
    pub op: String,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}
