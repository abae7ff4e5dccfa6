//! Sorts the datagrams of two sockets at one address by their source (socket(7), SO_ATTACH_REUSEPORT_CBPF): those of some networks go to
//! the second socket, all others to the first.
#![expect(unsafe_code, reason = "the option takes a pointer to a program, which std and socket2 do not offer")]

use std::io;
use std::mem::size_of;
use std::net::IpAddr;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use crate::switchboard::Network;

/// The instructions that the kernel accepts in one program (`BPF_MAXINSNS`).
const INSTRUCTIONS_MAX: usize = 4_096;
/// Offset of the IP header (`SKF_NET_OFF`), and of the source address in it.
const IP_HEADER: u32 = 0xFFF0_0000;
const SOURCE_V4: u32 = IP_HEADER + 12;
const SOURCE_V6: u32 = IP_HEADER + 8;

/// Makes the kernel deliver datagrams from `networks` to the second socket that was bound to the address, and all others to the first.
/// Networks that do not fit into the program count as others.
pub(super) fn sort(first: BorrowedFd<'_>, v6: bool, networks: &[Network]) -> io::Result<()> {
    let mut instructions = program(v6, networks);
    let program = libc::sock_fprog {
        len: libc::c_ushort::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: instructions.as_mut_ptr(),
    };
    let length = libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).unwrap_or(0);
    // SAFETY: the descriptor is open for the duration of the call; `program` has the pointer and the number of live instructions. The
    // kernel copies them.
    let done = unsafe {
        libc::setsockopt(
            first.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            length,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The program returns the index of the socket.
fn program(v6: bool, networks: &[Network]) -> Vec<libc::sock_filter> {
    let mut all = Vec::new();
    for network in networks {
        let (address, prefix) = network.block();
        let (bits, source) = match address {
            IpAddr::V4(v4) if !v6 => (u128::from(v4.to_bits()) << 96, SOURCE_V4),
            IpAddr::V6(v6_address) if v6 => (v6_address.to_bits(), SOURCE_V6),
            IpAddr::V4(_) | IpAddr::V6(_) => continue,
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        let one = of_network(bits, mask, source);
        if all.len() + one.len() < INSTRUCTIONS_MAX {
            all.extend(one);
        }
    }
    all.push(instruction(libc::BPF_RET | libc::BPF_K, 0, 0));
    all
}

/// Returns 1 if the source is in a network; otherwise the program continues after these instructions.
fn of_network(bits: u128, mask: u128, source: u32) -> Vec<libc::sock_filter> {
    let word = |value: u128, n: u32| u32::try_from(value >> (96 - 32 * n) & u128::from(u32::MAX)).unwrap_or(0);
    let words: Vec<u32> = (0..4).filter(|n| word(mask, *n) != 0).collect();
    let mut all = Vec::new();
    for (at, n) in words.iter().enumerate() {
        // Jump offset past this comparison: three instructions for each further word, and the return.
        let past_the_end = u8::try_from(3 * (words.len() - at - 1) + 1).unwrap_or(0);
        all.push(instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, source + 4 * n, 0));
        all.push(instruction(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, word(mask, *n), 0));
        all.push(instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, word(bits & mask, *n), past_the_end));
    }
    all.push(instruction(libc::BPF_RET | libc::BPF_K, 1, 0));
    all
}

fn instruction(code: u32, k: u32, if_false: u8) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf: if_false, k }
}
