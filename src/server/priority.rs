//! The priority of a process that must not delay the live service.
#![expect(unsafe_code, reason = "setpriority(2) and ioprio_set(2) have no safe form in std")]

use tracing::warn;

/// The niceness: a fraction of the processor if the live service needs it.
const NICE: libc::c_int = 10;
/// Best effort, lowest level (ioprio_set(2)).
const IO_PRIORITY: libc::c_long = (2 << 13) | 7;
const IO_PROCESS: libc::c_long = 1;

/// Lowers the processor and disk priority of this thread and of all threads that it starts later. An error is only logged.
pub(super) fn lower() {
    // SAFETY: both calls take numbers only, and change nothing but this thread's priorities.
    let (cpu, disk) = unsafe {
        (
            libc::setpriority(libc::PRIO_PROCESS, 0, NICE),
            libc::syscall(libc::SYS_ioprio_set, IO_PROCESS, 0, IO_PRIORITY),
        )
    };
    if cpu != 0 || disk != 0 {
        warn!("the priority of the reports could not be lowered");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thread_has_a_lower_priority_afterwards() {
        let nice = std::thread::spawn(|| {
            super::lower();
            std::fs::read_to_string("/proc/thread-self/stat").unwrap()
        });
        let stat = nice.join().unwrap();
        // The 19th field (proc(5)); the second may contain spaces.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        assert_eq!(fields[16], "10", "{stat}");
    }
}
