//! Safe wrappers for kernel functions that std does not offer: the limit of open files, eventfd, epoll and io_uring.
#![expect(unsafe_code, reason = "epoll, eventfd, the limit of open files and io_uring have no safe form in std")]

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use io_uring::types::{BufRingEntry, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::media::datagram::Datagram;

/// Raises the process's limit of open files to its hard limit, and returns it.
pub(super) fn raise_file_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for the duration of both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return 1_024;
        }
        let wanted = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) == 0 { wanted.rlim_cur } else { limit.rlim_cur }
    }
}

/// The highest possible limit of open files of this process.
pub(in crate::server) fn file_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit for the duration of the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0 { limit.rlim_max } else { u64::MAX }
}

/// Wakes a media thread that waits in the kernel.
#[derive(Clone, Debug)]
pub(super) struct Wake(Arc<File>);

impl Wake {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers; a valid descriptor is owned here only.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and owned only here.
        Ok(Self(Arc::new(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))))
    }

    pub(super) fn wake(&self) {
        // Fails only if the counter is at its maximum, so the thread is woken in any case.
        drop((&*self.0).write(&1_u64.to_ne_bytes()));
    }

    /// Resets the wake-up.
    pub(super) fn clear(&self) {
        drop((&*self.0).read(&mut [0; 8]));
    }

    pub(super) fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// An epoll instance.
#[derive(Debug)]
pub(super) struct Poll {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Poll {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and owned only here.
        let epoll = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { epoll, events: vec![libc::epoll_event { events: 0, u64: 0 }; 256] })
    }

    /// Watches a descriptor for input; `wait` returns `key` for it.
    pub(super) fn add(&self, fd: RawFd, key: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, key)
    }

    pub(super) fn remove(&self, fd: RawFd) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0)
    }

    /// Waits, and returns the keys of the descriptors that are ready.
    pub(super) fn wait(&mut self, timeout: Duration) -> impl Iterator<Item = u64> {
        let ms = i32::try_from(timeout.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
        let room = i32::try_from(self.events.len()).unwrap_or(0);
        // SAFETY: the kernel writes at most `room` events into the vector of that length.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), self.events.as_mut_ptr(), room, ms) };
        self.events.iter().take(usize::try_from(count).unwrap_or(0)).map(|event| event.u64)
    }

    fn control(&self, operation: libc::c_int, fd: RawFd, key: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN.unsigned_abs(), u64: key };
        // SAFETY: `event` is valid for the duration of the call.
        let result = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), operation, fd, &raw mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Number of receive buffers, and the size of each: our header, the kernel's, the address, and the largest Ethernet packet.
const BUFFERS: u16 = 1_024;
const BUFFER_BYTES: usize = 2_048;
/// Maximum packets in one submission.
const SENDS: usize = 512;
/// Maximum length of a packet that siaga creates.
const OWN_BYTES: usize = 256;
/// Length of an IPv6 socket address, the longest.
const ADDRESS_BYTES: usize = 28;
/// Length of the kernel's header of a received message: lengths of name, control and payload, and flags.
const HEAD_BYTES: usize = 16;

/// The kind of a completion, in the upper byte of its user data.
const RECEIVED: u64 = 1;
const SENT: u64 = 2;
const WOKEN: u64 = 3;
const CANCELLED: u64 = 4;

#[derive(Clone)]
#[repr(C, align(4096))]
struct Page([u8; 4_096]);

/// An outgoing packet. It is boxed and does not move until the kernel has taken it.
struct Outgoing {
    address: [u8; ADDRESS_BYTES],
    packet: [u8; OWN_BYTES],
}

/// An io_uring that receives on many sockets with one multishot request each, into shared buffers, and sends in batches from the same
/// buffers.
pub(super) struct Ring {
    ring: IoUring,
    /// The ring of free buffers, which the kernel reads, and the buffers. They are never freed, because the kernel may still write while a
    /// closed ring shuts down.
    free: *mut BufRingEntry,
    tail: u16,
    memory: *mut u8,
    /// The message header that sets the space for an address.
    template: Box<libc::msghdr>,
    /// For each socket the mark of its current request; 0: none. Completions with another mark belong to an older request and are ignored.
    marks: Vec<u32>,
    last_mark: u32,
    /// Sockets whose request has ended and must be submitted again.
    ended: Vec<u32>,
    /// Buffers to be returned after the next submission.
    lent: Vec<u16>,
    outgoing: Box<[Outgoing]>,
    outgoing_used: usize,
    wake: RawFd,
    wake_armed: bool,
    pub(super) send_errors: u64,
}

impl Ring {
    /// Creates a ring over these sockets. Only the calling thread may use it.
    pub(super) fn new(sockets: &[RawFd], wake: RawFd) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_cqsize(4_096)
            .build(1_024)?;
        if !ring.params().is_feature_ext_arg() || !ring.params().is_feature_skip_cqe_on_success() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        ring.submitter().register_files(sockets)?;
        let entries = pages(usize::from(BUFFERS) * size_of::<BufRingEntry>());
        let memory = pages(usize::from(BUFFERS) * BUFFER_BYTES);
        let free = entries.cast::<BufRingEntry>();
        // SAFETY: page-aligned memory for BUFFERS entries that is never freed.
        unsafe { ring.submitter().register_buf_ring_with_flags(free as u64, BUFFERS, 0, 0)? };
        // SAFETY: all zero bytes are a valid msghdr.
        let mut template: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        template.msg_namelen = 28;
        let blank = || Outgoing { address: [0; ADDRESS_BYTES], packet: [0; OWN_BYTES] };
        let mut this = Self {
            ring,
            free,
            tail: 0,
            memory,
            template,
            marks: vec![0; sockets.len()],
            last_mark: 0,
            ended: Vec::with_capacity(64),
            lent: (0..BUFFERS).collect(),
            outgoing: (0..SENDS).map(|_| blank()).collect(),
            outgoing_used: 0,
            wake,
            wake_armed: false,
            send_errors: 0,
        };
        this.give_back();
        Ok(this)
    }

    /// Starts to receive on a socket (its index in `new`).
    pub(super) fn listen(&mut self, socket: u32) {
        self.last_mark = (self.last_mark + 1) & 0x00ff_ffff;
        let mark = self.last_mark.max(1);
        if let Some(place) = self.mark(socket) {
            *place = mark;
            self.ended.push(socket);
        }
    }

    /// Stops receiving on a socket.
    pub(super) fn deaf(&mut self, socket: u32) {
        let Some(mark) = self.mark(socket).map(std::mem::take).filter(|mark| *mark != 0) else { return };
        self.ended.retain(|ended| *ended != socket);
        let cancel = opcode::AsyncCancel::new(receive_data(socket, mark)).build().user_data(CANCELLED << 56);
        self.push(&cancel.flags(squeue::Flags::SKIP_SUCCESS));
    }

    /// Sends a packet that siaga created, with the next submission.
    pub(super) fn send(&mut self, socket: u32, to: SocketAddr, packet: &[u8]) {
        let Some(index) = self.next_outgoing(to) else { return };
        let Some(room) = self.outgoing.get_mut(index).and_then(|out| out.packet.get_mut(..packet.len())) else {
            self.send_errors += 1;
            return;
        };
        room.copy_from_slice(packet);
        let start = room.as_ptr();
        self.push_send(socket, index, to, start, packet.len());
    }

    /// Submits outgoing packets, waits for packets, and passes each to `take`, which may have it forwarded. Returns true if `wake` was
    /// signalled.
    pub(super) fn turn(
        &mut self,
        timeout: Duration,
        take: &mut impl FnMut(u32, Datagram<'_>) -> Option<(u32, SocketAddr, Range<usize>)>,
    ) -> bool {
        self.arm();
        self.enter(1, timeout);
        let mut woken = false;
        while let Some(completion) = self.next_completion() {
            let data = completion.user_data();
            match data >> 56 {
                RECEIVED => self.received(&completion, take),
                SENT => self.send_errors += 1,
                WOKEN => {
                    woken = true;
                    self.wake_armed &= cqueue::more(completion.flags());
                }
                _ => {}
            }
        }
        woken
    }

    fn next_completion(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    fn received(
        &mut self,
        completion: &cqueue::Entry,
        take: &mut impl FnMut(u32, Datagram<'_>) -> Option<(u32, SocketAddr, Range<usize>)>,
    ) {
        let data = completion.user_data();
        let socket = u32::try_from(data & 0xffff_ffff).unwrap_or(u32::MAX);
        let present = self.mark(socket).is_some_and(|mark| receive_data(socket, *mark) == data);
        if present && !cqueue::more(completion.flags()) {
            self.ended.push(socket);
        }
        let Some(buffer) = cqueue::buffer_select(completion.flags()) else { return };
        let received = usize::try_from(completion.result()).unwrap_or(0);
        let bytes = self.buffer(buffer).filter(|_| present);
        if let Some(Datagram { from, room, length }) = bytes.and_then(|bytes| message(bytes, received))
            && let Some((out, to, place)) = take(socket, Datagram { from, room: &mut *room, length })
            && let Some(packet) = room.get(place)
            && let Some(index) = self.next_outgoing(to)
        {
            self.push_send(out, index, to, packet.as_ptr(), packet.len());
        }
        // Only after the packet's send is queued: `next_outgoing` may submit, which returns the lent buffers.
        self.lent.push(buffer);
    }

    /// A buffer that the kernel has filled. It is ours until it is returned.
    fn buffer<'b>(&self, buffer: u16) -> Option<&'b mut [u8]> {
        if buffer >= BUFFERS {
            return None;
        }
        // SAFETY: within the memory, which is never freed; the kernel has handed this buffer over and does not write to it again before
        // `give_back`, and each completion is processed once.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.memory.add(usize::from(buffer) * BUFFER_BYTES), BUFFER_BYTES)
        })
    }

    fn mark(&mut self, socket: u32) -> Option<&mut u32> {
        self.marks.get_mut(usize::try_from(socket).ok()?)
    }

    /// A free slot for one more outgoing packet and its entry; submits if there is none.
    fn next_outgoing(&mut self, to: SocketAddr) -> Option<usize> {
        if self.outgoing_used == SENDS || self.ring.submission().is_full() {
            self.enter(0, Duration::ZERO);
        }
        let index = self.outgoing_used;
        let Some(out) = self.outgoing.get_mut(index) else {
            self.send_errors += 1;
            return None;
        };
        write_address(to, &mut out.address);
        self.outgoing_used += 1;
        Some(index)
    }

    fn push_send(&mut self, socket: u32, index: usize, to: SocketAddr, start: *const u8, length: usize) {
        let Some(out) = self.outgoing.get(index) else { return };
        let address_length = if to.is_ipv4() { 16 } else { 28 };
        // With MSG_DONTWAIT the send is complete when the submission returns, so the buffers can be used again.
        let send = opcode::Send::new(Fixed(socket), start, u32::try_from(length).unwrap_or(0))
            .flags(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
            .dest_addr(out.address.as_ptr().cast())
            .dest_addr_len(address_length)
            .build()
            .user_data(SENT << 56)
            .flags(squeue::Flags::SKIP_SUCCESS);
        self.push(&send);
    }

    /// Submits the missing multishot requests.
    fn arm(&mut self) {
        if !self.wake_armed {
            let poll = opcode::PollAdd::new(Fd(self.wake), u32::from(libc::POLLIN.unsigned_abs())).multi(true).build();
            self.push(&poll.user_data(WOKEN << 56));
            self.wake_armed = true;
        }
        while let Some(socket) = self.ended.pop() {
            let mark = self.mark(socket).map_or(0, |mark| *mark);
            if mark != 0 {
                let receive = opcode::RecvMsgMulti::new(Fixed(socket), &raw const *self.template, 0).build();
                self.push(&receive.user_data(receive_data(socket, mark)));
            }
        }
    }

    fn push(&mut self, entry: &squeue::Entry) {
        for _ in 0..2 {
            // SAFETY: the data to which the entry points (the template, a slot of `outgoing`, a lent buffer) is neither moved nor changed
            // until `enter` has submitted it.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            self.enter(0, Duration::ZERO);
        }
        self.send_errors += 1;
    }

    fn enter(&mut self, want: usize, timeout: Duration) {
        let result = if want == 0 {
            self.ring.submit()
        } else {
            let span = Timespec::new().sec(timeout.as_secs()).nsec(timeout.subsec_nanos());
            self.ring.submitter().submit_with_args(want, &SubmitArgs::new().timespec(&span))
        };
        // A time-out, a signal or a full completion queue: the next turn processes all completions.
        drop(result);
        if self.ring.submission().is_empty() {
            self.outgoing_used = 0;
            self.give_back();
        }
    }

    /// Returns the buffers whose packets have been sent.
    fn give_back(&mut self) {
        if self.lent.is_empty() {
            return;
        }
        for buffer in self.lent.drain(..) {
            // SAFETY: the index is below BUFFERS, a power of two; the kernel does not read the entry before the tail moves.
            unsafe {
                let entry = &mut *self.free.add(usize::from(self.tail & (BUFFERS - 1)));
                entry.set_addr(self.memory.add(usize::from(buffer) * BUFFER_BYTES) as u64);
                entry.set_len(u32::try_from(BUFFER_BYTES).unwrap_or(0));
                entry.set_bid(buffer);
            }
            self.tail = self.tail.wrapping_add(1);
        }
        // SAFETY: `free` is the first entry of the registered ring, whose tail the kernel reads.
        unsafe {
            let tail = BufRingEntry::tail(self.free).cast_mut().cast::<std::sync::atomic::AtomicU16>();
            (*tail).store(self.tail, std::sync::atomic::Ordering::Release);
        }
    }
}

/// Zeroed memory for the kernel, in whole pages that are never freed.
fn pages(bytes: usize) -> *mut u8 {
    let pages: Box<[Page]> = vec![Page([0; 4_096]); bytes.div_ceil(4_096)].into();
    Box::leak(pages).as_mut_ptr().cast()
}

fn receive_data(socket: u32, mark: u32) -> u64 {
    (RECEIVED << 56) | (u64::from(mark) << 32) | u64::from(socket)
}

/// Parses a buffer with `received` filled bytes. Returns None if the packet is truncated or has no address.
fn message(bytes: &mut [u8], received: usize) -> Option<Datagram<'_>> {
    let (head, rest) = bytes.split_at_mut_checked(HEAD_BYTES)?;
    let word = |at: usize| head.get(at..).and_then(|rest| rest.first_chunk()).copied().map(u32::from_ne_bytes);
    let (length, flags) = (usize::try_from(word(8)?).ok()?, word(12)?);
    if flags & libc::MSG_TRUNC.unsigned_abs() != 0 {
        return None;
    }
    let (address, room) = rest.split_at_mut_checked(ADDRESS_BYTES)?;
    let whole = HEAD_BYTES + ADDRESS_BYTES + length <= received;
    Some(Datagram { from: read_address(address)?, room, length }).filter(|_| whole)
}

/// Reads a `sockaddr_in` or `sockaddr_in6`.
fn read_address(bytes: &[u8]) -> Option<SocketAddr> {
    let (family, rest) = bytes.split_first_chunk::<2>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => IpAddr::from(*rest.first_chunk::<4>()?),
        libc::AF_INET6 => IpAddr::from(*rest.get(4..)?.first_chunk::<16>()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

/// Writes a `sockaddr_in` or `sockaddr_in6`.
fn write_address(address: SocketAddr, bytes: &mut [u8; ADDRESS_BYTES]) {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let family = u16::try_from(family).unwrap_or(0).to_ne_bytes();
    *bytes = [0; ADDRESS_BYTES];
    let port = address.port().to_be_bytes();
    let fields = bytes.iter_mut().zip(family.into_iter().chain(port));
    fields.for_each(|(place, byte)| *place = byte);
    match address {
        SocketAddr::V4(v4) => bytes.iter_mut().skip(4).zip(v4.ip().octets()).for_each(|(place, byte)| *place = byte),
        SocketAddr::V6(v6) => {
            bytes.iter_mut().skip(8).zip(v6.ip().octets()).for_each(|(place, byte)| *place = byte);
            bytes.iter_mut().skip(24).zip(v6.scope_id().to_ne_bytes()).for_each(|(place, byte)| *place = byte);
        }
    }
}
